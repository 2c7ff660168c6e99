// The settings of a search as sliders, choices and switches.

import { generationOptions } from "../compare.js";
import { el } from "../dom.js";
import { MODES } from "../state.js";

const SWITCHES = { rules: "The shop's rules", understand: "Read the query", infer: "Guess what is meant", ranker: "Learned order" };
const CHANNEL = { vectors: "meaning", words: "words", photo: "photo" };
const WORDS = { weighted_sum: "Weighted scores", reciprocal_rank: "Places", interleave: "Turns", calibrated: "Probabilities", filter: "Filter", boost: "Prefer", off: "Nothing", none: "No", mmr: "By looks" };

export const PLAIN = { generation: null, changes: {}, mode: "hybrid", understand: true, infer: true, ranker: true, rules: true };

/** The settings of the changed side; `change(side)` is called with each change. */
export class Knobs {
  constructor({ settings, learned }, generations, side, change, foot) {
    Object.assign(this, { settings, side, change });
    this.reset = el("button", { class: "textual", type: "button", text: "Back to what is served", on: { click: () => this.set({ ...PLAIN }) } });
    this.fields = {};
    this.node = el("details", { class: "knobs", open: matchMedia("(min-width: 52rem)").matches },
      el("summary", { text: "Settings of the right side" }), this.reset, this.groups(), this.options(generations, learned), foot);
    this.sync();
  }

  /** Whether nothing differs from what is served. */
  get isPlain() {
    return JSON.stringify(this.side) === JSON.stringify(PLAIN);
  }

  /** Changes that can be saved: none of another generation. */
  get saved() {
    return this.side.generation ? {} : this.side.changes;
  }

  set(side) {
    this.side = side;
    this.sync();
    this.change(side);
  }

  groups() {
    const names = [...new Set(this.settings.map(({ group }) => group))];
    return names.map((name, i) => el("details", { class: "knob-group", open: i === 0 },
      el("summary", { text: name }),
      this.settings.filter(({ group }) => group === name).map((knob) => this.field(knob))));
  }

  field(knob) {
    if (knob.kind === "range") return this.slider(knob);
    const label = labelOf(knob);
    if (knob.kind === "switch") {
      const box = el("input", { type: "checkbox", on: { change: () => this.turn(knob, box.checked) } });
      this.fields[knob.path] = (value) => (box.checked = value);
      return el("label", { class: "tick" }, box, el("span", { text: label }));
    }
    const select = el("select", { on: { change: () => this.turn(knob, select.value) } },
      knob.options.map((value) => el("option", { value, text: WORDS[value] ?? value })));
    this.fields[knob.path] = (value) => (select.value = value);
    return el("label", { class: "field" }, el("span", { text: label }), select);
  }

  slider(knob) {
    const label = labelOf(knob);
    const range = { low: knob.low, high: knob.high };
    const slider = el("input", { type: "range", min: range.low, max: range.high, step: knob.step, "aria-label": label });
    const number = el("input", { type: "number", min: range.low, max: range.high, step: knob.step, "aria-label": `${label}, as a number` });
    const served = el("span", { class: "served" });
    const take = (field) => {
      const value = Number(field.value);
      if (field.value !== "" && value >= range.low && value <= range.high) this.turn(knob, value);
      else this.sync();
    };
    slider.addEventListener("input", () => (number.value = slider.value));
    slider.addEventListener("change", () => take(slider));
    number.addEventListener("change", () => take(number));
    this.fields[knob.path] = (value) => {
      slider.value = value;
      number.value = rounded(value);
      served.textContent = value === knob.value ? "" : `served ${rounded(knob.value)}`;
    };
    return el("div", { class: "knob", data: { path: knob.path } }, el("span", { class: "name", text: label }), served, slider, number);
  }

  options(generations, learned) {
    const loaded = generations.filter((generation) => generation.loaded);
    const select = (name, label, options) => {
      const field = el("select", { on: { change: () => this.set({ ...this.side, [name]: field.value || PLAIN[name] }) } },
        options.map(([value, text]) => el("option", { value, text })));
      this.fields[`option ${name}`] = () => (field.value = this.side[name] ?? "");
      return el("label", { class: "field" }, el("span", { text: label }), field);
    };
    const known = Object.entries(SWITCHES).filter(([name]) => !["infer", "ranker"].includes(name) || learned.includes({ infer: "classifier", ranker: "ranker" }[name]));
    const ticks = known.map(([name, text]) => {
      const box = el("input", { type: "checkbox", on: { change: () => this.set({ ...this.side, [name]: box.checked }) } });
      this.fields[`option ${name}`] = () => (box.checked = this.side[name]);
      return el("label", { class: "tick" }, box, el("span", { text }));
    });
    return el("details", { class: "knob-group", open: true }, el("summary", { text: "Of each search (not saved)" }),
      loaded.length > 1 ? select("generation", "Model", generationOptions(loaded)) : null,
      select("mode", "Search by", Object.entries(MODES)), ticks);
  }

  turn(knob, value) {
    const changes = { ...this.side.changes };
    if (value === knob.value) delete changes[knob.path];
    else changes[knob.path] = value;
    this.set({ ...this.side, changes });
  }

  sync() {
    for (const knob of this.settings) this.fields[knob.path](this.side.changes[knob.path] ?? knob.value);
    for (const [name, show] of Object.entries(this.fields)) if (name.startsWith("option ")) show();
    this.reset.hidden = this.isPlain;
  }
}

const rounded = (value) => Number(value.toFixed(4));

function labelOf({ label, path }) {
  const [, channel] = /^text\.channels\.(.+)\.weight$/.exec(path) ?? [];
  return channel ? `Weight of ${CHANNEL[channel] ?? channel}` : label;
}
