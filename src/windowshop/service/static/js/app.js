// The page: what happens when something is asked, picked, clicked, or gone back to.

import * as api from "./api.js";
import { nameOf } from "./cards.js";
import { showDetail } from "./detail.js";
import { announce, byId, debounced, focusResults, refill } from "./dom.js";
import { Facets } from "./facets.js";
import { clearBlank, showChips, showEmpty, showFault, showNotes, showRecognised } from "./notes.js";
import { page, usePage } from "./page.js";
import { keepPhoto, photoNamed, photoToken, watchForPhotos } from "./photo.js";
import { Results } from "./results.js";
import { EMPTY, fromAddress, PAGE, sameAnswer, sameQuestion, toAddress, toRequest } from "./state.js";
import { watchQuery } from "./suggest.js";
import { counted, inNumbers } from "./words.js";

const FRESH = { picks: {}, choices: {}, correct: true, sort: null, where: "", product: null };

const isBench = location.pathname.endsWith("/workbench");

let state = fromAddress(location.search, isBench);
const titles = new Map();

const bench = isBench ? new (await import("./workbench.js")).Workbench({ go, ask, addressOf, cardClicked, state: () => state }) : null;
const results = new Results(addressOf, (result) => bench?.extra(result) ?? []);
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

const askText = (text) => go({ ...FRESH, text, similar: null });

function askLike(id, title) {
  titles.set(id, title);
  go({ ...FRESH, text: "", photo: null, similar: id });
  focusResults();
  scrollTo(0, 0);
}

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

function liftValue(column, value) {
  const values = state.picks[column].values.filter((other) => other !== value);
  pick(column, values.length ? { values } : null);
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
  byId("query").value = state.text;
  byId("clear-query").hidden = !state.text;
  byId("sort").value = state.sort ? `${state.sort.descending ? "-" : ""}${state.sort.column}` : "";
  byId("heading").textContent = headline();
  document.title = page.name ? `${headline()} – ${page.name}` : headline();
  bench?.sync(state);
  syncPhoto();
  syncChips();
}

function headline() {
  if (state.similar) return `Similar to ${titles.get(state.similar) ?? `product ${state.similar}`}`;
  if (state.photo) return state.text.trim() ? `Like your photo: ${state.text.trim()}` : "Like your photo";
  return state.text.trim() || "All products";
}

async function syncPhoto() {
  const photo = state.photo && (await photoNamed(state.photo));
  refill(byId("asked-by"), photo ? [photoToken(photo.url, removePhoto)] : []);
}

function syncChips() {
  const count = Object.keys(state.picks).length;
  byId("open-filters-text").textContent = count ? `Filters (${count})` : "Filters";
  showChips(state, { lift: (column) => pick(column, null), liftValue, clear: clearPicks, liftWhere: () => go({ where: "" }) });
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
  results.wait(isNewQuestion);
  try {
    const request = toRequest(asked, { limit, facets: facets.wanted(asked.picks), followUp });
    show(await ask(request, asked, signal), asked);
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
  for (const result of answer.results) titles.set(result.product_id, nameOf(result));
  const found = counted(answer.total, "result");
  const more = answer.total_products > answer.total ? ` · ${inNumbers(answer.total_products)} with variants` : "";
  byId("summary").textContent = found + more;
  byId("filters-done").textContent = `Show ${found}`;
  announce(answer.corrected ? `${found} for ${answer.corrected}` : found);
  showNotes(answer, asked, {
    choose: (choices) => go({ choices: { ...state.choices, ...choices } }),
    correct: (correct) => go({ correct }),
    isBench,
  });
  showRecognised(answer.recognised, (name, action) => go({ choices: { ...state.choices, [name]: action } }), isBench);
  facets.show(answer.facets, asked);
  if (!answer.results.length) offerWays(answer, asked);
  bench?.shown(answer, asked);
}

function offerWays(answer, asked) {
  const filtering = answer.recognised.filter(({ action }) => action === "filter");
  const choices = { ...asked.choices, ...Object.fromEntries(filtering.map(({ name }) => [name, "off"])) };
  showEmpty(asked, { clear: clearPicks, ignoreAll: filtering.length ? () => go({ choices }) : null, browse: () => go({ ...EMPTY }) });
}

function fail(error, retry) {
  results.clear();
  for (const id of ["notes", "recognised"]) byId(id).replaceChildren();
  byId("summary").textContent = "";
  bench?.cleared();
  const isFiltered = state.where || Object.keys(state.picks).length;
  showFault(error, { retry, lift: isFiltered ? clearPicks : null, clear: () => go({ ...EMPTY }) });
  announce(error.message);
}

async function showMore() {
  const button = byId("more-button");
  const signal = api.latest("more");
  button.disabled = true;
  try {
    const asked = state;
    const answer = await ask(toRequest(asked, { offset: results.shown.length, followUp: true }), asked, signal);
    results.add(answer, asked.collapse);
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
  for (const id of ["notes", "recognised"]) byId(id).replaceChildren();
  clearBlank();
  byId("summary").textContent = "";
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

/** Clicks on cards, wherever they are: report them, then open the product here or in a new tab. */
function cardClicked(event) {
  const like = event.target.closest("[data-like]");
  const card = event.target.closest(".card");
  if (like) askLike(like.dataset.like, card.querySelector(".title").textContent);
  const link = event.target.closest(".title a");
  if (!link || !card) return;
  const { id, search, rank } = card.dataset;
  if (search) api.reportClick({ search_id: search, product_id: id, position: Number(rank) });
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ product: id }, { replace: state.product !== null });
}

// The browser's own back, and the way there.

function rememberPlace() {
  history.replaceState({ ...history.state, y: scrollY }, "");
}

function cameBack(event) {
  const before = state;
  state = fromAddress(location.search, isBench);
  update(before, { shown: event.state?.shown, y: event.state?.y ?? null, again: true });
}

// Listening.

function watchControls() {
  const combo = watchQuery(askText);
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    combo.close();
    askText(byId("query").value);
  });
  byId("query").addEventListener("input", () => (byId("clear-query").hidden = !byId("query").value));
  byId("clear-query").addEventListener("click", () => {
    byId("query").value = "";
    byId("clear-query").hidden = true;
    byId("query").focus();
  });
  byId("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ ...EMPTY });
  });
  byId("sort").addEventListener("change", ({ target }) =>
    go({ sort: target.value ? { column: target.value.replace(/^-/, ""), descending: target.value.startsWith("-") } : null }));
  byId("more-button").addEventListener("click", showMore);
}

function watchDialogs() {
  const sheet = byId("filters-dialog");
  byId("open-filters").addEventListener("click", () => {
    byId("filters-away").append(byId("filters"));
    sheet.showModal();
  });
  byId("filters-done").addEventListener("click", () => sheet.close());
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
  results.wait(true);
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
