package postgres

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Reads of single rows that come at the same time share round trips. A read
// that finds fewer than most trips of its table under way goes by itself, at no
// cost; one that comes later waits, and with all that wait by then is asked for
// in one statement, WHERE id = ANY ($1), as soon as a trip is over. So nothing
// waits for company: what a read waits for is a connection that the server
// would not have been quicker on either.
//
// What holds:
//
//   - A read joins only a statement that has not been sent. The server takes
//     the statement's snapshot after that, so a read sees every write that was
//     acknowledged before it began, its caller's own included.
//   - Each caller is handed its row in its own goroutine, from a copy. Its
//     function may take long, fail or panic, and it may leave at any time,
//     without anybody else noticing. A statement is cancelled when all who
//     wait for it have left.
//   - A statement that fails is nobody's error: each who waited reads again by
//     itself, and has the error, the second attempt and the time limit of such a
//     read. If there is no connection, all are told so.
//   - Tables wait for themselves only: one that is locked holds up no other.
//
// Reads in a transaction or a snapshot are not gathered.
type gathering struct {
	mu      sync.Mutex
	trips   int // under way
	most    int // of trips
	waiting []*lookup
	spare   sync.Pool // of *lookup
}

// maxGathered bounds a statement, so that the first of its rows is not kept
// waiting for too many others.
const maxGathered = 64

// mostTrips is how many round trips are under way for a table before reads
// wait: one for every two processors. More make the gathered statements
// smaller; fewer leave processors idle while the answers are handed out, which
// two are not, for they have the requests to read and to answer meanwhile.
func mostTrips() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// lookup is one read that waits.
type lookup struct {
	id     any // canonical
	arg    any // as it is sent
	fields []int
	done   chan struct{} // is sent to once, when the rest is set

	vals  [][]byte // the row's; nil: there is none
	buf   []byte   // that vals are in
	err   error
	alone bool // it is to be read by itself

	left bool  // its caller is gone; guarded by gathering.mu
	trip *trip // once it is under way; guarded by gathering.mu
}

// trip is a statement for several reads.
type trip struct {
	lookups []*lookup
	here    int // callers that have not left; guarded by gathering.mu
	cancel  context.CancelFunc
}

// enter begins a read. nil means that it is to go by itself, and that leave
// must be called once it has been answered.
func (g *gathering) enter(id, arg any, fields []int) *lookup {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trips < g.most {
		g.trips++
		return nil
	}
	a, ok := g.spare.Get().(*lookup)
	if !ok {
		a = &lookup{done: make(chan struct{}, 1)}
	}
	*a = lookup{id: id, arg: arg, fields: fields, done: a.done, vals: a.vals[:0], buf: a.buf[:0]}
	g.waiting = append(g.waiting, a)
	return a
}

// next returns the reads that have waited longest and ask for the same fields,
// or nil if none waits, which ends the trip.
func (g *gathering) next() *trip {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t *trip
	rest := g.waiting[:0]
	for _, a := range g.waiting {
		switch {
		case a.left:
		case t == nil:
			t = &trip{lookups: []*lookup{a}}
			a.trip = t
		case len(t.lookups) < maxGathered && slices.Equal(a.fields, t.lookups[0].fields) && (a.fields == nil) == (t.lookups[0].fields == nil):
			t.lookups = append(t.lookups, a)
			a.trip = t
		default:
			rest = append(rest, a)
		}
	}
	clear(g.waiting[len(rest):])
	g.waiting = rest
	if t == nil {
		g.trips--
		return nil
	}
	t.here = len(t.lookups)
	return t
}

// abandon notes that a read's caller is gone.
func (g *gathering) abandon(a *lookup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.left = true
	if t := a.trip; t != nil {
		if t.here--; t.here == 0 && t.cancel != nil {
			t.cancel()
		}
	}
}

// keep makes room for the copies of rows to come.
func (g *gathering) keep(a *lookup) {
	if cap(a.buf) > maxKept {
		a.buf = nil
	}
	a.id, a.arg, a.fields, a.trip, a.err = nil, nil, nil, nil, nil
	clear(a.vals)
	g.spare.Put(a)
}

// leave ends a trip, or goes on with those who wait.
func (s *Store) leave(t *table) {
	g := &t.gathering
	if trip := g.next(); trip != nil {
		go func() {
			for ; trip != nil; trip = g.next() {
				s.travel(t, trip)
			}
		}()
	}
}

// Get implements store.Reader.
func (s *Store) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (found bool, err error) {
	t, err := s.table(m)
	if err != nil {
		return false, err
	}
	if t.getMany == "" {
		return s.getAlone(ctx, t, id, fields, f)
	}
	if err := ctx.Err(); err != nil {
		return false, store.Interrupted(err)
	}
	a := t.gathering.enter(id, s.dialect.Encode(t.columns[t.id].typ, id), fields)
	if a != nil {
		return s.getGathered(ctx, t, a, f)
	}
	left := false
	leave := func() {
		if !left {
			left = true
			s.leave(t)
		}
	}
	defer leave()
	return s.getAlone(ctx, t, id, fields, func(row store.Row) error {
		leave() // the server has answered; how long f takes is nobody else's matter
		return f(row)
	})
}

// getAlone reads a row by a statement of its own.
func (s *Store) getAlone(ctx context.Context, t *table, id any, fields []int, f func(store.Row) error) (found bool, err error) {
	err = s.read(ctx, func(r session) error {
		found, err = r.Get(ctx, t.model, id, fields, f)
		return err
	})
	return found, err
}

// getGathered waits until a read has been asked for together with others.
func (s *Store) getGathered(ctx context.Context, t *table, a *lookup, f func(store.Row) error) (found bool, err error) {
	select {
	case <-a.done:
	case <-ctx.Done():
		t.gathering.abandon(a)
		return false, store.Interrupted(ctx.Err())
	}
	switch {
	case a.alone:
		return s.getAlone(ctx, t, a.id, a.fields, f)
	case a.err != nil:
		return false, a.err
	}
	if found = len(a.vals) > 0; found {
		fields := a.fields
		if fields == nil {
			fields = t.all
		}
		err = f(&row{table: t, fields: fields, vals: a.vals[:len(fields)]})
	}
	t.gathering.keep(a)
	return found && err == nil, err
}

// travel asks for the rows of a trip and tells all who wait.
func (s *Store) travel(t *table, trip *trip) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.gathering.mu.Lock()
	trip.cancel = cancel
	if trip.here == 0 {
		cancel()
	}
	t.gathering.mu.Unlock()
	connected := false
	err := s.read(ctx, func(r session) error {
		connected = true
		return r.getMany(ctx, t, trip.lookups)
	})
	for _, a := range trip.lookups {
		switch {
		case err != nil && connected:
			a.alone = true
		case err != nil:
			own := *dataflow.AsError(err)
			a.err = &own
		}
		a.done <- struct{}{}
	}
}

// getMany asks for the rows of several reads of the same fields.
func (r session) getMany(ctx context.Context, t *table, lookups []*lookup) error {
	for _, a := range lookups {
		a.vals, a.buf = a.vals[:0], a.buf[:0]
	}
	b := r.builder()
	fields, at := lookups[0].fields, 0
	switch {
	case fields == nil:
		fields, at = t.all, t.id
		b.Raw(t.selectAll)
	default:
		if at = slices.Index(fields, t.id); at < 0 { // it says whose a row is
			at = len(fields)
			fields = append(slices.Clip(fields), t.id)
		}
		b.Raw("SELECT ").Columns(t.model, fields).Raw(" FROM ").Ident(t.model.Table)
	}
	b.Raw(t.getMany)
	ids := newArray(t.idElement, len(lookups))
	for _, a := range lookups {
		ids = ids.add(a.arg)
	}
	b.Args = append(b.Args, ids)
	return r.rows(ctx, b, store.Statement{Kind: store.KindGet, Model: t.model}, t, fields, func(found store.Row) error {
		id, vals := found.Value(at), found.(*row).vals
		for _, a := range lookups {
			if a.id == id {
				a.copy(vals)
			}
		}
		return nil
	})
}

// copy keeps a row, which is valid only until the next is read.
func (a *lookup) copy(vals [][]byte) {
	size := 0
	for _, v := range vals {
		size += len(v)
	}
	a.buf = slices.Grow(a.buf[:0], size)
	a.vals = slices.Grow(a.vals[:0], len(vals))
	for _, v := range vals {
		if v != nil {
			from := len(a.buf)
			a.buf = append(a.buf, v...)
			v = a.buf[from:len(a.buf):len(a.buf)]
		}
		a.vals = append(a.vals, v)
	}
}

// gatherable works out the statement for several rows. It is left out where
// equal ids may be written differently, as in text of another program's
// collation.
func (t *table) gatherable(d dialect) {
	idType := t.columns[t.id].typ
	if d.foreign && formOf(idType) == formText {
		return
	}
	oid, name, cast := elements(idType)
	if cast != "" {
		cast += "[]"
	}
	b := query.Builder{Dialect: d}
	b.Raw(" WHERE ").Ident(t.model.ID().ColumnName()).Raw(" = ANY ($1::" + name + "[]" + cast + ")")
	t.live(&b)
	t.getMany, t.idElement, t.gathering.most = string(b.SQL), oid, mostTrips()
}
