package dataflow

import (
	"fmt"
	"strings"
)

// Validate checks what only the whole of an app can tell: how its databases,
// models, exposures and workflows fit together. What one declaration in a file
// can tell of itself has been said when the file was loaded; Validate says it
// of values that a Go program built (they have no Span).
//
// Its time is in proportion to the size of the app.
func Validate(app *App) []Diagnostic {
	v := &validator{app: app, databaseOf: map[*Model]*Database{}}
	for _, db := range app.Databases {
		for _, m := range db.Models {
			v.databaseOf[m] = db
		}
	}
	v.databases()
	for _, db := range app.Databases {
		v.names(db)
		for _, m := range db.Models {
			v.model(m)
		}
		v.requiredCycles(db)
	}
	v.exposures()
	v.workflows()
	v.auth()
	return SortDiagnostics(v.found)
}

type validator struct {
	app        *App
	databaseOf map[*Model]*Database
	found      []Diagnostic
}

func (v *validator) error(code string, at Span, hint, format string, args ...any) *Diagnostic {
	return v.add(SeverityError, code, at, hint, fmt.Sprintf(format, args...))
}

func (v *validator) warn(code string, at Span, hint, format string, args ...any) *Diagnostic {
	return v.add(SeverityWarning, code, at, hint, fmt.Sprintf(format, args...))
}

// add records a diagnostic. The pointer is good until the next.
func (v *validator) add(s Severity, code string, at Span, hint, message string) *Diagnostic {
	v.found = append(v.found, Diagnostic{Code: code, Severity: s, Message: message, Span: at, Hint: hint})
	return &v.found[len(v.found)-1]
}

func (d *Diagnostic) related(message string, at Span) {
	if !at.IsZero() {
		d.Related = append(d.Related, Related{message, at})
	}
}

// databases refuses to open one database twice: its models would not know of
// each other, and each half would undo the other's schema.
func (v *validator) databases() {
	first := map[string]*Database{}
	for _, db := range v.app.Databases {
		if db.URL == "" || strings.HasSuffix(db.URL, ":memory:") {
			continue
		}
		if other, ok := first[db.URL]; ok {
			v.error("FC250", db.Spans.At("/database_url"), "declare all its models on one DataFlow, or give the second another database_url",
				"two DataFlows open the same database").related("the first one", other.Span)
			continue
		}
		first[db.URL] = db
	}
}

var (
	modelNames = NameShape{First: Capitals, Rest: Word, Most: 60}
	otherNames = NameShape{First: Letters, Rest: Word, Most: 60}
)

// names holds the models of a database apart by name, table and node types.
func (v *validator) names(db *Database) {
	byName, byTable, byNode := map[string]*Model{}, map[string]*Model{}, map[string]*Model{}
	for _, m := range db.Models {
		if m.Span.IsZero() {
			v.modelNames(m)
		}
		v.unique("FC251", byName, m.Name, m, "the name "+m.Name)
		table := strings.ToLower(m.Table) // databases don't tell case apart
		if m.Span.IsZero() && (strings.HasPrefix(table, "_flow") || strings.HasPrefix(table, "sqlite_")) {
			v.error("FC252", m.Spans.At("/table"), `write table = "…" with another name`, "the table %s would be one of the runtime's own", m.Table)
		}
		if byName[m.Name] == m { // else the table is the least of it
			v.unique("FC251", byTable, table, m, "the table "+m.Table)
			for _, op := range []OpKind{OpCreate, OpBulkCreate} { // the rest go with these
				v.unique("FC251", byNode, Op{m, op}.NodeType(), m, "the node type "+Op{m, op}.NodeType())
			}
		}
	}
}

func (v *validator) unique(code string, seen map[string]*Model, key string, m *Model, what string) {
	other, taken := seen[key]
	if !taken {
		seen[key] = m
		return
	}
	if !m.Span.IsZero() && !other.Span.IsZero() {
		return // both are in a file, and it has been said
	}
	v.error(code, m.Spans.Key("/name"), "give one of them another name", "the models %s and %s share %s", other.Name, m.Name, what).
		related("the other model", other.Span)
}

// modelNames checks names that no loader has seen.
func (v *validator) modelNames(m *Model) {
	if !modelNames.Fits(m.Name) {
		v.error("FC253", m.Span, "a name has up to 60 letters, digits and _, and begins with a capital", "%q is no name for a model", m.Name)
	}
	if !otherNames.Fits(m.Table) {
		v.error("FC253", m.Span, "a name has up to 60 letters, digits and _, and begins with a letter", "%q is no name for the table of %s", m.Table, m.Name)
	}
}

// events checks that what happens to rows can be told to those who may read them.
func (v *validator) events(e *Exposure) {
	at := e.Spans.At("/events")
	if at.IsZero() {
		at = e.Span
	}
	if e.Events && !e.Allows(OpRead) && !e.Allows(OpList) {
		v.error("FC740", at, "add \"read\" or \"list\" to operations, or leave events out", "events show the rows of %s, and neither read nor list is served", e.Model.Name)
	}
}

// exposures checks what is served of models.
func (v *validator) exposures() {
	byPath := map[string]*Exposure{}
	for _, e := range v.app.Exposures {
		if e.Model == nil || v.databaseOf[e.Model] == nil {
			if e.Span.IsZero() || e.Model == nil {
				v.error("FC450", e.Span, "expose a model of one of the app's databases", "an exposure is of no model of this app")
			}
			continue
		}
		v.events(e)
		if !e.Span.IsZero() {
			continue // paths in a file have been checked
		}
		if !pathNames.Fits(e.Path) {
			v.error("FC451", e.Span, "a path has letters, digits, - and _, and begins with a letter", "%q is no path to serve %s at", e.Path, e.Model.Name)
		}
		if e.Path == BatchPath {
			v.error("FC451", e.Span, "give it another path", "/api/batch is where several operations are done in one transaction, and no place for %s", e.Model.Name)
		}
		if len(e.Ops) == 0 {
			v.error("FC451", e.Span, "name at least one operation", "%s is exposed without an operation", e.Model.Name)
		}
		if other, ok := byPath[e.Path]; ok {
			v.error("FC452", e.Span, "give one of them another path", "%s and %s are both exposed at %q", other.Model.Name, e.Model.Name, e.Path)
		}
		byPath[e.Path] = e
	}
}

var pathNames = NameShape{First: Letters, Rest: Word | Dash}

// workflows checks workflows that a Go program built; those of a file have
// been checked when they were registered.
func (v *validator) workflows() {
	byName := map[string]*Workflow{}
	for _, w := range v.app.Workflows {
		other, taken := byName[w.Name]
		if !taken {
			byName[w.Name] = w
		} else if w.Span.IsZero() || other.Span.IsZero() {
			v.error("FC453", w.Span, "give one of them another name", "two workflows have the name %q", w.Name).related("the other one", other.Span)
		}
		if w.Span.IsZero() {
			v.builtWorkflow(w)
		}
	}
}

func (v *validator) builtWorkflow(w *Workflow) {
	if !pathNames.Fits(w.Name) {
		v.error("FC454", w.Span, "a name has letters, digits, - and _, and begins with a letter: it is part of an address", "%q is no name for a workflow", w.Name)
	}
	if (w.Handler == nil) == (len(w.Nodes) == 0) {
		v.error("FC455", w.Span, "give it nodes, or a handler", "the workflow %s must have either nodes or a handler", w.Name)
	}
	if w.InputShape == nil {
		v.error("FC455", w.Span, "call SealInput once Input is complete", "the input of the workflow %s is not sealed", w.Name)
	}
	seen := map[string]bool{}
	for _, f := range w.Input {
		if seen[f.Name] {
			v.error("FC455", w.Span, "", "the workflow %s has two inputs %q", w.Name, f.Name)
		}
		seen[f.Name] = true
	}
	if w.Handler == nil && w.Signals != nil {
		v.error("FC455", w.Span, "give those a payload", "the workflow %s declares signals, which is for its SignalNodes to do", w.Name)
	}
	signals := map[string]bool{}
	for _, s := range w.Signals {
		if !NamesSignal(s.Name) {
			v.error("FC455", w.Span, fmt.Sprintf("a name has 1 to %d bytes, of UTF-8 and without the character NUL", MaxSignal), "the workflow %s declares %q, which is no name for a signal", w.Name, s.Name)
		}
		if signals[s.Name] {
			v.error("FC455", w.Span, "", "the workflow %s declares the signal %q twice", w.Name, s.Name)
		}
		signals[s.Name] = true
	}
}
