package access

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// right is what a rule lets somebody do with rows.
type right uint8

const (
	toRead right = iota
	toCreate
	toUpdate
	toDelete
)

func (to right) String() string { return [...]string{"read", "create", "update", "delete"}[to] }

// rule returns the rule of a model that gives the right.
func (to right) rule(a *dataflow.Access) *dataflow.Rule {
	return [...]*dataflow.Rule{a.Read, a.Create, a.Update, a.Delete}[to]
}

// needs lists the rights that an operation takes, by dataflow.OpKind. Whoever
// changes a row finds it first; whether an upsert adds a row or changes one is
// not known before.
var needs = [...][]right{
	dataflow.OpCreate:     {toCreate},
	dataflow.OpRead:       {toRead},
	dataflow.OpUpdate:     {toRead, toUpdate},
	dataflow.OpDelete:     {toRead, toDelete},
	dataflow.OpList:       {toRead},
	dataflow.OpUpsert:     {toRead, toCreate, toUpdate},
	dataflow.OpCount:      {toRead},
	dataflow.OpBulkCreate: {toCreate},
	dataflow.OpBulkUpdate: {toRead, toUpdate},
	dataflow.OpBulkDelete: {toRead, toDelete},
	dataflow.OpBulkUpsert: {toRead, toCreate, toUpdate},
	dataflow.OpAggregate:  {toRead},
}

// May reports whether a caller may ask for an operation of a model at all: nil,
// or the error "unauthenticated" for who has not said who they are, "forbidden"
// for who may not. With which rows is decided when it is done.
func May(c Caller, m *dataflow.Model, op dataflow.OpKind) error {
	if m.Access == nil || c.Operator {
		return nil
	}
	if c.Scoped {
		if err := inScope(c, OperationScopes(m, op)); err != nil {
			return err
		}
	}
	for _, to := range needs[op] {
		if !lets(c, to.rule(m.Access)) {
			return denied(c, op.String()+" rows of "+m.Name, m.Name, "", AnybodyMay(m, op))
		}
	}
	return nil
}

// MayAny reports whether there is anything of a model that a caller may ask for.
// To anybody else its name, and those of its fields, are not suggested.
func MayAny(c Caller, m *dataflow.Model) bool {
	return m.Access == nil || slices.ContainsFunc(dataflow.AllOps(), func(op dataflow.OpKind) bool { return May(c, m, op) == nil })
}

// MayStart reports whether a caller may start a workflow, and so see and signal
// the runs of it.
func MayStart(c Caller, w *dataflow.Workflow) error {
	if w.Access == nil || c.Operator {
		return nil
	}
	if err := inScope(c, WorkflowScopes(w.Name)); err != nil {
		return err
	}
	if lets(c, w.Access) {
		return nil
	}
	return denied(c, "run "+w.Name, "", w.Name, letsAny(w.Access))
}

// lets reports whether one of a rule's grants is for a caller.
func lets(c Caller, r *dataflow.Rule) bool {
	return r != nil && slices.ContainsFunc(r.Grants, func(g dataflow.Grant) bool { return g.Lets(c.User != nil, c.Roles) })
}

// denied is the answer to a caller who may not do something. That nobody may is
// told to who has signed in: the documents of the app leave it out.
func denied(c Caller, what, model, workflow string, anybody bool) error {
	e := &dataflow.Error{Code: "forbidden", Status: dataflow.StatusForbidden, Model: model, Workflow: workflow,
		Message: "you may not " + what, Hint: "ask whoever runs the app for a role that may"}
	if !anybody {
		e.Hint = "the rules of the app let nobody do so, whatever their role"
	}
	if c.User == nil {
		e.Code, e.Status = "unauthenticated", dataflow.StatusUnauthorized
		e.Message, e.Hint = "nobody may "+what+" who has not said who they are", "send an API key or a token"
	}
	return e
}

// admit is May for a caller whom the rules are for.
func (m *Model) admit(c Caller, op dataflow.OpKind) error {
	if !c.ruled() || m.m.Access == nil {
		return nil
	}
	return May(c, m.m, op)
}

// forbidden is the answer to who may do something with some rows, but not with
// this one, which it sees.
func (m *Model) forbidden(what string) error {
	return &dataflow.Error{Code: "forbidden", Status: dataflow.StatusForbidden, Model: m.m.Name,
		Message: "you may not " + what, Hint: "access of " + m.m.Name + " lets you do so with other rows"}
}

// May reports whether a caller may ask for an operation of the model at all;
// see the function of that name.
func (m *Model) May(c Caller, op dataflow.OpKind) error { return May(c, m.m, op) }
