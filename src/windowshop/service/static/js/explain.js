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

const DID = { pin: "Pinned by", boost: "Moved up by", bury: "Moved down by" };

/** A disclosure for one card; null where the answer explains nothing. */
export function why(result) {
  const reasons = result.explanation;
  if (!reasons) return null;
  return el("details", { class: "why" },
    el("summary", { text: "Why here" }),
    el("div", { class: "inside" },
      el("dl", {}, reasons.channels.flatMap(channelRow), scoreRows(result, reasons)),
      reasons.boosted_by.map((name) => el("p", { text: `Preferred for ${name}` })),
      reasons.last_by.map((name) => el("p", { text: `Last, as the search says ${name}` })),
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

function scoreRows(result, reasons) {
  const rows = [el("dt", { text: "Merged score" }), el("dd", { text: result.score.toFixed(4) })];
  if (reasons.probability !== null) {
    rows.push(el("dt", { text: "Likely relevant" }), el("dd", { text: inPercent(reasons.probability) }));
  }
  return rows;
}

/** What the learned ranker made of the product; null where it did not order it. */
function ranked(place) {
  if (!place) return null;
  return el("div", { class: "ranked" },
    el("p", { text: `Learned order: was #${place.place_before}, ${signed(place.score - place.mix)} points` }),
    el("dl", {}, place.reasons.flatMap((reason) =>
      [el("dt", { text: featureName(reason.feature) }), el("dd", { text: signed(reason.points) })])));
}

const signed = (points) => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)}`;

function pair(name, value) {
  const label = name.charAt(0).toUpperCase() + name.slice(1);
  return el("div", {}, el("dt", { text: label }), el("dd", { text: value }));
}

function gate(title, text, photo) {
  if (text === null || photo === null || text === undefined || photo === undefined) return null;
  const parts = [text, photo].map((share) => {
    const bar = el("i");
    bar.style.setProperty("--share", `${share * 100}%`);
    return bar;
  });
  return el("div", { class: "gate" },
    el("p", { text: title }),
    el("div", { class: "split", "aria-hidden": "true" }, parts),
    el("div", { class: "key" }, el("span", { text: `Text ${inPercent(text)}` }), el("span", { text: `Photo ${inPercent(photo)}` })));
}
