package postgres

import (
	"slices"
	"testing"

	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
)

// TestSearchIsMadeAgain: an index of words that is gone, or is of other words,
// is made.
func TestSearchIsMadeAgain(t *testing.T) {
	url := pgtest.URL(t)
	opened := func() (steps, said []string) {
		db := database(url, storetest.Library()...)
		db.Options.ModelPersistence = false // so that the tables are looked at
		return migrated(t, db)
	}
	if steps, said := opened(); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	if steps, said := opened(); steps != nil || said != nil {
		t.Fatal(steps, said)
	}
	const create = "create search index on books (title, select)"
	pgtest.Exec(t, url, `DROP INDEX "fx_books.title.select"`)
	if steps, said := opened(); !slices.Equal(steps, []string{create}) || said != nil {
		t.Fatal(steps, said)
	}
	pgtest.Exec(t, url, `DROP INDEX "fx_books.title.select"`, `CREATE INDEX "fx_books.title.select" ON books USING gin (to_tsvector('simple', title))`)
	if steps, said := opened(); !slices.Equal(steps, []string{"drop index fx_books.title.select of books", create}) || said != nil {
		t.Fatal(steps, said)
	}
}

// TestSearchWithoutAnIndex: in tables that are not to be altered, a search looks
// at every row.
func TestSearchWithoutAnIndex(t *testing.T) {
	url := pgtest.URL(t)
	plain := storetest.Library()
	for _, m := range plain {
		for _, f := range m.Fields {
			f.Searchable = false
		}
	}
	if steps, said := migrated(t, database(url, plain...)); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	pgtest.Exec(t, url, `INSERT INTO books (id, title) VALUES ('a', 'Red ÉCLAIR'), ('b', 'red'), ('c', NULL)`)
	l := storetest.Library()
	db := database(url, l...)
	db.Options.ExistingSchemaMode = true
	s := openTest(t, db)
	for search, want := range map[string]int64{"red": 2, "éclair": 1, "red -écl*": 1, "-red": 1} {
		e, problems := query.ParseSearch(l[1], search, "")
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if n, err := s.Count(t.Context(), l[1], e); err != nil || n != want {
			t.Errorf("%s: %d rows, %v", search, n, err)
		}
	}
}
