package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// library is a database whose models are searched: one with ids that the
// database picks, one with ids of the caller's, whose rows go with their shelf.
type library struct {
	db          *dataflow.Database
	shelf, book *dataflow.Model
}

// Library returns the models that searches are tested on.
func Library() []*dataflow.Model { return newLibrary().db.Models }

func newLibrary() *library {
	l := &library{}
	l.shelf = &dataflow.Model{Name: "Shelf", Table: "shelves", Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.Int, System: dataflow.RoleID},
		{Name: "label", Type: dataflow.String, Optional: true, Searchable: true},
		{Name: "place", Type: dataflow.Int, Optional: true, Unique: true},
	}}
	l.book = &dataflow.Model{Name: "Book", Table: "books", ClientID: true, Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.String, System: dataflow.RoleID},
		{Name: "title", Type: dataflow.String, Optional: true, Searchable: true},
		{Name: "select", Type: dataflow.String, Optional: true, Searchable: true},
		{Name: "isbn", Type: dataflow.String, Optional: true, Unique: true},
		{Name: "shelf", Type: refTo(l.shelf), Optional: true, OnDelete: "cascade"},
	}}
	l.db = &dataflow.Database{Name: "db", Models: []*dataflow.Model{l.shelf, l.book},
		Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for _, m := range l.db.Models {
		m.Database = l.db
		m.Seal()
	}
	return l
}

// searched returns the ids of the rows that a search finds.
func searched(t *testing.T, r store.Reader, m *dataflow.Model, text string) []any {
	t.Helper()
	e, problems := query.ParseSearch(m, text, "")
	if len(problems) > 0 {
		t.Fatalf("%q: %v", text, problems)
	}
	ids := found(t, r, m, e)
	n, err := r.Count(t.Context(), m, e)
	if err != nil || int(n) != len(ids) {
		t.Errorf("%q: %d rows are counted, %d found (%v)", text, n, len(ids), err)
	}
	return ids
}

func testSearch(t *testing.T, open Open) {
	l := newLibrary()
	s := open(t, l.db)
	texts := []string{
		1:  "The Red Kettle",
		2:  "A red, red kettle. And steel!",
		3:  "kettle red",
		4:  "redkettle",
		5:  "wi-fi router (5GHz), 2.5 m",
		6:  "mail: ada.lovelace@example.org",
		7:  "it's Ada's <b>bold</b> &amp; brave",
		8:  "ÜBER Straße ΣΊΣΥΦΟΣ Łódź ЁЖ",
		9:  "日本語 テスト 한국어",
		10: "tea🤖pot tea☕cup",
		11: "snake_case 'quoted' /usr/local/bin http://a.example/x?y=1",
		12: strings.Repeat("x", 3000) + " tail",
		13: "हिन्दी ไทย עברית العربية",
		14: "e\u0301clair éclair",
		15: "-5 1e5 0x1F $1 ? * % \\ \" '",
		16: strings.Repeat("padding ", 33000) + "needle",
	}
	write(t, s, func(tx store.Tx) error {
		for _, text := range texts[1:] {
			if _, err := insertTx(tx, l.shelf, "label", text); err != nil {
				return err
			}
		}
		_, err := insertTx(tx, l.shelf, "label", nil)
		return err
	})
	for _, test := range []struct {
		search string
		want   []int64
	}{
		{"red kettle", []int64{1, 2, 3}},
		{"KETTLE", []int64{1, 2, 3}},
		{`"red kettle"`, []int64{1, 2}},
		{`"red kettle" -steel`, []int64{1}},
		{"red*", []int64{1, 2, 3, 4}},
		{"red -kettle*", nil},
		{"red*kettle", []int64{1, 2}},
		{"red -the -steel", []int64{3}},
		{"wi-fi", []int64{5}},
		{"fi-wi", nil},
		{"wifi", nil},
		{"2.5", []int64{5}},
		{"5GHZ", []int64{5}},
		{"ada.lovelace@example.org", []int64{6}},
		{"example", []int64{6, 11}},
		{"ada", []int64{6, 7}},
		{"it's", []int64{7}},
		{"b bold", []int64{7}},
		{"amp", []int64{7}},
		{"über STRASSE", nil},
		{"über straße", []int64{8}},
		{"σίσυφος", []int64{8}},
		{"łódź ёж", []int64{8}},
		{"uber", nil},
		{"日本語", []int64{9}},
		{"日本", nil},
		{"日本*", []int64{9}},
		{"한국어 テスト", []int64{9}},
		{"tea pot", []int64{10}},
		{"cup🍵", []int64{10}},
		{"snake", []int64{11}},
		{"snake_case", []int64{11}},
		{"usr/local quoted", []int64{11}},
		{strings.Repeat("x", 900), nil},
		{strings.Repeat("x", 900) + "*", []int64{12}},
		{"tail", []int64{12}},
		{"हिन्दी", []int64{13}},
		{"हिन्द", nil},
		{"ไทย עברית العربية", []int64{13}},
		{"éclair", []int64{14}},
		{"e\u0301clair", []int64{14}},
		{"1e5 0x1f", []int64{15}},
		{"needle", []int64{16}},
		{"padding needle -red", []int64{16}},
		{`"padding needle"`, []int64{16}},
		{`'; DROP TABLE shelves; --`, nil},
		{`") OR 1=1 --`, nil},
		{`NEAR(red kettle)`, nil},
		{`red AND kettle`, []int64{2}}, // "and" is a word like any other
		{`label:red`, nil},
		{`$1`, []int64{11, 15}},
		{`-red -ada -padding -tail -needle -wi -ÜBER -日本語 -tea -snake -हिन्दी -1e5 -e* -é*`, []int64{4, 17}},
	} {
		want := []any{}
		for _, id := range test.want {
			want = append(want, id)
		}
		if diff := cmp.Diff(want, searched(t, s, l.shelf, test.search)); diff != "" {
			t.Errorf("%.80q (-want +got):\n%s", test.search, diff)
		}
	}
}

// testSearchFields: terms may be found in different fields, words side by side
// in one; whatever else a filter asks holds too.
func testSearchFields(t *testing.T, open Open) {
	l := newLibrary()
	s := open(t, l.db)
	for _, b := range [][]any{
		{"id", "a", "title", "red", "select", "kettle"},
		{"id", "b", "title", "red kettle", "select", nil},
		{"id", "c", "title", nil, "select", "Kettle, red kettle"},
		{"id", "d", "title", "kettle", "isbn", "x"},
	} {
		insert(t, s, l.book, b...)
	}
	for search, want := range map[string][]any{
		"red kettle":   {"a", "b", "c"},
		`"red kettle"`: {"b", "c"},
		"kettle -red":  {"d"},
		"-red":         {"d"},
		"red -kettle":  {},
	} {
		if diff := cmp.Diff(want, searched(t, s, l.book, search)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", search, diff)
		}
	}
	kettle, _ := query.ParseSearch(l.book, "kettle", "")
	for _, test := range []struct {
		filter query.Expr
		want   []any
	}{
		{query.And{kettle, where(t, l.book, "isbn", "x")}, []any{"d"}},
		{query.Or{kettle, where(t, l.book, "isbn", "x")}, []any{"a", "b", "c", "d"}},
		{query.Not{Expr: kettle}, []any{}},
	} {
		if diff := cmp.Diff(test.want, found(t, s, l.book, test.filter)); diff != "" {
			t.Error(diff)
		}
	}
	q, problems := query.Sight{}.Aggregate(l.book, dataflow.ObjectOf("aggregates", dataflow.ObjectOf("n", dataflow.ObjectOf("$count", true))))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	q.Where = query.AllOf(q.Where, kettle)
	if err := s.Aggregate(t.Context(), q, func(r store.Row) error {
		if r.Value(0) != int64(4) {
			t.Errorf("the aggregate counts %v rows", r.Value(0))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// testSearchInStep: whatever is written, in whatever way, a search finds what
// is there.
func testSearchInStep(t *testing.T, open Open) {
	l := newLibrary()
	s := open(t, l.db)
	title, isbn := position(l.book, "title"), position(l.book, "isbn")
	want := func(what, search string, ids ...any) {
		t.Helper()
		if ids == nil {
			ids = []any{}
		}
		if diff := cmp.Diff(ids, searched(t, s, l.book, search)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, search, diff)
		}
	}
	set := func(tx store.Tx, filter query.Expr, field int, v any) error {
		_, err := tx.Update(t.Context(), &query.Update{Model: l.book, Where: filter, Bump: -1, Set: []query.Assign{{Field: field, Value: v}}})
		return err
	}
	shelf := insert(t, s, l.shelf, "label", "top")
	write(t, s, func(tx store.Tx) error {
		rows := make([][]any, 50)
		for i := range rows {
			rows[i] = []any{fmt.Sprintf("b%02d", i), fmt.Sprintf("old title %d", i), shelf}
		}
		_, err := tx.Insert(t.Context(), l.book, []int{0, title, position(l.book, "shelf")}, rows)
		return err
	})
	want("a bulk insert", "old 7", "b07")
	write(t, s, func(tx store.Tx) error {
		if err := set(tx, where(t, l.book, "id", dataflow.ObjectOf("$in", []any{"b07", "b08"})), title, "new"); err != nil {
			return err
		}
		if got := searched(t, tx, l.book, "new"); !slices.Equal(got, []any{"b07", "b08"}) {
			t.Errorf("in its own transaction the search finds %v", got)
		}
		return nil
	})
	want("an update of many", "new", "b07", "b08")
	want("an update of many", "old 7")
	write(t, s, func(tx store.Tx) error { return set(tx, where(t, l.book, "id", "b07"), isbn, "1") })
	want("an update of another field", "new", "b07", "b08")
	write(t, s, func(tx store.Tx) error { return set(tx, where(t, l.book, "id", "b08"), title, nil) })
	want("an update to null", "new", "b07")

	undone := errors.New("undone")
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if err := set(tx, nil, title, "lost"); err != nil {
			return err
		}
		if _, err := tx.Delete(t.Context(), l.book, where(t, l.book, "id", "b07")); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	want("a rollback", "lost")
	want("a rollback", "new", "b07")

	write(t, s, func(tx store.Tx) error {
		err := tx.Savepoint(t.Context(), func() error {
			if err := set(tx, where(t, l.book, "id", "b01"), title, "lost"); err != nil {
				return err
			}
			_, err := insertTx(tx, l.book, "id", "dup", "title", "lost", "isbn", "1") // taken
			return err
		})
		wantAnyFailure(t, err, "unique_violation")
		return set(tx, where(t, l.book, "id", "b02"), title, "kept")
	})
	want("a savepoint", "lost")
	want("a savepoint", "kept", "b02")
	want("a savepoint", "old 1", "b01")

	write(t, s, func(tx store.Tx) error {
		_, err := tx.Delete(t.Context(), l.book, where(t, l.book, "id", "b02"))
		return err
	})
	want("a delete", "kept")
	insert(t, s, l.book, "id", "b02", "title", "again")
	want("an id that comes back", "again", "b02")
	write(t, s, func(tx store.Tx) error {
		_, err := tx.Delete(t.Context(), l.shelf, where(t, l.shelf, "id", shelf))
		return err
	})
	want("a delete that cascades", "old")
	want("a delete that cascades", "again", "b02")
	if got := searched(t, s, l.shelf, "top"); len(got) != 0 {
		t.Errorf("a deleted shelf is found: %v", got)
	}
	id := insert(t, s, l.shelf, "label", "bottom")
	if got := searched(t, s, l.shelf, "bottom"); !slices.Equal(got, []any{id}) {
		t.Errorf("the id %v is found as %v", id, got)
	}
}

// testRandomSearch holds searches to their meaning in memory.
func testRandomSearch(t *testing.T, open Open) {
	l := newLibrary()
	s := open(t, l.db)
	g := newGenerator(t, newShop())
	parts := []string{"red", "Red", "re", "kettle", "ß", "ẞ", "É", "é", "e\u0301", "日", "本", "🤖", "☕", "\uFE0F", "\u200D", "-", "_", "'", "’", "@", ".", ",", " ", "  ", "\n", "\u00a0",
		"İ", "ı", "I", "i", "K", "k", "Σ", "σ", "ς", "Ǆ", "ǅ", "ﬀ", "１", "Ａ", "ａ", "٣", "½", "²", "ª", "Ω", "ω", "ꙁ", "Ꙁ", "ა", "Ა", "𐐀", "𝒜", "\U0010FFFF", "\uE000", "क", "ि", "\u0378", "*", `"`, "%", "\\", "(", ")", ":", "^", "+", "AND", "$$", "0", "5"}
	text := func(most int) string {
		var b strings.Builder
		for range g.IntN(most) {
			if g.IntN(40) == 0 {
				b.WriteRune(rune(1 + g.IntN(0xD7FE)))
			} else {
				b.WriteString(parts[g.IntN(len(parts))])
			}
			if g.IntN(3) == 0 {
				b.WriteByte(' ')
			}
		}
		return b.String()
	}
	rows := map[string][]any{}
	write(t, s, func(tx store.Tx) error {
		for i := range 150 {
			row := []any{fmt.Sprintf("%03d", i), text(12), text(5), nil, nil}
			if g.IntN(8) == 0 {
				row[2] = nil
			}
			rows[row[0].(string)] = row
			if _, err := insertTx(tx, l.book, "id", row[0], "title", row[1], "select", row[2]); err != nil {
				return err
			}
		}
		return nil
	})
	hits := 0
	for i := 0; i < 600 && !t.Failed(); i++ {
		search := text(4)
		if g.IntN(2) == 0 {
			words := query.Words(rows[fmt.Sprintf("%03d", g.IntN(150))][1].(string))
			if len(words) > 0 {
				at := g.IntN(len(words))
				search = []string{"", "-", `"`}[g.IntN(3)] + words[at] + []string{"", "*", `"`, " ", "-"}[g.IntN(5)]
				if at+1 < len(words) && g.IntN(2) == 0 {
					search += words[at+1]
				}
			}
		}
		e, problems := query.ParseSearch(l.book, search, "")
		if len(problems) > 0 {
			continue
		}
		want := []any{}
		for id, row := range rows {
			if query.Match(e, func(p query.Path) any { return row[p.Field] }) {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		hits += len(want)
		if diff := cmp.Diff(want, found(t, s, l.book, e)); diff != "" {
			t.Errorf("search %d %q, %v (-want +got):\n%s", i, search, query.ParseTerms(search), diff)
		}
	}
	if hits < 100 {
		t.Errorf("all searches together found %d rows: they test nothing", hits)
	}
}
