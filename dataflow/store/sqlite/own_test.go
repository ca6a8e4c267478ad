package sqlite

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
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

// TestWhatAnotherProgramWritesIntoOurTables: STRICT keeps text out of an INTEGER,
// but lets a TEXT hold any text, and a REAL infinity. No answer is made of that
// which is no JSON, or says that there is something else.
func TestWhatAnotherProgramWritesIntoOurTables(t *testing.T) {
	list := &dataflow.Type{Kind: dataflow.KindList, Elem: dataflow.String}
	for _, tt := range []struct {
		typ  *dataflow.Type
		sql  string
		want string // as JSON; "" is refused
		what string // that is said to be there
	}{
		{dataflow.JSON, `'{"a": 1}'`, `{"a": 1}`, ""},
		{dataflow.JSON, `'nojson'`, `"nojson"`, ""},
		{dataflow.JSON, `'{"a": 1'`, `"{\"a\": 1"`, ""},
		{dataflow.JSON, `''`, `""`, ""},
		{dataflow.JSON, `'1, "role": "admin"'`, `"1, \"role\": \"admin\""`, ""},
		{dataflow.JSON, `CAST(x'22ff22' AS TEXT)`, `"\"` + "\uFFFD" + `\""`, ""},
		{list, `'["a"]'`, `["a"]`, ""},
		{list, `'["a"'`, "", "text that is no list"},
		{list, `'{}'`, "", "text that is no list"},
		{list, `''`, "", "text that is no list"},
		{decimalType(38, 2), `'1` + strings.Repeat("0", 35) + `250'`, `"2.50"`, ""},
		{decimalType(38, 2), `'1"'`, "", "text of another form"},
		{decimalType(38, 2), `'2.50'`, "", "text of another form"},
		{dataflow.Float, `1.5`, `1.5`, ""},
		{dataflow.Float, `9e999`, "", "infinity"},
	} {
		for _, optional := range []bool{false, true} {
			m := model("Thing", "things", &dataflow.Field{Name: "v", Type: tt.typ, Optional: optional})
			db := database(t.TempDir()+"/own.db", m)
			s := openTest(t, db)
			c, err := openConn(strings.TrimPrefix(db.URL, "sqlite:"), sqlite.OpenReadWrite, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.exec("INSERT INTO things (v) VALUES (" + tt.sql + ")"); err != nil {
				t.Fatal(err)
			}
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			var got, row string
			see := func(r store.Row) error {
				got, row = string(codec.AppendValue(nil, r.Value(1))), string(r.AppendJSON(nil))
				return nil
			}
			_, one := s.Get(t.Context(), m, int64(1), nil, see)
			all := s.Select(t.Context(), &query.Select{Model: m}, see)
			for _, err := range []error{one, all} {
				switch e := dataflow.AsError(err); {
				case tt.want == "" && (err == nil || e.Code != "stored_misfit" || !strings.Contains(e.Message, "has "+tt.what+" in the column v")):
					t.Errorf("%s in a %s: read as %s, %v", tt.sql, tt.typ, got, err)
				case tt.want != "" && (err != nil || got != tt.want || row != `{"id":1,"v":`+tt.want+"}"):
					t.Errorf("%s in a %s: read as %s, in %s, %v", tt.sql, tt.typ, got, row, err)
				}
			}
		}
	}
}
