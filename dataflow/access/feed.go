package access

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Feed keeps what happens to the rows of a database's models whose events are
// served, in the transactions in which it happens, for a while.
//
// The order in which changes get their ids is not that in which they are
// committed, where transactions run beside each other. So a change has no place
// in the feed until it is settled: all that are committed and have none get the
// number of the next batch, one settler after another. Within a batch the ids
// tell the order. Of two changes to one row the second waits for the first one's
// transaction to end, so that it is in a later batch, or in the same with a later
// id. A reader who has seen a place has seen all that will ever be before it.
type Feed struct {
	m, head *dataflow.Model
	clock   *clock
	told    chan struct{}
}

// FeedModels returns the tables that a feed is kept in.
func FeedModels(db *dataflow.Database) []*dataflow.Model {
	return db.System("feed", func() []*dataflow.Model { return []*dataflow.Model{newChangesModel(db), newHeadModel(db)} })
}

// Positions of a change's fields.
const (
	changeID = iota
	changeBatch
	changeModel
	changeRow
	changeBefore
	changeAfter
	changeCreatedAt
	changeUpdatedAt
	changeFields
)

func newChangesModel(db *dataflow.Database) *dataflow.Model {
	m := SystemModel(db, "_flow_changes", dataflow.Int,
		&dataflow.Field{Name: "batch", Type: dataflow.Int, Optional: true, Doc: "its place in the feed, with the id; null until it has one"},
		&dataflow.Field{Name: "model", Type: dataflow.String},
		&dataflow.Field{Name: "row", Type: dataflow.String, Doc: "the row's id, as text"},
		&dataflow.Field{Name: "before", Type: dataflow.JSON, Optional: true, Doc: "null for a create"},
		&dataflow.Field{Name: "after", Type: dataflow.JSON, Optional: true, Doc: "null for a delete"},
	)
	m.Indexes = []dataflow.Index{{Fields: []string{"batch", "id"}}}
	return m
}

// Positions of the head's fields.
const (
	headID = iota
	headLast
	headTrimmed
	headCreatedAt
	headUpdatedAt
)

// headRow is the id of the only row of its table.
const headRow = "feed"

func newHeadModel(db *dataflow.Database) *dataflow.Model {
	return SystemModel(db, "_flow_feed", dataflow.String,
		&dataflow.Field{Name: "last", Type: dataflow.Int, Doc: "the last batch"},
		&dataflow.Field{Name: "trimmed", Type: dataflow.Int, Doc: "the last batch that is not kept any more"},
	)
}

// NewFeed returns the feed kept in db.
func NewFeed(db *dataflow.Database, now func() time.Time) *Feed {
	models := FeedModels(db)
	return &Feed{m: models[0], head: models[1], clock: &clock{now: now}, told: make(chan struct{}, 1)}
}

// Told has something to receive once this process has recorded a change, which
// may not be committed yet.
func (f *Feed) Told() <-chan struct{} { return f.told }

// Place is a place in a feed: behind a change, or behind a batch.
type Place struct{ Batch, ID int64 }

// AfterBatch is the place behind all of a batch.
func AfterBatch(n int64) Place { return Place{n, math.MaxInt64} }

// Before reports whether a place comes before another.
func (p Place) Before(q Place) bool { return p.Batch < q.Batch || p.Batch == q.Batch && p.ID < q.ID }

// String is the place as text: "12-345", or "12" behind a batch.
func (p Place) String() string {
	s := strconv.FormatInt(p.Batch, 10)
	if p.ID != math.MaxInt64 {
		s += "-" + strconv.FormatInt(p.ID, 10)
	}
	return s
}

// ParsePlace reads what String writes.
func ParsePlace(s string) (p Place, ok bool) {
	batch, id, some := strings.Cut(s, "-")
	p.ID = math.MaxInt64
	var err, err2 error
	p.Batch, err = strconv.ParseInt(batch, 10, 64)
	if some {
		p.ID, err2 = strconv.ParseInt(id, 10, 64)
	}
	return p, err == nil && err2 == nil && p.Batch >= 0 && p.ID >= 0 && p.String() == s
}

// record keeps changes to rows of m.
func (f *Feed) record(ctx context.Context, tx store.Tx, m *Model, changes []change) error {
	fields := make([]int, 0, changeFields-1)
	for i := 1; i < changeFields; i++ {
		fields = append(fields, i)
	}
	now := f.clock.tick()
	rows := make([][]any, len(changes))
	for i, ch := range changes {
		row := ch.after
		if row == nil {
			row = ch.before
		}
		e := make([]any, changeFields)
		e[changeModel], e[changeRow] = m.m.Name, idText(row.Vals()[m.id])
		if ch.before != nil {
			e[changeBefore] = dataflow.RawJSON(codec.AppendValue(nil, ch.before))
		}
		if ch.after != nil {
			e[changeAfter] = dataflow.RawJSON(codec.AppendValue(nil, ch.after))
		}
		e[changeCreatedAt], e[changeUpdatedAt] = now, now
		rows[i] = e[1:]
	}
	if _, err := tx.Insert(ctx, f.m, fields, rows); err != nil {
		return err
	}
	select {
	case f.told <- struct{}{}:
	default: // it has been told, and nobody has heard yet
	}
	return nil
}

// Extent is what of a feed is kept: all batches after Trimmed, up to Last.
type Extent struct{ Trimmed, Last int64 }

// Holds reports whether everything after a place is kept, if it is one.
func (e Extent) Holds(p Place) bool {
	return p.Batch <= e.Last && (p.Batch > e.Trimmed || p == AfterBatch(e.Trimmed))
}

// Extent returns what is kept.
func (f *Feed) Extent(ctx context.Context, r store.Reader) (e Extent, err error) {
	err = r.Select(ctx, &query.Select{Model: f.head, Where: compare(f.head, headID, query.Eq, headRow), Limit: 1}, func(row store.Row) error {
		e.Last, _ = row.Value(headLast).(int64)
		e.Trimmed, _ = row.Value(headTrimmed).(int64)
		return nil
	})
	return e, err
}

var errNothing = errors.New("nothing to do")

// Settle gives all changes that are committed and have none a place, and
// returns what the feed then holds.
func (f *Feed) Settle(ctx context.Context, s store.Store) (Extent, error) {
	waiting := false
	pending := compare(f.m, changeBatch, query.Null, true)
	err := s.Select(ctx, &query.Select{Model: f.m, Fields: []int{changeID}, Where: pending, Limit: 1}, func(store.Row) error {
		waiting = true
		return nil
	})
	if err != nil || !waiting {
		e, err2 := f.Extent(ctx, s)
		return e, errors.Join(err, err2)
	}
	var e Extent
	err = s.Write(ctx, func(tx store.Tx) (err error) {
		if e, err = f.lock(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Update(ctx, &query.Update{Model: f.m, Where: pending, Bump: -1, Set: []query.Assign{{Field: changeBatch, Value: e.Last + 1}}})
		if err != nil {
			return err
		}
		if n == 0 {
			return errNothing
		}
		e.Last++
		return f.move(ctx, tx, headLast, e.Last)
	})
	if errors.Is(err, errNothing) {
		err = nil
	}
	return e, err
}

// lock keeps others from settling and trimming until the transaction ends.
func (f *Feed) lock(ctx context.Context, tx store.Tx) (e Extent, err error) {
	found := false
	err = tx.Select(ctx, &query.Select{Model: f.head, Where: compare(f.head, headID, query.Eq, headRow), Limit: 1, Lock: true}, func(row store.Row) error {
		found = true
		e.Last, _ = row.Value(headLast).(int64)
		e.Trimmed, _ = row.Value(headTrimmed).(int64)
		return nil
	})
	if err != nil || found {
		return e, err
	}
	now := f.clock.tick()
	_, err = tx.Insert(ctx, f.head, []int{headID, headLast, headTrimmed, headCreatedAt, headUpdatedAt}, [][]any{{headRow, int64(0), int64(0), now, now}})
	return e, err
}

func (f *Feed) move(ctx context.Context, tx store.Tx, field int, to int64) error {
	_, err := tx.Update(ctx, &query.Update{Model: f.head, Where: compare(f.head, headID, query.Eq, headRow), Bump: -1,
		Set: []query.Assign{{Field: field, Value: to}, {Field: headUpdatedAt, Value: f.clock.tick()}}})
	return err
}

// Trim forgets the batches of which every change is older than keep.
func (f *Feed) Trim(ctx context.Context, s store.Store, keep time.Duration) error {
	if _, err := f.Settle(ctx, s); err != nil { // so that what goes has had a place
		return err
	}
	cutoff := f.clock.tick().Add(-keep)
	err := s.Write(ctx, func(tx store.Tx) error {
		e, err := f.lock(ctx, tx)
		if err != nil {
			return err
		}
		upTo := e.Last
		where := query.And{compare(f.m, changeBatch, query.Gt, e.Trimmed), compare(f.m, changeCreatedAt, query.Gt, cutoff)}
		q := &query.Select{Model: f.m, Fields: []int{changeBatch}, Where: where, Order: []query.Order{{Field: changeBatch}}, Limit: 1}
		err = tx.Select(ctx, q, func(row store.Row) error {
			upTo = row.Value(0).(int64) - 1
			return nil
		})
		if err != nil {
			return err
		}
		if upTo == e.Trimmed {
			return errNothing
		}
		if _, err := tx.Delete(ctx, f.m, compare(f.m, changeBatch, query.Lte, upTo)); err != nil {
			return err
		}
		return f.move(ctx, tx, headTrimmed, upTo)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// Event is one change in a feed.
type Event struct {
	Place         Place
	Model, Row    string // the model's name, the row's id as text
	before, after dataflow.RawJSON
}

// Read hands f up to limit events after a place, in order, but none behind the
// batch upTo.
func (f *Feed) Read(ctx context.Context, r store.Reader, after Place, upTo int64, limit int, each func(Event) error) error {
	where := query.And{
		compare(f.m, changeBatch, query.Gte, after.Batch), compare(f.m, changeBatch, query.Lte, upTo),
		query.Or{compare(f.m, changeBatch, query.Gt, after.Batch), compare(f.m, changeID, query.Gt, after.ID)},
	}
	return r.Select(ctx, &query.Select{Model: f.m, Where: where, Order: []query.Order{{Field: changeBatch}}, Limit: limit}, func(row store.Row) error {
		e := Event{}
		e.Place.ID, _ = row.Value(changeID).(int64)
		e.Place.Batch, _ = row.Value(changeBatch).(int64)
		e.Model, _ = row.Value(changeModel).(string)
		e.Row, _ = row.Value(changeRow).(string)
		e.before, _ = row.Value(changeBefore).(dataflow.RawJSON)
		e.after, _ = row.Value(changeAfter).(dataflow.RawJSON)
		return each(e)
	})
}

// Change returns the rows of an event. What has become of the model since does
// not matter: fields that are new are null, as is what is no value any more.
func (m *Model) Change(e Event) Change {
	return Change{Before: m.kept(e.before), After: m.kept(e.after)}
}

func (m *Model) kept(raw dataflow.RawJSON) *dataflow.Object {
	o := objectIn(raw)
	if o == nil {
		return nil
	}
	vals := make([]any, m.m.Shape().Len())
	for i := range vals {
		if vals[i] = dataflow.Absent; i >= len(m.m.Fields) {
			continue
		}
		vals[i] = nil
		f := m.m.Fields[i]
		if v, _ := o.Get(f.Name); v != nil {
			if v, problems := codec.CoerceType(f.Type.Scalar(), v, ""); len(problems) == 0 {
				vals[i] = v
			}
		}
	}
	return dataflow.NewRecord(m.m.Shape(), vals)
}

// View is what a caller sees of the rows of a model: which, and what of them.
type View struct {
	m     *Model
	where query.Expr
	show  []int // positions in the shape; nil is all
}

// View returns what a caller sees of the rows that match a filter. fields are
// positions in the model's shape; nil is all.
func (m *Model) View(c Caller, filter query.Expr, fields []int) (*View, error) {
	where, err := m.scope(c, false, filter)
	if err != nil {
		return nil, err
	}
	return &View{m: m, where: where, show: m.reading(m.sight(c), fields).show}, nil
}

// Event says what a change is in the eyes of a view: "created" for a row that
// comes into it, "updated" for one that was in it and stays, "deleted" for one
// that leaves it; "" for a change that is none. r is for looking up what rows
// refer to, as that is now.
func (v *View) Event(ctx context.Context, r store.Reader, ch Change) (string, error) {
	before, err := v.sees(ctx, r, ch.Before)
	if err != nil {
		return "", err
	}
	after, err := v.sees(ctx, r, ch.After)
	switch {
	case before && after:
		return "updated", err
	case after:
		return "created", err
	case before:
		return "deleted", err
	}
	return "", err
}

func (v *View) sees(ctx context.Context, r store.Reader, row *dataflow.Object) (bool, error) {
	if row == nil {
		return false, nil
	}
	return v.m.lets(ctx, r, v.where, row)
}

// AppendRow appends what the view shows of a row.
func (v *View) AppendRow(ctx context.Context, row *dataflow.Object, dst []byte) ([]byte, error) {
	full, err := v.m.withComputed(ctx, row)
	if err != nil {
		return dst, err
	}
	if v.show != nil {
		vals := make([]any, len(full.Vals()))
		for i := range vals {
			vals[i] = dataflow.Absent
		}
		for _, i := range v.show {
			vals[i] = full.Vals()[i]
		}
		full = dataflow.NewRecord(full.Shape(), vals)
	}
	return codec.AppendValue(dst, full), nil
}
