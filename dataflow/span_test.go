package dataflow_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func line(n int) dataflow.Span {
	return dataflow.Span{File: "a.star", Start: dataflow.Pos{Line: n, Col: 1}, End: dataflow.Pos{Line: n, Col: 2}}
}

func TestSpansFindTheNearestPlace(t *testing.T) {
	s := dataflow.Spans{"": line(1), "/config": line(2), "/config/where#key": line(3), "/config/where": line(4)}
	for pointer, want := range map[string]int{
		"": 1, "/x": 1, "/config": 2, "/config/y/z": 2, "/config/where": 4, "/config/where/email": 4,
	} {
		if got := s.At(pointer).Start.Line; got != want {
			t.Errorf("%s: line %d, want %d", pointer, got, want)
		}
	}
	if got := s.Key("/config/where").Start.Line; got != 3 {
		t.Error(got)
	}
	if got := s.Key("/config/other").Start.Line; got != 2 {
		t.Error(got)
	}
	if !(dataflow.Spans)(nil).At("/x").IsZero() {
		t.Error("no spans have a place")
	}
}

func TestSpanString(t *testing.T) {
	for want, s := range map[string]dataflow.Span{
		"a.star:3:1": line(3), "<unknown>": {}, "a.star": {File: "a.star"},
	} {
		if got := s.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSortDiagnostics(t *testing.T) {
	d := func(code string, n int) dataflow.Diagnostic { return dataflow.Diagnostic{Code: code, Span: line(n)} }
	got := ""
	for _, x := range dataflow.SortDiagnostics([]dataflow.Diagnostic{d("FC2", 9), d("FC1", 9), d("FC2", 1), d("FC1", 9)}) {
		got += fmt.Sprint(x.Code, x.Span.Start.Line, " ")
	}
	if got != "FC21 FC19 FC29 " {
		t.Error(got)
	}
}

func TestErrorsKeepTheirCauseFromTheirCaller(t *testing.T) {
	cause := errors.New("disk on fire at /var/lib/x")
	e := dataflow.AsError(fmt.Errorf("wrapped: %w", cause))
	if e.Code != "internal" || e.Message != "something went wrong inside the server" || !errors.Is(e, cause) {
		t.Errorf("%+v", e)
	}
	own := &dataflow.Error{Code: "not_found"}
	if dataflow.AsError(fmt.Errorf("wrapped: %w", own)) != own {
		t.Error("an Error inside another error is not found")
	}
}

// A code is a promise: one row each, with words, in a range of its own.
func TestCodesAreUniqueAndDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range dataflow.Codes() {
		if seen[c.Code] || len(c.Code) != 5 || c.Code[:2] != "FC" || c.Title == "" || len(c.Doc) < 20 {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
	seen = map[string]bool{}
	for _, c := range dataflow.ErrorCodes() {
		if seen[c.Code] || len(c.Doc) < 20 {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
}
