package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/auth"
)

// keyVariable holds the API key or the token that a command calls with. It is
// no flag: arguments are in the shell's history and in the list of processes.
const keyVariable = "FLOWCTL_API_KEY"

// callerOf says on whose behalf a command works: whose the key in the
// environment is, where the app asks; else the operator's, who runs the app
// and may do all with it. roles, if there are any, say whom the operator
// plays.
func callerOf(ctx context.Context, w *world, gen *nexus.Generation, tenant string, roles []string) (access.Caller, error) {
	asks := asksWho(gen.Engine().App())
	key, _ := w.env(keyVariable)
	switch {
	case len(roles) > 0 && !asks:
		return access.Caller{}, &usageError{"--as says who calls, and the app asks nobody", "leave it out, or write Nexus(enable_auth = True)"}
	case len(roles) > 0 && key != "":
		return access.Caller{}, &usageError{"--as says who calls, and so does " + keyVariable, "leave one of them out"}
	case len(roles) > 0:
		w.doubtRoles(gen.Engine().App(), roles)
		list := make([]any, len(roles))
		for i, r := range roles {
			list[i] = r
		}
		return access.Caller{User: dataflow.ObjectOf("id", "operator", "roles", list), Roles: roles, Key: "user:operator", Tenant: tenant}, nil
	case key != "" && asks:
		return gen.Caller(ctx, key, tenant)
	}
	return access.Caller{Operator: true, Tenant: tenant}, nil
}

// whileGood returns a context that ends when the key or token that a command
// calls with is good no more. done ends the watch and says whether that was why.
func (w *world) whileGood(ctx context.Context, gen *nexus.Generation, caller access.Caller, tenant string) (_ context.Context, done func() error) {
	key, _ := w.env(keyVariable)
	if caller.Operator || key == "" {
		return ctx, func() error { return nil }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		look := time.NewTicker(auth.KeyFresh)
		defer look.Stop()
		for {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
			if _, err := gen.Caller(ctx, key, tenant); err != nil && dataflow.AsError(err).Status == dataflow.StatusUnauthorized {
				cancel(&usageError{"the key or token in " + keyVariable + " is good no more", "ask whoever runs the app for another"})
			}
		}
	})
	return ctx, func() error {
		var over *usageError
		errors.As(context.Cause(ctx), &over)
		cancel(nil)
		watch.Wait()
		if over != nil {
			return over
		}
		return nil
	}
}

// asksWho reports whether an app asks its callers who they are.
func asksWho(app *dataflow.App) bool { return app.Server != nil && app.Server.EnableAuth }

// doubtRoles tells of roles that no access rule names where one names the like.
// They may be meant all the same: a handler can ask for any.
func (w *world) doubtRoles(app *dataflow.App, roles []string) {
	var known []string
	add := func(r *dataflow.Rule) {
		if r == nil {
			return
		}
		for i := range r.Grants {
			known = append(known, r.Grants[i].Roles...)
		}
	}
	for _, m := range app.Models() {
		if m.Access == nil {
			continue
		}
		for _, r := range []*dataflow.Rule{m.Access.Read, m.Access.Create, m.Access.Update, m.Access.Delete} {
			add(r)
		}
		for _, f := range m.Access.Fields {
			add(f.Read)
			add(f.Write)
		}
	}
	for _, wf := range app.Workflows {
		add(wf.Access)
	}
	for _, role := range roles {
		if near := dataflow.DidYouMean(role, known); near != "" && !slices.Contains(known, role) {
			fmt.Fprintf(w.err, "no access rule names the role %q; %s\n", role, near)
		}
	}
}
