// Sets of queries: choosing one, adding one by pasting or from a file.

import { bench } from "../api.js";
import { announce, el } from "../dom.js";
import { counted } from "../words.js";

const EXAMPLE = "query,product_id,grade\nred shoes,p1,3\n\nor one query a line";

/** The choice of a set, with a form to add one. `chosen(id)` is called with what was chosen. */
export class Sets {
  constructor(chosen) {
    this.chosen = chosen;
    this.select = el("select", { id: "set", on: { change: () => this.choose(this.select.value) } });
    this.remove = el("button", { class: "textual", type: "button", text: "Delete this set", hidden: true, on: { click: () => this.forget() } });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.unread = el("ul", { class: "problem", "aria-label": "Sets that cannot be read", hidden: true });
    this.node = el("section", { class: "set-choice", "aria-label": "Query set" },
      el("label", { class: "field" }, el("span", { text: "Queries" }), this.select), this.form(), this.remove, this.problem, this.unread);
  }

  async load(wanted) {
    const { sets, problems } = await bench("GET", "sets");
    this.sets = sets;
    this.unread.hidden = !problems.length;
    this.unread.replaceChildren(...problems.map((text) => el("li", { text })));
    this.select.replaceChildren(...this.sets.map((set) => new Option(titleOf(set), set.id)));
    const found = this.sets.find(({ id }) => id === wanted) ?? this.sets[0];
    if (!found) this.details.open = true;
    if (found) this.choose(found.id);
  }

  get current() {
    return this.sets.find(({ id }) => id === this.select.value) ?? null;
  }

  choose(id) {
    this.select.value = id;
    this.remove.hidden = this.current.kind !== "own";
    this.chosen(this.current);
  }

  form() {
    const name = el("input", { type: "text", required: true, maxlength: 80, autocomplete: "off", value: "Pasted" });
    const content = el("textarea", { rows: 6, required: true, spellcheck: "false", placeholder: EXAMPLE });
    const file = el("input", { type: "file", accept: ".csv,.tsv,.txt,.qrels", on: { change: async () => {
      if (!file.files[0]) return;
      content.value = await file.files[0].text();
      name.value = file.files[0].name.replace(/\.[^.]*$/, "");
    } } });
    const field = (label, node) => el("label", { class: "field" }, el("span", { text: label }), node);
    const form = el("form", { on: { submit: (event) => {
      event.preventDefault();
      this.add(name.value.trim(), content.value);
    } } },
    field("Judgements (csv or TREC), or a query a line", content), field("Or a file", file), field("Name", name),
    el("div", { class: "row" }, el("button", { class: "button strong", type: "submit", text: "Add and measure" })));
    this.details = el("details", { class: "adding" }, el("summary", { class: "textual", text: "Add queries" }), form);
    return this.details;
  }

  async add(name, content) {
    this.problem.textContent = "";
    try {
      const added = await bench("PUT", "sets", { name, content });
      this.details.open = false;
      announce(`${name}: ${counted(added.num_queries, "query", "queries")}, ${added.num_judged} judged.`);
      await this.load(added.id);
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  async forget() {
    try {
      await bench("DELETE", `sets?${new URLSearchParams({ name: this.current.id.replace("own:", "") })}`);
      await this.load();
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }
}

function titleOf({ title, num_queries: queries, num_judged: judged, num_all: all }) {
  const size = all > queries ? `${queries} of ${all} queries` : counted(queries, "query", "queries");
  return `${title} · ${size}, ${judged === queries ? "all judged" : `${judged} judged`}`;
}
