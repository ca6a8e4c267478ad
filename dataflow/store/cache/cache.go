// Package cache keeps what a database has answered, for a while, and answers
// the same question again without it: DataFlow(cache_enabled = True).
//
// What this process writes is seen at once: while a transaction writes to a
// table nothing is answered from what is kept of it, and after that nothing that
// was read before. What others write, another process or a trigger of the
// database, is seen when the time of what is kept is over.
//
// Only reads outside transactions and snapshots are answered so. What a write
// depends on is always read from the database.
package cache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/internal/lru"
)

// Bounds of what is kept of a database.
const (
	MaxAnswers = 10_000
	MaxBytes   = 64 << 20
	MaxAnswer  = 1 << 20 // bytes; a larger one is not kept
)

// Store is a store.Store that keeps answers. Close closes the store below.
type Store struct {
	store.Store
	db     *dataflow.Database
	ttl    time.Duration
	now    func() time.Time
	tables map[string]*table // of the app's models, by name
	kept   *lru.Cache[string, *answer]

	hits, misses atomic.Uint64
}

// New returns s with a cache in front of it, as db's options say. w is that of
// all stores of the database. now is the clock; nil is time.Now.
func New(s store.Store, db *dataflow.Database, w *Writes, now func() time.Time) *Store {
	c := &Store{Store: s, db: db, ttl: db.Options.CacheTTL, now: now, tables: make(map[string]*table, len(db.Models)),
		kept: lru.New[string, *answer](MaxAnswers, MaxBytes)}
	if now == nil {
		c.now = time.Now
	}
	for _, m := range db.Models {
		c.tables[m.Table] = w.table(m.Table)
	}
	return c
}

// Below returns the store that is asked, for store.As.
func (s *Store) Below() store.Store { return s.Store }

// Share implements store.Sharer: what it returns is a store without a cache, for
// the other version of the app has options of its own.
func (s *Store) Share(ctx context.Context, db *dataflow.Database, o store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	if below, ok := s.Store.(store.Sharer); ok {
		return below.Share(ctx, db, o)
	}
	return nil, nil, nil
}

// table is what is known of a model's table, nil for one of the runtime's own:
// nothing is kept of those.
func (s *Store) table(m *dataflow.Model) *table { return s.tables[m.Table] }

// Get implements store.Reader.
func (s *Store) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	q := newQuestion("get ")
	q.of(m, fields)
	q.value(id)
	found := false
	err := s.answer(q, rowsOf(m, fields), f, func(f func(store.Row) error) error {
		_, err := s.Store.Get(ctx, m, id, fields, f)
		return err
	}, &found)
	return found, err
}

// Select implements store.Reader.
func (s *Store) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	if q.Lock {
		return s.Store.Select(ctx, q, f)
	}
	asked := newQuestion("select ")
	asked.of(q.Model, q.Fields)
	asked.b.Tail(q)
	return s.answer(asked, rowsOf(q.Model, q.Fields), f, func(f func(store.Row) error) error { return s.Store.Select(ctx, q, f) }, nil)
}

// Aggregate implements store.Reader.
func (s *Store) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	asked := newQuestion("aggregate ")
	asked.b.Aggregate(q)
	return s.answer(asked, rowsOf(q.Out, nil), f, func(f func(store.Row) error) error { return s.Store.Aggregate(ctx, q, f) }, nil)
}

// Count implements store.Reader.
func (s *Store) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	q := newQuestion("count ")
	q.of(m, []int{})
	q.b.Where(where)
	defer q.done()
	key, states, ok := s.look(q)
	if !ok {
		return s.Store.Count(ctx, m, where)
	}
	if a := s.find(key, states); a != nil {
		return a.count, nil
	}
	n, err := s.Store.Count(ctx, m, where)
	if err == nil {
		s.keep(key, &answer{states: states, count: n}, 0)
	}
	return n, err
}

// answer hands f the rows of an answer: those that are kept, or those that ask
// gives. found, if set, hears whether there is one.
func (s *Store) answer(q *question, form form, f func(store.Row) error, ask func(func(store.Row) error) error, found *bool) error {
	key, states, ok := s.look(q)
	q.done()
	tell := func(row store.Row) error {
		if found != nil {
			*found = true
		}
		return f(row)
	}
	if !ok {
		return ask(tell)
	}
	if a := s.find(key, states); a != nil {
		for i := range a.rows {
			if err := tell(&a.rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	a, size := &answer{states: states}, 0
	err := ask(func(row store.Row) error {
		if size <= MaxAnswer { // else it is read on, and not kept
			k := form.keep(row)
			size += k.size()
			a.rows = append(a.rows, k)
			if size > MaxAnswer {
				a.rows = nil
			}
		}
		return tell(row)
	})
	if err == nil && size <= MaxAnswer {
		s.keep(key, a, size)
	}
	return err
}

// look returns the key of a question, and the states of the tables that its
// answer is made of; ok is false if it has to be asked.
func (s *Store) look(q *question) (key string, states []state, ok bool) {
	for _, m := range q.models {
		t := s.table(m)
		if t == nil {
			return "", nil, false
		}
		now, settled := t.now()
		if !settled {
			return "", nil, false
		}
		states = append(states, now)
	}
	return q.key(), states, true
}

// find returns a kept answer, if it is of the state that the tables are in.
func (s *Store) find(key string, states []state) *answer {
	if a, ok := s.kept.Get(key, s.now()); ok && a.shows(states) {
		s.hits.Add(1)
		return a
	}
	s.misses.Add(1)
	return nil
}

func (s *Store) keep(key string, a *answer, size int) {
	s.kept.Put(key, a, size+len(key)+answerSize, s.now(), s.ttl)
}

// Stats implements store.Measured.
func (s *Store) Stats() store.Stats {
	var st store.Stats
	if m, ok := s.Store.(store.Measured); ok {
		st = m.Stats()
	}
	st.Hits, st.Misses = s.hits.Load(), s.misses.Load()
	return st
}

// Now implements store.Clock where the store below does; else it is the time
// here.
func (s *Store) Now(ctx context.Context) (time.Time, error) { return nowOf(ctx, s.Store) }

func nowOf(ctx context.Context, of any) (time.Time, error) {
	if c, ok := of.(store.Clock); ok {
		return c.Now(ctx)
	}
	return time.Now(), nil
}

// Add implements store.Adder.
func (s *Store) Add(ctx context.Context, m *dataflow.Model, fields []int, row []any) (id any, err error) {
	adder, ok := s.Store.(store.Adder)
	if !ok {
		err = s.Write(ctx, func(tx store.Tx) error {
			ids, err := tx.Insert(ctx, m, fields, [][]any{row})
			if err == nil {
				id = ids[0]
			}
			return err
		})
		return id, err
	}
	w := writing{of: s}
	w.begin(m)
	defer w.end()
	return adder.Add(ctx, m, fields, row)
}

// Write implements store.Store. Whether it fails or not, what was kept of the
// tables it wrote to is not used any more: a commit may have happened though
// nobody can say so.
func (s *Store) Write(ctx context.Context, f func(store.Tx) error) error {
	w := writing{of: s}
	defer w.end()
	return s.Store.Write(ctx, func(below store.Tx) error { return f(&tx{Tx: below, w: &w}) })
}

// tx is a transaction that tells what it writes to.
type tx struct {
	store.Tx
	w *writing
}

func (t *tx) Insert(ctx context.Context, m *dataflow.Model, fields []int, rows [][]any) ([]any, error) {
	t.w.begin(m)
	return t.Tx.Insert(ctx, m, fields, rows)
}

func (t *tx) Update(ctx context.Context, u *query.Update) (int64, error) {
	t.w.begin(u.Model)
	return t.Tx.Update(ctx, u)
}

func (t *tx) Delete(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	t.w.beginDelete(m)
	return t.Tx.Delete(ctx, m, where)
}

func (t *tx) Batch(ctx context.Context, changes []store.Change) ([]int64, error) {
	t.beginBatch(changes)
	return t.Tx.Batch(ctx, changes)
}

func (t *tx) Last(ctx context.Context, first *query.Update, rest []store.Change) error {
	t.w.begin(first.Model)
	t.beginBatch(rest)
	return t.Tx.Last(ctx, first, rest)
}

func (t *tx) beginBatch(changes []store.Change) {
	for _, c := range changes {
		if c.Update != nil {
			t.w.begin(c.Update.Model)
		} else {
			t.w.begin(c.Into)
		}
	}
}

func (t *tx) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	if q.Write {
		t.w.beginAll()
	}
	return t.Tx.Query(ctx, q, args)
}

// Now implements store.Clock, as Store does.
func (t *tx) Now(ctx context.Context) (time.Time, error) { return nowOf(ctx, t.Tx) }
