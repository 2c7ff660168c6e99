// All calls of the client against the service at the address given; prints what they told.

import assert from "node:assert/strict";

const [, , client, address] = process.argv;
const { Windowshop, WindowshopError } = await import(client);
const shop = new Windowshop(`${address}/`);
const found = {};

const answer = await shop.search("red shoe", { limit: 3, facets: ["brand"] });
assert.equal(answer.results.length, 3);
assert.equal(answer.text, "red shoe");
found.answer = answer;
assert.ok((await shop.search(null)).total > 3);
assert.equal((await shop.similar("p3", { limit: 2 })).results.length, 2);
assert.equal((await shop.product("p3")).product_id, "p3");
assert.ok((await shop.suggest("sho")).every((item) => item.text));
assert.equal((await shop.facets(["brand"], { where: "price > 1" }))[0].column, "brand");
assert.equal((await shop.facets("brand"))[0].column, "brand");
assert.ok((await shop.info()).generations.length);

const photo = await (await fetch(shop.photoUrl("p4", 64))).blob();
assert.equal(photo.type, "image/jpeg");
const seen = await shop.searchImage(photo, { limit: 1 });
assert.equal(seen.results.length, 1);

await shop.feedback(answer, answer.results[0], "click");
const { search_id: query_id } = answer;
const object = { object_id: answer.results[0].product_id };
const cart = { action_name: "add_to_cart", query_id, event_attributes: { object } };
const told = await shop.events([cart, { action_name: "scroll" }]);
assert.deepEqual([told.noted, told.known, told.ignored.length], [1, 0, 1]);
await shop.judge("red shoe", answer.results[0].product_id, 3, "ann");
const id = "a/b ü";
const written = await shop.upsert([{ product_id: id, title: "red shoe" }]);
assert.deepEqual([written.num_upserted, written.num_failed], [1, 0]);
assert.equal((await shop.product(id)).title, "red shoe");
assert.equal((await shop.remove([id, "none"])).num_deleted, 1);

const refused = await shop.search("x", { size: 3 }).catch((error) => error);
assert.ok(refused instanceof WindowshopError);
assert.deepEqual([refused.status, refused.code, refused.where], [422, "bad_request", "size"]);
assert.match(refused.message, /Did you mean limit\?/);
const unknown = await shop.product("none").catch((error) => error);
assert.deepEqual([unknown.status, unknown.code], [404, "unknown_product"]);

const gone = await new Windowshop("http://127.0.0.1:9").info().catch((error) => error);
assert.deepEqual([gone.status, gone.code], [0, "no_answer"]);
const slow = new Windowshop(address, { timeout: 20, fetch: (_, { signal }) => hanging(signal) });
assert.match((await slow.info().catch((error) => error)).message, /no answer within 20 ms/);
const stopped = new AbortController();
const waiting = slow.info({ signal: stopped.signal }).catch((error) => error);
stopped.abort(new Error("newer"));
assert.equal((await waiting).message, "newer");

let asked = 0;
const busy = async (...given) => {
  asked += 1;
  const headers = { "Retry-After": "0" };
  const body = '{"error": {"code": "busy", "message": "Try again."}}';
  return asked < 3 ? new Response(body, { status: 503, headers }) : fetch(...given);
};
assert.ok((await new Windowshop(address, { fetch: busy }).search("shoe")).total);
assert.equal(asked, 3);
asked = -10;
const tired = await new Windowshop(address, { fetch: busy, retries: 1 }).info().catch((e) => e);
assert.deepEqual([tired.status, tired.code, tired.retryAfter, asked], [503, "busy", 0, -8]);

console.log(JSON.stringify(found));

function hanging(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
