// Rules, pins and synonyms: their files, forms that add to them, a preview, saving, undoing.

import * as api from "../api.js";
import { announce, debounced, el } from "../dom.js";
import { Pair } from "./pair.js";

const PREVIEW_MS = 400;
const quoted = (text) => JSON.stringify(text);
const list = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const flow = (parts) => `[${parts.map(quoted).join(", ")}]`;

export async function start(root, info) {
  await new Files(root, info).open();
}

class Files {
  constructor(root, info) {
    this.root = root;
    const changed = () => this.preview();
    this.rules = new Editor("rules.yaml", "Rules and pins", "rules:", ruleForm, info, changed);
    this.synonyms = new Editor("synonyms.yaml", "Synonyms", null, synonymForm, info, changed);
    this.pair = new Pair({ extra: (result, side) => (side === 1 ? [this.pinButton(result)] : []) });
    this.preview = debounced(() => this.show(), PREVIEW_MS);
  }

  async open() {
    const query = el("input", { type: "text", id: "preview-query", maxlength: 1000, autocomplete: "off", spellcheck: "false", value: new URLSearchParams(location.search).get("q") ?? "", on: { input: () => this.preview() } });
    this.query = query;
    this.problem = el("p", { class: "problem", role: "alert", id: "preview-problem" });
    this.root.className = "measure files";
    this.root.replaceChildren(
      el("h1", { text: "Rules" }),
      el("div", { class: "measure-side" }, this.rules.node, this.synonyms.node),
      el("div", { class: "measure-main" },
        el("label", { class: "field" }, el("span", { text: "Preview on a search" }), query), this.problem, this.pair.node));
    await Promise.all([this.rules.load(), this.synonyms.load()]);
    if (query.value) this.show();
  }

  /** The search as it is served, and with what is being edited. */
  async show() {
    const text = this.query.value.trim();
    history.replaceState(null, "", `workbench?${new URLSearchParams({ do: "rules", ...(text ? { q: text } : {}) })}`);
    if (!text) {
      this.pair.hide();
      return;
    }
    const drafts = Object.fromEntries([this.rules, this.synonyms].filter(({ isChanged }) => isChanged).map((editor) => [editor.name, editor.text]));
    await this.pair.show(text, [{}, { drafts }], ["Now", Object.keys(drafts).length ? "With your changes" : "With your changes (none yet)"]);
  }

  pinButton(result) {
    const text = this.query.value.trim();
    return el("button", { class: "textual", type: "button", text: "Pin to the top", "aria-label": `Pin to the top: ${result.title ?? result.product_id}`, on: { click: () => {
      this.rules.add(rule({ name: `pin ${result.product_id} for ${text}`, queries: [text], pin: [result.product_id] }));
      announce("A rule was added to the file. Save it to keep it.");
    } } });
  }
}

/** The text of one file, with a form that adds to it. */
class Editor {
  constructor(name, title, head, makeForm, { scopes }, changed) {
    Object.assign(this, { name, head, changed, may: scopes.includes("admin"), read: { text: "", version: "" } });
    this.area = el("textarea", { rows: 12, spellcheck: "false", placeholder: "Nothing yet.", "aria-label": `${title}, as YAML`, on: { input: () => this.sync() } });
    this.saveButton = el("button", { class: "button strong", type: "button", text: "Save", on: { click: () => this.save() } });
    this.undoButton = el("button", { class: "button", type: "button", text: "Undo the latest save", on: { click: () => this.undo() } });
    this.note = el("p", { class: "summary", tabindex: -1 });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("section", { class: "editor", "aria-label": title, data: { file: name } },
      el("h2", { text: title }),
      el("details", { class: "adding" }, el("summary", { class: "textual", text: "Add one" }), makeForm((text) => this.add(text))),
      this.area, this.problem, this.note, el("div", { class: "row" }, this.undoButton, this.saveButton));
  }

  get text() {
    return this.area.value;
  }

  get isChanged() {
    return this.text !== this.read.text;
  }

  async load() {
    this.took(await api.bench("GET", `file?name=${this.name}`));
  }

  took(read) {
    this.read = read;
    this.area.value = read.text;
    this.sync();
  }

  sync() {
    this.saveButton.disabled = !this.may || !this.isChanged;
    this.undoButton.hidden = !this.may || !this.read.can_undo || this.isChanged;
    this.note.textContent = this.may ? (this.isChanged ? "Not saved yet." : "") : "Saving needs a key with the scope admin.";
    this.changed();
  }

  /** Put an entry at the end of its list. */
  add({ head = this.head, entry }) {
    const lines = this.text.trimEnd().split("\n").filter((line, i, all) => all.length > 1 || line);
    const empty = lines.findIndex((line) => line.replace(/\s/g, "") === `${head}[]`);
    if (empty >= 0) lines[empty] = head;
    let at = lines.findIndex((line) => line.trimEnd() === head);
    if (at < 0) at = lines.push(head) - 1;
    let end = at + 1;
    while (end < lines.length && /^(\s|-|#|$)/.test(lines[end])) end++;
    const step = /^\s*-/.exec(lines[at + 1] ?? "")?.[0].replace("-", "") ?? "  ";
    lines.splice(end, 0, ...entry.map((line) => `${step}${line}`));
    this.area.value = `${lines.join("\n")}\n`;
    this.sync();
  }

  save() {
    return this.send("PUT", "file", { name: this.name, text: this.text, version: this.read.version }, "Saved. Shoppers search by it now.");
  }

  undo() {
    return this.send("POST", "undo", { name: this.name }, `${this.name} is as it was before.`);
  }

  async send(method, path, body, text) {
    this.problem.textContent = "";
    try {
      this.took(await api.bench(method, path, body));
      this.note.textContent = text;
      this.note.focus();
      announce(text);
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }
}

/** An entry of rules.yaml; what is not given is left out. */
function rule({ name, queries = [], match, pin = [], place, where, boost }) {
  const lines = [`- name: ${quoted(name)}`];
  const put = (key, text) => text && lines.push(`  ${key}: ${text}`);
  put("queries", queries.length && flow(queries));
  put("match", match === "contains" && match);
  put("pin", pin.length && flow(pin));
  put("place", pin.length && place > 1 && place);
  put("where", where && quoted(where));
  put("boost", where && boost);
  return { entry: lines };
}

function form(fields, submit) {
  const inputs = {};
  const nodes = Object.entries(fields).map(([name, { label, options, ...props }]) => {
    inputs[name] = options
      ? el("select", props, options.map(([value, text]) => el("option", { value, text })))
      : el("input", { type: "text", autocomplete: "off", spellcheck: "false", ...props });
    return el("label", { class: "field" }, el("span", { text: label }), inputs[name]);
  });
  const problem = el("p", { class: "problem", role: "alert" });
  const node = el("form", { on: { submit: (event) => {
    event.preventDefault();
    problem.textContent = submit(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]))) ?? "";
    if (!problem.textContent) node.reset();
  } } }, nodes, problem, el("div", { class: "row" }, el("button", { class: "button", type: "submit", text: "Add to the file" })));
  return node;
}

const ruleForm = (add) => form({
  name: { label: "Name", required: true },
  queries: { label: "Searches, with commas (empty: every search)" },
  match: { label: "They are", options: [["exact", "exactly this"], ["contains", "part of what is asked"]] },
  pin: { label: "Pin these products (ids, with commas)" },
  place: { label: "First place", type: "number", min: 1, value: 1 },
  where: { label: "Or move products that pass a filter", placeholder: 'brand = "Acme"' },
  boost: { label: "Their place is divided by (below 1: further down)", type: "number", min: 0.01, step: 0.01, value: 2 },
}, ({ name, queries, match, pin, place, where, boost }) => {
  if (!pin && !where) return "Pin a product, or give a filter.";
  add(rule({ name, queries: list(queries), match, pin: list(pin), place: Number(place), where, boost: Number(boost) }));
});

const synonymForm = (add) => form({
  words: { label: "Words, with commas", required: true, placeholder: "sofa, couch, settee" },
  way: { label: "They mean", options: [["same", "the same"], ["one_way", "the first finds the others too"]] },
}, ({ words, way }) => {
  const [first, ...others] = list(words);
  if (!others.length) return "Give two words at least.";
  add(way === "same" ? { head: "same:", entry: [`- ${flow([first, ...others])}`] }
    : { head: "one_way:", entry: [`- query: ${quoted(first)}`, `  also: ${flow(others)}`] });
});
