package access

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// Scopes bound what a key or token is good for, whatever its bearer may do:
//
//	read, write                 whatever reads or writes rows
//	orders:read, orders:write   the same of the model that is served at /api/orders
//	workflows                   start workflows, and see and change their runs
//	workflows:place_order       that workflow alone
//	metrics                     see the metrics of the server

// OperationScopes lists the scopes of which one is enough for an operation of a
// model, the narrowest first.
func OperationScopes(m *dataflow.Model, op dataflow.OpKind) []string {
	verb := "read"
	if op.Writes() {
		verb = "write"
	}
	var scopes []string
	if m.Access != nil {
		for _, path := range m.Access.Paths {
			scopes = append(scopes, path+":"+verb)
		}
	}
	return append(scopes, verb)
}

// WorkflowScopes lists those for starting a workflow.
func WorkflowScopes(name string) []string { return []string{"workflows:" + name, "workflows"} }

// inScope refuses a caller whose key or token has none of scopes.
func inScope(c Caller, scopes []string) error {
	if !c.Scoped || slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.Scopes, s) }) {
		return nil
	}
	return lacks(scopes[0])
}

func lacks(scope string) error {
	return &dataflow.Error{Code: "insufficient_scope", Status: dataflow.StatusForbidden, Err: missingScope(scope),
		Message: "the key or token is not good for this: it lacks the scope " + scope, Hint: "ask whoever runs the app for one that has it"}
}

// missingScope is the cause of an "insufficient_scope".
type missingScope string

func (s missingScope) Error() string { return "lacks the scope " + string(s) }

// ScopeOf returns the scope that an error says a caller lacks, or "".
func ScopeOf(e *dataflow.Error) string {
	s, _ := e.Err.(missingScope)
	return string(s)
}

// Scopes lists the scopes that mean something in an app.
func Scopes(app *dataflow.App) []string {
	scopes := []string{"read", "write", "workflows"}
	for _, e := range app.Exposures {
		for _, verb := range []string{"read", "write"} {
			if slices.ContainsFunc(e.Served(), func(op dataflow.OpKind) bool { return op.Writes() == (verb == "write") }) {
				scopes = append(scopes, e.Path+":"+verb)
			}
		}
	}
	for _, w := range app.Workflows {
		scopes = append(scopes, "workflows:"+w.Name)
	}
	if app.Server != nil && app.Server.Monitoring {
		scopes = append(scopes, scopeOfMetrics)
	}
	return scopes
}

// scopeOfMetrics must be given by name: what the metrics show is nobody's rows,
// so a credential that is good for all rows is not good for them. A role of that
// name will do as well.
const scopeOfMetrics = "metrics"

// MaySeeMetrics refuses whoever may not see the metrics of the server.
func MaySeeMetrics(c Caller) error {
	if slices.Contains(c.Scopes, scopeOfMetrics) || slices.Contains(c.Roles, scopeOfMetrics) {
		return nil
	}
	return lacks(scopeOfMetrics)
}
