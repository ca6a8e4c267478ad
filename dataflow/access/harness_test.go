package access_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// app is a database with some models, and a clock that stands still unless it
// is moved.
type app struct {
	t      testing.TB
	db     *dataflow.Database
	store  store.Store
	models map[string]*access.Model
	now    time.Time
	ids    int
	caller access.Caller
	twin   *twin
}

// open makes the models' tables in a new SQLite database.
func open(t testing.TB, models ...*dataflow.Model) *app {
	t.Helper()
	a := &app{t: t, models: map[string]*access.Model{}, now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	a.db = &dataflow.Database{Name: "db", URL: "sqlite:test.db", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	for _, m := range models {
		m.Database = a.db
		a.db.Models = append(a.db.Models, m)
	}
	st, _, diags := sqlite.Opener{}.Open(t.Context(), a.db, store.Options{Dir: t.TempDir(), System: access.SystemModels(a.db)})
	if st == nil {
		t.Fatal(diags)
	}
	t.Cleanup(func() { st.Close() })
	a.store = st
	for _, m := range models {
		a.models[m.Name] = access.New(m, a.options())
	}
	a.twin = openTwin(a, 1)
	return a
}

func (a *app) options() access.Options {
	return access.Options{
		Now: func() time.Time { return a.now },
		NewID: func() string {
			a.ids++
			return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", a.ids)
		},
	}
}

// as returns the app as a tenant sees it.
func (a *app) as(tenant string) *app {
	b := *a
	b.caller.Tenant = tenant
	return &b
}

// try runs an operation, "Order.create", with arguments in JSON.
func (a *app) try(op, args string) (any, error) {
	a.t.Helper()
	v, problems := codec.ParseJSON([]byte(args), codec.MaxDepth)
	if len(problems) > 0 {
		a.t.Fatalf("%s: %v", args, problems)
	}
	return a.with(op, v.(*dataflow.Object))
}

// with is try with arguments as they are.
func (a *app) with(op string, in *dataflow.Object) (any, error) {
	a.t.Helper()
	name, method, _ := strings.Cut(op, ".")
	kind := kindOf(method)
	m := a.models[name]
	var out any
	run := func(r store.Reader) (err error) {
		out, err = m.Do(context.Background(), r, a.caller, kind, in)
		return err
	}
	err := perform(a.store, kind, run)
	a.twin.same(a, op, in, out, err)
	if err == nil {
		a.fitsSpec(dataflow.Op{Model: m.Declared(), Kind: kind}, in, out)
	}
	return out, err
}

func perform(st store.Store, kind dataflow.OpKind, run func(store.Reader) error) error {
	if !kind.Writes() {
		return run(st)
	}
	return st.Write(context.Background(), func(tx store.Tx) error { return run(tx) })
}

// fitsSpec holds what an operation took and gave to what its spec says.
func (a *app) fitsSpec(op dataflow.Op, in *dataflow.Object, out any) {
	a.t.Helper()
	spec := access.Spec(op)
	names := make([]string, len(spec.Params))
	for i, p := range spec.Params {
		names[i] = p.Name
	}
	onError, _ := in.Get("on_error") // "skip" takes rows that don't fit, and reports them
	if _, problems := codec.CoerceObject(dataflow.NewShape(names...), spec.Params, in, ""); len(problems) > 0 && onError != "skip" {
		a.t.Errorf("%s took what its spec does not: %v", spec.Name, problems)
	}
	output := spec.Output
	if spec.OutputOf != nil {
		output = spec.OutputOf(in)
	}
	if _, problems := codec.CoerceType(output, out, ""); len(problems) > 0 {
		a.t.Errorf("%s gave what its spec does not: %v", spec.Name, problems)
	}
}

// do is try for what must succeed. It returns the result in JSON.
func (a *app) do(op, args string) string {
	a.t.Helper()
	v, err := a.try(op, args)
	if err != nil {
		a.t.Fatalf("%s %s: %v", op, args, err)
	}
	return string(codec.AppendValue(nil, v))
}

// want holds the result of an operation to the text.
func (a *app) want(op, args, want string) {
	a.t.Helper()
	if got := a.do(op, args); got != want {
		a.t.Errorf("%s %s\ngot  %s\nwant %s", op, args, got, want)
	}
}

// fails holds an operation to failing with this code and these problems, one
// to a line.
func (a *app) fails(op, args, code string, problems ...string) {
	a.t.Helper()
	v, err := a.try(op, args)
	if err == nil {
		a.t.Fatalf("%s %s succeeded: %s", op, args, codec.AppendValue(nil, v))
	}
	wantError(a.t, err, code, problems...)
}

func wantError(t testing.TB, err error, code string, problems ...string) {
	t.Helper()
	e := dataflow.AsError(err)
	if status, ok := statusOf(e.Code); !ok || status != e.Status {
		t.Errorf("%s: its row in ErrorCodes says status %d (found: %v), it has %d", e.Code, status, ok, e.Status)
	}
	var got []string
	for _, p := range e.Problems {
		if _, ok := statusOf(p.Code); !ok {
			t.Errorf("%s has no row in ErrorCodes", p.Code)
		}
		s := p.Pointer + " " + p.Code + ": " + p.Detail
		if p.Hint != "" {
			s += " [" + p.Hint + "]"
		}
		got = append(got, s)
	}
	if e.Code != code || strings.Join(got, "\n") != strings.Join(problems, "\n") {
		t.Errorf("got  %v\n%s\nwant %s\n%s", err, strings.Join(got, "\n"), code, strings.Join(problems, "\n"))
	}
}

func statusOf(code string) (dataflow.Status, bool) {
	for _, c := range dataflow.ErrorCodes() {
		if c.Code == code {
			return c.Status, true
		}
	}
	return 0, false
}

// count counts rows of a model beneath every rule.
func (a *app) count(model string) int64 {
	a.t.Helper()
	n, err := a.store.Count(context.Background(), a.models[model].Declared(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// A model is built by options.
type option func(*dataflow.Model)

func model(name, table string, options ...option) *dataflow.Model {
	m := &dataflow.Model{Name: name, Table: table}
	m.Fields = []*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}
	for _, o := range options {
		o(m)
	}
	system := func(name string, t *dataflow.Type, r dataflow.Role, optional bool) {
		m.Fields = append(m.Fields, &dataflow.Field{Name: name, Type: t, System: r, Optional: optional})
	}
	if m.Versioned {
		system("version", dataflow.Int, dataflow.RoleVersion, false)
	}
	if m.MultiTenant {
		system("tenant_id", dataflow.String, dataflow.RoleTenant, false)
	}
	if m.SoftDelete {
		system("deleted_at", dataflow.DateTime, dataflow.RoleDeletedAt, true)
	}
	system("created_at", dataflow.DateTime, dataflow.RoleCreatedAt, false)
	system("updated_at", dataflow.DateTime, dataflow.RoleUpdatedAt, false)
	for _, f := range m.Fields {
		if f.Unique {
			m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{f.Name}, Unique: true})
		}
	}
	m.Seal()
	return m
}

func field(name string, t *dataflow.Type, set ...func(*dataflow.Field)) option {
	return func(m *dataflow.Model) {
		f := &dataflow.Field{Name: name, Type: t}
		for _, s := range set {
			s(f)
		}
		m.Fields = append(m.Fields, f)
	}
}

func opt(f *dataflow.Field)       { f.Optional = true }
func unique(f *dataflow.Field)    { f.Unique = true }
func immutable(f *dataflow.Field) { f.Immutable = true }
func def(v any) func(*dataflow.Field) {
	return func(f *dataflow.Field) { f.HasDefault, f.Default = true, v }
}

func clientID(k dataflow.Kind) option {
	return func(m *dataflow.Model) {
		m.ClientID = true
		m.Fields[0].Type = &dataflow.Type{Kind: k}
	}
}

func versioned(m *dataflow.Model)   { m.Versioned = true }
func softDelete(m *dataflow.Model)  { m.SoftDelete = true }
func multiTenant(m *dataflow.Model) { m.MultiTenant = true }
func auditLog(m *dataflow.Model)    { m.AuditLog = true }

func validate(f fn) option     { return func(m *dataflow.Model) { m.Validate = f } }
func beforeCreate(f fn) option { return func(m *dataflow.Model) { m.BeforeCreate = f } }
func beforeUpdate(f fn) option { return func(m *dataflow.Model) { m.BeforeUpdate = f } }
func beforeDelete(f fn) option { return func(m *dataflow.Model) { m.BeforeDelete = f } }

func computed(name string, f fn) option {
	return func(m *dataflow.Model) {
		m.Computed = append(m.Computed, dataflow.Computed{Name: name, Func: f})
	}
}

// fn is a function of an app, of one row.
type fn func(row *dataflow.Object) (any, error)

func (fn) Name() string             { return "f" }
func (fn) Params() []dataflow.Param { return []dataflow.Param{{Name: "row", Required: true}} }
func (fn) Span() dataflow.Span      { return dataflow.Span{File: "app.star"} }
func (f fn) Call(_ context.Context, pos []any, _ *dataflow.Object) (any, error) {
	return f(pos[0].(*dataflow.Object))
}

func rejected(message string) error {
	return &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: message}
}

func money() *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}
}

func ref(m *dataflow.Model) *dataflow.Type { return &dataflow.Type{Kind: dataflow.KindRef, Model: m} }

// at is a time in the form of results.
func at(s string) string { return "2026-01-31T12:00:" + s + "Z" }
