// Package apptest builds small apps in Go for the tests of nexus, which must
// not know the language that apps are written in.
package apptest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// OnEachEngine runs a test on a new database of SQLite and on one of
// PostgreSQL.
func OnEachEngine(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db")) })
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		test(t, pgtest.URL(t))
	})
}

// Field builds a field.
func Field(name string, t *dataflow.Type, options ...func(*dataflow.Field)) *dataflow.Field {
	f := &dataflow.Field{Name: name, Type: t}
	for _, o := range options {
		o(f)
	}
	return f
}

// Options of Field.
var (
	Unique    = func(f *dataflow.Field) { f.Unique = true }
	Optional  = func(f *dataflow.Field) { f.Optional = true }
	Immutable = func(f *dataflow.Field) { f.Immutable = true }
)

// Default gives a field a default.
func Default(v any) func(*dataflow.Field) {
	return func(f *dataflow.Field) { f.Default, f.HasDefault = v, true }
}

// AtLeast gives a field a lower bound.
func AtLeast(v any) func(*dataflow.Field) { return func(f *dataflow.Field) { f.Ge = v } }

// Format gives a field a format.
func Format(name string) func(*dataflow.Field) { return func(f *dataflow.Field) { f.Format = name } }

// Model builds and seals a model of db; set fills in options first.
func Model(db *dataflow.Database, name, table string, set func(*dataflow.Model), fields ...*dataflow.Field) *dataflow.Model {
	m := &dataflow.Model{Name: name, Table: table, Database: db}
	if set != nil {
		set(m)
	}
	add := func(name string, t *dataflow.Type, role dataflow.Role) {
		m.Fields = append(m.Fields, &dataflow.Field{Name: name, Type: t, System: role, Optional: role == dataflow.RoleDeletedAt})
	}
	if !m.ClientID {
		add("id", dataflow.Int, dataflow.RoleID)
	}
	for _, f := range fields {
		if f.Name == "id" {
			f.System = dataflow.RoleID
		}
		if f.Type.Kind == dataflow.KindRef && f.OnDelete == "" {
			f.OnDelete = "restrict"
		}
		if f.Unique || f.Index || f.Type.Kind == dataflow.KindRef {
			m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{f.Name}, Unique: f.Unique})
		}
		m.Fields = append(m.Fields, f)
	}
	if m.Versioned {
		add("version", dataflow.Int, dataflow.RoleVersion)
	}
	if m.MultiTenant {
		add("tenant_id", dataflow.String, dataflow.RoleTenant)
	}
	if m.SoftDelete {
		add("deleted_at", dataflow.DateTime, dataflow.RoleDeletedAt)
	}
	add("created_at", dataflow.DateTime, dataflow.RoleCreatedAt)
	add("updated_at", dataflow.DateTime, dataflow.RoleUpdatedAt)
	m.Seal()
	db.Models = append(db.Models, m)
	return m
}

// Expose exposes operations of a model, all if none is named.
func Expose(m *dataflow.Model, ops ...dataflow.OpKind) *dataflow.Exposure {
	if len(ops) == 0 {
		ops = dataflow.Ops()
	}
	return &dataflow.Exposure{Model: m, Path: m.Table, Ops: ops, Span: at(40)}
}

// at is a place in the file that the app would have come from.
func at(line int) dataflow.Span {
	return dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: line, Col: 1}, End: dataflow.Pos{Line: line, Col: 2}}
}

// Node builds a node whose config may hold templates.
func Node(typ, id string, config *dataflow.Object) *dataflow.Node {
	return &dataflow.Node{ID: id, Type: typ, Config: templates(config).(*dataflow.Object), Span: at(20)}
}

func templates(v any) any {
	switch v := v.(type) {
	case string:
		out, ds := dataflow.ParseTemplate(v, func(int, int) dataflow.Span { return at(21) })
		if len(ds) > 0 {
			panic(ds[0].Message)
		}
		return out
	case []any:
		for i := range v {
			v[i] = templates(v[i])
		}
	case *dataflow.Object:
		for name, x := range v.All {
			v.Set(name, templates(x))
		}
	}
	return v
}

// Workflow builds a workflow.
func Workflow(name string, input []*dataflow.Field, nodes ...*dataflow.Node) *dataflow.Workflow {
	wf := &dataflow.Workflow{Name: name, Input: input, Nodes: nodes, Span: at(19)}
	wf.SealInput()
	return wf
}

// Handler builds a handler from a Go function.
func Handler(name string, input []*dataflow.Field, f func(ctx context.Context, h dataflow.Handler, in *dataflow.Object) (any, error)) *dataflow.Workflow {
	wf := &dataflow.Workflow{Name: name, Input: input, Span: at(30), Handler: &Func{ID: name, Run: func(ctx context.Context, pos []any, named *dataflow.Object) (any, error) {
		return f(ctx, pos[0].(dataflow.Handler), named)
	}}}
	wf.SealInput()
	return wf
}

// Func is a function of the app, written in Go.
type Func struct {
	ID   string
	Args []dataflow.Param
	Run  func(ctx context.Context, pos []any, named *dataflow.Object) (any, error)
}

// Name implements dataflow.Func.
func (f *Func) Name() string { return f.ID }

// Params implements dataflow.Func.
func (f *Func) Params() []dataflow.Param { return f.Args }

// Span implements dataflow.Func.
func (f *Func) Span() dataflow.Span { return at(10) }

// Call implements dataflow.Func.
func (f *Func) Call(ctx context.Context, pos []any, named *dataflow.Object) (any, error) {
	return f.Run(ctx, pos, named)
}

// Shop is an app with a bit of everything, on the database at url.
func Shop(url string) *dataflow.App {
	db := &dataflow.Database{Name: "db", URL: url, Span: at(1),
		Spans:   dataflow.Spans{"/database_url": at(2)},
		Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	decimal := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}
	customer := Model(db, "Customer", "customers", nil,
		Field("email", dataflow.String, Unique, Format("email")), Field("name", dataflow.String))
	order := Model(db, "Order", "orders", func(m *dataflow.Model) { m.Versioned, m.SoftDelete = true, true },
		Field("customer", &dataflow.Type{Kind: dataflow.KindRef, Model: customer}),
		Field("status", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid", "shipped"}}, Default("new")),
		Field("total", decimal, AtLeast(dataflow.Decimal{})),
		Field("note", dataflow.String, Optional))
	product := Model(db, "Product", "products", func(m *dataflow.Model) { m.ClientID = true },
		Field("id", dataflow.String), Field("name", dataflow.String, Immutable), Field("stock", dataflow.Int, AtLeast(int64(0))))
	invoice := Model(db, "Invoice", "invoices", func(m *dataflow.Model) { m.MultiTenant = true },
		Field("number", dataflow.String))

	email := []*dataflow.Field{Field("email", dataflow.String), Field("total", decimal)}
	place := Workflow("place_order", email,
		Node("CustomerUpsertNode", "who", dataflow.ObjectOf(
			"where", dataflow.ObjectOf("email", "${input.email}"),
			"create", dataflow.ObjectOf("email", "${input.email}", "name", "new"))),
		Node("OrderCreateNode", "order", dataflow.ObjectOf("customer", "${who.record.id}", "total", "${input.total}")))
	place.Doc = "Places an order."
	find := Workflow("find_customer", []*dataflow.Field{Field("id", dataflow.Int)},
		Node("CustomerReadNode", "who", dataflow.ObjectOf("id", "${input.id}")))
	refuse := Handler("refuse", nil, func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		_, err := h.Run(ctx, dataflow.Op{Model: product, Kind: dataflow.OpCreate}, dataflow.ObjectOf("id", "refused", "name", "x", "stock", int64(1)))
		if err != nil {
			return nil, err
		}
		return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "not today", Span: at(31)}
	})
	crash := Handler("crash", nil, func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) {
		panic("a secret")
	})
	hang := Handler("hang", nil, func(ctx context.Context, _ dataflow.Handler, _ *dataflow.Object) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	kept := true
	keep := Workflow("keep_order", email, place.Nodes...)
	keep.Durable = &kept
	approve := Workflow("approve", []*dataflow.Field{Field("id", dataflow.Int)},
		Node("SignalNode", "ok", dataflow.ObjectOf("name", "approval")),
		Node("CustomerReadNode", "who", dataflow.ObjectOf("id", "${input.id}")))
	return &dataflow.App{Path: "app.star",
		Files:     []dataflow.File{{Path: "app.star", Hash: [32]byte{1}}},
		Databases: []*dataflow.Database{db},
		Workflows: []*dataflow.Workflow{place, find, refuse, crash, hang, keep, approve},
		Exposures: []*dataflow.Exposure{Expose(customer), Expose(order), Expose(product), Expose(invoice, dataflow.OpCreate, dataflow.OpList)},
		Server: &dataflow.Server{Started: true, Name: "shop", Host: "127.0.0.1", Span: at(50),
			Spans: dataflow.Spans{"/api_port": at(51), "/mcp_port": at(52), "/host": at(53)}},
	}
}

// Clock returns a clock that stands still at noon.
func Clock() func() time.Time {
	return func() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }
}

// IDs returns a source of uuids that count up.
func IDs() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n.Add(1)) }
}
