package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// Engine is what RunMigrations needs of an engine: how it opens, and the URL of
// an empty database that is gone when the test ends.
type Engine struct {
	Opener store.Migrator
	URL    func(t *testing.T) string
}

// RunMigrations runs the suite of what must be true of migrations.
func RunMigrations(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"types follow", testTypesFollow},
		{"checks follow their columns", testChecksFollow},
		{"types that can't follow", testTypesThatCant},
		{"rows that came after the plan", testLateRows},
		{"what would be altered is allowed by name", testLossyType},
		{"references come, change and go", testReferencesChange},
		{"columns and tables go when they are allowed to", testDrops},
		{"backfill", testBackfill},
		{"rollback", testRollback},
		{"a rollback of a renamed table that others refer to", testRollbackOfRenamed},
		{"a dry rollback of several", testDryRollback},
		{"a rollback that rows are in the way of", testRollbackInTheWay},
		{"killed at every statement", testKilled},
		{"random schemas", testRandomSchemas},
		{"drift", testDrift},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// app is a version of an app over one database.
type app struct {
	t      *testing.T
	e      Engine
	url    string
	theirs bool // the tables are those of another program
}

func newApp(t *testing.T, e Engine) *app { return &app{t: t, e: e, url: e.URL(t)} }

// database declares models over the app's database.
func (a *app) database(models ...*dataflow.Model) *dataflow.Database {
	db := &dataflow.Database{Name: "db", URL: a.url, Models: models, Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true, ExistingSchemaMode: a.theirs}}
	for _, m := range models {
		m.Database = db
		m.Seal()
	}
	return db
}

// runner opens the database of models for its schema.
func (a *app) runner(models ...*dataflow.Model) *migrate.Runner {
	a.t.Helper()
	r, ds := a.e.Opener.Migrate(context.Background(), a.database(models...), store.Options{}, false)
	if r == nil {
		a.t.Fatalf("open: %v", ds)
	}
	a.t.Cleanup(func() { r.DB.Close() }) // what stands there by then
	return r
}

// apply migrates to models; said is what was refused.
func (a *app) apply(allow []string, models ...*dataflow.Model) (said []string) {
	a.t.Helper()
	r := a.runner(models...)
	r.Allow = allow
	_, ds := r.Apply(context.Background())
	for _, d := range ds {
		if d.Severity == dataflow.SeverityError {
			said = append(said, d.Code+" "+d.Message)
		}
	}
	return said
}

func (a *app) mustApply(allow []string, models ...*dataflow.Model) {
	a.t.Helper()
	if said := a.apply(allow, models...); said != nil {
		a.t.Fatalf("refused: %v", said)
	}
}

// open opens the database of models for its rows.
func (a *app) open(models ...*dataflow.Model) store.Store {
	a.t.Helper()
	s, _, ds := a.e.Opener.Open(context.Background(), a.database(models...), store.Options{})
	if s == nil {
		a.t.Fatalf("open: %v", ds)
	}
	return s
}

// with runs f over the rows of models.
func (a *app) with(f func(store.Store), models ...*dataflow.Model) {
	a.t.Helper()
	s := a.open(models...)
	defer func() {
		if err := s.Close(); err != nil {
			a.t.Error(err)
		}
	}()
	f(s)
}

// values returns a field of every row of the last of the models, in the order
// of the ids.
func (a *app) values(field string, models ...*dataflow.Model) (out []any) {
	a.t.Helper()
	a.with(func(s store.Store) { out = valuesIn(a.t, s, models[len(models)-1], field) }, models...)
	return out
}

func valuesIn(t *testing.T, s store.Store, m *dataflow.Model, field string) (out []any) {
	t.Helper()
	i := position(m, field)
	err := s.Select(context.Background(), &query.Select{Model: m, Fields: []int{i}, Order: []query.Order{{Field: m.RoleIndex(dataflow.RoleID)}}}, func(row store.Row) error {
		v := row.Value(0)
		if v != nil {
			v = string(codec.AppendValue(nil, v))
		}
		out = append(out, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func thing(fields ...*dataflow.Field) *dataflow.Model { return modelOf("Thing", "things", fields...) }

func modelOf(name, table string, fields ...*dataflow.Field) *dataflow.Model {
	id := &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	return &dataflow.Model{Name: name, Table: table, Fields: append([]*dataflow.Field{id}, fields...)}
}

func optField(name string, t *dataflow.Type) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: t, Optional: true}
}

func enumOf(values ...string) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindEnum, Values: values}
}

var (
	dateType = &dataflow.Type{Kind: dataflow.KindDate}
	uuidType = &dataflow.Type{Kind: dataflow.KindUUID}
)

// add stores a thing for each value of a field.
func (a *app) add(m *dataflow.Model, field string, values ...any) {
	a.t.Helper()
	a.with(func(s store.Store) {
		for _, v := range values {
			insert(a.t, s, m, field, v)
		}
	}, m)
}

func testTypesFollow(t *testing.T, e Engine) {
	const u = "0196f0a4-7d51-7c1c-8b5a-000000000001"
	tests := []struct {
		from, to *dataflow.Type
		values   []any
		want     []any
	}{
		{dataflow.Int, dataflow.String, []any{int64(-7), nil, int64(1 << 62)}, []any{`"-7"`, nil, `"4611686018427387904"`}},
		{dataflow.String, dataflow.Int, []any{"-9223372036854775808", "42"}, []any{"-9223372036854775808", "42"}},
		{dataflow.Int, decimalType(12, 2), []any{int64(-7), int64(9999999999)}, []any{`"-7.00"`, `"9999999999.00"`}},
		{dataflow.Int, decimalType(30, 10), []any{int64(-7)}, []any{`"-7.0000000000"`}},
		{dataflow.Int, dataflow.Float, []any{int64(3)}, []any{"3"}},
		{dataflow.Int, dataflow.Bool, []any{int64(0), int64(1)}, []any{"false", "true"}},
		{dataflow.Bool, dataflow.Int, []any{true, false}, []any{"1", "0"}},
		{dataflow.Bool, dataflow.String, []any{true, nil}, []any{`"true"`, nil}},
		{dataflow.String, dataflow.Bool, []any{"true", "false"}, []any{"true", "false"}},
		{decimalType(12, 2), decimalType(14, 4), []any{dec("-1.25")}, []any{`"-1.2500"`}},
		{decimalType(12, 4), decimalType(12, 2), []any{dec("-1.2500"), dec("7")}, []any{`"-1.25"`, `"7.00"`}},
		{decimalType(12, 2), decimalType(38, 10), []any{dec("-1.25")}, []any{`"-1.2500000000"`}},
		{decimalType(12, 2), dataflow.Int, []any{dec("-3.00")}, []any{"-3"}},
		{decimalType(12, 2), dataflow.String, []any{dec("-0.05"), dec("12.5")}, []any{`"-0.05"`, `"12.50"`}},
		{dataflow.String, decimalType(12, 2), []any{"-0.05", "12.5", "7"}, []any{`"-0.05"`, `"12.50"`, `"7.00"`}},
		{decimalType(12, 2), dataflow.Float, []any{dec("0.50")}, []any{"0.5"}},
		{dataflow.Float, decimalType(12, 2), []any{0.1, -2.5}, []any{`"0.10"`, `"-2.50"`}},
		{dataflow.Float, dataflow.Int, []any{-2.0, 9007199254740992.0}, []any{"-2", "9007199254740992"}},
		{dataflow.String, enumOf("a", "it's"), []any{"it's", nil}, []any{`"it's"`, nil}},
		{enumOf("a", "b"), dataflow.String, []any{"b"}, []any{`"b"`}},
		{dataflow.String, dateType, []any{"2026-02-28"}, []any{`"2026-02-28"`}},
		{dateType, dataflow.String, []any{dataflow.Date("2026-02-28")}, []any{`"2026-02-28"`}},
		{dateType, dataflow.DateTime, []any{dataflow.Date("2026-02-28")}, []any{`"2026-02-28T00:00:00.000000Z"`}},
		{dataflow.DateTime, dateType, []any{at("2026-02-28T00:00:00Z")}, []any{`"2026-02-28"`}},
		{dataflow.DateTime, dataflow.String, []any{at("0999-02-28T01:02:03.000004Z")}, []any{`"0999-02-28T01:02:03.000004Z"`}},
		{dataflow.String, dataflow.DateTime, []any{"2026-02-28T01:02:03.000004Z"}, []any{`"2026-02-28T01:02:03.000004Z"`}},
		{dataflow.String, uuidType, []any{u}, []any{`"` + u + `"`}},
		{uuidType, dataflow.String, []any{u}, []any{`"` + u + `"`}},
	}
	var before, after []*dataflow.Type
	for _, tt := range tests {
		before, after = append(before, tt.from), append(after, tt.to)
	}
	a := newApp(t, e) // all at once: a database for each takes its time
	old := things(before)
	a.with(func(s store.Store) {
		for i, tt := range tests {
			for _, v := range tt.values {
				insert(t, s, old[i], "v", v)
			}
		}
	}, old...)
	a.mustApply(nil, things(after)...)
	now := things(after)
	a.with(func(s store.Store) {
		for i, tt := range tests {
			if diff := cmp.Diff(tt.want, valuesIn(t, s, now[i], "v")); diff != "" {
				t.Errorf("%s to %s (-want +got):\n%s", tt.from, tt.to, diff)
			}
		}
	}, now...)
	a.sameAsFresh(func() []*dataflow.Model { return things(after) })
}

// testChecksFollow: what a column is held to goes with it, whether it was given
// with the table or changed since, and is no more in the way of what comes next.
func testChecksFollow(t *testing.T, e Engine) {
	tests := []struct {
		stages []*dataflow.Type // after the first, nil is a column that is gone
		value  any
		want   string // at the end, the column renamed or not
	}{
		{[]*dataflow.Type{enumOf("a", "b"), dataflow.String}, "a", `"a"`},
		{[]*dataflow.Type{enumOf("a", "b"), enumOf("a", "b", "c"), dataflow.String}, "a", `"a"`},
		{[]*dataflow.Type{enumOf("a", "b"), enumOf("a", "b", "c"), enumOf("a")}, "a", `"a"`},
		{[]*dataflow.Type{enumOf("1", "2"), enumOf("1", "2", "3"), dataflow.String, dataflow.Int}, "1", `1`},
		{[]*dataflow.Type{enumOf("a", "b"), enumOf("a", "b", "c"), nil}, "a", ""},
		{[]*dataflow.Type{enumOf("a", "b"), nil}, "a", ""},
		{[]*dataflow.Type{dataflow.String, enumOf("a", "b"), enumOf("a"), dataflow.String}, "a", `"a"`},
		{[]*dataflow.Type{decimalType(10, 2), decimalType(14, 4)}, dec("1.25"), `"1.2500"`},
		{[]*dataflow.Type{decimalType(10, 2), decimalType(12, 2), decimalType(14, 4)}, dec("1.25"), `"1.2500"`},
		{[]*dataflow.Type{decimalType(10, 2), decimalType(12, 2), decimalType(38, 2), decimalType(12, 2)}, dec("1.25"), `"1.25"`},
		{[]*dataflow.Type{decimalType(10, 2), decimalType(12, 2), nil}, dec("1.25"), ""},
		{[]*dataflow.Type{dataflow.Bool, dataflow.Int}, true, `1`},
		{[]*dataflow.Type{dataflow.Int, dataflow.Bool, dataflow.String}, int64(1), `"true"`},
	}
	for _, renamed := range []bool{false, true} {
		models := func(stage int) (list []*dataflow.Model) {
			for i, tt := range tests {
				last := min(stage, len(tt.stages)-1)
				var fields []*dataflow.Field
				if typ := tt.stages[last]; typ != nil {
					f := optField("v", typ)
					if renamed {
						f.Name = fmt.Sprint("v", last)
						if last > 0 {
							f.Was = fmt.Sprint("v", last-1)
						}
					}
					fields = append(fields, f)
				}
				list = append(list, modelOf(fmt.Sprint("Thing", i), fmt.Sprint("things", i), append(fields, optField("other", dataflow.String))...))
			}
			return list
		}
		gone := func(stage int) (words []string) {
			for i, tt := range tests {
				if stage == len(tt.stages)-1 && tt.stages[stage] == nil {
					words = append(words, fmt.Sprintf("drop_column:Thing%d.%s", i, models(stage - 1)[i].Fields[1].Name))
				}
			}
			return words
		}
		a := newApp(t, e)
		first := models(0)
		a.with(func(s store.Store) {
			for i, tt := range tests {
				insert(t, s, first[i], first[i].Fields[1].Name, tt.value)
			}
		}, first...)
		const stages = 4
		schemas := [][]string{a.schema(models(0)...)}
		for stage := 1; stage < stages; stage++ {
			a.mustApply(gone(stage), models(stage)...)
			a.sameAsFresh(func() []*dataflow.Model { return models(stage) })
			schemas = append(schemas, a.schema(models(stage)...))
		}
		now := models(stages - 1)
		a.with(func(s store.Store) {
			for i, tt := range tests {
				if tt.want == "" {
					continue
				}
				if got := valuesIn(t, s, now[i], now[i].Fields[1].Name); !slices.Equal(got, []any{tt.want}) {
					t.Errorf("%v, renamed %t: %v, want %s", tt.stages, renamed, got, tt.want)
				}
				if tt.stages[len(tt.stages)-1] == dataflow.String { // held to nothing any more
					insert(t, s, now[i], now[i].Fields[1].Name, "any text")
				}
			}
		}, now...)
		for i, tt := range tests {
			if tt.stages[len(tt.stages)-1] == dataflow.String {
				a.with(func(s store.Store) {
					write(t, s, func(tx store.Tx) error {
						_, err := tx.Delete(t.Context(), now[i], where(t, now[i], now[i].Fields[1].Name, "any text"))
						return err
					})
				}, now...)
			}
		}
		for stage := stages - 2; stage >= 0; stage-- {
			if _, ds := a.runner(models(stage+1)...).Rollback(context.Background(), migrate.Latest, false); ds != nil {
				t.Fatalf("back to %d, renamed %t: %v", stage, renamed, ds)
			}
			if diff := cmp.Diff(schemas[stage], a.schema(models(stage)...)); diff != "" {
				t.Errorf("back to %d, renamed %t (-before +after):\n%s", stage, renamed, diff)
			}
		}
	}
}

// things are models with an indexed v of each of the types.
func things(types []*dataflow.Type) (models []*dataflow.Model) {
	for i, typ := range types {
		f := optField("v", typ)
		f.Index = typ.Kind != dataflow.KindJSON && typ.Kind != dataflow.KindList
		models = append(models, modelOf(fmt.Sprint("Thing", i), fmt.Sprint("things", i), f, optField("other", dataflow.String)))
	}
	return models
}

// sameAsFresh checks that the schema is the one of a database that was made for
// the models.
func (a *app) sameAsFresh(models func() []*dataflow.Model) {
	a.t.Helper()
	fresh := newApp(a.t, a.e)
	fresh.mustApply(nil, models()...)
	want, got := fresh.schema(models()...), a.schema(models()...)
	if diff := cmp.Diff(want, got); diff != "" {
		a.t.Errorf("the schema is not that of a fresh database (-fresh +migrated):\n%s", diff)
	}
}

// schema lists what is in a database, a line each, in no order of making.
func (a *app) schema(models ...*dataflow.Model) []string {
	a.t.Helper()
	r := a.runner(models...)
	s, err := r.DB.Inspect(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	var out []string
	for _, table := range s.Tables {
		out = append(out, "table "+table.Name)
		for _, c := range table.Columns {
			ref := ""
			if c.Ref != nil {
				ref = fmt.Sprintf(" -> %s %s unchecked=%v", c.Ref.Table, c.Ref.OnDelete, c.Ref.Unchecked)
			}
			out = append(out, fmt.Sprintf("column %s.%s %s %s %d %d %v optional=%v id=%v%s", table.Name, c.Name, c.Kind, c.Storage, c.Precision, c.Scale, c.Values, c.Optional, c.ID, ref))
		}
		for _, ix := range table.Indexes {
			out = append(out, fmt.Sprintf("index %s on %s %v unique=%v %s", ix.Name, table.Name, ix.Columns, ix.Unique, ix.Where))
		}
	}
	slices.Sort(out)
	return out
}

func testTypesThatCant(t *testing.T, e Engine) {
	tests := []struct {
		from, to *dataflow.Type
		values   []any
		want     string // with the number of the model for %[1]d
	}{
		{dataflow.String, dataflow.Int, []any{"12", "1e1", "x", " 3", "007", "1.0", "+5", "-0", "9223372036854775808", ""}, "FC611 Thing%[1]d.v changes from str to int, but the value in 9 rows of the table things%[1]d can't be one"},
		{dataflow.String, decimalType(4, 2), []any{"100", "1e3"}, "FC611 Thing%[1]d.v changes from str to decimal(4, 2), but the value in 2 rows of the table things%[1]d can't be one"},
		{dataflow.String, enumOf("a"), []any{"a", "A"}, "FC611 Thing%[1]d.v changes from str to enum, but the value in 1 row of the table things%[1]d can't be one"},
		{dataflow.String, dateType, []any{"2026-02-30", "28.2.2026"}, "FC611 Thing%[1]d.v changes from str to date, but the value in 2 rows of the table things%[1]d can't be one"},
		{decimalType(20, 0), dataflow.Int, []any{dec("10000000000000000000")}, "FC611 Thing%[1]d.v changes from decimal(20, 0) to int, but the value in 1 row of the table things%[1]d can't be one"},
		{dataflow.JSON, dataflow.String, []any{dataflow.RawJSON("1")}, "FC611 Thing%[1]d.v changes from json to str, which the 1 row of the table things%[1]d can't follow by themselves"},
		{dataflow.ListOf(dataflow.Int), dataflow.ListOf(dataflow.String), []any{[]any{int64(1)}}, "FC611 Thing%[1]d.v changes from list(int) to list(str), which the 1 row of the table things%[1]d can't follow by themselves"},
	}
	var before, after []*dataflow.Type
	for _, tt := range tests {
		before, after = append(before, tt.from), append(after, tt.to)
	}
	a := newApp(t, e)
	old := things(before)
	a.with(func(s store.Store) {
		for i, tt := range tests {
			for _, v := range tt.values {
				insert(t, s, old[i], "v", v)
			}
		}
	}, old...)
	was := a.schema(things(before)...)
	var want []string
	for i, tt := range tests {
		want = append(want, fmt.Sprintf(tt.want, i))
	}
	if diff := cmp.Diff(want, a.apply(nil, things(after)...)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(was, a.schema(things(before)...)); diff != "" {
		t.Errorf("the schema has changed:\n%s", diff)
	}
	same := things(before)
	a.with(func(s store.Store) {
		for i, tt := range tests {
			if got := valuesIn(t, s, same[i], "v"); len(got) != len(tt.values) {
				t.Errorf("%s to %s: rows are left: %v", tt.from, tt.to, got)
			}
		}
	}, same...)
}

// testLateRows: the statements of a plan may be run by another program, later.
// A row that can't follow makes them fail; it is not made another.
func testLateRows(t *testing.T, e Engine) {
	ctx := context.Background()
	for _, tt := range []struct {
		to   *dataflow.Type
		late []any
	}{
		{dataflow.Int, []any{"x", "", "1.5", "99999999999999999999"}},
		{dataflow.Bool, []any{"yes", "", "TRUE!"}},
		{enumOf("1", "2"), []any{"3", ""}},
	} {
		t.Run(tt.to.String(), func(t *testing.T) {
			a := newApp(t, e)
			before := thing(optField("v", dataflow.String))
			a.add(before, "v", any(nil))
			r := a.runner(thing(optField("v", tt.to)))
			p, ds := r.Preview(ctx)
			if ds != nil {
				t.Fatal(ds)
			}
			for _, late := range tt.late {
				a.add(before, "v", late)
				if err := runLate(r, p); err == nil {
					t.Errorf("%q has followed", late)
				}
				if err := r.DB.Exec(ctx, "DELETE FROM things"); err != nil {
					t.Fatal(err)
				}
			}
			a.add(before, "v", nil, "1", "true")
			if err := runLate(r, p); err == nil {
				t.Errorf("all of %v have followed", []string{"1", "true"})
			}
			if err := r.DB.Exec(ctx, fmt.Sprintf("DELETE FROM things WHERE v = '%s'", map[bool]string{true: "1", false: "true"}[tt.to.Kind == dataflow.KindBool])); err != nil {
				t.Fatal(err)
			}
			if err := runLate(r, p); err != nil {
				t.Errorf("what can follow: %v", err)
			}
		})
	}
}

// runLate runs the statements of a plan as another program does: all, or none.
func runLate(r *migrate.Runner, p *migrate.Preview) error {
	ctx := context.Background()
	if err := r.DB.Begin(ctx); err != nil {
		return err
	}
	defer r.DB.Rollback()
	for _, s := range p.Steps {
		for _, sql := range s.SQL {
			if err := r.DB.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return r.DB.Commit(ctx)
}

func testLossyType(t *testing.T, e Engine) {
	for _, tt := range []struct {
		from, to *dataflow.Type
		values   []any
		lossy    string
		want     []any
	}{
		{decimalType(12, 4), decimalType(12, 2), []any{dec("1.2350"), dec("-1.2350"), dec("1")}, "2 rows", []any{`"1.24"`, `"-1.24"`, `"1.00"`}},
		{dataflow.Float, dataflow.Int, []any{2.5, -2.5, 0.4}, "3 rows", []any{"3", "-3", "0"}},
		{dataflow.DateTime, dateType, []any{at("2026-02-28T23:59:59Z")}, "1 row", []any{`"2026-02-28"`}},
		{dataflow.String, uuidType, []any{"0196F0A4-7D51-7C1C-8B5A-000000000001"}, "1 row", []any{`"0196f0a4-7d51-7c1c-8b5a-000000000001"`}},
		{dataflow.Int, dataflow.Bool, []any{int64(2)}, "1 row", []any{"true"}},
	} {
		t.Run(tt.from.String()+" to "+tt.to.String(), func(t *testing.T) {
			a := newApp(t, e)
			a.add(thing(optField("v", tt.from)), "v", tt.values...)
			after := func() *dataflow.Model { return thing(optField("v", tt.to)) }
			said := a.apply(nil, after())
			if len(said) != 1 || !strings.HasPrefix(said[0], "FC611") || !strings.Contains(said[0], "would alter the value in "+tt.lossy) {
				t.Fatalf("said %q", said)
			}
			if said := a.apply([]string{"retype:Thing.w"}, after()); len(said) != 2 || !strings.HasPrefix(said[1]+said[0], "FC6") {
				t.Errorf("a wrong word: %q", said)
			}
			a.mustApply([]string{"retype:Thing.v"}, after())
			if diff := cmp.Diff(tt.want, a.values("v", after())); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func testReferencesChange(t *testing.T, e Engine) {
	a := newApp(t, e)
	version := func(onDelete string) []*dataflow.Model {
		owner := modelOf("Owner", "owners", optField("name", dataflow.String))
		f := optField("owner", dataflow.Int)
		if onDelete != "" {
			f.Type, f.OnDelete = refTo(owner), onDelete
		}
		return []*dataflow.Model{owner, thing(f)}
	}
	plain := version("")
	a.with(func(s store.Store) {
		insert(t, s, plain[0], "name", "ada")
		insert(t, s, plain[1], "owner", int64(1))
		insert(t, s, plain[1], "owner", nil)
		insert(t, s, plain[1], "owner", int64(7))
	}, plain...)
	said := a.apply(nil, version("restrict")...)
	if len(said) != 1 || said[0] != "FC615 Thing.owner is to refer to owners, but 1 row of the table things has a value that is no id there" {
		t.Fatalf("said %q", said)
	}
	a.with(func(s store.Store) {
		err := s.Write(context.Background(), func(tx store.Tx) error {
			_, err := tx.Update(context.Background(), &query.Update{Model: plain[1], Where: where(t, plain[1], "owner", int64(7)), Set: []query.Assign{{Field: 1, Value: nil}}, Bump: -1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}, plain...)
	for _, onDelete := range []string{"restrict", "cascade", "set_null", ""} {
		a.mustApply(nil, version(onDelete)...)
		a.sameAsFresh(func() []*dataflow.Model { return version(onDelete) })
		if got := len(a.values("owner", version(onDelete)...)); got != 3 {
			t.Fatalf("%d things are left", got)
		}
	}
}

func testDrops(t *testing.T, e Engine) {
	a := newApp(t, e)
	before := func() []*dataflow.Model {
		note := optField("note", dataflow.String)
		note.Index = true
		other := modelOf("Other", "others", optField("n", dataflow.Int))
		return []*dataflow.Model{other, thing(note, optField("n", dataflow.Int), &dataflow.Field{Name: "other", Type: refTo(other), Optional: true})}
	}
	after := func() []*dataflow.Model { return []*dataflow.Model{thing(optField("n", dataflow.Int))} }
	models := before()
	a.with(func(s store.Store) {
		insert(t, s, models[0], "n", int64(1))
		insert(t, s, models[1], "note", "x", "n", int64(5), "other", int64(1))
	}, models...)

	r := a.runner(after()...)
	p, ds := r.Preview(context.Background())
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	want := []migrate.Loss{
		{Allow: "drop_column:Thing.note", Table: "things", Column: "note", Rows: 1},
		{Allow: "drop_column:Thing.other", Table: "things", Column: "other", Rows: 1},
		{Allow: "drop_table:others", Table: "others", Rows: 1},
	}
	if diff := cmp.Diff(want, p.Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	a.mustApply(nil, after()...) // keeps everything
	if said := a.apply([]string{"drop_column:Thing.nota"}, after()...); len(said) != 1 || !strings.HasPrefix(said[0], "FC624") {
		t.Errorf("a wrong word: %q", said)
	}
	if said := a.apply([]string{"drop_table:others"}, after()...); len(said) != 1 || said[0] != "FC615 the table others can't be dropped: the column things.other refers to it" {
		t.Errorf("a table that is referred to: %q", said)
	}
	a.mustApply([]string{"drop_column:Thing.note", "drop_column:Thing.other", "drop_table:others"}, after()...)
	a.sameAsFresh(after)
	if got := a.values("n", after()...); !slices.Equal(got, []any{"5"}) {
		t.Errorf("rows %v", got)
	}
}

func testBackfill(t *testing.T, e Engine) {
	a := newApp(t, e)
	a.add(thing(optField("v", dataflow.String)), "v", "x", nil)
	after := func() *dataflow.Model {
		return thing(&dataflow.Field{Name: "v", Type: dataflow.String, Backfill: "it's"},
			&dataflow.Field{Name: "n", Type: decimalType(6, 2), Backfill: dec("1.5")},
			&dataflow.Field{Name: "raw", Type: &dataflow.Type{Kind: dataflow.KindBytes}, Backfill: []byte{0, 255}},
			&dataflow.Field{Name: "f", Type: dataflow.Float, Backfill: 1e300},
			&dataflow.Field{Name: "b", Type: dataflow.Bool, Backfill: true},
			&dataflow.Field{Name: "at", Type: dataflow.DateTime, Backfill: at("2026-02-28T01:02:03.000004Z")},
			&dataflow.Field{Name: "l", Type: dataflow.ListOf(dataflow.String), Backfill: []any{`\'"`}},
			&dataflow.Field{Name: "j", Type: dataflow.JSON, Backfill: dataflow.RawJSON(`{"a":"\u0000'"}`)})
	}
	a.mustApply(nil, after())
	for field, want := range map[string][]any{
		"v": {`"x"`, `"it's"`}, "n": {`"1.50"`, `"1.50"`}, "raw": {`"AP8="`, `"AP8="`}, "f": {"1e+300", "1e+300"}, "b": {"true", "true"},
		"at": {`"2026-02-28T01:02:03.000004Z"`, `"2026-02-28T01:02:03.000004Z"`}, "l": {`["\\'\""]`, `["\\'\""]`}, "j": {`{"a":"\u0000'"}`, `{"a":"\u0000'"}`},
	} {
		if diff := cmp.Diff(want, a.values(field, after())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	a.sameAsFresh(func() []*dataflow.Model { return []*dataflow.Model{after()} })
}

func testRollback(t *testing.T, e Engine) {
	a := newApp(t, e)
	first := func() *dataflow.Model { return thing(optField("v", dataflow.Int)) }
	second := func() *dataflow.Model {
		v := optField("v", dataflow.String)
		v.Index = true
		return thing(v, optField("note", dataflow.String))
	}
	a.add(first(), "v", int64(1), int64(2))
	was := a.schema(first())
	a.mustApply(nil, second())
	r := a.runner(second())
	history, ds := r.History(context.Background())
	if ds != nil || len(history) != 2 || history[1].State != migrate.StateApplied || len(history[1].Steps) != 3 {
		t.Fatalf("history %+v, %v", history, ds)
	}
	done, ds := r.Rollback(context.Background(), migrate.Latest, true)
	if ds != nil || len(done) != 1 || done[0].ID != history[1].ID {
		t.Fatalf("dry: %+v, %v", done, ds)
	}
	rows := second()
	a.with(func(s store.Store) { insert(t, s, rows, "v", "3", "note", "kept?") }, rows)
	if _, ds = r.Rollback(context.Background(), migrate.Latest, false); len(ds) != 1 || ds[0].Code != "FC625" || !strings.Contains(ds[0].Hint, "drop_column:Thing.note") {
		t.Fatalf("a loss: %v", ds)
	}
	r.Allow = []string{"drop_column:Thing.note"}
	if _, ds = r.Rollback(context.Background(), migrate.Latest, false); ds != nil {
		t.Fatal(ds)
	}
	if diff := cmp.Diff(was, a.schema(first())); diff != "" {
		t.Errorf("the schema (-before +after):\n%s", diff)
	}
	if got := a.values("v", first()); !slices.Equal(got, []any{"1", "2", "3"}) {
		t.Errorf("rows %v", got)
	}
	r = a.runner(first())
	if st, ds := r.Status(context.Background()); ds != nil || len(st.Pending) > 0 || len(st.Drift) > 0 {
		t.Errorf("status %+v, %v", st, ds)
	}
	a.mustApply(nil, second()) // and forward again
	a.sameAsFresh(func() []*dataflow.Model { return []*dataflow.Model{second()} })
}

// testDryRollback: what would be thrown away is told of every migration, under
// the names that things had when it was made.
func testDryRollback(t *testing.T, e Engine) {
	ctx := context.Background()
	a := newApp(t, e)
	a.mustApply(nil, thing())
	a.mustApply(nil, thing(optField("a", dataflow.String), optField("gone", dataflow.Int)))
	renamed := func(fields ...*dataflow.Field) *dataflow.Model {
		m := modelOf("Item", "items", fields...)
		m.Was = "Thing"
		return m
	}
	b := optField("b", dataflow.String)
	b.Was = "a"
	a.mustApply([]string{"drop_column:Item.gone"}, renamed(b))
	last := func() *dataflow.Model {
		return renamed(optField("b", dataflow.String), optField("a", dataflow.String), optField("gone", dataflow.String))
	}
	a.mustApply(nil, last())
	m := last()
	a.with(func(s store.Store) {
		insert(t, s, m, "a", "1", "b", "2")
		insert(t, s, m, "b", "3")
		insert(t, s, m, "gone", "4")
	}, m)
	was := a.schema(last())
	refused := func(dry bool, allow ...string) (out []string) {
		t.Helper()
		r := a.runner(last())
		r.Allow = allow
		list, ds := r.Rollback(ctx, 1, dry)
		if dry && len(list) != 3 {
			t.Errorf("it would undo %d", len(list))
		}
		for _, d := range ds {
			out = append(out, d.Message+"; "+d.Hint)
		}
		return out
	}
	want := []string{
		`undoing "add column items.a" throws away the values of 1 row; if that is meant: --allow drop_column:Item.a`,
		`undoing "add column items.gone" throws away the values of 1 row; if that is meant: --allow drop_column:Item.gone`,
		`undoing "add column things.a" throws away the values of 2 rows; if that is meant: --allow drop_column:Thing.a`,
	}
	if diff := cmp.Diff(want, refused(true)); diff != "" {
		t.Errorf("dry (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, refused(false)); diff != "" {
		t.Errorf("in earnest (-want +got):\n%s", diff)
	}
	words := []string{"drop_column:Item.a", "drop_column:Item.gone", "drop_column:Thing.a"}
	if got := refused(true, words...); got != nil {
		t.Errorf("allowed: %v", got)
	}
	if diff := cmp.Diff(was, a.schema(last())); diff != "" {
		t.Errorf("the schema has changed:\n%s", diff)
	}
}

// killer is a connection that is lost before a statement.
type killer struct {
	migrate.DB
	left *int
}

var errKilled = errors.New("killed")

func (k killer) strike() error {
	if *k.left--; *k.left == -1 {
		k.DB.Close()
	}
	if *k.left < 0 {
		return errKilled
	}
	return nil
}

func (k killer) Rollback() {
	if *k.left >= 0 {
		k.DB.Rollback()
	}
}

func (k killer) Close() {
	if *k.left >= 0 {
		k.DB.Close()
	}
}

func (k killer) Exec(ctx context.Context, sql string) error {
	if err := k.strike(); err != nil {
		return err
	}
	return k.DB.Exec(ctx, sql)
}

func (k killer) Commit(ctx context.Context) error {
	if err := k.strike(); err != nil {
		return err
	}
	return k.DB.Commit(ctx)
}

func (k killer) Record(ctx context.Context, a *migrate.Applied) error {
	if err := k.strike(); err != nil {
		return err
	}
	return k.DB.Record(ctx, a)
}

func (k killer) Note(ctx context.Context, want *migrate.Schema, fingerprint string) error {
	if err := k.strike(); err != nil {
		return err
	}
	return k.DB.Note(ctx, want, fingerprint)
}

func (k killer) Failure(context.Context, error) dataflow.Diagnostic {
	return dataflow.Diagnostic{Code: "FC602", Message: "killed"}
}

func testKilled(t *testing.T, e Engine) {
	first := func() []*dataflow.Model {
		owner := modelOf("Owner", "owners", optField("name", dataflow.String))
		return []*dataflow.Model{owner, thing(optField("v", dataflow.Int), optField("owner", dataflow.Int), optField("gone", dataflow.String))}
	}
	second := func() []*dataflow.Model {
		owner := modelOf("Owner", "owners", &dataflow.Field{Name: "title", Type: dataflow.String, Was: "name", Backfill: "?", Unique: true})
		v := &dataflow.Field{Name: "v", Type: decimalType(8, 2), Index: true}
		ref := &dataflow.Field{Name: "owner", Type: refTo(owner), Optional: true, OnDelete: "cascade"}
		return []*dataflow.Model{owner, modelOf("Extra", "extras", optField("n", dataflow.Int)), thing(v, ref, &dataflow.Field{Name: "e", Type: enumOf("a", "b"), Backfill: "a"})}
	}
	every := 1
	if testing.Short() {
		every = 5
	}
	for kill := 0; ; kill += every {
		finished := false
		passed := t.Run(fmt.Sprint("before ", kill), func(t *testing.T) { // on its own, so that its connections are closed with it
			finished = killedBefore(newApp(t, e), kill, first, second)
		})
		switch {
		case !passed:
			return
		case finished && kill < 8:
			t.Fatalf("there were only %d moments to be killed at", kill)
		case finished:
			return
		}
	}
}

// killedBefore migrates from first to second with the connection lost before a
// statement, and once more. It reports whether there were not that many.
func killedBefore(a *app, kill int, first, second func() []*dataflow.Model) (finished bool) {
	t := a.t
	allow := []string{"drop_column:Thing.gone"}
	models := first()
	a.with(func(s store.Store) {
		insert(t, s, models[0], "name", "ada")
		for i := range 3 {
			insert(t, s, models[1], "v", int64(i), "owner", int64(1), "gone", "x")
		}
	}, models...)
	left := kill
	r := a.runner(second()...)
	r.DB, r.Allow = killer{r.DB, &left}, allow
	_, ds := r.Apply(context.Background())
	finished = !dataflow.HasErrors(ds)

	// The next start goes on, without any word but what was there to begin with.
	again := a.runner(second()...)
	p, ds := again.Preview(context.Background())
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	if len(p.Kept) > 0 {
		again.Allow = allow
	}
	if _, ds := again.Apply(context.Background()); dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	a.sameAsFresh(second)
	if got := a.values("v", second()...); !slices.Equal(got, []any{`"0.00"`, `"1.00"`, `"2.00"`}) {
		t.Errorf("rows %v", got)
	}
	history, ds := a.runner(second()...).History(context.Background())
	if ds != nil || slices.ContainsFunc(history, func(x migrate.Applied) bool { return x.State != migrate.StateApplied }) {
		t.Errorf("history %+v %v", history, ds)
	}
	return finished
}

func testRandomSchemas(t *testing.T, e Engine) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			a := newApp(t, e)
			one := func() []*dataflow.Model { return randomModels(rand.New(rand.NewPCG(seed, 1))) }
			two := func() []*dataflow.Model { return randomModels(rand.New(rand.NewPCG(seed, 2))) }
			a.mustApply(nil, one()...)
			was := a.schema(one()...)
			p, ds := a.runner(two()...).Preview(context.Background())
			if dataflow.HasErrors(ds) {
				t.Fatalf("%v", ds)
			}
			var allow []string
			for _, l := range p.Kept {
				allow = append(allow, l.Allow)
			}
			a.mustApply(allow, two()...)
			a.sameAsFresh(two)
			if p, ds := a.runner(two()...).Preview(context.Background()); dataflow.HasErrors(ds) || len(p.Steps) > 0 {
				t.Errorf("not done: %+v %v", p, ds)
			}
			r := a.runner(two()...)
			r.Allow = undoing(t, r)
			if _, ds := r.Rollback(context.Background(), migrate.Latest, false); ds != nil {
				t.Fatalf("rollback: %v", ds)
			}
			a.comesBack(was, one)
		})
	}
}

// undoing lists the words that undoing the last migration needs.
func undoing(t *testing.T, r *migrate.Runner) (words []string) {
	t.Helper()
	list, ds := r.History(context.Background())
	if ds != nil {
		t.Fatal(ds)
	}
	for _, s := range list[len(list)-1].Steps {
		if s.Loses != nil && !slices.Contains(words, s.Loses.Allow) {
			words = append(words, s.Loses.Allow)
		}
	}
	return words
}

// comesBack checks that a schema is as it was, but for columns that were
// dropped and come back without their values: they may be null.
func (a *app) comesBack(was []string, models func() []*dataflow.Model) {
	a.t.Helper()
	loose := func(lines []string) (out []string) {
		for _, l := range lines {
			l = strings.Replace(l, "optional=true", "optional=?", 1)
			out = append(out, strings.Replace(l, "optional=false", "optional=?", 1))
		}
		return out
	}
	if diff := cmp.Diff(loose(was), loose(a.schema(models()...))); diff != "" {
		a.t.Errorf("the schema (-before +after):\n%s", diff)
	}
}

// randomModels makes up to three models of up to five fields.
func randomModels(rnd *rand.Rand) []*dataflow.Model {
	types := []*dataflow.Type{dataflow.String, dataflow.Int, dataflow.Float, dataflow.Bool, decimalType(10, 2), decimalType(10, 4),
		dataflow.DateTime, dateType, uuidType, enumOf("a", "b"), enumOf("a", "b", "c")}
	var models []*dataflow.Model
	for _, name := range []string{"Alpha", "Beta", "Gamma"} {
		if rnd.IntN(4) == 0 && len(models) > 0 {
			continue
		}
		m := modelOf(name, strings.ToLower(name)+"s")
		for _, field := range []string{"p", "q", "r", "s", "u"} {
			if rnd.IntN(3) == 0 {
				continue
			}
			f := optField(field, types[rnd.IntN(len(types))])
			if f.Optional = rnd.IntN(2) == 0; rnd.IntN(4) == 0 {
				f.Index = true
			} else if rnd.IntN(4) == 0 {
				f.Unique = true
			}
			m.Fields = append(m.Fields, f)
		}
		if len(models) > 0 && rnd.IntN(2) == 0 {
			m.Fields = append(m.Fields, &dataflow.Field{Name: "ref", Type: refTo(models[rnd.IntN(len(models))]), Optional: true, OnDelete: []string{"restrict", "cascade", "set_null"}[rnd.IntN(3)]})
		}
		if len(m.Fields) > 2 && rnd.IntN(2) == 0 {
			m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{m.Fields[1].Name, m.Fields[2].Name}, Unique: rnd.IntN(2) == 0})
		}
		models = append(models, m)
	}
	return models
}

func testDrift(t *testing.T, e Engine) {
	a := newApp(t, e)
	m := func() *dataflow.Model {
		v := optField("v", dataflow.String)
		v.Index = true
		return thing(v, &dataflow.Field{Name: "n", Type: dataflow.Int})
	}
	a.mustApply(nil, m())
	r := a.runner(m())
	for _, sql := range []string{
		`ALTER TABLE things ADD COLUMN stray text`, `ALTER TABLE things ALTER COLUMN "n" DROP NOT NULL`, `DROP INDEX "ix_things.v"`,
	} {
		if err := r.DB.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	st, ds := a.runner(m()).Status(context.Background())
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	want := []string{"the column things.n may be null now", "the column things.stray is new", "the index ix_things.v of things is gone, or is another"}
	if diff := cmp.Diff(want, st.Drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}

	// What is kept once no field has it any more is nobody else's doing.
	a.mustApply(nil, thing())
	if st, ds = a.runner(thing()).Status(context.Background()); dataflow.HasErrors(ds) || len(st.Drift) > 0 {
		t.Errorf("kept columns are drift: %q %v", st.Drift, ds)
	}
}
