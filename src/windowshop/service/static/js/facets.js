// The filters beside the results: values with counts, numbers with their spread.

import { shade } from "./colours.js";
import { el, refill } from "./dom.js";
import { rangeParts } from "./range.js";
import { pickedNodes, sorted, treeOf } from "./tree.js";
import { columnName, inNumbers, inWords, levels } from "./words.js";

const NUM_OPEN = 5;
const NUM_SHOWN = 6;
const NUM_LONG = 20;
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
    this.unfolded = new Set();
    this.unfoldedNow = new Set();
    this.kinds = new Map();
  }

  /** Offer the shop's facets, the first ones open. */
  offer(facets) {
    this.columns = facets.map(({ column }) => column);
    this.kinds = new Map(facets.map(({ column, kind }) => [column, kind]));
    this.open = new Set(this.columns.slice(0, NUM_OPEN));
  }

  /** What to count with the next search: what is open, and what is picked. */
  wanted(picks) {
    return this.columns.filter((column) => this.open.has(column) || column in picks);
  }

  /** Show the facets of an answer. Where it has no results (`hasResults`), there is nothing to choose
   * in those that were not counted. */
  show(facets, state, hasResults) {
    this.state = state;
    this.hasResults = hasResults;
    this.known = new Map(facets.map((facet) => [facet.column, facet]));
    this.whole.clear();
    this.unfoldedNow.clear();
    this.draw();
  }

  draw() {
    refill(this.root, this.columns.map((column) => (this.known.has(column) || this.hasResults ? this.section(column) : null)));
  }

  section(column) {
    const facet = this.known.get(column);
    const isUseless = facet && !this.isUseful(facet);
    if (isUseless && !this.unfoldedNow.has(column)) return null;
    const heading = el("summary", { data: { key: `facet:${column}` } }, el("h3", { text: columnName(column) }));
    const inside = el("div", { class: "inside" }, isUseless ? el("p", { class: "quietly", text: "Nothing to choose here." }) : facet ? this.inside(facet) : null);
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
    this.unfoldedNow.add(column);
    if (!this.known.has(column)) await this.fetch(column);
  }

  async fetch(column, limit) {
    const facet = await this.ask(column, limit);
    if (!facet) return;
    this.known.set(column, facet);
    this.draw();
  }

  inside(facet) {
    const { column } = facet;
    if (facet.edges) return rangeParts(facet, this.state.picks[column] ?? {}, (pick) => this.change(column, pick));
    if (this.kinds.get(column) === "tree") return this.tree(facet);
    return this.values(facet);
  }

  values(facet) {
    const { column } = facet;
    const isWhole = this.whole.has(column);
    const isColour = this.kinds.get(column) === "colour" && facet.values.some(({ value }) => shade(value));
    const ordered = this.ordered(facet.values);
    const shown = isWhole ? ordered : ordered.filter(({ picked }, i) => i < NUM_SHOWN * (isColour ? 2 : 1) || picked);
    const list = el("div", { class: `values${isWhole ? " long" : ""}${isColour ? " colours" : ""}`, role: "group", "aria-label": columnName(column) },
      shown.map((value) => this.value(column, value, isColour)));
    const find = isWhole || facet.num_values > NUM_LONG ? this.finder(column, list, isWhole) : null;
    if (facet.num_values <= shown.length) return [find, list];
    const all = el("button", { class: "textual", type: "button", data: { key: `all:${column}` }, text: `Show all ${inNumbers(facet.num_values)}` });
    all.addEventListener("click", () => this.showWhole(column));
    return [find, list, all];
  }

  /** Show every value, with the place to look among them. */
  async showWhole(column) {
    this.whole.add(column);
    const facet = this.known.get(column);
    if (facet.num_values > facet.values.length) await this.fetch(column, NUM_ALL);
    else this.draw();
    this.root.querySelector(`[data-key="find:${CSS.escape(column)}"]`)?.focus();
  }

  finder(column, list, isWhole) {
    const input = el("input", { class: "find", type: "search", placeholder: "Find", "aria-label": `Find in ${columnName(column)}`, data: { key: `find:${column}` } });
    if (isWhole) {
      input.addEventListener("input", () => {
        const wanted = input.value.trim().toLowerCase();
        for (const row of list.children) row.hidden = !row.dataset.find.includes(wanted);
      });
    } else input.addEventListener("focus", () => this.showWhole(column));
    return input;
  }

  tree(facet) {
    const { column } = facet;
    if (facet.num_values > facet.values.length && !this.whole.has(column)) {
      this.whole.add(column);
      this.fetch(column, NUM_ALL);
    }
    const roots = this.treeOf(facet);
    return [el("div", { class: "tree", role: "group", "aria-label": columnName(column) }, this.branches(column, roots, roots.length === 1))];
  }

  treeOf(facet) {
    return treeOf(facet.values, (value) => this.count(value));
  }

  branches(column, nodes, isOpen) {
    return nodes.map((node) => {
      const children = sorted(node);
      const key = `${column}:${node.path}`;
      const isPicked = node.picked === node.values.length;
      const isPartly = node.picked > 0 && !isPicked;
      const isUnfolded = children.length > 0 && (isOpen || this.unfolded.has(key) || isPartly);
      const box = el("input", { type: "checkbox", data: { key: `value:${key}` }, prop: { checked: isPicked, indeterminate: isPartly } });
      box.addEventListener("change", () => this.change(column, this.withValues(column, node.values, box.checked)));
      const fold = children.length ? el("button", { class: "fold", type: "button", "aria-expanded": String(isUnfolded), "aria-label": `In ${node.name}`, data: { key: `fold:${key}` } }) : null;
      fold?.addEventListener("click", () => {
        if (!this.unfolded.delete(key)) this.unfolded.add(key);
        this.draw();
      });
      return el("div", { class: "branch" },
        el("div", { class: "node" }, el("label", { class: node.count ? "value" : "value none" }, box,
          el("span", { class: "name", dir: "auto", text: node.name }), el("span", { class: "count", text: inNumbers(node.count) })), fold),
        isUnfolded ? el("div", { class: "below" }, this.branches(column, children, children.length === 1)) : null);
    });
  }

  /** What is picked in a column, in as few names as the tree of its values allows. */
  pickedIn(column, values) {
    const facet = this.known.get(column);
    const alone = (value) => ({ text: levels(inWords(value)).last, values: [value] });
    if (this.kinds.get(column) !== "tree" || !facet?.values) return values.map(alone);
    const nodes = pickedNodes(this.treeOf(facet));
    const named = new Set(nodes.flatMap((node) => node.values));
    const others = values.filter((value) => !named.has(value));
    return [...nodes.map((node) => ({ text: node.name, values: node.values })), ...others.map(alone)];
  }

  count({ products, groups }) {
    return this.state.collapse ? groups : products;
  }

  /** By the counts that are shown; the server orders by products. */
  ordered(values) {
    return [...values].sort((one, other) => this.count(other) - this.count(one));
  }

  value(column, facetValue, isColour) {
    const { value, picked } = facetValue;
    const { last, above } = levels(inWords(value));
    const count = this.count(facetValue);
    const box = el("input", { type: "checkbox", data: { key: `value:${column}:${value}` }, prop: { checked: picked } });
    box.addEventListener("change", () => this.change(column, this.withValues(column, [value], box.checked)));
    return el("label", { class: `value${count ? "" : " none"}`, data: { find: String(value).toLowerCase() } }, box, isColour ? swatch(value) : null,
      el("span", { class: "name", dir: "auto" }, last, above ? el("small", { text: above }) : null),
      el("span", { class: "count", text: inNumbers(count) }));
  }

  withValues(column, changed, isPicked) {
    const others = (this.state.picks[column]?.values ?? []).filter((other) => !changed.includes(other));
    const values = isPicked ? [...others, ...changed] : others;
    return values.length ? { values } : null;
  }
}

/** A dot of a colour; one that nobody knows is left blank. */
export function swatch(value) {
  const dot = el("i", { class: "swatch", "aria-hidden": "true" });
  const colour = shade(value);
  if (colour) dot.style.background = colour;
  else dot.classList.add("unknown");
  return dot;
}
