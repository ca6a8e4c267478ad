package problem

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/google/go-cmp/cmp"
)

// Every status and every code has an HTTP status of its kind.
func TestStatuses(t *testing.T) {
	for s := dataflow.StatusInternal; s <= dataflow.StatusPreconditionRequired; s++ {
		status := Status(&dataflow.Error{Code: "x", Status: s})
		if status < 400 || Title(status) == "" {
			t.Errorf("status %d is HTTP status %d, %q", s, status, Title(status))
		}
	}
	want := map[string]int{
		"malformed_json": 400, "malformed_request": 400, "body_too_large": 413, "unsupported_media_type": 415,
		"not_acceptable": 406, "method_not_allowed": 405, "request_timeout": 408, "rate_limited": 429, "misdirected": 421,
		"unique_violation": 409, "not_found": 404, "invalid": 422, "internal": 500, "precondition_required": 428,
	}
	known := map[string]bool{}
	for _, c := range dataflow.ErrorCodes() {
		known[c.Code] = true
		if w, ok := want[c.Code]; ok && Status(&dataflow.Error{Code: c.Code, Status: c.Status}) != w {
			t.Errorf("%s is HTTP status %d, want %d", c.Code, Status(&dataflow.Error{Code: c.Code, Status: c.Status}), w)
		}
	}
	for _, c := range codes {
		if !known[c.code] {
			t.Errorf("%s has no row in dataflow.ErrorCodes", c.code)
		}
	}
	if got := Status(&dataflow.Error{Status: 200}); got != http.StatusInternalServerError {
		t.Errorf("a status that does not exist is %d", got)
	}
}

// Whoever is told to come again is told when, and nobody else is.
func TestRetryAfter(t *testing.T) {
	for _, c := range dataflow.ErrorCodes() {
		after := RetryAfter(&dataflow.Error{Code: c.Code, Status: c.Status})
		if (after > 0) != (c.Status == dataflow.StatusBusy) {
			t.Errorf("%s: Retry-After %d", c.Code, after)
		}
	}
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name string
		err  *dataflow.Error
		want string
	}{
		{"everything", &dataflow.Error{
			Code: "invalid", Status: dataflow.StatusInvalid, Message: "the \"input\" has 2 problems", Hint: "mend it",
			Model: "Order", Workflow: "place", Node: "order", Span: dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 3, Col: 7}},
			Problems: []dataflow.Problem{{Code: "required", Pointer: "/a", Detail: "is required"}, {Code: "unknown_field", Pointer: "/b~1c", Detail: "no", Hint: "did you mean \"a\"?"}},
		}, `{"type":"urn:flowctl:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"the \"input\" has 2 problems","code":"invalid","hint":"mend it","model":"Order","workflow":"place","node":"order","location":"app.star:3:7","request_id":"r1","errors":[{"code":"required","pointer":"/a","detail":"is required"},{"code":"unknown_field","pointer":"/b~1c","detail":"no","hint":"did you mean \"a\"?"}]}`},
		{"the cause stays here", dataflow.Internal(http.ErrAbortHandler),
			`{"type":"urn:flowctl:problem:internal","title":"Internal Server Error","status":500,"detail":"something went wrong inside the server","code":"internal","request_id":"r1"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Append(nil, tt.err, "r1")
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !json.Valid(got) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}
