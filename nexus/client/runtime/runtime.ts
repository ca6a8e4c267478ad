// What every generated client is made with: requests, retries, pages, runs.
// It needs fetch, and nothing else: Node 20, Deno, Bun or a browser.

/**
 * A 64-bit integer. It is a number where a number can hold it, and a bigint
 * beyond 2^53, so that no digit is ever lost. Number(n) makes it one for
 * arithmetic, where the values are known to be small.
 */
export type Int = number | bigint;

/** An exact decimal, as text: "19.90". No digit of it is ever lost. */
export type Decimal = string;

/** A moment, as RFC 3339 text in UTC. new Date(x) reads it. */
export type DateTime = string;

/** Any JSON. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [name: string]: Json };

/** One thing wrong with one part of the input. */
export interface ProblemPart {
  readonly code: string;
  readonly pointer: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Of a file that is imported: the line that it is in. */
  readonly line?: number;
}

/** What went wrong, as the server says it (RFC 9457). */
export class Problem extends Error {
  override readonly name = "Problem";
  /** The HTTP status; 0 if there was no answer that could be read. */
  readonly status: number;
  /** What went wrong, for programs: "not_found", "unique_violation", … */
  readonly code: string;
  readonly hint: string | undefined;
  readonly model: string | undefined;
  readonly workflow: string | undefined;
  readonly node: string | undefined;
  /** The durable run that this is about. */
  readonly runId: string | undefined;
  readonly requestId: string | undefined;
  /** Every part of the input that is wrong. */
  readonly errors: readonly ProblemPart[];
  /** Seconds to wait before it is worth trying again. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: Record<string, unknown>, retryAfter?: number, cause?: unknown) {
    const text = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : undefined);
    const errors = Array.isArray(body["errors"]) ? (body["errors"] as ProblemPart[]) : [];
    super([text("detail") ?? text("title") ?? `the server answered with ${status}`, ...told(errors)].join("; "), { cause });
    this.status = status;
    this.code = text("code") ?? "unknown";
    this.hint = text("hint");
    this.model = text("model");
    this.workflow = text("workflow");
    this.node = text("node");
    this.runId = text("run_id");
    this.requestId = text("request_id");
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

/** What the text of a problem says of its parts. */
function told(errors: readonly ProblemPart[]): string[] {
  const parts = errors.slice(0, 5).map((p) => `${p.pointer || "/"}${p.line ? ` in line ${p.line}` : ""}: ${p.detail ?? p.code}`);
  return errors.length > 5 ? [...parts, `and ${errors.length - 5} more`] : parts;
}

export interface ClientOptions {
  /** Where the app is served: "http://127.0.0.1:8000". */
  url: string;
  /** An API key or a token, or what gives one for each request. */
  key?: string | (() => string | Promise<string>);
  /** Whose rows to work on, where models keep tenants apart. */
  tenant?: string;
  /** Headers to send with every request. */
  headers?: Record<string, string>;
  /** How often to try again after 429 and 503, and after a lost connection where that is safe; 3 if left out. */
  retries?: number;
  /** The longest wait before trying again, in ms; 30 s if left out. */
  maxWait?: number;
  /** How long an answer may take, in ms; 60 s if left out. Files and events may take any time. */
  timeout?: number;
  /** Send every write with an idempotency key of its own, so that it is sent again too where a connection is lost. */
  autoKeys?: boolean;
  /** Waits before a request is sent again; by the clock if left out. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  fetch?: typeof fetch;
}

export interface CallOptions {
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export interface WriteOptions extends CallOptions {
  /** Repeating a request with the same key repeats the answer, not the effect. */
  idempotencyKey?: string;
  /** Do everything and keep nothing. */
  dryRun?: boolean;
}

export interface BulkOptions extends WriteOptions {
  /** Refuse to touch more rows than that. */
  maxAffected?: number;
}

/** The version that a row must have, from its version field, or "*" for any. */
export interface VersionOptions {
  version: Int | "*";
}

export interface Operators<T> {
  $eq?: T | null;
  $ne?: T | null;
  $gt?: T;
  $gte?: T;
  $lt?: T;
  $lte?: T;
  $in?: readonly (T | null)[];
  $nin?: readonly (T | null)[];
  $between?: readonly [T, T];
  $like?: string;
  $ilike?: string;
  $contains?: T extends readonly (infer E)[] ? E : string;
  $startswith?: string;
  $endswith?: string;
  $regex?: string;
  $exists?: boolean;
  $null?: boolean;
}

/** A filter on these fields, and by paths through references: "customer.email". */
export type Filter<F> = { [K in keyof F]?: F[K] | null | Operators<NonNullable<F[K]>> | (K extends keyof Object ? Function : never) } & {
  $and?: readonly Filter<F>[];
  $or?: readonly Filter<F>[];
  $not?: Filter<F>;
} & { [path: `${string}.${string}`]: unknown };

/** A reference that rows can be expanded by: R is a row that it leads to. */
export interface One<R, Rel> {
  readonly one: [R, Rel];
}

/** What refers to a row, and can be shown in it: R is such a row. */
export interface Many<R, Rel> {
  readonly many: [R, Rel];
}

/** A field of a row, or one behind relations: "customer.name". */
export type FieldPath<R, Rel> = (keyof R & string) | `${keyof Rel & string}.${string}`;

/** A relation of a row, or one behind another: "customer.region". */
export type RelationPath<Rel> = (keyof Rel & string) | `${keyof Rel & string}.${string}`;

/** Which fields are shown, and which rows of other models are shown in a row. */
export interface ShowOptions<F extends string, E extends string> {
  /** Fields to show, also behind relations: ["status", "customer.name"]. The id is always there. */
  fields?: F | readonly F[];
  /** Relations to show the rows of: ["customer", "lines.product"]. */
  expand?: E | readonly E[];
}

type Head<P> = P extends `${infer H}.${string}` ? H : P;
type Through<P> = P extends `${infer H}.${string}` ? H : never;
type Tail<P, H> = P extends `${H & string}.${infer T}` ? T : never;
type Led<X, F, E> = X extends One<infer R, infer Rel> ? Shown<R, Rel, F, E> | null : X extends Many<infer R, infer Rel> ? { records: Shown<R, Rel, F, E>[]; has_more: boolean } : never;

/** A row as it is shown: with the fields F, and the relations E expanded. */
export type Shown<R, Rel, F, E> = [F, E] extends [never, never]
  ? R
  : {
      [K in keyof R as K extends keyof Rel & (Through<F> | Head<E>) ? never : [F] extends [never] ? K : K extends "id" | F ? K : never]: R[K];
    } & { [K in keyof Rel & (Through<F> | Head<E>)]: Led<Rel[K], Tail<F, K>, Tail<E, K>> };

/** An answer, and the tag by which it is known whether there is another by now. */
export interface Tagged<T> {
  readonly value: T;
  /** "" where there is no telling: it is always read anew. */
  readonly etag: string;
}

/** What happened to a row, from where the listener stands. */
export type RowEvent<R, Id> =
  | {
      /** created: the row came into what is followed. updated: it changed in it. */
      event: "created" | "updated";
      id: Id;
      /** null where a function of the app fails on the row. */
      record: R | null;
      /** Where to go on from later: lastEventId. */
      eventId: string;
    }
  /** The row left what is followed: it is gone, matches no more, or may not be seen any more. */
  | { event: "deleted"; id: Id; eventId: string }
  /** What happened in between is not kept any more: read the rows again. */
  | { event: "reset"; reason: string; eventId: string };

export interface EventOptions<F, S extends string> extends CallOptions {
  /** Which rows to follow, by fields of their own. */
  filter?: F;
  /** Fields to show. */
  fields?: S | readonly S[];
  /** The eventId of the last event that was heard: those since are told first. */
  lastEventId?: string;
}

export interface ExportOptions<F, S extends string> extends CallOptions {
  filter?: F;
  sort?: string | readonly string[];
  /** Fields to show. */
  fields?: S | readonly S[];
  search?: string;
  includeDeleted?: boolean;
}

export interface ImportOptions extends BulkOptions {
  /** upsert changes rows that are there already; insert, if left out, refuses them. */
  mode?: "insert" | "upsert";
  /** The fields by which an upsert finds rows. */
  conflictOn?: string | readonly string[];
  /** skip leaves out lines that can't be imported, and tells of them; fail, if left out, then imports nothing. */
  onError?: "fail" | "skip";
  /** Columns to pass over. */
  ignore?: string | readonly string[];
  /** Send the file packed. */
  gzip?: boolean;
}

/** A file of rows. Browsers send no streams: there one is gathered before it is sent, and so is what is packed. */
export type ImportFile = Blob | string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;

export interface LineError {
  line: number;
  code: string;
  message: string;
  problems: ProblemPart[];
}

export interface Imported {
  processed: number;
  inserted: number;
  updated?: number;
  /** Lines that were left out, and why, for the first thousand. */
  skipped?: number;
  errors?: LineError[];
  errors_left_off?: number;
}

export interface ListOptions<F> extends CallOptions {
  filter?: F;
  sort?: string | readonly string[];
  /** Rows in a page. */
  limit?: number;
  offset?: number;
  /** next_cursor of the page before. */
  cursor?: string;
  /** Also count every match, as total. */
  count?: boolean;
  /** Words to look for in the searchable fields. */
  search?: string;
  includeDeleted?: boolean;
}

export interface Page<R> {
  records: R[];
  count: number;
  total?: number;
  limit: number;
  offset?: number;
  next_cursor?: string;
  has_more: boolean;
}

export interface Upserted<R> {
  record: R;
  created: boolean;
  action: "created" | "updated" | "unchanged";
}

export interface RowError {
  index: number;
  code: string;
  message: string;
  problems: ProblemPart[];
}

/** What becomes of rows that are refused: all are, or they are left out and told of. */
export interface Refusing {
  onError?: "fail" | "skip";
  /** @deprecated as onError */
  on_error?: "fail" | "skip";
}

/** Whether every row is meant, where neither filter nor ids is given. */
export interface Confirmed {
  confirmAll?: boolean;
  /** @deprecated as confirmAll */
  confirm_all?: boolean;
}

export interface BulkCreateArgs<C> extends Refusing {
  data: readonly C[];
  /** Answer with the ids of the rows. */
  returnIds?: boolean;
  /** @deprecated as returnIds */
  return_ids?: boolean;
}

export interface BulkUpdateArgs<F, U, Id> extends Confirmed {
  filter?: F;
  ids?: readonly Id[];
  /** For every row the same. */
  fields?: U;
  /** Instead: rows with their ids, and their own values. */
  data?: readonly (U & { id: Id })[];
}

export interface BulkDeleteArgs<F, Id> extends Confirmed {
  filter?: F;
  ids?: readonly Id[];
}

/** conflictOn names the fields by which a row that is there is found. */
export type BulkUpsertArgs<C> = Refusing & { data: readonly C[] } & (
    | { conflictOn: readonly string[] }
    | {
        /** @deprecated as conflictOn */
        conflict_on: readonly string[];
      }
  );

export interface BulkCreated<Id> {
  processed: number;
  inserted: number;
  ids?: Id[];
  errors?: RowError[];
}

export interface BulkUpdated<Id> {
  processed: number;
  updated: number;
  missing?: Id[];
}

export interface BulkDeleted<Id> {
  processed: number;
  deleted: number;
  missing?: Id[];
}

export interface BulkUpserted {
  processed: number;
  upserted: number;
  inserted: number;
  updated: number;
  errors?: RowError[];
}

export interface Figure {
  $count?: boolean | string;
  $sum?: string;
  $avg?: string;
  $min?: string;
  $max?: string;
  [figure: string]: unknown;
}

/** Which rows are looked at, besides those of a filter. */
export interface Searched {
  /** Words to look for in the searchable fields. */
  search?: string;
  includeDeleted?: boolean;
  /** @deprecated as includeDeleted */
  include_deleted?: boolean;
}

export interface CountQuery<F> extends Searched {
  filter?: F;
}

export interface AggregateQuery<F> extends Searched {
  groupBy?: string | readonly string[];
  /** @deprecated as groupBy */
  group_by?: string | readonly string[];
  aggregates: Record<string, Figure>;
  filter?: F;
  having?: Record<string, unknown>;
  sort?: string | readonly string[];
  limit?: number;
}

/** How a durable run stands. */
export type RunStatus = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled";

export interface RunError {
  code: string;
  detail: string;
  node?: string;
  hint?: string;
  /** The place in the app's files. */
  location?: string;
  /** Every part of what the node was given that is wrong. */
  errors?: ProblemPart[];
}

export interface RunStep {
  step: string;
  state: "done" | "skipped" | "failed" | "waiting" | "undone";
  attempts: number;
  started_at: DateTime;
  ended_at?: DateTime;
  input?: Json;
  waits_for?: Json;
  output?: Json;
  error?: RunError;
}

export interface Run {
  run_id: string;
  workflow: string;
  status: RunStatus;
  created_at: DateTime;
  updated_at: DateTime;
  waits_for?: string;
  cancelling?: boolean;
  wakes_at?: DateTime;
  origin?: string;
  parent?: string;
  ended_at?: DateTime;
  error?: RunError;
}

export interface RunDetail extends Run {
  inputs: Record<string, Json>;
  outputs?: Json;
  steps: RunStep[];
}

export interface RunPage {
  runs: Run[];
  count: number;
  has_more: boolean;
  next_cursor?: string;
}

/** Whether a request can be sent twice without harm: a read can, a write with a key, and of "call" nobody knows. */
type Kind = "read" | "write" | "call";

/** One request, as the methods of the client word it. */
interface Call extends CallOptions {
  query?: Record<string, unknown>;
  body?: unknown;
  prefer?: string[];
  idempotencyKey?: string;
  ifMatch?: string;
  ifNoneMatch?: string | undefined;
  floats?: readonly string[];
  /** What the answer is to be, if not JSON. It may take any time. */
  accept?: string;
  lastEventId?: string;
  kind?: Kind;
  /** A body that is no JSON; made anew each time that the request is sent. */
  file?: { type: string; gzip: boolean; once: boolean; open: () => ImportFile };
}

const events = "text/event-stream, application/problem+json";

/** How long a stream of events may say nothing, in ms: the server says something every 15 s. */
const silence = 45_000;

const longInteger = /\d{16}/;
const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Random text. crypto.randomUUID is not there on pages that came without TLS. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** JSON.parse, but that integers which no number can hold become bigints. */
export function parseJson(text: string, floats: readonly string[] = []): unknown {
  if (!longInteger.test(text)) return JSON.parse(text);
  const mark = randomKey();
  const marked = text.replace(token, (t) =>
    t[0] !== '"' && /^-?\d+$/.test(t) && !Number.isSafeInteger(Number(t)) ? `"${mark}${t}"` : t,
  );
  return JSON.parse(marked, (name, v: unknown) =>
    typeof v === "string" && v.startsWith(mark) ? (floats.includes(name) ? Number(v.slice(mark.length)) : BigInt(v.slice(mark.length))) : v,
  );
}

/** JSON.stringify, but that bigints are written as the integers they are. */
export function formatJson(value: unknown): string {
  let marks = 0;
  const mark = randomKey();
  const text = JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? (marks++, `${mark}${v}`) : v)) ?? "null";
  return marks === 0 ? text : text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
}

export class Transport {
  readonly #options: ClientOptions;
  readonly #url: string;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = options.url.replace(/\/+$/, "");
  }

  async call<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const response = await this.send(method, path, call);
    const text = await response.text();
    return (text === "" ? undefined : parseJson(text, call.floats)) as T;
  }

  /** Sends a request, again if that is worth it, and refuses answers that are no success. */
  async send(method: string, path: string, call: Call): Promise<Response> {
    const retries = call.file?.once ? 0 : (this.#options.retries ?? 3);
    if (call.kind === "write" && this.#options.autoKeys && call.idempotencyKey === undefined) call = { ...call, idempotencyKey: randomKey() };
    // Repeating these has no other effect than doing them once.
    const safe = method === "GET" || call.kind === "read" || call.idempotencyKey !== undefined;
    for (let attempt = 0; ; attempt++) {
      let response: Response;
      try {
        response = await this.#once(method, path, call);
      } catch (cause) {
        if (call.signal?.aborted) throw cause;
        if (!safe || attempt >= retries) {
          throw new Problem(0, { code: "no_answer", detail: `there is no answer from ${this.#url}` }, undefined, cause);
        }
        await this.wait(2 ** attempt * 0.1, call.signal);
        continue;
      }
      if (response.ok || response.status === 304) return response;
      const after = Number(response.headers.get("Retry-After") ?? NaN);
      const problem = new Problem(response.status, problemOf(await response.text()), Number.isFinite(after) ? after : undefined);
      // Nothing has happened where the server says so by these, or the first try with the key is still under way.
      const again = problem.status === 429 || problem.status === 503 || problem.code === "idempotency_in_flight";
      if (!again || attempt >= retries) throw problem;
      await this.wait(problem.retryAfter ?? 2 ** attempt * 0.5, call.signal);
    }
  }

  async #once(method: string, path: string, call: Call): Promise<Response> {
    const o = this.#options;
    const headers = new Headers({ Accept: call.accept ?? "application/json", ...o.headers, ...call.headers });
    const set = (name: string, value: string | undefined) => value !== undefined && headers.set(name, value);
    const key = typeof o.key === "function" ? await o.key() : o.key;
    set("Authorization", key && `Bearer ${key}`);
    set("X-Tenant-ID", o.tenant);
    set("Idempotency-Key", call.idempotencyKey);
    set("If-Match", call.ifMatch);
    set("If-None-Match", call.ifNoneMatch || undefined);
    set("Last-Event-ID", call.lastEventId || undefined);
    set("Prefer", call.prefer?.join(", ") || undefined);
    const query = new URLSearchParams();
    for (const [name, v] of Object.entries(call.query ?? {})) if (v !== undefined) query.set(name, String(v));
    const init: RequestInit & { duplex?: "half" } = { method, headers };
    if (call.file) {
      let body = call.file.open();
      headers.set("Content-Type", call.file.type);
      if (call.file.gzip) {
        headers.set("Content-Encoding", "gzip");
        body = (body instanceof ReadableStream ? body : new Blob([body]).stream()).pipeThrough(new CompressionStream("gzip")) as ReadableStream<Uint8Array<ArrayBuffer>>;
      }
      // Browsers send streams by HTTP/2 alone, if at all: there it is gathered first.
      if (body instanceof ReadableStream && inBrowser()) body = await new Response(body).blob();
      init.body = body;
      if (body instanceof ReadableStream) init.duplex = "half";
    } else if (call.body !== undefined) {
      headers.set("Content-Type", "application/json");
      init.body = formatJson(call.body);
    }
    const anyTime = call.accept !== undefined || call.file !== undefined;
    const signals = [call.signal, anyTime ? undefined : AbortSignal.timeout(o.timeout ?? 60_000)].filter((s) => s !== undefined);
    if (signals.length > 0) init.signal = signals.length === 1 ? signals[0]! : AbortSignal.any(signals);
    const text = query.toString();
    return (o.fetch ?? fetch)(this.#url + path + (text && "?" + text), init);
  }

  wait(seconds: number, signal?: AbortSignal): Promise<void> {
    return (this.#options.sleep ?? sleep)(Math.min(seconds * 1000, this.#options.maxWait ?? 30_000), signal);
  }

  /**
   * The events of a stream. A connection that is lost, or silent for too long,
   * is made again where it was, after ever longer waits. It ends when the
   * caller stops listening, or the server says that coming again is of no use.
   */
  async *follow(path: string, call: Call, lastEventId = ""): AsyncGenerator<StreamEvent, void, undefined> {
    let opened = false;
    let again = 0.5; // seconds, until the server says otherwise
    for (let failed = 0; ; failed++) {
      const quiet = new AbortController();
      const signal = call.signal ? AbortSignal.any([call.signal, quiet.signal]) : quiet.signal;
      try {
        const response = await this.send("GET", path, { ...call, signal, accept: events, lastEventId });
        opened = true;
        for await (const e of eventsOf(response, quiet)) {
          failed = 0;
          lastEventId = e.id ?? lastEventId;
          again = e.retry ?? again;
          if (e.event === "ended" && e.data !== undefined) {
            const { code, reason } = parseJson(e.data) as Record<string, unknown>;
            throw new Problem(code === "not_found" ? 404 : 401, { code, detail: reason });
          }
          if (e.data !== undefined) yield { event: e.event ?? "message", data: e.data, id: lastEventId };
        }
      } catch (cause) {
        call.signal?.throwIfAborted();
        if (!opened || (cause instanceof Problem && ![0, 429, 502, 503, 504].includes(cause.status))) throw cause;
      } finally {
        quiet.abort();
      }
      await this.wait(again * 2 ** Math.min(failed, 10), call.signal);
    }
  }
}

interface StreamEvent {
  event: string;
  data: string;
  id: string;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal?.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), ms);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}

function problemOf(text: string): Record<string, unknown> {
  try {
    const v: unknown = JSON.parse(text);
    if (typeof v === "object" && v !== null) return v as Record<string, unknown>;
  } catch {
    // Something between us and the app has answered, in its own way.
  }
  return { detail: text.slice(0, 500) || undefined };
}

/** What the arguments of an operation are called by it. */
const onTheWire = new Map([
  ["includeDeleted", "include_deleted"],
  ["groupBy", "group_by"],
  ["onError", "on_error"],
  ["returnIds", "return_ids"],
  ["confirmAll", "confirm_all"],
  ["conflictOn", "conflict_on"],
]);

/** The arguments of an operation as it takes them. */
function asked(args: object): object {
  return Object.fromEntries(Object.entries(args).map(([name, v]) => [onTheWire.get(name) ?? name, v]));
}

function list(names: string | readonly string[] | undefined): string | undefined {
  return names === undefined || typeof names === "string" ? names : names.join(",");
}

function matching<F>(o: ExportOptions<F, string>): Record<string, unknown> {
  return { filter: o.filter && formatJson(o.filter), sort: list(o.sort), search: o.search, include_deleted: o.includeDeleted, fields: list(o.fields) };
}

function writing(o: WriteOptions & { maxAffected?: number; version?: Int | "*" } = {}): Call {
  const prefer: string[] = [];
  if (o.dryRun) prefer.push("tx=rollback");
  if (o.maxAffected !== undefined) prefer.push(`max-affected=${o.maxAffected}`);
  const call: Call = { prefer, kind: "write" };
  if (o.signal) call.signal = o.signal;
  if (o.headers) call.headers = o.headers;
  if (o.idempotencyKey !== undefined) call.idempotencyKey = o.idempotencyKey;
  if (o.version !== undefined) call.ifMatch = o.version === "*" ? "*" : `"${o.version}"`;
  return call;
}

type Versioned<V, O> = V extends true ? [options: O & VersionOptions] : [options?: O];

/** The rows of a model. R is a row, C one to create, U changes, P what a row is to be, F a filter, Rel its relations. */
export class Rows<R, C, U, P, F, Id extends Int | string, V extends boolean, Rel> {
  readonly #t: Transport;
  readonly #path: string;
  readonly #floats: readonly string[];

  constructor(t: Transport, path: string, floats: readonly string[] = []) {
    this.#t = t;
    this.#path = "/api/" + path;
    this.#floats = floats;
  }

  #call<T>(method: string, suffix: string, call: Call): Promise<T> {
    return this.#t.call<T>(method, this.#path + suffix, { ...call, floats: this.#floats });
  }

  #row(id: Id): string {
    return "/" + encodeURIComponent(String(id));
  }

  /** Creates a row. */
  create(row: C, options?: WriteOptions): Promise<R> {
    return this.#call("POST", "", { ...writing(options), body: row });
  }

  /** Reads a row, or some of its fields, with rows of other models in it; a Problem with the code "not_found" says that there is none. */
  read<const S extends FieldPath<R, Rel> = never, const E extends RelationPath<Rel> = never>(id: Id, options: CallOptions & ShowOptions<S, E> = {}): Promise<Shown<R, Rel, S, E>> {
    const { fields, expand, ...call } = options;
    return this.#call("GET", this.#row(id), { ...call, query: { fields: list(fields), expand: list(expand) } });
  }

  /** Reads a row, unless it is as it was when it was given the tag; undefined if it is. */
  readIfChanged(id: Id, etag?: string, options: CallOptions = {}): Promise<Tagged<R> | undefined> {
    return this.#tagged(this.#row(id), { ...options, ifNoneMatch: etag });
  }

  async #tagged<T>(suffix: string, call: Call): Promise<Tagged<T> | undefined> {
    const response = await this.#t.send("GET", this.#path + suffix, call);
    if (response.status === 304) return undefined;
    return { value: parseJson(await response.text(), this.#floats) as T, etag: response.headers.get("ETag") ?? "" };
  }

  /** Changes fields of a row. */
  update(id: Id, changes: U, ...options: Versioned<V, WriteOptions>): Promise<R> {
    return this.#call("PATCH", this.#row(id), { ...writing(options[0]), body: changes });
  }

  /** Replaces a row: what is left out gets its default, or null. */
  replace(id: Id, row: P, ...options: Versioned<V, WriteOptions>): Promise<R> {
    return this.#call("PUT", this.#row(id), { ...writing(options[0]), body: row });
  }

  /** Deletes a row. */
  delete(id: Id, ...options: Versioned<V, WriteOptions>): Promise<void> {
    return this.#call("DELETE", this.#row(id), writing(options[0]));
  }

  #page(options: ListOptions<F> & ShowOptions<string, string>): Call {
    const { filter: _, sort: __, limit, offset, cursor, count, search: ___, includeDeleted: ____, fields: _____, expand, ...call } = options;
    return { ...call, query: { ...matching(options as ExportOptions<F, string>), limit, offset, cursor, count: count ? "exact" : undefined, expand: list(expand) } };
  }

  /** A page of rows, or of some of their fields, with rows of other models in them. */
  list<const S extends FieldPath<R, Rel> = never, const E extends RelationPath<Rel> = never>(options: ListOptions<F> & ShowOptions<S, E> = {}): Promise<Page<Shown<R, Rel, S, E>>> {
    return this.#call("GET", "", this.#page(options));
  }

  /** A page of rows, unless it is as it was when it was given the tag; undefined if it is. */
  listIfChanged(etag: string | undefined, options: ListOptions<F> = {}): Promise<Tagged<Page<R>> | undefined> {
    return this.#tagged("", { ...this.#page(options), ifNoneMatch: etag });
  }

  /** Every row that matches, page after page. */
  async *each<const S extends FieldPath<R, Rel> = never, const E extends RelationPath<Rel> = never>(
    options: Omit<ListOptions<F>, "cursor" | "count"> & ShowOptions<S, E> = {},
  ): AsyncGenerator<Shown<R, Rel, S, E>, void, undefined> {
    let next: ListOptions<F> & ShowOptions<S, E> = options;
    for (;;) {
      const page = await this.list(next);
      yield* page.records;
      if (page.next_cursor === undefined) return;
      const { offset: _, ...rest } = options;
      next = { ...rest, cursor: page.next_cursor } as ListOptions<F> & ShowOptions<S, E>;
    }
  }

  /** What happens to rows from now on, or from lastEventId on. A connection that is lost is made again where it was; break, or the signal, ends it. */
  async *events<const S extends keyof R & string = never>(options: EventOptions<F, S> = {}): AsyncGenerator<RowEvent<Shown<R, object, S, never>, Id>, void, undefined> {
    const { filter, fields, lastEventId, ...call } = options;
    const query = { filter: filter && formatJson(filter), fields: list(fields) };
    for await (const e of this.#t.follow(this.#path + "/events", { ...call, query }, lastEventId)) {
      const data = parseJson(e.data, this.#floats) as Record<string, unknown>;
      yield { ...data, eventId: e.id } as RowEvent<Shown<R, object, S, never>, Id>;
    }
  }

  /** Every row that matches, of one state of the database, as a file. It comes as it is read: pipe it to where it belongs. */
  async export(format: "csv" | "ndjson", options: ExportOptions<F, keyof R & string> = {}): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const response = await this.#t.send("GET", this.#path, { ...only(options), query: matching(options), accept: fileTypes[format] });
    return response.body ?? new Blob([]).stream();
  }

  /** Every row that matches, of one state of the database. They come as they are read. */
  async *exportRows<const S extends keyof R & string = never>(options: ExportOptions<F, S> = {}): AsyncGenerator<Shown<R, object, S, never>, void, undefined> {
    for await (const line of linesOf(await this.export("ndjson", options as ExportOptions<F, keyof R & string>))) {
      if (line !== "") yield parseJson(line, this.#floats) as Shown<R, object, S, never>;
    }
  }

  /** Imports a file of rows, in one transaction. What is wrong with a line is in errors of the Problem, with its number. A stream is not sent again. */
  import(format: "csv" | "ndjson", file: ImportFile, options: ImportOptions = {}): Promise<Imported> {
    const { mode, conflictOn, onError, ignore, gzip } = options;
    return this.#call("POST", "/import", {
      ...writing(options),
      query: { mode, conflict_on: list(conflictOn), on_error: onError, ignore: list(ignore) },
      file: { type: fileTypes[format], gzip: gzip ?? false, once: file instanceof ReadableStream, open: () => file },
    });
  }

  /** Imports rows, in one transaction. What are no array are taken as they are sent, and not sent again. */
  importRows(rows: Iterable<Partial<C>> | AsyncIterable<Partial<C>>, options: ImportOptions = {}): Promise<Imported> {
    return this.import("ndjson", Array.isArray(rows) ? new Blob(rows.map((r) => formatJson(r) + "\n")) : streamOf(rows), options);
  }

  /** How many rows match. */
  async count(query: CountQuery<F> = {}, options: CallOptions = {}): Promise<number> {
    const { count } = await this.#call<{ count: number }>("POST", "/count", { ...options, body: asked(query), kind: "read" });
    return count;
  }

  /** Updates the row that where finds, or creates it. */
  upsert(args: { where: Partial<C> & Record<string, unknown>; create?: Partial<C>; update?: U }, options?: WriteOptions): Promise<Upserted<R>> {
    return this.#call("POST", "/upsert", { ...writing(options), body: args });
  }

  bulkCreate(args: BulkCreateArgs<C>, options?: BulkOptions): Promise<BulkCreated<Id>> {
    return this.#call("POST", "/bulk_create", { ...writing(options), body: asked(args) });
  }

  bulkUpdate(args: BulkUpdateArgs<F, U, Id>, options?: BulkOptions): Promise<BulkUpdated<Id>> {
    return this.#call("POST", "/bulk_update", { ...writing(options), body: asked(args) });
  }

  bulkDelete(args: BulkDeleteArgs<F, Id>, options?: BulkOptions): Promise<BulkDeleted<Id>> {
    return this.#call("POST", "/bulk_delete", { ...writing(options), body: asked(args) });
  }

  bulkUpsert(args: BulkUpsertArgs<Partial<C>>, options?: BulkOptions): Promise<BulkUpserted> {
    return this.#call("POST", "/bulk_upsert", { ...writing(options), body: asked(args) });
  }

  /** Figures of all rows, or of groups of them. */
  async aggregate(query: AggregateQuery<F>, options: CallOptions = {}): Promise<Record<string, Json>[]> {
    const { groups } = await this.#call<{ groups: Record<string, Json>[] }>("POST", "/aggregate", { ...options, body: asked(query), kind: "read" });
    return groups;
  }
}

/** Durable runs, which are kept and go on after a crash. */
export class Runs {
  readonly #t: Transport;

  constructor(t: Transport) {
    this.#t = t;
  }

  #path(id: string): string {
    return "/runs/" + encodeURIComponent(id);
  }

  list(options: CallOptions & { workflow?: string; status?: RunStatus; parent?: string; limit?: number; cursor?: string } = {}): Promise<RunPage> {
    const { signal: _, headers: __, ...query } = options;
    return this.#t.call("GET", "/runs", { ...only(options), query });
  }

  show(id: string, options: CallOptions = {}): Promise<RunDetail> {
    return this.#t.call("GET", this.#path(id), options);
  }

  signal(id: string, name: string, payload: Json = null, options: CallOptions = {}): Promise<Run> {
    return this.#t.call("POST", this.#path(id) + "/signal", { ...options, body: { name, payload } });
  }

  cancel(id: string, options: CallOptions = {}): Promise<Run> {
    return this.#t.call("POST", this.#path(id) + "/cancel", options);
  }

  retry(id: string, options: CallOptions = {}): Promise<Run> {
    return this.#t.call("POST", this.#path(id) + "/retry", options);
  }

  /** The run each time it has changed, until it ends. A connection that is lost is made again. */
  async *events(id: string, options: CallOptions = {}): AsyncGenerator<RunDetail, void, undefined> {
    let last = "";
    for await (const { data } of this.#t.follow(this.#path(id) + "/events", options)) {
      if (data === last) continue;
      last = data;
      const run = parseJson(data) as RunDetail;
      yield run;
      if (ended(run.status)) return;
    }
  }

  /** Waits until a run has ended, and gives its outputs; a Problem says why there are none. */
  async wait<T = Json>(id: string, options: CallOptions = {}): Promise<T> {
    for await (const run of this.events(id, options)) {
      if (run.status === "completed") return run.outputs as T;
      if (ended(run.status)) throw new Problem(0, { code: "run_" + run.status, detail: `the run ${id} is ${run.status}`, ...run.error, run_id: id });
    }
    throw new Problem(0, { code: "no_answer", detail: `the run ${id} can't be followed`, run_id: id });
  }
}

function only(o: CallOptions): CallOptions {
  const call: CallOptions = {};
  if (o.signal) call.signal = o.signal;
  if (o.headers) call.headers = o.headers;
  return call;
}

function ended(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The lines of a stream, without their ends. heard is called whenever something has come. */
async function* linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>, heard?: () => void): AsyncGenerator<string, void, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new Problem(0, { code: "no_answer", detail: "the answer was broken off" }, undefined, cause);
      });
      if (done) {
        if (rest !== "") yield rest;
        return;
      }
      heard?.();
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** What a stream of events says (WHATWG HTML, 9.2). It is broken off where it says nothing for too long. */
async function* eventsOf(response: Response, quiet: AbortController): AsyncGenerator<{ event?: string; data?: string; id?: string; retry?: number }, void, undefined> {
  let timer = setTimeout(() => quiet.abort(), silence);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), silence);
  };
  try {
    let e: { event?: string; data?: string; id?: string; retry?: number } = {};
    for await (const line of linesOf(response.body!, heard)) {
      if (line === "") {
        yield e;
        e = {};
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") e.data = e.data === undefined ? value : e.data + "\n" + value;
      else if (name === "event" || name === "id") e[name] = value;
      else if (name === "retry" && /^\d+$/.test(value)) e.retry = Number(value) / 1000;
    }
  } finally {
    clearTimeout(timer);
  }
}

const fileTypes = { csv: "text/csv", ndjson: "application/x-ndjson" } as const;

/** Rows as lines of JSON, made as they are sent. */
/** Whether this is a page, or a worker of one. */
function inBrowser(): boolean {
  return "document" in globalThis || "importScripts" in globalThis;
}

function streamOf(rows: Iterable<unknown> | AsyncIterable<unknown>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const from = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  return new ReadableStream({
    async pull(to) {
      let text = "";
      while (text.length < 16384) {
        const { done, value } = await from.next();
        if (done) {
          if (text !== "") to.enqueue(encoder.encode(text));
          return to.close();
        }
        text += formatJson(value) + "\n";
      }
      to.enqueue(encoder.encode(text));
    },
    async cancel() {
      await from.return?.();
    },
  });
}

declare const given: unique symbol;

/** Stands, in a later operation of a batch, for what an earlier one gives. */
export interface Ref<T> {
  readonly $ref: string;
  readonly [given]?: T;
}

/** What an operation of a batch gives, by name: step.ref.id stands for the id. */
export type Refs<T> = Ref<T> &
  (NonNullable<T> extends readonly (infer E)[] ? { readonly [n: number]: Refs<E> } : NonNullable<T> extends object ? { readonly [K in keyof NonNullable<T>]-?: Refs<NonNullable<T>[K]> } : unknown);

/** T, in which what earlier operations give may stand for each value. */
export type Referring<T> = { [K in keyof T]: T[K] | Ref<T[K]> };

function refTo(path: string): unknown {
  return new Proxy({ $ref: path }, { get: (_, name) => (name === "$ref" ? path : typeof name === "symbol" || name === "toJSON" ? undefined : refTo(`${path}.${name}`)) });
}

/** One operation of a batch. */
export class Step<T> {
  /** Stands for what the operation gives: b.orders.create({ customer: who.ref.id, … }). */
  readonly ref: Refs<T>;
  #result: { value: T } | undefined;

  constructor(id: string) {
    this.ref = refTo(id) as Refs<T>;
  }

  /** What the operation gave, once the batch has been sent. */
  get result(): T {
    if (this.#result === undefined) throw new Error("the batch has not been done: await its send() first");
    return this.#result.value;
  }

  /** Takes over what the operation gave. */
  done(value: T): void {
    this.#result = { value };
  }
}

/** Gathers the operations of a batch. */
export class Steps {
  readonly #t: Transport;
  readonly #operations: { id: string; model: string; op: string; args: unknown }[] = [];
  readonly #steps: { done(value: never): void }[] = [];
  readonly #floats = new Set<string>();
  #sent = false;

  constructor(t: Transport) {
    this.#t = t;
  }

  add<T>(model: string, op: string, args: object, floats: readonly string[]): Step<T> {
    const id = `s${this.#steps.length + 1}`;
    const step = new Step<T>(id);
    this.#operations.push({ id, model, op, args });
    this.#steps.push(step);
    for (const name of floats) this.#floats.add(name);
    return step;
  }

  async send(options?: BulkOptions): Promise<void> {
    if (this.#sent) throw new Error("the batch has been done: begin another");
    const body = { operations: this.#operations };
    const { results } = await this.#t.call<{ results: { result: never }[] }>("POST", "/api/batch", { ...writing(options), body, floats: [...this.#floats] });
    this.#sent = true;
    this.#steps.forEach((step, i) => step.done(results[i]!.result));
  }
}

type StepVersion<V> = V extends true ? [options: { version: Int | "*" | Ref<Int> }] : [];

/** What can be done in a batch with the rows of a model. */
export class BatchRows<R, C, U, F, Id extends Int | string, V extends boolean, Rel> {
  readonly #steps: Steps;
  readonly #model: string;
  readonly #floats: readonly string[];

  constructor(steps: Steps, model: string, floats: readonly string[] = []) {
    this.#steps = steps;
    this.#model = model;
    this.#floats = floats;
  }

  #add<T>(op: string, args: object): Step<T> {
    return this.#steps.add(this.#model, op, args, this.#floats);
  }

  create(row: Referring<C>): Step<R> {
    return this.#add("create", row);
  }

  /** Reads a row, or some of its fields, with rows of other models in it. */
  read<const S extends FieldPath<R, Rel> = never, const E extends RelationPath<Rel> = never>(id: Id | Ref<Id>, options: ShowOptions<S, E> = {}): Step<Shown<R, Rel, S, E>> {
    return this.#add("read", { ...options, id });
  }

  update(id: Id | Ref<Id>, changes: Referring<U>, ...options: StepVersion<V>): Step<R> {
    return this.#add("update", { id, fields: changes, ...versionOf(options[0]) });
  }

  delete(id: Id | Ref<Id>, ...options: StepVersion<V>): Step<{ id: Id; deleted: boolean }> {
    return this.#add("delete", { id, ...versionOf(options[0]) });
  }

  /** A page of rows, or of some of their fields, with rows of other models in them. */
  list<const S extends FieldPath<R, Rel> = never, const E extends RelationPath<Rel> = never>(
    query: {
      filter?: F | Record<string, unknown>;
      sort?: string | readonly string[];
      limit?: number;
      offset?: number;
      cursor?: string;
      count?: boolean;
    } & Searched &
      ShowOptions<S, E> = {},
  ): Step<Page<Shown<R, Rel, S, E>>> {
    return this.#add("list", asked(query));
  }

  upsert(args: { where: Referring<Partial<C>> & Record<string, unknown>; create?: Referring<Partial<C>>; update?: Referring<U> }): Step<Upserted<R>> {
    return this.#add("upsert", args);
  }

  count(query: CountQuery<F | Record<string, unknown>> = {}): Step<{ count: number }> {
    return this.#add("count", asked(query));
  }

  aggregate(query: AggregateQuery<F | Record<string, unknown>>): Step<{ groups: Record<string, Json>[] }> {
    return this.#add("aggregate", asked(query));
  }

  bulkCreate(args: BulkCreateArgs<Referring<C>>): Step<BulkCreated<Id>> {
    return this.#add("bulk_create", asked(args));
  }

  bulkUpdate(args: BulkUpdateArgs<F | Record<string, unknown>, Referring<U>, Id | Ref<Id>>): Step<BulkUpdated<Id>> {
    return this.#add("bulk_update", asked(args));
  }

  bulkDelete(args: BulkDeleteArgs<F | Record<string, unknown>, Id | Ref<Id>>): Step<BulkDeleted<Id>> {
    return this.#add("bulk_delete", asked(args));
  }

  bulkUpsert(args: BulkUpsertArgs<Referring<Partial<C>>>): Step<BulkUpserted> {
    return this.#add("bulk_upsert", asked(args));
  }
}

/** The version of a row as a batch has it: null is any. */
function versionOf(options?: { version: Int | "*" | Ref<Int> }): { version?: unknown } {
  return options === undefined ? {} : { version: options.version === "*" ? null : options.version };
}

/** A workflow that runs within the request. */
export type Workflow<I, O> = (inputs: I, options?: RunOptions) => Promise<O>;

export interface RunOptions extends CallOptions {
  /** Repeating a request with the same key repeats the answer, not the effect. */
  idempotencyKey?: string;
}

/** A workflow whose runs can be kept: run it and wait for its outputs, or start it and look later. */
export interface KeptWorkflow<I, O> {
  (inputs: I, options?: RunOptions): Promise<O>;
  /** Answers as soon as the run is kept: runs.wait(run_id) gives its outputs, runs.events(run_id) what becomes of it. */
  start(inputs: I, options?: RunOptions): Promise<{ run_id: string; status: RunStatus }>;
}

interface Executed {
  run_id: string;
  status: RunStatus;
  outputs?: unknown;
}

export function workflow<I, O>(t: Transport, name: string, kind: Kind, floats: readonly string[] = []): Workflow<I, O> {
  return async (inputs, options = {}) =>
    (await t.call<Executed>("POST", `/workflows/${name}/execute`, { ...options, kind, body: { inputs }, floats })).outputs as O;
}

export function kept<I, O>(t: Transport, runs: Runs, name: string, kind: Kind, floats: readonly string[] = []): KeptWorkflow<I, O> {
  const path = `/workflows/${name}/execute`;
  const execute = async (inputs: I, options: RunOptions = {}): Promise<O> => {
    const run = await t.call<Executed>("POST", path, { ...options, kind, body: { inputs }, floats });
    return run.status === "completed" ? (run.outputs as O) : runs.wait<O>(run.run_id, only(options));
  };
  const start = (inputs: I, options: RunOptions = {}) =>
    t.call<{ run_id: string; status: RunStatus }>("POST", path, { ...options, kind: "write", body: { inputs }, prefer: ["respond-async"], floats });
  return Object.assign(execute, { start });
}
