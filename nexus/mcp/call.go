package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// callTool answers a call of a tool. Whatever goes wrong with one is its
// result, not an error of the protocol: only so does the agent see it. What
// the client itself has to mend is the protocol's.
func callTool(ctx context.Context, q *request) (*reply, error) {
	t, f := q.callableTool()
	if f != nil {
		return nil, f
	}
	ended := func(Called, error) {}
	q.called = t.called()
	if o := q.server.o.Observer; o != nil {
		ctx, ended = o.Tool(ctx, t.name)
	}
	a, err := q.call(ctx, t)
	ended(q.called, err)
	if q.calledOff() {
		return nil, faultf(codeCancelled, "the request was called off")
	}
	if err == nil {
		return success(a), nil
	}
	if need := (*needed)(nil); errors.As(err, &need) {
		return need.reply, nil
	}
	if f := q.lacking(err); f != nil {
		return nil, f
	}
	if errors.As(err, &f) && (q.modern || f.code != codeMissingCapability) {
		return nil, f
	}
	e := asError(err)
	q.server.logFailure(t.name, e)
	return q.failure(t, e), nil
}

// call does a tool, and survives it.
func (q *request) call(ctx context.Context, t *tool) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			q.server.o.Logger.Error("panic in a tool", "tool", t.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a, err = answer{}, dataflow.Internal(errors.New("panic"))
		}
	}()
	if err := q.countRequest(ctx); err != nil {
		return answer{}, err
	}
	if err := t.denied(q.caller); err != nil {
		return answer{}, err
	}
	args, err := q.arguments()
	if err != nil {
		return answer{}, err
	}
	var done func()
	if t.readOnly {
		ctx, done = q.reading(ctx)
	} else {
		ctx, done = q.writing(ctx)
	}
	defer done()
	if limit := q.server.o.Timeout; limit > 0 && t.kind != kindExtension { // which may wait for the client's user
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return t.run(ctx, q, args)
}

// called is what a call of the tool is known by, before its arguments are read.
func (t *tool) called() Called {
	c := Called{Tool: t.name}
	if t.exposure != nil {
		c.Model, c.Operation = t.exposure.Model.Name, t.op.String()
	}
	return c
}

// arguments are a call's arguments.
func (q *request) arguments() (*dataflow.Object, error) {
	if len(q.msg.wrong) > 0 {
		return nil, codec.Error(q.msg.wrong)
	}
	v, _ := q.msg.params.Get("arguments")
	switch v := v.(type) {
	case nil:
		return dataflow.NewObject(), nil
	case *dataflow.Object:
		return v, nil
	}
	return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Detail: "the arguments must be an object"})
}

// asError is an error in words for its caller. What the call's own end did to
// it is named; everything else is what it says it is.
func asError(err error) *dataflow.Error {
	if f := (*fault)(nil); errors.As(err, &f) {
		return &dataflow.Error{Code: "client_unable", Status: dataflow.StatusRejected, Message: f.message, Hint: "use another client, or do without this tool"}
	}
	e := dataflow.AsError(err)
	if e.Code != "internal" {
		return e
	}
	out := *e
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out.Code, out.Status, out.Message = "timeout", dataflow.StatusTimeout, "the call ran out of its time"
	case errors.Is(err, context.Canceled):
		out.Code, out.Status, out.Message = "cancelled", dataflow.StatusCancelled, "the call was called off"
	}
	return &out
}

// success is the result of a call that went well: the same JSON as text and
// as structured content, which must be an object.
func success(a answer) *reply {
	if a.contents != nil {
		return contentReply(a)
	}
	text := a.text
	if text == nil {
		v := a.value
		if _, ok := v.(*dataflow.Object); !ok {
			v = dataflow.ObjectOf("result", v)
		}
		text = codec.AppendValue(nil, v)
	}
	if a.dryRun {
		text = appendFlag(text, dryRunParam, true)
	}
	body := append(make([]byte, 0, 3*len(text)+200), `"content":[{"type":"text","text":`...)
	body = codec.AppendString(body, string(text))
	body = append(append(body, `}],"structuredContent":`...), text...)
	r := &reply{body: body}
	if a.runID != "" {
		r.meta = codec.AppendString([]byte(`"flowctl/run_id":`), a.runID)
	}
	return r
}

// contentReply is the result of a tool that makes its contents itself.
func contentReply(a answer) *reply {
	contents := make([]any, len(a.contents))
	for i, c := range a.contents {
		contents[i] = c.o
	}
	o := dataflow.ObjectOf("content", contents)
	if a.value != nil {
		o.Set("structuredContent", a.value)
	}
	return replyOf(o)
}

// failure is the result of a call that did not. It has no structured content:
// some clients hold that to the output schema whatever isError says.
func (q *request) failure(t *tool, e *dataflow.Error) *reply {
	if len(e.Problems) > 0 {
		args, _ := q.msg.params.Get("arguments")
		out := *e
		out.Problems = q.server.hinted(q.caller, args, e.Problems)
		e = &out
	}
	o := errorValue(e)
	o.Set("hint", q.nextStep(t, e))
	body := codec.AppendString([]byte(`"content":[{"type":"text","text":`), string(codec.AppendValue(nil, o)))
	return &reply{body: append(body, `}],"isError":true`...)}
}

// errorValue is an error as a caller sees it.
func errorValue(e *dataflow.Error) *dataflow.Object {
	o := dataflow.ObjectOf("code", e.Code, "message", e.Message)
	if len(e.Problems) > 0 {
		o.Set("problems", problems(e.Problems))
	}
	for _, m := range []struct{ name, value string }{
		{"model", e.Model}, {"workflow", e.Workflow}, {"node", e.Node}, {"run_id", e.Run},
	} {
		if m.value != "" {
			o.Set(m.name, m.value)
		}
	}
	if !e.Span.IsZero() {
		o.Set("location", e.Span.String())
	}
	if e.RetryAfter > 0 {
		o.Set("retry_after", int64(e.RetryAfter)) // seconds
	}
	return o
}

func problems(ps []dataflow.Problem) []any {
	list := make([]any, len(ps))
	for i, p := range ps {
		o := dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer, "detail", p.Detail)
		if p.Hint != "" {
			o.Set("hint", p.Hint)
		}
		list[i] = o
	}
	return list
}

func (s *Server) logFailure(what string, e *dataflow.Error) {
	if e.Status != dataflow.StatusInternal && e.Status != dataflow.StatusStorage {
		return
	}
	attrs := []slog.Attr{slog.String("tool", what), slog.String("code", e.Code)}
	if e.Node != "" {
		attrs = append(attrs, slog.String("node", e.Node))
	}
	if !e.Span.IsZero() {
		attrs = append(attrs, slog.String("location", e.Span.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	s.o.Logger.LogAttrs(context.Background(), slog.LevelError, "tool failed", attrs...)
}
