package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// compileNode checks a node's config and options and compiles them.
func (w *wfPlanner) compileNode(n *nodePlan) {
	w.compileWhen(n)
	w.checkOptions(n)
	w.compileFallback(n)
	if n.spec == nil {
		eachRef(n.raw, func(ref dataflow.Ref) { w.compileRef(ref) }) // for what is wrong with them
		return
	}
	w.compileConfig(n)
	w.asks(n)
	if n.op != nil {
		w.checkOp(n)
	}
	if n.callee != nil {
		w.checkInputs(n)
	}
	if n.target != nil {
		w.checkTarget(n)
	}
	if c, ok := n.typ.(Checker); ok && !n.cutOff && !hasUnknown(n.raw) {
		node := *n.node
		node.Config = n.raw
		w.diags = append(w.diags, c.Check(w.planner.plan.app, &node)...)
	}
}

// hasUnknown reports whether an argument is missing because of what has been
// reported already.
func hasUnknown(config *dataflow.Object) bool {
	for _, v := range config.All {
		if ref, ok := v.(dataflow.Ref); ok && ref.Root == dataflow.RootUnknown {
			return true
		}
	}
	return false
}

func (w *wfPlanner) compileConfig(n *nodePlan) {
	var names []string
	var vals []expr
	var slip map[string]bool
	if n.spec.Rest == nil {
		slip = misspelt(n.raw, paramNames(n.spec))
	}
	required := func(f *dataflow.Field) string {
		if near := dataflow.Suggest(f.Name, n.raw.Names()); near != "" && n.spec.Param(near) == nil {
			return fmt.Sprintf("did you mean it by %q?", near)
		}
		return fmt.Sprintf("add %q: %s to the config of %s", f.Name, sample(f.Type), n.node.ID)
	}
	for _, f := range n.spec.Params {
		v, ok := n.raw.Get(f.Name)
		switch {
		case ok:
			e := w.compileValue(n, f, v, "/"+escape(f.Name))
			if n.op != nil && (f.Name == "filter" || f.Name == "where" || f.Name == "having") {
				e = literals(e, "/"+f.Name, false)
			}
			if _, fixed := e.(constant); !fixed && n.op == nil && f.Type.Kind != dataflow.KindAny {
				n.coerce = append(n.coerce, dynamicParam{len(vals), f})
			}
			names, vals = append(names, f.Name), append(vals, e)
		case f.HasDefault && n.op == nil: // an operation has its own way with defaults
			names, vals = append(names, f.Name), append(vals, constant{f.Default})
		case f.Required() && (n.cutOff || slip[f.Name] || n.node.Spans.Refused("/config")): // said of the name that was given
		case f.Required():
			w.errorf("FC304", partSpan(n.node, "/config"), "%s needs %q", n.spec.Name, f.Name).Hint = required(f)
		}
	}
	for name, v := range n.raw.All {
		if n.spec.Param(name) != nil {
			continue
		}
		if n.spec.Rest == nil {
			w.unknownKey(n, name)
			continue
		}
		rest := &dataflow.Field{Name: name, Type: n.spec.Rest, Optional: true}
		names, vals = append(names, name), append(vals, w.compileValue(n, rest, v, "/"+escape(name)))
	}
	n.config = &objectExpr{shape: dataflow.NewShape(names...), vals: vals}
	w.told(n)
}

// misspelt returns those of known that names of o most likely mean, so that a
// slip is reported once.
func misspelt(o *dataflow.Object, known []string) map[string]bool {
	slips := map[string]bool{}
	for name := range o.All {
		if !slices.Contains(known, name) {
			slips[dataflow.Suggest(name, known)] = true
		}
	}
	return slips
}

// kailashParams are the parameters of nodes that have another name here.
var kailashParams = map[string]string{
	"conditions": "filter", "record_id": "id", "updates": "fields", "order_by": "sort",
	"file_path": "path", "query": "sql", "parameters": "params",
}

func (w *wfPlanner) unknownKey(n *nodePlan, name string) {
	d := w.errorf("FC303", n.keySpanOf("/"+escape(name)), "%s takes no %q", n.spec.Name, name)
	d.Hint = dataflow.DidYouMean(name, paramNames(n.spec))
	if ours := kailashParams[name]; ours != "" && n.spec.Param(ours) != nil {
		d.Hint = fmt.Sprintf("here it is %q", ours)
	}
	if n.op == nil {
		d.Hint = cmp.Or(d.Hint, dataflow.NearOrAll(name, paramNames(n.spec)))
		return
	}
	if instead := access.Instead(n.op.op.Model, n.op.op.Kind, name); instead != "" {
		d.Hint = instead
		return
	}
	if f := n.op.op.Model.Field(name); f != nil && f.System != dataflow.RoleNone && (d.Hint == "" || n.op.op.Kind == dataflow.OpCreate) {
		d.Hint = name + " is kept by the runtime and can't be given"
	} else if f != nil && d.Hint == "" && n.spec.Param("fields") != nil {
		d.Hint = fmt.Sprintf(`put it in fields: {"fields": {%q: …}}`, name)
	}
	d.Hint = cmp.Or(d.Hint, dataflow.NearOrAll(name, paramNames(n.spec)))
}

// compileValue checks a part of a config against what is wanted there and
// compiles it. f is the parameter, or stands for a part of one.
func (w *wfPlanner) compileValue(n *nodePlan, f *dataflow.Field, v any, ptr string) expr {
	switch v := v.(type) {
	case dataflow.Ref:
		e, from := w.compileRef(v)
		if e == nil {
			return constant{}
		}
		w.checkAssign(n, f, v, from)
		return e
	case *dataflow.Template:
		e := w.compileText(v)
		if assignable(dataflow.String, f.Type) == fitsNever {
			w.errorf("FC312", v.Span, "%s wants %s, but this is a text", f.Name, typeName(f.Type)).
				Hint = "a reference keeps its type only where it is the whole string"
		}
		return e
	case dataflow.Func, *dataflow.Model, dataflow.Op, *dataflow.Op, *dataflow.Workflow, *dataflow.Field:
		if f.Type.Kind != dataflow.KindAny {
			w.errorf("FC305", n.spanOf(ptr), "%s wants %s, not %s", f.Name, typeName(f.Type), thing(v))
		}
		return constant{v}
	}
	if o, ok := v.(*dataflow.Object); isConstant(v) && !(ok && f.Type.Fields != nil && o != nil) {
		return w.compileConstant(n, f, v, ptr)
	}
	switch v := v.(type) {
	case []any:
		return w.compileList(n, f, v, ptr)
	case *dataflow.Object:
		return w.compileObject(n, f, v, ptr)
	}
	return constant{v}
}

func thing(v any) string {
	switch v.(type) {
	case dataflow.Func:
		return "a function"
	case *dataflow.Model:
		return "a model"
	case *dataflow.Workflow:
		return "a workflow"
	case *dataflow.Field:
		return "a type"
	}
	return "an operation"
}

// isConstant reports whether no reference, function or the like is in v.
func isConstant(v any) bool {
	switch v := v.(type) {
	case dataflow.Ref, *dataflow.Template, dataflow.Func, *dataflow.Model, dataflow.Op, *dataflow.Op, *dataflow.Workflow, *dataflow.Field:
		return false
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isConstant(item) })
	case *dataflow.Object:
		for _, item := range v.All {
			if !isConstant(item) {
				return false
			}
		}
	}
	return true
}

func (w *wfPlanner) compileConstant(n *nodePlan, f *dataflow.Field, v any, ptr string) expr {
	if f.Type.Kind == dataflow.KindAny {
		return constant{v}
	}
	out, problems := codec.Coerce(f, v, "")
	for _, p := range problems {
		w.errorf("FC305", n.spanOf(ptr+p.Pointer), "%s: %s", partName(f.Name, p.Pointer), p.Detail).Hint = p.Hint
	}
	if n.op != nil {
		return constant{v} // the operation coerces its arguments itself
	}
	return constant{out}
}

// partName writes the place of a problem within a parameter as the author
// would: fields.total.
func partName(name, ptr string) string {
	for _, part := range splitPointer(ptr) {
		if strings.Trim(part, "0123456789") == "" {
			name += "[" + part + "]"
		} else {
			name += "." + part
		}
	}
	return name
}

func (w *wfPlanner) compileList(n *nodePlan, f *dataflow.Field, list []any, ptr string) expr {
	elem := dataflow.Any
	switch f.Type.Kind {
	case dataflow.KindList:
		elem = f.Type.Elem
	case dataflow.KindAny, dataflow.KindJSON:
	default:
		w.errorf("FC305", n.spanOf(ptr), "%s wants %s, not a list", f.Name, typeName(f.Type))
	}
	out := &listExpr{}
	for i, item := range list {
		part := &dataflow.Field{Name: fmt.Sprintf("%s[%d]", f.Name, i), Type: elem, Optional: elem.Kind == dataflow.KindAny}
		out.items = append(out.items, w.compileValue(n, part, item, ptr+"/"+itoa(i)))
	}
	return out
}

func (w *wfPlanner) compileObject(n *nodePlan, f *dataflow.Field, o *dataflow.Object, ptr string) expr {
	switch f.Type.Kind {
	case dataflow.KindAny, dataflow.KindJSON, dataflow.KindObject, dataflow.KindRecord:
	default:
		w.errorf("FC305", n.spanOf(ptr), "%s wants %s, not an object", f.Name, typeName(f.Type))
	}
	known := f.Type.Fields
	var names []string
	var vals []expr
	for name, v := range o.All {
		part := &dataflow.Field{Name: f.Name + "." + name, Type: dataflow.Any, Optional: true}
		if known != nil {
			i := slices.IndexFunc(known, func(k *dataflow.Field) bool { return k.Name == name })
			if i < 0 {
				w.unknownPart(n, f, name, ptr+"/"+escape(name))
				continue
			}
			copied := *known[i]
			copied.Name = part.Name
			part = &copied
		}
		names, vals = append(names, name), append(vals, w.compileValue(n, part, v, ptr+"/"+escape(name)))
	}
	slip := misspelt(o, f.Type.AttrNames())
	for _, k := range known {
		if k.Required() && !o.Has(k.Name) && !slip[k.Name] {
			w.errorf("FC304", n.spanOf(ptr), "%s needs %q", f.Name, k.Name)
		}
	}
	if n.op != nil && isConstant(o) {
		return constant{o}
	}
	return &objectExpr{shape: dataflow.NewShape(names...), vals: vals}
}

// unknownPart reports a name that an object has no place for.
func (w *wfPlanner) unknownPart(n *nodePlan, f *dataflow.Field, name, ptr string) {
	d := w.errorf("FC303", n.keySpanOf(ptr), "%s has no %q", f.Name, name)
	d.Hint = dataflow.NearOrAll(name, f.Type.AttrNames())
	if n.op == nil {
		return
	}
	if known := n.op.op.Model.Field(name); known != nil && known.System != dataflow.RoleNone {
		d.Hint = name + " is kept by the runtime and can't be given"
	}
}

func (w *wfPlanner) compileText(t *dataflow.Template) expr {
	out := &text{}
	for _, part := range t.Parts {
		switch part := part.(type) {
		case string:
			out.parts = append(out.parts, textPart{text: part})
		case dataflow.Ref:
			if e, _ := w.compileRef(part); e != nil {
				out.parts = append(out.parts, textPart{expr: e, ref: part})
			}
		}
	}
	return out
}

// checkAssign reports a reference whose value can never be what is wanted.
func (w *wfPlanner) checkAssign(n *nodePlan, f *dataflow.Field, ref dataflow.Ref, from *dataflow.Type) {
	if assignable(from, f.Type) != fitsNever {
		return
	}
	d := w.errorf("FC312", ref.Span, "%s wants %s, but %s is %s", f.Name, typeName(f.Type), ref, typeName(from))
	d.Hint = assignHint(ref, from, f.Type)
}

// assignHint says what to write so that a value fits.
func assignHint(ref dataflow.Ref, from, to *dataflow.Type) string {
	inner := ref.String()
	inner = inner[:len(inner)-1]
	switch {
	case from.Kind == dataflow.KindRecord && (to.Kind == dataflow.KindRef || assignable(from.Model.ID().Type, to) != fitsNever):
		return "write " + inner + ".id}"
	case from.Kind == dataflow.KindRecord || from.Kind == dataflow.KindObject:
		for _, name := range from.AttrNames() {
			if t, known, _ := from.Attr(name); known && t.Kind == dataflow.KindRecord && to.Kind == dataflow.KindRef && t.Model == to.Model {
				return "write " + inner + "." + name + ".id}"
			}
		}
		return "name one of its parts, as " + inner + ".name}"
	case from.Kind == dataflow.KindList && to.Kind != dataflow.KindList && assignable(from.Elem, to) != fitsNever:
		return "take one of its items: " + inner + "[0]}"
	case from.Kind == dataflow.KindRef && to.Kind == dataflow.KindRef:
		return "it refers to another model"
	case to.Kind == dataflow.KindList && assignable(from, to.Elem) != fitsNever:
		return "make a list of it: [" + fmt.Sprintf("%q", ref.String()) + "]"
	case to.Kind == dataflow.KindString:
		return fmt.Sprintf("write it within a text, as %q, or use str() in a StarlarkNode", "no. "+ref.String())
	}
	return "convert it in a StarlarkNode first"
}

// sample is a literal of a type, for hints.
func sample(t *dataflow.Type) string {
	switch t.Kind {
	case dataflow.KindInt, dataflow.KindFloat:
		return "1"
	case dataflow.KindBool:
		return "True"
	case dataflow.KindDecimal:
		return `"1.00"`
	case dataflow.KindList:
		return "[…]"
	case dataflow.KindObject, dataflow.KindRecord:
		return "{…}"
	case dataflow.KindEnum:
		return fmt.Sprintf("%q", t.Values[0])
	case dataflow.KindRef:
		return `"${node.id}"`
	case dataflow.KindAny:
		return "…"
	}
	return `"…"`
}

// compileWhen compiles a node's condition.
func (w *wfPlanner) compileWhen(n *nodePlan) {
	switch v := n.condition().(type) {
	case nil:
	case bool:
		n.when = constant{v}
	case dataflow.Ref:
		e, from := w.compileRef(v)
		if e == nil {
			return
		}
		if assignable(from, dataflow.Bool) == fitsNever {
			w.errorf("FC312", v.Span, "when wants a bool, but %s is %s", v, typeName(from)).
				Hint = "compare in a StarlarkNode or a SwitchNode, and refer to its result"
		}
		n.when = e
	default:
		w.errorf("FC312", partSpan(n.node, "/when"), "when is one reference to a bool, not an expression in text").
			Hint = "compare in a StarlarkNode or a SwitchNode, and refer to its result"
		eachRef(v, func(ref dataflow.Ref) { w.compileRef(ref) })
	}
}

func (w *wfPlanner) checkOptions(n *nodePlan) {
	node := n.node
	if node.Timeout < 0 {
		w.errorf("FC305", partSpan(node, "/timeout"), "the timeout is negative")
	}
	if r := node.Retry; r != nil && (r.Max < 0 || r.Max > maxRetries || r.Backoff < 0) {
		w.errorf("FC305", partSpan(node, "/retry"), "retry takes a max from 0 to %d and a backoff that is not negative", maxRetries)
	}
	if r := node.Retry; r != nil {
		w.checkRetryCodes(node, r)
	}
}

// maxRetries bounds a node's retries.
const maxRetries = 100

func (w *wfPlanner) checkRetryCodes(node *dataflow.Node, r *dataflow.Retry) {
	var known []string
	for _, c := range dataflow.ErrorCodes() {
		known = append(known, c.Code)
	}
	for _, code := range r.On {
		if slices.Contains(known, code) {
			continue
		}
		// An embedding program's nodes may have codes of their own; only what
		// looks like a slip is worth a word.
		if hint := dataflow.DidYouMean(code, known); hint != "" {
			w.errorf("FC305", partSpan(node, "/retry"), "retry: unknown error code %q", code).Hint = hint
		}
	}
}
