import io
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

from client import Client, CustomerCreate, Problem, OrderCreate, OrderFilter


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

# Some fields, and rows of other models in a row.
view = c.orders.view(order["id"], fields=["status", "customer.name"])
assert view == {"id": order["id"], "status": "new", "customer": {"id": ada["id"], "name": "Ada"}}
buyer = view.get("customer")
assert isinstance(buyer, dict) and buyer.get("name") == "Ada"
back = c.customers.list_views(expand="orders.customer", filter={"id": ada["id"]}).records[0].get("orders")
assert back is not None and not back["has_more"]
owner = back["records"][0].get("customer")
assert isinstance(owner, dict) and owner.get("email") == "ada@example.org"
assert refused("invalid", lambda: c.orders.view(order["id"], expand="customr")).errors[0].pointer == "/expand"
assert [v.get("total") for v in c.orders.each_view(fields="total", limit=1)] == ["1.0000000000"]

# What has been read is not read again while it is as it was.
first = c.orders.read_if_changed(order["id"])
assert first is not None and first.value["id"] == order["id"] and c.orders.read_if_changed(order["id"], first.etag) is None
page = c.orders.list_if_changed(limit=2)
assert page is not None and page.value.count == 1 and c.orders.list_if_changed(page.etag, limit=2) is None
other = c.orders.list_if_changed(page.etag, limit=3)
assert other is not None and other.value.limit == 3

# Several operations at once, which refer to each other.
b = c.batch()
bea = b.customers.create({"email": "bea@example.org", "name": "Bea"})
beas = b.orders.create({"customer": bea.ref("id"), "total": "2.5", "serial": huge})
moved = b.orders.update(beas.ref("id"), {"status": "shipped"}, version=beas.ref("version"))
both = b.orders.list(filter={"customer": bea.ref("id")}, count=True)
whose = b.orders.view(beas.ref("id"), fields=["stars", "customer.name"])
within = b.orders.list_views(filter={"customer": bea.ref("id")}, expand="customer", sort="-id", limit=5)
upped = b.customers.upsert(where={"email": "bea@example.org"}, update={"name": "Bee"})
try:
    bea.result
    raise AssertionError("there is a result before the batch has been sent")
except RuntimeError:
    pass
b.send(idempotency_key="batch")
assert moved.result["status"] == "shipped" and beas.result["customer"] == bea.result["id"] and beas.result["serial"] == huge
assert whose.result == {"id": beas.result["id"], "stars": 3, "customer": {"id": bea.result["id"], "name": "Bea"}}, whose.result
assert [r.get("customer") for r in within.result.records] == [bea.result], within.result
assert both.result.total == 1 and both.result.records[0]["status"] == "shipped" and upped.result.action == "updated"
bad = c.batch()
bad.customers.create({"email": "half@example.org", "name": "Half"})
bad.customers.create({"email": "no", "name": ""})
p = refused("invalid", bad.send)
assert sorted(e.pointer for e in p.errors) == ["/operations/1/args/email", "/operations/1/args/name"], p.errors
assert c.customers.count(filter={"email": "half@example.org"}) == 0, "a batch is done whole or not at all"

# What is counted, by itself and in a batch: words to look for, and what is deleted softly.
b = c.batch()
b.memos.bulk_create([{"text": "green tea"}, {"text": "black tea"}, {"text": "coffee"}])
teas = b.memos.count(search="tea")
b.send()
assert teas.result["count"] == 2
assert c.memos.bulk_delete(filter={"text": "black tea"}).deleted == 1
b = c.batch()
counts = [
    b.memos.count(),
    b.memos.count(include_deleted=True),
    b.memos.count(filter={"text": {"$startswith": "g"}}, search="tea", include_deleted=True),
]
sums = b.memos.aggregate({"n": {"$count": True}}, search="tea", include_deleted=True)
b.send()
assert [s.result["count"] for s in counts] == [2, 3, 1] and sums.result["groups"] == [{"n": 2}]
assert c.memos.count(search="tea") == 1 and c.memos.count(include_deleted=True) == 3
assert c.memos.aggregate({"n": {"$count": True}}, include_deleted=True) == [{"n": 3}]
gone = c.batch()
gone.orders.delete(beas.result["id"], version=moved.result["version"])
gone.customers.delete(bea.result["id"])
refused("max_affected", lambda: gone.send(max_affected=1))
gone.send(dry_run=True)
left = c.batch()
left.orders.delete(beas.result["id"], version="*")
left.customers.delete(bea.result["id"])
left.send()
refused("not_found", lambda: c.customers.read(bea.result["id"]))

# What happens to rows, as it happens; and later on, from where one was.
heard: list[str] = []
last = ""
rung = threading.Event()


def ring() -> None:  # the stream is open once it says so; until then the change is made again and again
    while not rung.wait(0.1):
        c.orders.update(order["id"], {"stars": 4}, version="*")


bell = threading.Thread(target=ring)
bell.start()
with c.orders.events(filter={"customer": ada["id"]}) as events:
    for e in events:
        assert e.event == "updated" and e.id == order["id"] and e.record is not None and e.record["stars"] == 4, e
        heard, last = [e.event], e.event_id
        break
rung.set()
bell.join()
tmp = c.orders.create({"customer": ada["id"], "total": 3, "serial": huge})
c.orders.delete(tmp["id"], version=tmp["version"])
listening = c.orders.events(filter={"serial": huge}, last_event_id=last)
for e in listening:
    heard.append(e.event)
    assert (e.record is None) == (e.event == "deleted"), e
    if e.event == "deleted":  # another thread ends it, while this one waits for what does not come
        threading.Thread(target=listening.close).start()
assert heard == ["updated", "created", "deleted"], heard
with c.orders.event_views(filter={"serial": huge}, fields=["stars"], last_event_id=last) as views:
    assert next(views).record == {"id": tmp["id"], "stars": 3}
refused("invalid", lambda: next(c.orders.events(filter={"customer.email": "x"})))
refused("invalid", lambda: next(c.orders.event_views(fields="strs")))

# Files of rows.
csv = b'email,name\nf1@example.org,F1\nf2@example.org,"F, 2"\n'
assert c.customers.import_file("csv", csv, dry_run=True).inserted == 2
assert c.customers.import_file("csv", io.BytesIO(csv), gzip=True, idempotency_key="file").inserted == 2
assert c.customers.import_file("csv", csv, mode="upsert", conflict_on="email").updated == 2
p = refused("invalid", lambda: c.customers.import_file("csv", b"email,name\nf3@example.org,F3\nno,\n"))
assert p.errors[0].line == 3 and p.errors[0].pointer == "/email" and "/email in line 3: " in str(p), p.errors


def new_rows() -> Iterator[CustomerCreate]:
    for i in range(3000):
        yield {"email": "no" if i == 7 else f"l{i}@example.org", "name": "L"}


some = c.customers.import_rows(new_rows(), on_error="skip")
assert (some.processed, some.inserted, some.skipped, some.errors[0]["line"]) == (3000, 2999, 1, 8), some
out = io.BytesIO()
c.customers.export("csv", out, filter={"email": {"$startswith": "f"}}, sort="email", fields=["email", "name"])
assert re.sub(rb"(?m)^[^,]*,", b"", out.getvalue().replace(b"\r", b"")) == csv, out.getvalue()
assert sum(1 for row in c.customers.export_rows(filter={"email": {"$startswith": "l"}}) if row["name"] == "L") == 2999
f1 = next(c.customers.export_views(filter={"email": "f1@example.org"}, fields="name"))
assert f1.get("name") == "F1" and f1.keys() == {"id", "name"}, f1
assert refused("invalid", lambda: c.customers.export("ndjson", out, sort="nmae")).errors[0].pointer == "/sort"
c.customers.bulk_delete(filter={"$or": [{"email": {"$startswith": "l"}}, {"email": {"$startswith": "f"}}]})

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
assert "; /email: " in str(p) and "; /name: " in str(p), str(p)
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
seen: list[str] = []
for r in c.runs.events(run):
    seen.append(r["status"])
    if r["status"] == "waiting":
        c.runs.signal(run, "approval", {"by": "ada"})
assert seen[-1] == "completed", seen
assert c.runs.wait(run) == {"status": "paid"}
assert c.runs.list(workflow="approve", limit=5)["runs"][0]["run_id"] == run
called = c.workflows.approve.start({"order": placed["order"]})
c.runs.cancel(called)
assert refused("run_cancelled", lambda: c.runs.wait(called)).run_id == called
assert c.runs.show(refused("rejected", lambda: c.workflows.give_up({"why": "no more"})).run_id)["status"] == "failed"
later = c.workflows.place_order.start({"email": "cyd@example.org", "total": 4}, idempotency_key="later")
assert c.workflows.place_order.start({"email": "cyd@example.org", "total": 4}, idempotency_key="later") == later
assert c.runs.wait(later)["total"] == "4.0000000000"

# Trying again: nothing listens there.
waits: list[float] = []
down = Client("http://127.0.0.1:1", retries=2, sleep=waits.append)
refused("no_answer", lambda: down.customers.list())
assert waits == [0.1, 0.2]
refused("no_answer", lambda: down.customers.create({"email": "a@example.org", "name": "A"}))
assert len(waits) == 2, "a write without a key is not repeated where nobody knows whether it was done"

# A server that is played: it answers by these, one after the other, and hangs up.
asked: list[bytes] = []


def whole(text: bytes) -> bool:
    """Whether a request has come whole: to hang up before would lose the answer."""
    head, end, body = text.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return end != b"" and len(body) >= (int(length[1]) if length else 0)


def played(*answers: bytes) -> Client:
    asked.clear()
    waits.clear()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for answer in answers:
                conn, _ = listener.accept()
                with conn:
                    text = b""
                    while not whole(text) and (part := conn.recv(65536)):
                        text += part
                    asked.append(text)
                    conn.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return Client(f"http://127.0.0.1:{listener.getsockname()[1]}", auto_keys=True, sleep=waits.append)


def says(status: int, text: bytes, length: int | None = None) -> bytes:
    size = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"HTTP/1.1 %d X\r\n%sConnection: close\r\n\r\n%s" % (status, size, text)


def sent(name: bytes) -> list[bytes]:
    return [(re.findall(rb"(?i)\r\n" + name + rb": ([^\r]*)", text) or [b""])[0] for text in asked]


# A stream that is cut off is begun again where it was, after ever longer waits.
busy = says(503, b"")
cut = played(
    says(200, b'retry: 100\nid: 1\n\nevent: created\nid: 2\ndata: {"event":"created","id":1}\n\nid: 3\n\nevent: upd'), busy, busy, busy, busy,
    says(200, b'retry: 100\r\nid: 3\r\n\r\nevent: ended\ndata: {"code":"unauthorized","reason":"the key is revoked"}\n\n'),
)
told: list[str] = []


def listen() -> None:
    for e in cut.orders.events():
        told.append(e.event + e.event_id)


assert refused("unauthorized", listen).detail == "the key is revoked"
assert told == ["created2"], told
assert sent(b"last-event-id") == [b"", b"3", b"3", b"3", b"3", b"3"], asked
assert waits == [0.1, 0.5, 1.0, 2.0, 0.2], waits

# With keys of its own a write is sent again too, with the same key; a file that can't be read again is not.
played(b"", says(409, b'{"code":"idempotency_in_flight"}'), says(200, b"{}")).customers.create({"email": "a@example.org", "name": "A"})
assert len(asked) == 3 and len(set(sent(b"idempotency-key"))) == 1 and sent(b"idempotency-key")[0] != b"", asked
assert played(b"", says(200, b'{"count":1}')).customers.count() == 1
refused("no_answer", lambda: played(b"").customers.import_rows(new_rows()))
assert played(busy, says(200, b'{"processed":2,"inserted":2}')).customers.import_file("csv", io.BytesIO(csv)).inserted == 2
assert len(asked) == 2 and all(csv in text for text in asked), asked

# A file that is broken off is no whole one.
refused("no_answer", lambda: played(says(200, b"id\n1\n", 100)).customers.export("csv", out))
chunk = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nid\n1\n\r\n"
refused("no_answer", lambda: played(chunk).customers.export("csv", out))
played(chunk + b"0\r\n\r\n").customers.export("csv", out)
print("ok")
