package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Asker is a NodeType whose nodes run SQL that the app writes itself, through
// Runtime.Query.
type Asker interface {
	// Statement returns the statement that a config gives, nil where it gives
	// none, and the database that it names ("": the only one).
	Statement(config *dataflow.Object) (s *rawsql.Statement, database string)
	// Param is the parameter that holds the values.
	Params() string
}

// asking is a node that runs a statement of the app's own.
type asking struct {
	node      *dataflow.Node
	statement *rawsql.Statement
	database  *dataflow.Database
}

// asks notes the statement of a node. A decimal takes its digits from what it
// refers to.
func (w *wfPlanner) asks(n *nodePlan) {
	asker, ok := n.typ.(Asker)
	if !ok {
		return
	}
	s, name := asker.Statement(n.raw)
	db, err := w.planner.plan.databaseNamed(name)
	if s == nil || err != nil {
		return // the node's own check says so
	}
	v, _ := n.raw.Get(asker.Params())
	for i, p := range s.Params {
		if ref, ok := paramOf(v, p.Name, i).(dataflow.Ref); ok && p.Type == nil {
			before := len(w.diags)
			if e, from := w.compileRef(ref); e != nil && from != nil && from.Kind == dataflow.KindDecimal {
				p.Type, p.Taken = from, true
			}
			w.diags = w.diags[:before] // known already
		}
	}
	w.planner.plan.asking = append(w.planner.plan.asking, asking{n.node, s, db})
}

// paramOf is the value of a parameter, by its name or place.
func paramOf(params any, name string, i int) any {
	switch params := params.(type) {
	case *dataflow.Object:
		v, _ := params.Get(name)
		return v
	case []any:
		if i < len(params) {
			return params[i]
		}
	}
	return nil
}

// databaseNamed finds a database by its name; "" is the only one.
func (p *Plan) databaseNamed(name string) (*dataflow.Database, error) {
	if name == "" && len(p.databases) == 1 {
		return p.databases[0], nil
	}
	i := slices.IndexFunc(p.databases, func(db *dataflow.Database) bool { return db.Name == name })
	switch {
	case i >= 0:
		return p.databases[i], nil
	case len(p.databases) == 0:
		return nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusInternal, Message: "the app has no database"}
	}
	names := make([]string, len(p.databases))
	for i, db := range p.databases {
		names[i] = db.Name
	}
	err := &dataflow.Error{Code: "not_found", Status: dataflow.StatusInternal, Message: fmt.Sprintf("there is no database %q", name),
		Hint: dataflow.NearOrAll(name, names)}
	if name == "" {
		err.Message, err.Hint = "the app has several databases", fmt.Sprintf(`name one: "database": %q`, names[0])
	}
	return nil, err
}

// Inspect asks the databases what is wrong with the SQL that the app writes
// itself. Nothing of it is run.
func (e *Engine) Inspect(ctx context.Context) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for _, a := range e.plan.asking {
		flaws, err := e.Store(a.database).Inspect(ctx, a.statement)
		if err != nil {
			e.opts.Logger.Warn("a statement could not be looked at", "node", a.node.ID, "error", err)
			continue
		}
		at := a.node.Spans.At("/config/sql")
		for _, f := range flaws {
			d := dataflow.Diagnostic{Code: "FC359", Severity: dataflow.SeverityError, Message: f.Message, Hint: f.Hint, Span: at}
			if f.Warning {
				d.Severity = dataflow.SeverityWarning
			}
			if f.Offset >= 0 {
				d.Span = at.Within(a.statement.Text, f.Offset)
			}
			ds = append(ds, d)
		}
	}
	return ds
}

// Query implements Runtime.
func (rt *runtime) Query(ctx context.Context, database string, s *rawsql.Statement, args []any) (*store.Answer, error) {
	r := rt.run
	db, err := r.engine.plan.databaseNamed(database)
	if err != nil {
		return nil, err
	}
	rd, err := r.readerOn(db, s.Write, "a statement")
	if err != nil {
		return nil, err
	}
	if r.failed != nil {
		return nil, r.failed
	}
	a, err := rd.Query(ctx, s, args)
	if err != nil && s.Write {
		r.failed = err
	}
	return a, err
}
