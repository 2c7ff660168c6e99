// Who may use the workbench, and how its parts lead to each other.

import * as api from "../api.js";
import { el } from "../dom.js";

const PARTS = { "": "Search", measure: "Measure", rules: "Rules" };

/** What the service says of itself; raises where the key may not write. */
export async function readInfo() {
  const info = await api.info();
  if (info.scopes.includes("write")) return info;
  api.forgetKey();
  throw new api.ApiError(403, "no_workbench", "The workbench needs a key that may write; this one may search. Try again with another key.");
}

/** Links to the parts of the workbench and to the shop; `current` is the one that is shown. */
export const partLinks = (current) => [
  ...Object.entries(PARTS).map(([name, text]) =>
    el("a", { class: "badge", href: name ? `workbench?do=${name}` : "workbench", "aria-current": name === current ? "page" : null, text })),
  el("a", { class: "textual", href: "./", text: "Shop" }),
];
