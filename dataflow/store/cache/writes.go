package cache

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flowctl/flowctl/dataflow"
)

// Writes knows of every table of a database when this process has written to it.
// All stores of the database have the same, those of earlier versions of the app
// among them. It is safe for concurrent use.
type Writes struct {
	mu     sync.Mutex
	tables map[string]*table
}

// table is what is known of the writes to a table. While one is under way, and
// nobody can tell whether others see it already, nothing is answered from what
// is kept.
type table struct {
	writing atomic.Int64
	version atomic.Uint64
}

func (w *Writes) table(name string) *table {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tables[name]
	if t == nil {
		if w.tables == nil {
			w.tables = map[string]*table{}
		}
		t = &table{}
		w.tables[name] = t
	}
	return t
}

func (t *table) begin() {
	t.writing.Add(1)
	t.version.Add(1)
}

func (t *table) end() {
	t.version.Add(1)
	t.writing.Add(-1)
}

// state is the state of a table that an answer shows.
type state struct {
	of      *table
	version uint64
}

// now is the state of a table; settled is false while it is written to.
func (t *table) now() (s state, settled bool) {
	s = state{t, t.version.Load()}
	return s, t.writing.Load() == 0
}

// writing are the tables that a transaction has written to. It is used from one
// goroutine at a time.
type writing struct {
	of     *Store
	tables []*table
}

// begin notes that rows of a model are about to change.
func (w *writing) begin(m *dataflow.Model) { w.add(w.of.table(m)) }

// beginDelete notes that rows of a model are about to go, which may take others
// along, or empty what refers to them.
func (w *writing) beginDelete(m *dataflow.Model) {
	seen := []*dataflow.Model{m}
	for i := 0; i < len(seen); i++ {
		w.begin(seen[i])
		for _, other := range w.of.db.Models {
			if !slices.Contains(seen, other) && follows(other, seen[i]) {
				seen = append(seen, other)
			}
		}
	}
}

// follows reports whether rows of a model change when one of another goes.
func follows(m, gone *dataflow.Model) bool {
	return slices.ContainsFunc(m.Fields, func(f *dataflow.Field) bool {
		return f.Type.Kind == dataflow.KindRef && f.Type.Model == gone && (f.OnDelete == "cascade" || f.OnDelete == "set_null")
	})
}

// beginAll notes that nobody knows what is about to change.
func (w *writing) beginAll() {
	for _, m := range w.of.db.Models {
		w.begin(m)
	}
}

// add notes a write to a table; nil is one of which nothing is kept.
func (w *writing) add(t *table) {
	if t == nil || slices.Contains(w.tables, t) {
		return
	}
	t.begin()
	w.tables = append(w.tables, t)
}

func (w *writing) end() {
	for _, t := range w.tables {
		t.end()
	}
}
