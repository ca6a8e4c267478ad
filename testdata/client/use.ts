import assert from "node:assert/strict";
import { Client, Problem, type OrderFilter } from "./client/index.js";

const url = process.argv[2]!;
const c = new Client({ url });

// Rows.
const ada = await c.customers.create({ email: "ada@example.org", name: "Ada" });
assert.equal(ada.name, "Ada");
const huge = 9007199254740993n;
const order = await c.orders.create({ customer: ada.id, total: "12345678901234567890.0123456789", serial: huge, due: "2026-01-31", seen: new Date("2026-01-31T12:00:00Z"), extra: { a: [1, huge, "12345678901234567890"] }, weight: 18014398509481984 });
assert.equal(order.total, "12345678901234567890.0123456789", "no digit of a decimal is lost");
assert.equal(order.serial, huge, "no digit of an integer is lost");
assert.equal(order.weight, 18014398509481984);
assert.deepEqual(order.extra, { a: [1, huge, "12345678901234567890"] });
assert.equal(order.status, "new");
const again = await c.orders.read(order.id);
assert.deepEqual(again, order);
const bySerial: OrderFilter = { serial: huge, "customer.email": "ada@example.org", $or: [{ status: "new" }, { stars: { $gte: 4 } }] };
assert.equal((await c.orders.list({ filter: bySerial, count: true })).total, 1);

// Changes need the version that was read.
const paid = await c.orders.update(order.id, { status: "paid", due: null }, { version: order.version });
assert.equal(paid.due, null);
await assert.rejects(c.orders.update(order.id, { status: "new" }, { version: order.version }), (e) => e instanceof Problem && e.status === 412 && e.code === "version_mismatch");
const replaced = await c.orders.replace(order.id, { customer: ada.id, total: "1" }, { version: "*" });
assert.equal(replaced.status, "new");
assert.equal(replaced.total, "1.0000000000");

// Some fields, and rows of other models in a row, with their types.
const shown = await c.orders.read(order.id, { fields: ["status", "customer.name"] });
assert.deepEqual(shown, { id: order.id, status: "new", customer: { id: ada.id, name: "Ada" } });
const status: "new" | "paid" | "shipped" = shown.status;
// @ts-expect-error a field that was not asked for
assert.equal(shown.total, undefined);
const back = await c.customers.list({ expand: ["orders.customer"], filter: { id: ada.id } });
assert.equal(back.records[0]!.orders!.records[0]!.customer!.email, "ada@example.org");
assert.equal(status, back.records[0]!.orders!.records[0]!.status);
// @ts-expect-error a relation that is not there
await assert.rejects(c.orders.read(order.id, { expand: "customr" }), (e) => e instanceof Problem && e.errors[0]!.pointer === "/expand");
for await (const row of c.orders.each({ expand: "customer", limit: 1 })) assert.equal(row.customer?.name, "Ada");

// What has been read is not read again while it is as it was.
const first = await c.orders.readIfChanged(order.id);
assert.equal(first?.value.id, order.id);
assert.equal(await c.orders.readIfChanged(order.id, first.etag), undefined);
const page = await c.orders.listIfChanged(undefined, { limit: 2 });
assert.equal(page?.value.count, 1);
assert.equal(await c.orders.listIfChanged(page.etag, { limit: 2 }), undefined);
assert.equal((await c.orders.listIfChanged(page.etag, { limit: 3 }))?.value.limit, 3);

// Several operations at once, which refer to each other.
const b = c.batch();
const bea = b.customers.create({ email: "bea@example.org", name: "Bea" });
const beas = b.orders.create({ customer: bea.ref.id, total: "2.5", serial: huge, weight: 18014398509481984 });
const moved = b.orders.update(beas.ref.id, { status: "shipped" }, { version: beas.ref.version });
const both = b.orders.list({ filter: { customer: bea.ref.id }, count: true });
const whose = b.orders.read(beas.ref.id, { fields: ["stars", "customer.name"] });
const within = b.orders.list({ filter: { customer: bea.ref.id }, expand: "customer", sort: "-id", limit: 5 });
assert.equal(await Promise.resolve().then(() => bea.result).catch((e: Error) => e.message), "the batch has not been done: await its send() first");
await b.send({ idempotencyKey: "batch" });
assert.equal(moved.result.status, "shipped");
assert.deepEqual([beas.result.customer, beas.result.serial, beas.result.weight, both.result.total], [bea.result.id, huge, 18014398509481984, 1]);
assert.deepEqual(whose.result, { id: beas.result.id, stars: 3, customer: { id: bea.result.id, name: "Bea" } });
assert.equal(whose.result.customer?.name, "Bea");
// @ts-expect-error it was not asked for
whose.result.total;
assert.deepEqual(within.result.records.map((o) => o.customer?.email), ["bea@example.org"]);
await assert.rejects(b.send(), Error);
const bad = c.batch();
bad.customers.create({ email: "half@example.org", name: "Half" });
bad.customers.create({ email: "no", name: "" });
await assert.rejects(bad.send(), (e) => e instanceof Problem && e.errors.map((p) => p.pointer).sort().join() === "/operations/1/args/email,/operations/1/args/name");
assert.equal(await c.customers.count({ filter: { email: "half@example.org" } }), 0, "a batch is done whole or not at all");

// What is counted and listed, by itself and in a batch: words to look for, and what is deleted softly.
const memos = c.batch();
memos.memos.bulkCreate({ data: [{ text: "green tea" }, { text: "black tea" }, { text: "coffee" }] });
const teas = memos.memos.count({ search: "tea" });
await memos.send();
assert.equal(teas.result.count, 2);
assert.equal((await c.memos.bulkDelete({ filter: { text: "black tea" } })).deleted, 1);
const counts = c.batch();
const left = counts.memos.count();
const all3 = [counts.memos.count({ includeDeleted: true }), counts.memos.count({ include_deleted: true })]; // as it was called before
const listed = [counts.memos.list({ includeDeleted: true, limit: 1, count: true }), counts.memos.list({ include_deleted: true, limit: 1, count: true })];
const green = counts.memos.count({ filter: { text: { $startswith: "g" } }, search: "tea", includeDeleted: true });
const sums = counts.memos.aggregate({ aggregates: { n: { $count: true } }, search: "tea", includeDeleted: true });
await counts.send();
assert.deepEqual([left, ...all3, green].map((s) => s.result.count), [2, 3, 3, 1]);
assert.deepEqual(listed.map((s) => s.result.total), [3, 3]);
assert.deepEqual(sums.result.groups, [{ n: 2 }]);
assert.deepEqual([await c.memos.count({ search: "tea" }), await c.memos.count({ includeDeleted: true }), await c.memos.count({ include_deleted: true })], [1, 3, 3]);
assert.deepEqual(await c.memos.aggregate({ aggregates: { n: { $count: true } }, includeDeleted: true }), [{ n: 3 }]);
// @ts-expect-error text is no id of a customer
b.orders.create({ customer: bea.ref.name, total: "1" });
const gone = c.batch();
gone.orders.delete(beas.result.id, { version: "*" });
gone.customers.delete(bea.result.id);
await assert.rejects(gone.send({ maxAffected: 1 }), (e) => e instanceof Problem && e.code === "max_affected");
await gone.send({ dryRun: true });
assert.equal((await c.orders.read(beas.result.id)).status, "shipped");
const going = c.batch();
going.orders.delete(beas.result.id, { version: moved.result.version });
going.customers.delete(bea.result.id);
await going.send();
await assert.rejects(c.customers.read(bea.result.id), (e) => e instanceof Problem && e.status === 404);

// What happens to rows, as it happens; and later on, from where one was.
const heard: string[] = [];
let from = "";
const stop = new AbortController();
const listening = c.orders.events({ filter: { customer: ada.id }, fields: ["stars"], signal: stop.signal });
const next = listening.next(); // opens the stream
// The stream is open once it says so; until then the change is made again and again, which is one to hear of each.
const ring = setInterval(() => void c.orders.update(order.id, { stars: 4 }, { version: "*" }), 100);
for (let e = await next; !e.done; e = await listening.next()) {
  clearInterval(ring);
  from = e.value.eventId;
  heard.push(e.value.event);
  if (e.value.event === "updated") {
    assert.deepEqual(e.value.record, { id: order.id, stars: 4 });
    break;
  }
}
stop.abort();
await listening.return();
assert.deepEqual(heard, ["updated"]);
const tmp = await c.orders.create({ customer: ada.id, total: "3", serial: huge });
await c.orders.delete(tmp.id, { version: tmp.version });
for await (const e of c.orders.events({ filter: { serial: huge, customer: ada.id }, lastEventId: from })) {
  heard.push(e.event);
  if (e.event === "created") assert.equal(e.record!.serial, huge);
  if (e.event === "deleted") break;
}
assert.deepEqual(heard, ["updated", "created", "deleted"]);
await assert.rejects(c.orders.events({ filter: { "customer.email": "x" } }).next(), (e) => e instanceof Problem && e.status === 422);
await assert.rejects(c.orders.events({ lastEventId: "nonsense" }).next(), (e) => e instanceof Problem && e.status === 400);
const early = c.orders.events({ signal: AbortSignal.abort(new Error("enough")) });
await assert.rejects(early.next(), (e) => e instanceof Error && e.message === "enough");

// Files of rows.
const csv = "email,name\nf1@example.org,F1\nf2@example.org,\"F, 2\"\n";
assert.deepEqual(await c.customers.import("csv", csv, { dryRun: true }), { processed: 2, inserted: 2 });
assert.deepEqual(await c.customers.import("csv", new Blob([csv]).stream(), { gzip: true, idempotencyKey: "file" }), { processed: 2, inserted: 2 });
assert.deepEqual(await c.customers.import("csv", csv, { mode: "upsert", conflictOn: "email" }), { processed: 2, inserted: 0, updated: 2 });
await assert.rejects(c.customers.import("csv", "email,name\nf3@example.org,F3\nno,\n"), (e) => e instanceof Problem && e.errors.every((p) => p.line === 3) && e.errors[0]!.pointer === "/email");
async function* lines() {
  for (let i = 0; i < 3000; i++) yield { email: i === 7 ? "no" : `l${i}@example.org`, name: `L${i}` };
}
const skipping = await c.customers.importRows(lines(), { onError: "skip" });
assert.deepEqual([skipping.processed, skipping.inserted, skipping.skipped, skipping.errors![0]!.line], [3000, 2999, 1, 8]);
await assert.rejects(c.customers.importRows([{ email: "f9@example.org", name: "F9" }, { email: "f8@example.org", name: "F8" }], { maxAffected: 1 }), (e) => e instanceof Problem && e.code === "max_affected");
// A page sends no streams: what is one is gathered, and sent as a file.
const bodies: unknown[] = [];
const fromPage = new Client({ url, fetch: (at, init) => (bodies.push(init?.body), fetch(at, init)) });
Object.assign(globalThis, { document: {} });
assert.equal((await fromPage.customers.importRows(lines(), { onError: "skip", dryRun: true })).processed, 3000);
assert.equal((await fromPage.customers.import("csv", csv, { gzip: true, mode: "upsert", conflictOn: "email" })).updated, 2);
assert.deepEqual(bodies.map((b) => b instanceof Blob), [true, true]);
Reflect.deleteProperty(globalThis, "document");
const file = await new Response(await c.customers.export("csv", { filter: { email: { $startswith: "f" } }, sort: "email", fields: ["email", "name"] })).text();
assert.equal(file.split("\r\n").map((line) => line.slice(line.indexOf(",") + 1)).join("\n"), csv, "what was imported comes out as it went in");
let rows = 0;
for await (const row of c.customers.exportRows({ filter: { email: { $startswith: "l" } }, fields: ["name"] })) rows += row.name.startsWith("L") ? 1 : 0;
assert.equal(rows, 2999);
await assert.rejects(c.customers.export("ndjson", { sort: "nmae" }), (e) => e instanceof Problem && e.errors[0]!.pointer === "/sort");
await c.customers.bulkDelete({ filter: { $or: [{ email: { $startswith: "l" } }, { email: { $startswith: "f" } }] } });

// Pages.
await c.customers.bulkCreate({ data: Array.from({ length: 25 }, (_, i) => ({ email: `c${i}@example.org`, name: `C${i}` })) });
const names: string[] = [];
for await (const row of c.customers.each({ limit: 10, sort: "email", filter: { email: { $startswith: "c" } } })) names.push(row.name);
assert.equal(names.length, 25);
assert.equal(await c.customers.count({ filter: { name: { $in: ["C1", "C2"] } } }), 2);
assert.equal((await c.customers.list({ search: "Ada" })).records[0]!.id, ada.id);

// Doing once what is asked for twice; doing nothing.
const key = { idempotencyKey: "once" };
const once = await c.customers.create({ email: "once@example.org", name: "Once" }, key);
assert.deepEqual(await c.customers.create({ email: "once@example.org", name: "Once" }, key), once);
await c.customers.create({ email: "dry@example.org", name: "Dry" }, { dryRun: true });
assert.equal(await c.customers.count({ filter: { email: "dry@example.org" } }), 0);

// The rest of the eleven.
const up = await c.customers.upsert({ where: { email: "up@example.org" }, create: { name: "Up" }, update: { name: "Upped" } });
assert.deepEqual([up.created, up.action, up.record.name], [true, "created", "Up"]);
assert.equal((await c.customers.bulkUpdate({ filter: { name: "C1" }, fields: { name: "D1" } })).updated, 1);
assert.equal((await c.customers.bulkUpsert({ data: [{ email: "c2@example.org", name: "E2" }], conflictOn: ["email"] })).updated, 1);
assert.equal((await c.customers.bulkUpsert({ data: [{ email: "c2@example.org", name: "E3" }], conflict_on: ["email"] })).updated, 1); // as it was called before
const skipped = await c.customers.bulkCreate({ data: [{ email: "c2@example.org", name: "Again" }, { email: "new@example.org", name: "New" }], onError: "skip", returnIds: true });
assert.deepEqual([skipped.inserted, skipped.ids?.length, skipped.errors?.[0]?.index], [1, 1, 0]);
assert.deepEqual(await c.customers.bulkDelete({ ids: skipped.ids ?? [] }), { processed: 1, deleted: 1, missing: [] });
await assert.rejects(c.customers.bulkUpdate({ fields: { name: "All" } }, { dryRun: true }), (e) => e instanceof Problem && e.code === "confirm_required");
assert.equal((await c.customers.bulkUpdate({ fields: { name: "All" }, confirmAll: true }, { dryRun: true })).updated, await c.customers.count());
const some = c.batch();
const many = [some.customers.bulkUpsert({ data: [{ email: "c3@example.org", name: "E3" }], conflictOn: ["email"], onError: "fail" }), some.customers.bulkUpdate({ fields: { name: "All" }, confirmAll: true })] as const;
const grouped = some.orders.aggregate({ groupBy: "status", aggregates: { n: { $count: true } } });
await some.send({ dryRun: true });
assert.deepEqual([many[0].result.updated, many[1].result.updated > 1, grouped.result.groups], [1, true, [{ status: "new", n: 1 }]]);
await assert.rejects(c.customers.bulkDelete({ filter: { email: { $startswith: "c" } } }, { maxAffected: 3 }), (e) => e instanceof Problem && e.code === "max_affected");
assert.equal((await c.customers.bulkDelete({ filter: { email: { $startswith: "c" } } })).deleted, 25);
assert.deepEqual(await c.orders.aggregate({ groupBy: "status", aggregates: { n: { $count: true } } }), await c.orders.aggregate({ group_by: "status", aggregates: { n: { $count: true } } }));
assert.deepEqual(await c.orders.aggregate({ groupBy: "status", aggregates: { n: { $count: true }, sum: { $sum: "total" } } }), [{ status: "new", n: 1, sum: "1.0000000000" }]);

// Problems.
await assert.rejects(c.customers.create({ email: "no", name: "" }), (e) => {
  assert(e instanceof Problem);
  assert.deepEqual(e.errors.map((p) => [p.pointer, p.code]).sort(), [["/email", "format"], ["/name", "too_short"]]);
  assert(e.message.includes("; /email: ") && e.message.includes("; /name: "), e.message);
  return e.status === 422;
});
await assert.rejects(c.customers.read(987654), (e) => e instanceof Problem && e.code === "not_found");
await assert.rejects(c.customers.create({ email: "ada@example.org", name: "Two" }), (e) => e instanceof Problem && e.code === "unique_violation");
// @ts-expect-error a field that is not there
await assert.rejects(c.customers.create({ email: "x@example.org", nmae: "X" }), Problem);
// @ts-expect-error a value that is not of the enum
await assert.rejects(c.orders.update(order.id, { status: "lost" }, { version: "*" }), Problem);
// @ts-expect-error a versioned model wants a version
await assert.rejects(c.orders.update(order.id, { stars: 1 }), (e) => e instanceof Problem && e.status === 428);

// Words of the language.
const k = await c.classes.create({ id: "a/b ?", type: "t", import: "i", from: null });
assert.deepEqual([k.id, k.constructor, k.None, (await c.classes.read("a/b ?")).import], ["a/b ?", 1, false, "i"]);
await c.classes.delete("a/b ?");
await assert.rejects(c.classes.read("a/b ?"), (e) => e instanceof Problem && e.status === 404);

// Workflows.
const placed = await c.workflows.placeOrder({ email: "bob@example.org", total: "0.1000000001" }, { idempotencyKey: "place" });
assert.equal(placed.total, "0.1000000001");
assert.equal(placed.row.status, "new");
assert.deepEqual(await c.workflows.addLines({ lines: [{ sku: "a", price: "0.10", qty: 3 }, { sku: "b", price: "0.20" }] }), { total: "0.50", lines: 2, rate: 1.5 });
await assert.rejects(c.workflows.refuse({ why: "not today" }), (e) => e instanceof Problem && e.workflow === "refuse" && e.message.includes("not today"));

// Durable runs.
const run = await c.workflows.approve.start({ order: placed.order });
const seen: string[] = [];
for await (const r of c.runs.events(run.run_id)) {
  seen.push(r.status);
  if (r.status === "waiting") await c.runs.signal(run.run_id, "approval", { by: "ada" });
}
assert.equal(seen.at(-1), "completed");
assert.deepEqual(await c.runs.wait(run.run_id), { status: "paid" });
assert.equal((await c.runs.list({ workflow: "approve", limit: 5 })).runs[0]!.run_id, run.run_id);
const called = await c.workflows.approve.start({ order: placed.order });
await c.runs.cancel(called.run_id);
await assert.rejects(c.runs.wait(called.run_id), (e) => e instanceof Problem && e.runId === called.run_id);
const gaveUp = await c.workflows.giveUp({ why: "no more" }).then(() => undefined, (e: unknown) => (e instanceof Problem ? e.runId : undefined));
assert.equal((await c.runs.show(gaveUp!)).status, "failed");
const later = await c.workflows.placeOrder.start({ email: "cyd@example.org", total: "4" }, { idempotencyKey: "later" });
assert.equal((await c.workflows.placeOrder.start({ email: "cyd@example.org", total: "4" }, { idempotencyKey: "later" })).run_id, later.run_id);
assert.equal((await c.runs.wait<{ total: string }>(later.run_id)).total, "4.0000000000");

// Trying again, and what is sent along.
const calls: Headers[] = [];
const busy = new Client({
  url,
  key: "secret",
  tenant: "t",
  fetch: async (at, init) => {
    calls.push(new Headers(init?.headers));
    return calls.length < 3 ? new Response(`{"code":"busy","status":503}`, { status: calls.length === 1 ? 503 : 429, headers: { "Retry-After": "0" } }) : fetch(at, { headers: {} });
  },
});
assert.equal((await busy.customers.list({ limit: 1 })).records.length, 1);
assert.deepEqual([calls.length, calls[0]!.get("authorization"), calls[0]!.get("x-tenant-id")], [3, "Bearer secret", "t"]);
const down = new Client({ url, retries: 1, fetch: async () => new Response("<html>", { status: 503, headers: { "Retry-After": "0" } }) });
await assert.rejects(down.customers.list(), (e) => e instanceof Problem && e.status === 503 && e.code === "unknown" && e.retryAfter === 0);

// A server that is played: it answers by these, one after the other.
const asked: Headers[] = [];
const waits: number[] = [];
const played = (...answers: (Response | Error)[]) => {
  asked.length = waits.length = 0;
  return new Client({
    url,
    autoKeys: true,
    sleep: async (ms) => void waits.push(ms),
    fetch: async (_, init) => {
      asked.push(new Headers(init?.headers));
      const a = answers.shift()!;
      if (a instanceof Error) throw a;
      return a;
    },
  });
};
const stream = (...parts: string[]) => {
  let i = 0;
  return new Response(new ReadableStream({ pull: (to) => (i < parts.length ? to.enqueue(new TextEncoder().encode(parts[i++])) : to.error(new Error("cut off"))) }));
};

// A stream that is cut off is begun again where it was, after ever longer waits.
const cut = played(
  stream("retry: 100\nid: 1\n\n", 'event: created\nid: 2\ndata: {"event":"crea', 'ted","id":1,"record":null}\n\n', "id: 3\n\nevent: upd"),
  new Response("", { status: 503 }), new Response("", { status: 503 }), new Response("", { status: 503 }), new Response("", { status: 503 }),
  stream("retry: 100\r\nid: 3\r\n\r\n", 'event: ended\ndata: {"event":"ended","code":"unauthorized","reason":"the key is revoked"}\n\n'),
);
const told: string[] = [];
await assert.rejects(
  (async () => {
    for await (const e of cut.orders.events()) told.push(e.event + e.eventId);
  })(),
  (e) => e instanceof Problem && e.code === "unauthorized" && e.message === "the key is revoked",
);
assert.deepEqual(told, ["created2"]);
assert.deepEqual(asked.map((h) => h.get("last-event-id")), [null, "3", "3", "3", "3", "3"]);
assert.deepEqual(waits, [100, 500, 1000, 2000, 200]);

// With keys of its own a write is sent again too, with the same key; a file that is a stream is not.
const lost = () => new TypeError("connection lost");
const flight = () => new Response('{"code":"idempotency_in_flight"}', { status: 409 });
await played(lost(), flight(), new Response("{}")).customers.create({ email: "a@example.org", name: "A" });
assert.equal(new Set(asked.map((h) => h.get("idempotency-key"))).size, 1);
assert.deepEqual([asked.length, waits], [3, [100, 1000]]);
await played(lost(), new Response('{"count":1}')).customers.count();
assert.equal(asked.length, 2);
await assert.rejects(played(lost()).customers.import("csv", new Blob([csv]).stream()), (e) => e instanceof Problem && e.code === "no_answer");
await played(lost(), new Response("{}")).customers.import("csv", csv);

// A file that is broken off is no whole one.
await assert.rejects(
  (async () => {
    for await (const row of played(stream('{"id":1}\n{"id"')).customers.exportRows()) told.push(`row${row.id}`);
  })(),
  (e) => e instanceof Problem && e.code === "no_answer",
);
assert.equal(told.at(-1), "row1");
console.log("ok");
