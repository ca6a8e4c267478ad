package openapi

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// Components that every app's document may refer to. What nothing refers to is
// left out of it.

// sharedParameters are those that more than one operation takes.
func sharedParameters() *dataflow.Object {
	limit := dataflow.ObjectOf("type", "integer", "minimum", int64(1), "maximum", int64(access.MaxLimit), "default", int64(access.DefaultLimit))
	filter := dataflow.ObjectOf("name", "filter", "in", "query",
		"description", "A filter as JSON: {\"status\": \"new\", \"total\": {\"$gte\": 10}, \"$or\": [...]}. A single condition may also be a parameter of its own: status=new, total[$gte]=10, customer.email=a@example.org.",
		"content", jsonContent(typed("object")))
	return dataflow.ObjectOf(
		"filter", filter,
		"sort", parameter("sort", "query", "Fields to sort by, with commas between; - before one turns its order round. Rows that are equal in them are in the order of their ids, descending where the last field is; without sort all are in the order of their ids.", typed("string")),
		"limit", parameter("limit", "query", "Rows in a page.", limit),
		"offset", parameter("offset", "query", "Rows to pass over; a cursor is better for all but the first pages.", dataflow.ObjectOf("type", "integer", "minimum", int64(0), "default", int64(0))),
		"cursor", parameter("cursor", "query", "Where to go on: next_cursor of the page before, with the same filter and sort.", typed("string")),
		"fields", parameter("fields", "query", "The fields wanted, with commas between. Rows then have these only. customer.name is a field behind a relation, which it expands, without its other fields.", typed("string")),
		"expand", parameter("expand", "query", "Rows to return along with each, with commas between: customer puts the row in the place of its id, order_lines adds {records, has_more} of the rows that refer to it, order_lines.product goes on from there. What can be expanded is in the properties of the answer; the models must be served themselves.", typed("string")),
		"count", parameter("count", "query", "exact also counts every match, as total. true and false say the same.",
			dataflow.ObjectOf("type", "string", "enum", []any{"exact", "none", "true", "false"}, "default", "none")),
		"search", parameter("search", "query", `Words that must all be in the row, in any of its searchable fields: red kettle. "red kettle" in quotes stands side by side, ket* begins so, -steel must not be there.`, typed("string")),
		"include_deleted", parameter("include_deleted", "query", "Rows that were deleted too.", dataflow.ObjectOf("type", "boolean", "default", false)),
		"IfMatch", required(parameter("If-Match", "header", "The ETag of the version that was read, or * for any.", typed("string"))),
		"IfMatchRead", parameter("If-Match", "header", "The ETag of the version that is wanted: 412 if the row is of another by now.", typed("string")),
		"IfNoneMatch", parameter("If-None-Match", "header", "The ETag of what is known: 304 if it still holds.", typed("string")),
		"IfNone", parameter("If-None-Match", "header", "* asks for a new row: 412 if there is one with this id.", dataflow.ObjectOf("type", "string", "const", "*")),
		"IdempotencyKey", parameter("Idempotency-Key", "header", "A key of the caller's making. Repeating the request with it repeats the answer, not the effect.",
			dataflow.ObjectOf("type", "string", "minLength", int64(1), "maxLength", int64(255))),
		"PreferCount", parameter("Prefer", "header", "count=exact also counts every match, as total (RFC 7240).", typed("string")),
		"PreferWrite", parameter("Prefer", "header", "return=minimal or return=representation says what to answer with; tx=rollback does everything and keeps nothing (RFC 7240).", typed("string")),
		"PreferBulk", parameter("Prefer", "header", "max-affected=n refuses to touch more rows than that; tx=rollback does everything and keeps nothing (RFC 7240).", typed("string")),
		"PreferBatch", parameter("Prefer", "header", "return=minimal answers with nothing; max-affected=n refuses to touch more rows than that; tx=rollback does everything and keeps nothing (RFC 7240).", typed("string")),
		"PreferAsync", parameter("Prefer", "header", "respond-async answers with 202 as soon as the run is kept (RFC 7240).", typed("string")),
		"Tenant", required(parameter("X-Tenant-ID", "header", "The tenant whose rows these are.", typed("string"))),
		"TenantOptional", parameter("X-Tenant-ID", "header", "The tenant on whose rows to work, where the workflow needs one.", typed("string")),
		"RunID", required(parameter("id", "path", "The run's id, as run_id names it.", typed("string"))),
	)
}

// header is a header of answers: the name of its component and that on the wire.
type header struct{ component, name, doc string }

var headers = []header{
	{"RequestID", "X-Request-Id", "The id by which logs know the request: the caller's own X-Request-ID, if it sent a sound one."},
	{"ETag", "ETag", "The version of what is sent, for If-Match and If-None-Match."},
	{"ContentEncoding", "Content-Encoding", "gzip, where the answer is large and the client takes that."},
	{"Location", "Location", "Where what the request made is."},
	{"Link", "Link", `Other pages: rel="next", "first", and "prev" where there is an offset.`},
	{"PreferenceApplied", "Preference-Applied", "The preferences that were honoured."},
	{"Replayed", "Idempotent-Replayed", "true, if this is the answer that an earlier request with the same Idempotency-Key got."},
	{"CacheControl", "Cache-Control", "Whether and how the answer may be kept."},
	{"RetryAfter", "Retry-After", "After how many seconds it is worth trying again."},
	{"RateLimit", "RateLimit", "Of each limit that the request came under: how many more there can be now (r), and in how many seconds there is another (t)."},
	{"RateLimitPolicy", "RateLimit-Policy", "The limits that the request came under: how many (q) in how many seconds (w)."},
	{"Allow", "Allow", "The methods that are served here."},
	{"AcceptEncoding", "Accept-Encoding", "The encodings of a body that are taken."},
	{"AcceptPost", "Accept-Post", "The media types of a body that are taken."},
	{"Stale", "X-Flowctl-Stale", "What is served is not what the app's files say, which can't be served: which generation answers, and how many errors there are."},
	{"Authenticate", "WWW-Authenticate", "How to say who calls (RFC 9110)."},
}

func sharedHeaders() *dataflow.Object {
	o := dataflow.NewObject()
	for _, h := range headers {
		kind := typed("string")
		if h.component == "RetryAfter" {
			kind = typed("integer")
		}
		o.Set(h.component, dataflow.ObjectOf("description", h.doc, "schema", kind))
	}
	return o
}

// headersOf refers to headers by the names of their components.
func headersOf(components ...string) *dataflow.Object {
	o := dataflow.NewObject()
	for _, h := range headers {
		if h.component == "RequestID" || h.component == "ContentEncoding" || h.component == "Stale" || slices.Contains(components, h.component) {
			o.Set(h.name, refTo("headers", h.component))
		}
	}
	return o
}
