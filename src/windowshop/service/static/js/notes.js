// What stands above and below the results: how the query was read, what is picked, what went wrong.

import { byId, el, focusResults, icon, refill } from "./dom.js";
import { columnName, inNumbers, inPrice, levels, pickWords } from "./words.js";

const ACTIONS = { filter: "Only these", boost: "Prefer", off: "Ignore" };
const ACTIONS_OF = {
  exclusion: { filter: "Leave out", boost: "Show last", off: "Ignore" },
  identifier: { filter: "Only these", boost: "Show first", off: "Ignore" },
};

/** "Showing results for", what was not found and what is there instead, and what was given up so
 * that something was found. `choose(choices)` asks for an alternative, `correct(yes)` again with
 * the spelling corrected or as typed. */
export function showNotes(answer, state, { choose, correct, isBench }) {
  const steps = isBench ? answer.relaxed : answer.relaxed.map(givenUp);
  const notes = [];
  if (answer.corrected && answer.corrected !== answer.text) {
    notes.push(spelling(["Showing results for ", el("strong", { dir: "auto", text: answer.corrected }), "."], "Search as typed", () => correct(false)));
  } else if (!state.correct && answer.text) {
    notes.push(spelling(["Searched exactly as typed."], "Correct the spelling", () => correct(true)));
  }
  if (answer.certainty?.found === "closest") {
    notes.push(notFound({ ...answer, relaxed: steps }, choose));
  } else if (answer.relaxed.length) {
    notes.push(el("div", { class: "note" },
      el("p", {}, el("strong", { text: answer.results.length ? "Nothing fits all of it. These come closest:" : "Nothing was found, however loosely:" })),
      el("ul", {}, steps.map((step) => el("li", { text: step })))));
  }
  refill(byId("notes"), notes);
}

function spelling(said, way, run) {
  const again = el("button", { class: "textual", type: "button", text: way, data: { key: "spelling" }, on: { click: run } });
  return el("p", { class: "note spelling" }, el("span", {}, said), again);
}

/** What is there without one wish; prices as the shop writes them. */
function offered({ gives_up: dropped, keeps, text, low, high }, { recognised, results }) {
  const part = recognised.find(({ name }) => name === dropped);
  if (part?.kind !== "price" || low === null || high === null) return text;
  const currencies = new Set(results.map(({ currency }) => currency));
  const money = (value) => inPrice(value, currencies.size === 1 ? [...currencies][0] : "");
  return `${keeps}, from ${money(low)}${high > low ? ` to ${money(high)}` : ""}`;
}

function notFound({ certainty, relaxed, results, recognised }, choose) {
  const others = certainty.unmet?.alternatives ?? [];
  const offers = others.map((other, i) => el("button", {
    class: "chip offer", type: "button", data: { key: `offer:${i}` }, on: { click: () => choose(other.choices) },
    text: `${offered(other, { recognised, results })} (${inNumbers(other.total)})`,
  }));
  return el("div", { class: "note closest" },
    el("p", { dir: "auto" }, el("strong", { text: certainty.text })),
    offers.length ? el("p", { class: "row offers" }, el("span", { class: "quietly", text: "There is" }), offers) : null,
    relaxed.length ? el("ul", {}, relaxed.map((step) => el("li", { text: step }))) : null,
    results.length ? el("p", { class: "quietly", text: "Closest to your search:" }) : null);
}

/** What was recognised in the query. A shopper takes each back or lets it count again, and reads
 * nothing of what is ignored without having been taken back (`choices`); on the workbench
 * (`isBench`) each can be made a filter, a preference, or be left alone. */
export function showRecognised(recognised, choices, choose, isBench) {
  const parts = recognised.filter(({ action, name }) => isBench || action !== "off" || name in choices);
  const label = parts.length ? el("span", { class: "quietly", text: "Understood" }) : null;
  refill(byId("recognised"), label, parts.map((part, i) => (isBench ? recognisedPart(part, i, choose) : understood(part, i, choose))));
}

/** What is picked, each removable. `named(column, values)` gives as few names as it can; `lift(column,
 * values)` removes some of a column or all of it, `clear()` everything. */
export function showChips(state, { named, lift, clear, liftWhere }) {
  const chips = Object.entries(state.picks).flatMap(([column, pick]) => {
    if (!pick.values) return [chip(`${columnName(column)}: ${pickWords(column, pick)}`, column, () => lift(column))];
    return named(column, pick.values).map(({ text, values }) => chip(`${columnName(column)}: ${text}`, `${column}:${values[0]}`, () => lift(column, values)));
  });
  if (state.where) chips.push(chip(state.where, "where", liftWhere));
  if (chips.length > 1) chips.push(el("button", { class: "textual", type: "button", data: { key: "chip:all" }, text: "Clear all", on: { click: clear } }));
  refill(byId("chips"), chips);
}

/** Nothing found: what may help. */
export function showEmpty(state, { clear, ignoreAll, browse }) {
  const hasPicks = Object.keys(state.picks).length > 0 || state.where;
  const advice = hasPicks
    ? "The filters leave nothing. Lift one, or all of them."
    : "Try fewer or other words, or search by a photo of what you mean.";
  blank("empty", "No products found", advice, [
    hasPicks ? button("Clear the filters", clear) : null,
    ignoreAll ? button("Search without reading brands and categories in it", ignoreAll) : null,
    button("See all products", browse),
  ]);
}

/** Faults that a shopper meets without having done anything odd, in words of a shop. */
const BUSY = ["The shop is busy", "Many people search at once. Try again in a moment."];
const PLAIN_FAULTS = {
  bad_photo: ["This photo cannot be used", "The file is no picture that can be read. Choose a JPEG, PNG or WebP."],
  photo_gone: ["The photo is not here any more", "A link does not carry it. Add the photo again, or search without it."],
  unknown_product: ["This product is gone", "It may be sold out or have another address now."],
  not_ready: ["The shop is opening", "It will be there in a moment. Try again."],
  busy: BUSY,
  too_many: BUSY,
};
const FAULT = ["The shop has a fault", "It is not your doing. Try again in a moment."];
const ODD_LINK = ["This cannot be searched for", "The link has a filter or an order that this shop does not have."];

/** Something went wrong: what it was, and another try or a way out. A shopper reads the words of a shop,
 * where a link asks for what the shop lacks (`isOdd`) too; the workbench shows the server's. */
export function showFault(error, { retry, lift, clear, removePhoto, isOdd, isBench }) {
  const isPassing = error.status === 0 || error.status === 429 || error.status >= 500;
  const plain = isBench ? null : isOdd ? ODD_LINK : (PLAIN_FAULTS[error.code] ?? (error.status >= 500 ? FAULT : null));
  const title = error.status === 0 ? "No connection" : error.status === 429 ? BUSY[0] : error.status >= 500 ? FAULT[0] : ODD_LINK[0];
  const [heading, said] = plain ?? [title, error.message];
  const again = () => {
    clearBlank(); // the cards to come would push it down
    retry();
  };
  blank("empty fault", heading, said, [
    isPassing || !plain ? button("Try again", again) : null,
    removePhoto ? button("Remove the photo", removePhoto) : null,
    lift ? button("Clear the filters", lift) : null,
    isPassing ? null : button("Start over", clear),
  ]);
  if (error.status === 0) retryOnline(again);
}

/** Try again once the connection is back, unless something else is shown by then. */
function retryOnline(again) {
  const shown = byId("blank").firstElementChild;
  addEventListener("online", () => shown.isConnected && again(), { once: true });
}

export const clearBlank = () => byId("blank").replaceChildren();

function recognisedPart(part, i, choose) {
  const { column, value } = named(part);
  const select = el("select", { data: { key: `part:${part.name}` }, "aria-label": `What to do about ${part.name}`, "aria-describedby": `reason-${i}` },
    Object.entries(ACTIONS_OF[part.kind] ?? ACTIONS).map(([action, text]) => el("option", { value: action, text })));
  select.value = part.action;
  select.addEventListener("change", () => choose(part.name, select.value));
  const likely = part.kind === "inferred" ? el("span", { class: "quietly", text: ` likely, ${Math.round(part.certainty * 100)}%` }) : null;
  return el("span", { class: "part", data: { action: part.action, name: part.name, kind: part.kind }, title: part.reason },
    el("span", { class: "what", dir: "auto" }, el("span", { class: "column-name", text: `${column} ` }), el("b", { text: value }), likely), select,
    el("span", { class: "unseen", id: `reason-${i}`, text: part.reason }));
}

/** The action of each part before a shopper took it back. */
const before = new Map();

function understood(part, i, choose) {
  const { column, value } = named(part);
  const counts = part.action !== "off";
  if (counts) before.set(part.name, part.action);
  const toggle = () => choose(part.name, counts ? "off" : (before.get(part.name) ?? "boost"));
  const text = part.kind === "exclusion" ? `${column} ${value}` : levels(value).last;
  return el("button", { class: "chip part", type: "button", "aria-pressed": String(counts), title: counts ? "Ignore this" : "Let it count again",
    data: { key: `part:${part.name}`, action: part.action, name: part.name, kind: part.kind }, on: { click: toggle } },
    el("span", { dir: "auto", text }), part.kind === "inferred" ? el("span", { class: "quietly", text: " likely" }) : null);
}

/** What was given up, as a shopper would say it. */
function givenUp(step) {
  const filter = /^Without the (?:inferred )?filter (.+)\.$/.exec(step);
  if (filter) return filter[1] === "price" ? "The price is not what was asked." : `“${levels(filter[1].split(": ").at(-1)).last}” is not kept to.`;
  return step === "By meaning alone, not by words." ? "By what is meant, without the words themselves." : step;
}

function named({ name, text, kind }) {
  if (kind === "exclusion") {
    const { column, value } = named({ name: name.slice("not ".length), text: name.slice("not ".length) });
    return column === columnName(value) ? { column: "not", value } : { column: `${column} not`, value };
  }
  const at = name.indexOf(": ");
  return at < 0 ? { column: columnName(name), value: text } : { column: columnName(name.slice(0, at)), value: name.slice(at + 2) };
}

function chip(text, key, remove) {
  return el("button", { class: "chip", type: "button", data: { key: `chip:${key}` }, "aria-label": `Remove the filter ${text}`, on: { click: remove } },
    el("span", { dir: "auto", text }), icon("close"));
}

function button(text, run) {
  const click = () => {
    focusResults();
    run();
  };
  return el("button", { class: "button", type: "button", text, on: { click } });
}

/** Lines after the first point at a place in what was written, so they stand as they are. */
function blank(kind, title, text, buttons) {
  const [first, ...others] = text.split("\n");
  byId("blank").replaceChildren(el("div", { class: kind },
    el("h2", { text: title }), el("p", { text: first }),
    others.length ? el("pre", { text: others.join("\n"), tabindex: 0 }) : null,
    el("div", { class: "row" }, buttons)));
}
