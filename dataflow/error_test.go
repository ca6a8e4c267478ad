package dataflow_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

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
