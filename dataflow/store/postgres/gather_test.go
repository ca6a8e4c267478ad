package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

// jam is a table that another program has locked, with as many reads of it
// under way as there can be before others wait.
type jam struct {
	t      *testing.T
	s      *Store
	m      *dataflow.Model
	locker *pgconn.PgConn
	first  sync.WaitGroup // the reads under way
	end    context.CancelFunc

	mu         sync.Mutex
	statements []string
}

// Enabled, Handle, WithAttrs and WithGroup implement slog.Handler: with
// echo = True the log has every statement.
func (j *jam) Enabled(context.Context, slog.Level) bool { return true }
func (j *jam) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *jam) WithGroup(string) slog.Handler            { return j }
func (j *jam) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool { j.statements = append(j.statements, a.Value.String()); return true })
	return nil
}

// gathered counts the statements for several rows.
func (j *jam) gathered() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, sql := range j.statements {
		if strings.Contains(sql, "ANY ($1") {
			n++
		}
	}
	return n
}

// newJam makes a table with rows of these ids, the last of which is deleted
// softly, and jams it.
func newJam(t *testing.T, idType *dataflow.Type, pooler string, ids ...any) *jam {
	t.Helper()
	j := &jam{t: t}
	j.m = model("Thing", "things",
		&dataflow.Field{Name: "name", Type: dataflow.String, Optional: true},
		&dataflow.Field{Name: "deleted_at", Type: dataflow.DateTime, System: dataflow.RoleDeletedAt, Optional: true})
	j.m.SoftDelete = true
	j.m.Fields[0].Type = idType
	db := database(pgtest.URL(t), j.m)
	db.Options.Pooler, db.Options.Echo = pooler, true
	opened, _, diags := Opener{}.Open(t.Context(), db, store.Options{Logger: slog.New(j)})
	if opened == nil {
		t.Fatal(diags)
	}
	j.s = opened.(*Store)
	t.Cleanup(func() { j.s.Close() })
	var rows [][]any
	for i, id := range ids {
		var deleted any
		if i == len(ids)-1 {
			deleted = benchRow("")[6]
		}
		rows = append(rows, []any{id, fmt.Sprint("row ", id), deleted})
	}
	if err := j.s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), j.m, []int{0, 1, 2}, rows)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	j.lock(ids[0])
	return j
}

func (j *jam) lock(id any) {
	var err error
	if j.locker, err = pgconn.Connect(j.t.Context(), j.s.pool.Config().ConnString()); err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { j.locker.Close(context.Background()) })
	if _, err := j.locker.Exec(j.t.Context(), "BEGIN; LOCK TABLE things IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
		j.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(j.t.Context())
	j.end = cancel
	most := j.s.tables[j.m].gathering.most
	for range most {
		j.first.Go(func() {
			found, err := j.s.Get(ctx, j.m, id, nil, func(store.Row) error { return nil })
			if !found && ctx.Err() == nil {
				j.t.Errorf("a read by itself: %v", err)
			}
		})
	}
	j.until("the reads under way wait for the lock", func() bool { return j.blocked("things") == most })
}

// blocked counts the statements with some text that wait for the lock.
func (j *jam) blocked(text string) (n int) {
	sql := "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%" + text + "%'"
	fmt.Sscan(ask(j.t, j.s.pool.Config().ConnString(), sql), &n)
	return n
}

func (j *jam) until(what string, holds func() bool) {
	j.t.Helper()
	for !holds() {
		if j.t.Context().Err() != nil {
			j.t.Fatal("not so: " + what)
		}
		runtime.Gosched()
	}
}

// unlock lets everything through.
func (j *jam) unlock() {
	if _, err := j.locker.Exec(j.t.Context(), "COMMIT").ReadAll(); err != nil {
		j.t.Error(err)
	}
}

func (j *jam) waiting() int {
	g := &j.s.tables[j.m].gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, a := range g.waiting {
		if !a.left {
			n++
		}
	}
	return n
}

// idle reports whether no round trip is under way.
func (j *jam) idle() bool {
	g := &j.s.tables[j.m].gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trips == 0
}

// read says what Get gave.
func (j *jam) read(ctx context.Context, id any, fields []int) string {
	var out []byte
	found, err := j.s.Get(ctx, j.m, id, fields, func(r store.Row) error { out = r.AppendJSON(nil); return nil })
	if err != nil {
		return dataflow.AsError(err).Code
	}
	return fmt.Sprint(found, " ", string(out))
}

// reads begins several reads that wait, and returns a function that waits for
// what they gave.
func (j *jam) reads(fields []int, ids ...any) func() []string {
	got := make([]string, len(ids))
	var wg sync.WaitGroup
	before := j.waiting()
	for i, id := range ids {
		wg.Go(func() { got[i] = j.read(j.t.Context(), id, fields) })
	}
	j.until("the reads wait", func() bool { return j.waiting() == before+len(ids) })
	return func() []string { wg.Wait(); return got }
}

func TestReadsAtTheSameTimeAreOneStatement(t *testing.T) {
	for name, tt := range map[string]struct {
		typ    *dataflow.Type
		pooler string
		ids    []any // the last is deleted
		absent any
	}{
		"int":             {dataflow.Int, "", []any{int64(7), int64(-1), int64(1 << 62), int64(3)}, int64(8)},
		"str":             {dataflow.String, "", []any{"a", "A", `ü"\{},`, ""}, "b"},
		"uuid":            {kind(dataflow.KindUUID), "", []any{"01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}, "01890a5d-ac96-774b-bcce-b302099a8059"},
		"behind a pooler": {dataflow.Int, "transaction", []any{int64(7), int64(-1), int64(1 << 62), int64(3)}, int64(8)},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJam(t, tt.typ, tt.pooler, tt.ids...)
			ids := append(tt.ids, tt.absent, tt.ids[0]) // one twice
			whole, names := j.reads(nil, ids...), j.reads([]int{1}, ids...)
			j.unlock()
			j.first.Wait()
			got := append(whole(), names()...)
			if n := j.gathered(); n != 2 {
				t.Errorf("%d statements for %d reads of two kinds", n, len(got))
			}
			var want []string
			for _, fields := range [][]int{nil, {1}} {
				for _, id := range ids {
					want = append(want, j.read(t.Context(), id, fields))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gathered reads are not what single ones are:\n%s", diff)
			}
		})
	}
}

func TestThoseReadTogetherDoNotFeelEachOther(t *testing.T) {
	j := newJam(t, dataflow.String, "", "a", "b", "gone")
	others := j.reads(nil, "a", "b", "no\x00text", "gone")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan string)
	go func() { left <- j.read(ctx, "a", nil) }()
	panicked := make(chan any)
	go func() {
		defer func() { panicked <- recover() }()
		j.s.Get(t.Context(), j.m, "b", nil, func(store.Row) error { panic("mine") })
	}()
	j.until("two more wait", func() bool { return j.waiting() == 6 })
	cancel()
	if got := <-left; got != "cancelled" {
		t.Errorf("who left was told %q", got)
	}
	j.unlock()
	if p := <-panicked; p != "mine" {
		t.Errorf("the panic of one arrived as %v", p)
	}
	j.first.Wait()
	want := []string{j.read(t.Context(), "a", nil), j.read(t.Context(), "b", nil), j.read(t.Context(), "no\x00text", nil), "false "}
	if diff := cmp.Diff(want, others()); diff != "" {
		t.Error(diff)
	}
	j.until("every trip is over", j.idle)
}

func TestALostConnectionIsNobodysError(t *testing.T) {
	j := newJam(t, dataflow.Int, "", int64(1), int64(2), int64(3))
	others := j.reads(nil, int64(1), int64(2), int64(4))
	j.end() // so that the next trip begins
	j.first.Wait()
	j.until("the gathered statement waits", func() bool { return j.blocked("ANY ($1") > 0 })
	pgtest.Exec(t, j.s.pool.Config().ConnString(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%ANY ($1%' AND datname = current_database() AND pid <> pg_backend_pid()")
	j.until("it is tried again", func() bool { return j.blocked("ANY ($1") > 0 })
	pgtest.Exec(t, j.s.pool.Config().ConnString(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%ANY ($1%' AND datname = current_database() AND pid <> pg_backend_pid()")
	j.unlock()
	got := others()
	if diff := cmp.Diff([]string{j.read(t.Context(), int64(1), nil), j.read(t.Context(), int64(2), nil), "false "}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStatementNobodyWaitsForIsCancelled(t *testing.T) {
	j := newJam(t, dataflow.Int, "", int64(1), int64(2))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if got := j.read(ctx, int64(1), nil); got != "cancelled" {
				t.Errorf("told %q", got)
			}
		})
	}
	j.until("they wait", func() bool { return j.waiting() == 3 })
	j.end()
	j.first.Wait()
	j.until("the gathered statement waits", func() bool { return j.blocked("ANY ($1") == 1 })
	cancel()
	wg.Wait()
	j.until("no trip is under way, though the table is still locked", j.idle)
	j.unlock()
	if got := j.read(t.Context(), int64(1), nil); !strings.HasPrefix(got, "true ") {
		t.Errorf("afterwards: %s", got)
	}
}

func TestAStatementHoldsSoManyReads(t *testing.T) {
	j := newJam(t, dataflow.Int, "", int64(1), int64(2))
	ids := make([]any, maxGathered+1)
	for i := range ids {
		ids[i] = int64(1)
	}
	all := j.reads(nil, ids...)
	j.unlock()
	for _, got := range all() {
		if !strings.HasPrefix(got, "true ") {
			t.Error(got)
		}
	}
	if n := j.gathered(); n != 2 {
		t.Errorf("%d statements for %d reads, want 2", n, len(ids))
	}
}

// TestAReadSeesWhatWasAcknowledgedBeforeIt: a counter that only rises, read by
// many at once, is never seen below what its writer was told is there before
// the read began.
func TestAReadSeesWhatWasAcknowledgedBeforeIt(t *testing.T) {
	s, m := things(t, nil)
	var written atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			for last := int64(0); !over.Load(); {
				least := max(last, written.Load())
				_, err := s.Get(t.Context(), m, int64(1), nil, func(r store.Row) error {
					last = r.Value(1).(int64)
					return nil
				})
				if err != nil || last < least {
					t.Errorf("read %d when %d had been written: %v", last, least, err)
					return
				}
			}
		})
	}
	for n := int64(1); n <= 150; n++ {
		if err := s.Write(t.Context(), func(tx store.Tx) error { return set(t, tx, m, 1, n) }); err != nil {
			t.Error(err)
			break
		}
		written.Store(n)
	}
	over.Store(true)
	wg.Wait()
}
