package access_test

import (
	"slices"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// user is who has signed in with an id and roles.
func user(id string, roles ...string) access.Caller {
	list := make([]any, len(roles))
	for i, r := range roles {
		list[i] = r
	}
	return access.Caller{User: dataflow.ObjectOf("id", id, "roles", list), Roles: roles, Key: "user:" + id, Ruled: true}
}

var stranger = access.Caller{Ruled: true}

// rule is whoever one of grants lets.
func rule(grants ...dataflow.Grant) *dataflow.Rule { return &dataflow.Rule{Grants: grants} }

func role(names ...string) dataflow.Grant {
	return dataflow.Grant{Who: dataflow.WhoRole, Roles: names}
}

var (
	anyone   = dataflow.Grant{Who: dataflow.WhoAnyone}
	signedIn = dataflow.Grant{}
)

// An operation needs what it may come to do: an update finds its row first, an
// upsert adds or changes.
func TestMayAskForWhatTheRulesLet(t *testing.T) {
	m := note(func(m *dataflow.Model) {
		m.Access = &dataflow.Access{Read: rule(anyone), Create: rule(signedIn), Update: rule(role("editor", "chief"))}
	})
	editor, plain := user("e", "editor"), user("p", "reader")
	for _, c := range []struct {
		op                       dataflow.OpKind
		stranger, plain, editors string
	}{
		{dataflow.OpRead, "", "", ""},
		{dataflow.OpList, "", "", ""},
		{dataflow.OpCount, "", "", ""},
		{dataflow.OpAggregate, "", "", ""},
		{dataflow.OpCreate, "unauthenticated", "", ""},
		{dataflow.OpBulkCreate, "unauthenticated", "", ""},
		{dataflow.OpUpdate, "unauthenticated", "forbidden", ""},
		{dataflow.OpBulkUpdate, "unauthenticated", "forbidden", ""},
		{dataflow.OpUpsert, "unauthenticated", "forbidden", ""},
		{dataflow.OpBulkUpsert, "unauthenticated", "forbidden", ""},
		{dataflow.OpDelete, "unauthenticated", "forbidden", "forbidden"},
		{dataflow.OpBulkDelete, "unauthenticated", "forbidden", "forbidden"},
	} {
		for _, by := range []struct {
			caller access.Caller
			want   string
		}{{stranger, c.stranger}, {plain, c.plain}, {editor, c.editors}} {
			if got := codeOf(access.May(by.caller, m, c.op)); got != by.want {
				t.Errorf("%s by %q: got %q, want %q", c.op, by.caller.Key, got, by.want)
			}
		}
	}
	if err := access.May(stranger, note(), dataflow.OpBulkDelete); err != nil {
		t.Errorf("a model that says nothing of access: %v", err)
	}
}

// A role is no use to who may not where nobody may. That is not told to who has
// not signed in: they may learn of what there is no more than the documents say.
func TestWhereNobodyMayNoRoleIsAskedFor(t *testing.T) {
	m := note(func(m *dataflow.Model) {
		m.Access = &dataflow.Access{Read: rule(signedIn), Create: rule(role("editor")), Update: rule()}
	})
	const ask, nobody = "ask whoever runs the app for a role that may", "the rules of the app let nobody do so, whatever their role"
	for op, want := range map[dataflow.OpKind]string{
		dataflow.OpCreate: ask, dataflow.OpBulkCreate: ask,
		dataflow.OpUpdate: nobody, dataflow.OpUpsert: nobody, dataflow.OpBulkUpsert: nobody, dataflow.OpDelete: nobody,
	} {
		if got := dataflow.AsError(access.May(user("p"), m, op)).Hint; got != want {
			t.Errorf("%s: %q", op, got)
		}
		if got := dataflow.AsError(access.May(stranger, m, op)).Hint; got != "send an API key or a token" {
			t.Errorf("%s, to a stranger: %q", op, got)
		}
	}
	w := &dataflow.Workflow{Name: "tidy", Access: rule()}
	if got := dataflow.AsError(access.MayStart(user("p"), w)).Hint; got != nobody {
		t.Errorf("a workflow: %q", got)
	}
}

func TestWhoAsksIsSignedInWhereNothingElseIsSaid(t *testing.T) {
	m, w := note(), &dataflow.Workflow{Name: "tidy"}
	open := &dataflow.Workflow{Name: "hello", Access: rule(anyone)}
	app := &dataflow.App{Databases: []*dataflow.Database{{Models: []*dataflow.Model{m}}}, Workflows: []*dataflow.Workflow{w, open}}
	app.AskWho()
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a stranger lists", access.May(stranger, m, dataflow.OpList), "unauthenticated"},
		{"a stranger deletes", access.May(stranger, m, dataflow.OpDelete), "unauthenticated"},
		{"a user upserts", access.May(user("u"), m, dataflow.OpUpsert), ""},
		{"a stranger starts", access.MayStart(stranger, w), "unauthenticated"},
		{"a user starts", access.MayStart(user("u"), w), ""},
		{"a stranger starts what is open", access.MayStart(stranger, open), ""},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	// Roles count for who is signed in alone.
	roles := access.Caller{Roles: []string{"clerk"}}
	if got := codeOf(access.MayStart(roles, &dataflow.Workflow{Name: "x", Access: rule(role("clerk"))})); got != "unauthenticated" {
		t.Errorf("roles of nobody: got %q", got)
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return dataflow.AsError(err).Code
}

// What an app is told of is what somebody may ask for: each operation stands if
// and only if there is a caller whom the rules let.
func TestPossibleIsWhatSomebodyMay(t *testing.T) {
	rules := []*dataflow.Rule{nil, rule(), rule(signedIn), rule(role("chief"))}
	all := user("u", "chief")
	for i := range 256 {
		m := note(func(m *dataflow.Model) {
			m.Access = &dataflow.Access{Read: rules[i%4], Create: rules[i/4%4], Update: rules[i/16%4], Delete: rules[i/64]}
		})
		exp := &dataflow.Exposure{Model: m, Path: "notes", Ops: dataflow.Ops(), Events: true}
		app := &dataflow.App{Exposures: []*dataflow.Exposure{exp}, Server: &dataflow.Server{EnableAuth: true},
			Workflows: []*dataflow.Workflow{{Name: "a", Access: rules[i%4]}, {Name: "open"}}}
		if i%4 == 0 {
			app.Workflows[0].Access = rule()
		}
		shown := access.Possible(app)
		var got []dataflow.OpKind
		events := false
		for _, e := range shown.Exposures {
			got, events = e.Served(), e.Events
		}
		for _, op := range exp.Served() {
			if may := access.May(all, m, op) == nil; may != slices.Contains(got, op) {
				t.Errorf("rules %d: %s is told of: %v, and somebody may ask for it: %v", i, op, !may, may)
			}
		}
		if may := access.May(all, m, dataflow.OpRead) == nil; may != events {
			t.Errorf("rules %d: events are told of: %v, and somebody may read: %v", i, events, may)
		}
		if may := access.MayStart(all, app.Workflows[0]) == nil; may != (len(shown.Workflows) == 2) {
			t.Errorf("rules %d: %d workflows are told of, and somebody may start a: %v", i, len(shown.Workflows), may)
		}
		if len(exp.Ops) != len(dataflow.Ops()) || len(app.Exposures) != 1 || len(app.Workflows) != 2 {
			t.Fatal("the app itself was changed")
		}
		app.Server.EnableAuth = false
		if access.Possible(app) != app {
			t.Error("where nobody is asked who they are, everybody may")
		}
	}
}
