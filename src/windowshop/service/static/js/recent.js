// What this browser searched for lately; it stays in the browser.

const KEY = "windowshop.recent";
const MOST = 6;

export function recentTexts() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((text) => typeof text === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(text) {
  const plain = text.trim();
  if (plain.length < 2 || plain.length > 80) return;
  const others = recentTexts().filter((other) => other.toLowerCase() !== plain.toLowerCase());
  keep([plain, ...others].slice(0, MOST));
}

export const forgetRecent = () => keep([]);

function keep(texts) {
  try {
    localStorage.setItem(KEY, JSON.stringify(texts));
  } catch {
    // A browser that keeps nothing has no recent searches.
  }
}
