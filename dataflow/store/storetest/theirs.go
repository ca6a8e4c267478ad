package storetest

import (
	"context"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// RunTheirs holds an engine to what it does about what other programs have put on
// a table.
func RunTheirs(t *testing.T, e Engine) {
	t.Run("rows that a trigger leaves as they are", func(t *testing.T) { testQuiet(t, e) })
	t.Run("rows that go along by keys of theirs", func(t *testing.T) { testTheirKeys(t, e) })
	t.Run("expressions that fail", func(t *testing.T) { testFailing(t, e) })
	t.Run("a column or a table that is gone", func(t *testing.T) { testGone(t, e) })
}

// put runs statements of another program's, of which there are two: for SQLite,
// and for any other engine.
func (a *app) put(onSQLite, onOthers []string, m *dataflow.Model) {
	a.t.Helper()
	statements := onOthers
	if strings.HasPrefix(a.url, "sqlite:") {
		statements = onSQLite
	}
	db := a.runner(m).DB
	for _, sql := range statements {
		if err := db.Exec(context.Background(), sql); err != nil {
			a.t.Fatal(err)
		}
	}
}

func testQuiet(t *testing.T, e Engine) {
	a, m := newApp(t, e), thing(optField("v", dataflow.String))
	a.mustApply(nil, m)
	quiet := func(s store.Store) (is bool) {
		t.Helper()
		err := s.Write(t.Context(), func(tx store.Tx) (err error) {
			is, err = tx.Quiet(t.Context(), m)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	a.with(func(s store.Store) {
		insert(t, s, m, "v", "kept")
		insert(t, s, m, "v", "free")
		if quiet(s) {
			t.Error("a table of no triggers leaves rows as they are")
		}
	}, m)
	a.with(func(s store.Store) {
		quiet(s)
		a.put([]string{`CREATE TRIGGER late BEFORE DELETE ON things BEGIN SELECT RAISE (IGNORE); END`}, []string{
			`CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
			`CREATE TRIGGER late BEFORE DELETE ON things FOR EACH ROW EXECUTE FUNCTION late()`}, m)
		if !quiet(s) {
			t.Error("a trigger that is made meanwhile is not told of")
		}
		a.put([]string{`DROP TRIGGER late`}, []string{`DROP TRIGGER late ON things`}, m)
	}, m)
	a.put([]string{`CREATE TRIGGER loud BEFORE UPDATE ON things WHEN OLD.v = 'loud' BEGIN SELECT RAISE(ABORT, 'no'); END`},
		[]string{`CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`, `CREATE TRIGGER loud AFTER UPDATE ON things FOR EACH ROW EXECUTE FUNCTION loud()`}, m)
	a.with(func(s store.Store) {
		if quiet(s) {
			t.Error("a trigger that can leave no row as it is does")
		}
	}, m)
	a.put([]string{
		`CREATE TRIGGER keeps BEFORE UPDATE ON things WHEN OLD.v = 'kept' BEGIN SELECT RAISE (IGNORE); END`,
		`CREATE TRIGGER passes BEFORE INSERT ON things WHEN NEW.v = 'kept' BEGIN INSERT INTO things (v) VALUES ('elsewhere'); SELECT RAISE (IGNORE); END`,
	}, []string{
		`CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF TG_OP = ''UPDATE'' AND OLD.v = ''kept'' OR TG_OP = ''INSERT'' AND NEW.v = ''kept'' THEN IF TG_OP = ''INSERT'' THEN INSERT INTO things (v) VALUES (''elsewhere''); END IF; RETURN NULL; END IF; RETURN NEW; END'`,
		`CREATE TRIGGER keeps BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION keeps()`,
	}, m)
	a.with(func(s store.Store) {
		if !quiet(s) {
			t.Error("it is not told that a trigger may leave rows as they are")
		}
		err := s.Write(t.Context(), func(tx store.Tx) error {
			n, err := tx.Update(t.Context(), &query.Update{Model: m, Set: []query.Assign{{Field: position(m, "v"), Value: "new"}}, Bump: -1})
			if n != 1 {
				t.Errorf("%d rows were changed, want 1", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		ways := map[string]func(store.Store, *dataflow.Model, ...any) (any, error){"a transaction": addByWrite}
		if adder, ok := s.(store.Adder); ok {
			ways["by itself"] = addBy(adder)
		}
		for name, add := range ways {
			if id, err := add(s, m, "v", "kept"); dataflow.AsError(err).Code != "table_rule" {
				t.Errorf("%s: a row that was left out is told of as %v, %v", name, id, err)
			}
		}
		if n := count(t, s, m, nil); n != 2 {
			t.Errorf("%d rows, want 2: what the trigger wrote in its place is undone", n)
		}
	}, m)
}

// testTheirKeys: rows that a delete is about are counted though the app knows of no
// key by which one takes another along, and those it is not about are not.
func testTheirKeys(t *testing.T, e Engine) {
	a := newApp(t, e)
	m := thing(optField("v", dataflow.String))
	const rows = `INSERT INTO things (id, up, v) VALUES (1, NULL, 'a'), (2, 1, 'a'), (3, 2, 'b'), (4, NULL, 'a'), (5, NULL, 'c')`
	a.put([]string{`CREATE TABLE things (id INTEGER PRIMARY KEY, up INTEGER REFERENCES things ON DELETE CASCADE, v TEXT)`, rows},
		[]string{`CREATE TABLE things (id bigserial PRIMARY KEY, up bigint REFERENCES things ON DELETE CASCADE, v text)`, rows}, m)
	a.theirs = true
	a.with(func(s store.Store) {
		err := s.Write(t.Context(), func(tx store.Tx) error {
			n, err := tx.Delete(t.Context(), m, where(t, m, "v", "a"))
			if n != 3 {
				t.Errorf("%d rows were deleted, want 3", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if n := count(t, s, m, nil); n != 1 {
			t.Errorf("%d rows are left, want 1", n)
		}
	}, m)
}

func testFailing(t *testing.T, e Engine) {
	a, m := newApp(t, e), thing(optField("v", dataflow.String))
	a.mustApply(nil, m)
	a.put([]string{`CREATE INDEX "a number" ON things (json_extract(v, '$.n'))`}, []string{`CREATE INDEX "a number" ON things ((v::json ->> 'n'))`}, m)
	a.with(func(s store.Store) {
		id := insert(t, s, m, "v", `{"n": 1}`)
		said := func(err error) {
			t.Helper()
			if e := dataflow.AsError(err); e.Code != "table_broken" || !strings.HasPrefix(e.Message, "the table things takes no such write: a trigger, a CHECK or an index of it fails: ") {
				t.Errorf("told %s", whole(err))
			}
		}
		_, err := addByWrite(s, m, "v", canary)
		said(err)
		if adder, ok := s.(store.Adder); ok {
			_, err = addBy(adder)(s, m, "v", canary)
			said(err)
		}
		said(s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Update(t.Context(), &query.Update{Model: m, Where: where(t, m, "id", id), Set: []query.Assign{{Field: position(m, "v"), Value: canary}}, Bump: -1})
			return err
		}))
		if strings.Contains(whole(err), canary) {
			t.Errorf("a value is told of: %s", whole(err))
		}
	}, m)
}

// testGone: who goes on with tables that another has altered is told of that.
func testGone(t *testing.T, e Engine) {
	a, m := newApp(t, e), thing(optField("v", dataflow.String))
	a.mustApply(nil, m)
	a.with(func(s store.Store) {
		id := insert(t, s, m, "v", "x")
		db := a.runner(thing(optField("v", dataflow.String))).DB
		row := func(store.Row) error { return nil }
		for _, sql := range []string{`ALTER TABLE things RENAME COLUMN v TO w`, `ALTER TABLE things RENAME TO others`} {
			if err := db.Exec(context.Background(), sql); err != nil {
				t.Fatal(err)
			}
			_, got := s.Get(t.Context(), m, id, nil, row)
			_, counted := s.Count(t.Context(), m, where(t, m, "v", "x"))
			_, added := addByWrite(s, m, "v", "y")
			changed := s.Write(t.Context(), func(tx store.Tx) error {
				_, err := tx.Update(t.Context(), &query.Update{Model: m, Set: []query.Assign{{Field: position(m, "v"), Value: "z"}}, Bump: -1})
				return err
			})
			for what, err := range map[string]error{"get": got, "list": s.Select(t.Context(), &query.Select{Model: m}, row), "count": counted, "add": added, "change": changed} {
				if code := dataflow.AsError(err).Code; err == nil || code != "schema_changed" {
					t.Errorf("%s after %s: %v", what, sql, err)
				}
			}
		}
	}, m)
}
