// Judging results by keyboard: 0 to 3 grades the product in focus and goes on to the next.

import { judge, judgements } from "./api.js";
import { announce, byId, el } from "./dom.js";

export const GRADES = ["No", "Almost", "Good", "Exactly"];
const GRADE_TEXT = ["not what was asked for", "all but one thing", "good", "all that was asked for"];

const HOLD_MS = 4000;

/** Grades that this page gave to a query's products. */
async function givenHere(query) {
  const answer = await judgements(query);
  return new Map(answer.judgements.map(({ product_id: id, grade }) => [id, grade]));
}

/** Judging of one query's results, on or off. The latest change is held back for a moment, so that
 * one which is taken back at once is never sent. `load(query)` gives the grades from before, `saved()`
 * is called after each change; `both`: the list is two columns, which may have the same products, and
 * a grade leads to the next product without one. */
export class Judging {
  constructor(list, { onOff, load = givenHere, saved = () => undefined, both = false }) {
    Object.assign(this, { list, onOff, loadGrades: load, saved, both, on: false, query: null, grades: new Map(), done: [], held: null, timer: 0 });
    addEventListener("pagehide", () => this.release());
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-give]");
      if (button) this.give(button.closest(".card"), Number(button.dataset.give));
    });
    list.addEventListener("focusin", (event) => {
      const card = event.target.closest(".card");
      if (this.on && card) this.rove(card);
    });
  }

  /** Begin with the query's results; grades given before are loaded. */
  async start(query) {
    this.on = true;
    this.list.classList.add("judging");
    this.bar();
    this.dress();
    this.focus(this.cards()[0]);
    await this.load(query);
    if (this.both) this.focus(this.cards().find(({ dataset }) => !this.grades.has(dataset.id)));
  }

  stop() {
    if (!this.on) return;
    this.release();
    this.on = false;
    this.list.classList.remove("judging");
    byId("judge-bar").hidden = true;
    for (const card of this.cards()) card.removeAttribute("tabindex");
    this.onOff(false);
  }

  /** Results were drawn anew; another query has other grades. */
  async renewed(query) {
    if (!this.on) return;
    this.dress();
    if (query !== this.query) await this.load(query);
  }

  load(query) {
    this.loading = this.loaded(query);
    return this.loading;
  }

  async loaded(query) {
    this.release();
    if (query !== this.query) this.done = [];
    this.query = query;
    this.grades = new Map();
    const from = this.done.length;
    try {
      const before = await this.loadGrades(query);
      if (this.query !== query) return;
      this.grades = this.withChanges(before, this.done.slice(from));
      this.problem("");
    } catch (error) {
      this.problem(error.message);
    }
    this.dress();
  }

  /** Grades from before with the changes that were made while they were loaded. */
  withChanges(before, changes) {
    const grades = new Map(before);
    for (const change of changes) {
      if (changes.find(({ id }) => id === change.id) === change) change.before = before.get(change.id);
      const grade = this.grades.get(change.id);
      if (grade === undefined) grades.delete(change.id);
      else grades.set(change.id, grade);
    }
    return grades;
  }

  cards() {
    return [...this.list.querySelectorAll(".card[data-id]")];
  }

  dress() {
    for (const card of this.cards()) {
      if (!card.querySelector(".grades")) addGrades(card);
      this.mark(card);
      if (!card.hasAttribute("tabindex")) card.tabIndex = -1;
    }
    const cards = this.cards();
    if (cards.length && !cards.some((card) => card.tabIndex === 0)) cards[0].tabIndex = 0;
    this.progress();
  }

  mark(card) {
    const grade = this.grades.get(card.dataset.id);
    if (grade === undefined) delete card.dataset.grade;
    else card.dataset.grade = grade;
    card.querySelector(".stamp").textContent = grade === undefined ? "" : `${grade} ${GRADES[grade]}`;
    for (const button of card.querySelectorAll("[data-give]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.give) === grade));
    }
  }

  key(event) {
    const card = event.target.closest(".card");
    if (!this.on || !card || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-3]$/.test(event.key)) this.give(card, Number(event.key));
    else if (event.key.startsWith("Arrow")) this.step(card, event.key);
    else if (event.key === "u") this.undo();
    else if (event.key === "Backspace") this.remove(card);
    else if (event.key === "Escape") this.stop();
    else return;
    event.preventDefault();
  }

  give(card, grade) {
    this.change(card, grade);
    const next = this.next(card);
    const title = card.querySelector(".title").textContent;
    this.say(`${title}: ${grade}, ${GRADE_TEXT[grade]}.${next ? "" : " That was the last one shown."}`);
    this.focus(next ?? card);
  }

  next(card) {
    const cards = this.cards();
    const after = cards.slice(cards.indexOf(card) + 1);
    return this.both ? after.find(({ dataset }) => !this.grades.has(dataset.id)) : after[0];
  }

  /** Take a product's grade away, whenever it was given. */
  remove(card) {
    if (!this.grades.has(card.dataset.id)) {
      this.say("This product has no grade.");
      return;
    }
    this.change(card, undefined);
    this.say("Grade taken away.");
  }

  change(card, grade) {
    const { id } = card.dataset;
    const last = { id, before: this.grades.get(id) };
    this.done.push(last);
    this.set(card, grade);
    this.hold({ last, id, grade, before: last.before });
  }

  hold(judgement) {
    this.release();
    this.held = judgement;
    this.timer = setTimeout(() => this.release(), HOLD_MS);
  }

  /** Send the change that was held back. */
  release() {
    clearTimeout(this.timer);
    const { held } = this;
    this.held = null;
    if (held) this.send(held.id, held.grade, held.before);
  }

  /** Take the latest change back. */
  undo() {
    const last = this.done.pop();
    if (!last) {
      this.say("Nothing to undo.");
      return;
    }
    const card = this.cards().find(({ dataset }) => dataset.id === last.id);
    this.focus(card);
    if (this.held?.last === last) {
      clearTimeout(this.timer);
      this.held = null;
    } else this.hold({ last: null, id: last.id, grade: last.before, before: this.grades.get(last.id) });
    this.set(card, last.before, last.id);
    this.say(last.before === undefined ? "Grade taken back." : `Back to ${last.before}.`);
  }

  async send(id, grade, before) {
    const query = this.query;
    // What is loaded shall not have it, so that undoing goes back to what was there before.
    if (document.visibilityState === "visible") await this.loading;
    try {
      await judge({ query, product_id: id, grade: grade ?? null });
      this.problem("");
      this.saved();
    } catch (error) {
      if (this.query === query) this.set(this.cards().find(({ dataset }) => dataset.id === id), before, id);
      this.problem(`Not saved: ${error.message}`);
    }
  }

  set(card, grade, id = card?.dataset.id) {
    if (grade === undefined) this.grades.delete(id);
    else this.grades.set(id, grade);
    for (const shown of this.cards()) if (shown.dataset.id === id) this.mark(shown);
    this.progress();
  }

  step(card, key) {
    const cards = this.cards();
    const at = cards.indexOf(card);
    if (this.both && /Left|Right/.test(key)) {
      this.focus(cards.find((other) => left(other) !== left(card) && top(other) >= top(card) - 8));
      return;
    }
    const across = cards.filter(({ offsetParent }) => offsetParent).findIndex((other, i) => i > 0 && top(other) > top(cards[0]) + 8);
    const row = across < 0 ? cards.length : across;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[key];
    this.focus(cards[at + by]);
  }

  focus(card) {
    if (!card) return;
    this.rove(card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  rove(card) {
    for (const other of this.list.querySelectorAll('.card[tabindex="0"]')) other.tabIndex = -1;
    card.tabIndex = 0;
  }

  bar() {
    const keys = el("p", { class: "keys" }, GRADES.flatMap((name, grade) => [el("kbd", { text: grade }), ` ${name}  `]),
      el("kbd", { text: "⌫" }), " none  ", el("kbd", { text: "↑↓←→" }), " move  ", el("kbd", { text: "U" }), " undo  ", el("kbd", { text: "Esc" }), " done");
    byId("judge-bar").replaceChildren(
      el("h2", { id: "judged" }), keys, el("p", { class: "said", id: "judge-said" }), el("p", { class: "problem", id: "judge-problem", role: "alert" }),
      el("div", { class: "row" },
        el("button", { class: "button", type: "button", text: "Undo", on: { click: () => this.undo() } }),
        el("button", { class: "button strong", type: "button", text: "Done", on: { click: () => this.stop() } })));
    byId("judge-bar").hidden = false;
    this.onOff(true);
  }

  progress() {
    if (byId("judged")) byId("judged").textContent = `${this.grades.size} judged`;
  }

  say(text) {
    announce(text);
    if (byId("judge-said")) byId("judge-said").textContent = text;
  }

  problem(text) {
    if (byId("judge-problem")) byId("judge-problem").textContent = text;
  }
}

const left = (node) => Math.round(node.getBoundingClientRect().left);

const top = (node) => node.getBoundingClientRect().top;

function addGrades(card) {
  const name = card.querySelector(".title").textContent;
  card.prepend(el("span", { class: "stamp" }));
  card.setAttribute("aria-label", name);
  card.querySelector(".acts").append(el("div", { class: "grades", role: "group", "aria-label": `Grade of ${name}` },
    GRADES.map((word, grade) => el("button", { type: "button", tabindex: -1, data: { give: grade }, "aria-label": `${grade}: ${GRADE_TEXT[grade]}`, title: word, text: grade }))));
}
