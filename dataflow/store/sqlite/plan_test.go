package sqlite

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// TestIndexesAreUsed looks at SQLite's own plan for what the filter language
// promises to be fast.
func TestIndexesAreUsed(t *testing.T) {
	owner := model("Owner", "owners", &dataflow.Field{Name: "email", Type: dataflow.String, Unique: true})
	thing := model("Thing", "things",
		&dataflow.Field{Name: "sku", Type: dataflow.String, Index: true},
		&dataflow.Field{Name: "owner", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: owner}, Optional: true},
		&dataflow.Field{Name: "at", Type: dataflow.DateTime, Index: true})
	db := database("", owner, thing)
	db.URL = ""
	s := openTest(t, db)
	of := dataflow.ObjectOf
	for _, test := range []struct {
		filter *dataflow.Object
		q      query.Select
		want   string // each part of it, between bars, is in the plan
	}{
		{of("sku", "x"), query.Select{}, `USING INDEX ix_things.sku (sku=?)`},
		{of("sku", of("$in", []any{"x", "y", "z"})), query.Select{}, `USING INDEX ix_things.sku (sku=?)`},
		{of("sku", of("$startswith", "x")), query.Select{}, `USING INDEX ix_things.sku (sku>? AND sku<?)`},
		{of("sku", of("$like", "x%y")), query.Select{}, `USING INDEX ix_things.sku (sku>? AND sku<?)`},
		{of("owner", int64(1)), query.Select{}, `USING INDEX ix_things.owner (owner=?)`},
		{of("owner.email", "x"), query.Select{}, `USING INDEX ix_things.owner (owner=?)|USING COVERING INDEX ux_owners.email (email=?)`},
		{of(), query.Select{Order: []query.Order{{Field: 3, Desc: true}}, Limit: 20}, `SCAN things USING INDEX ix_things.at`},
		{of(), query.Select{Order: []query.Order{{Field: 3, Desc: true}}, Limit: 20, After: []any{parseMoment("2026-01-01T00:00:00.000000Z"), int64(1)}},
			`SEARCH things USING INDEX ix_things.at (at<?)`},
	} {
		e, problems := query.Parse(thing, test.filter, "")
		if problems != nil {
			t.Fatal(problems)
		}
		test.q.Model, test.q.Where = thing, e
		b := &s.writer.c.b
		b.Reset()
		b.Raw("EXPLAIN QUERY PLAN ").Raw(s.tables[thing].selectAll).Tail(&test.q)
		var plan []string
		if err := s.writer.c.query(string(b.SQL), b.Args, func(r *sqlite.Stmt) { plan = append(plan, r.ColumnText(3)) }); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan, "\n")
		for _, want := range strings.Split(test.want, "|") {
			if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
				t.Errorf("%s\n%s\nwant %s", b.SQL, got, want)
			}
		}
	}
}
