// The page: what happens when something is asked, picked, clicked, or gone back to.

import * as api from "./api.js";
import { nameOf } from "./cards.js";
import { showDetail } from "./detail.js";
import { showDots } from "./dots.js";
import { announce, byId, debounced, focusResults, refill } from "./dom.js";
import { Facets } from "./facets.js";
import { clearBlank, showChips, showEmpty, showFault, showNotes, showRecognised } from "./notes.js";
import { page, usePage } from "./page.js";
import { remember } from "./recent.js";
import { keepPhoto, photoNamed, photoToken, watchForPhotos } from "./photo.js";
import { Results } from "./results.js";
import { EMPTY, fromAddress, PAGE, sameAnswer, sameQuestion, sortOf, sortText, toAddress, toRequest } from "./state.js";
import { watchQuery } from "./suggest.js";
import { counted, inNumbers } from "./words.js";

const DOTS_MS = 250;
const FRESH = { picks: {}, choices: {}, correct: true, sort: null, where: "", product: null };

const isBench = location.pathname.endsWith("/workbench");

let state = fromAddress(location.search, isBench);
const titles = new Map();

const bench = isBench ? new (await import("./workbench.js")).Workbench({ go, ask, addressOf, cardClicked, state: () => state }) : null;
const results = new Results(addressOf, (result) => bench?.extra(result) ?? []);
const drawDots = debounced((shown) => showDots(results.list, shown, addressOf).catch(() => undefined), DOTS_MS);
const facets = new Facets(byId("facets"), { change: pick, ask: askFacet });

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
  const isSame = typing && text.trim() === state.text.trim();
  if (isSame && guess === text.trim()) {
    settle();
    return;
  }
  stopTyping();
  if (isSame) {
    syncControls();
    run(true);
  } else go({ ...FRESH, text, similar: null });
}

// As one types: each text is searched for, and none is written down before it stands for a while.

const STANDS_MS = 1500;
let typing = false;
let standing = 0;
let guess = "";

/** Search for what is typed, or for what it is likely to become. */
function typed(text, likely) {
  if (text.trim() === state.text.trim()) return;
  guess = likely.trim();
  const goesOn = typing;
  typing = true;
  clearTimeout(standing);
  if (scrollY > 0) scrollTo(0, 0);
  go({ ...FRESH, text, similar: null }, { replace: goesOn });
  standing = setTimeout(settle, STANDS_MS);
}

function stopTyping() {
  typing = false;
  clearTimeout(standing);
}

/** The text stands: ask once more so that it is written down, for clicks to be reported under it. */
async function settle() {
  if (!typing) return;
  stopTyping();
  const asked = (state = { ...state, text: guess });
  history.replaceState(history.state, "", here(toAddress(state)));
  announce(byId("summary").textContent);
  if (!asked.text.trim() || !results.shown.length) return;
  remember(guess);
  try {
    const answer = await ask(toRequest(asked, { limit: results.shown.length }), asked, api.latest("settle"));
    if (sameAnswer(asked, state)) results.renew(answer);
  } catch {
    // The results are there; only their clicks are not reported.
  }
}

function askLike(id, title) {
  titles.set(id, title);
  go({ ...FRESH, text: "", photo: null, similar: id });
  focusResults();
  scrollTo(0, 0);
}

const isNarrow = () => matchMedia("(max-width: 40rem)").matches;

const seesPhotos = () => page.takes_images;

async function askPhoto(file) {
  if (!seesPhotos()) return;
  go({ photo: await keepPhoto(file), similar: null, product: null });
}

function removePhoto() {
  byId("query").focus();
  go({ photo: null });
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
  byId("sort").value = sortText(state.sort);
  byId("heading").textContent = headline();
  document.title = page.name ? `${headline()} – ${page.name}` : headline();
  bench?.sync(state);
  syncPhoto();
  syncChips();
}

function headline() {
  if (state.similar) return `Similar to ${titles.get(state.similar) ?? `product ${state.similar}`}`;
  if (state.photo) return state.text.trim() ? `Like your photo: ${state.text.trim()}` : "Like your photo";
  return (typing ? guess : state.text.trim()) || "All products";
}

async function syncPhoto() {
  const photo = state.photo && (await photoNamed(state.photo));
  refill(byId("asked-by"), photo ? [photoToken(photo.url, removePhoto)] : []);
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
  results.wait(isNewQuestion && !typing);
  try {
    const text = typing ? guess : asked.text;
    const request = toRequest({ ...asked, text }, { limit, facets: facets.wanted(asked.picks), followUp, log: !typing });
    const answer = await ask(request, asked, signal);
    show(answer, asked);
    combo.found(answer);
  } catch (error) {
    if (!api.isAbort(error)) fail(error, () => run(true, { limit, again: followUp }));
  }
}

/** Ask by photo where there is one; a photo that this tab has no more is said to be missing. */
async function ask(request, asked, signal) {
  if (!asked.photo) return api.search(request, signal);
  const photo = await photoNamed(asked.photo);
  if (!photo) throw new api.ApiError(410, "photo_gone", "The photo is not part of a link and this tab has it no more. Add it again.");
  return api.searchByPhoto(photo.blob, request, signal);
}

function show(answer, asked) {
  clearBlank();
  results.show(answer, asked.collapse);
  dotSoon(answer, asked);
  for (const result of answer.results) titles.set(result.product_id, nameOf(result));
  const found = counted(answer.total, "result");
  const more = answer.total_products > answer.total ? ` · ${inNumbers(answer.total_products)} with variants` : "";
  byId("summary").textContent = found + more;
  byId("filters-done").textContent = `Show ${found}`;
  if (!typing) announce(answer.corrected ? `${found} for ${answer.corrected}` : found);
  showNotes(answer, asked, {
    choose: (choices) => go({ choices: { ...state.choices, ...choices } }),
    correct: (correct) => go({ correct }),
    isBench,
  });
  showRecognised(answer.recognised, (name, action) => go({ choices: { ...state.choices, [name]: action } }), isBench);
  facets.show(answer.facets, asked);
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
  showFault(error, { retry, lift: isFiltered ? () => go({ picks: {}, where: "", sort: null }) : null, clear: () => go({ ...EMPTY }), isOdd });
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
  const asked = state;
  const signal = api.latest("search");
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

const isPlain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;

/** Clicks on cards, wherever they are: report them, then open the product here or in a new tab. */
function cardClicked(event) {
  const like = event.target.closest("[data-like]");
  const card = event.target.closest(".card");
  const variant = event.target.closest("[data-variant]");
  if (like) askLike(like.dataset.like, card.querySelector(".title").textContent);
  const link = event.target.closest(".title a");
  if (variant && isPlain(event)) {
    event.preventDefault();
    go({ product: variant.dataset.variant }, { replace: state.product !== null });
  }
  if (!link || !card) return;
  report(card.dataset.id, () => card.dataset);
  if (!isPlain(event)) return;
  event.preventDefault();
  go({ product: card.dataset.id }, { replace: state.product !== null });
}

/** Report a click, once its search is written down. */
async function report(id, place) {
  if (typing) await settle();
  const { search, rank } = place();
  if (search) api.reportClick({ search_id: search, product_id: id, position: Number(rank) });
}

function openResult(result) {
  report(result.product_id, () => {
    const shown = results.known(result.product_id);
    return { search: shown?.search_id, rank: shown?.rank };
  });
  go({ product: result.product_id });
}

// The browser's own back, and the way there.

function rememberPlace() {
  history.replaceState({ ...history.state, y: scrollY }, "");
}

function cameBack(event) {
  stopTyping();
  const before = state;
  state = fromAddress(location.search, isBench);
  update(before, { shown: event.state?.shown, y: event.state?.y ?? null, again: true });
}

// Listening.

const combo = watchQuery({ choose: askText, typed, open: openResult });

function watchControls() {
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    combo.close();
    askText(byId("query").value);
    if (isNarrow()) byId("query").blur(); // the keyboard of a phone covers the results
  });
  byId("query").addEventListener("input", () => (byId("clear-query").hidden = !byId("query").value));
  byId("clear-query").addEventListener("click", () => {
    byId("query").value = "";
    byId("clear-query").hidden = true;
    byId("query").focus();
    combo.lookSoon();
  });
  byId("home").addEventListener("click", (event) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    go({ ...EMPTY });
  });
  byId("sort").addEventListener("change", ({ target }) => go({ sort: sortOf(target.value) }));
  byId("more-button").addEventListener("click", showMore);
}

function watchDialogs() {
  const sheet = byId("filters-dialog");
  byId("open-filters").addEventListener("click", () => {
    byId("filters-away").append(byId("filters"));
    sheet.showModal();
  });
  for (const id of ["filters-done", "filters-close"]) byId(id).addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) sheet.close();
  });
  sheet.addEventListener("close", () => byId("filters-home").append(byId("filters")));
  byId("detail-close").addEventListener("click", () => byId("detail").close());
  byId("detail").addEventListener("close", closeDetail);
  byId("detail").addEventListener("click", (event) => {
    if (event.target === byId("detail")) byId("detail").close();
  });
}

function watchPage() {
  for (const id of ["cards", "detail"]) {
    byId(id).addEventListener("click", cardClicked);
    byId(id).addEventListener("auxclick", cardClicked);
  }
  addEventListener("popstate", cameBack);
  byId("query").addEventListener("change", settle);
  addEventListener("scroll", debounced(rememberPlace, 250), { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      byId("query").focus();
    }
    const typing = event.target.closest("input, select, textarea, dialog");
    if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey) bench?.key(event);
  });
  watchForPhotos(askPhoto);
}

function offerSorts() {
  const options = [["", "Best match"], ...page.sorts.map(({ by, label }) => [by, label])];
  byId("sort").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  byId("sort").closest("label").hidden = !page.sorts.length;
}

async function open() {
  results.open();
  try {
    usePage(await api.pageSettings());
    await bench?.open();
    facets.offer(page.facets);
    if (state.similar) titles.set(state.similar, (await api.product(state.similar)).title);
  } catch (error) {
    fail(error, open);
    return;
  }
  offerSorts();
  byId("photo-pick").hidden = !seesPhotos();
  if (!seesPhotos() || matchMedia("(hover: none)").matches) byId("query").placeholder = "Search products";
  if (bench) state.sides = bench.sidesOf(state);
  syncControls();
  run(true, { limit: history.state?.shown, again: history.state !== null });
  rememberPlace();
  if (state.product) syncDetail();
}

history.scrollRestoration = "manual";
watchControls();
watchDialogs();
watchPage();
open();
