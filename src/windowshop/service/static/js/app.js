// The page: what happens when something is asked, picked, clicked, or gone back to.

import * as api from "./api.js";
import { nameOf } from "./cards.js";
import { Clicks, isPlain } from "./clicks.js";
import { showDetail } from "./detail.js";
import { showDots } from "./dots.js";
import { announce, byId, debounced, focusResults, refill } from "./dom.js";
import { Facets } from "./facets.js";
import { clearBlank, showChips, showEmpty, showFault, showNotes, showRecognised } from "./notes.js";
import { page, usePage } from "./page.js";
import { ask, keepPhoto, photoNamed, photoToken, productToken, watchForPhotos } from "./photo.js";
import { remember } from "./recent.js";
import { Results } from "./results.js";
import { watchSheets } from "./sheets.js";
import { offerSorts, showSort } from "./sorts.js";
import { EMPTY, fromAddress, PAGE, sameAnswer, sameQuestion, sortOf, toAddress, toRequest } from "./state.js";
import { watchQuery } from "./suggest.js";
import { Typing } from "./typing.js";
import { counted, inNumbers } from "./words.js";

const DOTS_MS = 250;
const FRESH = { picks: {}, choices: {}, correct: true, sort: null, where: "", product: null };

const isBench = location.pathname.endsWith("/workbench");

let state = fromAddress(location.search, isBench);
let answered = null; // the state whose results are shown
const seen = new Map(); // title and photo of products, by id

const bench = isBench ? new (await import("./workbench.js")).Workbench({ go, ask, addressOf, cardClicked: (event) => clicks.card(event), state: () => state }) : null;
const results = new Results(addressOf, (result) => bench?.extra(result) ?? []);
const drawDots = debounced((shown) => showDots(results.list, shown, addressOf).catch(() => undefined), DOTS_MS);
const facets = new Facets(byId("facets"), { change: pick, ask: askFacet });
const typing = new Typing({
  asked: () => state.text,
  look: (text, goesOn) => go({ ...FRESH, text, similar: null }, { replace: goesOn }),
  guessed: () => {
    syncControls();
    run(true);
  },
  stood: writeDown,
});
const clicks = new Clicks({
  open: (product) => go({ product }, { replace: state.product !== null }),
  like: askLike,
  settle: () => typing.settle(),
  known: (id) => results.known(id),
});

// What is asked for.

/** Change the state, and the address and page with it. */
function go(changes, { replace = false } = {}) {
  const before = state;
  state = { ...state, ...changes };
  const address = toAddress(state);
  if (replace || address === toAddress(before)) history.replaceState(history.state, "", here(address));
  else {
    rememberPlace();
    history.pushState({ shown: sameAnswer(before, state) ? (history.state?.shown ?? PAGE) : PAGE, ours: true }, "", here(address));
  }
  update(before);
}

function here(address) {
  return address ? `?${address}` : location.pathname;
}

function askText(text) {
  remember(text);
  const isSame = typing.isOn && text.trim() === state.text.trim();
  if (isSame && typing.guess === text.trim()) {
    typing.settle();
    return;
  }
  typing.stop();
  if (isSame) {
    syncControls();
    run(true);
  } else go({ ...FRESH, text, similar: null });
}

/** The text that was typed stands: ask once more so that it is written down, for clicks to be reported under it. */
async function writeDown(guess) {
  const isShown = answered && sameAnswer(answered, state);
  const asked = (state = { ...state, text: guess });
  history.replaceState(history.state, "", here(toAddress(state)));
  if (!asked.text.trim()) return;
  if (!isShown) {
    await run(true);
    return;
  }
  if (asked.compare) return;
  answered = asked;
  announce(byId("summary").textContent);
  if (results.shown.length) remember(guess);
  try {
    const answer = await ask(toRequest(asked, { limit: results.shown.length || PAGE }), asked, api.latest("settle"));
    if (sameAnswer(asked, state)) results.renew(answer);
  } catch {
    // The results are there; only their clicks are not reported.
  }
}

function askLike(id, title) {
  if (!seen.has(id)) seen.set(id, { title, photo: null });
  go({ ...FRESH, text: "", photo: null, similar: id });
  focusResults();
  scrollTo(0, 0);
}

const isNarrow = () => matchMedia("(max-width: 40rem)").matches;

const seesPhotos = () => page.takes_images;

async function askPhoto(file) {
  if (!seesPhotos()) return;
  combo.close();
  go({ photo: await keepPhoto(file), similar: null, product: null });
}

function removePhoto() {
  byId("query").focus();
  go({ photo: null });
}

function removeLike() {
  byId("query").focus();
  go({ ...FRESH, similar: null });
}

function pick(column, value) {
  const picks = { ...state.picks };
  if (value) picks[column] = value;
  else delete picks[column];
  go({ picks });
}

/** Lift what is picked of a column: these values, or all. */
function lift(column, values) {
  const others = values ? state.picks[column].values.filter((other) => !values.includes(other)) : [];
  pick(column, others.length ? { values: others } : null);
}

function addressOf(product) {
  return here(toAddress({ ...state, product }));
}

// What the page shows.

function update(before, { shown = PAGE, y = null, again = false } = {}) {
  syncControls();
  const isNew = !sameQuestion(before, state);
  const answered = sameAnswer(before, state) ? null : run(isNew, { limit: shown, again: again || !isNew });
  if (y !== null) Promise.resolve(answered).then(() => scrollTo(0, y));
  if (state.product !== before.product) syncDetail();
}

function syncControls() {
  if (byId("query").value.trim() !== state.text.trim()) byId("query").value = state.text;
  byId("clear-query").hidden = !state.text;
  showSort(state.sort);
  byId("heading").textContent = headline();
  document.title = page.name ? `${headline()} – ${page.name}` : headline();
  bench?.sync(state);
  syncToken();
  syncChips();
}

function headline() {
  if (state.similar) return seen.has(state.similar) ? `Similar to ${seen.get(state.similar).title}` : "Similar products";
  if (state.photo) return state.text.trim() ? `Like your photo: ${state.text.trim()}` : "Like your photo";
  return (typing.isOn ? typing.guess : state.text.trim()) || "All products";
}

/** Show in the search box which photo or product is searched by. */
async function syncToken() {
  const photo = state.photo && (await photoNamed(state.photo));
  const like = state.similar && seen.get(state.similar);
  refill(byId("asked-by"), photo ? [photoToken(photo.url, removePhoto)] : like ? [productToken(like, removeLike)] : []);
}

function syncChips() {
  const count = Object.keys(state.picks).length;
  byId("open-filters-text").textContent = count ? `Filters (${count})` : "Filters";
  showChips(state, { named: (column, values) => facets.pickedIn(column, values), lift, clear: clearPicks, liftWhere: () => go({ where: "" }) });
}

const clearPicks = () => go({ picks: {}, where: "" });

/** Ask; `again` where the same was asked before, on this page or before it was left. */
function run(isNewQuestion, { limit = PAGE, again = false } = {}) {
  return state.compare ? runCompare() : runList(isNewQuestion, limit, again);
}

async function runList(isNewQuestion, limit, followUp) {
  const asked = state;
  const signal = api.latest("search");
  api.latest("more");
  results.wait(isNewQuestion && !typing.isOn);
  try {
    const text = typing.isOn ? typing.guess : asked.text;
    const request = toRequest({ ...asked, text }, { limit, facets: facets.wanted(asked.picks), followUp, log: !typing.isOn });
    const [answer] = await Promise.all([ask(request, asked, signal), typing.sure]);
    if (signal.aborted) return;
    show(answer, asked);
    combo.found(answer);
  } catch (error) {
    if (!api.isAbort(error)) fail(error, () => run(true, { limit, again: followUp }));
  }
}

function show(answer, asked) {
  clearBlank();
  answered = asked;
  results.show(answer, asked.collapse);
  dotSoon(answer, asked);
  for (const result of answer.results) seen.set(result.product_id, { title: nameOf(result), photo: result.photo_url });
  const found = counted(answer.total, "result");
  const more = answer.total_products > answer.total ? ` · ${inNumbers(answer.total_products)} with variants` : "";
  byId("summary").textContent = found + more;
  byId("filters-done").textContent = `Show ${found}`;
  if (!typing.isOn) announce(answer.corrected ? `${found} for ${answer.corrected}` : found);
  showNotes(answer, asked, {
    choose: (choices) => go({ choices: { ...state.choices, ...choices } }),
    correct: (correct) => go({ correct }),
    isBench,
  });
  showRecognised(answer.recognised, asked.choices, (name, action) => go({ choices: { ...state.choices, [name]: action } }), isBench);
  facets.show(answer.facets, asked, answer.total > 0);
  syncChips();
  if (!answer.results.length) offerWays(answer, asked);
  bench?.shown(answer, asked);
}

/** Show shoppers the colours of variants, once the results stand for a moment. */
function dotSoon(answer, asked) {
  if (!isBench && asked.collapse) drawDots(answer.results);
}

function offerWays(answer, asked) {
  const filtering = answer.recognised.filter(({ action }) => action === "filter");
  const choices = { ...asked.choices, ...Object.fromEntries(filtering.map(({ name }) => [name, "off"])) };
  showEmpty(asked, { clear: clearPicks, ignoreAll: filtering.length ? () => go({ choices }) : null, browse: () => go({ ...EMPTY }) });
}

function fail(error, retry) {
  results.clear();
  clearSaid();
  bench?.cleared();
  const isFiltered = state.where || Object.keys(state.picks).length;
  const isOdd = !isBench && ["bad_search", "bad_filter"].includes(error.code) && Boolean(isFiltered || state.sort);
  showFault(error, {
    retry,
    lift: isFiltered ? () => go({ picks: {}, where: "", sort: null }) : null,
    clear: () => go({ ...EMPTY }),
    removePhoto: state.photo && ["bad_photo", "photo_gone"].includes(error.code) ? removePhoto : null,
    isOdd,
    isBench,
  });
  announce(byId("blank").querySelector("p").textContent);
}

/** Take away what is said of an answer above its results. */
function clearSaid() {
  for (const id of ["notes", "recognised", "summary"]) byId(id).replaceChildren();
}

async function showMore() {
  const button = byId("more-button");
  const signal = api.latest("more");
  button.disabled = true;
  try {
    const asked = state;
    const answer = await ask(toRequest(asked, { offset: results.shown.length, followUp: true }), asked, signal);
    results.add(answer, asked.collapse);
    dotSoon(answer, asked);
    history.replaceState({ ...history.state, shown: results.shown.length }, "");
    bench?.shown(answer, asked);
  } catch (error) {
    if (!api.isAbort(error)) byId("more-text").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

async function askFacet(column, facetLimit) {
  const asked = state;
  try {
    const request = toRequest({ ...asked, explain: false }, { limit: 1, facets: [column], facetLimit, log: false });
    const answer = await ask(request, asked, api.latest(`facet ${column}`));
    return asked === state ? answer.facets[0] : null;
  } catch (error) {
    if (!api.isAbort(error)) announce(error.message);
    return null;
  }
}

async function runCompare() {
  const asked = typing.isOn ? { ...state, text: typing.guess } : state;
  const signal = api.latest("search");
  answered = state;
  clearSaid();
  clearBlank();
  results.opened();
  await bench.compare(asked, signal);
}

// One product.

function syncDetail() {
  if (!state.product) {
    byId("detail").close();
    return;
  }
  showDetail(state.product, {
    known: results.known(state.product), generation: state.generation, addressOf, onLike: askLike,
  });
}

function closeDetail() {
  if (!state.product) return;
  if (history.state?.ours) history.back();
  else go({ product: null }, { replace: true });
}

// The browser's own back, and the way there.

function rememberPlace() {
  history.replaceState({ ...history.state, y: scrollY }, "");
}

function cameBack(event) {
  typing.stop();
  const before = state;
  state = fromAddress(location.search, isBench);
  update(before, { shown: event.state?.shown, y: event.state?.y ?? null, again: true });
}

// Listening.

const combo = watchQuery({ choose: askText, typed: (...said) => typing.typed(...said), open: (result) => clicks.result(result) });

function watchControls() {
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    combo.close();
    askText(byId("query").value);
    if (isNarrow()) byId("query").blur(); // the keyboard of a phone covers the results
  });
  byId("home").addEventListener("click", (event) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    go({ ...EMPTY });
  });
  byId("sort").addEventListener("change", ({ target }) => go({ sort: sortOf(target.value) }));
  byId("more-button").addEventListener("click", showMore);
}

function watchPage() {
  for (const id of ["cards", "detail"]) {
    byId(id).addEventListener("click", (event) => clicks.card(event));
    byId(id).addEventListener("auxclick", (event) => clicks.card(event));
  }
  addEventListener("popstate", cameBack);
  byId("query").addEventListener("change", () => typing.settle());
  addEventListener("scroll", debounced(rememberPlace, 250), { passive: true });
  document.addEventListener("keydown", (event) => {
    const isInField = event.target.closest("input, select, textarea, dialog");
    if (!isInField && !event.ctrlKey && !event.metaKey && !event.altKey) bench?.key(event);
  });
  watchForPhotos(askPhoto);
}

/** The product that similar ones are asked for; where it is gone, the search says so. */
async function readProduct(id) {
  const product = await api.product(id).catch(() => null);
  if (product?.title) seen.set(id, { title: product.title, photo: product.photo_url });
}

async function open() {
  results.open();
  try {
    usePage(await api.pageSettings());
    await bench?.open();
  } catch (error) {
    fail(error, open);
    return;
  }
  facets.offer(page.facets);
  offerSorts(page.sorts);
  byId("photo-pick").hidden = !seesPhotos();
  if (!seesPhotos() || matchMedia("(hover: none)").matches) byId("query").placeholder = "Search products";
  if (state.similar) await readProduct(state.similar);
  if (bench) state.sides = bench.sidesOf(state);
  syncControls();
  const place = history.state;
  const answered = run(true, { limit: place?.shown, again: place !== null });
  if (place?.y) answered.then(() => scrollTo(0, place.y));
  else rememberPlace();
  if (state.product) syncDetail();
}

history.scrollRestoration = "manual";
watchControls();
watchSheets(closeDetail);
watchPage();
open();
