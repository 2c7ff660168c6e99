// Measuring: a set of queries by the settings that are served, and by others beside them.

import * as api from "../api.js";
import { announce, debounced, el } from "../dom.js";
import { locale } from "../page.js";
import { counted } from "../words.js";
import { agreementTable, meansTable, QueryTable, verdict } from "./figures.js";
import { Knobs, PLAIN } from "./knobs.js";
import { Pair } from "./pair.js";
import { Saving } from "./saving.js";
import { Sets } from "./sets.js";

const POLL_MS = 200;
const REST_MS = 250;
const AFTER_GRADE_MS = 400;

export async function start(root, info) {
  await new Measure(root, info).open();
}

class Measure {
  constructor(root, info) {
    Object.assign(this, { root, info, side: { ...PLAIN }, left: {}, set: null, asked: 0, query: null });
    this.sets = new Sets((set) => this.chosen(set));
    this.table = new QueryTable((query) => this.openQuery(query.text));
    this.pair = new Pair({ judged: debounced(() => this.regrade(), AFTER_GRADE_MS) });
    this.runSoon = debounced(() => this.run(), REST_MS);
    addEventListener("pagehide", () => this.isRunning && api.leaveRun()); // the next page measures at once
  }

  async open() {
    const params = new URLSearchParams(location.search);
    this.saving = new Saving(this.info, { changes: () => this.knobs.saved, saved: () => this.renew() });
    await this.readSettings();
    this.build();
    await this.sets.load(params.get("set"));
    await this.tried(() => this.compareJudges());
  }

  async readSettings() {
    const settings = await api.bench("GET", "settings");
    this.knobs = new Knobs(settings, this.info.generations, this.side, (side) => this.turned(side), this.saving.node);
    this.saving.sync();
  }

  /** Other settings are served now: the changed side begins at them. */
  async renew() {
    const before = this.knobs.node;
    this.side = { ...this.side, changes: {} };
    await this.readSettings();
    this.knobs.node.open = before.open;
    before.replaceWith(this.knobs.node);
    this.saving.focus();
    await this.run();
  }

  build() {
    this.progress = el("progress", { max: 1, value: 0, "aria-label": "Queries asked" });
    this.cancelButton = el("button", { class: "button", type: "button", text: "Cancel", on: { click: () => this.cancel() } });
    this.bar = el("div", { class: "running", hidden: true }, this.progress, this.cancelButton);
    this.verdict = el("p", { class: "verdict", id: "verdict" });
    this.problem = el("p", { class: "problem", id: "run-problem", role: "alert" });
    this.restsOn = el("p", { class: "rests-on", id: "rests-on", hidden: true });
    this.means = el("div", { class: "means-place" });
    this.notes = el("p", { class: "summary", id: "run-notes" });
    this.snapshots = this.snapshotForm();
    this.root.className = "measure";
    this.root.replaceChildren(
      el("h1", { text: "Measure" }),
      el("div", { class: "measure-side" }, this.sets.node, this.leftChoice(), this.knobs.node),
      el("div", { class: "measure-main" }, this.verdict, this.bar, this.problem, this.restsOn, this.means, this.notes, this.snapshots,
        el("div", { class: "split-view" }, this.table.node, this.pair.node), this.agreement = el("section", { class: "agreement", "aria-labelledby": "agreement-title", hidden: true })));
  }

  /** What the right side is compared with. */
  leftChoice() {
    this.leftSelect = el("select", { on: { change: () => this.choseLeft() } });
    this.forgetButton = el("button", { class: "textual", type: "button", text: "Delete this snapshot", hidden: true, on: { click: () => this.forgetSnapshot() } });
    return el("div", { class: "set-choice" }, el("label", { class: "field" }, el("span", { text: "Left side" }), this.leftSelect), this.forgetButton);
  }

  choseLeft() {
    this.left = this.leftSelect.value ? JSON.parse(this.leftSelect.value) : {};
    this.forgetButton.hidden = !this.left.snapshot;
    this.run();
  }

  /** Offer what the right side can be compared with: generations, and snapshots of the set. */
  async offerLeft(wanted = "") {
    const others = this.info.generations.filter(({ loaded, current }) => loaded && !current);
    const { snapshots } = await api.bench("GET", "snapshots");
    this.leftSelect.replaceChildren(new Option("As it is served", ""),
      ...others.map(({ name }) => new Option(`Generation ${name}`, JSON.stringify({ generation: name }))),
      ...snapshots.filter(({ set }) => set === this.set?.id).map(({ name, saved }) =>
        new Option(`Snapshot ${name}, ${new Date(saved).toLocaleDateString(locale())}`, JSON.stringify({ snapshot: name }))));
    this.leftSelect.value = wanted;
    if (this.leftSelect.selectedIndex < 0) this.leftSelect.value = "";
    this.left = this.leftSelect.value ? JSON.parse(this.leftSelect.value) : {};
    this.forgetButton.hidden = !this.left.snapshot;
  }

  async forgetSnapshot() {
    await this.tried(async () => {
      await api.bench("DELETE", `snapshots?${new URLSearchParams({ name: this.left.snapshot })}`);
      await this.offerLeft();
      await this.run();
    });
  }

  /** A form to keep the side that is measured last. */
  snapshotForm() {
    const name = el("input", { type: "text", required: true, maxlength: 80, autocomplete: "off", "aria-label": "Name of a snapshot", placeholder: "Name" });
    this.snapshotNote = el("span", { class: "summary" });
    return el("form", { class: "snapshot", hidden: true, on: { submit: (event) => {
      event.preventDefault();
      this.tried(async () => {
        await api.bench("PUT", "snapshots", { name: name.value.trim(), side: this.latest.sides.length - 1 });
        await this.offerLeft(this.leftSelect.value);
        this.snapshotNote.textContent = `Kept as ${name.value.trim()}: choose it as the left side to see what changes.`;
        announce(this.snapshotNote.textContent);
      });
    } } }, name, el("button", { class: "button", type: "submit", text: "Save a snapshot" }), this.snapshotNote);
  }

  async tried(task) {
    this.problem.textContent = "";
    try {
      await task();
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  get sides() {
    const alone = this.knobs.isPlain && !Object.keys(this.left).length;
    return alone ? [this.left] : [this.left, this.side];
  }

  get names() {
    return ["Left", "Right"].slice(0, this.sides.length).map((name, i) => (this.sides.length === 1 ? "As served" : i ? `Right, ${this.knobs.isPlain ? "as served" : "changed"}` : `Left, ${this.left.snapshot ?? this.left.generation ?? "as served"}`));
  }

  chosen(set) {
    this.set = set;
    this.query = null;
    this.pair.hide();
    const params = new URLSearchParams({ do: "measure", set: set.id });
    history.replaceState(null, "", `workbench?${params}`);
    this.tried(async () => {
      await this.offerLeft(this.left.snapshot ? "" : this.leftSelect.value);
      await this.run();
    });
  }

  turned(side) {
    this.side = side;
    this.saving.sync();
    this.runSoon();
  }

  /** Measure anew; what is under way is given up first. */
  async run() {
    if (!this.set) return;
    const turn = ++this.asked;
    this.problem.textContent = "";
    try {
      if (this.isRunning) await api.bench("DELETE", "run");
      if (turn !== this.asked) return;
      this.busy(true);
      let { run } = await api.bench("POST", "run", { set: this.set.id, sides: this.sides });
      const { id } = run;
      while (run.state === "running") {
        this.progress.value = run.num_done / Math.max(1, run.num_total);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        ({ run } = await api.bench("GET", "run"));
        if (turn !== this.asked) return;
        if (run.id !== id) throw new Error("Another run took the place of this one. Measure again.");
      }
      this.busy(false);
      this.ended(run);
    } catch (error) {
      if (turn !== this.asked) return;
      this.busy(false);
      this.problem.replaceChildren(error.message, " ", this.again(error));
    }
  }

  again(error) {
    const takeOver = error.code === "run_under_way";
    return el("button", { class: "textual", type: "button", text: takeOver ? "Cancel it and measure" : "Measure again", on: { click: () => {
      this.isRunning = takeOver;
      this.run();
    } } });
  }

  busy(isRunning) {
    this.isRunning = isRunning;
    this.bar.hidden = !isRunning;
    this.root.setAttribute("aria-busy", String(isRunning));
    if (isRunning) this.progress.value = 0;
  }

  async cancel() {
    this.asked++;
    try {
      await api.bench("DELETE", "run");
      this.busy(false);
      this.problem.replaceChildren("Cancelled. ", this.again({}));
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  ended(run) {
    if (run.state !== "done") {
      this.problem.replaceChildren(run.problem || "The run was cancelled.", " ", this.again({}));
      return;
    }
    this.latest = run;
    this.show(run);
    announce(this.verdict.textContent);
    if (this.query && run.figures.queries.some(({ text }) => text === this.query)) this.openQuery(this.query, { focus: false });
  }

  show(run) {
    const { figures } = run;
    this.verdict.textContent = verdict(figures);
    this.restsOn.textContent = run.rests_on;
    this.restsOn.hidden = !run.rests_on;
    this.snapshots.hidden = false;
    this.means.replaceChildren(meansTable(figures, this.names));
    const parts = [`${counted(figures.queries.length, "query", "queries")}, ${figures.num_judged} judged${run.seconds < 0.05 ? "" : `, in ${run.seconds.toFixed(1)} s`}.`];
    if (figures.num_judged) parts.push(`A product is relevant from grade ${figures.relevant_from_grade} on.`);
    if (figures.num_gone) parts.push(`The shop lacks ${counted(figures.num_gone, "relevant product")}, which no search can find.`);
    if (run.num_refused) parts.push(`${counted(run.num_refused, "query", "queries")} cannot be searched and find nothing.`);
    if (figures.num_judged && (figures.sides.at(-1)["judged@10"]?.mean ?? 1) < 0.5) parts.push("Less than half of the first ten results is judged: metrics of unjudged results are a lower bound.");
    this.notes.textContent = parts.join(" ");
    this.table.show(figures, this.query);
  }

  /** How far judges agree, where two graded the same. */
  async compareJudges() {
    const { agreements } = await api.bench("GET", "agreement");
    this.agreement.hidden = !agreements.length;
    this.agreement.replaceChildren(...agreementTable(agreements));
  }

  /** Grades changed: the same rankings have other figures. */
  async regrade() {
    try {
      const { run } = await api.bench("GET", "run");
      if (run.id === this.latest?.id && run.state === "done") this.show((this.latest = run));
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  openQuery(text, options) {
    this.query = text;
    this.table.show(this.latest.figures, text);
    this.pair.show(text, this.sides.map((side) => ({ side, set: this.set.id })), this.names, options);
  }
}

