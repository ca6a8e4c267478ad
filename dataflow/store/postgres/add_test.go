package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// addOne adds a thing by itself.
func addOne(ctx context.Context, s *Store, m *dataflow.Model, n int64) error {
	_, err := s.Add(ctx, m, []int{1}, []any{n})
	return err
}

// wantThings checks how many rows there are.
func wantThings(t *testing.T, s *Store, m *dataflow.Model, want int64) {
	t.Helper()
	if n, err := s.Count(t.Context(), m, nil); n != want || err != nil {
		t.Errorf("%d rows, %v, want %d", n, err, want)
	}
}

// TestAddingOnALostConnection: the server has said that it ends it, so that
// nothing can have happened.
func TestAddingOnALostConnection(t *testing.T) {
	s, m := things(t, nil)
	for n := range int64(5) {
		if err := addOne(t.Context(), s, m, n); err != nil {
			t.Errorf("row %d: %v", n, err)
		}
		drop(t, s)
	}
	wantThings(t, s, m, 6)
}

// TestAddingWithoutAnAnswer: the row may be there or not, and is not added again.
func TestAddingWithoutAnAnswer(t *testing.T) {
	direct := pgtest.URL(t)
	m := model("Thing", "things", &dataflow.Field{Name: "n", Type: dataflow.Int})
	_, host := through(t, direct, "")
	p := newProxy(t, "127.0.0.1:0", host)
	via, _ := through(t, direct, p.Addr().String())
	db := database(via, m)
	db.Options.PoolSize = 1
	s := openTest(t, db)
	if err := addOne(t.Context(), s, m, 1); err != nil { // prepares the statement
		t.Fatal(err)
	}
	p.cut.Store(new("\x00flow")) // where a Bind names its statement
	if err := addOne(t.Context(), s, m, 2); code(err) != "commit_unknown" || p.cut.Load() != nil {
		t.Errorf("%v", err)
	}
	if n, err := s.Count(t.Context(), m, nil); n > 2 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := addOne(t.Context(), s, m, 3); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestAddingPastItsTime: who leaves knows that nothing was added.
func TestAddingPastItsTime(t *testing.T) {
	s, m := things(t, nil)
	err := s.Write(t.Context(), func(held store.Tx) error {
		if err := held.(*tx).c.exec(t.Context(), "LOCK TABLE things IN SHARE MODE"); err != nil {
			return err
		}
		late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := addOne(late, s, m, 1); code(err) != "timeout" {
			t.Errorf("past its time: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		left := time.AfterFunc(20*time.Millisecond, leave)
		defer left.Stop()
		if err := addOne(gone, s, m, 2); code(err) != "cancelled" {
			t.Errorf("without its caller: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantThings(t, s, m, 1)
	if err := addOne(t.Context(), s, m, 3); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestAddingToTablesAltered: a statement that is out of date is prepared anew.
func TestAddingToTablesAltered(t *testing.T) {
	s, m := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize = 1 })
	if err := addOne(t.Context(), s, m, 1); err != nil {
		t.Fatal(err)
	}
	at := s.pool.Config().ConnString()
	pgtest.Exec(t, at, "ALTER TABLE things ALTER COLUMN id TYPE integer")
	err := addOne(t.Context(), s, m, 2)
	pgtest.Exec(t, at, "ALTER TABLE things ALTER COLUMN id TYPE bigint")
	if err != nil {
		t.Error(err)
	}
	wantThings(t, s, m, 3)
}

// TestAnIDFromWhoMayNotMoveTheSequence: as any other program could, the user of
// another's table adds a row with an id.
func TestAnIDFromWhoMayNotMoveTheSequence(t *testing.T) {
	at := pgtest.URL(t)
	config, _ := parseURL(at, false)
	role := "adds_" + config.ConnConfig.Database
	pgtest.Exec(t, at, "CREATE TABLE things (id bigserial PRIMARY KEY)", "CREATE ROLE "+role+" LOGIN",
		"GRANT ALL ON things TO "+role, "GRANT USAGE ON SEQUENCE things_id_seq TO "+role)
	t.Cleanup(func() { pgtest.Exec(t, at, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	db := database(strings.Replace(at, "flow@", role+"@", 1), model("Thing", "things"))
	db.Options.ExistingSchemaMode = true
	s := openTest(t, db)
	id, err := s.Add(t.Context(), db.Models[0], []int{0}, []any{int64(50)})
	if err != nil || id != int64(50) {
		t.Errorf("%v, %v", id, err)
	}
	if next := ask(t, at, "SELECT nextval('things_id_seq')"); next != "1" {
		t.Errorf("the sequence goes on with %s", next)
	}
}

// TestAddingWhereATriggerIsNew: the first row that it takes is told of, and what it
// wrote for the next is undone.
func TestAddingWhereATriggerIsNew(t *testing.T) {
	m := &dataflow.Model{Name: "Thing", Table: "things", Fields: []*dataflow.Field{
		{Name: "id", Type: &dataflow.Type{Kind: dataflow.KindUUID}, System: dataflow.RoleID}, {Name: "n", Type: dataflow.Int}}}
	s := openTest(t, database(pgtest.URL(t), m))
	n := int64(0)
	add := func() error {
		n++
		_, err := s.Add(t.Context(), m, []int{0, 1}, []any{fmt.Sprintf("01a2f3b4-0000-7000-8000-00000000000%d", n), n})
		return err
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	err := s.Write(t.Context(), func(held store.Tx) error {
		return held.(*tx).c.exec(t.Context(), `CREATE TABLE elsewhere (n bigint);
			CREATE FUNCTION diverts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO elsewhere VALUES (NEW.n); RETURN NULL; END';
			CREATE TRIGGER diverts BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION diverts()`)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := add(); code(err) != "table_rule" {
			t.Errorf("a row that was taken is told of as %v", err)
		}
	}
	wantThings(t, s, m, 1)
	rows := ""
	err = s.Write(t.Context(), func(held store.Tx) error {
		return held.(*tx).c.query(t.Context(), "SELECT count(*)::text FROM elsewhere", nil, func(r [][]byte) { rows = string(r[0]) })
	})
	if rows != "1" || err != nil {
		t.Errorf("%s rows elsewhere, %v, want that of the first", rows, err)
	}
}
