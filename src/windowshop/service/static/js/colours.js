// Names of colours to colours that can be shown.

const SOFT = {
  red: "#c8372d", blue: "#2f62b5", green: "#3b7f45", yellow: "#eec83c", purple: "#7b3fa0", orange: "#e6862d", pink: "#f0a0b8", black: "#1b1b1b", gray: "#8d8d8d", grey: "#8d8d8d",
};
const OTHERS = {
  rot: "red", rouge: "red", rojo: "red", rosso: "red", rood: "red", blau: "blue", bleu: "blue", azul: "blue", blu: "blue", blauw: "blue",
  grün: "green", gruen: "green", vert: "green", verde: "green", groen: "green", gelb: "yellow", jaune: "yellow", amarillo: "yellow", giallo: "yellow", geel: "yellow",
  schwarz: "black", noir: "black", negro: "black", nero: "black", zwart: "black", weiß: "white", weiss: "white", blanc: "white", blanco: "white", bianco: "white", wit: "white",
  grau: "gray", gris: "gray", grigio: "gray", grijs: "gray", braun: "#7a4f2a", brun: "#7a4f2a", marron: "#7a4f2a", marrone: "#7a4f2a", bruin: "#7a4f2a", brown: "#7a4f2a",
  rosa: "pink", roze: "pink", rose: "pink", lila: "#a06bc4", violett: "#7b3fa0", naranja: "orange", arancione: "orange", oranje: "orange",
  cream: "#f6eed8", ecru: "#e9dfc7", offwhite: "#f5f2ea", nude: "#e0b8a0", camel: "#b98a56", mustard: "#d1a22b", burgundy: "#6d1f33", bordeaux: "#6d1f33", wine: "#6d1f33",
  petrol: "#1d5b6b", mint: "#a9dcc3", rust: "#a5492a", charcoal: "#3d4145", denim: "#3c5a80", taupe: "#8f8172", champagne: "#ecd9b4", copper: "#b4703f", bronze: "#8c6a3c",
  graphite: "#4b4c50", rosegold: "#dba894", midnight: "#1d2433", titanium: "#8b8781", platinum: "#dddcd8",
  anthracite: "#383c40", anthrazit: "#383c40", lilac: "#b79fd6", peach: "#f7b998", sand: "#d8c3a0", stone: "#b3aca0", apricot: "#f3b27a", blush: "#e8b9b4", emerald: "#1f7a55",
};
const MANY = "conic-gradient(#d23b3b, #e0a52e, #4f9d4f, #3a74c4, #8a4fb0, #d23b3b)";
const MANY_NAMES = /^(multi|bunt|mixed|rainbow|assorted|various)/;

/** A CSS colour or gradient for a value as people write it, or null: "Dark Green", "#1c1c1c", "navy/white". */
export function shade(value) {
  const text = String(value).trim().toLowerCase();
  if (MANY_NAMES.test(text)) return MANY;
  const parts = text.split(/\s*(?:\/|,|&|\+|\bund\b|\band\b)\s*/).map(single).filter(Boolean);
  if (parts.length < 2) return parts[0] ?? null;
  return `linear-gradient(135deg, ${parts[0]} 50%, ${parts[1]} 50%)`;
}

function single(text) {
  const joined = text.replace(/[\s_-]+/g, "");
  const known = SOFT[OTHERS[joined] ?? joined] ?? OTHERS[joined];
  if (known) return known;
  if (/^(#[0-9a-f]{3,8}|[a-z]+)$/.test(joined) && CSS.supports("color", joined) && !/^(inherit|initial|unset|revert|transparent|currentcolor)/.test(joined)) return joined;
  const words = text.split(/[\s_-]+/);
  return words.length > 1 ? single(words.at(-1)) ?? single(words[0]) : null;
}
