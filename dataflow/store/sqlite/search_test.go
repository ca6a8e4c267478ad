package sqlite

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
	"zombiezen.com/go/sqlite"
)

// TestFTSTakesNoWordApart: for every character, FTS5 finds at least what a
// search means. It may find more, which is looked over again.
func TestFTSTakesNoWordApart(t *testing.T) {
	c, err := openConn(memory, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.exec(`CREATE VIRTUAL TABLE w USING fts5(words, content = '', tokenize = '` + ftsTokenizer() + `')`); err != nil {
		t.Fatal(err)
	}
	if err := c.exec(`CREATE VIRTUAL TABLE v USING fts5vocab(w, instance)`); err != nil {
		t.Fatal(err)
	}
	wrong, last := 0, rune(0x10FFFF)
	if testing.Short() {
		last = 0x3000 // most scripts there are
	}
	for first := rune(1); first <= last; first += 0x400 {
		for _, sql := range []string{`BEGIN`, `INSERT INTO w (w) VALUES ('delete-all')`} {
			if err := c.exec(sql); err != nil {
				t.Fatal(err)
			}
		}
		for r := first; r < first+0x400; r++ {
			if r >= 0xD800 && r <= 0xDFFF || r > 0x10FFFF {
				continue
			}
			if err := c.query(`INSERT INTO w (rowid, words) VALUES (?, ?)`, []any{int64(r), "a" + string(r) + "b"}, ignoreRow); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.exec(`COMMIT`); err != nil {
			t.Fatal(err)
		}
		tokens := map[rune][]string{}
		if err := c.query(`SELECT doc, term FROM v ORDER BY doc, offset`, nil, func(s *sqlite.Stmt) {
			r := rune(s.ColumnInt64(0))
			tokens[r] = append(tokens[r], s.ColumnText(1))
		}); err != nil {
			t.Fatal(err)
		}
		for r, got := range tokens {
			words := query.Words("a" + string(r) + "b")
			fine := true
			switch {
			case len(words) > 1:
				fine = len(got) == len(words) // what separates words must separate tokens
			case known(words[0]):
				fine = len(got) == 1 && (got[0] == words[0] || folded(t, c, words[0]) == got[0])
			}
			if !fine {
				if wrong++; wrong < 40 {
					t.Errorf("%U: the words %q are the tokens %q", r, words, got)
				}
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d wrong", wrong)
	}
}

// folded is what FTS5 makes of a word.
func folded(t *testing.T, c *conn, word string) string {
	t.Helper()
	if err := c.query(`INSERT INTO w (rowid, words) VALUES (?, ?)`, []any{int64(1 << 40), word}, ignoreRow); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := c.query(`SELECT term FROM v WHERE doc = ? ORDER BY offset`, []any{int64(1 << 40)}, func(s *sqlite.Stmt) { got = append(got, s.ColumnText(0)) }); err != nil {
		t.Fatal(err)
	}
	if err := c.query(`INSERT INTO w (w, rowid, words) VALUES ('delete', ?, ?)`, []any{int64(1 << 40), word}, ignoreRow); err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

// TestSearchIsMadeAgain: an index of words that another program has broken is
// not taken for a whole one, and rows keep their numbers.
func TestSearchIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	opened := func() (steps, said []string) {
		db := database(path, storetest.Library()...)
		db.Options.ModelPersistence = false // so that the tables are looked at
		return migrated(t, db)
	}
	if steps, said := opened(); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	if steps, said := opened(); steps != nil || said != nil {
		t.Fatal(steps, said)
	}
	const index = "fx_books.title.select"
	for _, broken := range []string{
		`DROP TRIGGER "` + index + `/update"`,
		`DROP TABLE "` + index + `"`,
		`DROP TRIGGER "` + index + `/insert"; CREATE TRIGGER "` + index + `/insert" AFTER INSERT ON books BEGIN SELECT 1; END`,
	} {
		statements := []string{broken}
		if drop, create, two := strings.Cut(broken, "; C"); two {
			statements = []string{drop, "C" + create}
		}
		execSQL(t, path, statements...)
		if steps, said := opened(); !slices.Equal(steps, []string{"drop index " + index + " of books", "create search index on books (title, select)"}) || said != nil {
			t.Fatalf("%s: %v %v", broken, steps, said)
		}
	}
	execSQL(t, path, `INSERT INTO books (id, title) VALUES ('a', 'one'), ('b', 'two'), ('c', 'three')`, // by another program
		`DELETE FROM books WHERE id = 'a'`, `VACUUM`, `UPDATE books SET title = 'four' WHERE id = 'b'`, `UPDATE books SET id = 'd' WHERE id = 'c'`, `VACUUM`)
	l := storetest.Library()
	s := openTest(t, database(path, l...))
	for search, want := range map[string][]string{"one": nil, "two": nil, "three": {"d"}, "four": {"b"}} {
		e, problems := query.ParseSearch(l[1], search, "")
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var got []string
		if err := s.Select(t.Context(), &query.Select{Model: l[1], Where: e}, func(r store.Row) error {
			got = append(got, r.Value(0).(string))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", search, got, want)
		}
	}
}

// TestSearchWithoutAnIndex: in tables that are not to be altered, a search looks
// at every row.
func TestSearchWithoutAnIndex(t *testing.T) {
	url := filepath.Join(t.TempDir(), "a.db")
	plain := storetest.Library()
	for _, m := range plain {
		for _, f := range m.Fields {
			f.Searchable = false
		}
	}
	if steps, said := migrated(t, database(url, plain...)); len(steps) != 2 || said != nil {
		t.Fatal(steps, said)
	}
	execSQL(t, url, `INSERT INTO books (id, title) VALUES ('a', 'Red ÉCLAIR'), ('b', 'red'), ('c', NULL)`)
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
