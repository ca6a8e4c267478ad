// Package runtime is what every generated client in Go is made with: requests,
// retries, pages, runs. It needs the standard library and nothing else, and
// knows nothing of any app: it is copied beside what is generated of one.
package runtime

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
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
	Line    int    `json:"line"` // of a file that is imported: where it is; 0 otherwise
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
	RunID      string        `json:"run_id"` // the durable run that this is about
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
	text += " (" + p.Code + ")"
	for i, part := range p.Errors {
		if i == maxTold {
			return text + fmt.Sprintf("; and %d more", len(p.Errors)-maxTold)
		}
		text += "; " + part.String()
	}
	return text
}

// maxTold is how many parts of a problem its text tells of.
const maxTold = 5

// String says where the part is, and what is wrong with it.
func (p ProblemPart) String() string {
	at, detail := p.Pointer, p.Detail
	if at == "" {
		at = "/"
	}
	if p.Line > 0 {
		at += " in line " + strconv.Itoa(p.Line)
	}
	if detail == "" {
		detail = p.Code
	}
	return at + ": " + detail
}

// IsCode reports whether err is a Problem with this code.
func IsCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// Options are what a client is made of. URL is needed.
type Options struct {
	URL     string                                    // where the app is served: "http://127.0.0.1:8000"
	Key     func(ctx context.Context) (string, error) // gives an API key or a token for each request; see Key
	Tenant  string                                    // whose rows to work on, where models keep tenants apart
	Header  http.Header                               // to send with every request
	Retries int                                       // after 429 and 503, and after a lost connection where that is safe; 0: 3, -1: none
	MaxWait time.Duration                             // the longest before trying again; 0: 30 s
	// AutoKeys sends every write with an idempotency key of its own, so that it
	// is sent again too where a connection is lost.
	AutoKeys bool
	HTTP     *http.Client                                     // nil: http.DefaultClient
	Sleep    func(ctx context.Context, d time.Duration) error // nil: by the clock
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
	file   *file // a body that is no JSON
	header http.Header
	accept string
	kind   string
}

// Kinds of requests: whether one can be sent twice without harm. Of others
// nobody knows.
const (
	reads  = "read"
	writes = "write" // with an idempotency key
)

// file is a body that is sent as it is made.
type file struct {
	media  string
	packed bool // with gzip
	write  func(io.Writer) error
	once   bool // it can be written no second time
}

// begin begins to write the file into what is sent. done is closed once nothing
// is written any more.
func (f *file) begin() (body *io.PipeReader, done <-chan struct{}) {
	out, in := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := f.into(in)
		in.CloseWithError(err) // nil is the end of the body
	}()
	return out, ended
}

func (f *file) into(w io.Writer) error {
	if !f.packed {
		return f.write(w)
	}
	z := gzip.NewWriter(w)
	if err := f.write(z); err != nil {
		return err
	}
	return z.Close()
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
	c.kind = writes
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
	if c.kind == writes && t.o.AutoKeys && c.header.Get("Idempotency-Key") == "" {
		c.set("Idempotency-Key", rand.Text())
	}
	retries := t.o.Retries
	if c.file != nil && c.file.once {
		retries = 0
	}
	// Repeating these has no other effect than doing them once.
	safe := method == http.MethodGet || c.kind == reads || c.header.Get("Idempotency-Key") != ""
	for attempt := 0; ; attempt++ {
		content, stop := c.content(body)
		res, err := t.once(ctx, method, path, c, content)
		wait := 100 * time.Millisecond << attempt
		switch {
		case err != nil:
			if !safe || attempt >= retries || ctx.Err() != nil {
				return nil, err
			}
		case res.StatusCode < 400:
			return res, nil
		default:
			p := problemOf(res)
			if !p.again() || attempt >= retries {
				return nil, p
			}
			if wait *= 5; res.Header.Get("Retry-After") != "" {
				wait = p.RetryAfter
			}
		}
		stop()
		if err := t.o.Sleep(ctx, min(wait, t.o.MaxWait)); err != nil {
			return nil, err
		}
	}
}

// again reports whether a request can be sent again: the server says that
// nothing has happened, or that the first one with its key is still under way.
func (p *Problem) again() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable || p.Code == "idempotency_in_flight"
}

func (t *Transport) once(ctx context.Context, method, path string, c call, content io.Reader) (*http.Response, error) {
	at := t.o.URL + path
	if len(c.query) > 0 {
		at += "?" + c.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, at, content)
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
	switch {
	case c.file != nil:
		r.Header.Set("Content-Type", c.file.media)
		if c.file.packed {
			r.Header.Set("Content-Encoding", "gzip")
		}
	case c.body != nil:
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

// content is what is sent. stop is called before it is sent again: nobody works
// at it then any more.
func (c call) content(body []byte) (content io.Reader, stop func()) {
	if c.file == nil {
		return bytes.NewReader(body), func() {}
	}
	out, done := c.file.begin()
	return out, func() {
		out.Close()
		<-done
	}
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

// Show says which fields of rows are shown, and which rows of other models in
// them.
type Show struct {
	Fields []string // "status", "customer.name"; none: all. The id is always there
	Expand []string // "customer", "lines.product"
}

func (s Show) set(v url.Values) {
	for name, list := range map[string][]string{"fields": s.Fields, "expand": s.Expand} {
		if len(list) > 0 {
			v.Set(name, strings.Join(list, ","))
		}
	}
}

// One is what a reference shows: the row that it leads to where it was expanded,
// and else its id alone.
type One[ID, R any] struct {
	ID  ID
	Row *R
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *One[ID, R]) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '{' {
		return json.Unmarshal(text, &o.ID)
	}
	var row struct {
		ID ID `json:"id"`
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	o.ID, o.Row = row.ID, new(R)
	return json.Unmarshal(text, o.Row)
}

// MarshalJSON implements json.Marshaler.
func (o One[ID, R]) MarshalJSON() ([]byte, error) {
	if o.Row != nil {
		return json.Marshal(o.Row)
	}
	return json.Marshal(o.ID)
}

// Many are rows that refer to the one that they are shown in.
type Many[R any] struct {
	Records []R  `json:"records"`
	HasMore bool `json:"has_more"`
}

// Tagged is an answer, and the tag by which it is known whether there is another
// by now.
type Tagged[T any] struct {
	Value T
	ETag  string // "" where there is no telling: it is always read anew
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
	Missing   []ID       `json:"missing"` // ids of no row, where rows were asked for by id
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

	Search         string `json:"search,omitempty"` // words to look for in the searchable fields
	IncludeDeleted bool   `json:"include_deleted,omitempty"`
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
func ViewRow[V, R, ID any](ctx context.Context, r Rows[R, ID], id ID, show Show) (V, error) {
	q := make(url.Values)
	show.set(q)
	return do[V](ctx, r.t, http.MethodGet, r.at(id), call{query: q})
}

// ReadIfChanged reads a row, unless it is as it was when it was given the tag:
// then there is nil.
func (r Rows[R, ID]) ReadIfChanged(ctx context.Context, id ID, etag string) (*Tagged[R], error) {
	return tagged[R](ctx, r.t, r.at(id), nil, etag)
}

// ListIfChanged reads a page, unless it is as it was when it was given the tag:
// then there is nil.
func (r Rows[R, ID]) ListIfChanged(ctx context.Context, q Query, etag string) (*Tagged[Page[R]], error) {
	values, err := q.values()
	if err != nil {
		return nil, err
	}
	return tagged[Page[R]](ctx, r.t, r.path, values, etag)
}

func tagged[T any](ctx context.Context, t *Transport, path string, q url.Values, etag string) (*Tagged[T], error) {
	c := call{query: q}
	if etag != "" {
		c.set("If-None-Match", etag)
	}
	res, err := t.send(ctx, http.MethodGet, path, c)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified {
		return nil, nil
	}
	v := &Tagged[T]{ETag: res.Header.Get("ETag")}
	return v, json.NewDecoder(res.Body).Decode(&v.Value)
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
	return ListViews[R](ctx, r, q, Show{})
}

// ListViews reads a page of rows as they are to be shown.
func ListViews[V, R, ID any](ctx context.Context, r Rows[R, ID], q Query, show Show) (Page[V], error) {
	values, err := q.values()
	if err != nil {
		return Page[V]{}, err
	}
	show.set(values)
	return do[Page[V]](ctx, r.t, http.MethodGet, r.path, call{query: values})
}

// EachView reads every row that matches, page after page, as it is to be shown.
// An error is the last pair.
func EachView[V, R, ID any](ctx context.Context, r Rows[R, ID], q Query, show Show) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for {
			page, err := ListViews[V](ctx, r, q, show)
			if err != nil {
				var none V
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

// CountQuery asks how many rows there are.
type CountQuery struct {
	Filter         Filter `json:"filter,omitempty"`
	Search         string `json:"search,omitempty"` // words to look for in the searchable fields
	IncludeDeleted bool   `json:"include_deleted,omitempty"`
}

// CountRows counts the rows that match.
func (r Rows[R, ID]) CountRows(ctx context.Context, q CountQuery) (int64, error) {
	answer, err := do[struct {
		Count int64 `json:"count"`
	}](ctx, r.t, http.MethodPost, r.path+"/count", call{body: q, kind: reads})
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
	}](ctx, r.t, http.MethodPost, r.path+"/aggregate", call{body: a, kind: reads})
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
		last := ""
		for e, err := range r.t.follow(ctx, r.at(id)+"/events", nil, "") {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.data == last {
				continue
			}
			last = e.data
			run := new(Run)
			if err := json.Unmarshal([]byte(e.data), run); err != nil {
				yield(nil, err)
				return
			}
			if !yield(run, nil) || run.Ended() {
				return
			}
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
			run.Error.RunID = id
			return run.Error
		case run.Ended():
			return &Problem{Code: "run_" + run.Status, Detail: "the run " + id + " is " + run.Status, RunID: id}
		}
	}
	return &Problem{Code: CodeNoAnswer, Detail: "the run " + id + " can't be followed", RunID: id}
}

type executed struct {
	RunID   string          `json:"run_id"`
	Status  string          `json:"status"`
	Outputs json.RawMessage `json:"outputs"`
}

// Execute runs a workflow, and waits for its end.
func Execute[O, I any](ctx context.Context, t *Transport, name, kind string, inputs I, opts []Option) (out O, err error) {
	c := with(call{body: map[string]any{"inputs": inputs}}, opts)
	c.kind = kind
	run, err := do[executed](ctx, t, http.MethodPost, "/workflows/"+name+"/execute", c)
	switch {
	case err != nil:
		return out, err
	case run.Status == "completed":
		return out, json.Unmarshal(run.Outputs, &out)
	}
	return out, NewRuns(t).Wait(ctx, run.RunID, &out)
}

// Start begins a workflow, and gives the id of its run as soon as that is kept.
func Start[I any](ctx context.Context, t *Transport, name string, inputs I, opts []Option) (runID string, err error) {
	c := with(call{body: map[string]any{"inputs": inputs}}, opts)
	c.set("Prefer", "respond-async")
	run, err := do[executed](ctx, t, http.MethodPost, "/workflows/"+name+"/execute", c)
	return run.RunID, err
}

// frame is one event of a stream.
type frame struct {
	name, data, id string
}

// How streams of events are followed.
const (
	silence  = 45 * time.Second       // the server says something every 15 s
	comeBack = 500 * time.Millisecond // until the server says otherwise
)

// follow reads the events of a stream. A connection that is lost, or silent for
// too long, is made again where it was, after ever longer waits. It ends when the
// context does, or the server says that coming again is of no use: that error is
// the last pair.
func (t *Transport) follow(ctx context.Context, path string, q url.Values, last string) iter.Seq2[frame, error] {
	return func(yield func(frame, error) bool) {
		f := follower{last: last, again: comeBack}
		for failed := 0; ; failed++ {
			err := f.connect(ctx, t, path, q, yield)
			if f.over {
				return
			}
			if f.heard {
				failed = 0
			}
			var p *Problem
			if err != nil && (!f.opened || ctx.Err() != nil || errors.As(err, &p) && !p.again() && p.Status != http.StatusBadGateway && p.Status != http.StatusGatewayTimeout) {
				yield(frame{}, err)
				return
			}
			if err := t.o.Sleep(ctx, min(f.again<<min(failed, 10), t.o.MaxWait)); err != nil {
				yield(frame{}, err)
				return
			}
		}
	}
}

// ended is the problem that a stream has ended with for good.
func ended(data string) error {
	said := struct{ Code, Reason string }{}
	if err := json.Unmarshal([]byte(data), &said); err != nil {
		return err
	}
	p := &Problem{Status: http.StatusUnauthorized, Code: said.Code, Detail: said.Reason}
	if p.Code == "not_found" {
		p.Status = http.StatusNotFound
	}
	return p
}

// follower is how far a stream has been followed.
type follower struct {
	last   string        // the id of the last event
	again  time.Duration // before the first try to come back
	opened bool          // it has been, once
	heard  bool          // something came of the last connection
	over   bool          // nobody listens any more
}

// connect reads events until the connection ends.
func (f *follower) connect(ctx context.Context, t *Transport, path string, q url.Values, yield func(frame, error) bool) error {
	f.heard = false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := call{query: q, accept: "text/event-stream, application/problem+json"}
	if f.last != "" {
		c.set("Last-Event-ID", f.last)
	}
	res, err := t.send(ctx, http.MethodGet, path, c)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f.opened = true
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	var e frame
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the end of a stream is no error: it is made again
			return nil
		}
		quiet.Reset(silence)
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			f.read(&e, line)
			continue
		}
		f.heard = true
		e.id = f.last
		if e.name == "ended" {
			return ended(e.data)
		}
		if e.data != "" && !yield(e, nil) {
			f.over = true
			return nil
		}
		e = frame{}
	}
}

// read reads one line of an event (WHATWG HTML, 9.2).
func (f *follower) read(e *frame, line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		e.name = value
	case "data":
		if e.data != "" {
			value = e.data + "\n" + value
		}
		e.data = value
	case "id":
		f.last = value
	case "retry":
		if n, err := strconv.Atoi(value); err == nil {
			f.again = time.Duration(n) * time.Millisecond
		}
	}
}

// EventQuery says what of a model's rows is followed.
type EventQuery struct {
	Filter      Filter   // on fields of the rows themselves
	Fields      []string // none: all
	LastEventID string   // EventID of the last event that was heard: those since are told first
}

// RowEvent is what happened to a row, from where the listener stands.
type RowEvent[R, ID any] struct {
	// Event is "created" (the row came into what is followed), "updated" (it
	// changed in it), "deleted" (it left it: it is gone, matches no more, or may
	// not be seen any more), or "reset" (what happened in between is not kept any
	// more: read the rows again).
	Event   string `json:"event"`
	ID      ID     `json:"id"`
	Record  *R     `json:"record"` // nil of one that is deleted, and where a function of the app fails on the row
	Reason  string `json:"reason"` // of a reset
	EventID string `json:"-"`      // where to go on from later
}

// FollowRows is what happens to rows.
func (r Rows[R, ID]) FollowRows(ctx context.Context, q EventQuery) iter.Seq2[RowEvent[R, ID], error] {
	return FollowViews[R](ctx, r, q)
}

// FollowViews is what happens to rows, as they are to be shown.
func FollowViews[V, R, ID any](ctx context.Context, r Rows[R, ID], q EventQuery) iter.Seq2[RowEvent[V, ID], error] {
	return func(yield func(RowEvent[V, ID], error) bool) {
		values, err := Query{Filter: q.Filter}.values()
		if err != nil {
			yield(RowEvent[V, ID]{}, err)
			return
		}
		Show{Fields: q.Fields}.set(values)
		for f, err := range r.t.follow(ctx, r.path+"/events", values, q.LastEventID) {
			e := RowEvent[V, ID]{EventID: f.id}
			switch {
			case err != nil:
			default:
				err = json.Unmarshal([]byte(f.data), &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Format is the form of a file of rows.
type Format string

// The forms of files.
const (
	CSV    Format = "text/csv"             // with the names of its columns in the first line
	NDJSON Format = "application/x-ndjson" // an object in each line
)

// ExportQuery says which rows a file has, and what of them.
type ExportQuery struct {
	Filter         Filter
	Sort           []string
	Fields         []string // none: all
	Search         string
	IncludeDeleted bool
}

func (q ExportQuery) values() (url.Values, error) {
	v, err := Query{Filter: q.Filter, Sort: q.Sort, Search: q.Search, IncludeDeleted: q.IncludeDeleted}.values()
	if err == nil {
		Show{Fields: q.Fields}.set(v)
	}
	return v, err
}

// ExportTo writes every row that matches, of one state of the database, as they
// come. Without an error, all have come.
func (r Rows[R, ID]) ExportTo(ctx context.Context, to io.Writer, f Format, q ExportQuery) error {
	body, err := r.export(ctx, f, q)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(to, body)
	return err
}

func (r Rows[R, ID]) export(ctx context.Context, f Format, q ExportQuery) (io.ReadCloser, error) {
	values, err := q.values()
	if err != nil {
		return nil, err
	}
	res, err := r.t.send(ctx, http.MethodGet, r.path, call{query: values, accept: string(f)})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// ExportedRows is every row that matches, of one state of the database, as they
// come. An error is the last pair.
func (r Rows[R, ID]) ExportedRows(ctx context.Context, q ExportQuery) iter.Seq2[R, error] {
	return ExportedViews[R](ctx, r, q)
}

// ExportedViews is ExportedRows of rows as they are to be shown.
func ExportedViews[V, R, ID any](ctx context.Context, r Rows[R, ID], q ExportQuery) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		body, err := r.export(ctx, NDJSON, q)
		if err != nil {
			yield(none, err)
			return
		}
		defer body.Close()
		for rows := json.NewDecoder(body); ; {
			var row V
			err := rows.Decode(&row)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// ImportOptions say how a file of rows is imported. The zero value inserts all
// of it, or nothing.
type ImportOptions struct {
	Upsert     bool     // change rows that are there already
	ConflictOn []string // the fields by which those are found
	Skip       bool     // leave out lines that can't be imported, and tell of them
	Ignore     []string // columns to pass over
	Gzip       bool     // send the file packed
}

func (o ImportOptions) values() url.Values {
	v := make(url.Values)
	if o.Upsert {
		v.Set("mode", "upsert")
	}
	if o.Skip {
		v.Set("on_error", "skip")
	}
	for name, list := range map[string][]string{"conflict_on": o.ConflictOn, "ignore": o.Ignore} {
		if len(list) > 0 {
			v.Set(name, strings.Join(list, ","))
		}
	}
	return v
}

// LineError is why a line of a file was left out.
type LineError struct {
	Line     int           `json:"line"`
	Code     string        `json:"code"`
	Message  string        `json:"message"`
	Problems []ProblemPart `json:"problems"`
}

// Imported is what has come of a file.
type Imported struct {
	Processed     int64       `json:"processed"`
	Inserted      int64       `json:"inserted"`
	Updated       int64       `json:"updated"`
	Skipped       int64       `json:"skipped"` // lines that were left out
	Errors        []LineError `json:"errors"`  // and why, for the first thousand
	ErrorsLeftOff int64       `json:"errors_left_off"`
}

// ImportFrom imports a file of rows, in one transaction. A reader that can seek
// is sent again where that is worth it.
func (r Rows[R, ID]) ImportFrom(ctx context.Context, from io.Reader, f Format, o ImportOptions, opts []Option) (Imported, error) {
	body := &file{media: string(f), packed: o.Gzip, once: true, write: func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	}}
	if s, ok := from.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil { // a pipe can't, though a file has the method
			body.once = false
			write := body.write
			body.write = func(w io.Writer) error {
				if _, err := s.Seek(start, io.SeekStart); err != nil {
					return err
				}
				return write(w)
			}
		}
	}
	return do[Imported](ctx, r.t, http.MethodPost, r.path+"/import", with(call{query: o.values(), file: body}, opts))
}

// ImportRows imports rows, in one transaction. They are taken as they are sent;
// the sequence is begun again where the request is sent again.
func ImportRows[R, ID, C any](ctx context.Context, r Rows[R, ID], rows iter.Seq[C], o ImportOptions, opts []Option) (Imported, error) {
	body := &file{media: string(NDJSON), packed: o.Gzip, write: func(w io.Writer) error {
		lines := bufio.NewWriter(w)
		for row := range rows {
			line, err := encode(row)
			if err != nil {
				return err
			}
			if _, err := lines.Write(line); err != nil {
				return err
			}
		}
		return lines.Flush()
	}}
	return do[Imported](ctx, r.t, http.MethodPost, r.path+"/import", with(call{query: o.values(), file: body}, opts))
}

// Ref stands, in a later operation of a batch, for what an earlier one gives.
type Ref string

// MarshalJSON implements json.Marshaler.
func (r Ref) MarshalJSON() ([]byte, error) { return encode(map[string]string{"$ref": string(r)}) }

// Step is one operation of a batch.
type Step[T any] struct {
	Result T // what it gave, once the batch has been sent
	id     string
}

// Ref stands for a part of what the operation gives: Ref("id"), Ref("record", "id").
func (s *Step[T]) Ref(path ...string) Ref {
	return Ref(strings.Join(append([]string{s.id}, path...), "."))
}

// StepOption changes an operation of a batch.
type StepOption func(args any) error

// From takes a value from what an earlier operation gives, in the place of the
// one that is there: From("customer", who.Ref("id")). The path leads into what
// the operation takes: "fields.status" of an update, "data.0.customer" of a
// bulk create.
func From(path string, ref Ref) StepOption {
	return func(args any) error {
		parts := strings.Split(path, ".")
		for i, part := range parts {
			last := i == len(parts)-1
			switch in := args.(type) {
			case map[string]any:
				if last {
					in[part] = ref
				}
				args = in[part]
			case []any:
				n, err := strconv.Atoi(part)
				if err != nil || n < 0 || n >= len(in) {
					return fmt.Errorf("%q leads nowhere in what the operation takes", path)
				}
				if last {
					in[n] = ref
				}
				args = in[n]
			default:
				return fmt.Errorf("%q leads nowhere in what the operation takes", path)
			}
		}
		return nil
	}
}

// Steps gathers the operations of a batch.
type Steps struct {
	t    *Transport
	ops  []operation
	done []func(json.RawMessage) error
	err  error
	sent bool
}

type operation struct {
	ID    string `json:"id"`
	Model string `json:"model"`
	Op    string `json:"op"`
	Args  any    `json:"args"`
}

// NewSteps begins a batch.
func NewSteps(t *Transport) *Steps { return &Steps{t: t} }

// AddStep adds an operation.
func AddStep[T any](s *Steps, model, op string, args any, opts []StepOption) *Step[T] {
	step := &Step[T]{id: "s" + strconv.Itoa(len(s.ops)+1)}
	open, err := opened(args)
	for _, o := range opts {
		if err == nil {
			err = o(open)
		}
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("operation %d of the batch, %s of %s: %w", len(s.ops), op, model, err)
	}
	s.ops = append(s.ops, operation{step.id, model, op, open})
	s.done = append(s.done, func(result json.RawMessage) error { return json.Unmarshal(result, &step.Result) })
	return step
}

// opened is a value as maps and lists.
func opened(args any) (v any, err error) {
	text, err := encode(args)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // which loses no digit
	err = d.Decode(&v)
	return v, err
}

// Send does all operations in one transaction, or none.
func (s *Steps) Send(ctx context.Context, opts []Option) error {
	if s.err != nil {
		return s.err
	}
	if s.sent {
		return errors.New("the batch has been done: begin another")
	}
	answer, err := do[struct {
		Results []struct {
			Result json.RawMessage `json:"result"`
		} `json:"results"`
	}](ctx, s.t, http.MethodPost, "/api/batch", with(call{body: map[string]any{"operations": s.ops}}, opts))
	if err != nil {
		return err
	}
	s.sent = true
	for i, r := range answer.Results {
		if err := s.done[i](r.Result); err != nil {
			return err
		}
	}
	return nil
}

// step is the version as a batch has it: null is any.
func (v Version) step() any {
	if v == AnyVersion {
		return nil
	}
	return int64(v)
}

// ChangeArgs are the arguments of an operation of a batch on one row; v is nil
// where rows have no versions.
func ChangeArgs(id any, v *Version, fields any) map[string]any {
	args := map[string]any{"id": id}
	if v != nil {
		args["version"] = v.step()
	}
	if fields != nil {
		args["fields"] = fields
	}
	return args
}

// ReadArgs are the arguments of a read in a batch.
func ReadArgs(id any, show Show) map[string]any {
	args := map[string]any{"id": id}
	show.argue(args)
	return args
}

// argue sets the arguments that say the same in a batch.
func (s Show) argue(args map[string]any) {
	for name, list := range map[string][]string{"fields": s.Fields, "expand": s.Expand} {
		if len(list) > 0 {
			args[name] = list
		}
	}
}

// ListArgs are the arguments of a list in a batch.
func ListArgs(q Query, show Show) map[string]any {
	args := map[string]any{}
	show.argue(args)
	for name, v := range map[string]struct {
		v     any
		given bool
	}{
		"filter": {q.Filter, q.Filter != nil}, "sort": {q.Sort, len(q.Sort) > 0}, "limit": {q.Limit, q.Limit != 0},
		"offset": {q.Offset, q.Offset != 0}, "cursor": {q.Cursor, q.Cursor != ""}, "count": {true, q.Count},
		"search": {q.Search, q.Search != ""}, "include_deleted": {true, q.IncludeDeleted},
	} {
		if v.given {
			args[name] = v.v
		}
	}
	return args
}

// Deleted is what a delete gives in a batch.
type Deleted[ID any] struct {
	ID      ID   `json:"id"`
	Deleted bool `json:"deleted"`
}

// Counted is what a count gives in a batch.
type Counted struct {
	Count int64 `json:"count"`
}

// Aggregated is what an aggregate gives in a batch; each group is an object.
type Aggregated struct {
	Groups []map[string]json.RawMessage `json:"groups"`
}
