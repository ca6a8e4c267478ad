package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/nexus/front"
)

// begin starts a durable run, and answers with its outputs if it ends within
// the request; else with where to look for it.
func (h *Handler) begin(x *front.Exchange, b durable.Begin) error {
	b.Later = slices.ContainsFunc(x.Request.Header["Prefer"], prefersAsync)
	r, old, err := h.o.Runs.Begin(x.Context(), b)
	if err != nil {
		return belowInputs(err)
	}
	if b.Later && !old {
		x.Header()["Preference-Applied"] = []string{respondAsync}
	}
	return answerRun(x, r, old)
}

// answerRun answers with what a run has come to. old says that an earlier request
// with its key began it.
func answerRun(x *front.Exchange, r *durable.Run, old bool) error {
	header := x.Header()
	if old {
		header["Idempotent-Replayed"] = []string{"true"}
	}
	switch r.Status {
	case durable.Completed:
		return sendValue(x, http.StatusOK, dataflow.ObjectOf("outputs", r.Output, "run_id", r.ID, "status", string(r.Status)))
	case durable.Failed, durable.Cancelled:
		return belowInputs(r.Failure())
	}
	header["Location"] = []string{runPath(r.ID)}
	return sendValue(x, http.StatusAccepted, begun(r))
}

// begun is what is told of a run that has not ended.
func begun(r *durable.Run) *dataflow.Object {
	o := dataflow.ObjectOf("run_id", r.ID, "status", string(r.Status))
	if r.Reason != "" {
		o.Set("waits_for", r.Reason)
	}
	return o
}

func runPath(id string) string { return "/runs/" + url.PathEscape(id) }

// ruled is who asks for runs: the access rules of workflows are for them.
func ruled(x *front.Exchange) access.Caller {
	c := x.Caller
	c.Ruled = true
	return c
}

// listRuns lists durable runs, the latest first.
func (h *Handler) listRuns(x *front.Exchange) error {
	c := ruled(x)
	p := params{}
	var f durable.Filter
	p.each(x.Request.URL.RawQuery, func(name, value string) {
		switch name {
		case "workflow":
			f.Workflow = value
		case "parent":
			f.Parent = value
		case "status":
			f.Status = durable.Status(value)
			if !slices.Contains(durable.Statuses(), value) {
				p.add(name, "not_in_enum", fmt.Sprintf("there is no status %q", value), orOneOf(value, durable.Statuses()))
			}
		case "limit":
			f.Limit = p.number(name, value, 1, 100)
		case "cursor":
			f.Before = value
		default:
			p.unknown(name, []string{"workflow", "parent", "status", "limit", "cursor"})
		}
	})
	if err := p.err(); err != nil {
		return err
	}
	list, more, err := h.o.Runs.List(x.Context(), c, f)
	if err != nil {
		return err
	}
	o := durable.Page(list, more)
	if next, ok := o.Get("next_cursor"); ok {
		x.Header()["Link"] = []string{nextLink(x.Request.URL, next.(string))}
	}
	return sendCached(x, o)
}

func orOneOf(value string, known []string) string {
	if hint := dataflow.DidYouMean(value, known); hint != "" {
		return hint
	}
	return "one of " + strings.Join(known, ", ")
}

// showRun serves a run with its steps.
func (h *Handler) showRun(x *front.Exchange) error {
	if x.Request.URL.RawQuery != "" {
		return noParameters(x.Request.URL.RawQuery)
	}
	c := ruled(x)
	o, err := h.o.Runs.Show(x.Request.Context(), c, variable(x, "id"))
	if err != nil {
		return err
	}
	return sendCached(x, o)
}

// changeRun signals, cancels or retries a run.
func (h *Handler) changeRun(x *front.Exchange) error {
	c := ruled(x)
	if x.Request.URL.RawQuery != "" {
		return noParameters(x.Request.URL.RawQuery)
	}
	id, action := variable(x, "id"), variable(x, "action")
	actions := []string{"signal", "cancel", "retry"}
	if !slices.Contains(actions, action) {
		return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: fmt.Sprintf("a run has no %q", action), Hint: orOneOf(action, actions)}
	}
	body, err := jsonBody(x)
	if err != nil {
		return err
	}
	var name string
	var payload any
	if action == "signal" {
		if name, payload, err = signalBody(body); err != nil {
			return err
		}
	} else if len(body) > 0 {
		if o, err := objectBody(body); err != nil || o.Len() > 0 {
			return dataflow.Invalid(dataflow.Problem{Code: "unknown_field", Detail: action + " takes no body"})
		}
	}
	var r *durable.Run
	switch action {
	case "signal":
		r, err = h.o.Runs.Signal(x.Context(), c, id, name, payload)
	case "cancel":
		r, err = h.o.Runs.Cancel(x.Context(), c, id)
	case "retry":
		r, err = h.o.Runs.Retry(x.Context(), c, id)
	}
	if err != nil {
		return err
	}
	x.Header()["Location"] = []string{runPath(r.ID)}
	return sendValue(x, http.StatusAccepted, r.Summary())
}

// signalBody reads {"name": …, "payload": …}.
func signalBody(body []byte) (name string, payload any, err error) {
	const form = `the body is {"name": "approval", "payload": …}`
	if body == nil {
		return "", nil, dataflow.Invalid(dataflow.Problem{Code: "required", Pointer: "/name", Detail: "name is required", Hint: form})
	}
	o, err := objectBody(body)
	if err != nil {
		return "", nil, err
	}
	var problems []dataflow.Problem
	for field, v := range o.All {
		switch field {
		case "name":
			var ok bool
			if name, ok = v.(string); !ok || name == "" || len(name) > 100 {
				problems = append(problems, dataflow.Problem{Code: "wrong_type", Pointer: "/name", Detail: "must be text of 1 to 100 bytes"})
			}
		case "payload":
			payload = v
		default:
			problems = append(problems, dataflow.Problem{Code: "unknown_field", Pointer: pointer(field), Detail: "there is no field " + quote(field), Hint: form})
		}
	}
	if !o.Has("name") {
		problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/name", Detail: "name is required", Hint: form})
	}
	if len(problems) > 0 {
		return "", nil, dataflow.Invalid(problems...)
	}
	return name, payload, nil
}

// followEvery is how often a stream looks at a run that another process may
// have in hand.
const followEvery = time.Second

// followRun streams a run as it changes, until it ends (WHATWG HTML, 9.2:
// server-sent events). Each event is the run with its steps.
func (h *Handler) followRun(x *front.Exchange) error {
	if err := takesEvents(x.Request); err != nil {
		return err
	}
	if x.Request.URL.RawQuery != "" {
		return noParameters(x.Request.URL.RawQuery)
	}
	c := ruled(x)
	id := variable(x, "id")
	f := &follower{id: id}
	f.move(h.o.Runs)
	defer func() { f.stop() }()
	o, err := f.show(x.Request.Context(), c)
	if err != nil {
		return err
	}
	header := x.Header()
	header["Content-Type"], header["Cache-Control"] = []string{"text/event-stream"}, []string{"no-store"}
	if x.Request.Method == http.MethodHead {
		x.Empty(http.StatusOK)
		return nil
	}
	x.WriteHeader(http.StatusOK)
	closing := h.o.Closing.Done()
	if front.Leave(x.Request.Context()) { // the run is followed in whatever generation is served
		closing = nil
	}
	control := http.NewResponseController(x)
	look := time.NewTicker(followEvery)
	defer look.Stop()
	quiet := 0
	for last := ""; ; {
		text := codec.AppendValue(nil, o)
		status, _ := o.Get("status")
		quiet++
		if string(text) != last || quiet > 15 {
			line := ": still here\n\n" // so that neither end takes the other for gone
			if string(text) != last {
				line = "event: " + status.(string) + "\nid: " + strconv.Itoa(stepCount(o)) + "\ndata: " + string(text) + "\n\n"
			}
			last, quiet = string(text), 0
			_ = control.SetWriteDeadline(time.Now().Add(h.o.StreamWrite)) // not every writer has deadlines
			if _, err := x.Write([]byte(line)); err != nil {
				return nil // the client is gone, and nobody is left to tell
			}
			x.Flush()
		}
		if durable.Status(status.(string)).Ended() {
			return nil
		}
		select {
		case <-f.changed:
		case <-look.C:
		case <-x.Request.Context().Done():
			if why := farewell(x.Request.Context()); why != nil {
				_ = control.SetWriteDeadline(time.Now().Add(h.o.StreamWrite))
				_, _ = x.Write(why) // an error means that the client is gone
				x.Flush()
			}
			return nil
		case <-closing:
			return nil
		}
		if o, err = f.show(x.Request.Context(), c); err != nil {
			if e := dataflow.AsError(err); e.Code == "not_found" { // it has ended, and was forgotten since
				_ = control.SetWriteDeadline(time.Now().Add(h.o.StreamWrite))
				_, _ = x.Write(goodbye(e)) // an error means that the client is gone
				x.Flush()
			}
			return nil // else the client comes again, and hears then
		}
	}
}

// follower follows a run from one generation of the app to the next.
type follower struct {
	id      string
	runs    *durable.Runs
	changed <-chan struct{}
	stop    func() // watching
}

// move follows the run in runs from now on, and reports whether they are others.
func (f *follower) move(runs *durable.Runs) bool {
	if runs == f.runs {
		return false
	}
	if f.stop != nil {
		f.stop()
	}
	f.runs = runs
	f.changed, f.stop = runs.Watch(f.id)
	return true
}

// show shows the run. The generation that was asked may have just closed.
func (f *follower) show(ctx context.Context, c access.Caller) (*dataflow.Object, error) {
	f.move(f.runs.Newest())
	o, err := f.runs.Show(ctx, c, f.id)
	if err != nil && f.move(f.runs.Newest()) {
		return f.runs.Show(ctx, c, f.id)
	}
	return o, err
}

func stepCount(o *dataflow.Object) int {
	v, _ := o.Get("steps")
	list, _ := v.([]any)
	return len(list)
}
