"""What every generated client is made with: requests, retries, pages, runs.

It needs the standard library of Python 3.10, and nothing else.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import IO, Any, Generic, Literal, Protocol, TypedDict, TypeVar, Union, cast

__all__ = [
    "BatchRows", "BulkCreated", "BulkDeleted", "BulkUpdated", "BulkUpserted", "DecimalInput", "Events", "Followed", "Imported", "KeptWorkflow",
    "Page", "Problem", "ProblemPart", "RowEvent", "Rows", "Run", "RunDetail", "RunPage", "Runs", "RunStatus", "Step", "Steps", "Tagged",
    "Transport", "Upserted", "VersionedBatchRows", "VersionedRows", "Workflow",
]

# An exact decimal to send. Those that are received are text, "19.90", of which
# Decimal(...) makes a number without losing a digit.
DecimalInput = Union[Decimal, str, int]

T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C")
U = TypeVar("U")
P = TypeVar("P")
F = TypeVar("F")
V = TypeVar("V")
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
    line: int = 0  # of a file that is imported: where it is


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
    run_id: str = ""  # the durable run that this is about
    request_id: str = ""
    errors: list[ProblemPart] = field(default_factory=list[ProblemPart])
    retry_after: float | None = None

    def __str__(self) -> str:
        parts = [f"{p.pointer or '/'}{f' in line {p.line}' if p.line else ''}: {p.detail or p.code}" for p in self.errors[:5]]
        more = [f"and {len(self.errors) - 5} more"] if len(self.errors) > 5 else []
        return "; ".join([f"{self.detail} ({self.code})", *parts, *more])


class _RunErrorPartRest(TypedDict, total=False):
    detail: str
    hint: str


class RunErrorPart(_RunErrorPartRest):
    """One thing wrong with one part of what a node was given."""

    code: str
    pointer: str


class _RunErrorRest(TypedDict, total=False):
    node: str
    hint: str
    location: str  # the place in the app's files
    errors: list[RunErrorPart]


class RunError(_RunErrorRest):
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
    ids: list[Id] = field(default_factory=list[Id])
    errors: list[RowError] = field(default_factory=list[RowError])


@dataclass(frozen=True)
class BulkUpdated(Generic[Id]):
    processed: int
    updated: int
    missing: list[Id] = field(default_factory=list[Id])


@dataclass(frozen=True)
class BulkDeleted(Generic[Id]):
    processed: int
    deleted: int
    missing: list[Id] = field(default_factory=list[Id])


@dataclass(frozen=True)
class BulkUpserted:
    processed: int
    upserted: int
    inserted: int
    updated: int
    errors: list[RowError] = field(default_factory=list[RowError])


@dataclass(frozen=True)
class Tagged(Generic[T]):
    """An answer, and the tag by which it is known whether there is another by now; "" where there is no telling."""

    value: T
    etag: str


@dataclass(frozen=True)
class RowEvent(Generic[R, Id]):
    """What happened to a row, from where the listener stands."""

    # created: the row came into what is followed. updated: it changed in it.
    # deleted: it left it: it is gone, matches no more, or may not be seen any
    # more. reset: what happened in between is not kept any more, read the rows
    # again.
    event: Literal["created", "updated", "deleted", "reset"]
    event_id: str  # where to go on from later: last_event_id
    id: Id | None = None
    record: R | None = None  # None of one that is deleted, and where a function of the app fails on the row
    reason: str = ""  # of a reset


class LineError(TypedDict):
    line: int
    code: str
    message: str
    problems: list[dict[str, str]]


@dataclass(frozen=True)
class Imported:
    """What has come of a file."""

    processed: int
    inserted: int
    updated: int = 0
    skipped: int = 0  # lines that were left out
    errors: list[LineError] = field(default_factory=list[LineError])  # and why, for the first thousand
    errors_left_off: int = 0


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
        auto_keys: bool = False,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        """auto_keys sends every write with an idempotency key of its own, so that it is sent again too where a connection is lost."""
        self._url = url.rstrip("/")
        self._key = key
        self._tenant = tenant
        self._headers = dict(headers or {})
        self._retries = retries
        self._max_wait = max_wait
        self._timeout = timeout
        self._auto_keys = auto_keys
        self._sleep = sleep

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Sends a request with the options of open, and gives its answer."""
        with self.open(method, path, **options) as response:
            text = _whole(response)
        return json.loads(text) if text else None

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        file: _File | None = None,
        prefer: Sequence[str] = (),
        kind: Literal["read", "write", "call"] = "call",  # whether it can be sent twice without harm: a write can with a key
        idempotency_key: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        last_event_id: str = "",
        accept: str = "application/json",
    ) -> Any:
        headers = {"Accept": accept, **self._headers}
        key = self._key() if callable(self._key) else self._key
        if idempotency_key is None and kind == "write" and self._auto_keys:
            idempotency_key = secrets.token_hex(16)
        for name, value in (
            ("Authorization", key and "Bearer " + key),
            ("X-Tenant-ID", self._tenant),
            ("Idempotency-Key", idempotency_key),
            ("If-Match", if_match),
            ("If-None-Match", if_none_match),
            ("Last-Event-ID", last_event_id),
            ("Prefer", ", ".join(prefer)),
        ):
            if value:
                headers[name] = value
        data = None
        retries = self._retries
        if file is not None:
            headers.update(file.headers())
            retries = retries if file.again else 0
        elif body is not None:
            headers["Content-Type"] = "application/json"
            data = _dumps(body).encode()
        at = self._url + path
        if query:
            at += "?" + urllib.parse.urlencode({k: ("true" if v is True else "false" if v is False else v) for k, v in query.items()})
        # Repeating these has no other effect than doing them once.
        safe = method == "GET" or kind == "read" or idempotency_key is not None
        attempt = 0
        while True:
            try:
                sent = data if file is None else file.parts()
                return urllib.request.urlopen(urllib.request.Request(at, cast(Any, sent), headers, method=method), timeout=self._timeout)
            except urllib.error.HTTPError as e:
                if e.code == 304:
                    return e
                with e:
                    text = e.read()
                problem = _problem(e.code, text, _seconds(e.headers.get("Retry-After")))
                # Nothing has happened where the server says so by these, or the first try with the key is still under way.
                if not (e.code in (429, 503) or problem.code == "idempotency_in_flight") or attempt >= retries:
                    raise problem from None
                wait = problem.retry_after if problem.retry_after is not None else 0.5 * 2**attempt
            except _LOST as e:
                if not safe or attempt >= retries:
                    raise Problem(0, "no_answer", f"there is no answer from {self._url}") from e
                wait = 0.1 * 2**attempt
            self.wait(wait)
            attempt += 1

    def wait(self, seconds: float, over: threading.Event | None = None) -> None:
        """Waits before a request is sent again, or until there is no use in it any more."""
        seconds = min(seconds, self._max_wait)
        if self._sleep is not None:
            self._sleep(seconds)
        else:
            (over or threading.Event()).wait(seconds)


# A connection that is lost.
_LOST = (OSError, http.client.HTTPException)


def _whole(response: Any) -> bytes:
    try:
        return cast(bytes, response.read())
    except _LOST as e:
        raise Problem(0, "no_answer", "the answer was broken off") from e


_FILE_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}

# How much of a file is sent at once.
_PART = 1 << 16


class _File:
    """A body that is sent as it is read."""

    def __init__(self, form: str, source: Callable[[], Iterator[bytes]], *, packed: bool, again: bool) -> None:
        self._form = form
        self._source = source
        self._packed = packed
        self.again = again  # it can be sent twice

    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": _FILE_TYPES[self._form]}
        if self._packed:
            headers["Content-Encoding"] = "gzip"
        return headers

    def parts(self) -> Iterator[bytes]:
        if not self._packed:
            yield from self._source()
            return
        z = zlib.compressobj(wbits=31)  # as gzip has it
        for part in self._source():
            packed = z.compress(part)
            if packed:  # nothing would be the end
                yield packed
        yield z.flush()


def _read_parts(file: IO[bytes], start: int | None) -> Iterator[bytes]:
    if start is not None:
        file.seek(start)
    while part := file.read(_PART):
        yield part


def _lines_of(rows: Iterable[object]) -> Iterator[bytes]:
    """Rows as lines of JSON, some together."""
    some: list[str] = []
    size = 0
    for row in rows:
        some.append(_dumps(row) + "\n")
        size += len(some[-1])
        if size >= _PART:
            yield "".join(some).encode()
            some, size = [], 0
    if some:
        yield "".join(some).encode()


@dataclass(frozen=True)
class _Frame:
    event: str
    data: str
    id: str


class Followed:
    """The events of a stream. A connection that is lost, or silent for too long, is made again where it was, after ever longer waits.

    It ends when it is closed, also from another thread, or when the server
    says that coming again is of no use, which is a Problem.
    """

    def __init__(self, transport: Transport, path: str, query: Mapping[str, object], last_event_id: str) -> None:
        self._t = transport
        self._path = path
        self._query = query
        self._last = last_event_id
        self._again = 0.5  # seconds, until the server says otherwise
        self._heard = False
        self._response: Any = None
        self._over = threading.Event()

    def close(self) -> None:
        """Stops listening: whoever waits for an event is told that there is none."""
        self._over.set()
        response = self._response
        if response is not None:
            try:
                s = socket.socket(fileno=response.fileno())
                try:
                    s.shutdown(socket.SHUT_RDWR)  # which wakes a thread that reads
                finally:
                    s.detach()
            except (OSError, ValueError):
                pass  # it is closed already

    def frames(self) -> Generator[_Frame, None, None]:
        opened, failed = False, 0
        while not self._over.is_set():
            self._heard = False
            try:
                accept = "text/event-stream, application/problem+json"
                with self._t.open("GET", self._path, query=self._query, accept=accept, last_event_id=self._last) as response:
                    self._response, opened = response, True
                    yield from self._read(response)
            except Problem as p:
                if not opened or p.status not in (0, 429, 502, 503, 504):
                    raise
            finally:
                self._response = None
            if self._over.is_set():
                return
            failed = 0 if self._heard else failed
            self._t.wait(self._again * 2 ** min(failed, 10), self._over)
            failed += 1

    def _read(self, response: Any) -> Iterator[_Frame]:
        event, data = "message", ""
        while not self._over.is_set():
            try:
                line = cast(bytes, response.readline())
            except _LOST:
                return
            if not line.endswith(b"\n"):
                return
            text = line.decode().rstrip("\r\n")
            if text == "":
                self._heard = True
                if event == "ended":
                    said = json.loads(data)
                    raise Problem(404 if said["code"] == "not_found" else 401, said["code"], said["reason"])
                if data:
                    yield _Frame(event, data, self._last)
                event, data = "message", ""
                continue
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                event = value
            elif name == "data":
                data = data + "\n" + value if data else value
            elif name == "id":
                self._last = value
            elif name == "retry" and value.isdigit():
                self._again = int(value) / 1000


class Events(Generic[R, Id]):
    """What happens to rows: an iterator, to be used in a with, or closed. Another thread may close it."""

    def __init__(self, transport: Transport, path: str, query: Mapping[str, object], last_event_id: str) -> None:
        self._stream = Followed(transport, path, query, last_event_id)
        self._frames = self._stream.frames()

    def close(self) -> None:
        """Stops listening."""
        self._stream.close()

    def __enter__(self) -> Events[R, Id]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        self._frames.close()

    def __iter__(self) -> Events[R, Id]:
        return self

    def __next__(self) -> RowEvent[R, Id]:
        f = next(self._frames)
        return RowEvent(event_id=f.id, **json.loads(f.data))


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _problem(status: int, text: bytes, after: float | None) -> Problem:
    try:
        said = json.loads(text)
    except ValueError:  # something between us and the app has answered, in its own way
        said = {"detail": text[:500].decode(errors="replace")}
    body = cast("dict[str, Any]", said if isinstance(said, dict) else {})
    parts = [ProblemPart(**{name: p[name] for name in ("code", "pointer", "detail", "hint", "line") if name in p}) for p in body.get("errors", [])]
    return Problem(
        status,
        body.get("code", "unknown"),
        body.get("detail") or body.get("title") or f"the server answered with {status}",
        *(body.get(name, "") for name in ("hint", "model", "workflow", "node", "run_id", "request_id")),
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


def _matching(filter: object, sort: Names, search: str | None, include_deleted: bool | None, fields: Names) -> dict[str, Any]:
    return _given(
        filter=None if filter is None else _dumps(filter), sort=_names(sort), search=search, include_deleted=include_deleted, fields=_names(fields)
    )


def _page(
    filter: object, sort: Names, limit: int | None, offset: int | None, cursor: str | None, count: bool, search: str | None, include_deleted: bool | None
) -> dict[str, Any]:
    rest = _given(limit=limit, offset=offset, cursor=cursor, count="exact" if count else None)
    return {**_matching(filter, sort, search, include_deleted, None), **rest}


def _some(response: Any) -> bytes:
    """The next part of a file; nothing at its end."""
    lost: Exception | None = None
    try:
        part = cast(bytes, response.read(_PART))
        if part or not response.length:  # what is to come, if that is known
            return part
    except _LOST as e:
        lost = e
    raise Problem(0, "no_answer", "the answer was broken off") from lost


class _Rows(Generic[R, C, U, P, F, V, Id]):
    def __init__(self, transport: Transport, path: str) -> None:
        self._t = transport
        self._path = "/api/" + path

    def _row(self, id: Id) -> str:
        return self._path + "/" + urllib.parse.quote(str(id), safe="")

    def create(self, row: C, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Creates a row."""
        return cast(R, self._t.call("POST", self._path, body=row, prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write"))

    def read(self, id: Id) -> R:
        """Reads a row; a Problem with the code "not_found" says that there is none."""
        return cast(R, self._t.call("GET", self._row(id)))

    def read_if_changed(self, id: Id, etag: str = "") -> Tagged[R] | None:
        """Reads a row, unless it is as it was when it was given the tag: then there is None."""
        return cast("Tagged[R] | None", self._tagged(self._row(id), {}, etag))

    def _tagged(self, path: str, query: Mapping[str, object], etag: str) -> Tagged[Any] | None:
        with self._t.open("GET", path, query=query, if_none_match=etag) as response:
            if response.status == 304:
                return None
            return Tagged(json.loads(_whole(response)), response.headers.get("ETag", ""))

    def view(self, id: Id, *, fields: Names = None, expand: Names = None) -> V:
        """Reads some fields of a row, also behind relations ("customer.name"), or a row with rows of other models in it."""
        return cast(V, self._t.call("GET", self._row(id), query=_given(fields=_names(fields), expand=_names(expand))))

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
        query = _page(filter, sort, limit, offset, cursor, count, search, include_deleted)
        return Page(**self._t.call("GET", self._path, query=query))

    def list_if_changed(
        self,
        etag: str = "",
        *,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Tagged[Page[R]] | None:
        """A page of rows, unless it is as it was when it was given the tag: then there is None."""
        page = self._tagged(self._path, _page(filter, sort, limit, offset, cursor, count, search, include_deleted), etag)
        return None if page is None else Tagged(Page(**page.value), page.etag)

    def list_views(
        self,
        *,
        fields: Names = None,
        expand: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Page[V]:
        """A page of rows, or of some of their fields, with rows of other models in them."""
        query = _page(filter, sort, limit, offset, cursor, count, search, include_deleted)
        return Page(**self._t.call("GET", self._path, query={**query, **_given(fields=_names(fields), expand=_names(expand))}))

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
        return cast(Iterator[R], self.each_view(filter=filter, sort=sort, limit=limit, search=search, include_deleted=include_deleted))

    def each_view(
        self,
        *,
        fields: Names = None,
        expand: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Iterator[V]:
        """Every row that matches, as list_views has them, page after page."""
        cursor: str | None = None
        while True:
            page = self.list_views(
                fields=fields, expand=expand, filter=filter, sort=sort, limit=limit, search=search, include_deleted=include_deleted, cursor=cursor
            )
            yield from page.records
            cursor = page.next_cursor
            if cursor is None:
                return

    def _export(self, form: Literal["csv", "ndjson"], query: Mapping[str, object]) -> Any:
        return self._t.open("GET", self._path, query=query, accept=_FILE_TYPES[form])

    def export(
        self,
        form: Literal["csv", "ndjson"],
        to: IO[bytes],
        *,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        fields: Names = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> None:
        """Writes every row that matches, of one state of the database, to a file, as they come. A Problem says that not all have come."""
        with self._export(form, _matching(filter, sort, search, include_deleted, fields)) as response:
            while part := _some(response):
                to.write(part)

    def export_rows(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Iterator[R]:
        """Every row that matches, of one state of the database, as they come."""
        return cast(Iterator[R], self.export_views(filter=filter, sort=sort, search=search, include_deleted=include_deleted))

    def export_views(
        self,
        *,
        fields: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Iterator[V]:
        """Every row that matches, or some of its fields, of one state of the database, as they come."""
        with self._export("ndjson", _matching(filter, sort, search, include_deleted, fields)) as response:
            rest = b""
            while part := _some(response):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield cast(V, json.loads(line))

    def _import(self, file: _File, mode: str | None, conflict_on: Names, on_error: str | None, ignore: Names, **options: Any) -> Imported:
        query = _given(mode=mode, conflict_on=_names(conflict_on), on_error=on_error, ignore=_names(ignore))
        return Imported(**self._t.call("POST", self._path + "/import", query=query, file=file, kind="write", **options))

    def import_file(
        self,
        form: Literal["csv", "ndjson"],
        file: IO[bytes] | bytes,
        *,
        mode: Literal["insert", "upsert"] | None = None,
        conflict_on: Names = None,
        on_error: Literal["fail", "skip"] | None = None,
        ignore: Names = None,
        gzip: bool = False,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> Imported:
        """Imports a file of rows, in one transaction. What is wrong with a line is in errors of the Problem, with its number.

        A file that can't seek is not sent again. mode="upsert" changes rows
        that are there already, found by conflict_on; on_error="skip" leaves
        out lines that can't be imported, and tells of them; ignore names
        columns to pass over.
        """
        if isinstance(file, bytes):
            source, again = (lambda: iter([file])), True
        else:
            again = file.seekable()
            start = file.tell() if again else None
            source = lambda: _read_parts(file, start)  # noqa: E731
        return self._import(
            _File(form, source, packed=gzip, again=again), mode, conflict_on, on_error, ignore,
            idempotency_key=idempotency_key, prefer=_prefer(dry_run, max_affected),
        )

    def import_rows(
        self,
        rows: Iterable[C],
        *,
        mode: Literal["insert", "upsert"] | None = None,
        conflict_on: Names = None,
        on_error: Literal["fail", "skip"] | None = None,
        ignore: Names = None,
        gzip: bool = False,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        max_affected: int | None = None,
    ) -> Imported:
        """Imports rows, in one transaction. They are taken as they are sent; those of an iterator are not sent again."""
        again = not isinstance(rows, Iterator)
        return self._import(
            _File("ndjson", lambda: _lines_of(rows), packed=gzip, again=again), mode, conflict_on, on_error, ignore,
            idempotency_key=idempotency_key, prefer=_prefer(dry_run, max_affected),
        )

    def events(self, *, filter: F | Mapping[str, Any] | None = None, last_event_id: str = "") -> Events[R, Id]:
        """What happens to rows from now on, or from last_event_id on. A connection that is lost is made again where it was."""
        return Events(self._t, self._path + "/events", _given(filter=None if filter is None else _dumps(filter)), last_event_id)

    def event_views(self, *, fields: Names = None, filter: F | Mapping[str, Any] | None = None, last_event_id: str = "") -> Events[V, Id]:
        """What happens to rows, of which some fields are shown."""
        query = _given(filter=None if filter is None else _dumps(filter), fields=_names(fields))
        return Events(self._t, self._path + "/events", query, last_event_id)

    def count(self, *, filter: F | Mapping[str, Any] | None = None, search: str | None = None, include_deleted: bool | None = None) -> int:
        """How many rows match."""
        body = _given(filter=filter, search=search, include_deleted=include_deleted)
        return cast(int, self._t.call("POST", self._path + "/count", body=body, kind="read")["count"])

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
        return Upserted(**self._t.call("POST", self._path + "/upsert", body=body, prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write"))

    def _bulk(self, name: str, body: object, idempotency_key: str | None, dry_run: bool, max_affected: int | None) -> dict[str, Any]:
        answer = self._t.call("POST", f"{self._path}/{name}", body=body, prefer=_prefer(dry_run, max_affected), idempotency_key=idempotency_key, kind="write")
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
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> list[dict[str, Json]]:
        """Figures of all rows, or of groups of them."""
        body = _given(
            group_by=group_by, aggregates=aggregates, filter=filter, having=having, sort=sort, limit=limit, search=search, include_deleted=include_deleted
        )
        return cast("list[dict[str, Json]]", self._t.call("POST", self._path + "/aggregate", body=body, kind="read")["groups"])


class Rows(_Rows[R, C, U, P, F, V, Id]):
    """The rows of a model. R is a row, C one to create, U changes, P what a row is to be, F a filter, V what is shown of a row."""

    def update(self, id: Id, changes: U, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Changes fields of a row."""
        return cast(R, self._t.call("PATCH", self._row(id), body=changes, prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write"))

    def replace(self, id: Id, row: P, *, idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Replaces a row: what is left out gets its default, or null."""
        return cast(R, self._t.call("PUT", self._row(id), body=row, prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write"))

    def delete(self, id: Id, *, idempotency_key: str | None = None, dry_run: bool = False) -> None:
        """Deletes a row."""
        self._t.call("DELETE", self._row(id), prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write")


class VersionedRows(_Rows[R, C, U, P, F, V, Id]):
    """The rows of a versioned model: a change says which version it is of, by its version field, or "*" for any."""

    def update(self, id: Id, changes: U, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Changes fields of a row."""
        answer = self._t.call(
            "PATCH", self._row(id), body=changes, if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write"
        )
        return cast(R, answer)

    def replace(self, id: Id, row: P, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> R:
        """Replaces a row: what is left out gets its default, or null."""
        answer = self._t.call("PUT", self._row(id), body=row, if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write")
        return cast(R, answer)

    def delete(self, id: Id, *, version: int | Literal["*"], idempotency_key: str | None = None, dry_run: bool = False) -> None:
        """Deletes a row."""
        self._t.call("DELETE", self._row(id), if_match=_match(version), prefer=_prefer(dry_run), idempotency_key=idempotency_key, kind="write")


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
        frames = Followed(self._t, self._path(id) + "/events", {}, "").frames()
        for f in frames:
            if f.data == last:
                continue
            last = f.data
            run = cast(RunDetail, json.loads(f.data))
            yield run
            if run["status"] in ("completed", "failed", "cancelled"):
                frames.close()
                return

    def wait(self, id: str) -> Json:
        """Waits until a run has ended, and gives its outputs; a Problem says why there are none."""
        for run in self.events(id):
            status = run["status"]
            if status == "completed":
                return run.get("outputs")
            if status in ("failed", "cancelled"):
                error = run.get("error")
                if error is not None:
                    parts = [ProblemPart(p["code"], p["pointer"], p.get("detail", ""), p.get("hint", "")) for p in error.get("errors", [])]
                    raise Problem(0, error["code"], error["detail"], error.get("hint", ""), node=error.get("node", ""), run_id=id, errors=parts)
                raise Problem(0, "run_" + status, f"the run {id} is {status}", run_id=id)
        raise Problem(0, "no_answer", f"the run {id} can't be followed", run_id=id)


class _Given(Protocol):
    """What is given back to a step."""

    def done(self, result: Any) -> None: ...


class Step(Generic[T]):
    """One operation of a batch."""

    def __init__(self, id: str) -> None:
        self._id = id
        self._result: list[T] = []

    def ref(self, *path: str) -> Any:
        """Stands, in a later operation, for a part of what this one gives: who.ref("id")."""
        return {"$ref": ".".join((self._id, *path))}

    def done(self, result: Any) -> None:
        """Takes over what the operation gave."""
        self._result = [cast(T, result)]

    @property
    def result(self) -> T:
        """What the operation gave, once the batch has been sent."""
        if not self._result:
            raise RuntimeError("the batch has not been done: send() it first")
        return self._result[0]


class _PageStep(Step[Page[R]]):
    def done(self, result: Any) -> None:
        super().done(Page(**result))


class _Made(Step[T]):
    """A step whose result is made by a class."""

    def __init__(self, id: str, make: Callable[..., T]) -> None:
        super().__init__(id)
        self._make = make

    def done(self, result: Any) -> None:
        super().done(self._make(**result))


class Steps:
    """Gathers the operations of a batch."""

    def __init__(self, transport: Transport) -> None:
        self._t = transport
        self._operations: list[dict[str, Any]] = []
        self._steps: list[_Given] = []
        self._sent = False

    def next_id(self) -> str:
        return f"s{len(self._steps) + 1}"

    def add(self, step: _Given, model: str, op: str, args: object) -> None:
        self._operations.append({"id": self.next_id(), "model": model, "op": op, "args": args})
        self._steps.append(step)

    def send(self, *, idempotency_key: str | None = None, dry_run: bool = False, max_affected: int | None = None) -> None:
        """Does all operations in one transaction, or none: then a Problem says why, with pointers such as /operations/1/args/email."""
        if self._sent:
            raise RuntimeError("the batch has been done: begin another")
        body = {"operations": self._operations}
        answer = self._t.call("POST", "/api/batch", body=body, kind="write", idempotency_key=idempotency_key, prefer=_prefer(dry_run, max_affected))
        self._sent = True
        for step, r in zip(self._steps, answer["results"]):
            step.done(r["result"])


class Deleted(TypedDict):
    id: Any
    deleted: bool


class Counted(TypedDict):
    count: int


class Aggregated(TypedDict):
    groups: list[dict[str, Json]]


class _BatchRows(Generic[R, C, U, F, V, Id]):
    def __init__(self, steps: Steps, model: str) -> None:
        self._steps = steps
        self._model = model

    def _add(self, op: str, args: object) -> Step[Any]:
        step: Step[Any] = Step(self._steps.next_id())
        self._steps.add(step, self._model, op, args)
        return step

    def _made(self, op: str, make: Callable[..., T], **args: object) -> Step[T]:
        step = _Made(self._steps.next_id(), make)
        self._steps.add(step, self._model, op, _given(**args))
        return step

    def create(self, row: C) -> Step[R]:
        """Creates a row."""
        return self._add("create", row)

    def read(self, id: Id) -> Step[R]:
        """Reads a row."""
        return self._add("read", {"id": id})

    def view(self, id: Id, *, fields: Names = None, expand: Names = None) -> Step[V]:
        """Reads some fields of a row, also behind relations ("customer.name"), or a row with rows of other models in it."""
        return self._add("read", _given(id=id, fields=fields, expand=expand))

    def _page(self, **args: object) -> Step[Page[Any]]:
        step: _PageStep[Any] = _PageStep(self._steps.next_id())
        self._steps.add(step, self._model, "list", _given(**args))
        return step

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
    ) -> Step[Page[R]]:
        """Reads a page of rows."""
        return self._page(
            filter=filter, sort=sort, limit=limit, offset=offset, cursor=cursor, count=count or None, search=search, include_deleted=include_deleted
        )

    def list_views(
        self,
        *,
        fields: Names = None,
        expand: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Step[Page[V]]:
        """Reads a page of rows, or of some of their fields, with rows of other models in them."""
        return self._page(
            fields=fields, expand=expand, filter=filter, sort=sort, limit=limit, offset=offset, cursor=cursor, count=count or None,
            search=search, include_deleted=include_deleted,
        )

    def upsert(self, *, where: Mapping[str, Any], create: Mapping[str, Any] | None = None, update: U | None = None) -> Step[Upserted[R]]:
        """Updates the row that where finds, or creates it."""
        make: Callable[..., Upserted[R]] = Upserted
        return self._made("upsert", make, where=where, create=create, update=update)

    def count(self, *, filter: F | Mapping[str, Any] | None = None, search: str | None = None, include_deleted: bool | None = None) -> Step[Counted]:
        """Counts the rows that match."""
        return self._add("count", _given(filter=filter, search=search, include_deleted=include_deleted))

    def aggregate(
        self,
        aggregates: Mapping[str, Mapping[str, Any]],
        *,
        group_by: Names = None,
        filter: F | Mapping[str, Any] | None = None,
        having: Mapping[str, Any] | None = None,
        sort: Names = None,
        limit: int | None = None,
        search: str | None = None,
        include_deleted: bool | None = None,
    ) -> Step[Aggregated]:
        """Works out figures of all rows, or of groups of them."""
        args = _given(
            group_by=group_by, aggregates=aggregates, filter=filter, having=having, sort=sort, limit=limit, search=search, include_deleted=include_deleted
        )
        return self._add("aggregate", args)

    def bulk_create(self, data: Sequence[C], *, on_error: Literal["fail", "skip"] | None = None, return_ids: bool | None = None) -> Step[BulkCreated[Id]]:
        make: Callable[..., BulkCreated[Id]] = BulkCreated
        return self._made("bulk_create", make, data=data, on_error=on_error, return_ids=return_ids)

    def bulk_update(
        self,
        *,
        filter: F | Mapping[str, Any] | None = None,
        ids: Sequence[Id] | None = None,
        fields: U | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        confirm_all: bool | None = None,
    ) -> Step[BulkUpdated[Id]]:
        make: Callable[..., BulkUpdated[Id]] = BulkUpdated
        return self._made("bulk_update", make, filter=filter, ids=ids, fields=fields, data=data, confirm_all=confirm_all)

    def bulk_delete(
        self, *, filter: F | Mapping[str, Any] | None = None, ids: Sequence[Id] | None = None, confirm_all: bool | None = None
    ) -> Step[BulkDeleted[Id]]:
        make: Callable[..., BulkDeleted[Id]] = BulkDeleted
        return self._made("bulk_delete", make, filter=filter, ids=ids, confirm_all=confirm_all)

    def bulk_upsert(
        self, data: Sequence[Mapping[str, Any]], *, conflict_on: Sequence[str], on_error: Literal["fail", "skip"] | None = None
    ) -> Step[BulkUpserted]:
        return self._made("bulk_upsert", BulkUpserted, data=data, conflict_on=conflict_on, on_error=on_error)


class BatchRows(_BatchRows[R, C, U, F, V, Id]):
    """What can be done in a batch with the rows of a model."""

    def update(self, id: Id, changes: U) -> Step[R]:
        """Changes fields of a row."""
        return self._add("update", {"id": id, "fields": changes})

    def delete(self, id: Id) -> Step[Deleted]:
        """Deletes a row."""
        return self._add("delete", {"id": id})


class VersionedBatchRows(_BatchRows[R, C, U, F, V, Id]):
    """What can be done in a batch with the rows of a versioned model."""

    def update(self, id: Id, changes: U, *, version: int | Literal["*"]) -> Step[R]:
        """Changes fields of a row."""
        return self._add("update", {"id": id, "fields": changes, "version": None if version == "*" else version})

    def delete(self, id: Id, *, version: int | Literal["*"]) -> Step[Deleted]:
        """Deletes a row."""
        return self._add("delete", {"id": id, "version": None if version == "*" else version})


_Kind = Literal["read", "write", "call"]


class Workflow(Generic[I, O]):
    """A workflow that runs within the request."""

    def __init__(self, transport: Transport, name: str, kind: _Kind) -> None:
        self._t = transport
        self._path = f"/workflows/{name}/execute"
        self._kind: _Kind = kind

    def __call__(self, inputs: I, *, idempotency_key: str | None = None) -> O:
        return cast(O, self._t.call("POST", self._path, body={"inputs": inputs}, kind=self._kind, idempotency_key=idempotency_key)["outputs"])


class KeptWorkflow(Generic[I, O]):
    """A workflow whose runs can be kept: run it and wait for its outputs, or start it and look later."""

    def __init__(self, transport: Transport, runs: Runs, name: str, kind: _Kind) -> None:
        self._t = transport
        self._runs = runs
        self._path = f"/workflows/{name}/execute"
        self._kind: _Kind = kind

    def __call__(self, inputs: I, *, idempotency_key: str | None = None) -> O:
        run = self._t.call("POST", self._path, body={"inputs": inputs}, kind=self._kind, idempotency_key=idempotency_key)
        if run["status"] == "completed":
            return cast(O, run["outputs"])
        return cast(O, self._runs.wait(run["run_id"]))

    def start(self, inputs: I, *, idempotency_key: str | None = None) -> str:
        """Answers with the id of the run as soon as it is kept: runs.wait gives its outputs, runs.events what becomes of it."""
        run = self._t.call("POST", self._path, body={"inputs": inputs}, prefer=["respond-async"], kind="write", idempotency_key=idempotency_key)
        return cast(str, run["run_id"])
