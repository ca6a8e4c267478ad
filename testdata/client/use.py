import sys
from collections.abc import Callable
from decimal import Decimal

from client import Client, Problem, OrderCreate, OrderFilter


def refused(code: str, call: Callable[[], object]) -> Problem:
    try:
        call()
    except Problem as p:
        assert p.code == code, (p.code, code)
        return p
    raise AssertionError(f"nothing was refused with {code}")


url = sys.argv[1]
c = Client(url)

# Rows.
ada = c.customers.create({"email": "ada@example.org", "name": "Ada"})
huge = 9007199254740993
new: OrderCreate = {
    "customer": ada["id"],
    "total": Decimal("12345678901234567890.0123456789"),
    "serial": huge,
    "due": "2026-01-31",
    "extra": {"a": [1, huge, None]},
    "weight": 0.1,
}
order = c.orders.create(new)
assert Decimal(order["total"]) == Decimal("12345678901234567890.0123456789"), order
assert order["serial"] == huge and order["extra"] == {"a": [1, huge, None]} and order["weight"] == 0.1
assert c.orders.read(order["id"]) == order
by: OrderFilter = {"serial": huge, "$or": [{"status": "new"}, {"stars": {"$gte": 4}}]}
assert c.orders.list(filter=by, count=True).total == 1
assert c.orders.list(filter={"customer.email": "ada@example.org"}).count == 1

# Changes need the version that was read.
paid = c.orders.update(order["id"], {"status": "paid", "due": None}, version=order["version"])
assert paid["due"] is None
assert refused("version_mismatch", lambda: c.orders.update(order["id"], {"stars": 1}, version=order["version"])).status == 412
assert c.orders.replace(order["id"], {"customer": ada["id"], "total": 1}, version="*")["total"] == "1.0000000000"
assert c.orders.view(order["id"], expand="customer")["customer"]["email"] == "ada@example.org"

# Pages.
made = c.customers.bulk_create([{"email": f"c{i}@example.org", "name": f"C{i}"} for i in range(25)], return_ids=True)
assert made.inserted == 25 and len(made.ids) == 25
assert len([r["name"] for r in c.customers.each(limit=10, sort="email", filter={"email": {"$startswith": "c"}})]) == 25
assert c.customers.count(filter={"name": {"$in": ["C1", "C2"]}}) == 2
assert c.customers.list(search="Ada").records[0]["id"] == ada["id"]

# Doing once what is asked for twice; doing nothing.
once = c.customers.create({"email": "once@example.org", "name": "Once"}, idempotency_key="once")
assert c.customers.create({"email": "once@example.org", "name": "Once"}, idempotency_key="once") == once
c.customers.create({"email": "dry@example.org", "name": "Dry"}, dry_run=True)
assert c.customers.count(filter={"email": "dry@example.org"}) == 0

# The rest of the eleven.
up = c.customers.upsert(where={"email": "up@example.org"}, create={"name": "Up"}, update={"name": "Upped"})
assert (up.created, up.action, up.record["name"]) == (True, "created", "Up")
assert c.customers.bulk_update(filter={"name": "C1"}, fields={"name": "D1"}).updated == 1
assert c.customers.bulk_upsert([{"email": "c2@example.org", "name": "E2"}], conflict_on=["email"]).updated == 1
refused("max_affected", lambda: c.customers.bulk_delete(filter={"email": {"$startswith": "c"}}, max_affected=3))
assert c.customers.bulk_delete(filter={"email": {"$startswith": "c"}}).deleted == 25
assert c.orders.aggregate({"n": {"$count": True}}, group_by="status") == [{"status": "new", "n": 1}]

# Problems.
p = refused("invalid", lambda: c.customers.create({"email": "no", "name": ""}))
assert sorted((e.pointer, e.code) for e in p.errors) == [("/email", "format"), ("/name", "too_short")], p.errors
refused("not_found", lambda: c.customers.read(987654))
refused("unique_violation", lambda: c.customers.create({"email": "ada@example.org", "name": "Two"}))

# Words of the language.
k = c.classes.create({"id": "a/b ?", "type": "t", "import": "i", "from": None})
assert (k["constructor"], k["None"], c.classes.read("a/b ?")["import"]) == (1, False, "i")
c.classes.delete("a/b ?")
refused("not_found", lambda: c.classes.read("a/b ?"))

# Workflows.
placed = c.workflows.place_order({"email": "bob@example.org", "total": "0.1000000001"}, idempotency_key="place")
assert placed["total"] == "0.1000000001" and placed["row"]["status"] == "new"
lines = c.workflows.add_lines({"lines": [{"sku": "a", "price": Decimal("0.10"), "qty": 3}, {"sku": "b", "price": "0.20"}]})
assert lines == {"total": "0.50", "lines": 2, "rate": 1.5}, lines
assert "not today" in refused("rejected", lambda: c.workflows.refuse({"why": "not today"})).detail

# Durable runs.
run = c.workflows.approve.start({"order": placed["order"]})
seen = []
for r in c.runs.events(run):
    seen.append(r["status"])
    if r["status"] == "waiting":
        c.runs.signal(run, "approval", {"by": "ada"})
assert seen[-1] == "completed", seen
assert c.runs.wait(run) == {"status": "paid"}
assert c.runs.list(workflow="approve", limit=5)["runs"][0]["run_id"] == run
lost = c.workflows.approve.start({"order": placed["order"]})
c.runs.cancel(lost)
refused("run_cancelled", lambda: c.runs.wait(lost))

# Trying again: nothing listens there.
waits: list[float] = []
down = Client("http://127.0.0.1:1", retries=2, sleep=waits.append)
refused("no_answer", lambda: down.customers.list())
assert waits == [0.1, 0.2]
refused("no_answer", lambda: down.customers.create({"email": "a@example.org", "name": "A"}))
assert len(waits) == 2, "a write without a key is not repeated where nobody knows whether it was done"
print("ok")
