package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// nodes follows values through the functions of a workflow's nodes, and looks
// at what is taken of their results.
func (fl *flow) nodes(w *dataflow.Workflow) {
	given := map[string]*val{} // by the id of the node that gives it
	functions := map[string]bool{}
	for _, n := range w.Nodes {
		fl.functionsOf(w, n, given)
		if v, ok := n.Config.Get("fn"); ok && n.Type == "StarlarkNode" {
			given[n.ID] = fl.result(w, n, v, given)
			_, replaced := n.OnError.(*dataflow.Object)
			functions[n.ID] = !replaced
			continue
		}
		given[n.ID] = fl.output(n)
	}
	look := func(id, path string, at dataflow.Span) {
		v := given[id]
		name := firstName(path)
		if !functions[id] || v == nil || v.open || name == "" || name == "error" || name == "result" {
			return
		}
		fl.note("FC375", at, v.entry(name) == nil, fmt.Sprintf("the function of %s returns no %q", id, name),
			or(dataflow.DidYouMean(name, v.entryNames()), "it returns "+strings.Join(v.entryNames(), ", ")))
	}
	eachRef(w, func(r dataflow.Ref) {
		if r.Root == dataflow.RootNode && len(r.Path) > 0 {
			look(r.Node, r.Path[0].Name, r.Span)
		}
	})
	for _, e := range w.Edges {
		look(e.From, e.Output, e.Spans.At("/output"))
	}
}

// functionsOf looks at texts that are written out for an operation of which
// only the run would say that they don't fit.
func (fl *flow) functionsOf(w *dataflow.Workflow, n *dataflow.Node, given map[string]*val) {
	op := fl.p.opOf(n)
	if op == nil {
		return
	}
	spec := fl.p.spec(*op)
	each := func(fields func(string) *dataflow.Field, values *dataflow.Object, at string) {
		for name, v := range values.All {
			r, isRef := v.(dataflow.Ref)
			f := fields(name)
			if !isRef || f == nil {
				continue
			}
			fl.room(f, fl.value(w, r, given), r.Span, op.Model.Name)
			if r.Root != dataflow.RootInput || len(r.Path) != 1 {
				continue
			}
			in := inputOf(w, r.Path[0].Name)
			if in != nil && in.Type.Kind == dataflow.KindString && in.Pattern == nil && in.Format == "" && readFromText[f.Type.Kind] {
				fl.note("FC376", r.Span, true, fmt.Sprintf("%s.%s is %s, and the input %s any text: the run refuses what is none", op.Model.Name, f.Name, withArticle(f.Type), in.Name),
					fmt.Sprintf("declare the input as what it is: %q: %s", in.Name, f.Type))
			}
		}
	}
	switch op.Kind {
	case dataflow.OpCreate:
		each(spec.Param, n.Config, "")
	case dataflow.OpUpdate, dataflow.OpUpsert:
		for _, part := range []string{"fields", "where", "create", "update"} {
			if v, _ := n.Config.Get(part); v != nil {
				if o, ok := v.(*dataflow.Object); ok {
					each(op.Model.Field, o, part)
				}
			}
		}
	}
}

// readFromText are the types that some texts are read as.
var readFromText = map[dataflow.Kind]bool{
	dataflow.KindDecimal: true, dataflow.KindDateTime: true, dataflow.KindDate: true, dataflow.KindTime: true, dataflow.KindUUID: true,
}

func withArticle(t *dataflow.Type) string { return "a " + t.String() }

// output is what a node other than a function gives.
func (fl *flow) output(n *dataflow.Node) *val {
	op := fl.p.opOf(n)
	if op == nil {
		return nil
	}
	spec := fl.p.spec(*op)
	if n.Config.Has("fields") && !op.Kind.Writes() || n.Config.Has("expand") {
		return narrower(*op, spec.Output, dataflow.Any)
	}
	return typed(spec.Output)
}

// result is what a StarlarkNode gives.
func (fl *flow) result(w *dataflow.Workflow, n *dataflow.Node, fn any, given map[string]*val) *val {
	function, ok := fn.(dataflow.Func)
	if !ok {
		return nil
	}
	param := func(_ int, name string) *val {
		c, there := n.Config.Get(name)
		if !there {
			return nil
		}
		return fl.value(w, c, given)
	}
	f, def := fl.p.definition(function)
	if def == nil {
		fl.lambda(function, param)
		return nil
	}
	v := fl.enter(f, def, param)
	switch {
	case v == nil:
		return nil
	case v.kind == isNone:
		return &val{kind: isDict, open: true}
	case asDict(v) != nil:
		return asDict(v)
	case v.kind == isTyped:
		return &val{kind: isDict, names: []*entry{{name: "result", val: v}}}
	}
	return nil
}

// value is what is known of an argument in a node's config.
func (fl *flow) value(w *dataflow.Workflow, v any, given map[string]*val) *val {
	switch v := v.(type) {
	case *dataflow.Template:
		return typed(dataflow.String)
	case string:
		return typed(dataflow.String)
	case int64:
		return typed(dataflow.Int)
	case float64:
		return typed(dataflow.Float)
	case bool:
		return typed(dataflow.Bool)
	case dataflow.Ref:
		switch {
		case v.Root == dataflow.RootInput && len(v.Path) > 0:
			if in := inputOf(w, v.Path[0].Name); in != nil {
				return along(sent(in), v.Path[1:])
			}
		case v.Root == dataflow.RootNode:
			return along(given[v.Node], v.Path)
		}
	}
	return nil
}

// along follows a reference's path into a value.
func along(v *val, path []dataflow.Step) *val {
	for _, st := range path {
		switch {
		case v == nil:
			return nil
		case st.Name == "" && v.kind == isList && !v.open:
			v = v.elem
		case st.Name == "":
			return nil
		default:
			d := asDict(v)
			if d == nil || d.entry(st.Name) == nil {
				return nil
			}
			v = d.entry(st.Name).val
		}
	}
	return v
}
