package openapi

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/problem"
)

func typed(kind string) *dataflow.Object { return dataflow.ObjectOf("type", kind) }

func described(s *dataflow.Object, doc string) *dataflow.Object {
	s.Set("description", doc)
	return s
}

func parameter(name, in, doc string, s *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("name", name, "in", in, "description", doc, "schema", s)
}

func required(p *dataflow.Object) *dataflow.Object {
	p.Set("required", true)
	return p
}

// sharedParameters are those that more than one operation takes.
func sharedParameters() *dataflow.Object {
	limit := dataflow.ObjectOf("type", "integer", "minimum", int64(1), "maximum", int64(access.MaxLimit), "default", int64(access.DefaultLimit))
	filter := dataflow.ObjectOf("name", "filter", "in", "query",
		"description", "A filter as JSON: {\"status\": \"new\", \"total\": {\"$gte\": 10}, \"$or\": [...]}. A single condition may also be a parameter of its own: status=new, total[$gte]=10, customer.email=a@example.org.",
		"content", jsonContent(typed("object")))
	return dataflow.ObjectOf(
		"filter", filter,
		"sort", parameter("sort", "query", "Fields to sort by, with commas between; - before one turns its order round.", typed("string")),
		"limit", parameter("limit", "query", "Rows in a page.", limit),
		"offset", parameter("offset", "query", "Rows to pass over; a cursor is better for all but the first pages.", dataflow.ObjectOf("type", "integer", "minimum", int64(0), "default", int64(0))),
		"cursor", parameter("cursor", "query", "Where to go on: next_cursor of the page before, with the same filter and sort.", typed("string")),
		"fields", parameter("fields", "query", "The fields wanted, with commas between. Rows then have these only.", typed("string")),
		"expand", parameter("expand", "query", "Rows to return along with each, with commas between: customer puts the row in the place of its id, order_lines adds {records, has_more} of the rows that refer to it, order_lines.product goes on from there. What can be expanded is in the properties of the answer; the models must be served themselves.", typed("string")),
		"count", parameter("count", "query", "exact also counts every match, as total. true and false say the same.",
			dataflow.ObjectOf("type", "string", "enum", []any{"exact", "none", "true", "false"}, "default", "none")),
		"search", parameter("search", "query", `Words that must all be in the row, in any of its searchable fields: red kettle. "red kettle" in quotes stands side by side, ket* begins so, -steel must not be there.`, typed("string")),
		"include_deleted", parameter("include_deleted", "query", "Rows that were deleted too.", dataflow.ObjectOf("type", "boolean", "default", false)),
		"IfMatch", required(parameter("If-Match", "header", "The ETag of the version that was read, or * for any.", typed("string"))),
		"IfNoneMatch", parameter("If-None-Match", "header", "The ETag of what is known: 304 if it still holds.", typed("string")),
		"IdempotencyKey", parameter("Idempotency-Key", "header", "A key of the caller's making. Repeating the request with it repeats the answer, not the effect.",
			dataflow.ObjectOf("type", "string", "minLength", int64(1), "maxLength", int64(255))),
		"Prefer", parameter("Prefer", "header", "return=minimal or return=representation, tx=rollback, max-affected=n, count=exact (RFC 7240).", typed("string")),
		"Tenant", required(parameter("X-Tenant-ID", "header", "The tenant whose rows these are.", typed("string"))),
		"TenantOptional", parameter("X-Tenant-ID", "header", "The tenant on whose rows to work, where the workflow needs one.", typed("string")),
	)
}

func sharedHeaders() *dataflow.Object {
	h := func(doc string) *dataflow.Object {
		return dataflow.ObjectOf("description", doc, "schema", typed("string"))
	}
	return dataflow.ObjectOf(
		"ETag", h("The row's version, for If-Match."),
		"Location", h("Where the new row is."),
		"Link", h(`The next page, as rel="next".`),
		"PreferenceApplied", h("The preferences that were honoured."),
	)
}

// problems lists the responses that stand for errors, by name.
func sharedResponses() *dataflow.Object {
	r := func(doc string) *dataflow.Object {
		return dataflow.ObjectOf("description", doc, "content",
			dataflow.ObjectOf(problem.ContentType, dataflow.ObjectOf("schema", refTo("schemas", "Problem"))))
	}
	return dataflow.ObjectOf(
		"Problem", r("the request failed"),
		"BadRequest", r("the body is not JSON"),
		"NotFound", r("there is no such thing"),
		"Conflict", r("another row has a value that must be unique, or a reference stands in the way"),
		"PreconditionFailed", r("the row is not of the version that If-Match names"),
		"Invalid", r("the input is wrong, or the app's rules refuse it; errors lists every problem"),
		"PreconditionRequired", r("the row is versioned and If-Match is missing"),
	)
}

func problemSchema() *dataflow.Object {
	props := dataflow.ObjectOf(
		"type", described(dataflow.ObjectOf("type", "string", "format", "uri"), "names the code as a URI: "+problem.TypePrefix+"…"),
		"title", typed("string"),
		"status", typed("integer"),
		"detail", described(typed("string"), "what went wrong"),
		"code", described(typed("string"), "what went wrong, for programs"),
		"hint", described(typed("string"), "what to do about it"),
		"model", typed("string"),
		"workflow", described(typed("string"), "the workflow that failed"),
		"node", described(typed("string"), "the node that failed"),
		"location", described(typed("string"), "its place in the app's files"),
		"request_id", typed("string"),
		"errors", dataflow.ObjectOf("type", "array", "items", refTo("schemas", "ProblemPart")),
	)
	return dataflow.ObjectOf("type", "object", "description", "What went wrong (RFC 9457).", "properties", props,
		"required", []any{"type", "title", "status", "code"})
}

func partSchema() *dataflow.Object {
	props := dataflow.ObjectOf(
		"code", typed("string"),
		"pointer", described(typed("string"), "a JSON pointer into the input (RFC 6901)"),
		"detail", typed("string"),
		"hint", typed("string"),
	)
	return dataflow.ObjectOf("type", "object", "description", "One thing wrong with one part of the input.", "properties", props,
		"required", []any{"code", "pointer", "detail"})
}
