package storetest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// RunWatch holds an engine to what it tells of its statements.
func RunWatch(t *testing.T, e Engine) {
	t.Run("slow statements are told of with what would help", func(t *testing.T) { testSlow(t, e) })
	t.Run("an observer hears of every statement", func(t *testing.T) { testObserved(t, e) })
}

// canary is a value that must not be told to anybody.
const canary = "canary-7f3a"

func openWatched(t *testing.T, e Engine, sh *shop, o store.Options) store.Store {
	t.Helper()
	sh.db.URL = e.URL(t)
	s, _, diags := e.Opener.Open(t.Context(), sh.db, o)
	if s == nil {
		t.Fatal(diags)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func testSlow(t *testing.T, e Engine) {
	sh := newShop()
	sh.db.Options.SlowQueryThreshold = time.Nanosecond
	log := &lines{arrived: make(chan string, 100)}
	s := openWatched(t, e, sh, store.Options{Logger: slog.New(log)})
	ctx := t.Context()
	insert(t, s, sh.thing, "s", canary, "i", int64(7), "day", at("2026-01-31T00:00:00Z").Format("2006-01-02"))
	for range 3 {
		err := s.Select(ctx, &query.Select{Model: sh.thing, Limit: 5, Order: []query.Order{{Field: slices.Index(names(sh.thing), "f")}},
			Where: where(t, sh.thing, "s", canary, "i", int64(7))}, func(store.Row) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	line := log.wait(t, `msg="slow query plan" database=db operation=select model=Thing`)
	if want := `hint=give Thing an index: indexes = [index("s", "i", "f")]`; !strings.Contains(line, want) || !strings.Contains(line, "plan=") {
		t.Errorf("the plan lacks %s:\n%s", want, line)
	}
	all := log.all()
	if n := strings.Count(all, `msg="slow query" database=db operation=select`); n != 1 {
		t.Errorf("a statement that was slow three times at once is told of %d times, want once", n)
	}
	if strings.Contains(all, canary) {
		t.Errorf("a value is in the log:\n%s", all)
	}
}

func names(m *dataflow.Model) []string {
	var list []string
	for _, f := range m.Fields {
		list = append(list, f.Name)
	}
	return list
}

// heard is an observer that remembers.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) Statement(_ context.Context, db *dataflow.Database, s *store.Statement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	model := ""
	if s.Model != nil {
		model = s.Model.Name
	}
	h.list = append(h.list, db.Name+" "+model+" "+string(s.Kind))
	if strings.Contains(s.SQL, canary) || s.SQL == "" || s.Began.IsZero() {
		h.list = append(h.list, "wrong: "+s.SQL)
	}
}

func testObserved(t *testing.T, e Engine) {
	sh := newShop()
	h := &heard{}
	s := openWatched(t, e, sh, store.Options{Observer: h})
	ctx := t.Context()
	id := insert(t, s, sh.thing, "s", canary)
	nothing := func(store.Row) error { return nil }
	found := where(t, sh.thing, "s", canary)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Get(ctx, sh.thing, id, nil, nothing)
	check(err)
	check(s.Select(ctx, &query.Select{Model: sh.thing, Where: found}, nothing))
	_, err = s.Count(ctx, sh.thing, found)
	check(err)
	check(s.Write(ctx, func(tx store.Tx) error {
		if _, err := tx.Update(ctx, &query.Update{Model: sh.thing, Where: found, Bump: -1, Set: []query.Assign{{Field: slices.Index(names(sh.thing), "i"), Value: int64(1)}}}); err != nil {
			return err
		}
		_, err := tx.Delete(ctx, sh.thing, found)
		return err
	}))
	want := []string{"db Thing insert", "db Thing get", "db Thing select", "db Thing count", "db Thing update", "db Thing delete"}
	if !slices.Equal(h.list, want) {
		t.Errorf("heard of\n%s\nwant\n%s", strings.Join(h.list, "\n"), strings.Join(want, "\n"))
	}
}

// lines is a log whose lines can be waited for.
type lines struct {
	mu      sync.Mutex
	text    strings.Builder
	arrived chan string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	line := `msg="` + r.Message + `"`
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	l.text.WriteString(line + "\n")
	l.mu.Unlock()
	l.arrived <- line
	return nil
}

func (l *lines) wait(t *testing.T, part string) string {
	t.Helper()
	for {
		select {
		case line := <-l.arrived:
			if strings.Contains(line, part) {
				return line
			}
		case <-time.After(time.Minute):
			t.Fatalf("the log never said %s:\n%s", part, l.all())
		}
	}
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
