package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

// Source is a file that an app was loaded from.
type Source struct {
	Path string // as spans name it
	Text string
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
	p := &pass{app: app, broken: dataflow.HasErrors(found)}
	for _, s := range sources {
		if f := parse(s); f != nil { // one that can't be parsed has been reported
			p.files = append(p.files, f)
		}
	}
	for i := range rules {
		r := &rules[i]
		if r.whole && p.broken {
			continue
		}
		p.code, p.severity = r.Code, r.severity
		r.find(p)
	}
	ds = append(ds, p.found...)
	return dataflow.SortDiagnostics(suppress(p.files, ds))
}

// pass is what a rule has to look at, and to report to.
type pass struct {
	app    *dataflow.App
	files  []*file
	broken bool // there are errors, so that what is missing may have been meant

	code     string
	severity dataflow.Severity
	found    []dataflow.Diagnostic
}

// report adds a finding of the rule that runs.
func (p *pass) report(at dataflow.Span, message, hint string) *dataflow.Diagnostic {
	p.found = append(p.found, dataflow.Diagnostic{Code: p.code, Severity: p.severity, Span: at, Message: message, Hint: hint})
	return &p.found[len(p.found)-1]
}
