//go:build unix

package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

func TestDamagedPages(t *testing.T) {
	pg := pgtest.Start(t, "", nil)
	m := model("Thing", "things", &dataflow.Field{Name: "s", Type: dataflow.String})
	s := openTest(t, database(pg.URL(), m))
	rows := make([][]any, 1000)
	for i := range rows {
		rows[i] = []any{strings.Repeat("x", 100)}
	}
	if err := s.Write(t.Context(), func(tx store.Tx) error { _, err := tx.Insert(t.Context(), m, []int{1}, rows); return err }); err != nil {
		t.Fatal(err)
	}
	file := ask(t, pg.URL(), "SELECT pg_relation_filepath('things')")
	pg.Stop(syscall.SIGINT)
	f, err := os.OpenFile(filepath.Join(pg.Data(), file), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	const page = 8192
	if _, err := f.WriteAt([]byte(strings.Repeat("damage", 10)), 3*page); err != nil {
		t.Fatal(err)
	}
	f.Close()
	pg.Start()
	_, err = s.Count(t.Context(), m, nil)
	if e := dataflow.AsError(err); e.Code != "storage_corrupt" || e.Status != dataflow.StatusStorage || strings.Contains(e.Message+e.Hint, file) {
		t.Errorf("told %v", err)
	}
	found, err := s.Get(t.Context(), m, int64(1), nil, func(store.Row) error { return nil })
	if !found || err != nil {
		t.Errorf("a row that is whole: %v, %v", found, err)
	}
}
