package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
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

// TestFunctionsOfWordsGoWithTheLastIndex: what a search was by is not left
// behind, and stays for as long as an index is by it.
func TestFunctionsOfWordsGoWithTheLastIndex(t *testing.T) {
	const functions = `SELECT regexp_replace(proname, '[0-9a-f]{8}$', '') FROM pg_proc WHERE proname LIKE '\_flow\_%' ORDER BY 1`
	both := []string{"[_flow_text_]", "[_flow_words_]"}
	models := func(searched ...string) []*dataflow.Model {
		var out []*dataflow.Model
		for _, name := range []string{"a", "b"} {
			out = append(out, model(strings.ToUpper(name), name, &dataflow.Field{Name: "title", Type: dataflow.String, Searchable: slices.Contains(searched, name)}))
		}
		return out
	}
	url := pgtest.URL(t)
	for _, tt := range []struct {
		searched []string
		want     []string
	}{{[]string{"a", "b"}, both}, {[]string{"b"}, both}, {nil, []string{}}, {[]string{"a"}, both}} {
		if _, said := migrated(t, database(url, models(tt.searched...)...)); said != nil {
			t.Fatal(said)
		}
		if got := querySQL(t, url, functions); !slices.Equal(got, tt.want) {
			t.Errorf("with %v searched: %v, want %v", tt.searched, got, tt.want)
		}
	}
	r, ds := Opener{}.Migrate(t.Context(), database(url, models()...), store.Options{}, false)
	if r == nil {
		t.Fatal(ds)
	}
	defer r.DB.Close()
	if _, ds := r.Rollback(t.Context(), migrate.Latest, false); ds != nil {
		t.Fatal(ds)
	}
	if got := querySQL(t, url, functions); len(got) > 0 {
		t.Errorf("after the rollback: %v", got)
	}
	if _, said := migrated(t, database(url, models("a")...)); said != nil {
		t.Fatal(said)
	}
	db := database(url, model("B", "b", &dataflow.Field{Name: "title", Type: dataflow.String}))
	r, ds = Opener{}.Migrate(t.Context(), db, store.Options{}, false)
	if r == nil {
		t.Fatal(ds)
	}
	defer r.DB.Close()
	r.Allow = []string{"drop_table:a"}
	if _, ds := r.Apply(t.Context()); ds != nil {
		t.Fatal(ds)
	}
	if got := querySQL(t, url, functions); len(got) > 0 {
		t.Errorf("after the table: %v", got)
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
