// Colours of the variants that a card stands for, as dots that open them.

import { latest, variantsOf } from "./api.js";
import { nameOf } from "./cards.js";
import { shade } from "./colours.js";
import { el } from "./dom.js";
import { swatch } from "./facets.js";
import { page } from "./page.js";

const MOST = 4;

/** Put them on the cards of these results, once they are known: the cards do not wait for them. */
export async function showDots(list, results, addressOf) {
  const column = page.facets.find(({ kind }) => kind === "colour")?.column;
  const several = results.filter(({ group_size: size, fields }) => size > 1 && fields.group_id);
  if (!column || !several.length) return;
  const { results: variants } = await variantsOf(several.map(({ fields }) => fields.group_id), ["group_id", column], latest("dots"));
  for (const result of several) {
    const colours = new Map();
    for (const { product_id: id, fields } of [result, ...variants]) {
      const colour = fields[column];
      if (fields.group_id === result.fields.group_id && typeof colour === "string" && shade(colour) && !colours.has(colour)) colours.set(colour, id);
    }
    const acts = list.querySelector(`.card[data-id="${CSS.escape(result.product_id)}"] .acts`);
    if (colours.size > 1 && acts && !acts.querySelector(".dots")) acts.append(dots(result, [...colours].slice(0, MOST), addressOf));
  }
}

function dots(result, colours, addressOf) {
  return el("ul", { class: "dots", "aria-label": `Colours of ${nameOf(result)}` }, colours.map(([colour, id]) =>
    el("li", {}, el("a", { class: "dot", href: addressOf(id), data: { variant: id }, title: colour, "aria-label": `${nameOf(result)}, ${colour}` }, swatch(colour)))));
}
