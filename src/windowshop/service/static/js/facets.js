// The filters beside the results: values with counts, numbers with their spread.

import { el, refill } from "./dom.js";
import { columnName, inNumbers, inWords, levels } from "./words.js";

const NUM_OPEN = 5;
export const NUM_SHOWN = 6;
const NUM_ALL = 500;

/** The panel of filters. `change(column, pick)` is called with a new pick, null to lift it. */
export class Facets {
  constructor(root, { change, ask }) {
    this.root = root;
    this.change = change;
    this.ask = ask;
    this.columns = [];
    this.open = new Set();
    this.known = new Map();
    this.whole = new Set();
  }

  /** Offer the shop's facets, the first ones open. */
  offer(facets) {
    this.columns = facets.map(({ column }) => column);
    this.open = new Set(this.columns.slice(0, NUM_OPEN));
  }

  /** What to count with the next search: what is open, and what is picked. */
  wanted(picks) {
    return this.columns.filter((column) => this.open.has(column) || column in picks);
  }

  show(facets, state) {
    this.state = state;
    this.known = new Map(facets.map((facet) => [facet.column, facet]));
    this.whole.clear();
    this.draw();
  }

  draw() {
    refill(this.root, this.columns.map((column) => this.section(column)));
  }

  section(column) {
    const facet = this.known.get(column);
    if (facet && !this.isUseful(facet)) return null;
    const heading = el("summary", { data: { key: `facet:${column}` } }, el("h3", { text: columnName(column) }));
    const inside = el("div", { class: "inside" }, facet ? this.inside(facet) : null);
    const section = el("details", { class: "facet", data: { column } }, heading, inside);
    section.open = facet !== undefined && this.open.has(column);
    section.addEventListener("toggle", () => this.toggled(column, section.open));
    return section;
  }

  isUseful(facet) {
    if (facet.column in this.state.picks) return true;
    return facet.edges ? facet.counts.length > 1 : facet.values.length > 0;
  }

  async toggled(column, isOpen) {
    if (isOpen === this.open.has(column)) return;
    if (!isOpen) {
      this.open.delete(column);
      return;
    }
    this.open.add(column);
    if (!this.known.has(column)) await this.fetch(column, NUM_SHOWN);
  }

  async fetch(column, limit) {
    const facet = await this.ask(column, limit);
    if (!facet) return;
    this.known.set(column, facet);
    this.draw();
  }

  inside(facet) {
    return facet.edges ? this.numbers(facet) : this.values(facet);
  }

  values(facet) {
    const { column } = facet;
    const list = el("div", { class: this.whole.has(column) ? "values long" : "values", role: "group", "aria-label": columnName(column) },
      this.ordered(facet.values).map((value) => this.value(column, value)));
    if (this.whole.has(column)) return [finder(column, list), list];
    if (facet.num_values <= facet.values.length) return [list];
    const all = el("button", { class: "textual", type: "button", data: { key: `all:${column}` }, text: `Show all ${inNumbers(facet.num_values)}` });
    all.addEventListener("click", () => {
      this.whole.add(column);
      this.fetch(column, NUM_ALL).then(() => this.root.querySelector(`[data-key="find:${CSS.escape(column)}"]`)?.focus());
    });
    return [list, all];
  }

  count({ products, groups }) {
    return this.state.collapse ? groups : products;
  }

  /** By the counts that are shown; the server orders by products. */
  ordered(values) {
    return [...values].sort((one, other) => this.count(other) - this.count(one));
  }

  value(column, facetValue) {
    const { value, picked } = facetValue;
    const { last, above } = levels(inWords(value));
    const count = this.count(facetValue);
    const box = el("input", { type: "checkbox", data: { key: `value:${column}:${value}` }, prop: { checked: picked } });
    box.addEventListener("change", () => this.change(column, this.withValue(column, value, box.checked)));
    return el("label", { class: count ? "value" : "value none", data: { find: String(value).toLowerCase() } }, box,
      el("span", { class: "name", dir: "auto" }, last, above ? el("small", { text: above }) : null),
      el("span", { class: "count", text: inNumbers(count) }));
  }

  withValue(column, value, isPicked) {
    const others = (this.state.picks[column]?.values ?? []).filter((other) => other !== value);
    const values = isPicked ? [...others, value] : others;
    return values.length ? { values } : null;
  }

  numbers(facet) {
    const { column } = facet;
    const pick = this.state.picks[column] ?? {};
    const ends = ["low", "high"].map((end) => this.end(facet, end, pick));
    const apply = () => this.change(column, range(ends));
    for (const { input } of ends) input.addEventListener("change", apply);
    return [bars(facet, pick), el("div", { class: "span" }, ends.map(({ label }) => label))];
  }

  end(facet, end, pick) {
    const shown = facet[end] === null ? "" : end === "low" ? Math.floor(facet.low) : Math.ceil(facet.high);
    const input = el("input", {
      type: "number", step: "any", inputmode: "decimal", placeholder: shown, value: pick[end] ?? null,
      data: { key: `${end}:${facet.column}` }, "aria-label": `${columnName(facet.column)} ${end === "low" ? "from" : "to"}`,
    });
    return { end, input, label: el("label", { class: "field" }, el("span", { text: end === "low" ? "From" : "To" }), input) };
  }
}

function range(ends) {
  const pick = {};
  for (const { end, input } of ends) if (input.value !== "" && Number.isFinite(input.valueAsNumber)) pick[end] = input.valueAsNumber;
  if (pick.low > pick.high) [pick.low, pick.high] = [pick.high, pick.low];
  return Object.keys(pick).length ? pick : null;
}

function bars({ edges, counts }, { low = -Infinity, high = Infinity }) {
  const most = Math.max(1, ...counts);
  const all = counts.map((count, i) => {
    const bar = el("i", { class: edges[i + 1] < low || edges[i] > high ? "out" : null });
    bar.style.setProperty("--height", count ? `${Math.max(4, (count / most) * 100)}%` : "0");
    return bar;
  });
  return el("div", { class: "bars", "aria-hidden": "true" }, all);
}

function finder(column, list) {
  const input = el("input", { class: "find", type: "search", placeholder: "Find", "aria-label": `Find in ${columnName(column)}`, data: { key: `find:${column}` } });
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of list.children) row.hidden = !row.dataset.find.includes(wanted);
  });
  return input;
}
