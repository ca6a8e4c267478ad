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
const view = await c.orders.view(order.id, { expand: "customer" });
assert.equal((view.customer as unknown as { email: string }).email, "ada@example.org");

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
assert.equal((await c.customers.bulkUpsert({ data: [{ email: "c2@example.org", name: "E2" }], conflict_on: ["email"] })).updated, 1);
await assert.rejects(c.customers.bulkDelete({ filter: { email: { $startswith: "c" } } }, { maxAffected: 3 }), (e) => e instanceof Problem && e.code === "max_affected");
assert.equal((await c.customers.bulkDelete({ filter: { email: { $startswith: "c" } } })).deleted, 25);
assert.deepEqual(await c.orders.aggregate({ group_by: "status", aggregates: { n: { $count: true }, sum: { $sum: "total" } } }), [{ status: "new", n: 1, sum: "1.0000000000" }]);

// Problems.
await assert.rejects(c.customers.create({ email: "no", name: "" }), (e) => {
  assert(e instanceof Problem);
  assert.deepEqual(e.errors.map((p) => [p.pointer, p.code]).sort(), [["/email", "format"], ["/name", "too_short"]]);
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
const lost = await c.workflows.approve.start({ order: placed.order });
await c.runs.cancel(lost.run_id);
await assert.rejects(c.runs.wait(lost.run_id), Problem);

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
console.log("ok");
