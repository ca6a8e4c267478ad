package sqlite

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
)

// TestNoAmountIsTakenForAnotherUnit: SQLite keeps 12.50 as 1250 in one column
// and as 125000 in another, and would compare them without a word.
func TestNoAmountIsTakenForAnotherUnit(t *testing.T) {
	m := &dataflow.Model{Name: "Bill", Table: "bills", Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.Int, System: dataflow.RoleID},
		{Name: "sku", Type: dataflow.String},
		{Name: "total", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}},
		{Name: "rate", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 8, Scale: 4}},
	}}
	db := &dataflow.Database{Name: "db", Models: []*dataflow.Model{m}, Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	m.Database = db
	m.Seal()
	s := openTest(t, db)
	decimal := func(p, s int) *dataflow.Type {
		return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
	}
	for _, c := range []struct {
		text  string
		typ   *dataflow.Type
		taken bool
		arg   any
		want  string
	}{
		{"SELECT sku FROM bills WHERE total > :x", decimal(12, 2), true, nil, ""},
		{"SELECT sku FROM bills WHERE total > :x", decimal(10, 4), true, nil, "SQLite compares them as whole numbers of different units"},
		{"SELECT sku FROM bills WHERE total > :x", decimal(38, 2), false, nil, "SQLite compares them"},
		{"SELECT sku FROM bills WHERE total > :x AND rate > 0", decimal(12, 2), true, nil, "and the statement is about the decimal(8, 4) rate"},
		{"SELECT sku FROM bills WHERE total > :x AND rate > 0", decimal(12, 2), false, nil, ""},
		{"SELECT sku FROM bills WHERE total > :x", nil, false, int64(5), "what it counts is not known"},
		{"SELECT sku FROM bills WHERE total > :x", nil, false, "12.50", "what it counts is not known"},
		{"SELECT sku FROM bills WHERE total IN (:x)", nil, false, []any{"a", 1.5}, "what it counts is not known"},
		{"SELECT sku FROM bills WHERE total > 0 AND sku = :x", nil, false, "cable", ""},
		{"SELECT sku FROM bills WHERE total > 0 LIMIT :x", nil, false, int64(5), ""},
		{"SELECT sku FROM bills WHERE id = :x", nil, false, int64(5), ""},
	} {
		q, flaw := rawsql.Parse(c.text, false)
		if flaw != nil {
			t.Fatal(flaw)
		}
		q.MaxRows, q.Params[0].Type, q.Params[0].Taken = 10, c.typ, c.taken
		_, err := s.Query(t.Context(), q, []any{c.arg})
		if got := dataflow.AsError(err); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(got.Message, c.want)) {
			t.Errorf("%s, %v, %v: %v, want %q", c.text, c.typ, c.arg, err, c.want)
		}
	}
	insert, _ := rawsql.Parse("INSERT INTO bills (sku, total, rate) VALUES ('a', :x, :y)", false)
	insert.Write = true
	insert.Params[0].Type, insert.Params[0].Taken = decimal(12, 3), true
	if flaws, err := s.Inspect(t.Context(), insert); err != nil || len(flaws) == 0 {
		t.Errorf("%v, %v", flaws, err)
	}
}
