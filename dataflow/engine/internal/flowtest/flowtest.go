// Package flowtest builds apps in Go for tests, with templates written as in
// an app.star and with spans that say which part they are of.
package flowtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Obj is dataflow.ObjectOf, shorter.
func Obj(namesAndValues ...any) *dataflow.Object { return dataflow.ObjectOf(namesAndValues...) }

// List is a list of values.
func List(items ...any) []any { return items }

// Workflow builds a workflow from fields, nodes, edges and an optional Output.
func Workflow(name string, parts ...any) *dataflow.Workflow {
	wf := &dataflow.Workflow{Name: name, Span: dataflow.Span{File: name}}
	for _, p := range parts {
		switch p := p.(type) {
		case *dataflow.Field:
			wf.Input = append(wf.Input, p)
		case *dataflow.Node:
			wf.Nodes = append(wf.Nodes, p)
		case *dataflow.Edge:
			wf.Edges = append(wf.Edges, p)
		case Output:
			wf.Output = parse(p.V, name+"/output", "", dataflow.Spans{})
		case time.Duration:
			wf.Timeout = p
		default:
			panic(fmt.Sprintf("flowtest: %T", p))
		}
	}
	wf.SealInput()
	return wf
}

// Output is a workflow's output.
type Output struct{ V any }

// Handler builds a handler.
func Handler(name string, readOnly bool, f *Func, input ...*dataflow.Field) *dataflow.Workflow {
	wf := &dataflow.Workflow{Name: name, Handler: f, ReadOnly: readOnly, Input: input, Span: dataflow.Span{File: name}}
	wf.SealInput()
	return wf
}

// In is an input.
func In(name string, t *dataflow.Type) *dataflow.Field { return &dataflow.Field{Name: name, Type: t} }

// Node builds a node. typ is a type's name or a dataflow.Op. Its spans' File is
// "id/config/where/email" and the like.
func Node(typ any, id string, config *dataflow.Object, options ...func(*dataflow.Node)) *dataflow.Node {
	n := &dataflow.Node{ID: id, Span: dataflow.Span{File: id}, Spans: dataflow.Spans{
		"/type": {File: id + "/type"}, "/id": {File: id + "/id"}, "/config": {File: id + "/config"},
	}}
	switch typ := typ.(type) {
	case string:
		n.Type = typ
	case dataflow.Op:
		n.Type, n.Op = typ.NodeType(), &typ
	}
	if config != nil {
		n.Config = parse(config, id, "/config", n.Spans).(*dataflow.Object)
	}
	for _, o := range options {
		o(n)
	}
	return n
}

// When gives a node a condition.
func When(v any) func(*dataflow.Node) {
	return func(n *dataflow.Node) { n.When = parse(v, n.ID, "/when", n.Spans) }
}

// Retry gives a node a retry.
func Retry(max int, on ...string) func(*dataflow.Node) {
	return func(n *dataflow.Node) { n.Retry = &dataflow.Retry{Max: max, On: on} }
}

// OnError says what a node's failure means.
func OnError(v any) func(*dataflow.Node) {
	return func(n *dataflow.Node) { n.OnError = parse(v, n.ID, "/on_error", n.Spans) }
}

// Compensate names the node that undoes another.
func Compensate(id string) func(*dataflow.Node) {
	return func(n *dataflow.Node) {
		n.Compensate, n.Spans["/compensate"] = id, dataflow.Span{File: n.ID + "/compensate"}
	}
}

// Timeout gives a node a timeout.
func Timeout(d time.Duration) func(*dataflow.Node) {
	return func(n *dataflow.Node) { n.Timeout = d }
}

// Edge connects two nodes: Edge("a", "record.id", "b", "customer").
func Edge(from, output, to, input string) *dataflow.Edge {
	at := func(part string) dataflow.Span { return dataflow.Span{File: from + "->" + to + part} }
	return &dataflow.Edge{From: from, Output: output, To: to, Input: input, Span: at(""), Spans: dataflow.Spans{
		"/from": at("/from"), "/output": at("/output"), "/to": at("/to"), "/input": at("/input")}}
}

// parse reads the templates of a tree and notes the place of each part.
func parse(v any, id, ptr string, spans dataflow.Spans) any {
	span := dataflow.Span{File: id + ptr}
	spans[ptr] = span
	switch v := v.(type) {
	case string:
		out, diags := dataflow.ParseTemplate(v, func(int, int) dataflow.Span { return span })
		if len(diags) > 0 {
			panic(diags[0].Message)
		}
		return out
	case int:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = parse(item, id, fmt.Sprintf("%s/%d", ptr, i), spans)
		}
		return out
	case *dataflow.Object:
		out := dataflow.NewObject()
		for name, item := range v.All {
			spans[ptr+"/"+name+dataflow.KeySuffix] = dataflow.Span{File: id + ptr + "/" + name + dataflow.KeySuffix}
			out.Set(name, parse(item, id, ptr+"/"+name, spans))
		}
		return out
	}
	return v
}

// Func is a function of the file, written in Go.
type Func struct {
	Title string
	Names []string // parameters: "a", "b?" with a default, "**rest"
	Do    func(ctx context.Context, pos []any, args *dataflow.Object) (any, error)
}

// Fn builds a Func over named arguments.
func Fn(name, params string, do func(args *dataflow.Object) (any, error)) *Func {
	return &Func{name, strings.Fields(params), func(_ context.Context, _ []any, args *dataflow.Object) (any, error) { return do(args) }}
}

// HandlerFn builds the Func of a handler.
func HandlerFn(do func(ctx context.Context, h dataflow.Handler, args *dataflow.Object) (any, error)) *Func {
	return &Func{"handle", []string{"ctx", "**args"}, func(ctx context.Context, pos []any, args *dataflow.Object) (any, error) {
		return do(ctx, pos[0].(dataflow.Handler), args)
	}}
}

// Name implements dataflow.Func.
func (f *Func) Name() string { return f.Title }

// Span implements dataflow.Func.
func (f *Func) Span() dataflow.Span { return dataflow.Span{File: "def " + f.Title} }

// Params implements dataflow.Func.
func (f *Func) Params() []dataflow.Param {
	var ps []dataflow.Param
	for _, n := range f.Names {
		p := dataflow.Param{Name: n, Required: true}
		if rest, ok := strings.CutPrefix(n, "**"); ok {
			p = dataflow.Param{Name: rest, Rest: true}
		} else if opt, ok := strings.CutSuffix(n, "?"); ok {
			p = dataflow.Param{Name: opt}
		}
		ps = append(ps, p)
	}
	return ps
}

// Call implements dataflow.Func.
func (f *Func) Call(ctx context.Context, pos []any, named *dataflow.Object) (any, error) {
	return f.Do(ctx, pos, named)
}

// Render writes diagnostics one to a line, with hints and related places
// below.
func Render(ds []dataflow.Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s: %s %s: %s\n", d.Span.File, d.Severity, d.Code, d.Message)
		if d.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
		}
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  %s: %s\n", r.Span.File, r.Message)
		}
	}
	return b.String()
}
