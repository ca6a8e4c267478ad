package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	if len(h.schedules) == 0 {
		return next, nil
	}
	if force, err := h.inForce(ctx, now); err != nil || !force {
		return next, err
	}
	if h.ticked.Sub(now) > setBack {
		clear(h.due) // they may have to count from here
	}
	h.ticked = now
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

// Of several versions of the app that are served at a time, one has its
// timetable in force: that of the process which came last. Else two that say
// different times for one schedule would each take the other's for a change of
// it, and none would ever be due. A row tells which. Processes of the version
// change it now and then: where they no longer do, another takes over.

// forceRow is the id of that row; no schedule is called so.
const forceRow = "(version in force)"

// force is what a process knows of which version is in force.
type force struct {
	known   bool      // it has looked, and taken over as the one that came last
	own     bool      // it is this process's
	looked  time.Time // when that was
	version string
	beat    time.Time // what the row had
	since   time.Time // when that was first seen
}

// forceSilence is for how many times the silence of a dead process the
// processes of a version may not be heard of, before another is in force.
const forceSilence = 20

// inForce reports whether the timetable of this process's version is.
func (h *home) inForce(ctx context.Context, now time.Time) (bool, error) {
	f := h.force
	patience := forceSilence * h.runs.opts.Silence
	if f.known && time.Since(f.looked) < patience/3 {
		return f.own, nil
	}
	f.looked = time.Now()
	t := h.tables.timetable
	err := h.write(ctx, func(tx store.Tx) error {
		version, beat, err := h.versionInForce(ctx, tx, true)
		if err != nil {
			return err
		}
		if version == "" {
			f.version, f.beat, f.since = h.edition, now, f.looked
			_, err := tx.Insert(ctx, t, fields(entryFields), [][]any{{forceRow, h.edition, now, now, now}})
			return err
		}
		heard := version != f.version || !beat.Equal(f.beat) // since the last look
		if heard {
			f.version, f.beat, f.since = version, beat, f.looked
		}
		own := version == h.edition
		if own && (heard || !f.known) || !own && f.known && f.looked.Sub(f.since) < patience {
			return nil
		}
		f.version, f.beat, f.since = h.edition, now, f.looked
		if !now.After(beat) { // the clock has been set back
			f.beat = beat.Add(time.Microsecond)
		}
		_, err = tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: equal(t, entryID, forceRow),
			Set: []query.Assign{set(entrySpec, f.version), set(entryNextAt, f.beat), set(entryUpdatedAt, now)}})
		return err
	})
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "unique_violation" {
		return false, nil // another process was faster: look again
	}
	if err != nil {
		return false, err
	}
	if f.known, f.own = true, f.version == h.edition; f.own && !h.force.own {
		clear(h.due) // others have seen to it meanwhile
	}
	h.force = f
	return f.own, nil
}

// versionInForce reads the row; version is "" where there is none.
func (h *home) versionInForce(ctx context.Context, tx store.Tx, lock bool) (version string, beat time.Time, err error) {
	t := h.tables.timetable
	err = tx.Select(ctx, &query.Select{Model: t, Where: equal(t, entryID, forceRow), Limit: 1, Lock: lock}, func(row store.Row) error {
		version, _ = row.Value(entrySpec).(string)
		beat, _ = row.Value(entryNextAt).(time.Time)
		return nil
	})
	return version, beat, err
}

// editionOf tells apart versions of the app by their timetables.
func (h *home) editionOf() string {
	if hash := h.runs.opts.Source.Hash(); hash != "" {
		return hash
	}
	var b strings.Builder
	for _, s := range h.schedules {
		fmt.Fprintf(&b, "%q %q ", s.Name, s.Spec)
	}
	return b.String()
}

// backAgain is how far the clock has to be set back for a schedule to count from
// what it shows now, and so to come again at times that have been. It is as with
// cron: what follows the time that passes does so at once, and what has a time of
// the day has it once, unless more than three hours are gone through anew.
func backAgain(s *engine.Timed) time.Duration {
	if s.Passing() {
		return time.Minute
	}
	return 3 * time.Hour
}

// tickOne starts a schedule's run if it is due, and returns when it is next.
func (h *home) tickOne(ctx context.Context, s *engine.Timed, now time.Time) (next time.Time, err error) {
	t := h.tables.timetable
	err = h.write(ctx, func(tx store.Tx) error {
		version, _, err := h.versionInForce(ctx, tx, false)
		if err != nil {
			return err
		}
		if version != h.edition { // since the last look
			h.force.own, next = false, now.Add(h.runs.opts.Pace)
			return nil
		}
		var spec string
		var looked time.Time
		there := false
		q := &query.Select{Model: t, Where: equal(t, entryID, s.Name), Limit: 1, Lock: true}
		err = tx.Select(ctx, q, func(row store.Row) error {
			there = true
			spec, _ = row.Value(entrySpec).(string)
			next, _ = row.Value(entryNextAt).(time.Time)
			looked, _ = row.Value(entryUpdatedAt).(time.Time)
			return nil
		})
		if err == nil {
			now, err = h.nowIn(ctx, tx) // no earlier than what the row tells of
		}
		switch {
		case err != nil:
			return err
		case !there:
			next = s.Next(now)
			_, err := tx.Insert(ctx, t, fields(entryFields), [][]any{{s.Name, s.Spec, next, now, now}})
			return err
		case spec != s.Spec, // written anew: it counts from here
			looked.Sub(now) > backAgain(s): // the clock was set back: else the next time might be years away
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
