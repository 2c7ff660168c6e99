// Two ways of searching side by side, and what differs between them.

import { isAbort } from "./api.js";
import { card } from "./cards.js";
import { why } from "./explain.js";
import { byId, el, refill } from "./dom.js";
import { MODES, SIDE, VARIETY } from "./state.js";
import { counted, inMs } from "./words.js";

/** Where each product of `ours` stands compared with `theirs`: "only", or how far up (above 0). */
export function moves(ours, theirs, keyOf) {
  const place = new Map(theirs.map((result) => [keyOf(result), result.rank]));
  return ours.map((result) => {
    const there = place.get(keyOf(result));
    return there === undefined ? "only" : there - result.rank;
  });
}

/** Two settings to begin with: the state's own beside another one that differs. */
export function startingSides(state, generations) {
  const own = Object.fromEntries(Object.keys(SIDE).map((name) => [name, state[name]]));
  const shown = own.generation ?? generations.find(({ current }) => current)?.name;
  const other = generations.find(({ name, loaded }) => loaded && name !== shown);
  if (other) return [own, { ...own, generation: other.name }];
  return [own, { ...own, mode: own.mode === "words" ? "vectors" : "words" }];
}

/** Ask both and show them. `ask(side)` gives an answer, `change(i, side)` takes new settings. */
export async function showCompare(state, { ask, change, generations, learned, addressOf }) {
  const root = byId("compare");
  if (!root.children.length) root.append(el("p", { class: "verdict", text: "Searching…" }));
  const answers = await Promise.allSettled(state.sides.map(ask));
  if (answers.some(({ reason }) => reason && isAbort(reason))) return null;
  const keyOf = (result) => (state.collapse && result.fields.group_id) || result.product_id;
  const lists = answers.map(({ value }) => (value?.results ?? []));
  refill(root,
    el("p", { class: "verdict", id: "verdict", text: verdict(lists, keyOf) }),
    el("div", { class: "pair" }, state.sides.map((side, i) =>
      column({ side, answer: answers[i], results: lists[i], marks: moves(lists[i], lists[1 - i], keyOf), i }, { state, change, generations, learned, addressOf }))));
  return answers.map(({ value }) => value);
}

function verdict([left, right], keyOf) {
  const theirs = new Set(right.map(keyOf));
  const both = left.filter((result) => theirs.has(keyOf(result))).length;
  const of = `Of the first ${Math.max(left.length, right.length)}`;
  return `${of}: ${both} on both sides, ${left.length - both} only left, ${right.length - both} only right.`;
}

function column({ side, answer, results, marks, i }, { state, change, generations, learned, addressOf }) {
  const name = i ? "Right" : "Left";
  const list = el("ol", { class: "cards", data: { side: i } },
    results.map((result, at) => marked(result, marks[at], { state, addressOf })));
  const about = answer.reason
    ? el("p", { class: "about problem", role: "alert", text: answer.reason.message })
    : el("p", { class: "about", text: `${counted(answer.value.total, "result")} in ${inMs(answer.value.took_ms)}` });
  return el("section", { class: "column", "aria-labelledby": `side-${i}` },
    el("h2", { id: `side-${i}`, text: name }), settings(side, i, name, { change, generations, learned }), about, list);
}

function settings(side, i, name, { change, generations, learned }) {
  const pick = (key, label, options) => {
    const select = el("select", { data: { key: `${i}:${key}` } }, options.map(([value, text]) => el("option", { value, text })));
    select.value = side[key] ?? "";
    select.addEventListener("change", () => change(i, { ...side, [key]: select.value || SIDE[key] }));
    return el("label", { class: "field" }, el("span", { text: label }), select);
  };
  const tick = (key, label) => {
    const box = el("input", { type: "checkbox", data: { key: `${i}:${key}` }, prop: { checked: side[key] } });
    box.addEventListener("change", () => change(i, { ...side, [key]: box.checked }));
    return el("label", { class: "tick" }, box, el("span", { text: label }));
  };
  const loaded = generations.filter((generation) => generation.loaded);
  return el("div", { class: "settings", role: "group", "aria-label": `${name} side` },
    pick("mode", "Search by", Object.entries(MODES)),
    loaded.length > 1 ? pick("generation", "Model", generationOptions(loaded)) : null,
    pick("variety", "Variety", Object.entries(VARIETY)),
    el("div", { class: "ticks" }, tick("understand", "Read the query"),
      learned.includes("classifier") ? tick("infer", "Guess what is meant") : null,
      learned.includes("ranker") ? tick("ranker", "Learned order") : null, tick("rules", "Shop rules")));
}

/** Choices of a model generation; "" is whichever is current. */
export const generationOptions = (loaded) =>
  [["", "Current"], ...loaded.map(({ name, current }) => [name, current ? `${name} (current)` : name])];

function marked(result, move, { state, addressOf }) {
  const cell = card(result, addressOf(result.product_id), { extra: [why(result)], grouped: state.collapse });
  cell.querySelector(".words").prepend(markOf(result, move));
  cell.querySelector(".card").classList.toggle("only", move === "only");
  return cell;
}

/** The rank of a result, and how it moved. */
export function markOf(result, move) {
  const [kind, symbol, text] = inWords(move);
  return el("p", { class: "mark", data: { move: kind } },
    el("span", { class: "place", text: `${result.rank}` }),
    el("span", { class: "change" }, el("span", { "aria-hidden": "true", text: `${symbol} ` }), text));
}

function inWords(move) {
  if (move === "only") return ["only", "◆", "only here"];
  if (move > 0) return ["up", "▲", `${move} higher here`];
  if (move < 0) return ["down", "▼", `${-move} lower here`];
  return ["same", "=", "same place"];
}
