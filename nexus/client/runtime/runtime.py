"""What every generated client is made with: requests, retries, pages, runs.

It needs the standard library of Python 3.10, and nothing else.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypedDict, TypeVar, Union, cast

__all__ = [
    "BulkCreated", "BulkDeleted", "BulkUpdated", "BulkUpserted", "DecimalInput", "DurableWorkflow", "Page", "Problem",
    "ProblemPart", "Rows", "Run", "RunDetail", "RunPage", "Runs", "RunStatus", "Transport", "Upserted", "VersionedRows", "Workflow",
]

# An exact decimal to send. Those that are received are text, "19.90", of which
# Decimal(...) makes a number without losing a digit.
DecimalInput = Union[Decimal, str, int]

R = TypeVar("R")
C = TypeVar("C")
U = TypeVar("U")
P = TypeVar("P")
F = TypeVar("F")
Id = TypeVar("Id", int, str)
I = TypeVar("I")
O = TypeVar("O")

RunStatus = Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
Json = Any
Names = Union[str, Sequence[str], None]


@dataclass(frozen=True)
class ProblemPart:
    """One thing wrong with one part of the input."""

    code: str
    pointer: str
    detail: str = ""
    hint: str = ""


@dataclass
class Problem(Exception):
    """What went wrong, as the server says it (RFC 9457)."""

    status: int  # of HTTP; 0 if there was no answer that could be read
    code: str  # for programs: "not_found", "unique_violation", …
    detail: str
    hint: str = ""
    model: str = ""
    workflow: str = ""
    node: str = ""
    request_id: str = ""
    errors: list[ProblemPart] = field(default_factory=list)
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.detail} ({self.code})"


class _PageRest(TypedDict, total=False):
    total: int
    offset: int
    next_cursor: str


class RunError(TypedDict):
    code: str
    detail: str


class _RunRest(TypedDict, total=False):
    waits_for: str
    cancelling: bool
    wakes_at: str
    origin: str
    parent: str
    ended_at: str
    error: RunError


class Run(_RunRest):
    """A run of a durable workflow."""

    run_id: str
    workflow: str
    status: RunStatus
    created_at: str
    updated_at: str


class _StepRest(TypedDict, total=False):
    ended_at: str
    input: Json
    waits_for: Json
    output: Json
    error: RunError


class RunStep(_StepRest):
    step: str
    state: Literal["done", "skipped", "failed", "waiting", "undone"]
    attempts: int
    started_at: str


class _DetailRest(TypedDict, total=False):
    outputs: Json


class RunDetail(Run, _DetailRest):
    """A run with its steps."""

    inputs: dict[str, Json]
    steps: list[RunStep]


class _RunPageRest(TypedDict, total=False):
    next_cursor: str


class RunPage(_RunPageRest):
    runs: list[Run]
    count: int
    has_more: bool


@dataclass(frozen=True)
class Page(Generic[R]):
    """A page of rows."""

    records: list[R]
    count: int
    limit: int
    has_more: bool
    total: int | None = None
    offset: int | None = None
    next_cursor: str | None = None


@dataclass(frozen=True)
class Upserted(Generic[R]):
    record: R
    created: bool
    action: Literal["created", "updated", "unchanged"]


class RowError(TypedDict):
    index: int
    code: str
    message: str
    problems: list[dict[str, str]]


@dataclass(frozen=True)
class BulkCreated(Generic[Id]):
    processed: int
    inserted: int
    ids: list[Id] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


@dataclass(frozen=True)
class BulkUpdated(Generic[Id]):
    processed: int
    updated: int
    missing: list[Id] = field(default_factory=list)


@dataclass(frozen=True)
class BulkDeleted(Generic[Id]):
    processed: int
    deleted: int
    missing: list[Id] = field(default_factory=list)


@dataclass(frozen=True)
class BulkUpserted:
    processed: int
    upserted: int
    inserted: int
    updated: int
    errors: list[RowError] = field(default_factory=list)


def _encode(v: object) -> object:
    if isinstance(v, Decimal):
        return format(v, "f")
    raise TypeError(f"{type(v).__name__} can't be sent as JSON")


def _dumps(v: object) -> str:
    return json.dumps(v, default=_encode, ensure_ascii=False, allow_nan=False)


def _names(names: Names) -> str | None:
    return names if names is None or isinstance(names, str) else ",".join(names)


def _given(**values: object) -> dict[str, Any]:
    return {name: v for name, v in values.items() if v is not None}


class Transport:
    """Sends requests, again if that is worth it."""

    def __init__(
        self,
        url: str,
        *,
        key: str | Callable[[], str] | None = None,
        tenant: str | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 3,
        max_wait: float = 30.0,
        timeout: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._tenant = tenant
        self._headers = dict(headers or {})
        self._retries = retries
        self._max_wait = max_wait
        self._timeout = timeout
        self.sleep = sleep

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        prefer: Sequence[str] = (),
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> Any:
        with self.open(method, path, query=query, body=body, prefer=prefer, idempotency_key=idempotency_key, if_match=if_match) as response:
            text = response.read()
        return json.loads(text) if text else None

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        prefer: Sequence[str] = (),
        idempotency_key: str | None = None,
        if_match: str | None = None,
        accept: str = "application/json",
    ) -> Any:
        headers = {"Accept": accept, **self._headers}
        key = self._key() if callable(self._key) else self._key
        if key is not None:
            headers["Authorization"] = "Bearer " + key
        if self._tenant is not None:
            headers["X-Tenant-ID"] = self._tenant
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if if_match is not None:
            headers["If-Match"] = if_match
        if prefer:
            headers["Prefer"] = ", ".join(prefer)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = _dumps(body).encode()
        at = self._url + path
        if query:
            at += "?" + urllib.parse.urlencode({k: ("true" if v is True else "false" if v is False else v) for k, v in query.items()})
        # Repeating these has no other effect than doing them once.
        safe = method == "GET" or idempotency_key is not None
        attempt = 0
        while True:
            try:
                return urllib.request.urlopen(urllib.request.Request(at, data, headers, method=method), timeout=self._timeout)
            except urllib.error.HTTPError as e:
                with e:
                    text = e.read()
                after = _seconds(e.headers.get("Retry-After"))
                # Nothing has happened where the server says so by these.
                if e.code not in (429, 503) or attempt >= self._retries:
                    raise _problem(e.code, text, after) from None
                wait = after if after is not None else 0.5 * 2**attempt
            except (urllib.error.URLError, ConnectionError, TimeoutError) as e:
                if not safe or attempt >= self._retries:
                    raise Problem(0, "no_answer", f"there is no answer from {self._url}") from e
                wait = 0.1 * 2**attempt
            self.sleep(min(wait, self._max_wait))
            attempt += 1


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _problem(status: int, text: bytes, after: float | None) -> Problem:
    body: Any
    try:
        body = json.loads(text)
    except ValueError:  # something between us and the app has answered, in its own way
        body = {"detail": text[:500].decode(errors="replace")}
    if not isinstance(body, dict):
        body = {}
    parts = [ProblemPart(p.get("code", ""), p.get("pointer", ""), p.get("detail", ""), p.get("hint", "")) for p in body.get("errors", [])]
    return Problem(
        status,
        body.get("code", "unknown"),
        body.get("detail") or body.get("title") or f"the server answered with {status}",
        *(body.get(name, "") for name in ("hint", "model", "workflow", "node", "request_id")),
        errors=parts,
        retry_after=after,
    )


def _prefer(dry_run: bool, max_affected: int | None = None) -> list[str]:
    prefer = ["tx=rollback"] if dry_run else []
    if max_affected is not None:
        prefer.append(f"max-affected={max_affected}")
    return prefer


def _match(version: int | Literal["*"] | None) -> str | None:
    if version is None:
        return None
    return "*" if version == "*" else f'"{version}"'


class _Rows(Generic[R, C, U, P, F, Id]):
    def __init__(self, transport: Transport, path: str) -> None:
        self._t = transport
        self._path = "/api/" + path

    def _row(self, id: Id) -> str:
        return self._path + "/" + urllib.parse.quote(str(id), safe="")

    def create(self, row: C, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Creates a row."""
        return cast(R, self._t.call("POST", self._path, body=row, prefer=_prefer(dry_run), idempotency_key=idempotency_key))

    def read(self, id: Id) -> R:
        """Reads a row; a Problem with the code "not_found" says that there is none."""
        return cast(R, self._t.call("GET", self._row(id)))

    def view(self, id: Id, *, fields: Names = None, expand: Names = None) -> dict[str, Any]:
        """Reads a row with rows of other models in it, or some of its fields alone."""
        return cast("dict[str, Any]", self._t.call("GET", self._row(id), query=_given(fields=_names(fields), expand=_names(expand))))

    def list(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Page[R]:
        """A page of rows."""
        query = _given(
            filter=None if filter is None else _dumps(filter), sort=_names(sort), limit=limit, offset=offset, cursor=cursor,
            count="exact" if count else None, search=search, include_deleted=include_deleted,
        )
        return Page(**self._t.call("GET", self._path, query=query))

    def each(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Iterator[R]:
        """Every row that matches, page after page."""
        cursor: str | None = None
        while True:
            page = self.list(filter=filter, sort=sort, limit=limit, search=search, include_deleted=include_deleted, cursor=cursor)
            yield from page.records
            cursor = page.next_cursor
            if cursor is None:
                return

    def count(self, *, filter: F | Mapping[str, Any] | None = None, search: str | None = None, include_deleted: bool | None = None) -> int:
        """How many rows match."""
        body = _given(filter=filter, search=search, include_deleted=include_deleted)
        return cast(int, self._t.call("POST", self._path + "/count", body=body)["count"])

    def upsert(
        self,
        *,
        where: Mapping[str, Any],
        create: Mapping[str, Any] | None = None,
        update: U | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Upserted[R]:
        """Updates the row that where finds, or creates it."""
        body = _given(where=where, create=create, update=update)
        return Upserted(**self._t.call("POST", self._path + "/upsert", body=body, prefer=_prefer(dry_run), idempotency_key=idempotency_key))

    def _bulk(self, name: str, body: object, idempotency_key: str | None, dry_run: bool, max_affected: int | None) -> dict[str, Any]:
        answer = self._t.call("POST", f"{self._path}/{name}", body=body, prefer=_prefer(dry_run, max_affected), idempotency_key=idempotency_key)
        return cast("dict[str, Any]", answer)

    def bulk_create(
        self,
        data: Sequence[C],
        *,
        on_error: Literal["fail", "skip"] | None = None,
        return_ids: bool | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> BulkCreated[Id]:
        body = _given(data=data, on_error=on_error, return_ids=return_ids)
        return BulkCreated(**self._bulk("bulk_create", body, idempotency_key, dry_run, max_affected))

    def bulk_update(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        ids: Sequence[Id] | None = None,
        fields: U | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        confirm_all: bool | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> BulkUpdated[Id]:
        body = _given(filter=filter, ids=ids, fields=fields, data=data, confirm_all=confirm_all)
        return BulkUpdated(**self._bulk("bulk_update", body, idempotency_key, dry_run, max_affected))

    def bulk_delete(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        ids: Sequence[Id] | None = None,
        confirm_all: bool | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> BulkDeleted[Id]:
        body = _given(filter=filter, ids=ids, confirm_all=confirm_all)
        return BulkDeleted(**self._bulk("bulk_delete", body, idempotency_key, dry_run, max_affected))

    def bulk_upsert(
        self,
        data: Sequence[Mapping[str, Any]],
        *,
        conflict_on: Sequence[str],
        on_error: Literal["fail", "skip"] | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> BulkUpserted:
        body = _given(data=data, conflict_on=conflict_on, on_error=on_error)
        return BulkUpserted(**self._bulk("bulk_upsert", body, idempotency_key, dry_run, max_affected))

    def aggregate(
        self,
        aggregates: Mapping[str, Mapping[str, Any]],
        *,
        group_by: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        having: Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
    ) -> list[dict[str, Json]]:
        """Figures of all rows, or of groups of them."""
        body = _given(group_by=group_by, aggregates=aggregates, filter=filter, having=having, sort=sort, limit=limit)
        return cast("list[dict[str, Json]]", self._t.call("POST", self._path + "/aggregate", body=body)["groups"])


class Rows(_Rows[R, C, U, P, F, Id]):
    """The rows of a model. R is a row, C one to create, U changes, P what a row is to be, F a filter."""

    def update(self, id: Id, changes: U, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Changes fields of a row."""
        return cast(R, self._t.call("PATCH", self._row(id), body=changes, prefer=_prefer(dry_run), idempotency_key=idempotency_key))

    def replace(self, id: Id, row: P, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Replaces a row: what is left out gets its default, or null."""
        return cast(R, self._t.call("PUT", self._row(id), body=row, prefer=_prefer(dry_run), idempotency_key=idempotency_key))

    def delete(self, id: Id, *, idempotency_key: str | None = None, dry_run: bool = False) -> None:
        """Deletes a row."""
        self._t.call("DELETE", self._row(id), prefer=_prefer(dry_run), idempotency_key=idempotency_key)


class VersionedRows(_Rows[R, C, U, P, F, Id]):
    """The rows of a versioned model: a change says which version it is of, by its version field, or "*" for any."""

    def update(self, id: Id, changes: U, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Changes fields of a row."""
        answer = self._t.call(
            "PATCH", self._row(id), body=changes, if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key
        )
        return cast(R, answer)

    def replace(self, id: Id, row: P, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Replaces a row: what is left out gets its default, or null."""
        answer = self._t.call("PUT", self._row(id), body=row, if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key)
        return cast(R, answer)

    def delete(self, id: Id, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> None:
        """Deletes a row."""
        self._t.call("DELETE", self._row(id), if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key)


class Runs:
    """Durable runs, which are kept and go on after a crash."""

    def __init__(self, transport: Transport) -> None:
        self._t = transport

    @staticmethod
    def _path(id: str) -> str:
        return "/runs/" + urllib.parse.quote(id, safe="")

    def list(
        self,
        *,
        workflow: str | None = None,
        status: RunStatus | None = None,
        parent: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunPage:
        query = _given(workflow=workflow, status=status, parent=parent, limit=limit, cursor=cursor)
        return cast(RunPage, self._t.call("GET", "/runs", query=query))

    def show(self, id: str) -> RunDetail:
        return cast(RunDetail, self._t.call("GET", self._path(id)))

    def signal(self, id: str, name: str, payload: Json = None) -> Run:
        return cast(Run, self._t.call("POST", self._path(id) + "/signal", body={"name": name, "payload": payload}))

    def cancel(self, id: str) -> Run:
        return cast(Run, self._t.call("POST", self._path(id) + "/cancel"))

    def retry(self, id: str) -> Run:
        return cast(Run, self._t.call("POST", self._path(id) + "/retry"))

    def events(self, id: str) -> Iterator[RunDetail]:
        """The run each time it has changed, until it ends. A connection that is lost is made again."""
        last = ""
        while True:
            with self._t.open("GET", self._path(id) + "/events", accept="text/event-stream, application/problem+json") as response:
                try:
                    for line in response:
                        text = line.decode().strip()
                        if not text.startswith("data:") or text == last:
                            continue
                        last = text
                        run = cast(RunDetail, json.loads(text[5:]))
                        yield run
                        if run["status"] in ("completed", "failed", "cancelled"):
                            return
                except (ConnectionError, TimeoutError):
                    pass
            self._t.sleep(0.5)

    def wait(self, id: str) -> Json:
        """Waits until a run has ended, and gives its outputs; a Problem says why there are none."""
        for run in self.events(id):
            status = run["status"]
            if status == "completed":
                return run.get("outputs")
            if status in ("failed", "cancelled"):
                error = run.get("error")
                if error is not None:
                    raise Problem(0, error["code"], error["detail"])
                raise Problem(0, "run_" + status, f"the run {id} is {status}")
        raise Problem(0, "no_answer", f"the run {id} can't be followed")


class Workflow(Generic[I, O]):
    """A workflow that runs within the request."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._t = transport
        self._path = f"/workflows/{name}/execute"

    def __call__(self, inputs: I, *, idempotency_key: str | None = None) -> O:
        return cast(O, self._t.call("POST", self._path, body={"inputs": inputs}, idempotency_key=idempotency_key)["outputs"])


class DurableWorkflow(Generic[I, O]):
    """A durable workflow: run it and wait for its outputs, or start it and look later."""

    def __init__(self, transport: Transport, runs: Runs, name: str) -> None:
        self._t = transport
        self._runs = runs
        self._path = f"/workflows/{name}/execute"

    def __call__(self, inputs: I, *, idempotency_key: str | None = None) -> O:
        run = self._t.call("POST", self._path, body={"inputs": inputs}, idempotency_key=idempotency_key)
        if run["status"] == "completed":
            return cast(O, run["outputs"])
        return cast(O, self._runs.wait(run["run_id"]))

    def start(self, inputs: I, *, idempotency_key: str | None = None) -> str:
        """Answers with the id of the run as soon as it is kept."""
        run = self._t.call("POST", self._path, body={"inputs": inputs}, prefer=["respond-async"], idempotency_key=idempotency_key)
        return cast(str, run["run_id"])
