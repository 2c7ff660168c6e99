// Client of the windowshop service: its calls as functions, its errors as exceptions.

const BUSY = new Set([429, 503]);

/** Answer of the service that is no success, or no answer at all (status 0). */
export class WindowshopError extends Error {
  constructor(message, { status = 0, code = "no_answer", where = null, retryAfter = null, cause } = {}) {
    super(message, cause ? { cause } : undefined);
    this.name = "WindowshopError";
    Object.assign(this, { status, code, where, retryAfter });
  }
}

export class Windowshop {
  #base;
  #key;
  #timeout;
  #retries;
  #fetch;

  constructor(address, { key = "", timeout = 10_000, retries = 2, fetch = globalThis.fetch } = {}) {
    this.#base = String(address).replace(/\/+$/, "");
    this.#key = key;
    this.#timeout = timeout;
    this.#retries = retries;
    this.#fetch = (...given) => fetch(...given);
  }

  search(text, { signal, ...options } = {}) {
    return this.#json("POST", "/search", { text: text || null, ...options }, signal);
  }

  searchImage(photo, { signal, ...options } = {}) {
    const form = new FormData();
    form.append("photo", photo, photo.name ?? "photo");
    form.append("request", JSON.stringify(options));
    return this.#ask("POST", "/search/image", { body: form, signal });
  }

  similar(id, { signal, ...options } = {}) {
    return this.#json("POST", "/search", { similar_to: id, ...options }, signal);
  }

  product(id, { signal } = {}) {
    return this.#ask("GET", `/products/${encodeURIComponent(id)}`, { signal });
  }

  /** Address of a product's photo, for <img>; the key is in it where the service wants one. */
  photoUrl(id, size = 320) {
    const key = this.#key ? `&key=${encodeURIComponent(this.#key)}` : "";
    return `${this.#base}/products/${encodeURIComponent(id)}/photo?size=${size}${key}`;
  }

  async suggest(text, { limit = 8, signal } = {}) {
    const found = await this.#ask("GET", `/suggest?${query({ q: text, limit })}`, { signal });
    return found.suggestions;
  }

  async facets(columns, { where, limit, generation, signal } = {}) {
    const asked = query({ column: columns, where, limit, generation });
    return (await this.#ask("GET", `/facets?${asked}`, { signal })).facets;
  }

  info({ signal } = {}) {
    return this.#ask("GET", "/info", { signal });
  }

  /** Tell what a shopper did with a result: "click", "cart" or "purchase". */
  async feedback(answer, result, event = "click") {
    const { search_id } = answer;
    const { product_id, rank: position } = result;
    await this.#json("POST", "/feedback", { search_id, product_id, position, event });
  }

  /** Report events in the form of User Behavior Insights 1.3. */
  events(sent, { signal } = {}) {
    return this.#json("POST", "/events", sent, signal);
  }

  async judge(text, id, grade, judge = "") {
    const body = { query: text, product_id: id, grade, judge };
    await this.#json("POST", "/judgements", body);
  }

  upsert(products, { signal } = {}) {
    return this.#json("PUT", "/products", { products }, signal);
  }

  remove(ids, { signal } = {}) {
    return this.#json("DELETE", "/products", { product_ids: ids }, signal);
  }

  #json(method, path, body, signal) {
    const headers = { "Content-Type": "application/json" };
    return this.#ask(method, path, { body: JSON.stringify(body), headers, signal });
  }

  /** Ask, and again after a while where the service is busy: no call does harm when it is repeated. */
  async #ask(method, path, { body, headers = {}, signal } = {}) {
    for (let left = this.#retries; ; left -= 1) {
      try {
        return await this.#once(method, path, { body, headers, signal });
      } catch (error) {
        if (left <= 0 || !BUSY.has(error.status)) throw error;
        const seconds = error.retryAfter ?? 0.2 * 2 ** (this.#retries - left);
        await pause(Math.min(seconds * 1000, this.#timeout), signal);
      }
    }
  }

  async #once(method, path, { body, headers, signal }) {
    const authorization = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
    const stop = new AbortController();
    let isLate = false;
    const late = () => {
      isLate = true;
      stop.abort();
    };
    const timer = setTimeout(late, this.#timeout);
    const stopped = () => stop.abort(signal.reason);
    signal?.addEventListener("abort", stopped, { once: true });
    if (signal?.aborted) stopped();
    let response;
    let content;
    try {
      const sent = { method, body, headers: { ...headers, ...authorization }, signal: stop.signal };
      response = await this.#fetch(this.#base + path, sent);
      content = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error; // the caller has asked for that
      const reason = isLate ? `no answer within ${this.#timeout} ms` : error.message;
      throw new WindowshopError(`${this.#base}${path}: ${reason}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stopped);
    }
    const told = parsed(content);
    if (response.ok && told !== undefined) return told;
    throw failure(response, told);
  }
}

function failure(response, told) {
  const { code = "bad_answer", message, where = null } = told?.error ?? {};
  const after = Number(response.headers.get("Retry-After") ?? NaN);
  return new WindowshopError(message ?? `${response.status} ${response.statusText}`, {
    status: response.status,
    code,
    where,
    retryAfter: Number.isFinite(after) ? after : null,
  });
}

function parsed(content) {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function query(fields) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) found.append(name, String(item));
    }
  }
  return found.toString();
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stopped = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stopped);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stopped, { once: true });
  });
}
