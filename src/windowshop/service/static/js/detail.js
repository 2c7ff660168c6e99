// One product in a dialog: every field, and products like it.

import { isAbort, latest, product, similar } from "./api.js";
import { card, frame, priceOf } from "./cards.js";
import { byId, el } from "./dom.js";
import { withSearch } from "./results.js";
import { isHidden, isOtherPrice, OWN_PLACE, page as shop, productLink } from "./page.js";
import { attributesOf, variantStrip } from "./variants.js";
import { columnName, inWords } from "./words.js";

const SIDE = 800;
const NUM_ALIKE = 6;

/** Show the product, `known` where a result of it is at hand; `addressOf(id)` is where cards lead. */
export async function showDetail(id, { known, generation, addressOf, onLike }) {
  const dialog = byId("detail");
  const signal = latest("detail");
  if (!known || !dialog.open) byId("detail-body").replaceChildren(waiting());
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.removeAttribute("aria-labelledby");
  try {
    const fields = known ? { ...known.fields, photo_url: known.photo_url, currency: known.currency } : await product(id, signal);
    byId("detail-body").replaceChildren(page(id, fields, { onLike, hasVariants: known?.group_size > 1 }));
    dialog.setAttribute("aria-labelledby", "detail-title");
    variantStrip(id, fields.group_id, addressOf, signal)
      .then((strip) => strip && byId("detail-variants")?.replaceChildren(strip))
      .catch(() => undefined); // the product stands for itself
    const answer = await similar(id, { limit: NUM_ALIKE, collapse: true, ...(generation ? { generation } : {}) }, signal);
    if (answer.results.length) byId("detail-body").append(alike(answer, addressOf));
  } catch (error) {
    if (isAbort(error)) return;
    if (!byId("detail-body").querySelector(".product:not(.ghost)")) {
      byId("detail-body").replaceChildren(el("div", { class: "plain" }, el("h2", { text: error.status === 404 ? "This product is gone" : "The product cannot be shown" }), el("p", { text: error.status === 404 ? "It may be sold out or have another address now." : error.message })));
    }
  }
}

function page(id, fields, { onLike, hasVariants }) {
  const title = fields.title || `Product ${id}`;
  const price = priceOf(fields, typeof fields.price === "number" ? fields.price : null, fields.currency);
  const address = productLink({ ...fields, product_id: id });
  return el("div", { class: "product" },
    frame(fields.photo_url, SIDE),
    el("div", {},
      fields.brand ? el("p", { class: "brand", dir: "auto", text: fields.brand }) : null,
      el("h2", { id: "detail-title", dir: "auto", text: title }),
      fields.category ? el("p", { class: "trail", dir: "auto", text: String(fields.category).replaceAll(" > ", " › ") }) : null,
      price ? el("p", { class: "cost" }, price) : null,
      el("div", { id: "detail-variants", class: hasVariants ? "expected" : null }),
      el("div", { class: "row" },
        address ? el("a", { class: "button strong", href: address, rel: "noopener", text: "Go to the product" }) : null,
        el("button", { class: "button", type: "button", text: "Search for similar products", on: { click: () => onLike(id, title) } })),
      fields.description ? about(fields.description) : null,
      facts(fields)));
}

/** A description; points behind bullets become a list. */
function about(text) {
  const [first, ...points] = text.split(/\s*•\s+/);
  if (points.length < 2) return el("p", { class: "about", dir: "auto", text });
  return el("div", { class: "about" }, first ? el("p", { dir: "auto", text: first }) : null,
    el("ul", { class: "points" }, points.map((point) => el("li", { dir: "auto", text: point.trim() }))));
}

/** The shape of a product, while it is on its way. */
function waiting() {
  return el("div", { class: "product ghost", "aria-hidden": "true" }, el("div", { class: "frame" }),
    el("div", {}, el("span", { class: "bone short" }), el("span", { class: "bone" }), el("span", { class: "bone short" })));
}

/** What people read about a product, in the shop's order: first what it lists, then the rest. */
function facts(fields) {
  const rows = { ...attributesOf(fields.attributes), ...fields };
  const others = Object.keys(rows).filter((name) => !isOtherPrice(name));
  const names = [...new Set([...shop.shown, ...others])].filter((name) => !isHidden(name) && !OWN_PLACE.has(name));
  const shown = names.map((name) => [columnName(name), inWords(rows[name])]).filter(([, value]) => value);
  return shown.length === 0 ? null : el("dl", { class: "facts" }, shown.flatMap(([name, value]) =>
    [el("dt", { text: name, dir: "auto" }), el("dd", { text: value, dir: "auto" })]));
}

function alike(answer, addressOf) {
  const cards = withSearch(answer).map((result) => {
    const cell = card(result, addressOf(result.product_id));
    cell.querySelector(".acts").remove();
    return cell;
  });
  return el("section", { class: "alike", "aria-labelledby": "alike-title" },
    el("h3", { id: "alike-title", text: "Similar products" }), el("ol", { class: "cards" }, cards));
}

