package starlark

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

// Test is a function of a test file.
type Test struct {
	Name string
	Span dataflow.Span
	fn   *value.Func
}

// Tester is the app that a test runs against.
type Tester = value.Tester

// Runner runs what an app offers, for a test.
type Runner = value.Runner

// Run runs the test. It returns nil if the test passes, else what is wrong.
func (t Test) Run(ctx context.Context, of Tester) *dataflow.Diagnostic { return t.fn.Test(ctx, of) }

// LoadTests evaluates an app, and a file with tests of it. The tests are the
// functions of the file whose names begin with test_, in order. They are nil
// where either can't be evaluated, which a diagnostic then says.
func LoadTests(ctx context.Context, app, file string, o Options) (_ *dataflow.App, tests []Test, diags []dataflow.Diagnostic) {
	l := newLoader(ctx, app, o.withDefaults())
	a, diags := l.runWith(app, func() {
		m := l.loadFile(file, dataflow.Span{File: displayName(o.Display, file)})
		if !m.failed {
			tests = l.tests(m)
		}
	})
	if a == nil || dataflow.HasErrors(diags) {
		return nil, nil, diags
	}
	return a, tests, diags
}

// tests finds the tests of a file.
func (l *loader) tests(m *module) []Test {
	var tests []Test
	for _, name := range m.exports.Keys() {
		fn, ok := m.exports[name].(*sl.Function)
		if !ok || !strings.HasPrefix(name, "test_") || fn.Position().Filename() != m.src.name {
			continue
		}
		at := l.definition(fn)
		if fn.NumParams() != 1 || fn.HasVarargs() || fn.HasKwargs() {
			l.error("FC415", at, fmt.Sprintf("the test %s takes %d parameters, and is given one", name, fn.NumParams()), fmt.Sprintf("write def %s(t):", name))
			continue
		}
		tests = append(tests, Test{Name: name, Span: at, fn: l.function(fn)})
	}
	slices.SortFunc(tests, func(a, b Test) int { return a.Span.Start.Line - b.Span.Start.Line })
	return tests
}
