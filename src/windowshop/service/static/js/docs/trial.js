// A form for one call, and what the service answered.

import { heldKey } from "../api.js";
import { announce, el } from "../dom.js";
import { inMs } from "../words.js";
import { prose } from "./schemas.js";

const MOST_CHARACTERS = 100_000;
const FORM = "multipart/form-data";

export class Trial {
  constructor(path, method, operation, schemas) {
    Object.assign(this, { path, method: method.toUpperCase(), schemas, id: operation.operationId });
    this.parameters = (operation.parameters ?? []).map((parameter) => ({ ...parameter, input: this.input(parameter.schema) }));
    this.body = operation.requestBody ? this.bodyParts(operation.requestBody.content) : null;
    this.answer = el("div", { class: "answer" });
    const send = el("button", { class: "button strong", type: "submit", text: "Send" });
    this.node = el("form", { class: "trial", on: { submit: (event) => {
      event.preventDefault();
      this.send();
    } } },
    this.parameters.length ? el("div", { class: "parameters" }, this.parameters.map((parameter) => this.field(parameter))) : null,
    this.body?.node ?? null, el("div", { class: "row" }, send), this.answer);
  }

  field({ name, required, schema, input }) {
    const { description } = this.schemas.resolved(schema);
    input.required = Boolean(required);
    input.name = name;
    const about = [this.schemas.type(schema), required ? "required" : null].filter(Boolean).join(", ");
    return el("label", { class: "field" }, el("span", {}, el("code", { text: name }), ` ${about}`), input, description ? el("small", {}, prose(description)) : null);
  }

  /** A list is given with commas. */
  input(schema) {
    const { type, enum: values, default: usual, minimum, maximum } = this.schemas.resolved(schema);
    const known = usual === undefined || usual === null ? "" : String(usual);
    const choices = values ?? (type === "boolean" ? ["true", "false"] : null);
    if (choices) return el("select", {}, el("option", { value: "", text: known ? `${known} (default)` : "–" }), choices.map((value) => el("option", { value, text: value })));
    const isNumber = type === "integer" || type === "number";
    return el("input", { type: isNumber ? "number" : "text", min: minimum, max: maximum, step: type === "number" ? "any" : null, placeholder: type === "array" ? "one, two" : known, autocomplete: "off", spellcheck: "false" });
  }

  /** Where the body is written: a text of a type, or the parts of a form. */
  bodyParts(content) {
    if (content[FORM]) return this.formParts(content[FORM].schema);
    const types = Object.keys(content);
    const texts = types.map((type) => content[type].example ?? JSON.stringify(this.schemas.example(content[type].schema), null, 2));
    const choice = el("select", { "aria-label": "Type of the body" }, types.map((type) => el("option", { value: type, text: type })));
    const area = el("textarea", { rows: Math.min(18, texts[0].split("\n").length + 1), spellcheck: "false", "aria-label": "Body", prop: { value: texts[0] } });
    choice.addEventListener("change", () => (area.value = texts[choice.selectedIndex]));
    const outline = this.schemas.outline(content[types[0]].schema);
    const node = el("div", { class: "body-parts" }, el("div", { class: "field" }, el("span", {}, "Body ", types.length > 1 ? null : types[0]), types.length > 1 ? choice : null, area),
      outline ? el("details", { class: "fields" }, el("summary", { text: "Fields of the body" }), outline) : null);
    return { node, read: () => ({ headers: { "Content-Type": choice.value }, body: area.value, curl: `-H ${quoted(`Content-Type: ${choice.value}`)} -d ${quoted(area.value)}` }) };
  }

  formParts({ properties, required = [] }) {
    const parts = Object.entries(properties).map(([name, schema]) => {
      const isFile = schema.format === "binary";
      return { name, isFile, ...schema, input: isFile ? el("input", { type: "file", required: required.includes(name) }) : el("textarea", { rows: 3, spellcheck: "false", prop: { value: this.schemas.example(schema) } }) };
    });
    const node = el("div", { class: "parameters" }, parts.map(({ name, description, input }) =>
      el("label", { class: "field" }, el("span", {}, el("code", { text: name })), input, description ? el("small", {}, prose(description)) : null)));
    const read = () => {
      const body = new FormData();
      for (const { name, isFile, input } of parts) body.append(name, isFile ? input.files[0] : input.value);
      return { headers: {}, body, curl: parts.map(({ name, isFile, input }) => `-F ${quoted(isFile ? `${name}=@${input.files[0].name}` : `${name}=${input.value}`)}`).join(" ") };
    };
    return { node, read };
  }

  /** The address with what was filled in. */
  address() {
    let { path } = this;
    const query = new URLSearchParams();
    for (const { name, in: place, schema, input } of this.parameters) {
      const value = input.value.trim();
      if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
      else if (value && this.schemas.resolved(schema).type === "array") for (const one of value.split(",")) query.append(name, one.trim());
      else if (value) query.append(name, value);
    }
    return new URL(`.${path}${query.size ? `?${query}` : ""}`, document.baseURI).href;
  }

  async send() {
    const address = this.address();
    const { headers = {}, body, curl } = this.body?.read() ?? {};
    const key = heldKey();
    const command = ["curl", this.method === "GET" ? null : `-X ${this.method}`, quoted(address), key ? "-H 'X-API-Key: KEY'" : null, curl].filter(Boolean).join(" ");
    const start = performance.now();
    try {
      const response = await fetch(address, { method: this.method, headers: key ? { ...headers, "X-API-Key": key } : headers, body });
      const type = response.headers.get("Content-Type") ?? "";
      const text = type.startsWith("image/") ? `${(await response.blob()).size} bytes of ${type}` : laidOut(await response.text());
      this.show(command, `${response.status} ${response.statusText} in ${inMs(performance.now() - start)}`, text);
    } catch (error) {
      this.show(command, "The service cannot be reached.", String(error.message));
    }
  }

  show(command, status, text) {
    const box = (name, content) => el("pre", { tabindex: "0", role: "region", "aria-label": `${name} of ${this.id}`, text: content });
    this.answer.replaceChildren(box("Command", command), el("p", { class: "status", text: status }), box("Answer", text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}\n…` : text));
    announce(status);
  }
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** JSON with a field a line; another text as it is. */
function laidOut(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
