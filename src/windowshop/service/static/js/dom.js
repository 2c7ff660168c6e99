// Elements without markup: everything from the server goes in as text.

/** Build an element. Props: class, data, on, text, prop (DOM properties), others are attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "prop") Object.assign(node, value);
    else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** Say something to screen readers, once the page has settled. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Put the focus where results begin: what had it is about to go. */
export const focusResults = () => byId("results").focus({ preventScroll: true });

/** Fill `root` anew; the element with the same data-key keeps the focus, else the results have it. */
export function refill(root, ...children) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  root.replaceChildren(...children.flat().filter(Boolean));
  if (!focused) return;
  const { key } = focused.dataset;
  const again = key && [...root.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key);
  if (again) again.focus({ preventScroll: true });
  else focusResults();
}

/** Call `run` once nothing was asked for `wait` ms. */
export function debounced(run, wait) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait);
  };
}
