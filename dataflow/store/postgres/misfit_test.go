package postgres

import (
	"context"
	"fmt"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// TestWhatNoFieldCanBe: PostgreSQL's types hold more than ours. What is no value
// of the field is told of, and read as nothing else.
func TestWhatNoFieldCanBe(t *testing.T) {
	date, clock := kind(dataflow.KindDate), kind(dataflow.KindTime)
	tests := []struct {
		declared string
		typ      *dataflow.Type
		value    string
		want     string // as JSON; "" is refused
		found    string // what is said to be there
	}{
		{"timestamptz", dataflow.DateTime, "0001-01-01 00:00:00Z", `"0001-01-01T00:00:00.000000Z"`, ""},
		{"timestamptz", dataflow.DateTime, "9999-12-31 23:59:59.999999Z", `"9999-12-31T23:59:59.999999Z"`, ""},
		{"timestamptz", dataflow.DateTime, "infinity", "", "infinity"},
		{"timestamptz", dataflow.DateTime, "-infinity", "", "infinity"},
		{"timestamptz", dataflow.DateTime, "0001-12-31 23:59:59.999999Z BC", "", yearBeyond},
		{"timestamptz", dataflow.DateTime, "4713-02-01Z BC", "", yearBeyond},
		{"timestamptz", dataflow.DateTime, "10000-01-01Z", "", yearBeyond},
		{"timestamptz", dataflow.DateTime, "294276-12-31Z", "", yearBeyond},
		{"timestamp", dataflow.DateTime, "2026-01-31", `"2026-01-31T00:00:00.000000Z"`, ""},
		{"timestamp", dataflow.DateTime, "-infinity", "", "infinity"},
		{"date", date, "0001-01-01", `"0001-01-01"`, ""},
		{"date", date, "9999-12-31", `"9999-12-31"`, ""},
		{"date", date, "infinity", "", "infinity"},
		{"date", date, "-infinity", "", "infinity"},
		{"date", date, "0001-12-31 BC", "", yearBeyond},
		{"date", date, "10000-01-01", "", yearBeyond},
		{"date", date, "5874897-12-31", "", yearBeyond},
		{"time", clock, "23:59:59.999999", `"23:59:59.999999"`, ""},
		{"time", clock, "24:00", "", "24:00:00"},
		{"double precision", dataflow.Float, "-1.7976931348623157e308", "-1.7976931348623157e+308", ""},
		{"double precision", dataflow.Float, "5e-324", "5e-324", ""},
		{"double precision", dataflow.Float, "NaN", "", "NaN"},
		{"double precision", dataflow.Float, "Infinity", "", "infinity"},
		{"real", dataflow.Float, "3.4e38", "3.4e+38", ""},
		{"real", dataflow.Float, "-Infinity", "", "infinity"},
		{"real", dataflow.Float, "NaN", "", "NaN"},
		{"numeric(4, 2)", decimalType(4, 2), "-99.99", `"-99.99"`, ""},
		{"numeric(4, 2)", decimalType(4, 2), "NaN", "", "NaN"},
	}
	ctx := context.Background()
	url := pgtest.URL(t)
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for i, tt := range tests {
		for _, own := range []bool{false, true} { // into a table of the runtime's own others can write too
			if own && (tt.declared == "real" || tt.declared == "timestamp") {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %t", tt.declared, tt.value, own), func(t *testing.T) {
				m := model(fmt.Sprintf("Thing%d%t", i, own), fmt.Sprintf("things%d%t", i, own), &dataflow.Field{Name: "v", Type: tt.typ, Optional: true})
				db := database(url, m)
				db.Options.ExistingSchemaMode = !own
				do := func(sql string) {
					t.Helper()
					if _, err := c.Exec(ctx, fmt.Sprintf(sql, ident(m.Table))); err != nil {
						t.Fatal(err)
					}
				}
				if !own {
					do("CREATE TABLE %s (id bigint PRIMARY KEY, v " + tt.declared + ")")
				}
				s := openTest(t, db)
				do("INSERT INTO %s (id, v) VALUES (1, '" + tt.value + "')")
				var got string
				read := func(r store.Row) error {
					got = string(codec.AppendValue(nil, r.Value(1)))
					if whole := string(r.AppendJSON(nil)); whole != `{"id":1,"v":`+got+"}" {
						t.Errorf("%s beside %s", whole, got)
					}
					return nil
				}
				_, one := s.Get(ctx, m, int64(1), nil, read)
				all := s.Select(ctx, &query.Select{Model: m}, read)
				locked := s.Write(ctx, func(tx store.Tx) error {
					_, err := tx.Get(ctx, m, int64(1), nil, read)
					return err
				})
				want := "a row of the table " + m.Table + " has " + tt.found + " in the column v, which " + m.Name + ".v can't be"
				for _, err := range []error{one, all, locked} {
					switch e := dataflow.AsError(err); {
					case tt.want == "" && (e == nil || e.Code != "stored_misfit" || e.Message != want || e.Model != m.Name || e.Hint == ""):
						t.Errorf("read as %s, %v", got, err)
					case tt.want != "" && (err != nil || got != tt.want):
						t.Errorf("got %s, %v; want %s", got, err, tt.want)
					}
				}
				if tt.want == "" {
					refusesAll(t, s, m, tt.found)
				}
			})
		}
	}
}

// refusesAll holds figures and groups over a value that no field can be to being
// refused, and the rest of its row to being read.
func refusesAll(t *testing.T, s *Store, m *dataflow.Model, found string) {
	t.Helper()
	ctx := context.Background()
	want := "rows that are aggregated have " + found + " where %s is " + m.Fields[1].Type.String() + ", which it can't be"
	for _, figure := range []string{"$min", "$max", ""} {
		arg, name := dataflow.ObjectOf("group_by", []any{"v"}, "aggregates", dataflow.ObjectOf("n", dataflow.ObjectOf("$count", "id"))), "v"
		if figure != "" {
			arg, name = dataflow.ObjectOf("aggregates", dataflow.ObjectOf("n", dataflow.ObjectOf(figure, "v"))), "n"
		}
		q, problems := query.Sight{}.Aggregate(m, arg)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		err := s.Aggregate(ctx, q, func(store.Row) error { return nil })
		if e := dataflow.AsError(err); e == nil || e.Code != "stored_misfit" || e.Message != fmt.Sprintf(want, name) {
			t.Errorf("%s: %v", figure, err)
		}
	}
	if ok, err := s.Get(ctx, m, int64(1), []int{0}, func(store.Row) error { return nil }); !ok || err != nil {
		t.Errorf("what is not asked for is in the way: %v", err)
	}
}

// BenchmarkLegible is what it takes to look at a row before it is read.
func BenchmarkLegible(b *testing.B) {
	s, m := benchStore(b)
	var r *row
	if _, err := s.Get(context.Background(), m, int64(1), nil, func(found store.Row) error { r = found.(*row); return nil }); err != nil {
		b.Fatal(err)
	}
	kept := lookup{}
	kept.copy(r.vals)
	r.vals = kept.vals
	buf := make([]byte, 0, 1024)
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			if err := r.legible(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			buf = r.AppendJSON(buf[:0])
		}
	})
}
