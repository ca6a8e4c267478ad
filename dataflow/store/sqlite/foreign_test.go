package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// TestWhatIsInAForeignColumn: SQLite keeps any value in any column of a table
// that is not STRICT. What is no value of the field is told of, and read as
// nothing else.
func TestWhatIsInAForeignColumn(t *testing.T) {
	tests := []struct {
		declared string
		typ      *dataflow.Type
		sql      string
		want     string // as JSON; "" is refused
		found    string // what is said to be there
	}{
		{"INTEGER", dataflow.Int, "7", "7", ""},
		{"INTEGER", dataflow.Int, "'7'", "7", ""}, // SQLite itself makes a number of it
		{"INTEGER", dataflow.Int, "'n/a'", "", "text"},
		{"INTEGER", dataflow.Int, "1.5", "", "a number"},
		{"INTEGER", dataflow.Int, "x'00'", "", "bytes"},
		{"INTEGER", dataflow.Int, "9223372036854775808", "", "a number"},
		{"BOOLEAN", dataflow.Bool, "1", "true", ""},
		{"BOOLEAN", dataflow.Bool, "'true'", "", "text"},
		{"REAL", dataflow.Float, "2", "2", ""},
		{"REAL", dataflow.Float, "9e999", "", "infinity"},
		{"REAL", dataflow.Float, "-9e999", "", "infinity"},
		{"NUMERIC", dataflow.Float, "2", "2", ""},
		{"NUMERIC", dataflow.Float, "2.5", "2.5", ""},
		{"DECIMAL(10,2)", dataflow.Float, "'2.50'", "2.5", ""},
		{"NUMERIC", dataflow.Float, "'two'", "", "text"},
		{"GUID", dataflow.String, "'9f0c'", `"9f0c"`, ""},
		{"STRING", dataflow.String, "'007'", `"7"`, ""}, // SQLite itself makes a number of it
		{"VARBINARY(4)", &dataflow.Type{Kind: dataflow.KindBytes}, "x'00ff'", `"AP8="`, ""},
		{"TEXT", dataflow.String, "'x'", `"x"`, ""},
		{"TEXT", dataflow.String, "5", `"5"`, ""},
		{"TEXT", dataflow.String, "x'61'", "", "bytes"},
		{"DATETIME", dataflow.String, "'2026-01-31 10:00:00'", `"2026-01-31 10:00:00"`, ""},
		{"datetime(6)", dataflow.String, "'2026-01-31 10:00:00.123456'", `"2026-01-31 10:00:00.123456"`, ""},
		{"timestamp without time zone", dataflow.String, "'2026-01-31'", `"2026-01-31"`, ""},
		{"DATETIME", dataflow.String, "1700000000", `"1700000000"`, ""},
		{"TEXT", dataflow.DateTime, "'2026-01-31T10:00:00.000000Z'", `"2026-01-31T10:00:00.000000Z"`, ""},
		{"TEXT", dataflow.DateTime, "'2026-01-31 10:00:00'", "", "text of another form"},
		{"TEXT", dataflow.DateTime, "'2026-99-31T10:00:00.000000Z'", "", "text of another form"},
		{"DATE", &dataflow.Type{Kind: dataflow.KindDate}, "'2026-01-31'", `"2026-01-31"`, ""},
		{"DATE", &dataflow.Type{Kind: dataflow.KindDate}, "'31.1.2026'", "", "text of another form"},
		{"TEXT", &dataflow.Type{Kind: dataflow.KindTime}, "'25:00:00'", "", "text of another form"},
		{"BLOB", &dataflow.Type{Kind: dataflow.KindBytes}, "x'00ff'", `"AP8="`, ""},
		{"BLOB", &dataflow.Type{Kind: dataflow.KindBytes}, "5", "", "a whole number"},
		{"JSON", dataflow.JSON, `'{"a": 1}'`, `{"a": 1}`, ""},
		{"JSON", dataflow.JSON, "'no json'", `"no json"`, ""},
		{"JSON", dataflow.JSON, "x'00'", "", "bytes"},
		{"TEXT", &dataflow.Type{Kind: dataflow.KindList, Elem: dataflow.Int}, "'[1]'", "[1]", ""},
		{"TEXT", &dataflow.Type{Kind: dataflow.KindList, Elem: dataflow.Int}, "'1, 2'", "", "text that is no list"},
	}
	for _, tt := range tests {
		for _, existing := range []bool{true, false} { // adopted without the mode they are no other
			t.Run(fmt.Sprintf("%s %s %t", tt.declared, tt.sql, existing), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "theirs.db")
				c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, sql := range []string{"CREATE TABLE things (id INTEGER PRIMARY KEY, v " + tt.declared + ")", "INSERT INTO things VALUES (1, " + tt.sql + ")"} {
					if err := c.exec(sql); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.close(); err != nil {
					t.Fatal(err)
				}
				m := &dataflow.Model{Name: "Thing", Table: "things", Fields: []*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}, {Name: "v", Type: tt.typ, Optional: true}}}
				db := &dataflow.Database{Name: "db", URL: "sqlite:" + path, Models: []*dataflow.Model{m}, Options: dataflow.DatabaseOptions{ExistingSchemaMode: existing, AutoMigrate: true}}
				m.Database = db
				m.Seal()
				s, _, diags := Opener{}.Open(context.Background(), db, store.Options{})
				if s == nil {
					t.Fatal(diags)
				}
				defer s.Close()
				var got string
				read := func(r store.Row) error {
					got = string(codec.AppendValue(nil, r.Value(1)))
					if whole := string(r.AppendJSON(nil)); whole != `{"id":1,"v":`+got+"}" {
						t.Errorf("%s beside %s", whole, got)
					}
					return nil
				}
				_, one := s.Get(context.Background(), m, int64(1), nil, read)
				all := s.Select(context.Background(), &query.Select{Model: m}, read)
				for _, err := range []error{one, all} {
					e, refused := errors.AsType[*dataflow.Error](err)
					switch {
					case tt.want == "" && (!refused || e.Code != "stored_misfit"):
						t.Errorf("read as %s, %v", got, err)
					case tt.want == "":
						if want := "a row of the table things has " + tt.found + " in the column v, which Thing.v can't be"; e.Message != want {
							t.Errorf("said %q, want %q", e.Message, want)
						}
					case err != nil || got != tt.want:
						t.Errorf("got %s, %v; want %s", got, err, tt.want)
					}
				}
				if k := tt.typ.Kind; k == dataflow.KindInt || k == dataflow.KindFloat {
					if sum, err := aggregated(t, s, m, "$sum"); tt.want == "" && code(err) != "stored_misfit" || tt.want != "" && (err != nil || sum != tt.want) {
						t.Errorf("the sum is %s, %v", sum, err)
					}
					if most, err := aggregated(t, s, m, "$max"); tt.want == "" && code(err) != "stored_misfit" || tt.want != "" && (err != nil || most != tt.want) {
						t.Errorf("the greatest is %s, %v", most, err)
					}
				}
				if _, err := s.Get(context.Background(), m, int64(1), []int{0}, func(store.Row) error { return nil }); err != nil {
					t.Errorf("what is not asked for is in the way: %v", err)
				}
			})
		}
	}
}

// aggregated is a figure over all rows.
func aggregated(t *testing.T, s store.Store, m *dataflow.Model, function string) (figure string, err error) {
	t.Helper()
	q, problems := query.Sight{}.Aggregate(m, dataflow.ObjectOf("aggregates", dataflow.ObjectOf("n", dataflow.ObjectOf(function, "v"))))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	err = s.Aggregate(t.Context(), q, func(r store.Row) error {
		figure = string(codec.AppendValue(nil, r.Value(0)))
		return nil
	})
	return figure, err
}
