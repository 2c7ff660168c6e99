// Under the search box: recent and popular searches, suggestions, products; a combobox whose list
// the arrow keys walk. Pattern: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { isAbort, latest, suggest } from "./api.js";
import { nameOf, priceOf, thumbnail } from "./cards.js";
import { announce, byId, debounced, el, icon } from "./dom.js";
import { forgetRecent, recentTexts } from "./recent.js";
import { counted } from "./words.js";

const WAIT_MS = 50;
const NUM_PRODUCTS = 3;
const MOST_TEXTS = 6;
const MOST_TITLES = 3;
const SHORT_WORD = 3;
const KINDS = { query: "", value: "", brand: "Brand", category: "Category", title: "Product" };

/** Offer suggestions for the box. `choose(text)` is called when one is taken, `open(result)` for a
 * product, `typed(text, likely, sure)` with each text that is typed, what it is likely to become by
 * the suggestions so far, and a promise of the same by its own. */
export function watchQuery({ choose, open, typed }) {
  const box = byId("query");
  const list = byId("suggestions");
  const clear = byId("clear-query");
  const combo = new Combo(box, list, { choose, open, typed });
  box.addEventListener("input", () => {
    clear.hidden = !box.value;
    combo.isNew = true;
    combo.lookSoon();
  });
  box.addEventListener("keydown", (event) => combo.key(event));
  box.addEventListener("click", () => {
    if (!box.value.trim() && !combo.isOpen) combo.lookSoon();
  });
  box.addEventListener("blur", () => combo.close());
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) combo.take(option);
  });
  clear.addEventListener("click", () => {
    box.value = "";
    clear.hidden = true;
    box.focus();
    combo.lookSoon();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "k" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    box.focus();
    if (!box.value.trim()) combo.lookSoon();
  });
  return combo;
}

class Combo {
  constructor(box, list, { choose, open, typed }) {
    Object.assign(this, { box, list, choose, open, typed, isNew: false, at: -1, texts: [], isTyping: false });
    this.forget();
    this.lookLater = debounced(() => this.look(), WAIT_MS);
  }

  lookSoon() {
    this.isTyping = true;
    this.lookLater();
  }

  look() {
    const text = this.box.value.trim();
    const signal = latest("suggest");
    if (!this.isTyping || document.activeElement !== this.box) {
      this.close();
      return;
    }
    if (!this.isOfFound(text)) this.forget();
    const likely = guessOf(text, this.texts);
    const sure = this.offer(text, likely, signal);
    if (this.isNew) this.typed(text, likely, sure);
    this.isNew = false;
  }

  /** Offer what the service suggests; returns what the text is likely to become, `likely` where nothing is heard. */
  async offer(text, likely, signal) {
    try {
      const { suggestions } = await suggest(text, signal);
      if (this.box.value.trim() !== text) return likely;
      this.texts = suggestions;
      this.show();
      announce(`${counted(this.options.length, "suggestion")}`);
      return guessOf(text, suggestions);
    } catch (error) {
      if (!isAbort(error) && this.box.value.trim() === text) this.close();
      return likely;
    }
  }

  /** Whether a text is what was searched for last, more of it or less. */
  isOfFound(text) {
    const [typed, searched] = [text.toLowerCase(), this.searched.toLowerCase()];
    return Boolean(typed && searched) && (typed.startsWith(searched) || searched.startsWith(typed));
  }

  /** Offer nothing of an earlier search. */
  forget() {
    Object.assign(this, { searched: "", results: [], corrected: null });
  }

  /** The results of what is typed, of which the first are offered. */
  found(answer) {
    this.searched = answer.text ?? "";
    this.results = this.searched ? answer.results.slice(0, NUM_PRODUCTS) : [];
    this.corrected = answer.corrected !== answer.text ? answer.corrected : null;
    if (this.isOpen) this.show();
  }

  show() {
    const text = this.box.value.trim();
    const groups = text ? this.forText(text) : this.forNothing();
    if (!groups.length || document.activeElement !== this.box) {
      this.close();
      return;
    }
    const pointed = this.options[this.at]?.dataset.what;
    this.list.replaceChildren(...groups);
    this.options.forEach((option, i) => (option.id = `suggestion-${i}`));
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.point(pointed ? this.options.findIndex(({ dataset }) => dataset.what === pointed) : -1);
  }

  forText(text) {
    const corrected = this.corrected ? [worded({ text: this.corrected, kind: "query" }, "", "search")] : [];
    const products = this.results.filter(({ title }) => title !== text);
    return [
      group("Did you mean", corrected),
      group("", this.textsFor(products).map((suggestion) => worded(suggestion, text, "search"))),
      group("Products", products.map(product)),
    ].filter(Boolean);
  }

  /** Suggested texts that are not offered beside them: words first, then titles. */
  textsFor(products) {
    const offered = new Set(products.map(nameOf));
    const words = this.texts.filter(({ kind, text }) => kind !== "title" && text.toLowerCase() !== this.corrected?.toLowerCase());
    const titles = this.texts.filter(({ kind, text }) => kind === "title" && !offered.has(text));
    return [...words, ...titles.slice(0, MOST_TITLES)].slice(0, MOST_TEXTS);
  }

  forNothing() {
    const recent = recentTexts();
    const known = new Set(recent.map((text) => text.toLowerCase()));
    const others = this.texts.filter(({ text }) => !known.has(text.toLowerCase()));
    const clear = el("li", { role: "option", "aria-selected": "false", class: "quiet", data: { act: "forget", what: "forget" } }, el("span", { text: "Clear recent searches" }));
    return [
      group("Recent searches", recent.map((text) => worded({ text, kind: "query" }, "", "recent")).concat(recent.length ? [clear] : [])),
      group("Popular", others.filter(({ kind }) => kind === "query").map((suggestion) => worded(suggestion, "", "search"))),
      group("Categories", others.filter(({ kind }) => kind === "category").map((suggestion) => worded({ ...suggestion, kind: "query" }, "", "search"))),
    ].filter(Boolean);
  }

  close() {
    this.isTyping = false;
    latest("suggest");
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.point(-1);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
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
      this.take(this.options[this.at]);
    }
  }

  /** One on; past either end nothing is pointed at, and the typed text counts. */
  move(step) {
    const places = this.options.length + 1;
    this.point(((this.at + 1 + step + places) % places) - 1);
  }

  point(at) {
    this.at = at;
    this.options.forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    const item = this.options[at];
    if (item) {
      this.box.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else this.box.removeAttribute("aria-activedescendant");
  }

  take(item) {
    if (item.dataset.act === "forget") {
      forgetRecent();
      this.show();
      return;
    }
    const result = this.results.find(({ product_id: id }) => id === item.dataset.product);
    this.close();
    if (result) this.open(result);
    else this.choose(item.dataset.text);
  }
}

/** What a text that ends in the middle of a word is likely to become; the text itself where it does
 * not look so, or is a word that something goes on after. */
function guessOf(text, suggestions) {
  const last = text.split(/\s+/).at(-1);
  const found = suggestions.find(({ text: other, kind }) => kind !== "title" && other.toLowerCase().startsWith(text.toLowerCase()));
  const more = found && found.text[text.length] !== " " ? found.text.length - text.length : 0;
  return more > 0 && (last.length <= SHORT_WORD || more >= SHORT_WORD) ? found.text : text;
}

/** Options under a heading; null for none. */
function group(title, options) {
  if (!options.length) return null;
  const heading = title ? el("li", { class: "heading", role: "presentation", text: title }) : null;
  return el("ul", { role: "group", "aria-label": title || "Searches" }, heading, options);
}

function worded({ text, kind }, typed, sign) {
  const known = typed && text.toLowerCase().startsWith(typed.toLowerCase());
  const words = known
    ? el("span", { dir: "auto" }, text.slice(0, typed.length), el("b", { text: text.slice(typed.length) }))
    : el("span", { dir: "auto", text });
  const label = KINDS[kind] ?? kind;
  return el("li", { role: "option", "aria-selected": "false", data: { text, what: `text:${text}` } },
    icon(sign), words, label ? el("span", { class: "kind", text: label }) : null);
}

function product(result) {
  return el("li", { role: "option", "aria-selected": "false", class: "offered", data: { product: result.product_id, text: nameOf(result), what: `product:${result.product_id}` } },
    thumbnail(result.photo_url), el("span", { dir: "auto", text: nameOf(result) }), priceOf(result.fields, result.price, result.currency));
}
