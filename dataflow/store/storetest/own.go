package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
)

// own parses a statement of an app's own.
func own(t *testing.T, text string, write bool, columns ...rawsql.Column) *rawsql.Statement {
	t.Helper()
	s, flaw := rawsql.Parse(text, false)
	if flaw != nil {
		t.Fatal(flaw)
	}
	s.Write, s.MaxRows, s.Columns = write, 1000, columns
	return s
}

// answerOf runs a statement and writes its answer as JSON.
func answerOf(t *testing.T, r store.Reader, q *rawsql.Statement, args ...any) string {
	t.Helper()
	a, err := r.Query(t.Context(), q, args)
	if err != nil {
		t.Fatalf("%s: %v", q.Text, err)
	}
	rows := make([]any, len(a.Rows))
	for i, row := range a.Rows {
		rows[i] = row
	}
	return fmt.Sprintf("%s %d", codec.AppendValue(nil, rows), a.Affected)
}

// testOwnValues: what an app asks in SQL of its own comes back as the models
// have it, and values go in the same way.
func testOwnValues(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	row := []any{"s", `it's "x" \ é`, "i", int64(1)<<62 + 1, "f", -0.5, "b", true, "d", dec("12.50"), "big", dec("1234567890123456789.0123456789"),
		"at", at("2026-01-31T09:30:00.000001Z"), "day", dataflow.Date("2026-01-31"), "time", dataflow.TimeOfDay("09:30:00"),
		"u", "0190a5a0-0000-7000-8000-000000000001", "j", dataflow.RawJSON(`{"a":[1,null]}`), "raw", []byte{0, 255}, "e", "it's",
		"words", []any{"a", "b"}, "numbers", []any{int64(1)}, "prices", []any{dec("1.50")}}
	insert(t, s, shop.thing, row...)
	insert(t, s, shop.thing, "s", "other")

	var names []string
	for i := 0; i < len(row); i += 2 {
		names = append(names, `"`+row[i].(string)+`"`)
	}
	all := own(t, "SELECT "+strings.Join(names, ", ")+" FROM things WHERE id = :id", false)
	all.Params[0].Type = dataflow.Int
	want := `[{"s":"it's \"x\" \\ é","i":4611686018427387905,"f":-0.5,"b":true,"d":"12.50","big":"1234567890123456789.0123456789",` +
		`"at":"2026-01-31T09:30:00.000001Z","day":"2026-01-31","time":"09:30:00","u":"0190a5a0-0000-7000-8000-000000000001",` +
		`"j":{"a":[1,null]},"raw":"AP8=","e":"it's","words":["a","b"],"numbers":[1],"prices":["1.50"]}] 0`
	for _, on := range readersOf(t, s) {
		on.run(func(r store.Reader) {
			if got := answerOf(t, r, all, int64(1)); got != want {
				t.Errorf("%s:\ngot  %s\nwant %s", on.name, got, want)
			}
		})
	}
	// Each value finds its row, and no other.
	for i := 0; i < len(row); i += 2 {
		name := row[i].(string)
		f := shop.thing.Fields[position(shop.thing, name)]
		if k := f.Type.Kind; k == dataflow.KindJSON || k == dataflow.KindList {
			continue // neither engine compares them
		}
		q := own(t, `SELECT id FROM things WHERE "`+name+`" = :v`, false, rawsql.Column{Name: "id", Type: dataflow.Int})
		if f.Type.Kind == dataflow.KindDecimal {
			q.Params[0].Type = f.Type
		}
		if got := answerOf(t, s, q, row[i+1]); got != `[{"id":1}] 0` {
			t.Errorf("%s: %s", name, got)
		}
		if f.Type.Kind == dataflow.KindBytes {
			continue
		}
		in := own(t, `SELECT id FROM things WHERE "`+name+`" IN (:v)`, false, rawsql.Column{Name: "id", Type: dataflow.Int})
		in.Params[0].Type = q.Params[0].Type
		if got := answerOf(t, s, in, []any{row[i+1], nil}); got != `[{"id":1}] 0` {
			t.Errorf("%s in a list: %s", name, got)
		}
		if got := answerOf(t, s, in, []any{}); got != `[] 0` {
			t.Errorf("%s in no list: %s", name, got)
		}
	}
	figures := own(t, `SELECT count(*) AS n, sum(d) AS d, max(at) AS "at", count(*) > 1 AS many, sum(i) AS i FROM things`, false,
		rawsql.Column{Name: "n", Type: dataflow.Int}, rawsql.Column{Name: "d", Type: decimalType(12, 2)}, rawsql.Column{Name: "at", Type: dataflow.DateTime},
		rawsql.Column{Name: "many", Type: dataflow.Bool}, rawsql.Column{Name: "i", Type: dataflow.Int})
	if got := answerOf(t, s, figures); got != `[{"n":2,"d":"12.50","at":"2026-01-31T09:30:00.000001Z","many":true,"i":4611686018427387905}] 0` {
		t.Errorf("figures: %s", got)
	}
}

// readerOn is one of the ways to read.
type readerOn struct {
	name string
	run  func(func(store.Reader))
}

func readersOf(t *testing.T, s store.Store) []readerOn {
	return []readerOn{
		{"the store", func(f func(store.Reader)) { f(s) }},
		{"a snapshot", func(f func(store.Reader)) {
			if err := s.Snapshot(t.Context(), func(r store.Reader) error { f(r); return nil }); err != nil {
				t.Error(err)
			}
		}},
		{"a transaction", func(f func(store.Reader)) {
			if err := s.Write(t.Context(), func(tx store.Tx) error { f(tx); return nil }); err != nil {
				t.Error(err)
			}
		}},
	}
}

// testOwnWrites: SQL of an app's own writes where it says so and nowhere else,
// and what it writes is the transaction's.
func testOwnWrites(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	for _, code := range []string{"de", "fr", "it"} {
		insert(t, s, shop.country, "code", code)
	}
	// One that does not say so is stopped by the engine, and spoils nothing.
	sly := own(t, "DELETE FROM countries", false)
	for _, on := range readersOf(t, s) {
		on.run(func(r store.Reader) {
			if _, err := r.Query(t.Context(), sly, nil); err == nil {
				t.Errorf("%s let a statement write that did not say so", on.name)
			}
			if tx, ok := r.(store.Tx); ok {
				if _, err := insertTx(tx, shop.country, "code", "es"); err != nil {
					t.Errorf("the transaction is spoilt: %v", err)
				}
			}
		})
	}
	// One that says so has no business outside a transaction.
	drop := own(t, "DELETE FROM countries WHERE code = :code RETURNING code", true)
	for _, on := range readersOf(t, s)[:2] {
		on.run(func(r store.Reader) {
			if _, err := r.Query(t.Context(), drop, []any{"de"}); err == nil {
				t.Errorf("%s wrote", on.name)
			}
		})
	}
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if got := answerOf(t, tx, drop, "de"); got != `[{"code":"de"}] 1` {
			t.Errorf("deleted %s", got)
		}
		return errors.New("undone")
	})
	if err == nil || count(t, s, shop.country, nil) != 4 {
		t.Errorf("%v, and %d rows are left, want 4", err, count(t, s, shop.country, nil))
	}
	for text, code := range map[string]string{
		"UPDATE countries SET code = 'de'":                             "unique_violation",
		"INSERT INTO owners (id, country) VALUES ('a', 99)":            "reference_violation",
		"INSERT INTO countries (code) VALUES (NULL)":                   "invalid",
		"UPDATE countries SET code = 'xx' WHERE id = 1 AND code = :no": "",
	} {
		q := own(t, text, true)
		args := make([]any, len(q.Params))
		for i := range args {
			args[i] = "none"
		}
		err := s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Query(t.Context(), q, args)
			return err
		})
		if code == "" && err != nil || code != "" && dataflow.AsError(err).Code != code {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
	}
	if n := count(t, s, shop.country, nil); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

// testOwnFlaws: an engine says what is wrong with a statement without running
// it.
func testOwnFlaws(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.country, "code", "de")
	for text, at := range map[string]string{
		"SELECT code FROM countrys":                             "countrys",
		"SELECT cod, :a FROM countries":                         "cod,",
		"SELECT code FROM countries WHERE code IN (:a) AND x=1": "x=1",
		"SELECT code FORM countries":                            "countries",
		"SELECT code, code FROM countries":                      "",
	} {
		flaws, err := s.Inspect(t.Context(), own(t, text, false))
		if err != nil || len(flaws) == 0 {
			t.Errorf("%s: %v, %v", text, flaws, err)
			continue
		}
		if at != "" && flaws[0].Offset != strings.Index(text, at) {
			t.Errorf("%s: at %d, want %d: %s", text, flaws[0].Offset, strings.Index(text, at), flaws[0].Message)
		}
	}
	flaws, err := s.Inspect(t.Context(), own(t, "DELETE FROM countries", true))
	if err != nil || len(flaws) > 0 || count(t, s, shop.country, nil) != 1 {
		t.Errorf("%v, %v, or the statement was run", flaws, err)
	}
	if _, err := s.Query(t.Context(), own(t, "SELECT code FROM nowhere", false), nil); dataflow.AsError(err).Code != "statement" {
		t.Errorf("%v", err)
	}
	few := own(t, "SELECT code FROM countries", false)
	few.MaxRows = 0
	if _, err := s.Query(t.Context(), few, nil); dataflow.AsError(err).Code != "too_many_rows" {
		t.Errorf("%v", err)
	}
}

// testOwnRunsAway: a statement that does not end is ended, and harms nobody
// else.
func testOwnRunsAway(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	const forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) "
	read := own(t, forever+"SELECT count(*) AS c FROM n", false)
	write := own(t, "INSERT INTO countries (code) "+forever+"SELECT CAST(i AS text) FROM n", true)
	soon := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 100*time.Millisecond)
	}
	for _, on := range readersOf(t, s)[:2] {
		on.run(func(r store.Reader) {
			ctx, cancel := soon()
			defer cancel()
			if _, err := r.Query(ctx, read, nil); dataflow.AsError(err).Code != "timeout" {
				t.Errorf("%s: %v", on.name, err)
			}
		})
	}
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			if w%10 != 5 {
				insert(t, s, shop.country, "code", fmt.Sprint("c", w))
				return
			}
			for { // until it has a connection: the others may have them all
				ctx, cancel := soon()
				err := s.Write(ctx, func(tx store.Tx) error {
					_, err := tx.Query(ctx, map[bool]*rawsql.Statement{true: read, false: write}[w == 5], nil)
					return err
				})
				cancel()
				if code := dataflow.AsError(err).Code; code == "busy" {
					continue
				} else if code != "timeout" {
					t.Errorf("writer %d: %v", w, err)
				}
				return
			}
		})
	}
	wg.Wait()
	if n := count(t, s, shop.country, nil); n != 18 {
		t.Errorf("%d rows, want those of the 18 others", n)
	}
}
