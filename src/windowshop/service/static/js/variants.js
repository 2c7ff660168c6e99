// The other sizes and colours of a product, each of which can be opened.

import { search } from "./api.js";
import { thumbnail } from "./cards.js";
import { shade } from "./colours.js";
import { el } from "./dom.js";
import { swatch } from "./facets.js";
import { isHidden, isOtherPrice, OWN_PLACE, page } from "./page.js";
import { inPrice, inWords } from "./words.js";

const MOST = 40;
const LONGEST = 40;
const OWN = new Set([...OWN_PLACE, "product_id", "group_id"]);

/** A strip of the variants of a group, the one shown marked; null where there are no others. */
export async function variantStrip(id, groupId, addressOf, signal) {
  if (!groupId) return null;
  const request = { picks: { group_id: { values: [groupId] } }, limit: MOST, log: false, understand: false };
  const { results } = await search(request, signal);
  if (results.length < 2 || !results.some(({ product_id: other }) => other === id)) return null;
  const rows = results.map((result) => ({ ...attributesOf(result.fields.attributes), ...result.fields }));
  const columns = differing(rows);
  const endings = endingsOf(results.map(({ title }) => title ?? ""));
  const items = results.map((result, i) => ({ result, row: rows[i], label: columns.map((column) => inWords(rows[i][column])).filter(Boolean).join(", ") || endings[i] }));
  items.sort((one, other) => one.label.localeCompare(other.label, undefined, { numeric: true }));
  const colour = columns.find((column) => rows.every((row) => typeof row[column] === "string" && shade(row[column])));
  const arePictured = new Set(results.map(({ photo_url: url }) => url)).size > 1;
  return el("section", { class: "variants-of", "aria-label": "Variants" },
    el("p", { class: "quietly", text: `${results.length} variants` }),
    el("ul", { class: "variant-list" }, items.map((item, i) => variant(item, i, { id, colour, arePictured, addressOf }))));
}

function variant({ result, row, label }, i, { id, colour, arePictured, addressOf }) {
  const isShown = result.product_id === id;
  const price = result.price === null ? "" : inPrice(result.price, result.currency);
  const name = [label || result.title || `Variant ${i + 1}`, price].filter(Boolean).join(", ");
  return el("li", {},
    el("a", { class: "variant", href: addressOf(result.product_id), "aria-current": isShown ? "true" : null, "aria-label": name, title: name, data: { variant: result.product_id } },
      arePictured && result.photo_url ? thumbnail(result.photo_url) : colour ? swatch(row[colour]) : null,
      label || !arePictured ? el("span", { dir: "auto", text: label || `${i + 1}` }) : null));
}

/** Columns for people in which the variants differ, in the shop's own order: words before numbers,
 * those that tell each variant from all others before the rest. */
function differing(rows) {
  const names = [...new Set([...page.shown, ...rows.flatMap(Object.keys)])]
    .filter((name) => !OWN.has(name) && !isHidden(name) && !isOtherPrice(name));
  const values = new Map(names.map((name) => [name, new Set(rows.map((row) => inWords(row[name])))]));
  const differ = names.filter((name) => values.get(name).size > 1 && [...values.get(name)].every((text) => (text ?? "").length <= LONGEST));
  const worded = differ.filter((name) => rows.some((row) => typeof row[name] === "string" || Array.isArray(row[name])));
  const from = worded.length ? worded : differ;
  const telling = from.filter((name) => values.get(name).size === rows.length);
  return (telling.length ? telling : from).slice(0, 2);
}

/** What titles end in where they begin alike: "Mug, 350 ml" and "Mug, 450 ml" in their sizes. */
function endingsOf(titles) {
  const split = titles.map((title) => title.split(/, | - | \/ | \(/));
  const [first] = split;
  const isAlike = split.every((parts) => parts.length === 2 && parts[0] === first[0]);
  return isAlike ? split.map((parts) => parts[1].replace(/\)$/, "")) : titles.map(() => "");
}

/** A product's attributes; the service sends a text where it holds no JSON that it can read. */
export function attributesOf(text) {
  if (text && typeof text === "object") return text;
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
