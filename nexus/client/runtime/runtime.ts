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
  readonly requestId: string | undefined;
  /** Every part of the input that is wrong. */
  readonly errors: readonly ProblemPart[];
  /** Seconds to wait before it is worth trying again. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: Record<string, unknown>, retryAfter?: number, cause?: unknown) {
    const text = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : undefined);
    super(text("detail") ?? text("title") ?? `the server answered with ${status}`, { cause });
    this.status = status;
    this.code = text("code") ?? "unknown";
    this.hint = text("hint");
    this.model = text("model");
    this.workflow = text("workflow");
    this.node = text("node");
    this.requestId = text("request_id");
    this.errors = Array.isArray(body["errors"]) ? (body["errors"] as ProblemPart[]) : [];
    this.retryAfter = retryAfter;
  }
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
  /** How long an answer may take, in ms; 60 s if left out. */
  timeout?: number;
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

export interface AggregateQuery<F> {
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

/** One request, as the methods of the client word it. */
interface Call extends CallOptions {
  query?: Record<string, unknown>;
  body?: unknown;
  prefer?: string[];
  idempotencyKey?: string;
  ifMatch?: string;
  floats?: readonly string[];
  stream?: boolean;
}

const longInteger = /\d{16}/;
const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON.parse, but that integers which no number can hold become bigints. */
export function parseJson(text: string, floats: readonly string[] = []): unknown {
  if (!longInteger.test(text)) return JSON.parse(text);
  const mark = crypto.randomUUID();
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
  const mark = crypto.randomUUID();
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
    const retries = this.#options.retries ?? 3;
    // Repeating these has no other effect than doing them once.
    const safe = method === "GET" || call.idempotencyKey !== undefined;
    for (let attempt = 0; ; attempt++) {
      let response: Response;
      try {
        response = await this.#once(method, path, call);
      } catch (cause) {
        if (call.signal?.aborted) throw cause;
        if (!safe || attempt >= retries) {
          throw new Problem(0, { code: "no_answer", detail: `there is no answer from ${this.#url}` }, undefined, cause);
        }
        await this.#wait(2 ** attempt * 0.1, call.signal);
        continue;
      }
      if (response.ok) return response;
      const after = Number(response.headers.get("Retry-After") ?? NaN);
      // Nothing has happened where the server says so by these.
      if ((response.status === 429 || response.status === 503) && attempt < retries) {
        await response.body?.cancel();
        await this.#wait(Number.isFinite(after) ? after : 2 ** attempt * 0.5, call.signal);
        continue;
      }
      throw new Problem(response.status, problemOf(await response.text()), Number.isFinite(after) ? after : undefined);
    }
  }

  async #once(method: string, path: string, call: Call): Promise<Response> {
    const o = this.#options;
    const headers = new Headers({ Accept: call.stream ? "text/event-stream, application/problem+json" : "application/json", ...o.headers, ...call.headers });
    const key = typeof o.key === "function" ? await o.key() : o.key;
    if (key !== undefined) headers.set("Authorization", `Bearer ${key}`);
    if (o.tenant !== undefined) headers.set("X-Tenant-ID", o.tenant);
    if (call.idempotencyKey !== undefined) headers.set("Idempotency-Key", call.idempotencyKey);
    if (call.ifMatch !== undefined) headers.set("If-Match", call.ifMatch);
    if (call.prefer?.length) headers.set("Prefer", call.prefer.join(", "));
    const query = new URLSearchParams();
    for (const [name, v] of Object.entries(call.query ?? {})) if (v !== undefined) query.set(name, String(v));
    const init: RequestInit = { method, headers };
    if (call.body !== undefined) {
      headers.set("Content-Type", "application/json");
      init.body = formatJson(call.body);
    }
    const signals = [call.signal, call.stream ? undefined : AbortSignal.timeout(o.timeout ?? 60_000)].filter((s) => s !== undefined);
    if (signals.length > 0) init.signal = signals.length === 1 ? signals[0]! : AbortSignal.any(signals);
    const text = query.toString();
    return (o.fetch ?? fetch)(this.#url + path + (text && "?" + text), init);
  }

  #wait(seconds: number, signal?: AbortSignal): Promise<void> {
    const ms = Math.min(seconds * 1000, this.#options.maxWait ?? 30_000);
    return new Promise((resolve, reject) => {
      const stop = () => (clearTimeout(timer), reject(signal?.reason));
      const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), ms);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
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

function list(names: string | readonly string[] | undefined): string | undefined {
  return names === undefined || typeof names === "string" ? names : names.join(",");
}

function writing(o: WriteOptions & { maxAffected?: number; version?: Int | "*" } = {}): Call {
  const prefer: string[] = [];
  if (o.dryRun) prefer.push("tx=rollback");
  if (o.maxAffected !== undefined) prefer.push(`max-affected=${o.maxAffected}`);
  const call: Call = { prefer };
  if (o.signal) call.signal = o.signal;
  if (o.headers) call.headers = o.headers;
  if (o.idempotencyKey !== undefined) call.idempotencyKey = o.idempotencyKey;
  if (o.version !== undefined) call.ifMatch = o.version === "*" ? "*" : `"${o.version}"`;
  return call;
}

type Versioned<V, O> = V extends true ? [options: O & VersionOptions] : [options?: O];

/** The rows of a model. R is a row, C one to create, U changes, P what a row is to be, F a filter. */
export class Rows<R, C, U, P, F, Id extends Int | string, V extends boolean> {
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

  /** Reads a row; a Problem with the code "not_found" says that there is none. */
  read(id: Id, options: CallOptions = {}): Promise<R> {
    return this.#call("GET", this.#row(id), options);
  }

  /** Reads a row with rows of other models in it, or some of its fields alone. */
  view(id: Id, options: CallOptions & { fields?: string | readonly string[]; expand?: string | readonly string[] }): Promise<Partial<R> & Record<string, unknown>> {
    const { fields, expand, ...call } = options;
    return this.#call("GET", this.#row(id), { ...call, query: { fields: list(fields), expand: list(expand) } });
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

  /** A page of rows. */
  list(options: ListOptions<F> = {}): Promise<Page<R>> {
    const { filter, sort, limit, offset, cursor, count, search, includeDeleted, ...call } = options;
    const query = { filter: filter && formatJson(filter), sort: list(sort), limit, offset, cursor, count: count && "exact", search, include_deleted: includeDeleted };
    return this.#call("GET", "", { ...call, query });
  }

  /** Every row that matches, page after page. */
  async *each(options: Omit<ListOptions<F>, "cursor" | "count"> = {}): AsyncGenerator<R, void, undefined> {
    let next: ListOptions<F> = options;
    for (;;) {
      const page = await this.list(next);
      yield* page.records;
      if (page.next_cursor === undefined) return;
      const { offset: _, ...rest } = options;
      next = { ...rest, cursor: page.next_cursor };
    }
  }

  /** How many rows match. */
  async count(query: { filter?: F; search?: string; include_deleted?: boolean } = {}, options: CallOptions = {}): Promise<number> {
    const { count } = await this.#call<{ count: number }>("POST", "/count", { ...options, body: query });
    return count;
  }

  /** Updates the row that where finds, or creates it. */
  upsert(args: { where: Partial<C> & Record<string, unknown>; create?: Partial<C>; update?: U }, options?: WriteOptions): Promise<Upserted<R>> {
    return this.#call("POST", "/upsert", { ...writing(options), body: args });
  }

  bulkCreate(args: { data: readonly C[]; on_error?: "fail" | "skip"; return_ids?: boolean }, options?: BulkOptions): Promise<BulkCreated<Id>> {
    return this.#call("POST", "/bulk_create", { ...writing(options), body: args });
  }

  bulkUpdate(args: { filter?: F; ids?: readonly Id[]; fields?: U; data?: readonly (U & { id: Id })[]; confirm_all?: boolean }, options?: BulkOptions): Promise<BulkUpdated<Id>> {
    return this.#call("POST", "/bulk_update", { ...writing(options), body: args });
  }

  bulkDelete(args: { filter?: F; ids?: readonly Id[]; confirm_all?: boolean }, options?: BulkOptions): Promise<BulkDeleted<Id>> {
    return this.#call("POST", "/bulk_delete", { ...writing(options), body: args });
  }

  bulkUpsert(args: { data: readonly Partial<C>[]; conflict_on: readonly string[]; on_error?: "fail" | "skip" }, options?: BulkOptions): Promise<BulkUpserted> {
    return this.#call("POST", "/bulk_upsert", { ...writing(options), body: args });
  }

  /** Figures of all rows, or of groups of them. */
  async aggregate(query: AggregateQuery<F>, options: CallOptions = {}): Promise<Record<string, Json>[]> {
    const { groups } = await this.#call<{ groups: Record<string, Json>[] }>("POST", "/aggregate", { ...options, body: query });
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
    for (let last = ""; ; ) {
      const response = await this.#t.send("GET", this.#path(id) + "/events", { ...options, stream: true });
      try {
        for await (const data of eventsOf(response)) {
          if (data === last) continue;
          last = data;
          const run = parseJson(data) as RunDetail;
          yield run;
          if (ended(run.status)) return;
        }
      } catch (cause) {
        if (options.signal?.aborted) throw cause;
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** Waits until a run has ended, and gives its outputs; a Problem says why there are none. */
  async wait<T = Json>(id: string, options: CallOptions = {}): Promise<T> {
    for await (const run of this.events(id, options)) {
      if (run.status === "completed") return run.outputs as T;
      if (ended(run.status)) throw new Problem(0, { code: "run_" + run.status, detail: `the run ${id} is ${run.status}`, ...run.error });
    }
    throw new Problem(0, { code: "no_answer", detail: `the run ${id} can't be followed` });
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

async function* eventsOf(response: Response): AsyncGenerator<string, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let buffer = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value;
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const lines = buffer.slice(0, end).split("\n");
        buffer = buffer.slice(end + 2);
        const data = lines.filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart());
        if (data.length > 0) yield data.join("\n");
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A workflow that runs within the request. */
export type Workflow<I, O> = (inputs: I, options?: WriteOptionsOfRun) => Promise<O>;

export interface WriteOptionsOfRun extends CallOptions {
  idempotencyKey?: string;
}

/** A durable workflow: run it and wait for its outputs, or start it and look later. */
export interface DurableWorkflow<I, O> {
  (inputs: I, options?: WriteOptionsOfRun): Promise<O>;
  /** Answers as soon as the run is kept. */
  start(inputs: I, options?: WriteOptionsOfRun): Promise<{ run_id: string; status: RunStatus }>;
}

interface Executed {
  run_id: string;
  status: RunStatus;
  outputs?: unknown;
}

export function workflow<I, O>(t: Transport, name: string, floats: readonly string[] = []): Workflow<I, O> {
  return async (inputs, options = {}) =>
    (await t.call<Executed>("POST", `/workflows/${name}/execute`, { ...options, body: { inputs }, floats })).outputs as O;
}

export function durable<I, O>(t: Transport, runs: Runs, name: string, floats: readonly string[] = []): DurableWorkflow<I, O> {
  const path = `/workflows/${name}/execute`;
  const execute = async (inputs: I, options: WriteOptionsOfRun = {}): Promise<O> => {
    const run = await t.call<Executed>("POST", path, { ...options, body: { inputs }, floats });
    return run.status === "completed" ? (run.outputs as O) : runs.wait<O>(run.run_id, only(options));
  };
  const start = (inputs: I, options: WriteOptionsOfRun = {}) =>
    t.call<{ run_id: string; status: RunStatus }>("POST", path, { ...options, body: { inputs }, prefer: ["respond-async"], floats });
  return Object.assign(execute, { start });
}
