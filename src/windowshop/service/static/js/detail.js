// One product in a dialog: every field, and products like it.

import { isAbort, latest, product, similar } from "./api.js";
import { card, frame, priceOf } from "./cards.js";
import { byId, el } from "./dom.js";
import { withSearch } from "./results.js";
import { isHidden, page as shop, productLink } from "./page.js";
import { columnName, inWords } from "./words.js";

const SIDE = 800;
const NUM_ALIKE = 6;
const SHOWN_ALREADY = new Set(["title", "brand", "price", "currency", "category", "description", "attributes", "image", "images", "photo_url"]);
const OWN_PLACE = () => new Set([shop.sale_price, shop.list_price]);

/** Show the product, `known` where a result of it is at hand; `addressOf(id)` is where cards lead. */
export async function showDetail(id, { known, generation, addressOf, onLike }) {
  const dialog = byId("detail");
  const signal = latest("detail");
  byId("detail-body").replaceChildren(el("p", { class: "plain", text: "Loading…" }));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.removeAttribute("aria-labelledby");
  try {
    const fields = known ? { ...known.fields, photo_url: known.photo_url, currency: known.currency } : await product(id, signal);
    byId("detail-body").replaceChildren(page(id, fields, onLike));
    dialog.setAttribute("aria-labelledby", "detail-title");
    const answer = await similar(id, { limit: NUM_ALIKE, collapse: true, ...(generation ? { generation } : {}) }, signal);
    if (answer.results.length) byId("detail-body").append(alike(answer, addressOf));
  } catch (error) {
    if (isAbort(error)) return;
    if (!byId("detail-body").querySelector(".product")) {
      byId("detail-body").replaceChildren(el("div", { class: "plain" }, el("h2", { text: "No such product" }), el("p", { text: error.message })));
    }
  }
}

function page(id, fields, onLike) {
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
      fields.description ? el("p", { class: "about", dir: "auto", text: fields.description, tabindex: 0, role: "region", "aria-label": "Description" }) : null,
      el("div", { class: "row" },
        address ? el("a", { class: "button strong", href: address, rel: "noopener", text: "Go to the product" }) : null,
        el("button", { class: "button", type: "button", text: "Search for similar products", on: { click: () => onLike(id, title) } })),
      facts(fields)));
}

/** What people read about a product, in the shop's order: first what it lists, then the rest. */
function facts(fields) {
  const rows = { ...attributesOf(fields.attributes), ...fields };
  const others = Object.keys(rows).filter((name) => !SHOWN_ALREADY.has(name) && !OWN_PLACE().has(name));
  const names = [...new Set([...shop.shown, ...others])].filter((name) => !isHidden(name));
  const shown = names.map((name) => [columnName(name), inWords(rows[name])]).filter(([, value]) => value);
  return el("dl", { class: "facts" }, shown.flatMap(([name, value]) =>
    [el("dt", { text: name, dir: "auto" }), el("dd", { text: value, dir: "auto" })]));
}

function attributesOf(text) {
  if (text && typeof text === "object") return text;
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
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

