// What a checker of accessibility looks at first: each rule gives what breaks it.
() => {
  const shown = (node) => node.checkVisibility({visibilityProperty: true});
  const name = (node) => {
    const by = (node.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
      .map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const label = [...(node.labels ?? [])].map((one) => one.textContent).join(" ");
    return (by || node.getAttribute("aria-label") || label || node.textContent || "").trim();
  };
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const told = (nodes) => nodes.map((node) => node.outerHTML.slice(0, 120));
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  const refers = ["aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant"];
  const levels = all("h1, h2, h3").map((node) => Number(node.tagName[1]));
  const modal = document.querySelector("dialog[open]");
  return {
    nameless: told(all("a, button, input, select, summary, dialog, [role=group], [role=region], [role=listbox], section[aria-labelledby]").filter((node) => !name(node))),
    "images without alt": told(all("img").filter((node) => !node.hasAttribute("alt"))),
    "ids that stand twice": ids.filter((id, i) => ids.indexOf(id) !== i),
    "references to nothing": refers.flatMap((ref) => told([...document.querySelectorAll(`[${ref}]`)]
      .filter((node) => node.getAttribute(ref).split(" ").some((id) => !document.getElementById(id))))),
    "headings that skip a level": levels.filter((level, i) => level > (levels[i - 1] ?? level) + 1),
    "not one main heading": document.querySelectorAll("h1").length === 1 ? [] : ["h1"],
    landmarks: ["header", "main", "search"].filter((tag) => document.querySelectorAll(tag).length !== 1),
    "tab order forced": told([...document.querySelectorAll("[tabindex]")].filter((node) => node.tabIndex > 0)),
    "targets too small": told(all("button, select, summary, .tick, .value, .button").filter((node) => {
      const box = node.getBoundingClientRect();
      return box.width > 0 && (box.width < 24 || box.height < 24);
    })),
    "hidden but reachable": told([...document.querySelectorAll("[aria-hidden=true] :is(a, button, input)")]),
    "styled or scripted inline": told([...document.querySelectorAll("body script, [onclick], [onerror], [onload]")]),
    "no way out": modal && !modal.querySelector("button") ? ["dialog"] : [],
  };
}
