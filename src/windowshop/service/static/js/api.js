// The server's HTTP interface: one place that asks, and knows about keys and errors.

import { byId } from "./dom.js";

const KEY = "windowshop.key";
const MOST_TRIES = 3;
const LONGEST_PAUSE_S = 3;

/** An answer that is no answer; `message` says what was found and what to do. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const running = new Map();

/** A signal for one kind of request; the request of that kind before is given up. */
export function latest(kind) {
  running.get(kind)?.abort();
  const controller = new AbortController();
  running.set(kind, controller);
  return controller.signal;
}

export const isAbort = (error) => error.name === "AbortError";

export const heldKey = () => sessionStorage.getItem(KEY);

export const holdKey = (key) => sessionStorage.setItem(KEY, key);

export const forgetKey = () => sessionStorage.removeItem(KEY);

export const search = (request, signal) => asJson("search", "POST", request, signal);

export function searchByPhoto(photo, request, signal) {
  const form = new FormData();
  form.append("photo", photo, "photo.jpg");
  form.append("request", JSON.stringify(request));
  return send("search/image", { method: "POST", body: form, signal });
}

export const info = () => send("info");

/** The shop's settings of this page. */
export const pageSettings = () => send("page");

export const product = (id, signal) => send(`products/${encodeURIComponent(id)}`, { signal });

export const similar = (id, options, signal) =>
  send(`products/${encodeURIComponent(id)}/similar?${new URLSearchParams(options)}`, { signal });

/** Some columns of the products of groups; nobody searched for them, so nothing is written down. */
export function variantsOf(groups, columns, signal) {
  const where = `group_id in (${groups.map((group) => JSON.stringify(group)).join(", ")})`;
  const fields = columns.map((column) => ["fields", column]);
  return send(`search?${new URLSearchParams([["where", where], ["log", false], ["limit", Math.min(1000, 10 * groups.length)], ...fields])}`, { signal });
}

export const suggest = (text, signal) => send(`suggest?${new URLSearchParams({ q: text, limit: 8 })}`, { signal });

/** The grades that this page gave; those of named judges are theirs. */
export const judgements = (query, signal) => send(`judgements?${new URLSearchParams({ query, judge: "" })}`, { signal });

export const judge = (judgement) => asJson("judgements", "POST", judgement, undefined, true);

/** A call of the workbench. */
export const bench = (method, path, body, signal) =>
  body === undefined ? send(`workbench/${path}`, { method, signal }) : asJson(`workbench/${path}`, method, body, signal);

/** Cancel the workbench's run while its page is left; nothing waits for it. */
export function leaveRun() {
  send("workbench/run", { method: "DELETE", keepalive: true }).catch(() => undefined);
}

/** Report a click; the page may be left meanwhile, and nothing waits for it. */
export function reportClick(click) {
  asJson("feedback", "POST", { ...click, event: "click" }, undefined, true).catch(() => undefined);
}

/** A photo's bytes, with the key in the header: an address with a key in it would end up in logs. */
export async function photoBlob(url) {
  const response = await fetch(url, { headers: { "X-API-Key": heldKey() ?? "" } });
  if (!response.ok) throw new ApiError(response.status, "no_photo", "There is no photo.");
  return response.blob();
}

function asJson(path, method, body, signal, keepalive = false) {
  const headers = { "Content-Type": "application/json" };
  return send(path, { method, headers, body: JSON.stringify(body), signal, keepalive });
}

async function send(path, options = {}) {
  for (let tries = 1; ; tries++) {
    const used = heldKey();
    const response = await reach(path, options, used);
    if (response.status === 401) {
      await newKey(used);
      continue;
    }
    if (tries < MOST_TRIES && passesSoon(response)) {
      await pause(response);
      continue;
    }
    const body = await response.json().catch(unlessGivenUp);
    if (response.ok && body !== null) return body;
    const { code = "unreadable", message } = body?.error ?? {};
    throw new ApiError(response.status, code, message ?? `The server answered ${response.status}. Try again later.`);
  }
}

/** Null for a body that cannot be read; a request that was given up meanwhile stays given up. */
function unlessGivenUp(error) {
  if (isAbort(error)) throw error;
  return null;
}

const waitOf = (response) => Number(response.headers.get("Retry-After")) || 1;

/** Whether a shop starts, or has too many searches at once, for now. */
const passesSoon = (response) => response.status === 503 || (response.status === 429 && waitOf(response) <= LONGEST_PAUSE_S);

function pause(response) {
  return new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST_PAUSE_S, waitOf(response)) * 1000));
}

async function reach(path, options, key) {
  const headers = key ? { ...options.headers, "X-API-Key": key } : options.headers;
  try {
    return await fetch(new URL(path, document.baseURI), { ...options, headers });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "unreachable", "The shop cannot be reached. Check the connection, then try again.");
  }
}

let asking = null;

/** Ask for another key than the refused one; requests that wait share one dialog. */
async function newKey(refused) {
  if (heldKey() !== refused) return;
  asking ??= askKey(refused !== null).finally(() => (asking = null));
  await asking;
}

function askKey(wasRefused) {
  const dialog = byId("key-dialog");
  byId("key-problem").textContent = wasRefused ? "The server does not know this key. Check it." : "";
  byId("key-input").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    byId("key-form").onsubmit = () => holdKey(byId("key-input").value.trim());
    dialog.onclose = () => {
      if (byId("key-input").value.trim()) resolve();
      else reject(new ApiError(401, "no_key", "Without a key the shop stays closed. Give it one to go on."));
    };
    byId("key-cancel").onclick = () => {
      byId("key-input").value = "";
      dialog.close();
    };
  });
}
