package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"go.starlark.net/syntax"
)

// Source is a file that an app was loaded from.
type Source struct {
	Path string // as spans name it
	Text string
	tree *syntax.File // of the text, resolved; nil: Run makes it
}

// Sources are files that have been read by starlark.Load, whose Options.Read is
// Add: the trees that it made of them need not be made again.
type Sources []Source

// Add adds a file whose names have been resolved.
func (s *Sources) Add(path, text string, tree *syntax.File) {
	*s = append(*s, Source{path, text, tree})
}

// Run returns what is to be said of an app: found, which is what loading and
// planning it said, and what the rules find, less what the files say is to be
// ignored. Of an app that could not be evaluated, which is nil, only found is
// known.
func Run(app *dataflow.App, sources []Source, found []dataflow.Diagnostic) []dataflow.Diagnostic {
	ds := append([]dataflow.Diagnostic{}, found...)
	if app == nil {
		return dataflow.SortDiagnostics(ds)
	}
	p := newPass(app, sources, found)
	for i := range rules {
		r := &rules[i]
		if r.whole && len(p.errors) > 0 {
			continue
		}
		p.code, p.severity = r.Code, r.severity
		r.find(p)
	}
	ds = append(ds, p.found...)
	return dataflow.SortDiagnostics(suppress(p.files, ds))
}

func newPass(app *dataflow.App, sources []Source, found []dataflow.Diagnostic) *pass {
	p := &pass{app: app, specs: map[dataflow.Op]*dataflow.NodeSpec{}}
	for _, d := range found {
		if d.Severity == dataflow.SeverityError && !strings.HasPrefix(d.Code, OfDatabases) {
			p.errors = append(p.errors, d.Span)
		}
	}
	for _, s := range sources {
		if f := parse(s); f != nil { // one that can't be parsed has been reported
			p.files = append(p.files, f)
		}
	}
	return p
}

// OfDatabases begins the codes of what a database was found to be: that is no
// reason to say less of the app.
const OfDatabases = "FC6"

// pass is what a rule has to look at, and to report to.
type pass struct {
	app    *dataflow.App
	files  []*file
	tests  string          // the path of the file that is looked at, if it is one of tests
	errors []dataflow.Span // of what is wrong with the app

	facts map[factKey]*fact                    // that following values has found; nil before
	waits map[*dataflow.Workflow]dataflow.Span // where handlers wait, found in the same way
	heard map[*dataflow.Workflow]*heard        // what handlers wait for, found in the same way
	ops   map[string]*dataflow.Op              // by the type of their nodes; nil before
	specs map[dataflow.Op]*dataflow.NodeSpec

	reached int // calls that were followed, see mayFollow

	code     string
	severity dataflow.Severity
	found    []dataflow.Diagnostic
}

// ownModels are those whose tables are the app's to choose. How columns of
// others are kept, and what indexes they have, is another program's.
func (p *pass) ownModels() (own []*dataflow.Model) {
	for _, m := range p.app.Models() {
		if m.Database == nil || !m.Database.Options.ExistingSchemaMode {
			own = append(own, m)
		}
	}
	return own
}

// main is the app's own file, or nil if it can't be parsed.
func (p *pass) main() *file {
	for _, f := range p.files {
		if f.Path == p.app.Path {
			return f
		}
	}
	return nil
}

// failed reports whether there is an error within the place.
func (p *pass) failed(at dataflow.Span) bool {
	return slices.ContainsFunc(p.errors, func(e dataflow.Span) bool {
		return e.File == at.File && e.Start.Line >= at.Start.Line && e.Start.Line <= at.End.Line
	})
}

// spec describes an operation. One of a model of many fields is large.
func (p *pass) spec(op dataflow.Op) *dataflow.NodeSpec {
	if p.specs[op] == nil {
		p.specs[op] = access.Spec(op)
	}
	return p.specs[op]
}

// report adds a finding of the rule that runs.
func (p *pass) report(at dataflow.Span, message, hint string) *dataflow.Diagnostic {
	p.found = append(p.found, dataflow.Diagnostic{Code: p.code, Severity: p.severity, Span: at, Message: message, Hint: hint})
	return &p.found[len(p.found)-1]
}
