package durable

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// What every channel shows of runs is made here, so that all show the same.

// part is a member that is shown only if it says something.
type part struct {
	name string
	v    any
	set  bool
}

func addParts(o *dataflow.Object, parts ...part) {
	for _, p := range parts {
		if p.set {
			o.Set(p.name, p.v)
		}
	}
}

// Failure is why a run that has ended did not come to its outputs, for who began
// it.
func (r *Run) Failure() *dataflow.Error {
	if r.Error == nil {
		return nil
	}
	e := *r.Error
	e.Run = r.ID
	return &e
}

// WaitsFor is what has to come before the run goes on, in words; "" if that is
// its turn or nothing.
func (r *Run) WaitsFor() string {
	if r.Status == Waiting || r.Status == Queued && r.Reason == itsVersion {
		return r.Reason
	}
	return ""
}

// Summary is what a list of runs shows of one.
func (r *Run) Summary() *dataflow.Object {
	o := dataflow.ObjectOf("run_id", r.ID, "workflow", r.Workflow, "status", string(r.Status), "created_at", r.Created, "updated_at", r.Updated)
	addParts(o,
		part{"waits_for", r.Reason, r.WaitsFor() != ""},
		part{"cancelling", true, r.Cancelling()},
		part{"wakes_at", r.WakeAt, !r.WakeAt.IsZero() && r.Status != Running}, // one in progress has been spoken to
		part{"origin", r.Origin, r.Origin != ""},
		part{"parent", r.Parent, r.Parent != ""},
		part{"ended_at", r.Ended, !r.Ended.IsZero()},
		part{"error", errorValue(r.Error), r.Error != nil})
	return o
}

func errorValue(e *dataflow.Error) any {
	if e == nil {
		return nil
	}
	o := dataflow.ObjectOf("code", e.Code, "detail", e.Message)
	addParts(o, part{"node", e.Node, e.Node != ""}, part{"hint", e.Hint, e.Hint != ""},
		part{"location", e.Span.String(), !e.Span.IsZero()}, part{"errors", problemValues(e.Problems), len(e.Problems) > 0})
	return o
}

// problemValues are what is wrong with parts of an input, as in a problem document.
func problemValues(problems []dataflow.Problem) []any {
	list := make([]any, len(problems))
	for i, p := range problems {
		o := dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer)
		addParts(o, part{"detail", p.Detail, p.Detail != ""}, part{"hint", p.Hint, p.Hint != ""})
		list[i] = o
	}
	return list
}

// Show is what is shown of a run: its summary, what it was given and gave, and
// its steps.
func (rs *Runs) Show(ctx context.Context, c access.Caller, id string) (*dataflow.Object, error) {
	r, err := rs.Get(ctx, c, id)
	if err != nil {
		return nil, err
	}
	steps, err := rs.Steps(ctx, r)
	if err == nil && len(steps) == 0 && r.Status.Ended() { // which it had none of, or it was forgotten just now
		r, err = rs.Get(ctx, c, id)
	}
	if err != nil {
		return nil, err
	}
	o := r.Summary()
	o.Set("inputs", r.Input)
	if r.Status == Completed {
		o.Set("outputs", r.Output)
	}
	list := make([]any, len(steps))
	for i, s := range steps {
		item := dataflow.ObjectOf("step", s.Key, "state", string(s.State), "attempts", int64(s.Attempts), "started_at", s.Started)
		addParts(item,
			part{"ended_at", s.Ended, !s.Ended.IsZero()},
			part{"input", s.Input, s.Input != nil},
			part{"waits_for", s.Result, s.State == engine.StepWaiting && s.Result != nil},
			part{"output", s.Result, s.State != engine.StepWaiting && s.Error == nil},
			part{"error", errorValue(s.Error), s.Error != nil})
		list[i] = item
	}
	o.Set("steps", list)
	return o, nil
}

// Page is what is shown of a list of runs: their summaries, and where the list
// goes on if there are more.
func Page(list []*Run, more bool) *dataflow.Object {
	rows := make([]any, len(list))
	for i, r := range list {
		rows[i] = r.Summary()
	}
	o := dataflow.ObjectOf("runs", rows, "count", int64(len(rows)), "has_more", more)
	if more {
		o.Set("next_cursor", list[len(list)-1].place())
	}
	return o
}

// place is where a run is in a list, also once it is forgotten: when it was
// created, in microseconds, and its id.
func (r *Run) place() string { return strconv.FormatInt(r.Created.UnixMicro(), 10) + "." + r.ID }

// placed reads a place.
func placed(text string) (*Run, bool) {
	micros, id, ok := strings.Cut(text, ".")
	at, err := strconv.ParseInt(micros, 10, 64)
	r := &Run{ID: id, Created: time.UnixMicro(at).UTC()}
	return r, ok && err == nil && at >= 0 && r.Created.Year() < 10_000 && storable(id) && r.place() == text
}
