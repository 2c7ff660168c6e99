// Values in words: numbers, columns, counts.

import { locale, page } from "./page.js";

const kept = new Map();

/** A formatter, made once for each locale and form. */
function formatter(options) {
  const key = `${locale()} ${JSON.stringify(options)}`;
  if (!kept.has(key)) kept.set(key, new Intl.NumberFormat(locale(), options));
  return kept.get(key);
}

export const inNumbers = (value) => formatter({ maximumFractionDigits: 2 }).format(value);

/** A price in the product's currency, or the shop's; `whole` leaves out the cents. */
export function inPrice(value, currency, { whole = false } = {}) {
  const code = currency || page.currency;
  const digits = whole ? { maximumFractionDigits: 0 } : Number.isInteger(value) ? {} : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  if (!code) return formatter(digits).format(value);
  try {
    const cents = whole ? { maximumFractionDigits: 0 } : { trailingZeroDisplay: "stripIfInteger" };
    return formatter({ style: "currency", currency: code, ...cents }).format(value);
  } catch {
    return `${formatter(digits).format(value)} ${code}`; // no code of three letters
  }
}

export const counted = (count, one, many = `${one}s`) => `${inNumbers(count)} ${count === 1 ? one : many}`;

export const inMs = (value) => (value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`);

export const inPercent = (share) => `${Math.round(share * 100)}%`;

/** As the shop calls a column; "neck_type" without a name of its own is "Neck type". */
export function columnName(column) {
  if (page.labels[column]) return page.labels[column];
  const words = column.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The last level of a category path, and the ones above it. */
export function levels(value) {
  const parts = String(value).split(" > ");
  return { last: parts.at(-1), above: parts.slice(0, -1).join(" › ") };
}

/** A value of a product's column, or null where there is nothing to show. */
export function inWords(value) {
  if (value === null || value === undefined || value === "") return null;
  if (Array.isArray(value)) return value.map(inWords).filter(Boolean).join(", ") || null;
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return inNumbers(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** A number of a column: money has its currency. */
export const inUnits = (column, value) => (column === "price" ? inPrice(value, "") : inNumbers(value));

/** What a pick lets through, in words. */
export function pickWords(column, pick) {
  if (pick.values) return pick.values.map((value) => levels(inWords(value)).last).join(", ");
  const [low, high] = [pick.low, pick.high].map((end) => (end === undefined ? null : inUnits(column, end)));
  if (low === null) return `up to ${high}`;
  return high === null ? `from ${low}` : `${low} – ${high}`;
}
