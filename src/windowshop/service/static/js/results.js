// The list of results: drawn, extended, waiting.

import { card, ghosts } from "./cards.js";
import { announce, byId } from "./dom.js";
import { page } from "./page.js";
import { counted, inNumbers } from "./words.js";

const PATIENCE_MS = 120;
const NUM_GHOSTS = 8;

/** The grid of cards and what is known about each product shown. */
export class Results {
  /** `addressOf(id)`: where a card leads; `extra(result)`: further parts of a card. */
  constructor(addressOf, extra) {
    this.list = byId("cards");
    this.addressOf = addressOf;
    this.extra = extra;
    this.shown = [];
    this.timer = 0;
  }

  /** Ghosts in a place of their own, so that nothing moves when the first answer comes. */
  open() {
    byId("opening").replaceChildren(...ghosts(NUM_GHOSTS));
  }

  /** The first answer, or the first failure, is there. */
  opened() {
    byId("opening").replaceChildren();
    document.body.classList.remove("opening");
    document.body.classList.toggle("imageless", !page.has_images);
  }

  /** An answer is on its way: after a moment, ghosts for a new question, else a paler list. */
  wait(isNewQuestion) {
    this.list.setAttribute("aria-busy", "true");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (isNewQuestion) this.replace(ghosts(NUM_GHOSTS), []);
      else this.list.classList.add("stale");
    }, this.shown.length || !isNewQuestion ? PATIENCE_MS : 0);
  }

  settle() {
    clearTimeout(this.timer);
    this.opened();
    this.list.classList.remove("stale");
    this.list.removeAttribute("aria-busy");
  }

  show(answer, grouped) {
    this.settle();
    performance.mark("draw");
    this.replace(this.cells(answer, grouped), withSearch(answer));
    performance.measure("cards", "draw");
    this.showMore(answer.total);
  }

  /** Add a further page; the focus goes to its first card. */
  add(answer, grouped) {
    const known = new Set(this.shown.map(({ product_id: id }) => id));
    const fresh = { ...answer, results: answer.results.filter(({ product_id: id }) => !known.has(id)) };
    const cells = this.cells(fresh, grouped);
    this.list.append(...cells);
    this.shown = [...this.shown, ...withSearch(fresh)];
    this.showMore(answer.total);
    cells[0]?.querySelector(".title a").focus({ preventScroll: true });
    announce(`${counted(cells.length, "more result")}`);
  }

  /** The same products under another search, which is written down. */
  renew(answer) {
    const ids = new Set(answer.results.map(({ product_id: id }) => id));
    this.shown = this.shown.map((result) => (ids.has(result.product_id) ? { ...result, search_id: answer.search_id } : result));
    for (const card of this.list.querySelectorAll(".card[data-id]")) if (ids.has(card.dataset.id)) card.dataset.search = answer.search_id;
  }

  clear() {
    this.settle();
    this.replace([], []);
    byId("more").hidden = true;
  }

  known(id) {
    return this.shown.find(({ product_id: other }) => other === id);
  }

  cells(answer, grouped) {
    return withSearch(answer).map((result) =>
      card(result, this.addressOf(result.product_id), { extra: this.extra(result), grouped }));
  }

  replace(cells, shown) {
    const cover = document.createDocumentFragment();
    cover.append(...cells);
    this.list.replaceChildren(cover);
    this.shown = shown;
  }

  showMore(total) {
    byId("more").hidden = this.shown.length >= total;
    byId("more-text").textContent = `${inNumbers(this.shown.length)} of ${counted(total, "result")}`;
  }
}

/** Results that know which search they are of, to report clicks under. */
export const withSearch = (answer) => answer.results.map((result) => ({ ...result, search_id: answer.search_id }));
