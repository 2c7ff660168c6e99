// Changed settings as search.yaml of the current generation, and back.

import { bench } from "../api.js";
import { announce, el } from "../dom.js";
import { counted } from "../words.js";

const FILE = "search.yaml";

/** Saving and undoing. `changes()` gives what is to be saved, `saved()` is called after either. */
export class Saving {
  constructor({ scopes }, { changes, saved }) {
    Object.assign(this, { may: scopes.includes("admin"), changes, saved });
    this.button = el("button", { class: "button strong wide", type: "button", text: `Save as ${FILE}`, on: { click: () => this.save() } });
    this.undoButton = el("button", { class: "button wide", type: "button", text: "Undo the latest save", hidden: true, on: { click: () => this.undo() } });
    this.note = el("p", { class: "summary", id: "saving-note", tabindex: -1 });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("div", { class: "saving" }, this.button, this.undoButton, this.note, this.problem);
    if (this.may) this.look();
  }

  /** See whether there is a save to take back. */
  async look() {
    try {
      const { can_undo: canUndo } = await bench("GET", `file?name=${FILE}`);
      this.undoButton.hidden = !canUndo;
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  sync() {
    const count = Object.keys(this.changes()).length;
    this.button.disabled = !this.may || !count;
    if (!this.may) this.note.textContent = "Saving needs a key with the scope admin.";
    else if (count) this.note.textContent = `${counted(count, "changed setting")}: shoppers search by ${count === 1 ? "it" : "them"} once saved.`;
    else if (!this.said) this.note.textContent = "";
    this.said = false;
  }

  save() {
    return this.send("PUT", "settings", { changes: this.changes() }, "Saved. Shoppers search by it now.");
  }

  undo() {
    return this.send("POST", "undo", { name: FILE }, `${FILE} is as it was before.`);
  }

  async send(method, path, body, text) {
    this.problem.textContent = "";
    try {
      await bench(method, path, body);
    } catch (error) {
      this.problem.textContent = error.message;
      return;
    }
    this.undoButton.hidden = false;
    this.note.textContent = text;
    this.said = true;
    announce(text);
    await this.saved();
  }

  /** The button that was pressed may be off now. */
  focus() {
    this.note.focus();
  }
}
