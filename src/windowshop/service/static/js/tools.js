// The workbench menu: how to search, and what to look at.

import { byId, el } from "./dom.js";
import { generationOptions } from "./compare.js";
import { EMPTY, MODES, SIDE, VARIETY } from "./state.js";

const SHORTCUTS_OFF = "windowshop.no-shortcuts";

export const shortcutsOn = () => localStorage.getItem(SHORTCUTS_OFF) === null;

/** The menu of settings; `change(changes)` is called with what was set. */
export class Tools {
  constructor({ change, toggleCompare, judge }) {
    this.details = byId("tools");
    this.change = change;
    this.fields = {};
    this.toggleCompare = toggleCompare;
    this.judge = judge;
    document.addEventListener("click", (event) => {
      if (!this.details.contains(event.target)) this.details.open = false;
    });
    this.details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.details.open) return;
      this.details.open = false;
      this.details.querySelector("summary").focus();
    });
  }

  build({ generations, scopes, learned }) {
    this.mayJudge = scopes.includes("write");
    const loaded = generations.filter(({ loaded }) => loaded);
    this.compareButton = this.button("Side by side", this.toggleCompare);
    this.judgeButton = this.button("Judge (J)", this.judge);
    byId("tools-sheet").replaceChildren(...[
      this.select("mode", "Search by", Object.entries(MODES)),
      loaded.length > 1 ? this.select("generation", "Model", generationOptions(loaded)) : null,
      this.select("variety", "Variety", Object.entries(VARIETY)),
      this.expression(),
      this.tick("understand", "Read brands, categories and prices in the query"),
      learned.includes("classifier") ? this.tick("infer", "Guess what is meant and not named") : null,
      learned.includes("ranker") ? this.tick("ranker", "Order as learned from judgements") : null,
      this.tick("rules", "Apply the shop's rules"),
      this.tick("explain", "Explain each result"),
      this.shortcuts(),
      el("div", { class: "doing" }, this.compareButton, this.judgeButton),
    ].filter(Boolean));
  }

  sync(state) {
    for (const [name, field] of Object.entries(this.fields)) {
      if (field.type === "checkbox") field.checked = state[name];
      else field.value = state[name] ?? "";
      field.closest("label").hidden = state.compare && name in SIDE;
    }
    if (!this.compareButton) return;
    this.compareButton.textContent = state.compare ? "One list" : "Side by side";
    this.judgeButton.disabled = !this.canJudge(state);
  }

  /** Grades are of a text's results, kept under the text alone, and need a key that may write. */
  canJudge(state) {
    return this.mayJudge && !state.compare && !state.photo && state.text.trim() !== "";
  }

  select(name, label, options) {
    const field = el("select", { on: { change: () => this.change({ [name]: field.value || EMPTY[name] }) } },
      options.map(([value, text]) => el("option", { value, text })));
    this.fields[name] = field;
    return el("label", { class: "field" }, el("span", { text: label }), field);
  }

  tick(name, label) {
    const field = el("input", { type: "checkbox", on: { change: () => this.change({ [name]: field.checked }) } });
    this.fields[name] = field;
    return el("label", { class: "tick" }, field, el("span", { text: label }));
  }

  expression() {
    const field = el("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: 'price < 1000 and brand = "Nike"', on: { change: () => this.change({ where: field.value.trim() }) } });
    this.fields.where = field;
    return el("label", { class: "field" }, el("span", { text: "Filter in words" }), field);
  }

  shortcuts() {
    const field = el("input", { type: "checkbox", prop: { checked: shortcutsOn() } });
    field.addEventListener("change", () => {
      if (field.checked) localStorage.removeItem(SHORTCUTS_OFF);
      else localStorage.setItem(SHORTCUTS_OFF, "1");
    });
    return el("label", { class: "tick" }, field, el("span", { text: "Shortcuts: J judges, / goes to the search box" }));
  }

  button(text, run) {
    const close = () => {
      this.details.open = false;
      run();
    };
    return el("button", { class: "button", type: "button", text, on: { click: close } });
  }
}
