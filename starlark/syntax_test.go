package starlark

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/starlark/internal/tree"
)

// TestOneSlipIsToldOnce: whichever sign is left out of an app that is right, one
// error is told of it, and it lies between where the statement begins and where
// the sign was missed.
func TestOneSlipIsToldOnce(t *testing.T) {
	text, err := os.ReadFile("../examples/shop/app.star")
	if err != nil {
		t.Fatal(err)
	}
	slips := 0
	for i, c := range string(text) {
		if !strings.ContainsRune("()[]{},:=", c) {
			continue
		}
		slip := string(text[:i]) + string(text[i+1:])
		_, err := tree.Options().Parse("app.star", slip, 0)
		if err == nil {
			continue // in a string, or of no consequence
		}
		slips++
		l := newLoader(context.Background(), "app.star", Options{}.withDefaults())
		l.syntaxErrors(&source{key: "app.star", name: "app.star", text: slip}, err)
		line := 1 + strings.Count(slip[:i], "\n")
		begun := 1 + strings.Count(slip[:max(0, strings.LastIndex(slip[:i], "\n\n"))], "\n") // no statement goes over an empty line there, but for a def
		if len(l.diags) != 1 || l.diags[0].Span.Start.Line < begun || l.diags[0].Span.Start.Line > line+3 {
			t.Errorf("line %d without its %q: %+v", line, c, l.diags)
		}
	}
	if slips < 200 {
		t.Errorf("only %d slips", slips)
	}
}
