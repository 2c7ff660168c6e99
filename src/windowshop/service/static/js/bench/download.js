// The figures of each query as a file for a spreadsheet.

import { el } from "../dom.js";

/** Csv of the figures: a line a query, a column a measure and side. */
export function csvOf({ measures, queries }) {
  const names = queries[0]?.sides.length === 2 ? [" left", " right"] : [""];
  const heads = ["query", "searches", "grades", ...names.flatMap((name) => measures.map((measure) => measure + name))];
  const lines = queries.map(({ text, count, num_grades: grades, sides }) =>
    [asText(text), count, grades, ...sides.flatMap((side) => measures.map((measure) => side[measure]))]);
  return [heads, ...lines].map((line) => `${line.map(quoted).join(",")}\n`).join("");
}

/** A text that anyone may have searched for; a spreadsheet must not take it for a formula. */
const asText = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

const quoted = (value) => {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
