package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var loadUnused = Rule{
	Code: "FC130", severity: dataflow.SeverityWarning, Fixes: true,
	Bad: `load("@stdlib//math.star", "pow")
load("@stdlib//money.star", "cents")  # here
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"side": field(int, default = pow(2, 3))})
`,
	Good: `load("@stdlib//math.star", "pow")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"side": field(int, default = pow(2, 3))})
`,
	find: func(p *pass) {
		for _, f := range p.files {
			used := f.usedNames()
			for _, st := range f.tree.Stmts {
				load, ok := st.(*syntax.LoadStmt)
				if ok && !p.failed(f.span(load)) && !p.declares(f, load.ModuleName()) {
					p.unusedLoads(f, load, used)
				}
			}
		}
	},
}

// declares reports whether a file that is loaded declares part of the app: then
// it is loaded for that, whatever its names are used for.
func (p *pass) declares(f *file, module string) bool {
	from := p.pathOf(f, module)
	var spans []dataflow.Span
	for _, db := range p.app.Databases {
		spans = append(spans, db.Span)
	}
	for _, m := range p.app.Models() {
		spans = append(spans, m.Span)
	}
	for _, w := range p.app.Workflows {
		spans = append(spans, w.Span)
	}
	for _, e := range p.app.Exposures {
		spans = append(spans, e.Span)
	}
	return slices.ContainsFunc(spans, func(s dataflow.Span) bool { return path.Clean(s.File) == from })
}

// pathOf is the path, as spans have it, of the file that f loads by that name.
func (p *pass) pathOf(f *file, module string) string {
	if rest, ok := strings.CutPrefix(module, "//"); ok {
		return path.Join(strings.TrimSuffix(p.files[0].Path, p.app.Files[0].Path), rest)
	}
	return path.Join(path.Dir(f.Path), module)
}

// usedNames are the names that stand anywhere but where they are bound by load.
func (f *file) usedNames() map[string]bool {
	used := map[string]bool{}
	for _, st := range f.tree.Stmts {
		if _, ok := st.(*syntax.LoadStmt); ok {
			continue
		}
		syntax.Walk(st, func(n syntax.Node) bool {
			if id, ok := n.(*syntax.Ident); ok {
				used[id.Name] = true
			}
			return true
		})
	}
	return used
}

func (p *pass) unusedLoads(f *file, load *syntax.LoadStmt, used map[string]bool) {
	var unused []int
	for i, to := range load.To {
		if !used[to.Name] {
			unused = append(unused, i)
		}
	}
	for _, i := range unused {
		d := p.report(f.span(load.To[i]), fmt.Sprintf("%s is loaded and never used", load.To[i].Name), "leave it out")
		at, ok := f.aroundLoad(load), true
		message := "remove the load"
		if len(unused) < len(load.To) {
			at, ok = f.aroundName(load, i)
			message = "remove the name"
		}
		if ok {
			d.Fixes = append(d.Fixes, dataflow.Fix{Message: message, Safe: true, Edits: []dataflow.Edit{{Span: at}}})
		}
	}
}

// aroundLoad is what is to be taken out with a load: its lines, or what it has of
// lines that it shares with other statements.
func (f *file) aroundLoad(load *syntax.LoadStmt) dataflow.Span {
	own := f.span(load)
	for i, st := range f.tree.Stmts {
		if st != syntax.Stmt(load) {
			continue
		}
		if i+1 < len(f.tree.Stmts) {
			if next := f.span(f.tree.Stmts[i+1]); next.Start.Line == own.End.Line {
				return dataflow.Span{File: f.Path, Start: own.Start, End: next.Start}
			}
		}
		if i > 0 {
			if before := f.span(f.tree.Stmts[i-1]); before.End.Line == own.Start.Line {
				return dataflow.Span{File: f.Path, Start: before.End, End: own.End}
			}
		}
	}
	return f.linesOf(load)
}

// aroundName is what is to be taken out with one name of a load, the comma among
// it; not ok where that can't be told, or has a comment in it.
func (f *file) aroundName(load *syntax.LoadStmt, i int) (dataflow.Span, bool) {
	begin := func(i int) dataflow.Pos {
		at := f.span(load.To[i]).Start
		if load.To[i].NamePos == load.From[i].NamePos { // "name", where another has its_name = "name"
			at.Col--
		}
		return at
	}
	end := func(i int) dataflow.Pos {
		at := f.span(load.From[i]).End
		at.Col++
		return at
	}
	at := dataflow.Span{File: f.Path, Start: begin(i), End: end(i)}
	if i > 0 {
		at.Start = end(i - 1)
	} else {
		at.End = begin(1)
	}
	from, to := offset(f.Text, at.Start), offset(f.Text, at.End)
	if from < 0 || to < from {
		return at, false
	}
	gone := f.Text[from:to]
	return at, !strings.Contains(gone, "#") && strings.Count(gone, `"`)+strings.Count(gone, "'") == 2 && strings.Count(gone, ",") == 1
}

// linesOf is all the lines a statement is on.
func (f *file) linesOf(n syntax.Node) dataflow.Span {
	s := f.span(n)
	return dataflow.Span{File: f.Path, Start: dataflow.Pos{Line: s.Start.Line, Col: 1}, End: dataflow.Pos{Line: s.End.Line + 1, Col: 1}}
}
