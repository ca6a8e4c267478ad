package mcp_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
	"github.com/flowctl/flowctl/nexus/mcp"
)

// goFunc is a function of an app, written in Go.
type goFunc struct {
	name string
	call func(ctx context.Context, h dataflow.Handler, named *dataflow.Object) (any, error)
}

func (f *goFunc) Name() string { return f.name }
func (f *goFunc) Params() []dataflow.Param {
	return []dataflow.Param{{Name: "ctx", Required: true}, {Name: "kwargs", Rest: true}}
}
func (f *goFunc) Span() dataflow.Span { return dataflow.Span{} }
func (f *goFunc) Call(ctx context.Context, pos []any, named *dataflow.Object) (any, error) {
	return f.call(ctx, pos[0].(dataflow.Handler), named)
}

func decimalType(p, s int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
}

func testModel(db *dataflow.Database, name, table string, fields ...*dataflow.Field) *dataflow.Model {
	system := func(name string, t *dataflow.Type, r dataflow.Role) *dataflow.Field {
		return &dataflow.Field{Name: name, Type: t, System: r}
	}
	m := &dataflow.Model{Name: name, Table: table, Database: db}
	m.Fields = append(m.Fields, system("id", dataflow.Int, dataflow.RoleID))
	m.Fields = append(m.Fields, fields...)
	m.Fields = append(m.Fields, system("created_at", dataflow.DateTime, dataflow.RoleCreatedAt),
		system("updated_at", dataflow.DateTime, dataflow.RoleUpdatedAt))
	m.Seal()
	db.Models = append(db.Models, m)
	return m
}

// testApp is an app of two models and three workflows.
func testApp() *dataflow.App {
	app := &dataflow.App{Path: "app.star", Server: &dataflow.Server{Name: "bank", Started: true}}
	db := &dataflow.Database{Name: "db", URL: "sqlite:bank.db", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	app.Databases = []*dataflow.Database{db}
	account := testModel(db, "Account", "accounts",
		&dataflow.Field{Name: "owner", Type: dataflow.String, Unique: true, Doc: "Whose it is."},
		&dataflow.Field{Name: "balance", Type: decimalType(12, 2)},
		&dataflow.Field{Name: "serial", Type: dataflow.Int, Optional: true},
		&dataflow.Field{Name: "status", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"open", "closed"}}, HasDefault: true, Default: "open"},
	)
	account.Doc = "Somebody's money."
	account.Indexes = []dataflow.Index{{Fields: []string{"owner"}, Unique: true}}
	note := testModel(db, "Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	note.MultiTenant = true
	tenant := &dataflow.Field{Name: "tenant_id", Type: dataflow.String, System: dataflow.RoleTenant}
	note.Fields = append(note.Fields[:2:2], append([]*dataflow.Field{tenant}, note.Fields[2:]...)...)
	note.Seal()
	app.Exposures = []*dataflow.Exposure{
		{Model: account, Path: "accounts", Ops: dataflow.Ops()},
		{Model: note, Path: "notes", Ops: []dataflow.OpKind{dataflow.OpCreate, dataflow.OpList}},
	}
	app.Workflows = testWorkflows(account)
	for _, wf := range app.Workflows {
		wf.SealInput()
	}
	return app
}

func testWorkflows(account *dataflow.Model) []*dataflow.Workflow {
	ref := func(root dataflow.RefRoot, node string, path ...string) dataflow.Ref {
		r := dataflow.Ref{Root: root, Node: node}
		for _, p := range path {
			r.Path = append(r.Path, dataflow.Step{Name: p})
		}
		return r
	}
	open := &dataflow.Workflow{Name: "open_account", Doc: "Open an account",
		Input: []*dataflow.Field{{Name: "owner", Type: dataflow.String}, {Name: "deposit", Type: decimalType(12, 2), Doc: "In euros."}},
		Nodes: []*dataflow.Node{{ID: "account", Type: "AccountCreateNode", Config: dataflow.ObjectOf(
			"owner", ref(dataflow.RootInput, "", "owner"), "balance", ref(dataflow.RootInput, "", "deposit"))}},
		Output: dataflow.ObjectOf("id", ref(dataflow.RootNode, "account", "id"), "balance", ref(dataflow.RootNode, "account", "balance")),
	}
	withdraw := &dataflow.Workflow{Name: "withdraw", Input: []*dataflow.Field{{Name: "owner", Type: dataflow.String}},
		Handler: &goFunc{"withdraw", func(ctx context.Context, h dataflow.Handler, named *dataflow.Object) (any, error) {
			owner, _ := named.Get("owner")
			_, err := h.Run(ctx, dataflow.Op{Model: account, Kind: dataflow.OpUpdate},
				dataflow.ObjectOf("filter", dataflow.ObjectOf("owner", owner), "fields", dataflow.ObjectOf("status", "closed")))
			if err != nil {
				return nil, err
			}
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "there is nothing to withdraw"}
		}}}
	broken := &dataflow.Workflow{Name: "broken", ReadOnly: true,
		Handler: &goFunc{"broken", func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { panic("a secret") }}}
	return []*dataflow.Workflow{open, withdraw, broken}
}

// newServer returns a server of testApp, with more workflows, over a new
// database.
func newServer(t *testing.T, o mcp.Options, more ...*dataflow.Workflow) *mcp.Server {
	t.Helper()
	return serverOf(t, testApp(), o, more...)
}

// serverOf returns a server of an app, with more workflows, over a new database.
func serverOf(t *testing.T, app *dataflow.App, o mcp.Options, more ...*dataflow.Workflow) *mcp.Server {
	t.Helper()
	for _, wf := range more {
		wf.SealInput()
		app.Workflows = append(app.Workflows, wf)
	}
	p, diags := engine.NewPlan(app, nodes.Types())
	if dataflow.HasErrors(diags) {
		t.Fatal(diags)
	}
	db := app.Databases[0]
	system := access.SystemModels(db)
	kept := slices.ContainsFunc(app.Workflows, func(wf *dataflow.Workflow) bool { return wf.Durable != nil && *wf.Durable })
	if kept {
		system = append(system, durable.Models(db)...)
	}
	st, _, diags := sqlite.Opener{}.Open(t.Context(), db, store.Options{Dir: t.TempDir(), System: system})
	if dataflow.HasErrors(diags) {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	var serial atomic.Int64
	e, err := engine.New(p, engine.Options{
		Stores: map[*dataflow.Database]store.Store{db: st},
		Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		NewID:  func() string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", serial.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if kept {
		o.Runs = durable.New(e, durable.Options{NewID: e.NewID})
		o.Runs.Serve(t.Context())
		t.Cleanup(o.Runs.Close)
	}
	s, err := mcp.New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
