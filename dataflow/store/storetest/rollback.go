package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// testRollbackInTheWay: what a migration let in is not altered or lost where it is
// undone, and is told of in the same words by both engines, dry or not.
func testRollbackInTheWay(t *testing.T, e Engine) {
	required := func(typ *dataflow.Type) *dataflow.Field { return &dataflow.Field{Name: "v", Type: typ} }
	unique := required(dataflow.Int)
	unique.Unique = true
	for _, test := range []struct {
		name        string
		was, now    *dataflow.Field
		rows        []any
		said        string
		allow, left string // the word that lets it be done, and what is left then
	}{
		{"null", required(dataflow.Int), optField("v", dataflow.Int), []any{int64(1), nil},
			`undoing "allow null in things.v" leaves no null in things.v, but 1 row has one`, "", ""},
		{"another value of an enum", required(enumOf("a", "b")), required(enumOf("a", "b", "c")), []any{"a", "c"},
			`undoing "change the values of things.v" leaves no room for the value that 1 row has in things.v`, "", ""},
		{"more digits", required(decimalType(4, 2)), required(decimalType(8, 2)), []any{dec("99.99"), dec("100.00"), dec("200.00")},
			`undoing "change the values of things.v" leaves no room for the value that 2 rows have in things.v`, "", ""},
		{"values that are alike", unique, required(dataflow.Int), []any{int64(1), int64(1)},
			`undoing "drop index ux_things.v of things" makes v of the table things unique again, but one combination of values is in more than one row`, "", ""},
		{"text that is no number", required(dataflow.Int), required(dataflow.String), []any{"1", " 7", "+7"},
			`undoing "change things.v from int to str" makes things.v int, which the value in 2 rows can't be`, "", ""},
		{"text that is none of the values", required(enumOf("a")), required(dataflow.String), []any{"a", "b"},
			`undoing "change things.v from enum to str" makes things.v enum, which the value in 1 row can't be`, "", ""},
		{"what can't be the other at all", optField("v", dataflow.Bool), optField("v", dataflow.DateTime), []any{nil, at("2026-01-31T09:30:00Z")},
			`undoing "change things.v from bool to datetime" makes things.v bool, which the value in 1 row can't be`, "", ""},
		{"finer digits", required(decimalType(10, 2)), required(decimalType(10, 3)), []any{dec("1.250"), dec("1.234")},
			`undoing "change things.v from decimal(10, 2) to decimal(10, 3)" makes things.v decimal(10, 2), which alters the value in 1 row`, "retype:Thing.v", `"1.25" "1.23"`},
		{"a time of day", required(dateType), required(dataflow.DateTime), []any{at("2026-01-31T00:00:00Z"), at("2026-01-31T09:30:00Z")},
			`undoing "change things.v from date to datetime" makes things.v date, which alters the value in 1 row`, "retype:Thing.v", `"2026-01-31" "2026-01-31"`},
		{"a half", required(dataflow.Int), required(dataflow.Float), []any{3.0, 2.5},
			`undoing "change things.v from int to float" makes things.v int, which alters the value in 1 row`, "retype:Thing.v", `3 3`},
	} {
		t.Run(test.name, func(t *testing.T) {
			model := func(f *dataflow.Field) *dataflow.Model {
				own := *f
				return thing(&own)
			}
			a := newApp(t, e)
			a.mustApply(nil, model(test.was))
			a.mustApply(nil, model(test.now))
			m := model(test.now)
			a.with(func(s store.Store) {
				for _, v := range test.rows {
					insert(t, s, m, "v", v)
				}
			}, m)
			held := a.values("v", model(test.now))
			for _, dry := range []bool{true, false} {
				_, ds := a.runner(model(test.now)).Rollback(context.Background(), migrate.Latest, dry)
				if len(ds) != 1 || ds[0].Code != "FC625" || ds[0].Message != test.said || test.allow != "" && !strings.Contains(ds[0].Hint, "--allow "+test.allow) {
					t.Errorf("dry %t: said %v\nwant %s", dry, ds, test.said)
				}
			}
			if diff := cmp.Diff(held, a.values("v", model(test.now))); diff != "" {
				t.Errorf("rows were altered:\n%s", diff)
			}
			if test.allow == "" {
				return
			}
			r := a.runner(model(test.now))
			r.Allow = []string{test.allow}
			if _, ds := r.Rollback(context.Background(), migrate.Latest, false); ds != nil {
				t.Fatalf("it was allowed: %v", ds)
			}
			var left []string
			for _, v := range a.values("v", model(test.was)) {
				left = append(left, v.(string))
			}
			if got := strings.Join(left, " "); got != test.left {
				t.Errorf("left are %s, want %s", got, test.left)
			}
		})
	}
	t.Run("rows that follow", func(t *testing.T) {
		a := newApp(t, e)
		was, now := func() *dataflow.Model { return thing(required(dataflow.Int)) }, func() *dataflow.Model { return thing(optField("v", dataflow.String)) }
		a.mustApply(nil, was())
		a.mustApply(nil, now())
		m := now()
		a.with(func(s store.Store) {
			for _, v := range []string{"1", "-5"} {
				insert(t, s, m, "v", v)
			}
		}, m)
		if _, ds := a.runner(now()).Rollback(context.Background(), migrate.Latest, false); ds != nil {
			t.Fatal(ds)
		}
		if got := a.values("v", was()); !slices.Equal(got, []any{"1", "-5"}) {
			t.Errorf("came back as %v", got)
		}
	})
}

// testRollbackOfRenamed: what was a reference to a table is one again, though the
// table had another name by then, and has it until all else is undone.
func testRollbackOfRenamed(t *testing.T, e Engine) {
	first := func() []*dataflow.Model {
		team := modelOf("Team", "teams", optField("name", dataflow.String))
		in := func(name, onDelete string) *dataflow.Field {
			return &dataflow.Field{Name: name, Type: refTo(team), Optional: true, OnDelete: onDelete}
		}
		return []*dataflow.Model{team, modelOf("Thing", "things", in("team", "cascade"), in("gone", "restrict"), in("int", "cascade")),
			modelOf("Old", "olds", in("team", "cascade"))}
	}
	second := func() []*dataflow.Model {
		squad := modelOf("Squad", "squads", optField("title", dataflow.String))
		squad.Was, squad.Fields[1].Was = "Team", "name"
		return []*dataflow.Model{squad, modelOf("Thing", "things", &dataflow.Field{Name: "squad", Was: "team", Type: refTo(squad), Optional: true, OnDelete: "restrict"},
			&dataflow.Field{Name: "int", Type: dataflow.Int, Optional: true})}
	}
	a := newApp(t, e)
	old := first()
	a.with(func(s store.Store) {
		insert(t, s, old[0], "name", "red")
		insert(t, s, old[1], "team", int64(1), "int", int64(1))
	}, old...)
	was := a.schema(first()...)
	a.mustApply([]string{"drop_column:Thing.gone", "drop_table:olds"}, second()...)
	a.sameAsFresh(second)
	if _, ds := a.runner(second()...).Rollback(t.Context(), migrate.Latest, false); ds != nil {
		t.Fatal(ds)
	}
	if diff := cmp.Diff(was, a.schema(first()...)); diff != "" {
		t.Errorf("the schema (-before +after):\n%s", diff)
	}
	back := first()
	a.with(func(s store.Store) {
		if got := append(valuesIn(t, s, back[1], "team"), valuesIn(t, s, back[1], "int")...); !slices.Equal(got, []any{"1", "1"}) {
			t.Errorf("rows %v", got)
		}
	}, back...)
}
