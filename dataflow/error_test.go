package dataflow_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// Where a message only counts problems, its text says which they are.
func TestTheTextOfAnErrorNamesItsProblems(t *testing.T) {
	problem := func(at string) dataflow.Problem {
		return dataflow.Problem{Code: "required", Pointer: at, Detail: "is required"}
	}
	for want, e := range map[string]*dataflow.Error{
		"the input has a problem: /a is required":                  dataflow.Invalid(problem("/a")),
		"the input has a problem: is required":                     dataflow.Invalid(problem("")),
		"the input has 2 problems: /a is required; /b is required": dataflow.Invalid(problem("/a"), problem("/b")),
		"the input has 6 problems: /a is required; /a is required; /a is required; /a is required; /a is required; …": dataflow.Invalid(
			problem("/a"), problem("/a"), problem("/a"), problem("/a"), problem("/a"), problem("/a")),
		"another Order has this key": {Code: "unique_violation", Message: "another Order has this key", Problems: []dataflow.Problem{problem("/key")}},
	} {
		if got := e.Text(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// However much is wrong, an answer is of a length that a reader can take.
func TestOfManyProblemsSomeAreToldOf(t *testing.T) {
	for n, want := range map[int]string{
		1:    "the input has a problem",
		100:  "the input has 100 problems",
		5000: "the input has 5000 problems, of which 100 are told of",
	} {
		e := dataflow.Invalid(make([]dataflow.Problem, n)...)
		if e.Message != want || len(e.Problems) != min(n, 100) {
			t.Errorf("%d: %s, and tells of %d", n, e.Message, len(e.Problems))
		}
	}
}
