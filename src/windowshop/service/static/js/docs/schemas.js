// Schemas of the description in words: an outline of fields, and an example of a value.

import { el } from "../dom.js";

const DEEPEST = 4;

/** Text with `code` in it. */
export const prose = (text) => text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? el("code", { text: part }) : part));

export class Schemas {
  constructor(named) {
    this.named = named;
  }

  /** The schema itself, where it is only named, or may be null too. */
  resolved(schema) {
    if (schema.$ref) return this.resolved(this.named[schema.$ref.split("/").at(-1)]);
    const others = (schema.anyOf ?? schema.oneOf ?? []).filter(({ type }) => type !== "null");
    return others.length === 1 ? { ...this.resolved(others[0]), ...("default" in schema ? { default: schema.default } : {}), ...(schema.description ? { description: schema.description } : {}) } : schema;
  }

  /** A type in words: "list of text", "hybrid | words". */
  type(schema) {
    const { type, items, enum: values, anyOf, oneOf, const: only } = this.resolved(schema);
    if (values) return values.join(" | ");
    if (only !== undefined) return String(only);
    if (type === "array") return `list of ${items && Object.keys(items).length ? this.type(items) : "values"}`;
    if (anyOf || oneOf) return [...new Set((anyOf ?? oneOf).map((one) => this.type(one)))].join(" or ");
    return { string: "text", integer: "whole number", boolean: "true or false", object: "object", null: "null" }[type] ?? type ?? "any value";
  }

  /** The fields of an object, and of those in it; null where there are none. `isGiven`: by the
   * client, which has to know what is required. */
  outline(schema, { isGiven = true, depth = 0 } = {}) {
    const whole = this.resolved(schema);
    const { properties, required = [] } = whole.type === "array" && whole.items ? this.resolved(whole.items) : whole;
    if (!properties || depth > DEEPEST) return null;
    return el("ul", { class: "outline" }, Object.entries(properties).map(([name, field]) => {
      const found = this.resolved(field);
      const known = [isGiven && required.includes(name) ? "required" : null, found.default === undefined || found.default === null ? null : `default ${JSON.stringify(found.default)}`].filter(Boolean);
      return el("li", {}, el("code", { text: name }), " ", el("span", { class: "type", text: [this.type(field), ...known].join(", ") }),
        found.description ? el("span", { class: "about" }, prose(found.description)) : null, this.outline(found, { isGiven, depth: depth + 1 }));
    }));
  }

  /** A value that the schema lets through, its own example where it has one. */
  example(schema) {
    const found = this.resolved(schema);
    if (found.examples?.length) return found.examples[0];
    if (found.default !== undefined && found.default !== null) return found.default;
    if (found.enum) return found.enum[0];
    if (found.type === "array") return found.minItems ? [this.example(found.items)] : [];
    if (found.type === "object") return Object.fromEntries((found.required ?? []).map((name) => [name, this.example(found.properties[name])]));
    return { integer: found.minimum ?? 0, number: found.minimum ?? 0, boolean: false }[found.type] ?? "";
  }
}
