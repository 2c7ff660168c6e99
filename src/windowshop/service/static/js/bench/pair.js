// The results of one query by both sides, to look at and to judge.

import { bench, latest, isAbort } from "../api.js";
import { card } from "../cards.js";
import { markOf, moves } from "../compare.js";
import { announce, byId, el } from "../dom.js";
import { why } from "../explain.js";
import { Judging } from "../judge.js";
import { counted } from "../words.js";

/** A panel with two lists. `judged()` is called when a grade was saved; without it, nothing is judged.
 * `extra(result, i)` gives further parts of a card of side i. */
export class Pair {
  constructor({ judged = null, extra = () => [] }) {
    Object.assign(this, { judged, extra });
    this.lists = el("div", { class: "pair" });
    this.title = el("h2", { id: "pair-title", tabindex: -1, dir: "auto" });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("section", { class: "pair-panel", "aria-labelledby": "pair-title", hidden: true },
      el("div", { class: "pair-head" }, this.title, this.search = el("a", { class: "textual", text: "Open as a search" })), this.problem, this.lists);
    this.judging = new Judging(this.lists, {
      onOff: (on) => document.body.classList.toggle("is-judging", on), load: () => Promise.resolve(this.grades), saved: judged ?? undefined, both: true,
    });
    this.lists.addEventListener("click", (event) => {
      const like = event.target.closest("[data-like]");
      if (like) location.assign(`workbench?${new URLSearchParams({ similar: like.dataset.like })}`);
    });
  }

  /** Show a query as each of `asked` has it searched; `focus` goes to the first result that has no
   * grade. */
  async show(text, asked, names, { focus = true } = {}) {
    const signal = latest("pair");
    this.node.hidden = false;
    if (this.text !== text) this.lists.replaceChildren(el("p", { class: "summary", text: "Searching…" }));
    this.text = text;
    this.title.textContent = text;
    this.search.href = `workbench?${new URLSearchParams({ q: text, explain: "1" })}`;
    try {
      const found = await Promise.all(asked.map((part) => bench("POST", "search", { text, explain: true, limit: 10, ...part }, signal)));
      if (signal.aborted) return;
      this.problem.textContent = "";
      await this.draw(found, names, focus);
    } catch (error) {
      if (!isAbort(error)) this.problem.textContent = this.lists.querySelector(".card") ? `${error.message} Until then, the results below are those before.` : error.message;
    }
  }

  async draw(found, names, focus) {
    const results = found.map(({ answer }) => answer.results);
    this.grades = new Map(Object.entries(found[0].grades));
    const keyOf = ({ product_id: id }) => id;
    this.lists.replaceChildren(...results.map((list, i) => {
      const marks = results.length > 1 ? moves(list, results[1 - i], keyOf) : list.map(() => "same");
      return el("section", { class: "column", "aria-labelledby": `pair-${i}` },
        el("h3", { id: `pair-${i}`, text: names[i] }),
        el("p", { class: "about", text: counted(found[i].answer.total, "result") }),
        el("ol", { class: "cards" }, list.map((result, at) => this.cell(result, results.length > 1 ? marks[at] : null, i))));
    }));
    if (!this.judged) return;
    if (!focus) {
      await this.judging.renewed(this.text);
      return;
    }
    if (this.judging.on) this.judging.stop();
    await this.judging.start(this.text);
    announce(`${this.text}: ${names.map((name, i) => `${name}, ${counted(found[i].answer.total, "result")}`).join("; ")}.`);
    this.node.scrollIntoView({ block: "nearest" });
  }

  cell(result, move, side) {
    const address = `workbench?${new URLSearchParams({ q: this.text, product: result.product_id })}`;
    const cell = card(result, address, { extra: [why(result), ...this.extra(result, side)], grouped: false });
    if (move !== null) cell.querySelector(".words").prepend(markOf(result, move));
    cell.querySelector(".card").classList.toggle("only", move === "only");
    return cell;
  }

  hide() {
    this.judging.stop();
    this.node.hidden = true;
    this.text = null;
    byId("judge-bar").hidden = true;
  }
}
