// Package runtime is what every generated client in Go is made with: requests,
// retries, pages, runs. It needs the standard library and nothing else, and
// knows nothing of any app: it is copied beside what is generated of one.
package runtime

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Decimal is an exact decimal, as text: "19.90". No digit of it is ever lost.
type Decimal string

// Opt is a value that may be left out, or null. The zero Opt is left out.
type Opt[T any] struct {
	value T
	is    byte // 0: left out, 1: null, 2: a value
}

// Set returns an Opt with a value.
func Set[T any](v T) Opt[T] { return Opt[T]{value: v, is: 2} }

// Null returns an Opt that is null.
func Null[T any]() Opt[T] { return Opt[T]{is: 1} }

// IsZero reports whether the value is left out.
func (o Opt[T]) IsZero() bool { return o.is == 0 }

// MarshalJSON implements json.Marshaler.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if o.is != 2 {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// ProblemPart is one thing wrong with one part of the input.
type ProblemPart struct {
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint"`
}

// Problem is what went wrong, as the server says it (RFC 9457).
type Problem struct {
	Status     int           `json:"status"` // of HTTP; 0 if there was no answer that could be read
	Code       string        `json:"code"`   // for programs: "not_found", "unique_violation", …
	Title      string        `json:"title"`
	Detail     string        `json:"detail"`
	Hint       string        `json:"hint"`
	Model      string        `json:"model"`
	Workflow   string        `json:"workflow"`
	Node       string        `json:"node"`
	RequestID  string        `json:"request_id"`
	Errors     []ProblemPart `json:"errors"` // every part of the input that is wrong
	RetryAfter time.Duration `json:"-"`      // before it is worth trying again
}

// Codes of problems that no answer of the app says.
const (
	CodeNoAnswer = "no_answer" // a run can't be followed to its end
	CodeUnknown  = "unknown"   // something between us and the app has answered
)

// Error implements error.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return text + " (" + p.Code + ")"
}

// IsCode reports whether err is a Problem with this code.
func IsCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// Options are what a client is made of. URL is needed.
type Options struct {
	URL     string                                           // where the app is served: "http://127.0.0.1:8000"
	Key     func(ctx context.Context) (string, error)        // gives an API key or a token for each request; see Key
	Tenant  string                                           // whose rows to work on, where models keep tenants apart
	Header  http.Header                                      // to send with every request
	Retries int                                              // after 429 and 503, and after a lost connection where that is safe; 0: 3, -1: none
	MaxWait time.Duration                                    // the longest before trying again; 0: 30 s
	HTTP    *http.Client                                     // nil: http.DefaultClient
	Sleep   func(ctx context.Context, d time.Duration) error // nil: by the clock
}

// Key is the Options.Key of a key that stays the same.
func Key(key string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return key, nil }
}

// Transport sends requests, again if that is worth it.
type Transport struct{ o Options }

// NewTransport returns a Transport.
func NewTransport(o Options) *Transport {
	o.URL = strings.TrimRight(o.URL, "/")
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.MaxWait == 0 {
		o.MaxWait = 30 * time.Second
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &Transport{o}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call is one request, as the methods of the client word it.
type call struct {
	query  url.Values
	body   any
	header http.Header
	accept string
}

func (c *call) set(name, value string) {
	if c.header == nil {
		c.header = make(http.Header)
	}
	c.header.Add(name, value)
}

// Option changes a request that writes.
type Option func(*call)

// Once repeats the answer, not the effect, if the request is repeated with the
// same key.
func Once(key string) Option { return func(c *call) { c.set("Idempotency-Key", key) } }

// DryRun does everything and keeps nothing.
func DryRun() Option { return func(c *call) { c.set("Prefer", "tx=rollback") } }

// MaxAffected refuses to touch more rows than n.
func MaxAffected(n int) Option {
	return func(c *call) { c.set("Prefer", "max-affected="+strconv.Itoa(n)) }
}

// Version is the version that a row must have, from its version field.
type Version int64

// AnyVersion writes to a row whatever its version is.
const AnyVersion Version = -1

func (v Version) match(c *call) {
	if v == AnyVersion {
		c.set("If-Match", "*")
		return
	}
	c.set("If-Match", `"`+strconv.FormatInt(int64(v), 10)+`"`)
}

func with(c call, opts []Option) call {
	for _, o := range opts {
		o(&c)
	}
	return c
}

func do[T any](ctx context.Context, t *Transport, method, path string, c call) (v T, err error) {
	res, err := t.send(ctx, method, path, c)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || len(text) == 0 {
		return v, err
	}
	return v, json.Unmarshal(text, &v)
}

// send sends a request, again if that is worth it, and refuses answers that are
// no success.
func (t *Transport) send(ctx context.Context, method, path string, c call) (*http.Response, error) {
	var body []byte
	if c.body != nil {
		var err error
		if body, err = encode(c.body); err != nil {
			return nil, err
		}
	}
	// Repeating these has no other effect than doing them once.
	safe := method == http.MethodGet || c.header.Get("Idempotency-Key") != ""
	for attempt := 0; ; attempt++ {
		res, err := t.once(ctx, method, path, c, body)
		wait := 100 * time.Millisecond << attempt
		switch {
		case err != nil:
			if !safe || attempt >= t.o.Retries || ctx.Err() != nil {
				return nil, err
			}
		case res.StatusCode < 400:
			return res, nil
		default:
			p := problemOf(res)
			// Nothing has happened where the server says so by these.
			if p.Status != http.StatusTooManyRequests && p.Status != http.StatusServiceUnavailable || attempt >= t.o.Retries {
				return nil, p
			}
			if wait *= 5; res.Header.Get("Retry-After") != "" {
				wait = p.RetryAfter
			}
		}
		if err := t.o.Sleep(ctx, min(wait, t.o.MaxWait)); err != nil {
			return nil, err
		}
	}
}

func (t *Transport) once(ctx context.Context, method, path string, c call, body []byte) (*http.Response, error) {
	at := t.o.URL + path
	if len(c.query) > 0 {
		at += "?" + c.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if c.accept != "" {
		r.Header.Set("Accept", c.accept)
	}
	for _, h := range []http.Header{t.o.Header, c.header} {
		for name, values := range h {
			r.Header[name] = values
		}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if t.o.Tenant != "" {
		r.Header.Set("X-Tenant-ID", t.o.Tenant)
	}
	if t.o.Key != nil {
		key, err := t.o.Key(ctx)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return t.o.HTTP.Do(r)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// maxProblem is how much is read of an answer that is no success.
const maxProblem = 1 << 20

func problemOf(res *http.Response) *Problem {
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	p := new(Problem)
	if err := json.Unmarshal(text, p); err != nil || p.Code == "" {
		// Something between us and the app has answered, in its own way.
		*p = Problem{Code: CodeUnknown, Detail: "the server answered with " + res.Status}
	}
	p.Status = res.StatusCode
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(n) * time.Second
	}
	return p
}

// Filter says which rows are meant. The fields of a model make them:
// OrderFields.Total.Gte("10").
type Filter map[string]any

// And is what all the filters match.
func And(filters ...Filter) Filter { return Filter{"$and": filters} }

// Or is what any of the filters matches.
func Or(filters ...Filter) Filter { return Filter{"$or": filters} }

// Not is what the filter does not match.
func Not(f Filter) Filter { return Filter{"$not": f} }

// Field is a field that rows can be found by, or a path through references:
// Field[string]("customer.email").
type Field[T any] string

func (f Field[T]) op(name string, v any) Filter { return Filter{string(f): map[string]any{name: v}} }

// Eq is rows whose field is v.
func (f Field[T]) Eq(v T) Filter { return f.op("$eq", v) }

// Ne is rows whose field is not v.
func (f Field[T]) Ne(v T) Filter { return f.op("$ne", v) }

// In is rows whose field is one of vs.
func (f Field[T]) In(vs ...T) Filter { return f.op("$in", vs) }

// NotIn is rows whose field is none of vs.
func (f Field[T]) NotIn(vs ...T) Filter { return f.op("$nin", vs) }

// IsNull is rows whose field is null, or is not.
func (f Field[T]) IsNull(is bool) Filter { return f.op("$null", is) }

// Gt is rows whose field is more than v.
func (f Field[T]) Gt(v T) Filter { return f.op("$gt", v) }

// Gte is rows whose field is v or more.
func (f Field[T]) Gte(v T) Filter { return f.op("$gte", v) }

// Lt is rows whose field is less than v.
func (f Field[T]) Lt(v T) Filter { return f.op("$lt", v) }

// Lte is rows whose field is v or less.
func (f Field[T]) Lte(v T) Filter { return f.op("$lte", v) }

// Between is rows whose field is from, to, or in between.
func (f Field[T]) Between(from, to T) Filter { return f.op("$between", []T{from, to}) }

// Contains is rows in whose field the text is, or the element.
func (f Field[T]) Contains(part any) Filter { return f.op("$contains", part) }

// HasPrefix is rows whose field begins with the text.
func (f Field[T]) HasPrefix(text string) Filter { return f.op("$startswith", text) }

// HasSuffix is rows whose field ends with the text.
func (f Field[T]) HasSuffix(text string) Filter { return f.op("$endswith", text) }

// Like is rows whose field is like the pattern, in which % stands for any text.
func (f Field[T]) Like(pattern string) Filter { return f.op("$like", pattern) }

// Query says which rows a list has, and in which order.
type Query struct {
	Filter         Filter
	Sort           []string // names of fields; - before one turns its order round
	Limit          int      // rows in a page
	Offset         int
	Cursor         string // NextCursor of the page before
	Count          bool   // also count every match, as Total
	Search         string // words to look for in the searchable fields
	IncludeDeleted bool
}

func (q Query) values() (url.Values, error) {
	v := make(url.Values)
	set := func(name, value string, given bool) {
		if given {
			v.Set(name, value)
		}
	}
	if q.Filter != nil {
		text, err := encode(q.Filter)
		if err != nil {
			return nil, err
		}
		v.Set("filter", string(text))
	}
	set("sort", strings.Join(q.Sort, ","), len(q.Sort) > 0)
	set("limit", strconv.Itoa(q.Limit), q.Limit != 0)
	set("offset", strconv.Itoa(q.Offset), q.Offset != 0)
	set("cursor", q.Cursor, q.Cursor != "")
	set("count", "exact", q.Count)
	set("search", q.Search, q.Search != "")
	set("include_deleted", "true", q.IncludeDeleted)
	return v, nil
}

// Page is a page of rows.
type Page[R any] struct {
	Records    []R    `json:"records"`
	Count      int    `json:"count"`
	Total      *int64 `json:"total"` // every match, if it was asked for
	Limit      int    `json:"limit"`
	NextCursor string `json:"next_cursor"`
	HasMore    bool   `json:"has_more"`
}

// Upserted is the result of an upsert.
type Upserted[R any] struct {
	Record  R      `json:"record"`
	Created bool   `json:"created"`
	Action  string `json:"action"` // "created", "updated" or "unchanged"
}

// RowError is what is wrong with one row of many.
type RowError struct {
	Index    int           `json:"index"`
	Code     string        `json:"code"`
	Message  string        `json:"message"`
	Problems []ProblemPart `json:"problems"`
}

// BulkResult is what an operation on many rows did.
type BulkResult[ID any] struct {
	Processed int        `json:"processed"`
	Inserted  int        `json:"inserted"`
	Updated   int        `json:"updated"`
	Deleted   int        `json:"deleted"`
	Upserted  int        `json:"upserted"`
	IDs       []ID       `json:"ids"`     // of rows created, if they were asked for
	Missing   []ID       `json:"missing"` // ids of no row, if ids were given
	Errors    []RowError `json:"errors"`  // rows left out, if those are to be skipped
}

// BulkCreate are the arguments of BulkCreate.
type BulkCreate[C any] struct {
	Data      []C    `json:"data"`
	OnError   string `json:"on_error,omitempty"` // "fail" or "skip"
	ReturnIDs bool   `json:"return_ids,omitempty"`
}

// BulkUpdate are the arguments of BulkUpdate: Fields for all rows that Filter
// or IDs name, or Data with a change for each.
type BulkUpdate[U, ID any] struct {
	Filter     Filter           `json:"filter,omitempty"`
	IDs        []ID             `json:"ids,omitempty"`
	Fields     *U               `json:"fields,omitempty"`
	Data       []map[string]any `json:"data,omitempty"`
	ConfirmAll bool             `json:"confirm_all,omitempty"`
}

// BulkDelete are the arguments of BulkDelete.
type BulkDelete[ID any] struct {
	Filter     Filter `json:"filter,omitempty"`
	IDs        []ID   `json:"ids,omitempty"`
	ConfirmAll bool   `json:"confirm_all,omitempty"`
}

// BulkUpsert are the arguments of BulkUpsert.
type BulkUpsert[C any] struct {
	Data       []C      `json:"data"`
	ConflictOn []string `json:"conflict_on"`
	OnError    string   `json:"on_error,omitempty"`
}

// Aggregate asks for figures of rows, or of groups of them.
type Aggregate struct {
	GroupBy    []string                  `json:"group_by,omitempty"`
	Aggregates map[string]map[string]any `json:"aggregates"` // {"sum": {"$sum": "total"}}
	Filter     Filter                    `json:"filter,omitempty"`
	Having     map[string]any            `json:"having,omitempty"`
	Sort       []string                  `json:"sort,omitempty"`
	Limit      int                       `json:"limit,omitempty"`
}

// Upsert are the arguments of Upsert: Where finds the row.
type Upsert[U any] struct {
	Where  map[string]any `json:"where"`
	Create map[string]any `json:"create,omitempty"`
	Update *U             `json:"update,omitempty"`
}

// Rows are the rows of a model: R is a row, and ID the type of its id.
type Rows[R, ID any] struct {
	t    *Transport
	path string
}

// NewRows returns the rows of the model at a path.
func NewRows[R, ID any](t *Transport, path string) Rows[R, ID] { return Rows[R, ID]{t, "/api/" + path} }

func (r Rows[R, ID]) at(id ID) string { return r.path + "/" + url.PathEscape(fmt.Sprint(id)) }

// CreateRow creates a row of C.
func CreateRow[R, ID, C any](ctx context.Context, r Rows[R, ID], row C, opts []Option) (R, error) {
	return do[R](ctx, r.t, http.MethodPost, r.path, with(call{body: row}, opts))
}

// ReadRow reads a row.
func (r Rows[R, ID]) ReadRow(ctx context.Context, id ID) (R, error) {
	return do[R](ctx, r.t, http.MethodGet, r.at(id), call{})
}

// ViewRow reads some fields of a row, or rows of other models in it.
func (r Rows[R, ID]) ViewRow(ctx context.Context, id ID, fields, expand []string, into any) error {
	q := make(url.Values)
	for name, list := range map[string][]string{"fields": fields, "expand": expand} {
		if len(list) > 0 {
			q.Set(name, strings.Join(list, ","))
		}
	}
	text, err := do[json.RawMessage](ctx, r.t, http.MethodGet, r.at(id), call{query: q})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// ChangeRow changes a row (PATCH) or replaces it (PUT).
func ChangeRow[R, ID, B any](ctx context.Context, r Rows[R, ID], method string, id ID, v *Version, body B, opts []Option) (R, error) {
	c := call{body: body}
	if v != nil {
		v.match(&c)
	}
	return do[R](ctx, r.t, method, r.at(id), with(c, opts))
}

// DeleteRow deletes a row.
func (r Rows[R, ID]) DeleteRow(ctx context.Context, id ID, v *Version, opts []Option) error {
	c := call{}
	if v != nil {
		v.match(&c)
	}
	_, err := do[json.RawMessage](ctx, r.t, http.MethodDelete, r.at(id), with(c, opts))
	return err
}

// ListRows reads a page of rows.
func (r Rows[R, ID]) ListRows(ctx context.Context, q Query) (Page[R], error) {
	values, err := q.values()
	if err != nil {
		return Page[R]{}, err
	}
	return do[Page[R]](ctx, r.t, http.MethodGet, r.path, call{query: values})
}

// EachRow reads every row that matches, page after page. An error is the last
// pair.
func (r Rows[R, ID]) EachRow(ctx context.Context, q Query) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for {
			page, err := r.ListRows(ctx, q)
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, row := range page.Records {
				if !yield(row, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			q.Cursor, q.Offset = page.NextCursor, 0
		}
	}
}

// CountRows counts the rows that match.
func (r Rows[R, ID]) CountRows(ctx context.Context, f Filter) (int64, error) {
	body := map[string]any{}
	if f != nil {
		body["filter"] = f
	}
	answer, err := do[struct {
		Count int64 `json:"count"`
	}](ctx, r.t, http.MethodPost, r.path+"/count", call{body: body})
	return answer.Count, err
}

// UpsertRow updates the row that is found, or creates it.
func UpsertRow[R, ID, U any](ctx context.Context, r Rows[R, ID], args Upsert[U], opts []Option) (Upserted[R], error) {
	return do[Upserted[R]](ctx, r.t, http.MethodPost, r.path+"/upsert", with(call{body: args}, opts))
}

// Bulk runs one of the operations on many rows.
func (r Rows[R, ID]) Bulk(ctx context.Context, op string, args any, opts []Option) (BulkResult[ID], error) {
	return do[BulkResult[ID]](ctx, r.t, http.MethodPost, r.path+"/"+op, with(call{body: args}, opts))
}

// AggregateRows works out figures; each group is an object.
func (r Rows[R, ID]) AggregateRows(ctx context.Context, a Aggregate) ([]map[string]json.RawMessage, error) {
	answer, err := do[struct {
		Groups []map[string]json.RawMessage `json:"groups"`
	}](ctx, r.t, http.MethodPost, r.path+"/aggregate", call{body: a})
	return answer.Groups, err
}

// Run is a run of a durable workflow.
type Run struct {
	RunID      string    `json:"run_id"`
	Workflow   string    `json:"workflow"`
	Status     string    `json:"status"` // "queued", "running", "waiting", "completed", "failed", "cancelled"
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	WaitsFor   string    `json:"waits_for"`
	Cancelling bool      `json:"cancelling"`
	WakesAt    time.Time `json:"wakes_at"`
	Origin     string    `json:"origin"`
	Parent     string    `json:"parent"`
	EndedAt    time.Time `json:"ended_at"`
	Error      *Problem  `json:"error"`
	// Of a run that is shown alone.
	Inputs  json.RawMessage `json:"inputs"`
	Outputs json.RawMessage `json:"outputs"`
	Steps   []RunStep       `json:"steps"`
}

// Ended reports whether the run is over.
func (r *Run) Ended() bool {
	return r.Status == "completed" || r.Status == "failed" || r.Status == "cancelled"
}

// RunStep is what a run did at one of its nodes.
type RunStep struct {
	Step      string          `json:"step"`
	State     string          `json:"state"` // "done", "skipped", "failed", "waiting", "undone"
	Attempts  int             `json:"attempts"`
	StartedAt time.Time       `json:"started_at"`
	EndedAt   time.Time       `json:"ended_at"`
	Input     json.RawMessage `json:"input"`
	WaitsFor  json.RawMessage `json:"waits_for"`
	Output    json.RawMessage `json:"output"`
	Error     *Problem        `json:"error"`
}

// RunQuery says which runs a list has.
type RunQuery struct {
	Workflow, Status, Parent string
	Limit                    int
	Cursor                   string
}

// RunPage is a page of runs, the latest first.
type RunPage struct {
	Runs       []Run  `json:"runs"`
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor"`
}

// Runs are durable runs, which are kept and go on after a crash.
type Runs struct{ t *Transport }

// NewRuns returns the runs of an app.
func NewRuns(t *Transport) Runs { return Runs{t} }

func (Runs) at(id string) string { return "/runs/" + url.PathEscape(id) }

// List reads a page of runs.
func (r Runs) List(ctx context.Context, q RunQuery) (RunPage, error) {
	v := make(url.Values)
	for name, value := range map[string]string{"workflow": q.Workflow, "status": q.Status, "parent": q.Parent, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return do[RunPage](ctx, r.t, http.MethodGet, "/runs", call{query: v})
}

// Show reads a run with its steps.
func (r Runs) Show(ctx context.Context, id string) (*Run, error) {
	return do[*Run](ctx, r.t, http.MethodGet, r.at(id), call{})
}

// Signal sends a signal to a run.
func (r Runs) Signal(ctx context.Context, id, name string, payload any) (*Run, error) {
	return do[*Run](ctx, r.t, http.MethodPost, r.at(id)+"/signal", call{body: map[string]any{"name": name, "payload": payload}})
}

// Cancel cancels a run.
func (r Runs) Cancel(ctx context.Context, id string) (*Run, error) {
	return do[*Run](ctx, r.t, http.MethodPost, r.at(id)+"/cancel", call{})
}

// Retry tries a run that failed again.
func (r Runs) Retry(ctx context.Context, id string) (*Run, error) {
	return do[*Run](ctx, r.t, http.MethodPost, r.at(id)+"/retry", call{})
}

// Events is the run each time it has changed, until it ends. A connection that
// is lost is made again.
func (r Runs) Events(ctx context.Context, id string) iter.Seq2[*Run, error] {
	return func(yield func(*Run, error) bool) {
		for last := ""; ; {
			res, err := r.t.send(ctx, http.MethodGet, r.at(id)+"/events", call{accept: "text/event-stream, application/problem+json"})
			if err != nil {
				yield(nil, err)
				return
			}
			if !follow(res.Body, &last, yield) {
				return
			}
			if err := r.t.o.Sleep(ctx, 500*time.Millisecond); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// follow reads events until the stream ends. It is false when there is nothing
// more to tell.
func follow(body io.ReadCloser, last *string, yield func(*Run, error) bool) (more bool) {
	defer body.Close()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return true
		}
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:")
		if !ok || data == *last {
			continue
		}
		*last = data
		run := new(Run)
		if err := json.Unmarshal([]byte(data), run); err != nil {
			yield(nil, err)
			return false
		}
		if !yield(run, nil) || run.Ended() {
			return false
		}
	}
}

// Wait waits until a run has ended, and reads its outputs. An error says why
// there are none.
func (r Runs) Wait(ctx context.Context, id string, outputs any) error {
	for run, err := range r.Events(ctx, id) {
		switch {
		case err != nil:
			return err
		case run.Status == "completed":
			return json.Unmarshal(run.Outputs, outputs)
		case run.Ended() && run.Error != nil:
			return run.Error
		case run.Ended():
			return &Problem{Code: "run_" + run.Status, Detail: "the run " + id + " is " + run.Status}
		}
	}
	return &Problem{Code: CodeNoAnswer, Detail: "the run " + id + " can't be followed"}
}

type executed struct {
	RunID   string          `json:"run_id"`
	Status  string          `json:"status"`
	Outputs json.RawMessage `json:"outputs"`
}

// Execute runs a workflow, and waits for its end.
func Execute[O, I any](ctx context.Context, t *Transport, name string, inputs I, opts []Option) (out O, err error) {
	run, err := do[executed](ctx, t, http.MethodPost, "/workflows/"+name+"/execute", with(call{body: map[string]any{"inputs": inputs}}, opts))
	switch {
	case err != nil:
		return out, err
	case run.Status == "completed":
		return out, json.Unmarshal(run.Outputs, &out)
	}
	return out, NewRuns(t).Wait(ctx, run.RunID, &out)
}

// Start begins a durable workflow, and gives the id of its run as soon as that
// is kept.
func Start[I any](ctx context.Context, t *Transport, name string, inputs I, opts []Option) (runID string, err error) {
	c := with(call{body: map[string]any{"inputs": inputs}}, opts)
	c.set("Prefer", "respond-async")
	run, err := do[executed](ctx, t, http.MethodPost, "/workflows/"+name+"/execute", c)
	return run.RunID, err
}
