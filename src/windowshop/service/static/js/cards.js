// Products as cards.

import { heldKey, photoBlob } from "./api.js";
import { el, icon } from "./dom.js";
import { prices } from "./page.js";
import { counted, inPrice } from "./words.js";

const THUMBNAIL = 320;
const SMALL = 48;

export const nameOf = (result) => result.title || `Product ${result.product_id}`;

/** One cell of a list. `address`: where its title leads; `extra`: parts for the card's end;
 * `grouped`: whether it stands for its variants too. */
export function card(result, address, { extra = [], grouped = true } = {}) {
  return el("li", { class: "cell" },
    el("article", { class: "card", data: { id: result.product_id, rank: result.rank, search: result.search_id ?? "" } },
      frame(result.photo_url),
      el("div", { class: "words" },
        result.brand ? el("p", { class: "brand", dir: "auto", text: result.brand }) : null,
        el("h3", { class: "title" },
          el("a", { href: address, dir: "auto", text: nameOf(result), title: nameOf(result) })),
        el("p", { class: "end" },
          priceOf(result.fields, result.price, result.currency),
          grouped && result.group_size > 1 ? el("span", { class: "variants", text: `+${counted(result.group_size - 1, "variant")}` }) : null)),
      el("div", { class: "acts" }, likeButton(result), ...extra)));
}

/** What it costs, and what it did before where it was reduced; null without a price. */
export function priceOf(fields, price, currency) {
  const { now, was } = prices(fields, price);
  if (now === null) return null;
  if (was === null) return el("span", { class: "price", text: inPrice(now, currency) });
  return el("span", { class: "prices" },
    el("span", { class: "unseen", text: "Now " }), el("span", { class: "price reduced", text: inPrice(now, currency) }),
    el("span", { class: "unseen", text: ", before " }), el("s", { class: "was", text: inPrice(was, currency) }));
}

/** The photo, or a quiet placeholder where there is none or it is broken. */
export function frame(url, side = THUMBNAIL) {
  if (!url) return noPhoto("No photo");
  const box = el("div", { class: "frame" });
  const image = el("img", { alt: "", width: side, height: side, loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => box.replaceWith(noPhoto("No photo")));
  box.append(image);
  if (heldKey()) loadWithKey(image, `${url}?size=${side}`);
  else {
    image.sizes = "(max-width: 40rem) 45vw, 14rem";
    image.srcset = `${url}?size=${side} ${side}w, ${url}?size=${side * 2} ${side * 2}w`;
    image.src = `${url}?size=${side}`;
  }
  return box;
}

/** A small photo, or a blank of its size. */
export function thumbnail(url) {
  const box = el("span", { class: "thumb", "aria-hidden": "true" });
  if (!url) return box;
  const image = el("img", { alt: "", width: SMALL, height: SMALL, decoding: "async" });
  image.addEventListener("error", () => image.remove());
  box.append(image);
  if (heldKey()) loadWithKey(image, `${url}?size=${2 * SMALL}`);
  else image.src = `${url}?size=${2 * SMALL}`;
  return box;
}

/** Cards of nothing, while the answer is on its way. */
export function ghosts(count) {
  return Array.from({ length: count }, () =>
    el("li", { class: "cell ghost", "aria-hidden": "true" },
      el("div", { class: "card" },
        el("div", { class: "frame" }),
        el("div", { class: "words" }, el("span", { class: "bone short" }), el("span", { class: "bone" }), el("span", { class: "bone short" })))));
}

function likeButton(result) {
  return el("button", { class: "like", type: "button", data: { like: result.product_id, key: `like:${result.product_id}` }, "aria-label": `Similar to ${nameOf(result)}` },
    icon("similar"), el("span", { text: "Similar" }));
}

function noPhoto(text) {
  const picture = icon("photo");
  picture.removeAttribute("class");
  return el("div", { class: "frame none" }, picture, el("span", { text }));
}

const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    showBlob(target);
  }
}, { rootMargin: "400px" });

function loadWithKey(image, url) {
  image.dataset.from = url;
  nearby.observe(image);
}

async function showBlob(image) {
  try {
    const url = URL.createObjectURL(await photoBlob(image.dataset.from));
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}
