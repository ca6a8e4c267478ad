package durable

import (
	"context"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Runs that are due are found in the index over priority and wake_at: one
// priority after the other, from the highest down, and in each those first
// that have been due longest. However many there are, none is sorted, and none
// is looked at that there is no room for.

// dueList is what a look at the database found.
type dueList struct {
	ids  []any
	full bool          // there may be more that are due
	next time.Duration // how long until another one is, or a pace
}

// due looks for runs that are due, as many as there is room for.
func (h *home) dueRuns(ctx context.Context, now time.Time, room int) (*dueList, error) {
	t, pace := h.tables.runs, h.runs.opts.Pace
	d := &dueList{next: pace}
	found, alone := 0, h.suspected()
	for _, level := range h.levels {
		if found == room {
			break
		}
		where := append(h.claimable(alone), equal(t, runPriority, level), compare(t, runWakeAt, query.Lte, now.Add(pace)))
		q := &query.Select{Model: t, Fields: []int{runID, runTakeovers, runWakeAt}, Limit: room - found + 1, Where: where, Order: []query.Order{{Field: runWakeAt}}}
		err := h.store.Select(ctx, q, func(row store.Row) error {
			at, _ := row.Value(2).(time.Time)
			if at.After(now) {
				d.next = min(d.next, at.Sub(now))
				return nil
			}
			if found == room {
				return nil
			}
			found++
			if again, _ := row.Value(1).(int64); again >= suspicious {
				if alone {
					return nil
				}
				alone = true
			}
			d.ids = append(d.ids, row.Value(0))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	d.full = found == room
	return d, nil
}

// claimable is the filter for runs that this process may claim. alone: it has
// one in progress already that must not be beside another of its kind.
func (h *home) claimable(alone bool) query.And {
	t := h.tables.runs
	where := query.And{oneOf(t, runStatus, string(Queued), string(Waiting))}
	if strange := h.strange(); len(strange) > 0 {
		where = append(where, compare(t, runVersion, query.Nin, strange))
	}
	if alone {
		where = append(where, compare(t, runTakeovers, query.Lt, int64(suspicious)))
	}
	return where
}

// ownLevels are the priorities of the app's workflows, the highest first.
func (h *home) ownLevels() []int64 {
	levels := []int64{0}
	for _, wf := range h.runs.engine.App().Workflows {
		levels = addLevel(levels, int64(wf.Priority))
	}
	return levels
}

func addLevel(levels []int64, level int64) []int64 {
	if slices.Contains(levels, level) {
		return levels
	}
	levels = append(levels, level)
	slices.SortFunc(levels, func(a, b int64) int { return int(min(max(b-a, -1), 1)) })
	return levels
}

// learnLevels adds the priorities of runs that no workflow of the app has: of
// those that began with another version. Where there are none that is a look
// at an empty part of the index between each two that are known.
func (h *home) learnLevels(ctx context.Context) error {
	t := h.tables.runs
	timed := compare(t, runWakeAt, query.Null, false)
	for i := 0; i <= len(h.levels); {
		gap := query.And{timed}
		if i > 0 {
			gap = append(gap, compare(t, runPriority, query.Lt, h.levels[i-1]))
		}
		if i < len(h.levels) {
			gap = append(gap, compare(t, runPriority, query.Gt, h.levels[i]))
		}
		found := false
		q := &query.Select{Model: t, Fields: []int{runPriority}, Where: gap, Limit: 1,
			Order: []query.Order{{Field: runPriority, Desc: true}, {Field: runWakeAt, Desc: true}}}
		err := h.store.Select(ctx, q, func(row store.Row) error {
			level, _ := row.Value(0).(int64)
			h.levels, found = addLevel(h.levels, level), true
			return nil
		})
		if err != nil {
			return err
		}
		if !found {
			i++
		}
	}
	return nil
}
