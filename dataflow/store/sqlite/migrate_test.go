package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
)

// database is a database of models under test, in a file of its own.
func database(path string, models ...*dataflow.Model) *dataflow.Database {
	db := &dataflow.Database{Name: "db", URL: "sqlite:" + path, Models: models,
		Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for _, m := range models {
		m.Database = db
		m.Seal()
	}
	return db
}

func model(name, table string, fields ...*dataflow.Field) *dataflow.Model {
	all := append([]*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}, fields...)
	return &dataflow.Model{Name: name, Table: table, Fields: all, Span: dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 1, Col: 1}}}
}

func decimalType(p, s int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
}

func enumType(values ...string) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindEnum, Values: values}
}

// migrated opens the database, closes it and returns what was done and said.
func migrated(t *testing.T, db *dataflow.Database) (steps, said []string) {
	t.Helper()
	s, done, diags := Opener{}.Open(context.Background(), db, store.Options{})
	for _, d := range diags {
		said = append(said, fmt.Sprintf("%s %s: %s", d.Code, d.Severity, d.Message))
	}
	if s == nil {
		if !dataflow.HasErrors(diags) {
			t.Fatal("neither a store nor an error")
		}
		return nil, said
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return done.Steps, said
}

// execSQL changes a database behind the store's back.
func execSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, sql := range statements {
		if err := c.exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// querySQL returns the rows of a query, columns joined with "|".
func querySQL(t *testing.T, path, sql string) []string {
	t.Helper()
	c, err := openConn(path, sqlite.OpenReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var rows []string
	err = c.query(sql, nil, func(s *sqlite.Stmt) {
		cols := make([]string, s.ColumnCount())
		for i := range cols {
			cols[i] = s.ColumnText(i)
		}
		rows = append(rows, strings.Join(cols, "|"))
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func TestMigrate(t *testing.T) {
	str, opt := dataflow.String, true
	field := func(name string, typ *dataflow.Type) *dataflow.Field { return &dataflow.Field{Name: name, Type: typ} }
	with := func(f *dataflow.Field, change func(*dataflow.Field)) *dataflow.Field { change(f); return f }
	optional := func(f *dataflow.Field) *dataflow.Field { return with(f, func(f *dataflow.Field) { f.Optional = opt }) }
	unique := func(f *dataflow.Field) *dataflow.Field { return with(f, func(f *dataflow.Field) { f.Unique = true }) }
	was := func(old string, f *dataflow.Field) *dataflow.Field {
		return with(f, func(f *dataflow.Field) { f.Was = old })
	}
	def := func(v any, f *dataflow.Field) *dataflow.Field {
		return with(f, func(f *dataflow.Field) { f.Default, f.HasDefault = v, true })
	}
	thing := func(fields ...*dataflow.Field) []*dataflow.Model {
		return []*dataflow.Model{model("Thing", "things", fields...)}
	}
	soft := func(fields ...*dataflow.Field) []*dataflow.Model {
		m := model("Thing", "things", append(fields, &dataflow.Field{Name: "deleted_at", Type: dataflow.DateTime, Optional: true, System: dataflow.RoleDeletedAt})...)
		m.SoftDelete = true
		return []*dataflow.Model{m}
	}
	tenants := func(fields ...*dataflow.Field) []*dataflow.Model {
		m := model("Thing", "things", append(fields, &dataflow.Field{Name: "tenant_id", Type: str, System: dataflow.RoleTenant})...)
		m.MultiTenant = true
		return []*dataflow.Model{m}
	}
	versioned := func(fields ...*dataflow.Field) []*dataflow.Model {
		m := model("Thing", "things", append(fields, &dataflow.Field{Name: "version", Type: dataflow.Int, System: dataflow.RoleVersion})...)
		m.Versioned = true
		return []*dataflow.Model{m}
	}
	together := func(ms []*dataflow.Model, fields ...string) []*dataflow.Model {
		ms[0].Indexes = append(ms[0].Indexes, dataflow.Index{Fields: fields, Unique: true})
		return ms
	}
	softRef := func() []*dataflow.Model {
		o := model("Owner", "owners")
		return append([]*dataflow.Model{o}, soft(unique(field("owner", &dataflow.Type{Kind: dataflow.KindRef, Model: o})))...)
	}
	renamedModel := model("Item", "items", field("a", str))
	renamedModel.Was = "Thing"
	ref := func(to *dataflow.Model, onDelete string) *dataflow.Type {
		return &dataflow.Type{Kind: dataflow.KindRef, Model: to}
	}
	owner := func() *dataflow.Model { return model("Owner", "owners") }
	withRef := func(onDelete string, optional bool) []*dataflow.Model {
		o := owner()
		return []*dataflow.Model{o, model("Thing", "things", field("a", str), &dataflow.Field{Name: "owner", Type: ref(o, onDelete), OnDelete: onDelete, Optional: optional})}
	}

	for _, test := range []struct {
		name   string
		before []*dataflow.Model
		rows   []string // SQL run between
		after  []*dataflow.Model
		steps  []string
		said   []string
		query  string
		want   []string
	}{
		{name: "nothing changed",
			before: thing(field("a", str)), after: thing(field("a", str))},
		{name: "an optional field is added",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", str), optional(field("b", decimalType(12, 2)))),
			steps: []string{"add column things.b"},
			query: `SELECT a, b IS NULL FROM things`, want: []string{"x|1"}},
		{name: "a required field with a default fills the rows there are",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", str), def("new", field("b", enumType("new", "old")))),
			steps: []string{"add column things.b"},
			query: `SELECT a, b, (SELECT "notnull" FROM pragma_table_info('things') WHERE name = 'b') FROM things`, want: []string{"x|new|1"}},
		{name: "a required field without a default is refused beside rows",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`, `INSERT INTO things VALUES (2, 'y')`},
			after: thing(field("a", str), optional(field("c", str)), field("b", str)),
			said:  []string{"FC610 error: Thing.b is new and required, but the table things has 2 rows that would have no value for it"},
			query: `SELECT name FROM pragma_table_info('things')`, want: []string{"id", "a"}},
		{name: "a required field without a default goes into an empty table",
			before: thing(field("a", str)), after: thing(field("a", str), field("b", str)),
			steps: []string{"add column things.b"}},
		{name: "a table and a reference to it are added",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: withRef("cascade", true),
			steps: []string{"create table owners", "add column things.owner", "create index on things (owner)"},
			query: `SELECT "table", on_delete FROM pragma_foreign_key_list('things')`, want: []string{"owners|CASCADE"}},
		{name: "on_delete changes",
			before: withRef("restrict", true), after: withRef("cascade", true),
			steps: []string{`change things.owner from a reference to owners (on_delete = "restrict") to a reference to owners (on_delete = "cascade")`}},
		{name: "an enum is widened under rows and children",
			before: thing(field("a", enumType("x", "y"))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", enumType("x", "y", "it's"))),
			steps: []string{"change the values of things.a"}},
		{name: "an enum loses a value no row has",
			before: thing(field("a", enumType("x", "y"))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", enumType("x"))),
			steps: []string{"change the values of things.a"}},
		{name: "an enum can't lose a value that rows have",
			before: thing(field("a", enumType("x", "y"))), rows: []string{`INSERT INTO things VALUES (1, 'y')`},
			after: thing(field("a", enumType("x"))),
			said:  []string{"FC613 error: Thing.a no longer has a value that 1 row of the table things has"}},
		{name: "a decimal gets more digits before the point",
			before: thing(field("a", decimalType(5, 2))), rows: []string{`INSERT INTO things VALUES (1, 99999)`},
			after: thing(field("a", decimalType(18, 2))),
			steps: []string{"change the values of things.a"}},
		{name: "a decimal can't get fewer digits than rows have",
			before: thing(field("a", decimalType(5, 2))), rows: []string{`INSERT INTO things VALUES (1, 99999)`},
			after: thing(field("a", decimalType(4, 2))),
			said:  []string{"FC613 error: 1 row of the table things has more digits than Thing.a keeps as decimal(4, 2)"}},
		{name: "a decimal's scale changes",
			before: thing(field("a", decimalType(5, 2))), after: thing(field("a", decimalType(5, 3))),
			steps: []string{"change things.a from decimal(5, 2) to decimal(5, 3)"}},
		{name: "a type can't change where a value can't follow, even to one that is stored alike",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", dataflow.DateTime)),
			said:  []string{"FC611 error: Thing.a changes from str to datetime, but the value in 1 row of the table things can't be one"}},
		{name: "a required field is made optional",
			before: thing(field("a", str)), after: thing(optional(field("a", str))),
			steps: []string{"allow null in things.a"},
			query: `SELECT "notnull" FROM pragma_table_info('things') WHERE name = 'a'`, want: []string{"0"}},
		{name: "an optional field is made required where no row lacks it",
			before: thing(optional(field("a", str))), rows: []string{`INSERT INTO things VALUES (1, 'x')`}, after: thing(field("a", str)),
			steps: []string{"refuse null in things.a"}},
		{name: "an optional field can't be made required where rows lack it",
			before: thing(optional(field("a", str))), rows: []string{`INSERT INTO things VALUES (1, NULL)`}, after: thing(field("a", str)),
			said: []string{"FC614 error: Thing.a is now required, but 1 row of the table things has no value for it"}},
		{name: "rows that lack a value take the default of a field made required",
			before: thing(optional(field("a", enumType("x")))), rows: []string{`INSERT INTO things VALUES (1, NULL), (2, 'x')`},
			after: thing(def("y", field("a", enumType("x", "y")))),
			steps: []string{"change the values of things.a", "fill things.a with its default where it is null", "refuse null in things.a"},
			query: `SELECT id, a FROM things`, want: []string{"1|y", "2|x"}},
		{name: "a default can't fill what is unique",
			before: thing(optional(unique(field("a", str)))), rows: []string{`INSERT INTO things VALUES (1, NULL), (2, NULL)`},
			after: thing(def("y", unique(field("a", str)))),
			said:  []string{"FC614 error: Thing.a is now required, but 2 rows of the table things have no value for it"}},
		{name: "a new optional field can't be unique if its default fills it",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'y')`},
			after: thing(field("a", str), def("z", optional(unique(field("b", str))))),
			said:  []string{"FC612 error: Thing.b is new and unique, but its default would be in all 2 rows of the table things"}},
		{name: "a new unique field without a default is null in every row",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'y')`},
			after: thing(field("a", str), optional(unique(field("b", str)))),
			steps: []string{"add column things.b", "create unique index on things (b)"}},
		{name: "a new field that its default fills doesn't tell rows apart",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'x')`},
			after: together(thing(field("a", str), def("z", field("b", str))), "a", "b"),
			said:  []string{"FC612 error: a, b of Thing is to be unique, but in the table things one combination of values is in more than one row"}},
		{name: "a new field and one that differs are unique together",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'y')`},
			after: together(thing(field("a", str), def("z", field("b", str))), "a", "b"),
			steps: []string{"add column things.b", "create unique index on things (a, b)"}},
		{name: "soft delete is switched on: uniqueness is among live rows from now on",
			before: thing(unique(field("a", str))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: soft(unique(field("a", str))),
			steps: []string{"drop index ux_things.a of things", "add column things.deleted_at", "create unique index on things (a) among live rows"},
			query: `SELECT sql FROM sqlite_schema WHERE name = 'ux_things.a'`,
			want:  []string{`CREATE UNIQUE INDEX "ux_things.a" ON "things" ("a") WHERE "deleted_at" IS NULL`}},
		{name: "a unique index over all rows, as earlier versions made it, is relaxed",
			before: soft(unique(field("a", str))),
			rows:   []string{`DROP INDEX "ux_things.a"`, `CREATE UNIQUE INDEX "ux_things.a" ON things (a)`},
			after:  soft(unique(field("a", str))),
			steps:  []string{"drop index ux_things.a of things", "create unique index on things (a) among live rows"}},
		{name: "deleted rows do not keep a field from becoming unique",
			before: soft(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x', NULL), (2, 'x', '2026-01-31T09:30:00.000000Z')`},
			after: soft(unique(field("a", str))),
			steps: []string{"create unique index on things (a) among live rows"}},
		{name: "a unique reference has an index over all rows beside it, for when what it refers to is deleted",
			before: []*dataflow.Model{model("Owner", "owners")}, after: softRef(),
			steps: []string{"create table things"},
			query: `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'things' ORDER BY name`, want: []string{"ix_things.owner", "ux_things.owner"}},
		{name: "soft delete can't be switched off while it hides rows",
			before: soft(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x', NULL), (2, 'x', '2026-01-31T09:30:00.000000Z')`},
			after: thing(field("a", str)),
			said:  []string{"FC622 error: Thing no longer has soft_delete, so 1 row of the table things that was deleted would come back"}},
		{name: "soft delete is switched off where it hides nothing",
			before: soft(unique(field("a", str))), rows: []string{`INSERT INTO things VALUES (1, 'x', NULL)`},
			after: thing(unique(field("a", str))),
			steps: []string{"drop index ux_things.a of things", "create unique index on things (a)"},
			said:  []string{"FC618 warning: Thing has no field for the column deleted_at of its table any more; the column is kept, with the values of 0 rows"}},
		{name: "multi_tenant can't be switched off while tenants have rows",
			before: tenants(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x', 't1')`},
			after: thing(field("a", str)),
			said:  []string{"FC622 error: Thing is no longer multi_tenant, so every tenant would see the 1 row of the table things"}},
		{name: "a rename from a name that another field has is refused",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(was("a", field("b", str)), optional(field("a", str))),
			said:  []string{"FC623 error: Thing.b was a, but Thing.a is a field too: the values of the column can't be in both"}},
		{name: "two fields can't swap their names",
			before: thing(field("a", str), field("b", str)), after: thing(was("a", field("b", str)), was("b", field("a", str))),
			said: []string{"FC623 error: Thing.b was a, but Thing.a is a field too: the values of the column can't be in both",
				"FC623 error: Thing.a was b, but Thing.b is a field too: the values of the column can't be in both"}},
		{name: "an old name may be used again once the rename is done",
			before: thing(was("a", field("b", str)), field("a", str)), after: thing(was("a", field("b", str)), optional(field("a", str))),
			steps: []string{"allow null in things.a"}},
		{name: "a name that differs in case only is refused without was",
			before: thing(field("a", str)), after: thing(optional(field("A", str))),
			said: []string{"FC623 error: Thing.A is new, but the table things has a column a, which differs in case only"}},
		{name: "a renamed model's table that another model has is refused",
			before: thing(field("a", str)), after: append(thing(field("a", str)), renamedModel),
			said: []string{"FC623 error: Item was Thing, but Thing has the table things: its rows can't be both"}},
		{name: "a model takes its table along to another name",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: []*dataflow.Model{model("Thing", "stuff", field("a", str))},
			steps: []string{"rename table things to stuff"},
			query: `SELECT a FROM stuff`, want: []string{"x"}},
		{name: "rows that lack a version get the first",
			before: versioned(field("a", str)),
			rows:   []string{`ALTER TABLE things ALTER COLUMN version DROP NOT NULL`, `INSERT INTO things VALUES (1, 'x', NULL), (2, 'y', 7)`},
			after:  versioned(field("a", str)),
			steps:  []string{"fill things.version with its default where it is null", "refuse null in things.version"},
			query:  `SELECT a, version FROM things`, want: []string{"x|1", "y|7"}},
		{name: "a field is made unique",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`}, after: thing(unique(field("a", str))),
			steps: []string{"create unique index on things (a)"}},
		{name: "a field can't be made unique over equal values",
			before: thing(field("a", str)),
			rows:   []string{`INSERT INTO things VALUES (1, 'x'), (2, 'x'), (3, 'y'), (4, 'y'), (5, 'z')`}, after: thing(unique(field("a", str))),
			said: []string{"FC612 error: a of Thing is to be unique, but in the table things 2 combinations of values are each in more than one row"}},
		{name: "a field is no longer unique",
			before: thing(unique(field("a", str))), after: thing(field("a", str)),
			steps: []string{"drop index ux_things.a of things"}},
		{name: "a field is renamed, with its check and its index",
			before: thing(unique(field("a", enumType("x", "y")))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(unique(was("a", field("b", enumType("x", "y", "z"))))),
			steps: []string{"rename column things.a to b", "drop index ux_things.a of things", "change the values of things.b", "create unique index on things (b)"},
			query: `SELECT b FROM things`, want: []string{"x"}},
		{name: "a model is renamed",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: []*dataflow.Model{renamedModel},
			steps: []string{"rename table things to items"},
			query: `SELECT a FROM items`, want: []string{"x"}},
		{name: "a removed field keeps its column, which may then be null",
			before: thing(field("a", str), field("b", str)), rows: []string{`INSERT INTO things VALUES (1, 'x', 'y')`},
			after: thing(field("a", str)),
			steps: []string{"allow null in things.b"},
			said:  []string{"FC618 warning: Thing has no field for the column b of its table any more; the column is kept, with the values of 1 row"},
			query: `SELECT b FROM things`, want: []string{"y"}},
		{name: "a removed model keeps its table",
			before: append(thing(field("a", str)), model("Other", "others")), after: thing(field("a", str)),
			said:  []string{"FC619 info: no model has the table others any more; it is left as it is, with 0 rows"},
			query: `SELECT count(*) FROM others`, want: []string{"0"}},
		{name: "reserved words and quotes are names like any other",
			before: []*dataflow.Model{model("Order", "order", field("select", str))},
			after:  []*dataflow.Model{model("Order", "order", field("select", str), def("a'b", unique(field("group", str))))},
			steps:  []string{"add column order.group", "create unique index on order (group)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			if _, said := migrated(t, database(path, test.before...)); said != nil {
				t.Fatalf("before: %v", said)
			}
			execSQL(t, path, test.rows...)
			schema := querySQL(t, path, "SELECT sql FROM sqlite_schema ORDER BY rowid")
			steps, said := migrated(t, database(path, test.after...))
			if diff := cmp.Diff(test.steps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.said, said); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			if test.steps == nil {
				if diff := cmp.Diff(schema, querySQL(t, path, "SELECT sql FROM sqlite_schema ORDER BY rowid")); diff != "" {
					t.Errorf("the schema has changed:\n%s", diff)
				}
			} else {
				inspected := database(path, test.after...)
				inspected.Options.ModelPersistence = false
				again, _ := migrated(t, inspected)
				if again != nil {
					t.Errorf("a second time: %v", again)
				}
			}
			if test.query != "" {
				if diff := cmp.Diff(test.want, querySQL(t, path, test.query)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", test.query, diff)
				}
			}
			if got := querySQL(t, path, "PRAGMA integrity_check"); got[0] != "ok" {
				t.Errorf("integrity: %v", got)
			}
		})
	}
}

// TestConditionsOfIndexesAreFoundAgain: what is inspected is what was asked
// for, and so is a condition that another program has put in its place.
func TestConditionsOfIndexesAreFoundAgain(t *testing.T) {
	url := filepath.Join(t.TempDir(), "a.db")
	opened := func() (steps, said []string) {
		db := database(url, storetest.PartlyUnique(t)...)
		db.Options.ModelPersistence = false // so that the tables are looked at
		return migrated(t, db)
	}
	if steps, said := opened(); len(steps) == 0 || said != nil {
		t.Fatal(steps, said)
	}
	if steps, said := opened(); steps != nil || said != nil {
		t.Fatal(steps, said)
	}
	index := querySQL(t, url, `SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'ux\_parts0.%' ESCAPE '\'`)
	if len(index) != 1 {
		t.Fatal(index)
	}
	execSQL(t, url, `DROP INDEX `+ident(index[0]), `CREATE UNIQUE INDEX `+ident(index[0])+` ON parts0 (code) WHERE b = 0`)
	if steps, said := opened(); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	if steps, said := opened(); steps != nil || said != nil {
		t.Fatal(steps, said)
	}
}
