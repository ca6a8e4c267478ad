package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// handler answers calls of a tool. Whatever goes wrong with one is its
// result, not an error of the protocol: only so does the agent see it.
func (s *Server) handler(t *tool) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (res *mcp.CallToolResult, _ error) {
		defer func() {
			if p := recover(); p != nil {
				s.o.Logger.Error("panic in a tool", "tool", t.def.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				res = failure(t, dataflow.Internal(errors.New("panic")))
			}
		}()
		ans, err := s.call(ctx, t, req)
		if err != nil {
			e := dataflow.AsError(err)
			s.logFailure(ctx, t, e)
			return failure(t, e), nil
		}
		return success(ans), nil
	}
}

func (s *Server) call(ctx context.Context, t *tool, req mcp.CallToolRequest) (answer, error) {
	args, err := arguments(req)
	if err != nil {
		return answer{}, err
	}
	ctx, caller, err := s.situation(ctx)
	if err != nil {
		return answer{}, err
	}
	if !t.readOnly {
		// A client that goes away does not call a write off: it could not know
		// whether it had been in time.
		ctx = context.WithoutCancel(ctx)
	}
	if s.o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.o.Timeout)
		defer cancel()
	}
	return t.run(ctx, caller, args)
}

// situation returns the context a call runs in and on whose behalf.
func (s *Server) situation(ctx context.Context) (context.Context, access.Caller, error) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.ctx, r.caller, r.err
	}
	c, _ := callerFrom(ctx)
	return ctx, c, nil
}

// arguments reads a call's arguments from their own text: decoded by the
// protocol's library they have already lost digits.
func arguments(req mcp.CallToolRequest) (*dataflow.Object, error) {
	raw := []byte(req.Params.RawArguments)
	if len(raw) == 0 && req.Params.Arguments != nil { // a Go program called without a wire between
		var err error
		if raw, err = json.Marshal(req.Params.Arguments); err != nil {
			return nil, dataflow.Internal(err)
		}
	}
	if len(raw) == 0 {
		return dataflow.NewObject(), nil
	}
	v, problems := codec.ParseJSON(raw, codec.MaxDepth)
	if len(problems) > 0 {
		return nil, codec.Error(problems)
	}
	switch v := v.(type) {
	case nil:
		return dataflow.NewObject(), nil
	case *dataflow.Object:
		return v, nil
	}
	return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Detail: "the arguments must be an object"})
}

// success is the result of a call that went well: the same JSON as text and
// as structured content, which must be an object.
func success(ans answer) *mcp.CallToolResult {
	v := ans.value
	switch v.(type) {
	case *dataflow.Object:
	default:
		v = dataflow.ObjectOf("result", v)
	}
	text := codec.AppendValue(nil, v)
	res := &mcp.CallToolResult{
		Content:              []mcp.Content{mcp.NewTextContent(string(text))},
		RawStructuredContent: text,
	}
	if ans.runID != "" {
		res.Meta = &mcp.Meta{AdditionalFields: map[string]any{"flowctl/run_id": ans.runID}}
	}
	return res
}

// failure is the result of a call that did not. It has no structured content:
// some clients hold that to the output schema whatever isError says.
func failure(t *tool, e *dataflow.Error) *mcp.CallToolResult {
	o := dataflow.ObjectOf("code", e.Code, "message", e.Message)
	if len(e.Problems) > 0 {
		o.Set("problems", problems(e.Problems))
	}
	for _, m := range []struct{ name, value string }{
		{"model", e.Model}, {"workflow", e.Workflow}, {"node", e.Node},
	} {
		if m.value != "" {
			o.Set(m.name, m.value)
		}
	}
	if !e.Span.IsZero() {
		o.Set("location", e.Span.String())
	}
	o.Set("hint", nextStep(t, e))
	return &mcp.CallToolResult{
		Content: []mcp.Content{mcp.NewTextContent(string(codec.AppendValue(nil, o)))},
		IsError: true,
	}
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

// nextStep says what to do about an error, where it does not itself.
func nextStep(t *tool, e *dataflow.Error) string {
	if e.Hint != "" {
		return e.Hint
	}
	switch e.Status {
	case dataflow.StatusInvalid:
		return "correct the arguments that problems points to, and call again"
	case dataflow.StatusNotFound:
		if t.exposure != nil && t.exposure.Allows(dataflow.OpList) {
			return "find the row with " + modelTool(t.exposure, dataflow.OpList) + ", and call again with its id"
		}
		return "find out what there is, and call again"
	case dataflow.StatusConflict:
		if e.Code == "reference_violation" {
			return "create the row that is referred to first, or change those that refer to this one"
		}
		return "choose another value, or change the row that has it"
	case dataflow.StatusRejected:
		return "the app's own rules refuse this; the same call will be refused again"
	case dataflow.StatusPrecondition, dataflow.StatusPreconditionRequired:
		return "read the row again, and call again with its version"
	case dataflow.StatusForbidden, dataflow.StatusUnauthorized:
		return "the caller may not do this; ask whoever runs the server"
	case dataflow.StatusBusy:
		return "wait a moment, and call again with the same arguments"
	case dataflow.StatusTimeout:
		return "ask for less at once, or try again later"
	case dataflow.StatusStorage, dataflow.StatusUpstream:
		return "nothing has been changed; try again later"
	case dataflow.StatusCancelled:
		return "the call was called off; nothing has been changed"
	}
	return "the fault is the server's, not that of the arguments; its log has the cause"
}

func (s *Server) logFailure(ctx context.Context, t *tool, e *dataflow.Error) {
	if e.Status != dataflow.StatusInternal && e.Status != dataflow.StatusStorage {
		return
	}
	attrs := []slog.Attr{slog.String("tool", t.def.Name), slog.String("code", e.Code)}
	if e.Node != "" {
		attrs = append(attrs, slog.String("node", e.Node))
	}
	if !e.Span.IsZero() {
		attrs = append(attrs, slog.String("location", e.Span.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelError, "tool failed", attrs...)
}
