package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// Add implements store.Adder: a statement that is its own transaction, one
// round trip instead of the three of BEGIN, INSERT and COMMIT.
func (s *Store) Add(ctx context.Context, m *dataflow.Model, fields []int, row []any) (id any, err error) {
	tab, err := s.table(m)
	if err != nil {
		return nil, err
	}
	at := slices.Index(fields, tab.id)
	given := at >= 0 && row[at] != nil
	var cols []int // positions in fields that are sent
	for i := range fields {
		if i != at || given {
			cols = append(cols, i)
		}
	}
	several := len(cols) == 0 || given && tab.autoID // takes more than one statement, or another
	if !several {
		if several, err = s.diverts(ctx, m); err != nil {
			return nil, err
		}
	}
	if several {
		err = s.Write(ctx, func(tx store.Tx) error {
			ids, err := tx.Insert(ctx, m, fields, [][]any{row})
			if err == nil {
				id = ids[0]
			}
			return err
		})
		return id, err
	}
	var ids []any
	err = s.persist(ctx, func(attempt int) (err error, again bool) {
		ids, err, again = s.addOnce(ctx, attempt > 1, inserting{tab: tab, fields: fields, rows: [][]any{row}, alone: true}, cols)
		return err, again
	})
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0: // by a trigger that is new: what it did stays, the next row is undone
		s.noteDiversion(m, true)
		return nil, store.Refused(m, "", "", errDiverted)
	}
	return ids[0], nil
}

// addOnce is one attempt, on a connection that has just answered if alive. The
// statement returns the id even if that is known: its row comes before the
// server begins to commit, so where none has come nothing was committed.
func (s *Store) addOnce(ctx context.Context, alive bool, in inserting, cols []int) (ids []any, err error, again bool) {
	c, err := s.take(ctx, alive)
	if err != nil {
		return nil, err, false
	}
	defer c.put()
	own, end := c.withAnswer(ctx)
	defer end()
	in.tx = &tx{session: session{s, c}}
	if err = in.single(own, 0, cols, -1, false); err == nil {
		return in.ids, nil, false
	}
	switch {
	case c.lost() && !c.undone(err):
		return nil, unknownCommit(err), false
	case ctx.Err() != nil:
		return nil, store.Interrupted(ctx.Err()), false
	}
	return nil, err, c.lost() || c.stale || retryable(err)
}

// undone reports whether a statement on a connection that is lost can't have
// been committed: it was not sent, or the server itself has said, before any
// row, that it ends the connection. A pooler may say so without knowing.
func (c *conn) undone(err error) bool {
	return !c.sent || pgconn.SafeToRetry(err) || sqlState(err) == shutDown && !c.shown && !c.unnamed
}

// cancelWait bounds how long an answer is waited for once the server has been
// asked to give up a statement.
const cancelWait = 2 * time.Second

// withAnswer returns a context for a statement that commits itself. When ctx
// is done the server is asked to give the statement up, and its answer is
// waited for: to leave without would be not to know. end must be called before
// the connection is put back.
func (c *conn) withAnswer(ctx context.Context) (own context.Context, end func()) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		limit, done := context.WithTimeout(own, cancelWait)
		defer done()
		_ = c.CancelRequest(limit) // if it fails there may be an answer all the same
		<-limit.Done()
		cancel()
	})
	return own, func() {
		cancel()
		if !stop() {
			c.hangUp() // what was asked may arrive late, and end another's statement
		}
	}
}
