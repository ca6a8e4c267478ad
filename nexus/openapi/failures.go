package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/problem"
)

// failure is a response that stands for errors of one HTTP status.
type failure struct {
	status    int // 0: any
	component string
	doc       string
	code      string // of the example
	headers   []string
}

var failures = []failure{
	{400, "BadRequest", "the body or a header can't be read", "malformed_json", nil},
	{401, "Unauthorized", "the request does not say who calls, or not so that it can be believed", "unauthenticated", []string{"Authenticate"}},
	{403, "Forbidden", "whoever calls may not do this", "forbidden", []string{"Authenticate"}},
	{404, "NotFound", "there is no such thing, or the caller may not know of it", "not_found", nil},
	{406, "NotAcceptable", "the Accept header leaves out what there is", "not_acceptable", nil},
	{409, "Conflict", "the request contradicts what is there", "unique_violation", nil},
	{412, "PreconditionFailed", "the row is not of the version that If-Match names", "precondition_failed", nil},
	{413, "TooLarge", "the body is larger than is taken", "body_too_large", nil},
	{415, "UnsupportedMediaType", "the body is of another media type", "unsupported_media_type", []string{"AcceptEncoding", "AcceptPost"}},
	{422, "Invalid", "the input is wrong, or the app's rules refuse it; errors lists every problem", "invalid", nil},
	{428, "PreconditionRequired", "the row is versioned and If-Match is missing", "precondition_required", nil},
	{429, "TooManyRequests", "the caller has used up its requests", "rate_limited", []string{"RetryAfter", "RateLimit", "RateLimitPolicy"}},
	{503, "Unavailable", "the server can't do it now; nothing has happened, and trying again is worth it", "busy", []string{"RetryAfter"}},
	{0, "Problem", "the request failed", "internal", []string{"Allow", "RetryAfter"}},
}

// sharedResponses are the responses that stand for errors, by name. Each lists
// the codes that come with its status.
func sharedResponses() *dataflow.Object {
	o := dataflow.NewObject()
	for _, f := range failures {
		content := dataflow.ObjectOf("schema", refTo("schemas", "Problem"), "example", problemExample(f.code))
		r := dataflow.ObjectOf("description", f.doc+codesOf(f.status),
			"headers", headersOf(append([]string{"CacheControl"}, f.headers...)...),
			"content", dataflow.ObjectOf(problem.ContentType, content))
		o.Set(f.component, r)
	}
	return o
}

// codesOf lists what an answer of a status may say is wrong, as Markdown. Those
// of parts of an input are below Invalid, as they are in an answer.
func codesOf(status int) string {
	var b strings.Builder
	for _, c := range dataflow.ErrorCodes() {
		if own := statusOf(c); own == status || status == 0 && !hasFailure(own) {
			b.WriteString("\n- `" + c.Code + "`: " + c.Doc)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + b.String()
}

func statusOf(c dataflow.ErrorCodeInfo) int {
	return problem.Status(&dataflow.Error{Code: c.Code, Status: c.Status})
}

func hasFailure(status int) bool {
	for _, f := range failures {
		if f.status == status {
			return true
		}
	}
	return false
}

func problemExample(code string) dataflow.RawJSON {
	e := &dataflow.Error{Code: code, Status: dataflow.StatusInternal}
	for _, c := range dataflow.ErrorCodes() {
		if c.Code == code {
			e.Status, e.Message = c.Status, c.Doc
		}
	}
	if code == "invalid" {
		e.Message = "the input is wrong"
		e.Problems = []dataflow.Problem{{Code: "unknown_field", Pointer: "/nmae", Detail: `there is no field "nmae"`, Hint: `did you mean "name"?`}}
	}
	return dataflow.RawJSON(problem.Append(nil, e, "d7c1a0b2f3-4"))
}

// fail adds the responses that stand for errors of these statuses, and for any
// other. Those that any request may get come with them.
func (d *document) fail(responses *dataflow.Object, statuses ...int) {
	statuses = append(statuses, http.StatusForbidden, http.StatusNotAcceptable, http.StatusServiceUnavailable)
	if s := d.app.Server; s != nil {
		if s.EnableAuth {
			statuses = append(statuses, http.StatusUnauthorized)
		}
		if len(s.Bounds()) > 0 {
			statuses = append(statuses, http.StatusTooManyRequests)
		}
	}
	for _, f := range failures {
		key := strconv.Itoa(f.status)
		switch {
		case f.status == 0:
			key = "default"
		case !slices.Contains(statuses, f.status) || responses.Has(key):
			continue
		}
		responses.Set(key, refTo("responses", f.component))
	}
}

func problemSchema() *dataflow.Object {
	text := func(doc string) *dataflow.Object { return described(typed("string"), doc) }
	s := properties(dataflow.ObjectOf(
		"type", described(dataflow.ObjectOf("type", "string", "format", "uri"), "names the code as a URI: "+problem.TypePrefix+"…"),
		"title", typed("string"),
		"status", typed("integer"),
		"detail", text("what went wrong"),
		"code", text("what went wrong, for programs"),
		"hint", text("what to do about it"),
		"model", typed("string"),
		"workflow", text("the workflow that failed"),
		"node", text("the node that failed"),
		"run_id", text("the durable run that failed; it is kept, with what it did before"),
		"location", text("its place in the app's files"),
		"request_id", typed("string"),
		"errors", arrayOf(refTo("schemas", "ProblemPart")),
	), "detail", "hint", "model", "workflow", "node", "run_id", "location", "request_id", "errors")
	return described(s, "What went wrong (RFC 9457).")
}

func partSchema() *dataflow.Object {
	s := properties(dataflow.ObjectOf(
		"code", typed("string"),
		"pointer", described(typed("string"), "a JSON pointer into the input (RFC 6901)"),
		"detail", typed("string"),
		"hint", typed("string"),
		"line", described(integer(), "the line of an imported file; the pointer leads into its row then"),
	), "hint", "line")
	return described(s, "One thing wrong with one part of the input.")
}
