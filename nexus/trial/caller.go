package trial

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// Caller is somebody who calls the app from outside: what is served is theirs,
// as far as the access rules let them.
type Caller struct {
	t      *Trial
	caller access.Caller
}

// As returns a caller. A user of nil has not said who they are; of others the
// id and the roles are known.
func (t *Trial) As(user *dataflow.Object, tenant string) (*Caller, error) {
	c := access.Caller{Tenant: tenant, Ruled: true, Sees: t.app().Shows}
	if tenant != "" && !access.ValidTenant(tenant) {
		return nil, fmt.Errorf("%q is no name for a tenant", tenant)
	}
	if user == nil {
		return &Caller{t, c}, nil
	}
	if !t.asks() {
		return nil, errors.New("the app asks nobody who they are: leave user out, or write Nexus(enable_auth = True)")
	}
	id, _ := user.Get("id")
	name, ok := id.(string)
	if !ok || name == "" {
		return nil, errors.New(`user has an id, a string, and roles: write {"id": "ada", "roles": ["editor"]}`)
	}
	given, ok := user.Get("roles")
	if !ok {
		given = []any{}
		user = user.Clone()
		user.Set("roles", given)
	}
	list, ok := given.([]any)
	if !ok {
		return nil, errors.New(`roles of user are a list of strings: write "roles": ["editor"]`)
	}
	for _, r := range list {
		role, ok := r.(string)
		if !ok {
			return nil, errors.New(`roles of user are strings: write "roles": ["editor"]`)
		}
		c.Roles = append(c.Roles, role)
	}
	c.User, c.Key = user, "user:"+name
	return &Caller{t, c}, nil
}

func (t *Trial) app() *dataflow.App { return t.gen.Engine().App() }

// asks reports whether the app asks who calls.
func (t *Trial) asks() bool { return t.app().Server != nil && t.app().Server.EnableAuth }

// Run runs an operation that is served, in a transaction of its own.
func (c *Caller) Run(ctx context.Context, op dataflow.Op, args *dataflow.Object) (any, error) {
	if !c.t.serves(op) {
		return nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: op.Model.Name, Message: fmt.Sprintf("%s.%s is not served", op.Model.Name, op.Kind),
			Hint: fmt.Sprintf("serve it: app.expose(%s, operations = [%q])", op.Model.Name, op.Kind)}
	}
	if err := c.known(op.Model.Access != nil); err != nil {
		return nil, err
	}
	return c.t.runAs(ctx, c.caller, op, args)
}

// Workflow runs a registered workflow that the caller may start. What it does
// then is the app's own doing: no rule for rows holds it back.
func (c *Caller) Workflow(ctx context.Context, name string, inputs *dataflow.Object) (any, error) {
	caller := c.caller
	caller.Ruled, caller.Sees = false, nil
	if wf := c.t.gen.Engine().Plan().Workflow(name); wf != nil {
		if err := c.known(wf.Access != nil); err != nil {
			return nil, err
		}
		if err := access.MayStart(caller, wf); err != nil {
			return nil, err
		}
	}
	return c.t.workflowAs(ctx, caller, name, inputs)
}

// known refuses who has not said who they are what has no rule of its own: that
// is for everybody who has.
func (c *Caller) known(ruled bool) error {
	if ruled || c.caller.User != nil || !c.t.asks() {
		return nil
	}
	return &dataflow.Error{Code: "unauthenticated", Status: dataflow.StatusUnauthorized, Message: "the request does not say who makes it",
		Hint: `call as somebody: t.as_caller({"id": "ada", "roles": ["editor"]})`}
}

func (t *Trial) serves(op dataflow.Op) bool {
	for _, e := range t.app().Exposures {
		if e.Model == op.Model && e.Allows(op.Kind) {
			return true
		}
	}
	return false
}
