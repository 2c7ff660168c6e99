// What is asked for, as one plain object; the address holds it, so that it can be shared.

export const PAGE = 24;
export const MODES = { hybrid: "Words and meaning", vectors: "Meaning only", words: "Words only" };

/** How alike products are kept apart; "" is how the shop has set it. */
export const VARIETY = { "": "As the shop set it", none: "None", looks: "Mix what looks alike", brands: "At most 3 of a brand" };
const DIVERSITY = { none: { method: "none" }, looks: { method: "mmr" }, brands: { max_per: { brand: 3 } } };

/** What the two sides of a comparison may differ in. */
export const SIDE = { mode: "hybrid", understand: true, infer: true, ranker: true, rules: true, variety: "", generation: null };
const SWITCHES = ["understand", "infer", "ranker", "rules"];

export const EMPTY = Object.freeze({
  text: "", similar: null, photo: null, where: "", picks: {}, choices: {}, sort: null, collapse: true,
  correct: true, explain: false, compare: false, product: null, ...SIDE, sides: null,
});

/** The state that an address stands for; unknown parts are passed over, and the workbench's own
 * ones in the shop. */
export function fromAddress(query, isBench) {
  const params = new URLSearchParams(query);
  const state = { ...EMPTY, picks: {}, choices: {} };
  state.text = params.get("q") ?? "";
  for (const name of ["similar", "photo", "product"]) state[name] = params.get(name);
  state.sort = sortOf(params.get("sort"));
  state.correct = params.get("spelling") !== "typed";
  if (isBench) readBench(state, params);
  for (const [name, value] of params) readPart(state, name, value);
  return state;
}

function readBench(state, params) {
  state.where = params.get("where") ?? "";
  state.collapse = params.get("variants") !== "all";
  state.explain = params.get("explain") === "1";
  state.compare = params.get("view") === "compare";
  Object.assign(state, sideFrom(params, ""));
  if (state.compare) state.sides = [sideFrom(params, "a."), sideFrom(params, "b.")];
}

/** The address of a state, "" for the plain start. */
export function toAddress(state) {
  const params = new URLSearchParams();
  const put = (name, value) => value && params.set(name, value);
  put("q", state.text);
  for (const name of ["similar", "photo"]) put(name, state[name]);
  for (const [column, pick] of Object.entries(state.picks)) writePick(params, column, pick);
  for (const [name, action] of Object.entries(state.choices)) params.set(`c.${name}`, action);
  put("where", state.where);
  put("sort", sortText(state.sort));
  put("variants", !state.collapse && "all");
  put("spelling", !state.correct && "typed");
  put("explain", state.explain && "1");
  writeSide(params, "", state);
  if (state.compare) {
    params.set("view", "compare");
    state.sides?.forEach((side, i) => writeSide(params, i ? "b." : "a.", side));
  }
  put("product", state.product);
  return params.toString();
}

/** The order that a text stands for, a column with a minus before it for falling values; null for none. */
export const sortOf = (text) => (text ? { column: text.replace(/^-/, ""), descending: text.startsWith("-") } : null);

/** The text of an order, "" for none. */
export const sortText = (sort) => (sort ? `${sort.descending ? "-" : ""}${sort.column}` : "");

/** The body of POST /search. `followUp`: the same question again, so none that others may be
 * suggested for it; `log`: whether it is written down, so that clicks can be reported under it. */
export function toRequest(state, { offset = 0, limit = PAGE, facets = [], facetLimit = 40, followUp = false, log = true } = {}) {
  const text = state.text.trim();
  return {
    text: text || null, similar_to: state.similar, where: state.where.trim() || null,
    mode: text ? state.mode : "hybrid", understand: state.understand, infer: state.infer, correct: state.correct, choices: state.choices,
    picks: state.picks, facets, facet_limit: facetLimit, sort: state.sort ? [state.sort] : [],
    collapse: state.collapse, ranker: state.ranker, rules: state.rules, diversity: DIVERSITY[state.variety] ?? null, offset, limit, explain: state.explain,
    generation: state.generation, follow_up: followUp, log,
  };
}

/** Whether two states ask the same question, whatever filters and order they have. */
export const sameQuestion = (one, other) =>
  one.text.trim() === other.text.trim() && one.photo === other.photo && one.similar === other.similar;

/** Whether the same answer serves both. */
export const sameAnswer = (one, other) =>
  toAddress({ ...one, product: null }) === toAddress({ ...other, product: null });

function sideFrom(params, prefix) {
  const mode = params.get(`${prefix}mode`);
  const variety = params.get(`${prefix}variety`);
  return {
    mode: mode in MODES ? mode : SIDE.mode,
    ...Object.fromEntries(SWITCHES.map((name) => [name, params.get(`${prefix}${name}`) !== "off"])),
    variety: variety in DIVERSITY ? variety : SIDE.variety,
    generation: params.get(`${prefix}generation`),
  };
}

function writeSide(params, prefix, side) {
  if (side.mode !== SIDE.mode) params.set(`${prefix}mode`, side.mode);
  for (const name of SWITCHES) if (!side[name]) params.set(`${prefix}${name}`, "off");
  if (side.variety) params.set(`${prefix}variety`, side.variety);
  if (side.generation) params.set(`${prefix}generation`, side.generation);
}

/** Values that are no text are written as "~" and JSON; so is a text that begins with "~". */
function writePick(params, column, pick) {
  if (!pick.values) {
    params.set(`r.${column}`, `${pick.low ?? ""}..${pick.high ?? ""}`);
    return;
  }
  for (const value of pick.values) {
    const plain = typeof value === "string" && !value.startsWith("~");
    params.append(`f.${column}`, plain ? value : `~${JSON.stringify(value)}`);
  }
}

function readPart(state, name, value) {
  const column = name.slice(2);
  if (name.startsWith("c.") && ["filter", "boost", "off"].includes(value)) state.choices[column] = value;
  if (name.startsWith("f.")) {
    const typed = readValue(value);
    if (typed !== undefined) (state.picks[column] ??= { values: [] }).values.push(typed);
  }
  if (name.startsWith("r.")) {
    const [low, high] = value.split("..").map((end) => (end === "" ? undefined : Number(end)));
    const pick = {};
    if (Number.isFinite(low)) pick.low = low;
    if (Number.isFinite(high)) pick.high = high;
    if (Object.keys(pick).length) state.picks[column] = pick;
  }
}

function readValue(value) {
  if (!value.startsWith("~")) return value;
  try {
    return JSON.parse(value.slice(1));
  } catch {
    return undefined;
  }
}
