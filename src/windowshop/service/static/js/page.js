// The shop's own settings of its page (page.yaml): its name, its money, what things are called.

import { byId, el } from "./dom.js";

/** Settings until the service has told its own. */
export let page = {
  name: "", logo: null, accents: {}, currency: "", locale: "", product_link: "", sale_price: "", list_price: "",
  facets: [], sorts: [], shown: [], hidden: [], labels: {}, num_products: 0, takes_images: false, has_images: true, problem: "",
};

/** Take the shop's settings, and dress the page by them. */
export function usePage(settings) {
  page = settings;
  byId("home").setAttribute("aria-label", `${page.name}, all products`);
  byId("home").replaceChildren(page.logo ? el("img", { src: page.logo, alt: page.name, height: 36 }) : page.name);
  for (const [scheme, colours] of Object.entries(page.accents)) {
    for (const [name, value] of Object.entries(colours)) document.documentElement.style.setProperty(`--${scheme}-${name}`, value);
  }
}

/** The language and region of numbers; undefined is the browser's. */
export const locale = () => page.locale || undefined;

export const isHidden = (column) => page.hidden.includes(column);

/** Columns that have a place of their own in a product's window. */
export const OWN_PLACE = new Set(["title", "brand", "price", "currency", "category", "description", "attributes", "image", "images", "photo_url"]);

/** Whether a column is another price, which stands by the price itself. */
export const isOtherPrice = (column) => column === page.sale_price || column === page.list_price;

/** Where the shop itself shows a product, or null where it has said no such place. */
export function productLink(fields) {
  if (!page.product_link) return null;
  let isWhole = true;
  const alone = /^\{[^{}]*\}$/.test(page.product_link);
  const address = page.product_link.replace(/\{([^{}]*)\}/g, (_, column) => {
    const value = fields[column];
    if (value === null || value === undefined || value === "") isWhole = false;
    return alone ? String(value) : encodeURIComponent(String(value));
  });
  return isWhole && /^(https?:\/\/|\/(?!\/))/.test(address) ? address : null;
}

/** What a product costs now and did before, of its own columns. */
export function prices(fields, price) {
  const number = (column) => (column && Number.isFinite(fields[column]) ? fields[column] : null);
  const [sale, listed] = [number(page.sale_price), number(page.list_price)];
  if (price === null || price === undefined) return { now: sale, was: null };
  if (sale !== null && sale > 0 && sale < price) return { now: sale, was: price };
  return { now: price, was: listed !== null && listed > price ? listed : null };
}
