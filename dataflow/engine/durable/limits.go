package durable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Bounds of a workflow's runs hold among all processes: a claim of such a run
// takes a row that stands for the group, looks who is in progress and who
// began of late, and puts off those for whom there is no room. The end of a
// run, or its rest, calls up the next.

// itsTurn is what a run waits for that was put off.
const itsTurn = "its turn"

// putOff is how long a run is put off at most before it is looked at again:
// whoever should have called it up may have died.
const putOff = 15 * time.Second

func (h *home) limitOf(workflow string) *dataflow.RunLimit {
	if wf := h.runs.engine.Plan().Workflow(workflow); wf != nil {
		return wf.Limit
	}
	return nil
}

// takesTurns reports whether others may wait for the place that a run leaves.
func (h *home) takesTurns(r *Run) bool {
	limit := h.limitOf(r.Workflow)
	return limit != nil && limit.Concurrency > 0
}

// placeOf is the place of a run among others: its workflow's priority, and the
// group whose bounds it shares.
func (h *home) placeOf(workflow string, inputs *dataflow.Object) (priority int64, group string) {
	wf := h.runs.engine.Plan().Workflow(workflow)
	if wf == nil {
		return 0, ""
	}
	if wf.Limit != nil && wf.Limit.By != "" {
		v, _ := inputs.Get(wf.Limit.By)
		group = groupOf(codec.AppendValue(nil, v))
	}
	return int64(wf.Priority), group
}

// maxGroup is how long the name of a group may be that is a value itself, in
// bytes: it is part of an id, and an index of PostgreSQL holds no long ones.
const maxGroup = 200

// groupOf names the group of a value, which is JSON: no JSON begins as the name
// of a long one does.
func groupOf(value []byte) string {
	if len(value) <= maxGroup {
		return string(value)
	}
	sum := sha256.Sum256(value)
	return "sha256 " + hex.EncodeToString(sum[:])
}

// bounded reports whether a workflow of the app has bounds.
func (h *home) bounded() bool {
	for _, wf := range h.runs.engine.App().Workflows {
		if wf.Limit != nil {
			return true
		}
	}
	return false
}

// group is where bounds are shared.
type group struct{ workflow, value string }

// admit returns those of runs that are due for which there is room, and puts
// off the others.
func (h *home) admit(ctx context.Context, tx store.Tx, due []any, now time.Time) ([]any, error) {
	if !h.limited {
		return due, nil
	}
	runs, err := h.stillDue(ctx, tx, due, now)
	if err != nil {
		return nil, err
	}
	groups, err := h.rooms(ctx, tx, runs, now)
	if err != nil {
		return nil, err
	}
	if len(groups) > 0 { // who had their rows before may have brought some of the runs to their end
		if runs, err = h.stillDue(ctx, tx, due, now); err != nil {
			return nil, err
		}
	}
	var admitted, begun []any
	for i, r := range runs {
		room := groups[group{r.Workflow, r.Group}]
		if room == nil || h.needsNone(r) {
			admitted = append(admitted, r.ID)
			continue
		}
		if until := room.take(r, now); !until.IsZero() {
			// They keep their order.
			if err := h.put(ctx, tx, r, until.Add(time.Duration(i)*time.Microsecond), now); err != nil {
				return nil, err
			}
			continue
		}
		admitted = append(admitted, r.ID)
		if room.limit.Rate > 0 && r.Started.IsZero() {
			begun = append(begun, r.ID)
		}
	}
	for g, room := range groups {
		if err := h.keepRoom(ctx, tx, g, room, now); err != nil {
			return nil, err
		}
	}
	if len(begun) > 0 { // they are not counted once more when they go on
		t := h.tables.runs
		if _, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: oneOf(t, runID, begun...), Set: []query.Assign{set(runStartedAt, now)}}); err != nil {
			return nil, err
		}
	}
	return admitted, nil
}

// stillDue reads those of runs that are due yet, in the order in which they go.
func (h *home) stillDue(ctx context.Context, tx store.Tx, due []any, now time.Time) ([]*Run, error) {
	t := h.tables.runs
	return h.selectRuns(ctx, tx, &query.Select{Where: query.And{oneOf(t, runID, due...), oneOf(t, runStatus, string(Queued), string(Waiting)), compare(t, runWakeAt, query.Lte, now)},
		Order: []query.Order{{Field: runPriority, Desc: true}, {Field: runCreatedAt}}})
}

// needsNone reports whether a run is to end, for which it needs no room.
func (h *home) needsNone(r *Run) bool {
	return h.limitOf(r.Workflow) == nil || r.Error != nil || r.cancel
}

// rooms looks what the groups of runs have left, with their rows locked, which
// every process does in one order.
func (h *home) rooms(ctx context.Context, tx store.Tx, runs []*Run, now time.Time) (map[group]*room, error) {
	groups := map[group]*room{}
	for _, r := range runs {
		if !h.needsNone(r) {
			groups[group{r.Workflow, r.Group}] = nil
		}
	}
	for _, g := range slices.SortedFunc(maps.Keys(groups), func(a, b group) int { return strings.Compare(a.row(), b.row()) }) {
		room, err := h.roomIn(ctx, tx, g, h.limitOf(g.workflow), now)
		if err != nil {
			return nil, err
		}
		groups[g] = room
	}
	return groups, nil
}

// room is what a group has left.
type room struct {
	limit   *dataflow.RunLimit
	running int
	began   []time.Time // within the time of the rate, the first first
	changed bool
}

// take takes a place for a run; until is when to look again if there is none.
func (m *room) take(r *Run, now time.Time) (until time.Time) {
	if m.limit.Concurrency > 0 && m.running >= m.limit.Concurrency {
		return now.Add(putOff)
	}
	if m.limit.Rate > 0 && r.Started.IsZero() {
		if len(m.began) >= m.limit.Rate {
			return m.began[len(m.began)-m.limit.Rate].Add(m.limit.Per)
		}
		m.began, m.changed = append(m.began, now), true
	}
	m.running++
	return time.Time{}
}

// roomIn looks what a group has left, with its row locked.
func (h *home) roomIn(ctx context.Context, tx store.Tx, g group, limit *dataflow.RunLimit, now time.Time) (*room, error) {
	t, runs := h.tables.timetable, h.tables.runs
	m := &room{limit: limit}
	there := false
	err := tx.Select(ctx, &query.Select{Model: t, Where: equal(t, entryID, g.row()), Limit: 1, Lock: true}, func(row store.Row) error {
		there = true
		text, _ := row.Value(entrySpec).(string)
		for part := range strings.SplitSeq(text, " ") {
			if at, err := time.Parse(time.RFC3339Nano, part); err == nil && now.Before(at.Add(limit.Per)) && !at.After(now.Add(setBack)) { // else the clock has been set back
				m.began = append(m.began, at)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !there {
		if _, err := tx.Insert(ctx, t, fields(entryFields), [][]any{{g.row(), "", nil, now, now}}); err != nil {
			return nil, err // another process has it: the claim is made again
		}
	}
	n, err := tx.Count(ctx, runs, query.And{compare(runs, runExecutor, query.Gt, ""), equal(runs, runStatus, string(Running)), equal(runs, runWorkflow, g.workflow), h.inGroup(g)})
	m.running = int(n)
	return m, err
}

func (g group) row() string { return groupRows + g.workflow + " " + g.value }

// groupRows is how the ids of the rows of groups begin.
const groupRows = "limit "

// forgetGroups forgets the rows of groups in which nothing has begun since a time
// and which no rate counts any more: they hold values that runs were given.
func (h *home) forgetGroups(ctx context.Context, before time.Time) error {
	now := h.now()
	for _, wf := range h.runs.engine.App().Workflows {
		if wf.Limit != nil && wf.Limit.Rate > 0 && now.Add(-wf.Limit.Per).Before(before) {
			before = now.Add(-wf.Limit.Per)
		}
	}
	t := h.tables.timetable
	return h.write(ctx, func(tx store.Tx) error {
		_, err := tx.Delete(ctx, t, query.And{
			compare(t, entryID, query.Gt, groupRows), compare(t, entryID, query.Lt, "limit!"), // which follows the blank
			compare(t, entryNextAt, query.Null, true), // and no schedule
			compare(t, entryUpdatedAt, query.Lt, before.UTC())})
		return err
	})
}

func (h *home) inGroup(g group) query.Expr {
	if g.value == "" {
		return compare(h.tables.runs, runGroup, query.Null, true)
	}
	return equal(h.tables.runs, runGroup, g.value)
}

// keepRoom keeps when the runs of a group began.
func (h *home) keepRoom(ctx context.Context, tx store.Tx, g group, m *room, now time.Time) error {
	if !m.changed {
		return nil
	}
	var b strings.Builder
	for i, at := range m.began {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(at.Format(time.RFC3339Nano))
	}
	t := h.tables.timetable
	_, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: equal(t, entryID, g.row()),
		Set: []query.Assign{set(entrySpec, b.String()), set(entryUpdatedAt, now)}})
	return err
}

// put puts a run off.
func (h *home) put(ctx context.Context, tx store.Tx, r *Run, until, now time.Time) error {
	t := h.tables.runs
	// Who has spoken to it meanwhile has it looked at sooner.
	u := &query.Update{Model: t, Bump: -1, Where: query.And{equal(t, runID, r.ID), equal(t, runPoke, r.poke), oneOf(t, runStatus, string(Queued), string(Waiting))}, Set: []query.Assign{set(runWakeAt, until), set(runUpdatedAt, now), set(runReason, itsTurn)}}
	_, err := tx.Update(ctx, u)
	return err
}

// nextTurn calls up the run that was put off longest for want of a place that
// this run has left. It returns its id, if there is one.
func (h *home) nextTurn(ctx context.Context, tx store.Tx, r *Run) (called []string, err error) {
	t, entries := h.tables.runs, h.tables.timetable
	g := group{r.Workflow, r.Group}
	// Who is putting others off now has seen this run in progress: its row is
	// waited for, so that they are found below.
	lock := &query.Select{Model: entries, Fields: []int{entryID}, Where: equal(entries, entryID, g.row()), Limit: 1, Lock: true}
	if err := tx.Select(ctx, lock, func(store.Row) error { return nil }); err != nil {
		return nil, err
	}
	now := h.now()
	// One that is put off for longer waits for its rate.
	q := &query.Select{Model: t, Fields: []int{runID}, Limit: 1, Order: []query.Order{{Field: runWakeAt}},
		Where: query.And{equal(t, runPriority, r.Priority), compare(t, runWakeAt, query.Gt, now), compare(t, runWakeAt, query.Lte, now.Add(2*putOff)),
			oneOf(t, runStatus, string(Queued), string(Waiting)), equal(t, runWorkflow, g.workflow), h.inGroup(g), equal(t, runReason, itsTurn)}}
	var id string
	if err := tx.Select(ctx, q, func(row store.Row) error { id, _ = row.Value(0).(string); return nil }); err != nil || id == "" {
		return nil, err
	}
	_, err = tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: query.And{equal(t, runID, id), equal(t, runReason, itsTurn), oneOf(t, runStatus, string(Queued), string(Waiting))},
		Set: []query.Assign{set(runWakeAt, now)}})
	return []string{id}, err
}
