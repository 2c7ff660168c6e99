// Clicks on products: reported under their search, then opened here or in a new tab.

import { reportClick } from "./api.js";

export const isPlain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;

/** Clicks on cards and suggestions. */
export class Clicks {
  /** `open(id)` shows a product, `like(id, title)` asks for similar ones; `settle()` resolves once the
   * search that is shown is written down, and `known(id)` is its result. */
  constructor({ open, like, settle, known }) {
    Object.assign(this, { open, like, settle, known });
  }

  card(event) {
    const like = event.target.closest("[data-like]");
    const card = event.target.closest(".card");
    const variant = event.target.closest("[data-variant]");
    if (like) this.like(like.dataset.like, card.querySelector(".title").textContent);
    const link = event.target.closest(".title a");
    if (variant && isPlain(event)) {
      event.preventDefault();
      this.open(variant.dataset.variant);
    }
    if (!link || !card) return;
    this.report(card.dataset.id, () => card.dataset);
    if (!isPlain(event)) return;
    event.preventDefault();
    this.open(card.dataset.id);
  }

  result({ product_id: id }) {
    this.report(id, () => ({ search: this.known(id)?.search_id, rank: this.known(id)?.rank }));
    this.open(id);
  }

  async report(id, place) {
    await this.settle();
    const { search, rank } = place();
    if (search) reportClick({ search_id: search, product_id: id, position: Number(rank) });
  }
}
