package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

// database is a database of models under test.
func database(url string, models ...*dataflow.Model) *dataflow.Database {
	db := &dataflow.Database{Name: "db", URL: url, Models: models,
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

func kind(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }

func decimalType(p, s int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
}

func enumType(values ...string) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindEnum, Values: values}
}

// migrated opens the database, closes it and returns what was done and said.
func migrated(t testing.TB, db *dataflow.Database) (steps, said []string) {
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

// querySQL returns the rows of a query, columns joined with "|".
func querySQL(t testing.TB, url, sql string) []string {
	t.Helper()
	pc, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close(context.Background())
	rows := []string{}
	if err := newConn(pc, true).query(context.Background(), sql, nil, func(r [][]byte) {
		rows = append(rows, strings.ReplaceAll(fmt.Sprintf("%s", r), " ", "|"))
	}); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func TestMigrate(t *testing.T) {
	str := dataflow.String
	field := func(name string, typ *dataflow.Type) *dataflow.Field { return &dataflow.Field{Name: name, Type: typ} }
	with := func(f *dataflow.Field, change func(*dataflow.Field)) *dataflow.Field { change(f); return f }
	optional := func(f *dataflow.Field) *dataflow.Field { return with(f, func(f *dataflow.Field) { f.Optional = true }) }
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
	renamedModel := func() []*dataflow.Model {
		m := model("Item", "items", unique(field("a", enumType("x"))))
		m.Was = "Thing"
		return []*dataflow.Model{m}
	}
	withRef := func(onDelete string) []*dataflow.Model {
		o := model("Owner", "owners")
		return []*dataflow.Model{ // the reference is declared before what it refers to
			model("Thing", "things", field("a", str), &dataflow.Field{Name: "owner", Optional: true, OnDelete: onDelete, Type: &dataflow.Type{Kind: dataflow.KindRef, Model: o}}), o}
	}
	everything := func() []*dataflow.Model {
		return thing(field("s", str), field("i", dataflow.Int), field("f", dataflow.Float), field("b", dataflow.Bool), field("d", decimalType(12, 2)),
			field("at", dataflow.DateTime), field("day", kind(dataflow.KindDate)), field("time", kind(dataflow.KindTime)), field("u", kind(dataflow.KindUUID)),
			field("j", dataflow.JSON), field("raw", kind(dataflow.KindBytes)), field("e", enumType("it's", `back\slash`, `"quoted"`)),
			field("words", dataflow.ListOf(str)), field("n", dataflow.ListOf(decimalType(3, 1))))
	}
	long := strings.Repeat("long_", 11)
	longTable := func(name string, fields ...*dataflow.Field) []*dataflow.Model {
		return []*dataflow.Model{model("Thing", name, fields...)}
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
		{name: "a field of every type is found again", before: everything(), after: everything()},
		{name: "an index with a name that PostgreSQL would cut off is found again",
			before: thing(unique(field(long, str))), after: thing(unique(field(long, str)))},
		{name: "an index of a table whose name leaves no room for more is known for its own",
			before: longTable(long+"_tables", unique(field("a", str)), unique(field("b", str))), after: longTable(long+"_tables", unique(field("a", str)), field("b", str)),
			steps: []string{"drop index ux_" + long[:48] + ".~b7efd2830e of " + long + "_tables"},
			query: `SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'ux%'`, want: []string{"[1]"}},
		{name: "a name is not cut off within a letter",
			before: longTable(strings.Repeat("ä", 30), unique(field("a", str))), after: longTable(strings.Repeat("ä", 30), field("a", str)),
			steps: []string{"drop index ux_" + strings.Repeat("ä", 23) + ".~bb9ca42e04 of " + strings.Repeat("ä", 30)}},
		{name: "an optional field is added",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", str), optional(field("b", decimalType(12, 2)))),
			steps: []string{"add column things.b"},
			query: `SELECT a, b IS NULL FROM things`, want: []string{"[x|t]"}},
		{name: "a required field with a default fills the rows there are",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", str), def("new", field("b", enumType("new", "old")))),
			steps: []string{"add column things.b"},
			query: `SELECT a, b FROM things`, want: []string{"[x|new]"}},
		{name: "a required field without a default is refused beside rows",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'y')`},
			after: thing(field("a", str), optional(field("c", str)), field("b", str)),
			said:  []string{"FC610 error: Thing.b is new and required, but the table things has 2 rows that would have no value for it"},
			query: `SELECT * FROM things`, want: []string{"[1|x]", "[2|y]"}},
		{name: "a table and a reference to it are added",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: withRef("cascade"),
			steps: []string{"create table owners", "add column things.owner", "create index on things (owner)"},
			query: `SELECT confrelid::regclass, confdeltype FROM pg_constraint WHERE contype = 'f'`, want: []string{"[owners|c]"}},
		{name: "on_delete changes",
			before: withRef("restrict"), after: withRef("cascade"),
			steps: []string{`change things.owner from a reference to owners (on_delete = "restrict") to a reference to owners (on_delete = "cascade")`}},
		{name: "an enum is widened",
			before: thing(field("a", enumType("x", "y"))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(field("a", enumType("x", "y", "it's"))),
			steps: []string{"change the values of things.a"}},
		{name: "an enum can't lose a value that rows have",
			before: thing(field("a", enumType("x", "y"))), rows: []string{`INSERT INTO things VALUES (1, 'y')`},
			after: thing(field("a", enumType("x"))),
			said:  []string{"FC613 error: Thing.a no longer has a value that 1 row of the table things has"}},
		{name: "a decimal gets more digits before the point",
			before: thing(field("a", decimalType(5, 2))), rows: []string{`INSERT INTO things VALUES (1, 999.99)`},
			after: thing(field("a", decimalType(30, 2))),
			steps: []string{"change the values of things.a"}},
		{name: "a decimal can't get fewer digits than rows have",
			before: thing(field("a", decimalType(5, 2))), rows: []string{`INSERT INTO things VALUES (1, 999.99)`},
			after: thing(field("a", decimalType(4, 2))),
			said:  []string{"FC613 error: 1 row of the table things has more digits than Thing.a keeps as decimal(4, 2)"}},
		{name: "a type can't change where rows can't follow",
			before: thing(field("a", dataflow.ListOf(str))), rows: []string{`INSERT INTO things VALUES (1, '[]')`}, after: thing(field("a", dataflow.ListOf(dataflow.Int))),
			said: []string{"FC611 error: Thing.a changes from list(str) to list(int), which the 1 row of the table things can't follow by themselves"}},
		{name: "the type of a list's items changes where there are none",
			before: thing(field("a", dataflow.ListOf(str))), after: thing(field("a", dataflow.ListOf(dataflow.Int))),
			steps: []string{"change things.a from list(str) to list(int)"}},
		{name: "a list becomes json where there is none",
			before: thing(field("a", dataflow.ListOf(str))), after: thing(field("a", dataflow.JSON)),
			steps: []string{"change things.a from list(str) to json"}},
		{name: "rows that lack a value take the default of a field made required",
			before: thing(optional(field("a", enumType("x")))), rows: []string{`INSERT INTO things VALUES (1, NULL), (2, 'x')`},
			after: thing(def("y", field("a", enumType("x", "y")))),
			steps: []string{"change the values of things.a", "fill things.a with its default where it is null", "refuse null in things.a"},
			query: `SELECT id, a FROM things ORDER BY id`, want: []string{"[1|y]", "[2|x]"}},
		{name: "soft delete is switched on: uniqueness is among live rows from now on",
			before: thing(unique(field("a", str))), after: soft(unique(field("a", str))),
			steps: []string{"drop index ux_things.a of things", "add column things.deleted_at", "create unique index on things (a) among live rows"}},
		{name: "a field can't be made unique over equal values",
			before: thing(field("a", str)), rows: []string{`INSERT INTO things VALUES (1, 'x'), (2, 'x')`}, after: thing(unique(field("a", str))),
			said: []string{"FC612 error: a of Thing is to be unique, but in the table things one combination of values is in more than one row"}},
		{name: "a field is renamed, with its check and its index",
			before: thing(unique(field("a", enumType("x", "y")))), rows: []string{`INSERT INTO things VALUES (1, 'x')`},
			after: thing(unique(was("a", field("b", enumType("x", "y", "z"))))),
			steps: []string{"rename column things.a to b", "drop index ux_things.a of things", "change the values of things.b", "create unique index on things (b)"},
			query: `SELECT b FROM things`, want: []string{"[x]"}},
		{name: "a model is renamed",
			before: thing(unique(field("a", enumType("x")))), rows: []string{`INSERT INTO things VALUES (1, 'x')`}, after: renamedModel(),
			steps: []string{"rename table things to items", "drop index ux_things.a of items", "create unique index on items (a)"},
			query: `SELECT a FROM items`, want: []string{"[x]"}},
		{name: "a removed field keeps its column, which may then be null",
			before: thing(field("a", str), field("b", str)), rows: []string{`INSERT INTO things VALUES (1, 'x', 'y')`},
			after: thing(field("a", str)),
			steps: []string{"allow null in things.b"},
			said:  []string{"FC618 warning: Thing has no field for the column b of its table any more; the column is kept, with the values of 1 row"}},
		{name: "reserved words and quotes are names like any other",
			before: []*dataflow.Model{model("Order", "order", field("select", str))},
			after:  []*dataflow.Model{model("Order", "order", field("select", str), def("a'b", unique(field("group", enumType("a'b")))))},
			steps:  []string{"add column order.group", "create unique index on order (group)"}},
		{name: "text of another collation is not taken for ours",
			before: thing(), rows: []string{`ALTER TABLE things ADD COLUMN a text COLLATE "en-x-icu" NOT NULL`, `INSERT INTO things VALUES (1, 'x')`}, after: thing(field("a", str)),
			said: []string{"FC611 error: Thing.a changes from a column of type text in the order of en-x-icu to str, which the 1 row of the table things can't follow by themselves"}},
		{name: "a column without a value takes any type",
			before: thing(), rows: []string{`ALTER TABLE things ADD COLUMN a text COLLATE "en-x-icu" NOT NULL`}, after: thing(field("a", str)),
			steps: []string{"change things.a from a column of type text in the order of en-x-icu to str"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := pgtest.URL(t)
			if _, said := migrated(t, database(url, test.before...)); said != nil {
				t.Fatalf("before: %v", said)
			}
			pgtest.Exec(t, url, test.rows...)
			steps, said := migrated(t, database(url, test.after...))
			if diff := cmp.Diff(test.steps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.said, said); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
			if test.query != "" {
				if diff := cmp.Diff(test.want, querySQL(t, url, test.query)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			}
			if strings.Contains(fmt.Sprint(said), "error") {
				return
			}
			again := database(url, test.after...)
			again.Options.ModelPersistence = false // so that the tables are looked at
			if steps, _ := migrated(t, again); steps != nil {
				t.Errorf("the schema that was made is not found again: %v", steps)
			}
		})
	}
}

// TestAChangeByAnotherIsNoticed: the fingerprint alone would not.
func TestAChangeByAnotherIsNoticed(t *testing.T) {
	url := pgtest.URL(t)
	models := func() []*dataflow.Model {
		return []*dataflow.Model{model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String, Index: true})}
	}
	migrated(t, database(url, models()...))
	for _, test := range []struct{ sql, step string }{
		{`ALTER TABLE things DROP COLUMN a`, "add column things.a"},
		{`ALTER TABLE things ALTER COLUMN a DROP NOT NULL`, "refuse null in things.a"},
		{`DROP INDEX "ix_things.a"`, "create index on things (a)"},
	} {
		pgtest.Exec(t, url, test.sql)
		steps, said := migrated(t, database(url, models()...))
		if len(steps) == 0 || steps[0] != test.step || said != nil {
			t.Errorf("%s: %v, %v", test.sql, steps, said)
		}
		if steps, said := migrated(t, database(url, models()...)); steps != nil || said != nil {
			t.Errorf("and again: %v, %v", steps, said)
		}
	}
}

// What is kept of the schema is one row, in a table without a key: a table that is
// published needs one to be updated, or has to say what stands for it. Those that
// an earlier flowctl made have a key.
func TestWhatIsKeptOfTheSchema(t *testing.T) {
	for _, before := range []string{`CREATE PUBLICATION all_of_it FOR ALL TABLES`, `ALTER TABLE "_flow_meta" ADD PRIMARY KEY ("one")`} {
		url := pgtest.URL(t)
		fields := []*dataflow.Field{{Name: "a", Type: dataflow.Int, Optional: true}, {Name: "b", Type: dataflow.Int, Optional: true}}
		migrated(t, database(url, model("Thing", "things", fields[:1]...)))
		pgtest.Exec(t, url, before)
		all := func() *dataflow.Database { return database(url, model("Thing", "things", fields...)) }
		if steps, said := migrated(t, all()); !slices.Equal(steps, []string{"add column things.b"}) || said != nil {
			t.Errorf("%s: %v, %v", before, steps, said)
		}
		if steps, said := migrated(t, all()); steps != nil || said != nil {
			t.Errorf("%s: and again: %v, %v", before, steps, said)
		}
		rows := 0
		if err := dial(t, url).query(context.Background(), `SELECT 1 FROM "_flow_meta"`, nil, func([][]byte) { rows++ }); err != nil || rows != 1 {
			t.Errorf("%s: %d rows are kept, want 1 (%v)", before, rows, err)
		}
	}
}

// TestAnIndexThatWasCutShort: CREATE INDEX CONCURRENTLY leaves an index behind
// that answers no query, but refuses rows if it is unique.
func TestAnIndexThatWasCutShort(t *testing.T) {
	plain := func() *dataflow.Model {
		return model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String})
	}
	unique := func() *dataflow.Model {
		return model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String, Unique: true})
	}
	const drop, create = "drop index ux_things.a of things", "create unique index on things (a)"
	for _, tt := range []struct {
		name  string
		fix   string
		after func() *dataflow.Model
		steps []string
		left  []string
	}{
		{"it is made again", `UPDATE things SET a = id::text`, unique, []string{drop, create}, []string{"[ux_other.a|f]", "[ux_things.a|t]"}},
		{"it is made again where no row is left", `DELETE FROM things`, unique, []string{drop, create}, []string{"[ux_other.a|f]", "[ux_things.a|t]"}},
		{"it goes if it is not wanted", `UPDATE things SET a = id::text`, plain, []string{drop}, []string{"[ux_other.a|f]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := pgtest.URL(t)
			migrated(t, database(url, plain()))
			pgtest.Exec(t, url, `INSERT INTO things (a) VALUES ('x'), ('x')`, `CREATE TABLE "theirs.own" (a text)`, `INSERT INTO "theirs.own" VALUES ('x'), ('x')`)
			cutShort(t, url, `CREATE UNIQUE INDEX CONCURRENTLY "ux_things.a" ON things (a)`)
			cutShort(t, url, `CREATE UNIQUE INDEX CONCURRENTLY "ux_other.a" ON "theirs.own" (a)`)
			pgtest.Exec(t, url, tt.fix)
			if steps, said := migrated(t, database(url, tt.after())); !slices.Equal(steps, tt.steps) || said != nil {
				t.Errorf("steps %v, said %v", steps, said)
			}
			const indexes = `SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'ux%' ORDER BY 1`
			if diff := cmp.Diff(tt.left, querySQL(t, url, indexes)); diff != "" {
				t.Errorf("indexes (-want +got):\n%s", diff)
			}
			again := database(url, tt.after())
			again.Options.ModelPersistence = false
			if steps, said := migrated(t, again); steps != nil || said != nil {
				t.Errorf("and again: %v, %v", steps, said)
			}
		})
	}
}

// cutShort runs a statement that fails on the rows there are.
func cutShort(t *testing.T, url, sql string) {
	t.Helper()
	pc, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close(context.Background())
	if err := newConn(pc, true).exec(context.Background(), sql); sqlState(err) != uniqueViolation {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestTwoStartAtOnce(t *testing.T) {
	url := pgtest.URL(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []string
	for range 8 {
		wg.Go(func() {
			steps, said := migrated(t, database(url, model("Thing", "things")))
			mu.Lock()
			defer mu.Unlock()
			all = append(append(all, steps...), said...)
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"create table things"}, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := querySQL(t, url, `SELECT count(*) FROM "_flow_migrations"`); n[0] != "[1]" {
		t.Errorf("%s migrations are in the history", n)
	}
}

func TestMigrationWaitsForALockAndSaysWhoHasIt(t *testing.T) {
	url := pgtest.URL(t)
	migrated(t, database(url, model("Thing", "things")))
	for name, lock := range map[string]string{
		"of migrations": fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, %s)", lockClass, lockObject),
		"of a table":    "LOCK TABLE things IN ACCESS SHARE MODE",
	} {
		pc, err := pgconn.Connect(context.Background(), url+"?application_name=somebody")
		if err != nil {
			t.Fatal(err)
		}
		if err := newConn(pc, true).exec(context.Background(), "BEGIN; "+lock); err != nil {
			t.Fatal(err)
		}
		db := database(url, model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String, Optional: true}))
		db.Options.MigrationLockTimeout = 100 * time.Millisecond
		_, said := migrated(t, db)
		if len(said) != 1 || !strings.HasPrefix(said[0], "FC603 error: ") || !strings.Contains(said[0], fmt.Sprintf("somebody, process %d, user flow", pc.PID())) {
			t.Errorf("a lock %s: %q", name, said)
		}
		pc.Close(context.Background())
	}
}

func TestExistingSchema(t *testing.T) {
	url := pgtest.URL(t)
	pgtest.Exec(t, url, `CREATE TABLE things (id serial PRIMARY KEY, a varchar(9) NOT NULL, n smallint, x real, d numeric, at timestamptz)`,
		`INSERT INTO things (a, n, x, d) VALUES ('b', -1, 0.5, 1.5), ('B', NULL, NULL, NULL), ('a', 2, NULL, 1)`)
	open := func(fields ...*dataflow.Field) (store.Store, []dataflow.Diagnostic) {
		db := database(url, model("Thing", "things", fields...))
		db.Options.ExistingSchemaMode = true
		s, _, diags := Opener{}.Open(context.Background(), db, store.Options{})
		if s != nil {
			t.Cleanup(func() { s.Close() })
		}
		return s, diags
	}
	opt := func(name string, typ *dataflow.Type) *dataflow.Field {
		return &dataflow.Field{Name: name, Type: typ, Optional: true}
	}
	a := &dataflow.Field{Name: "a", Type: dataflow.String}
	s, diags := open(a, opt("n", dataflow.Int), opt("x", dataflow.Float), opt("d", decimalType(12, 2)), opt("at", dataflow.DateTime))
	if s == nil {
		t.Fatal(diags)
	}
	m := s.(*Store)
	got := []string{}
	for model := range m.tables {
		if err := s.Select(context.Background(), selectSorted(model), func(r store.Row) error {
			got = append(got, string(r.AppendJSON(nil)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{
		`{"id":1,"a":"b","n":-1,"x":0.5,"d":"1.50","at":null}`,
		`{"id":2,"a":"B","n":null,"x":null,"d":null,"at":null}`,
		`{"id":3,"a":"a","n":2,"x":null,"d":"1.00","at":null}`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s, diags := open(opt("a", dataflow.Int)); s != nil || len(diags) == 0 {
		t.Errorf("a table that does not fit: %v", diags)
	}
	if tables := querySQL(t, url, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"); len(tables) != 1 {
		t.Errorf("tables were made: %v", tables)
	}
}

func TestTypesOfOthers(t *testing.T) {
	for storage, want := range map[string]string{
		"character": "text", "character varying": "text", "text": "text", "text in the order of de_DE": "text", "citext": "text",
		"smallint": "bigint", "real": "double precision", "jsonb": "json", "timestamp without time zone": "timestamp with time zone",
		"text[]": "text[]", "interval": "interval", "numeric": "numeric",
	} {
		if got := alike(storage); got != want {
			t.Errorf("%s is served as %s, not %s", storage, got, want)
		}
	}
}

// wide is a schema of n tables.
func wide(url string, n int) *dataflow.Database {
	models := make([]*dataflow.Model, n)
	for i := range models {
		models[i] = model(fmt.Sprintf("M%d", i), fmt.Sprintf("m%d", i),
			&dataflow.Field{Name: "a", Type: dataflow.String, Unique: true}, &dataflow.Field{Name: "e", Type: enumType("x", "y")},
			&dataflow.Field{Name: "d", Type: decimalType(12, 2)}, &dataflow.Field{Name: "at", Type: dataflow.DateTime, Index: true},
			&dataflow.Field{Name: "j", Type: dataflow.JSON}, &dataflow.Field{Name: "n", Type: dataflow.Int})
		if i > 0 {
			models[i].Fields = append(models[i].Fields, &dataflow.Field{Name: "ref", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: models[i-1]}})
		}
	}
	return database(url, models...)
}

func BenchmarkOpen500Tables(b *testing.B) {
	url := pgtest.URL(b)
	migrated(b, wide(url, 500))
	for _, persist := range []bool{true, false} {
		b.Run(map[bool]string{true: "unchanged", false: "inspected"}[persist], func(b *testing.B) {
			db := wide(url, 500)
			db.Options.ModelPersistence = persist
			for b.Loop() {
				if steps, said := migrated(b, db); steps != nil || said != nil {
					b.Fatal(steps, said)
				}
			}
		})
	}
}

// TestConditionsOfIndexesAreFoundAgain: what is inspected is what was asked
// for, and so is a condition that another program has put in its place.
func TestConditionsOfIndexesAreFoundAgain(t *testing.T) {
	url := pgtest.URL(t)
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
	index := querySQL(t, url, `SELECT relname FROM pg_class WHERE relname LIKE 'ux\_parts0.%'`)
	if len(index) != 1 {
		t.Fatal(index)
	}
	name := ident(strings.Trim(index[0], "[]"))
	pgtest.Exec(t, url, `DROP INDEX `+name, `CREATE UNIQUE INDEX `+name+` ON parts0 (code) WHERE b = false`)
	if steps, said := opened(); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	if steps, said := opened(); steps != nil || said != nil {
		t.Fatal(steps, said)
	}
}

// TestAColumnThatWasAddedSince: the app that goes on beside the one that added a
// column which must have a value is told so, and not that its row is wrong.
func TestAColumnThatWasAddedSince(t *testing.T) {
	url := pgtest.URL(t)
	m := model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String})
	s, _, diags := Opener{}.Open(context.Background(), database(url, m), store.Options{})
	if s == nil {
		t.Fatal(diags)
	}
	defer s.Close()
	pgtest.Exec(t, url, `ALTER TABLE things ADD COLUMN b text NOT NULL`)
	a, _ := m.Shape().Index("a")
	for _, rows := range [][][]any{{{"one"}}, {{"one"}, {"two"}}} {
		err := s.Write(context.Background(), func(tx store.Tx) error {
			_, err := tx.Insert(context.Background(), m, []int{a}, rows)
			return err
		})
		if e := dataflow.AsError(err); err == nil || e.Code != "schema_changed" || e.Message != "the database was migrated for another version of the app: the column things.b must have a value, but Thing has no field for it" {
			t.Errorf("%d rows: %v", len(rows), err)
		}
	}
}

// TestPlanningWhileAnotherMigrates: who looks at a table that another process is
// about to rename a column of looks again.
func TestPlanningWhileAnotherMigrates(t *testing.T) {
	url := pgtest.URL(t)
	v := func(name, was string) *dataflow.Model {
		return model("Thing", "things", &dataflow.Field{Name: name, Was: was, Type: dataflow.Int, Unique: was != ""})
	}
	s := openTest(t, database(url, v("v", "")))
	r, ds := Opener{}.Migrate(t.Context(), database(url, v("w", "v")), store.Options{}, true)
	if r == nil {
		t.Fatal(ds)
	}
	defer r.DB.Close()
	type answer struct {
		p  *migrate.Preview
		ds []dataflow.Diagnostic
	}
	said := make(chan answer, 1)
	err := s.Write(t.Context(), func(held store.Tx) error {
		c := held.(*tx).c
		if err := c.exec(t.Context(), "ALTER TABLE things RENAME COLUMN v TO w"); err != nil {
			return err
		}
		go func() {
			p, ds := r.Preview(t.Context())
			said <- answer{p, ds}
		}()
		for waits := false; !waits; {
			select {
			case a := <-said:
				return fmt.Errorf("nothing was waited for: %+v, %v", a.p, a.ds)
			default:
			}
			if err := c.query(t.Context(), "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass", nil, func([][]byte) { waits = true }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := <-said; a.p == nil || len(a.ds) > 0 || len(a.p.Steps) != 1 {
		t.Errorf("%+v, %v", a.p, a.ds)
	}
}
