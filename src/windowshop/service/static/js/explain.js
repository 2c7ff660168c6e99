// Why a product stands where it does, and how an answer came about.

import { el } from "./dom.js";
import { columnName, counted, inMs, inPercent } from "./words.js";

const CHANNELS = { vectors: "Meaning", photo: "Photo", words: "Words" };

/** What the learned ranker looks at, in words. */
const FEATURES = {
  "channels: place": "Place before",
  "channels: merged score": "Score before",
  "agreement: channels": "Found in several ways",
  "agreement: spread": "Ways that disagree",
  "agreement: likeness": "Like the first results",
  "recognised: match": "Has what is named",
  "recognised: contradict": "Has something else",
  "recognised: unstated": "Does not say",
  "modalities: first score": "Its text fits",
  "modalities: second score": "Text and photo fit",
  "modalities: query text": "The query is about text",
  "modalities: text weight": "Weight of its text",
  "modalities: image score": "Its photo fits",
  "modalities: image likeness": "Photo like the first ones",
  "query: words": "Words in the query",
  "query: known": "Known words in it",
  "query: recognised": "Things that it names",
  "query: best": "Best score of all",
  "query: gap": "Lead of the best",
  "engagement: clicks": "Clicks",
  "engagement: orders": "Orders",
  "engagement: query clicks": "Clicks in this search",
  "engagement: query orders": "Orders in this search",
};
const PATTERNS = [
  [/^channels: (.+) score$/, (name) => `Score by ${(CHANNELS[name] ?? name).toLowerCase()}`],
  [/^channels: (.+) rank$/, (name) => `Place by ${(CHANNELS[name] ?? name).toLowerCase()}`],
  [/^recognised: (.+) match$/, (name) => `${columnName(name)} as named`],
  [/^columns: has (.+)$/, (name) => `Has a ${name}`],
  [/^columns: (.+) among candidates$/, (name) => `${columnName(name)} beside the others`],
  [/^columns: (.+)$/, (name) => columnName(name)],
];

/** "channels: words rank" -> "Place by words". */
export function featureName(feature) {
  if (feature in FEATURES) return FEATURES[feature];
  for (const [pattern, inWords] of PATTERNS) {
    const found = pattern.exec(feature);
    if (found) return inWords(found[1]);
  }
  return feature;
}

/** "neck_type: crew" -> "Neck type: crew". */
const labelled = (name) => name.replace(/^[^:]+(?=: )/, (column) => columnName(column));

const DID = { pin: "Pinned by", boost: "Moved up by", bury: "Moved down by" };

/** A disclosure for one card; null where the answer explains nothing. */
export function why(result) {
  const reasons = result.explanation;
  if (!reasons) return null;
  return el("details", { class: "why" },
    el("summary", { text: "Why here" }),
    el("div", { class: "inside" },
      el("dl", {}, reasons.channels.flatMap(channelRow), probabilityRow(reasons)),
      scoreBars(result, reasons.parts ?? []),
      reasons.boosted_by.filter((name) => !reasons.parts?.some((part) => part.name === name)).map((name) => el("p", { text: `Preferred for ${labelled(name)}` })),
      reasons.last_by.map((name) => el("p", { text: `Last, as the search says ${labelled(name)}` })),
      reasons.effects.map((effect) => el("p", { text: `${DID[effect.kind] ?? effect.kind} “${effect.rule}”` })),
      ranked(reasons.ranker),
      reasons.diversified_from === null ? null
        : el("p", { text: `Moved from #${reasons.diversified_from} to keep alike products apart` }),
      gate("What counted for this product", reasons.text_weight, reasons.photo_weight)));
}

/** How the whole answer came about, for the panel above the results. */
export function howAnswered(answer) {
  const times = Object.entries(answer.timings_ms).map(([stage, ms]) => pair(stage, inMs(ms)));
  const found = Object.entries(answer.retrieved.channels).map(([name, count]) =>
    pair(`Found by ${(CHANNELS[name] ?? name).toLowerCase()}`, count.toLocaleString()));
  const { below_probability: unlikely, below_share: weak, beyond_max: beyond } = answer.retrieved;
  const cut = unlikely + weak + beyond;
  return [
    el("dl", {},
      pair("Answered in", inMs(answer.took_ms)), times, found,
      pair("Left out as too weak", cut.toLocaleString()),
      ...(answer.certainty?.probability == null ? [] : [pair("Likely to be what was asked", inPercent(answer.certainty.probability))]),
      pair("Pass the filters", counted(answer.matching, "product")),
      answer.ranked ? pair("Order", "as learned") : null,
      pair("Generation", answer.generation)),
    gate("How far the query trusts text", answer.text_weight, answer.text_weight === null ? null : 1 - answer.text_weight),
  ].filter(Boolean);
}

function channelRow({ channel, rank, score }) {
  const place = rank === null ? "not found" : `#${rank} · ${score?.toFixed(3) ?? "–"}`;
  return [el("dt", { text: CHANNELS[channel] ?? channel }), el("dd", { text: place })];
}

function probabilityRow({ probability }) {
  if (probability === null) return [];
  return [el("dt", { text: "Likely relevant" }), el("dd", { text: inPercent(probability) })];
}

/** The merged score as a sum; only the score where channels take turns. */
function scoreBars({ score }, parts) {
  const rows = parts.map(({ name, kind, points }) => [kind === "boost" ? `Preferred for ${labelled(name)}` : CHANNELS[name] ?? name, points]);
  return bars("Merged score", rows, score, 3);
}

/** Bars that add up to a total, which stands below them. */
function bars(title, rows, total, digits) {
  const most = Math.max(...rows.map(([, points]) => Math.abs(points)), 1e-9);
  const number = (points) => `${points < 0 ? "−" : rows.length ? "+" : ""}${Math.abs(points).toFixed(digits)}`;
  return el("table", { class: "sum" }, el("caption", { class: "unseen", text: `${title}, by what adds to it` }),
    el("tbody", {}, rows.map(([name, points]) => {
      const bar = el("i", { class: points < 0 ? "minus" : "plus", "aria-hidden": "true" });
      bar.style.setProperty("--share", `${(100 * Math.abs(points)) / most}%`);
      return el("tr", {}, el("th", { scope: "row", text: name }), el("td", { class: "bar-cell" }, bar), el("td", { text: number(points) }));
    })),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row", text: title }), el("td"), el("td", { text: `${rows.length ? "= " : ""}${total < 0 ? "−" : ""}${Math.abs(total).toFixed(digits)}` }))));
}

/** What the learned ranker made of the product; null where it did not order it. */
function ranked(place) {
  if (!place) return null;
  const reasons = place.reasons.map(({ feature, points }) => [featureName(feature), points]);
  const others = place.score - place.mix - reasons.reduce((sum, [, points]) => sum + points, 0);
  return el("div", { class: "ranked" },
    el("p", { text: `Learned order: was #${place.place_before}, ${signed(place.score - place.mix)} points` }),
    bars("Learned score", [["Merged score, standardised", place.mix], ...reasons, ["All else", others]], place.score, 2));
}

const signed = (points) => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)}`;

function pair(name, value) {
  const label = name.charAt(0).toUpperCase() + name.slice(1);
  return el("div", {}, el("dt", { text: label }), el("dd", { text: value }));
}

function gate(title, text, photo) {
  if (text === null || photo === null || text === undefined || photo === undefined) return null;
  const shares = { Text: text, Photo: photo, "Both together": 1 - text - photo };
  const known = Object.entries(shares).filter(([name, share]) => name !== "Both together" || share >= 0.005);
  const parts = known.map(([, share]) => {
    const bar = el("i");
    bar.style.setProperty("--share", `${share * 100}%`);
    return bar;
  });
  return el("div", { class: "gate" },
    el("p", { text: title }),
    el("div", { class: "split", "aria-hidden": "true" }, parts),
    el("div", { class: "key" }, known.map(([name, share]) => el("span", { text: `${name} ${inPercent(share)}` }))));
}
