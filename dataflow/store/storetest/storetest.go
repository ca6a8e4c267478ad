// Package storetest is the conformance suite of stores: what every engine must
// do alike. An engine's tests call Run.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/shopspring/decimal"
)

// Open opens an empty database for db's models, having set db.URL to one of
// its own. It closes it when the test ends.
type Open func(t *testing.T, db *dataflow.Database) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"values", testValues},
		{"JSON", testJSON},
		{"fields", testFields},
		{"filters", testFilters},
		{"random filters", testRandomFilters},
		{"large filters", testLargeFilters},
		{"edges compared", testEdgesCompared},
		{"case", testCase},
		{"sorts", testSorts},
		{"pages", testPages},
		{"pages under writes", testPagesUnderWrites},
		{"aggregates", testAggregates},
		{"sums", testSums},
		{"random aggregates", testRandomAggregates},
		{"search", testSearch},
		{"search in several fields", testSearchFields},
		{"searches in step", testSearchInStep},
		{"random searches", testRandomSearch},
		{"inserts", testInserts},
		{"adding one", testAdds},
		{"batches", testBatches},
		{"last changes", testLast},
		{"updates", testUpdates},
		{"deletes", testDeletes},
		{"unique", testUnique},
		{"unique among live rows", testUniqueAmongLive},
		{"unique among some rows", testPartlyUnique},
		{"references", testReferences},
		{"rows that refer to one another", testLinked},
		{"rows that go along with others", testAlong},
		{"errors", testErrors},
		{"transactions", testTransactions},
		{"savepoints", testSavepoints},
		{"snapshots", testSnapshots},
		{"own statements", testOwnValues},
		{"own statements that write", testOwnWrites},
		{"own statements that are wrong", testOwnFlaws},
		{"own statements that run away", testOwnRunsAway},
		{"isolation", testIsolation},
		{"concurrent writers", testConcurrentWriters},
		{"races to add", testRaces},
		{"cancellation", testCancellation},
		{"close", testClose},
		{"shared connections", testShare},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// shop is the database the suite works on.
type shop struct {
	db      *dataflow.Database
	thing   *dataflow.Model // a field of every type, all optional
	owner   *dataflow.Model // its id is given by the caller
	country *dataflow.Model
	entry   *dataflow.Model // versioned, soft delete, composite unique
	member  *dataflow.Model // multi-tenant
}

func newShop() *shop {
	s := &shop{}
	id := func() *dataflow.Field {
		return &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	}
	opt := func(name string, t *dataflow.Type) *dataflow.Field {
		return &dataflow.Field{Name: name, Type: t, Optional: true}
	}
	s.country = &dataflow.Model{Name: "Country", Table: "countries", Fields: []*dataflow.Field{
		id(), {Name: "code", Type: dataflow.String, Unique: true},
	}}
	s.owner = &dataflow.Model{Name: "Owner", Table: "owners", ClientID: true, Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.String, System: dataflow.RoleID},
		opt("name", dataflow.String),
		{Name: "country", Type: refTo(s.country), Optional: true, OnDelete: "set_null"},
	}}
	s.thing = &dataflow.Model{Name: "Thing", Table: "things", Fields: []*dataflow.Field{
		id(),
		opt("s", dataflow.String),
		opt("i", dataflow.Int),
		opt("f", dataflow.Float),
		opt("b", dataflow.Bool),
		opt("d", decimalType(12, 2)),
		opt("big", decimalType(38, 10)),
		opt("at", dataflow.DateTime),
		opt("day", &dataflow.Type{Kind: dataflow.KindDate}),
		opt("time", &dataflow.Type{Kind: dataflow.KindTime}),
		opt("u", &dataflow.Type{Kind: dataflow.KindUUID}),
		opt("j", dataflow.JSON),
		opt("raw", &dataflow.Type{Kind: dataflow.KindBytes}),
		opt("e", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid", "it's"}}),
		opt("words", dataflow.ListOf(dataflow.String)),
		opt("numbers", dataflow.ListOf(dataflow.Int)),
		opt("prices", dataflow.ListOf(decimalType(12, 2))),
		{Name: "owner", Type: refTo(s.owner), Optional: true},
	}}
	s.entry = &dataflow.Model{Name: "Entry", Table: "entries", Versioned: true, SoftDelete: true,
		Indexes: []dataflow.Index{{Fields: []string{"select", "group"}, Unique: true}},
		Fields: []*dataflow.Field{
			id(),
			{Name: "select", Type: dataflow.String}, // reserved words are names like any other
			{Name: "group", Type: dataflow.Int, Optional: true},
			{Name: "thing", Type: refTo(s.thing), Optional: true, OnDelete: "cascade"},
			{Name: "code", Type: dataflow.String, Optional: true, Unique: true},
			{Name: "version", Type: dataflow.Int, System: dataflow.RoleVersion},
			{Name: "deleted_at", Type: dataflow.DateTime, Optional: true, System: dataflow.RoleDeletedAt},
		}}
	s.member = &dataflow.Model{Name: "Member", Table: "members", MultiTenant: true, Fields: []*dataflow.Field{
		id(),
		{Name: "email", Type: dataflow.String, Unique: true},
		{Name: "tenant_id", Type: dataflow.String, System: dataflow.RoleTenant},
	}}
	s.db = &dataflow.Database{Name: "db", Models: []*dataflow.Model{s.country, s.owner, s.thing, s.entry, s.member},
		Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for _, m := range s.db.Models {
		m.Database = s.db
		m.Seal()
	}
	return s
}

func refTo(m *dataflow.Model) *dataflow.Type { return &dataflow.Type{Kind: dataflow.KindRef, Model: m} }

func decimalType(p, s int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
}

func dec(s string) dataflow.Decimal { return decimal.RequireFromString(s) }

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// insert adds one row from names and values, the quickest way that the store
// has, and returns its id.
func insert(t *testing.T, s store.Store, m *dataflow.Model, namesAndValues ...any) any {
	t.Helper()
	add := addByWrite
	if a, ok := s.(store.Adder); ok {
		add = addBy(a)
	}
	id, err := add(s, m, namesAndValues...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// addByWrite adds one row in a transaction.
func addByWrite(s store.Store, m *dataflow.Model, namesAndValues ...any) (id any, err error) {
	err = s.Write(context.Background(), func(tx store.Tx) error {
		id, err = insertTx(tx, m, namesAndValues...)
		return err
	})
	return id, err
}

// addBy adds one row by itself.
func addBy(a store.Adder) func(store.Store, *dataflow.Model, ...any) (any, error) {
	return func(_ store.Store, m *dataflow.Model, namesAndValues ...any) (any, error) {
		fields, vals := columns(m, namesAndValues)
		return a.Add(context.Background(), m, fields, vals)
	}
}

func insertTx(tx store.Tx, m *dataflow.Model, namesAndValues ...any) (any, error) {
	fields, vals := columns(m, namesAndValues)
	ids, err := tx.Insert(context.Background(), m, fields, [][]any{vals})
	if err != nil {
		return nil, err
	}
	return ids[0], nil
}

// columns splits names and values, and adds a version if the model has one.
func columns(m *dataflow.Model, namesAndValues []any) (fields []int, vals []any) {
	for i := 0; i < len(namesAndValues); i += 2 {
		fields = append(fields, position(m, namesAndValues[i].(string)))
		vals = append(vals, namesAndValues[i+1])
	}
	if v := m.RoleIndex(dataflow.RoleVersion); v >= 0 {
		fields, vals = append(fields, v), append(vals, int64(1))
	}
	return fields, vals
}

func position(m *dataflow.Model, name string) int {
	i, ok := m.FieldIndex(name)
	if !ok {
		panic("storetest: no field " + name)
	}
	return i
}

// where parses a filter from names and values.
func where(t *testing.T, m *dataflow.Model, namesAndValues ...any) query.Expr {
	t.Helper()
	e, problems := query.Parse(m, dataflow.ObjectOf(namesAndValues...), "")
	if len(problems) > 0 {
		t.Fatalf("filter %v: %v", namesAndValues, problems)
	}
	return e
}

// found returns the ids of the rows that match, in order of id.
func found(t *testing.T, r store.Reader, m *dataflow.Model, e query.Expr) []any {
	t.Helper()
	id := m.RoleIndex(dataflow.RoleID)
	ids := []any{}
	err := r.Select(context.Background(), &query.Select{Model: m, Fields: []int{id}, Where: e, Order: []query.Order{{Field: id}}},
		func(row store.Row) error {
			ids = append(ids, row.Value(0))
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// get returns a row, or nil.
func get(t *testing.T, r store.Reader, m *dataflow.Model, id any) (o *dataflow.Object) {
	t.Helper()
	ok, err := r.Get(context.Background(), m, id, nil, func(row store.Row) error {
		o = row.Object()
		return nil
	})
	if err != nil || ok != (o != nil) {
		t.Fatalf("get %s %v: %v, %v", m.Name, id, ok, err)
	}
	return o
}

func count(t *testing.T, r store.Reader, m *dataflow.Model, e query.Expr) int64 {
	t.Helper()
	n, err := r.Count(context.Background(), m, e)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
