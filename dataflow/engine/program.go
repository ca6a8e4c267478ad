package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// An expr is a compiled part of a config: references are slots of a frame,
// so that evaluating one looks up as few names as can be.
type expr interface {
	eval(f *frame) (any, error)
}

type (
	// constant is a part without references.
	constant struct{ v any }
	// inputRef is a reference into the workflow's input; pos is negative for
	// the whole of it.
	inputRef struct {
		pos  int
		path []pathStep
		ref  dataflow.Ref
	}
	// nodeRef is a reference to a node's output. If the node was skipped, or
	// the port it names is not active, its value is dataflow.Absent.
	nodeRef struct {
		pos  int
		port string
		path []pathStep
		ref  dataflow.Ref
	}
	// failureRef is a reference to why a node failed; Absent if it did not.
	failureRef struct {
		pos  int
		path []pathStep
		ref  dataflow.Ref
	}
	envRef struct{ pos int }
	// ctxRef is ctx.user, ctx.tenant or ctx.run_id.
	ctxRef struct {
		name string
		path []pathStep
		ref  dataflow.Ref
	}
	text       struct{ parts []textPart }
	listExpr   struct{ items []expr }
	objectExpr struct {
		shape *dataflow.Shape
		vals  []expr
	}
	// orNull turns what a skipped node leaves out into null.
	orNull struct{ expr }
)

type textPart struct {
	text string
	expr expr // nil: text
	ref  dataflow.Ref
}

// pathStep is a step of a reference. Where the plan knows the row it reads,
// shape and pos say where the name is.
type pathStep struct {
	dataflow.Step
	shape *dataflow.Shape
	pos   int
}

func (c constant) eval(*frame) (any, error) { return c.v, nil }

func (e *inputRef) eval(f *frame) (any, error) {
	if e.pos < 0 {
		return dataflow.NewRecord(f.plan.wf.InputShape, f.inputs), nil
	}
	return walk(f.inputs[e.pos], e.path, e.ref)
}

func (e *nodeRef) eval(f *frame) (any, error) {
	if f.state[e.pos] != stateDone {
		return dataflow.Absent, nil
	}
	v := f.results[e.pos]
	if e.port != "" && !portActive(v, e.port) {
		return dataflow.Absent, nil
	}
	return walk(v, e.path, e.ref)
}

func (e *failureRef) eval(f *frame) (any, error) {
	if f.state[e.pos] != stateFailed {
		return dataflow.Absent, nil
	}
	return walk(f.results[e.pos], e.path, e.ref)
}

func (e envRef) eval(f *frame) (any, error) { return f.run.engine.env[e.pos], nil }

func (e *ctxRef) eval(f *frame) (any, error) {
	switch e.name {
	case "tenant":
		if f.run.caller.Tenant == "" {
			return nil, nil
		}
		return f.run.caller.Tenant, nil
	case "run_id":
		return f.run.id, nil
	}
	if f.run.caller.User == nil {
		return nil, nil // nobody is signed in: all of ctx.user is null
	}
	return walk(f.run.caller.User, e.path, e.ref)
}

func (e *text) eval(f *frame) (any, error) {
	var b []byte
	for i := range e.parts {
		p := &e.parts[i]
		if p.expr == nil {
			b = append(b, p.text...)
			continue
		}
		v, err := p.expr.eval(f)
		if err != nil || v == dataflow.Absent {
			return v, err
		}
		if v = decoded(v); v == nil {
			return nil, &dataflow.Error{Code: "null_in_text", Status: dataflow.StatusRejected, Span: p.ref.Span,
				Message: p.ref.String() + " is null, so it can't be part of a text",
				Hint:    "give it a default, or build the text in a StarlarkNode"}
		}
		b = appendText(b, v)
	}
	return string(b), nil
}

func (e *listExpr) eval(f *frame) (any, error) {
	out := make([]any, 0, len(e.items))
	for _, it := range e.items {
		v, err := it.eval(f)
		if err != nil {
			return nil, err
		}
		if v != dataflow.Absent {
			out = append(out, v)
		}
	}
	return out, nil
}

func (e *objectExpr) eval(f *frame) (any, error) { return e.object(f) }

func (e *objectExpr) object(f *frame) (*dataflow.Object, error) {
	o := dataflow.NewBlank(e.shape)
	for i, x := range e.vals {
		v, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		o.Vals()[i] = v
	}
	return o, nil
}

func (e orNull) eval(f *frame) (any, error) {
	v, err := e.expr.eval(f)
	if v == dataflow.Absent {
		v = nil
	}
	return v, err
}

// walk follows a reference's path into a value.
func walk(v any, path []pathStep, ref dataflow.Ref) (any, error) {
	for i := range path {
		st := &path[i]
		v = decoded(v)
		if o, ok := v.(*dataflow.Object); ok && st.Name != "" {
			if st.shape != nil && o.Shape() == st.shape {
				if v = o.Vals()[st.pos]; v == dataflow.Absent {
					return nil, missingPart(o, path, i, ref)
				}
				continue
			}
			if v, ok = o.Get(st.Name); !ok {
				return nil, missingPart(o, path, i, ref)
			}
			continue
		}
		if l, ok := v.([]any); ok && st.Name == "" && st.Index < len(l) {
			v = l[st.Index]
			continue
		}
		return nil, missingPart(v, path, i, ref)
	}
	return v, nil
}

// decoded looks inside the text of a json field, which is valid by contract.
func decoded(v any) any {
	if raw, ok := v.(dataflow.RawJSON); ok {
		v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	return v
}

// missingPart is the error of a reference that led nowhere.
func missingPart(v any, path []pathStep, at int, ref dataflow.Ref) error {
	head := ref
	head.Path = ref.Path[:len(ref.Path)-len(path)+at]
	st := path[at]
	name := "[" + strconv.Itoa(st.Index) + "]"
	if st.Name != "" {
		name = strconv.Quote(st.Name)
	}
	e := &dataflow.Error{Code: "reference_failed", Status: dataflow.StatusRejected, Span: ref.Span}
	switch v := v.(type) {
	case nil:
		e.Message = fmt.Sprintf("%s is null, so it has no %s", head, name)
	case *dataflow.Object:
		e.Message = fmt.Sprintf("%s has no %s", head, name)
		if e.Hint = dataflow.DidYouMean(st.Name, v.Names()); e.Hint == "" && v.Len() > 0 && v.Len() <= 20 {
			e.Hint = "it has " + strings.Join(v.Names(), ", ")
		}
	case []any:
		if st.Name == "" {
			e.Message = fmt.Sprintf("%s has no %s: its length is %d", head, name, len(v))
		} else {
			e.Message = fmt.Sprintf("%s is a list, so it has no %s", head, name)
			e.Hint = "take one of its items first, as " + strings.TrimSuffix(head.String(), "}") + "[0]." + st.Name + "}"
		}
	default:
		e.Message = fmt.Sprintf("%s is a %s, so it has no %s", head, kindOf(v), name)
	}
	return e
}

// kindOf names the kind of a value, never its content.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case dataflow.Decimal:
		return "decimal"
	case string:
		return "str"
	case []byte:
		return "bytes"
	case []any:
		return "list"
	case *dataflow.Object:
		return "object"
	case dataflow.Date:
		return "date"
	case dataflow.TimeOfDay:
		return "time"
	case dataflow.RawJSON:
		return "json"
	}
	return "datetime"
}

// appendText appends a value as it stands in a text: strings as they are,
// everything else in its JSON form (decimals exact, datetimes RFC 3339),
// without the quotes around what JSON has no form for.
func appendText(b []byte, v any) []byte {
	if s, ok := v.(string); ok {
		return append(b, s...)
	}
	from := len(b)
	b = codec.AppendValue(b, v)
	if n := len(b); b[from] == '"' && b[n-1] == '"' {
		b = append(b[:from], b[from+1:n-1]...)
	}
	return b
}

func portActive(result any, port string) bool {
	o, ok := result.(*dataflow.Object)
	return ok && o.Has(port)
}
