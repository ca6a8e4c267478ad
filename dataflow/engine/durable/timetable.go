package durable

import (
	"context"
	"errors"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// tick starts the runs of schedules that are due, and returns how long until
// the next is. The table says when that is, and is changed in the transaction
// that starts the run: of several processes one starts it. What was due while
// none ran is made up for once.
func (h *home) tick(ctx context.Context, now time.Time) (time.Duration, error) {
	next := h.runs.opts.Pace
	for _, s := range h.schedules {
		at, known := h.due[s.Name]
		if !known || !now.Before(at) {
			var err error
			if at, err = h.tickOne(ctx, s, now); err != nil {
				return 0, err
			}
			h.due[s.Name] = at
		}
		next = min(next, at.Sub(now))
	}
	return max(next, 0), nil
}

// tickOne starts a schedule's run if it is due, and returns when it is next.
func (h *home) tickOne(ctx context.Context, s *engine.Timed, now time.Time) (next time.Time, err error) {
	t := h.tables.timetable
	err = h.store.Write(ctx, func(tx store.Tx) error {
		var spec string
		there := false
		q := &query.Select{Model: t, Where: equal(t, entryID, s.Name), Limit: 1, Lock: true}
		err := tx.Select(ctx, q, func(row store.Row) error {
			there = true
			spec, _ = row.Value(entrySpec).(string)
			next, _ = row.Value(entryNextAt).(time.Time)
			return nil
		})
		switch {
		case err != nil:
			return err
		case !there:
			next = s.Next(now)
			_, err := tx.Insert(ctx, t, fields(entryFields), [][]any{{s.Name, s.Spec, next, now, now}})
			return err
		case spec != s.Spec: // written anew: it counts from here
			next = s.Next(now)
		case now.Before(next): // another process was faster
			return nil
		default:
			r := h.newRun(h.runs.opts.NewID(), s.Workflow, s.Inputs, access.Caller{})
			r.Origin = "schedule " + s.Name
			if err := h.enqueue(ctx, tx, r); err != nil {
				return err
			}
			next = s.Next(now)
		}
		_, err = tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: equal(t, entryID, s.Name),
			Set: []query.Assign{set(entrySpec, s.Spec), set(entryNextAt, next), set(entryUpdatedAt, now)}})
		return err
	})
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "unique_violation" {
		return now, nil // two processes saw it for the first time: look again
	}
	return next, err
}

// purgeEvery is how often runs are looked for that have been kept long enough.
const purgeEvery = time.Minute

// forget drops runs that have been kept long enough.
func (h *home) forget(ctx context.Context) {
	keep := h.runs.opts.Keep
	if keep <= 0 || time.Since(h.purged) < purgeEvery {
		return
	}
	h.purged = time.Now()
	n, err := h.purge(ctx, h.now().Add(-keep), "")
	if err != nil && ctx.Err() == nil {
		h.runs.opts.Logger.Warn("runs that ended long ago could not be forgotten", "database", h.db.Name, "error", err)
	}
	if n > 0 {
		h.runs.opts.Logger.Info("runs that ended long ago are forgotten", "database", h.db.Name, "runs", n)
	}
}
