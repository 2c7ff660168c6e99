// The service's calls, from its OpenAPI description; each can be tried.

import { forgetKey, heldKey, holdKey } from "../api.js";
import { byId, el } from "../dom.js";
import { prose, Schemas } from "./schemas.js";
import { Trial } from "./trial.js";

const METHODS = ["get", "post", "put", "delete"];

const spec = await (await fetch("openapi.json")).json();
const schemas = new Schemas(spec.components.schemas);
const kinds = new Map();
for (const [path, item] of Object.entries(spec.paths)) {
  for (const method of METHODS.filter((name) => name in item)) {
    const [kind] = item[method].tags;
    kinds.set(kind, [...(kinds.get(kind) ?? []), call(path, method, item[method])]);
  }
}
byId("kinds").replaceChildren(...[...kinds.keys()].map((kind) => el("a", { href: `#${slug(kind)}`, text: titled(kind) })));
byId("results").replaceChildren(...[...kinds].map(([kind, calls]) =>
  el("section", { id: slug(kind), "aria-labelledby": `${slug(kind)}-title` }, el("h2", { id: `${slug(kind)}-title`, text: titled(kind) }), calls)));
byId("key").value = heldKey() ?? "";
byId("key").addEventListener("input", () => (byId("key").value.trim() ? holdKey(byId("key").value.trim()) : forgetKey()));
open();
window.addEventListener("hashchange", open);

/** Open the call that the address names. */
function open() {
  const named = byId(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("details")) named.open = true;
  named?.scrollIntoView();
}

/** One call: its name, and inside what it takes and gives, made when it is first opened. */
function call(path, method, operation) {
  const [first, ...others] = (operation.description ?? "").split("\n\n");
  const node = el("details", { class: "call", id: operation.operationId },
    el("summary", {}, el("h3", {}, el("span", { class: `method ${method}`, text: method.toUpperCase() }), el("code", { text: path })), el("span", { class: "what" }, prose(first))));
  node.addEventListener("toggle", () => {
    if (!node.open) return;
    history.replaceState(null, "", `#${operation.operationId}`);
    if (node.childElementCount > 1) return;
    const trial = new Trial(path, method, operation, schemas);
    node.append(el("div", { class: "inside" }, others.map((text) => el("p", {}, prose(text))), trial.node, answers(operation)));
  });
  return node;
}

/** The fields of the answer, folded. */
function answers({ responses }) {
  const schema = Object.values(responses["200"]?.content ?? {})[0]?.schema;
  const outline = schema && schemas.outline(schema, { isGiven: false });
  return outline ? el("details", { class: "fields" }, el("summary", { text: "Fields of the answer" }), outline) : null;
}

function slug(kind) {
  return kind.toLowerCase().replaceAll(" ", "-");
}

function titled(kind) {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
