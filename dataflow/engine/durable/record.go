package durable

import (
	"errors"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Run is a durable run as it stands.
type Run struct {
	ID        string
	Workflow  string
	Version   string
	Status    Status
	Input     *dataflow.Object
	Output    any
	Error     *dataflow.Error
	Caller    access.Caller
	Parent    string
	Reason    string // what a waiting run waits for
	Origin    string // what started it: "event Order.created", "schedule nightly", "run …"; "": somebody asked for it
	Priority  int64
	Group     string
	WakeAt    time.Time // zero: not before somebody says so
	Executor  string
	Takeovers int64
	Created   time.Time
	Started   time.Time
	Ended     time.Time
	Updated   time.Time

	key, request string
	token, poke  string
	cancel       bool
	unread       error // why a part of it can't be read; the rest stands
}

// Cancelling reports whether the run is about to end because somebody wants it
// to.
func (r *Run) Cancelling() bool { return r.cancel && !r.Status.Ended() }

// above are the ids of the runs that wait for the run, for those, and so on. An id
// begins with that of the run which waits and a slash; some of these are of no run.
func (r *Run) above() []string {
	var ids []string
	for id, more := r.Parent, r.Parent != ""; more; {
		ids = append(ids, id)
		i := strings.LastIndexByte(id, '/')
		if more = i > 0; more {
			id = id[:i]
		}
	}
	return ids
}

// fields lists all positions of a table.
func fields(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// row is the run as the table has it.
func (r *Run) row() ([]any, error) {
	input, err := encode(r.Input)
	if err != nil {
		return nil, err
	}
	out, user, err := r.outputText(), any(nil), error(nil)
	if r.Caller.User != nil {
		if user, err = encode(r.Caller.User); err != nil {
			return nil, err
		}
	}
	v := make([]any, runFields)
	v[runID], v[runWorkflow], v[runVersion], v[runStatus] = r.ID, r.Workflow, r.Version, string(r.Status)
	v[runKey], v[runRequest], v[runInput], v[runOutput], v[runError] = orNull(r.key), orNull(r.request), input, out, errorText(r.Error)
	v[runUser], v[runCaller], v[runTenant] = user, orNull(r.Caller.Key), orNull(r.Caller.Tenant)
	v[runParent], v[runReason] = orNull(r.Parent), orNull(r.Reason)
	v[runOrigin] = orNull(r.Origin)
	v[runChain] = int64(r.Caller.Chain)
	v[runPriority], v[runGroup], v[runWakeAt], v[runToken] = r.Priority, orNull(r.Group), timeOrNull(r.WakeAt), orNull(r.token)
	v[runExecutor], v[runTakeovers], v[runPoke], v[runCancel] = orNull(r.Executor), r.Takeovers, r.poke, r.cancel
	v[runStartedAt], v[runEndedAt], v[runCreatedAt], v[runUpdatedAt] = timeOrNull(r.Started), timeOrNull(r.Ended), r.Created, r.Updated
	return v, nil
}

func (r *Run) outputText() any {
	if r.Status != Completed {
		return nil
	}
	s, err := encode(r.Output)
	if err != nil { // checked when the checkpoint was made
		return nil
	}
	return s
}

// runOf reads a run from its row. What can't be read is left out of it, and
// noted in it: one such row must not keep others from being found.
func runOf(row store.Row) *Run {
	v := make([]any, runFields)
	for i := range v {
		v[i] = row.Value(i)
	}
	str := func(i int) string { s, _ := v[i].(string); return s }
	at := func(i int) time.Time { t, _ := v[i].(time.Time); return t }
	num := func(i int) int64 { n, _ := v[i].(int64); return n }
	r := &Run{ID: str(runID), Workflow: str(runWorkflow), Version: str(runVersion), Status: Status(str(runStatus)),
		Parent: str(runParent), Reason: str(runReason), Origin: str(runOrigin), Priority: num(runPriority), Group: str(runGroup), WakeAt: at(runWakeAt),
		Executor: str(runExecutor), Takeovers: num(runTakeovers), Created: at(runCreatedAt), Started: at(runStartedAt), Ended: at(runEndedAt),
		Updated: at(runUpdatedAt), key: str(runKey), request: str(runRequest), token: str(runToken), poke: str(runPoke)}
	r.cancel, _ = v[runCancel].(bool)
	r.Caller.Key, r.Caller.Tenant, r.Caller.Chain = str(runCaller), str(runTenant), int(num(runChain))
	read := func(i int) any {
		s := str(i)
		if s == "" {
			return nil
		}
		v, err := decode(s)
		if err != nil && r.unread == nil {
			r.unread = err
		}
		return v
	}
	r.Input, _ = read(runInput).(*dataflow.Object)
	r.Output = read(runOutput)
	r.Caller.User, _ = read(runUser).(*dataflow.Object)
	r.Error = errorFrom(read(runError))
	return r
}

// unreadable is the end of a run of which a part can't be read.
func unreadable(workflow string, err error) *dataflow.Error {
	return &dataflow.Error{Code: "run_unreadable", Status: dataflow.StatusInternal, Workflow: workflow, Err: err,
		Message: "what was kept of the run can't be read, so it can't go on",
		Hint:    "its rows are as they were; was it begun by a later version of flowctl, or changed by hand?"}
}

// errorText keeps what a caller may hear of an error, and no more.
func errorText(e *dataflow.Error) any {
	if e == nil {
		return nil
	}
	problems := make([]any, len(e.Problems))
	for i, p := range e.Problems {
		problems[i] = dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer, "detail", p.Detail, "hint", p.Hint)
	}
	return string(appendTyped(nil, dataflow.ObjectOf("code", e.Code, "status", int64(e.Status), "message", e.Message, "hint", e.Hint,
		"model", e.Model, "workflow", e.Workflow, "node", e.Node, "problems", problems,
		"file", e.Span.File, "line", int64(e.Span.Start.Line), "col", int64(e.Span.Start.Col))))
}

// errorFrom reads what errorText wrote; nil where there is no error.
func errorFrom(v any) *dataflow.Error {
	o, ok := v.(*dataflow.Object)
	if !ok {
		return nil
	}
	str := func(o *dataflow.Object, name string) string { v, _ := o.Get(name); s, _ := v.(string); return s }
	num := func(name string) int { v, _ := o.Get(name); n, _ := v.(int64); return int(n) }
	e := &dataflow.Error{Code: str(o, "code"), Status: dataflow.Status(num("status")), Message: str(o, "message"), Hint: str(o, "hint"),
		Model: str(o, "model"), Workflow: str(o, "workflow"), Node: str(o, "node"),
		Span: dataflow.Span{File: str(o, "file"), Start: dataflow.Pos{Line: num("line"), Col: num("col")}}}
	listed, _ := o.Get("problems")
	list, _ := listed.([]any)
	for _, item := range list {
		if p, ok := item.(*dataflow.Object); ok {
			e.Problems = append(e.Problems, dataflow.Problem{Code: str(p, "code"), Pointer: str(p, "pointer"), Detail: str(p, "detail"), Hint: str(p, "hint")})
		}
	}
	return e
}

// stepRow is a step as its table has it.
func stepRow(run string, seq int64, s *engine.Step, now time.Time) ([]any, error) {
	v := make([]any, stepFields)
	v[stepID], v[stepRun], v[stepKey], v[stepSeq], v[stepState] = run+"/"+s.Key, run, s.Key, seq, string(s.State)
	v[stepDigest], v[stepError], v[stepAttempts] = orNull(s.Digest), errorText(s.Error), int64(s.Attempts)
	for i, part := range map[int]any{stepInput: s.Input, stepResult: s.Result} {
		if part == nil {
			continue
		}
		text, err := encode(part)
		if err != nil {
			return nil, err
		}
		v[i] = text
	}
	v[stepStartedAt], v[stepEndedAt], v[stepCreatedAt], v[stepUpdatedAt] = timeOrNull(s.Started), timeOrNull(s.Ended), now, now
	return v, nil
}

// stepOf reads a step from its row. The error says what of it can't be read.
func stepOf(row store.Row) (run string, seq int64, s *engine.Step, err error) {
	str := func(i int) string { s, _ := row.Value(i).(string); return s }
	at := func(i int) time.Time { t, _ := row.Value(i).(time.Time); return t }
	seq, _ = row.Value(stepSeq).(int64)
	attempts, _ := row.Value(stepAttempts).(int64)
	s = &engine.Step{Key: str(stepKey), State: engine.StepState(str(stepState)), Digest: str(stepDigest), Attempts: int(attempts),
		Started: at(stepStartedAt), Ended: at(stepEndedAt)}
	var failed any
	for i, part := range map[int]*any{stepInput: &s.Input, stepResult: &s.Result, stepError: &failed} {
		if text := str(i); text != "" {
			v, wrong := decode(text)
			*part, err = v, errors.Join(err, wrong)
		}
	}
	s.Error = errorFrom(failed)
	return str(stepRun), seq, s, err
}

// compare is a filter on one field of a table.
func compare(m *dataflow.Model, field int, op query.Op, v any) query.Expr {
	return &query.Cmp{Path: query.Path{Model: m, Field: field}, Op: op, Value: v}
}

func equal(m *dataflow.Model, field int, v any) query.Expr { return compare(m, field, query.Eq, v) }

func oneOf(m *dataflow.Model, field int, values ...any) query.Expr {
	return compare(m, field, query.In, values)
}

// set is an assignment for an Update.
func set(field int, v any) query.Assign { return query.Assign{Field: field, Value: v} }
