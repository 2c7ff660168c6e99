// A range of numbers: a histogram that can be clicked, two sliders over it, two boxes for exact ends.

import { el } from "./dom.js";
import { columnName, inUnits } from "./words.js";

const STEPS = 100;
const WHOLE = 20;

/** The parts of a range facet. `apply(pick)` takes a new range, null for all. */
export function rangeParts(facet, pick, apply) {
  const [low, high] = [Math.floor(facet.low), Math.ceil(facet.high)];
  const step = high - low >= WHOLE ? Math.max(1, niceStep((high - low) / STEPS)) : niceStep((high - low) / STEPS);
  const ends = { low: pick.low ?? low, high: pick.high ?? high };
  const bars = barsOf(facet, (i) => apply(cut({ low: facet.edges[i], high: facet.edges[i + 1] }, { low, high, step })));
  const said = el("p", { class: "between" });
  const paint = () => {
    facet.counts.forEach((_, i) => bars.children[i].classList.toggle("out", facet.edges[i + 1] < ends.low || facet.edges[i] > ends.high));
    said.textContent = `${inUnits(facet.column, ends.low)} – ${inUnits(facet.column, ends.high)}`;
  };
  const slider = (end) => {
    const label = `${columnName(facet.column)} ${end === "low" ? "at least" : "at most"}`;
    const input = el("input", { type: "range", min: low, max: Math.max(high, low + step), step, "aria-label": label, data: { key: `slide-${end}:${facet.column}` } });
    input.value = ends[end];
    const tell = () => input.setAttribute("aria-valuetext", inUnits(facet.column, ends[end]));
    input.addEventListener("input", () => {
      const value = input.valueAsNumber;
      ends[end] = end === "low" ? Math.min(value, ends.high) : Math.max(value, ends.low);
      input.value = ends[end];
      paint();
      tell();
    });
    input.addEventListener("change", () => apply(open(ends, { low, high })));
    tell();
    return input;
  };
  const box = (end) => {
    const input = el("input", { type: "number", step: "any", inputmode: "decimal", placeholder: end === "low" ? low : high, value: pick[end] ?? null,
      data: { key: `${end}:${facet.column}` }, "aria-label": `${columnName(facet.column)} ${end === "low" ? "from" : "to"}` });
    input.addEventListener("change", () => {
      const typed = Object.fromEntries(boxes.filter(({ input: one }) => one.value !== "" && Number.isFinite(one.valueAsNumber)).map(({ end: name, input: one }) => [name, one.valueAsNumber]));
      if (typed.low > typed.high) [typed.low, typed.high] = [typed.high, typed.low];
      apply(Object.keys(typed).length ? typed : null);
    });
    return { end, input, label: el("label", { class: "field" }, el("span", { text: end === "low" ? "From" : "To" }), input) };
  };
  const boxes = ["low", "high"].map(box);
  paint();
  return [el("div", { class: "histogram" }, bars, el("div", { class: "sliders" }, slider("low"), slider("high"))), said, el("div", { class: "span" }, boxes.map(({ label }) => label))];
}

/** A bar's range, on whole steps where these keep it apart from its neighbours. */
function cut({ low, high }, all) {
  const round = (value) => Math.round(value / all.step) * all.step;
  const [from, to] = [Number(round(low).toFixed(6)), Number(round(high).toFixed(6))];
  return open(from < to ? { low: from, high: to } : { low, high }, all);
}

/** Ends that are those of all products are left open. */
function open(ends, all) {
  const pick = {};
  if (ends.low > all.low) pick.low = ends.low;
  if (ends.high < all.high) pick.high = ends.high;
  return Object.keys(pick).length ? pick : null;
}

function niceStep(step) {
  const power = 10 ** Math.floor(Math.log10(step || 1));
  return Number(([1, 2, 5].map((by) => by * power).find((nice) => nice >= step) ?? 10 * power).toPrecision(2));
}

function barsOf({ counts }, choose) {
  const most = Math.max(1, ...counts);
  const all = counts.map((count, i) => {
    const bar = el("i", { on: { click: () => choose(i) } });
    bar.style.setProperty("--height", count ? `${Math.max(4, (count / most) * 100)}%` : "0");
    return bar;
  });
  return el("div", { class: "bars", "aria-hidden": "true" }, all);
}
