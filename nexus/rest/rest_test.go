package rest

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/nexus/front"
)

// Each route has a doc, its methods, and a request in the tests that compare
// whole answers (or, for the OpenAPI document, tests of its own).
func TestRoutesAreDocumentedAndTested(t *testing.T) {
	files, err := filepath.Glob("../testdata/rest/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	var requests []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq("\n"+string(text), "\n== ") {
			if lines := strings.Split(part, "\n"); len(lines) > 1 {
				path, _, _ := strings.Cut(lines[1], "?")
				requests = append(requests, path)
			}
		}
	}
	for _, rt := range Routes() {
		if rt.Doc == "" || !strings.HasSuffix(rt.Doc, ".") || len(rt.Methods) == 0 {
			t.Errorf("%s has no doc or no methods", rt.Pattern)
		}
		for _, method := range rt.Methods {
			if method == "HEAD" || method == "OPTIONS" || rt.Pattern == "/openapi.json" {
				continue
			}
			if !asked(requests, method, rt.Pattern) {
				t.Errorf("no test asks for %s %s", method, rt.Pattern)
			}
		}
	}
}

func asked(requests []string, method, pattern string) bool {
	want := strings.Split(method+" "+pattern, "/")
	for _, r := range requests {
		got := strings.Split(r, "/")
		same := len(got) == len(want)
		for i := 0; same && i < len(want); i++ {
			same = got[i] == want[i] || strings.HasPrefix(want[i], "{") && got[i] != ""
		}
		if same {
			return true
		}
	}
	return false
}

func TestPreferences(t *testing.T) {
	none := prefer{maxAffected: -1}
	tests := []struct {
		header []string
		want   prefer
	}{
		{nil, none},
		{[]string{""}, none},
		{[]string{"return=minimal"}, prefer{minimal: true, maxAffected: -1}},
		{[]string{`Return = "representation"`}, prefer{representation: true, maxAffected: -1}},
		{[]string{"return=minimal, return=representation"}, prefer{minimal: true, maxAffected: -1}},
		{[]string{"count=exact; wait=1, tx=rollback", "max-affected=3"}, prefer{count: true, rollback: true, maxAffected: 3}},
		{[]string{"count=planned, tx=commit, max-affected=-1, respond-async, x"}, none},
		{[]string{"max-affected=99999999999999999999"}, none},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Prefer"] = tt.header
		if got := preferences(&front.Exchange{Request: r}); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.header, got, tt.want)
		}
	}
}

func TestEntityTags(t *testing.T) {
	for tag, want := range map[string]int64{`"1"`: 1, `"42"`: 42, `"01"`: 0, `"+1"`: 0, `1`: 0, `""`: 0, `"`: 0, `W/"1"`: 0, `"x"`: 0} {
		got, ok := parseTag(tag)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d %v, want %d", tag, got, ok, want)
		}
	}
}

func TestTakesEvents(t *testing.T) {
	for accept, want := range map[string]bool{
		"": true, "*/*": true, "text/event-stream": true, "application/json, Text/Event-Stream;q=0.5": true, "text/*": true,
		"application/json": false, "application/*": false, "text/event-stream;q=0": false, "text/csv": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if err := takesEvents(r); (err == nil) != want {
			t.Errorf("Accept %q: %v", accept, err)
		}
	}
}

func TestAcceptable(t *testing.T) {
	for accept, want := range map[string]bool{
		"": true, "*/*": true, "application/json": true, "APPLICATION/JSON": true, "application/*": true,
		"application/problem+json": true, "text/html, */*;q=0.1": true, "application/json;q=0.5": true,
		"text/html": false, "application/json;q=0": false, "application/json; q=0.000": false, "text/*": false, "application/xml": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if err := acceptable(r, ""); (err == nil) != want {
			t.Errorf("Accept %q: %v", accept, err)
		}
	}
}
