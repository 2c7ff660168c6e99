// Values in words: numbers, columns, counts.

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const price = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const inNumbers = (value) => number.format(value);

/** A price as the shop states it, with its currency where the catalogue has one. */
export function inPrice(value, currency) {
  const plain = Number.isInteger(value) ? number.format(value) : price.format(value);
  if (!currency) return plain;
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, trailingZeroDisplay: "stripIfInteger" }).format(value);
  } catch {
    return `${plain} ${currency}`; // no code of three letters
  }
}

export const counted = (count, one, many = `${one}s`) => `${number.format(count)} ${count === 1 ? one : many}`;

export const inMs = (value) => (value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`);

export const inPercent = (share) => `${Math.round(share * 100)}%`;

/** "neck_type" -> "Neck type". */
export function columnName(column) {
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
  if (typeof value === "number") return number.format(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** What a pick lets through, in words. */
export function pickWords(pick) {
  if (pick.values) return pick.values.map(inWords).join(", ");
  if (pick.low === undefined) return `up to ${inNumbers(pick.high)}`;
  if (pick.high === undefined) return `from ${inNumbers(pick.low)}`;
  return `${inNumbers(pick.low)} – ${inNumbers(pick.high)}`;
}
