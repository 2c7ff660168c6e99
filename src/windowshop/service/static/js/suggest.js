// Suggestions under the search box: a combobox whose list the arrow keys walk.
// Pattern: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { isAbort, latest, suggest } from "./api.js";
import { announce, byId, debounced, el } from "./dom.js";
import { counted } from "./words.js";

const WAIT_MS = 120;
const KINDS = { query: "", value: "", brand: "Brand", category: "Category", title: "Product" };

/** Offer suggestions for the box; `choose(text)` is called when one is taken. */
export function watchQuery(choose) {
  const box = byId("query");
  const list = byId("suggestions");
  const combo = new Combo(box, list, choose);
  box.addEventListener("input", () => combo.lookSoon());
  box.addEventListener("keydown", (event) => combo.key(event));
  box.addEventListener("blur", () => combo.close());
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) combo.take(option);
  });
  return combo;
}

class Combo {
  constructor(box, list, choose) {
    Object.assign(this, { box, list, choose, at: -1 });
    this.lookLater = debounced(() => this.look(), WAIT_MS);
  }

  lookSoon() {
    this.typing = true;
    this.lookLater();
  }

  async look() {
    const text = this.box.value.trim();
    const signal = latest("suggest");
    if (!text || !this.typing || document.activeElement !== this.box) {
      this.close();
      return;
    }
    try {
      const { suggestions } = await suggest(text, signal);
      if (this.box.value.trim() === text) this.show(suggestions, text);
    } catch (error) {
      if (!isAbort(error)) this.close();
    }
  }

  show(suggestions, text) {
    if (!suggestions.length || document.activeElement !== this.box) {
      this.close();
      return;
    }
    this.list.replaceChildren(...suggestions.map((suggestion, i) => option(suggestion, text, i)));
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.point(-1);
    announce(`${counted(suggestions.length, "suggestion")}`);
  }

  close() {
    this.typing = false;
    latest("suggest");
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.point(-1);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !event.altKey) {
      event.preventDefault();
      if (this.isOpen) this.move(step);
      else this.lookSoon();
    } else if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && this.isOpen && this.at >= 0) {
      event.preventDefault();
      this.take(this.list.children[this.at]);
    }
  }

  /** One on; past either end nothing is pointed at, and the typed text counts. */
  move(step) {
    const places = this.list.children.length + 1;
    this.point(((this.at + 1 + step + places) % places) - 1);
  }

  point(at) {
    this.at = at;
    [...this.list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    const item = this.list.children[at];
    if (item) {
      this.box.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else this.box.removeAttribute("aria-activedescendant");
  }

  take(item) {
    this.close();
    this.choose(item.dataset.text);
  }
}

function option({ text, kind }, typed, i) {
  const known = text.toLowerCase().startsWith(typed.toLowerCase());
  const words = known
    ? el("span", { dir: "auto" }, text.slice(0, typed.length), el("b", { text: text.slice(typed.length) }))
    : el("span", { dir: "auto", text });
  const label = KINDS[kind] ?? kind;
  return el("li", { id: `suggestion-${i}`, role: "option", "aria-selected": "false", data: { text } },
    words, label ? el("span", { class: "kind", text: label }) : null);
}
