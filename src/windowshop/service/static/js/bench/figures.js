// The figures of a run: means with intervals, the difference in a sentence, and queries by what they lost.

import { el } from "../dom.js";
import { counted, inNumbers } from "../words.js";
import { csvOf, download } from "./download.js";

const MEASURES = { "ndcg@10": "nDCG@10", "recall@100": "Recall@100", "judged@10": "Judged@10" };
export const MAIN = "ndcg@10";
const SHOWN = 15;
const TIE = 1e-6;
const UNSURE = 0.05;

export const figure = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace(/^(-?)0\./, "$1."));

export const signed = (value) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${figure(Math.abs(value))}`);

/** One sentence about the difference, or about the one side there is. */
export function verdict(figures) {
  const { difference, sides, num_judged: judged } = figures;
  if (!judged) return "No query of this set is judged yet: grade results below, and metrics appear.";
  const mean = sides[0][MAIN];
  if (!difference) return mean ? `nDCG@10 is ${figure(mean.mean)} on ${counted(mean.n, "query", "queries")}.` : "No query has a relevant product.";
  const found = difference[MAIN];
  if (!found) return "Two judged queries are needed to compare.";
  if (!found.wins && !found.losses) return `Equal: nDCG@10 is ${figure(mean.mean)} on both sides, for each query.`;
  const much = `nDCG@10 ${signed(found.mean)} (95% interval ${signed(found.low)} to ${signed(found.high)})`;
  const sure = found.p_value < UNSURE ? (found.mean > 0 ? "Better" : "Worse") : "Undecided";
  return `${sure}: ${much}, ${found.wins} won, ${found.losses} lost, ${found.ties} equal.`;
}

/** The table of means. `marks`: further columns' notes by side. */
export function meansTable(figures, names) {
  const { sides, difference } = figures;
  const rows = sides.map((side, i) => row(names[i], side, cell, i));
  if (difference) rows.push(row("Change", difference, differenceCell, "difference"));
  return el("table", { class: "means" },
    el("caption", { class: "unseen", text: "Means over the queries, with 95% intervals" }),
    el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "Side" }), Object.values(MEASURES).map((name) => el("th", { scope: "col", text: name })))),
    el("tbody", {}, rows));
}

function row(name, values, shown, key) {
  return el("tr", { data: { side: key } }, el("th", { scope: "row", text: name }),
    Object.keys(MEASURES).map((measure) => el("td", { data: { measure } }, values[measure] ? shown(values[measure]) : "–")));
}

/** A mean of shares; an interval by t may reach past their ends. */
function cell({ mean, low: lower, high: upper, n }) {
  const [low, high] = lower === null ? [null, null] : [Math.max(0, lower), Math.min(1, upper)];
  return [el("b", { text: figure(mean) }), el("span", { class: "interval", text: low === null ? `${n} query` : `${figure(low)} to ${figure(high)}` }), bar(low, high, mean, 0, 1)];
}

function differenceCell({ mean, low, high, p_value: p }) {
  const way = p >= UNSURE || mean === 0 ? "" : mean > 0 ? "up" : "down";
  const most = Math.max(0.05, Math.abs(low), Math.abs(high));
  return [el("b", { data: { way }, text: signed(mean) }), el("span", { class: "interval", text: `${signed(low)} to ${signed(high)}` }), bar(low, high, mean, -most, most)];
}

/** Agreement of judges: a heading and a table. */
export function agreementTable(agreements) {
  const heads = ["Judges", "Kappa", "95% interval", "Same grade", "Pairs", "Queries"];
  const who = (name) => name || "without a name";
  return [el("h2", { id: "agreement-title", text: "Agreement between judges" }),
    el("p", { class: "summary", text: "Cohen's kappa with quadratic weights, from two queries on: 1 is full agreement, 0 that of chance." }),
    el("table", { class: "query-table" }, el("caption", { class: "unseen", text: "Agreement of each two judges" }),
      el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, agreements.map(({ judges, kappa, low, high, exact, num_pairs: pairs, num_queries: queries }) =>
        el("tr", {}, el("th", { scope: "row", dir: "auto", text: judges.map(who).join(" and ") }),
          [signed(kappa), low === null ? "–" : `${signed(low)} to ${signed(high)}`, `${Math.round(100 * exact)}%`, inNumbers(pairs), inNumbers(queries)].map((text) => el("td", { class: "number", text }))))))];
}

/** Where an interval lies on a scale, for the eye alone. */
function bar(low, high, mean, from, to) {
  if (low === null) return null;
  const at = (value) => `${(100 * (Math.min(to, Math.max(from, value)) - from)) / (to - from)}%`;
  const node = el("span", { class: "scale", "aria-hidden": "true" }, el("i", { class: "span" }), from < 0 ? el("i", { class: "zero" }) : null, el("i", { class: "mean" }));
  node.style.setProperty("--low", at(low));
  node.style.setProperty("--high", at(high));
  node.style.setProperty("--mean", at(mean));
  return node;
}

/** The queries, worst first: losses, wins, or all of them. */
export class QueryTable {
  constructor(open) {
    this.open = open;
    this.view = null;
    this.all = false;
    this.node = el("section", { class: "queries", "aria-labelledby": "queries-title" });
  }

  show(figures, current) {
    this.figures = figures;
    this.current = current;
    this.draw();
  }

  draw() {
    const views = viewsOf(this.figures);
    const full = Object.keys(views).filter((name) => views[name].rows.length);
    const view = full.includes(this.view) ? this.view : full[0] ?? "all";
    const { rows } = views[view];
    const shown = this.all ? rows : rows.slice(0, SHOWN);
    const hadFocus = this.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.node.replaceChildren(
      el("h2", { id: "queries-title", text: "Queries" }),
      el("div", { class: "views", role: "group", "aria-label": "Which queries" }, Object.entries(views).map(([name, { title, rows: own }]) =>
        el("button", { class: "view", type: "button", "aria-pressed": String(name === view), data: { view: name, key: `view:${name}` }, text: `${title} (${own.length})`, on: { click: () => this.choose(name) } }))),
      this.table(shown),
      el("div", { class: "views" }, rows.length > shown.length
        ? el("button", { class: "textual", type: "button", text: `Show all ${inNumbers(rows.length)}`, on: { click: () => this.more() } }) : null,
      el("button", { class: "textual", type: "button", text: "Download (csv)", data: { key: "download" }, on: { click: () => download("queries.csv", csvOf(this.figures)) } })));
    if (hadFocus) [...this.node.querySelectorAll("[data-key]")].find(({ dataset }) => dataset.key === hadFocus)?.focus({ preventScroll: true });
  }

  choose(name) {
    this.view = name;
    this.all = false;
    this.draw();
  }

  more() {
    this.all = true;
    this.draw();
  }

  table(rows) {
    const [one] = this.figures.queries;
    const two = one?.sides.length === 2;
    const counts = rows.some(({ count }) => count !== null);
    const heads = ["Query", ...(counts ? ["Searches"] : []), ...(two ? ["Left", "Right", "Change"] : ["nDCG@10", "Found"]), "Judged"];
    return el("table", { class: "query-table" }, el("caption", { class: "unseen", text: "Queries with their nDCG@10; one opens its results" }),
      el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, rows.map((query) => this.line(query, two, counts))));
  }

  line(query, two, counts) {
    const last = query.sides.at(-1);
    const change = changeOf(query);
    const number = (text, extra = {}) => el("td", { class: "number", text, ...extra });
    return el("tr", { "aria-current": query.text === this.current ? "true" : null },
      el("td", {}, el("button", { class: "textual query", type: "button", dir: "auto", text: query.text, data: { key: `query:${query.text}` }, on: { click: () => this.open(query) } })),
      counts ? number(query.count === null ? "–" : inNumbers(query.count)) : null,
      two ? query.sides.map((side) => number(figure(side[MAIN]))) : [number(figure(last[MAIN])), number(inNumbers(last.num_found))],
      two ? number(signed(change), { data: { way: change > TIE ? "up" : change < -TIE ? "down" : "" } }) : null,
      number(last["judged@10"] === null ? "–" : `${Math.round(100 * last["judged@10"])}%`));
  }
}

function changeOf({ sides }) {
  const [left, right] = sides.map((side) => side[MAIN]);
  return left === null || right === null || right === undefined ? null : right - left;
}

function viewsOf({ queries }) {
  if (queries[0]?.sides.length === 2) {
    const changed = queries.filter((query) => changeOf(query) !== null);
    const by = [...changed].sort((one, other) => changeOf(one) - changeOf(other));
    return {
      losses: { title: "Lost", rows: by.filter((query) => changeOf(query) < -TIE) },
      wins: { title: "Won", rows: by.filter((query) => changeOf(query) > TIE).reverse() },
      all: { title: "All", rows: queries },
    };
  }
  const judged = queries.filter(({ sides }) => sides[0]?.[MAIN] !== null && sides[0]?.[MAIN] !== undefined);
  const thin = queries.filter(({ sides }) => (sides[0]?.["judged@10"] ?? 1) < 1);
  return {
    worst: { title: "Worst first", rows: [...judged].sort((one, other) => one.sides[0][MAIN] - other.sides[0][MAIN]) },
    thin: { title: "To judge", rows: [...thin].sort((one, other) => one.sides[0]["judged@10"] - other.sides[0]["judged@10"]) },
    all: { title: "All", rows: queries },
  };
}
