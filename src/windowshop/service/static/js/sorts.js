// The orders that results can be shown in.

import { byId } from "./dom.js";
import { sortText } from "./state.js";
import { columnName } from "./words.js";

export function offerSorts(sorts) {
  const options = [["", "Best match"], ...sorts.map(({ by, label }) => [by, label])];
  byId("sort").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  byId("sort").closest("label").hidden = !sorts.length;
}

/** Show the order that is asked for, also one of a link that the shop does not offer. */
export function showSort(sort) {
  const value = sortText(sort);
  const select = byId("sort");
  const isOffered = [...select.options].some((option) => option.value === value);
  if (sort && !isOffered) select.add(new Option(columnName(sort.column), value));
  select.value = value;
}
