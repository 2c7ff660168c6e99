// The workbench of a relevance engineer: settings, explanations, two ways side by side, judging.
// It is the shop's page with these beside; shoppers load none of it.

import { partLinks, readInfo } from "./bench/access.js";
import { showCompare, startingSides } from "./compare.js";
import { announce, byId, el, icon } from "./dom.js";
import { howAnswered, why } from "./explain.js";
import { Judging } from "./judge.js";
import { page } from "./page.js";
import { toRequest } from "./state.js";
import { shortcutsOn, Tools } from "./tools.js";

/** The parts of the workbench. `shop`: what it asks of the page it stands in. */
export class Workbench {
  constructor(shop) {
    this.shop = shop;
    this.info = { generations: [], scopes: [], learned: [] };
    dress();
    this.judging = new Judging(byId("cards"), { onOff: (on) => document.body.classList.toggle("is-judging", on) });
    this.tools = new Tools({ change: (changes) => shop.go(changes), toggleCompare: () => this.toggleCompare(), judge: () => this.toggleJudging() });
    byId("collapse").addEventListener("change", ({ target }) => shop.go({ collapse: target.checked }));
    byId("compare").addEventListener("click", shop.cardClicked);
    byId("compare").addEventListener("auxclick", shop.cardClicked);
  }

  /** Read what the service says of itself. */
  async open() {
    this.info = await readInfo();
    this.tools.build(this.info);
    byId("page-problem").textContent = page.problem;
    byId("page-problem").hidden = !page.problem;
  }

  /** Sides to compare, where the address names none. */
  sidesOf(state) {
    return state.compare && !state.sides ? startingSides(state, this.info.generations) : state.sides;
  }

  /** Parts of a card beside the shop's. */
  extra(result) {
    return [why(result)];
  }

  sync(state) {
    byId("page").classList.toggle("bare", state.compare);
    byId("compare").hidden = !state.compare;
    byId("list-section").hidden = state.compare;
    byId("collapse").checked = state.collapse;
    this.tools.sync(state);
    if (!this.tools.canJudge(state)) this.judging.stop();
  }

  shown(answer, asked) {
    byId("measured").hidden = !asked.explain;
    byId("measured").replaceChildren(...(asked.explain ? howAnswered(answer) : []));
    this.judging.renewed(asked.text.trim());
  }

  cleared() {
    byId("measured").hidden = true;
  }

  /** Ask by both settings and show the answers beside each other. */
  async compare(asked, signal) {
    this.cleared();
    await showCompare(asked, {
      ask: (side) => this.shop.ask(toRequest({ ...asked, ...side }, { log: false }), asked, signal),
      change: (i, side) => this.shop.go({ sides: this.shop.state().sides.map((other, j) => (j === i ? side : other)) }),
      generations: this.info.generations, learned: this.info.learned, addressOf: this.shop.addressOf,
    });
    if (!signal.aborted) announce(byId("verdict").textContent);
  }

  toggleCompare() {
    const state = this.shop.state();
    const compare = !state.compare;
    this.shop.go({ compare, sides: compare ? startingSides(state, this.info.generations) : null });
  }

  toggleJudging() {
    const state = this.shop.state();
    if (this.judging.on) this.judging.stop();
    else if (this.tools.canJudge(state)) this.judging.start(state.text.trim());
    else announce("Judging needs a text without a photo, one list, and a key that may write.");
  }

  /** One letter that does something, where shortcuts are on. */
  key(event) {
    if (!shortcutsOn()) return;
    if (event.key === "j") this.toggleJudging();
    if (event.key === "/") {
      event.preventDefault();
      byId("query").focus();
    }
  }
}

/** Add the workbench's places to the shop's page. */
function dress() {
  document.head.append(el("link", { rel: "stylesheet", href: "static/css/bench.css" }));
  document.body.classList.add("is-bench");
  byId("home").after(el("nav", { class: "tabs", "aria-label": "Workbench" }, partLinks("")));
  const collapse = el("label", { class: "tick" }, el("input", { type: "checkbox", id: "collapse" }), " ", el("span", { text: "Group variants" }));
  const tools = el("details", { class: "tools", id: "tools" },
    el("summary", { class: "button" }, icon("tools"), "Settings"), el("div", { class: "sheet", id: "tools-sheet" }));
  document.querySelector(".controls").append(collapse, tools);
  byId("chips").after(
    el("p", { class: "problem", id: "page-problem", role: "alert", hidden: true }),
    el("section", { class: "measured", id: "measured", "aria-label": "How this answer came about", hidden: true }));
  byId("list-section").after(el("section", { class: "compare", id: "compare", "aria-label": "Side by side", hidden: true }));
  byId("page").after(el("section", { class: "judge-bar", id: "judge-bar", "aria-label": "Judging", hidden: true }));
}
