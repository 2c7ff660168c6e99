// The workbench beyond single searches: measuring on sets of queries, and the shop's rules.

import * as api from "../api.js";
import { byId, el } from "../dom.js";
import { usePage } from "../page.js";
import { partLinks, readInfo } from "./access.js";

const part = new URLSearchParams(location.search).get("do");
const MODULES = { measure: "./measure.js", rules: "./files.js" };

async function open() {
  const root = byId("results");
  try {
    byId("tabs").replaceChildren(...partLinks(part));
    const info = await readInfo();
    usePage(await api.pageSettings());
    const { start } = await import(MODULES[part] ?? MODULES.measure);
    await start(root, info);
  } catch (error) {
    root.replaceChildren(el("div", { class: "fault" },
      el("h1", { text: "The workbench cannot be shown" }), el("p", { text: error.message }),
      el("button", { class: "button strong", type: "button", text: "Try again", on: { click: open } })));
  }
}

open();
