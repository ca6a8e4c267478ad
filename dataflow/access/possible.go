package access

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// Possible is an app without what its rules let nobody ask for: operations,
// models that then have none, and workflows. What tells of an app to everybody
// tells of this one; the app itself answers with 403, as it does to whoever may
// not do something.
func Possible(app *dataflow.App) *dataflow.App {
	if app.Server == nil || !app.Server.EnableAuth {
		return app
	}
	out := *app
	out.Exposures = nil
	for _, exp := range app.Exposures {
		one := *exp
		one.Ops = slices.DeleteFunc(slices.Clone(exp.Ops), func(op dataflow.OpKind) bool { return !AnybodyMay(exp.Model, op) })
		one.Events = exp.Events && AnybodyMay(exp.Model, dataflow.OpRead)
		if len(one.Ops) > 0 {
			out.Exposures = append(out.Exposures, &one)
		}
	}
	out.Workflows = slices.DeleteFunc(slices.Clone(app.Workflows), func(w *dataflow.Workflow) bool { return w.Access != nil && !letsAny(w.Access) })
	return &out
}

// AnybodyMay reports whether there may be a caller who may ask for an operation.
func AnybodyMay(m *dataflow.Model, op dataflow.OpKind) bool {
	return m.Access == nil || !slices.ContainsFunc(needs[op], func(to right) bool { return !letsAny(to.rule(m.Access)) })
}

func letsAny(r *dataflow.Rule) bool { return r != nil && len(r.Grants) > 0 }
