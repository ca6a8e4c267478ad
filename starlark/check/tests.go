package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// ofTests are the rules that a file of tests is held to: those about what its
// functions do, and not about an app.
var ofTests = []*Rule{
	&localUnused, &keyTwice, &changedWhileRead, &wrongArguments, &formatMismatch, &recursion, &textIterated, &floatBesideDecimal, &wordImpossible,
	&partMissing, &namesPassedOn, &textUnfit, &neverSet, &readAsNone, &mixedKinds, &neverReached, &noEffect, &comparedToItself, &conditionTwice,
}

// RunTests returns what is to be said of a file with tests of an app: what
// loading both found that is about it, or keeps it from being run, and what
// those rules find in it that are about functions.
func RunTests(app *dataflow.App, sources []Source, path string, found []dataflow.Diagnostic) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for _, d := range found {
		if d.Span.File == path || d.Severity == dataflow.SeverityError {
			ds = append(ds, d)
		}
	}
	if app == nil || dataflow.HasErrors(ds) {
		return dataflow.SortDiagnostics(ds)
	}
	p := newPass(app, sources, found)
	p.tests = path
	for _, r := range ofTests {
		p.code, p.severity = r.Code, r.severity
		r.find(p)
	}
	for _, d := range p.found {
		if d.Span.File == path {
			ds = append(ds, d)
		}
	}
	own := slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.Path != path })
	return dataflow.SortDiagnostics(suppress(own, ds))
}

// testFunctions follows the tests of a file.
func (fl *flow) testFunctions(name string) {
	for _, f := range fl.p.files {
		if f.Path != name {
			continue
		}
		for _, st := range f.tree.Stmts {
			if def, ok := st.(*syntax.DefStmt); ok && strings.HasPrefix(def.Name.Name, "test_") {
				fl.enter(f, def, func(int, string) *val { return &val{kind: isTest} })
			}
		}
	}
}

// ofTest follows t.run, and looks at what the other methods are given. What
// else is known of them was told when the file was loaded.
func (fr *frame) ofTest(c *syntax.CallExpr, name string) *val {
	a := fr.arguments(c.Args)
	switch name {
	case "as_caller":
		return &val{kind: isTest}
	case "now":
		return typed(dataflow.DateTime)
	case "run":
		return fr.runs(c, a)
	}
	return nil
}
