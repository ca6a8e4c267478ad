package engine

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// ctxTypes are what ctx has in a reference.
var ctxTypes = dataflow.ObjectType(
	&dataflow.Field{Name: "user", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true,
		Doc: "who is signed in; null, as every part of it, if nobody is"},
	&dataflow.Field{Name: "tenant", Type: dataflow.String, Optional: true, Doc: "the tenant of the call, or null"},
	&dataflow.Field{Name: "run_id", Type: dataflow.String, Doc: "the id of this run"},
)

// compileRef checks a reference and compiles it. It returns the type of its
// value; the expr is nil if the reference is wrong, which has been reported.
func (w *wfPlanner) compileRef(ref dataflow.Ref) (expr, *dataflow.Type) {
	switch ref.Root {
	case dataflow.RootUnknown:
		return nil, dataflow.Any
	case dataflow.RootInput:
		return w.compileInputRef(ref)
	case dataflow.RootEnv:
		return w.compileEnvRef(ref)
	case dataflow.RootCtx:
		return w.compileCtxRef(ref)
	}
	pos, ok := w.index[ref.Node]
	if !ok {
		w.errorf("FC311", ref.Span, "%s: there is no node %q", ref, ref.Node).
			Hint = dataflow.NearOrAll(ref.Node, append([]string{"input", "env", "ctx"}, w.ids...))
		return nil, dataflow.Any
	}
	n := w.wp.nodes[pos]
	t, steps, problem := w.pathType(n, ref)
	if problem != "" {
		d := w.errorf("FC311", ref.Span, "%s: %s", ref, problem)
		if n.tellsOf(ref) {
			d.Hint = hintOf(failureType, ref.Path[1:])
		} else if _, _, ok := n.output.Attr(ref.Path[0].Name); ok {
			d.Hint = hintOf(n.output, ref.Path)
		} else {
			d.Hint = w.outputHint(n, ref.Path[0].Name)
		}
		return nil, dataflow.Any
	}
	g, _ := w.gateOf(ref)
	if g.failed {
		return &failureRef{pos: pos, path: steps[1:], ref: ref}, t
	}
	return &nodeRef{pos: pos, port: g.port, path: steps, ref: ref}, t
}

// pathType follows a reference into the output of a node. problem is "" if it
// may lead to something.
func (w *wfPlanner) pathType(n *nodePlan, ref dataflow.Ref) (t *dataflow.Type, steps []pathStep, problem string) {
	if n.tellsOf(ref) {
		t, rest, problem := typePath(failureType, ref.Path[1:], n.node.ID+".error")
		return t, append([]pathStep{{Step: ref.Path[0]}}, rest...), problem
	}
	if ports := n.ports(); ports != nil && len(ref.Path) > 0 {
		name := ref.Path[0].Name
		for _, p := range ports {
			if p == name {
				t, _, ok := n.output.Attr(name)
				if !ok {
					t = dataflow.Any
				}
				t, rest, problem := typePath(t, ref.Path[1:], n.node.ID+"."+name)
				return t, append([]pathStep{{Step: ref.Path[0]}}, rest...), problem
			}
		}
		if _, known, ok := n.output.Attr(name); !known || !ok {
			return dataflow.Any, nil, fmt.Sprintf("%s has no output %q", n.node.ID, name)
		}
	}
	return typePath(n.output, ref.Path, n.node.ID)
}

// outputHint suggests an output of a node in place of name.
func (w *wfPlanner) outputHint(n *nodePlan, name string) string {
	names := append(n.output.AttrNames(), n.ports()...)
	if hint := dataflow.DidYouMean(name, names); hint != "" {
		return hint
	}
	for _, inner := range n.output.AttrNames() { // id for record.id
		t, _, _ := n.output.Attr(inner)
		if t != nil && (t.Kind == dataflow.KindRecord || t.Kind == dataflow.KindObject && t.Fields != nil) {
			if _, known, ok := t.Attr(name); known && ok {
				return `did you mean "` + inner + "." + name + `"?`
			}
		}
	}
	if name == "output" || name == "result" || name == "data" {
		return fmt.Sprintf(`all of it is ${%s}, or "" as the output of a connection; it has %s`, n.node.ID, strings.Join(names, ", "))
	}
	if len(names) > 0 && len(names) <= 12 && name != "" {
		return "it has " + strings.Join(names, ", ")
	}
	return ""
}

// typePath follows a path into a type. head is what the path starts from, as
// the author wrote it.
func typePath(t *dataflow.Type, path []dataflow.Step, head string) (*dataflow.Type, []pathStep, string) {
	steps := make([]pathStep, len(path))
	for i, st := range path {
		steps[i].Step = st
		if st.Name == "" {
			switch t.Kind {
			case dataflow.KindList:
				t = t.Elem
			case dataflow.KindAny, dataflow.KindJSON:
				t = dataflow.Any
			default:
				return dataflow.Any, nil, fmt.Sprintf("%s is %s, not a list", head, typeName(t))
			}
			head += fmt.Sprintf("[%d]", st.Index)
			continue
		}
		next, _, ok := t.Attr(st.Name)
		if !ok {
			return dataflow.Any, nil, noAttr(t, st.Name, head)
		}
		if t.Kind == dataflow.KindRecord {
			steps[i].shape = t.Model.Shape()
			steps[i].pos, _ = t.Model.Shape().Index(st.Name)
		}
		t = next
		head += "." + st.Name
	}
	return t, steps, ""
}

func noAttr(t *dataflow.Type, name, head string) string {
	switch t.Kind {
	case dataflow.KindObject, dataflow.KindRecord:
		return fmt.Sprintf("%s has no %q", head, name)
	case dataflow.KindRef:
		return fmt.Sprintf("%s is the id of a %s, so it has no %q", head, t.Model.Name, name)
	}
	return fmt.Sprintf("%s is %s, so it has no %q", head, typeName(t), name)
}

// hintOf suggests what to write for the first step of path that t can't follow.
func hintOf(t *dataflow.Type, path []dataflow.Step) string {
	for _, st := range path {
		if st.Name == "" {
			if t.Kind != dataflow.KindList {
				return ""
			}
			t = t.Elem
			continue
		}
		next, _, ok := t.Attr(st.Name)
		if ok {
			t = next
			continue
		}
		switch t.Kind {
		case dataflow.KindRef:
			return "read it with a " + t.Model.Name + "ReadNode first"
		case dataflow.KindList:
			return "take one of its items: [0]." + st.Name
		}
		if hint := dataflow.DidYouMean(st.Name, t.AttrNames()); hint != "" {
			return hint
		}
		if names := t.AttrNames(); len(names) > 0 && len(names) <= 12 {
			return "it has " + strings.Join(names, ", ")
		}
		return ""
	}
	return ""
}

// typeName writes a type with its article.
func typeName(t *dataflow.Type) string {
	s := t.String()
	if t.Kind == dataflow.KindRef {
		return "the id of a " + t.Model.Name
	}
	if strings.ContainsRune("aeioAEIO", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}

func (w *wfPlanner) compileInputRef(ref dataflow.Ref) (expr, *dataflow.Type) {
	wf := w.wp.wf
	whole := dataflow.ObjectType(wf.Input...)
	if len(ref.Path) == 0 {
		return &inputRef{pos: -1, ref: ref}, whole
	}
	t, steps, problem := typePath(whole, ref.Path, "input")
	if wf.Input == nil {
		problem = fmt.Sprintf("the workflow %s takes no input", wf.Name)
	}
	if problem != "" {
		d := w.errorf("FC311", ref.Span, "%s: %s", ref, problem)
		d.Hint = hintOf(whole, ref.Path)
		if wf.Input == nil {
			d.Hint = fmt.Sprintf("declare it: WorkflowBuilder(%q, input = {%q: str})", wf.Name, ref.Path[0].Name)
		}
		return nil, dataflow.Any
	}
	pos, _ := wf.InputShape.Index(ref.Path[0].Name)
	return &inputRef{pos: pos, path: steps[1:], ref: ref}, t
}

func (w *wfPlanner) compileEnvRef(ref dataflow.Ref) (expr, *dataflow.Type) {
	if len(ref.Path) != 1 || ref.Path[0].Name == "" {
		w.errorf("FC311", ref.Span, "%s: an environment variable is a text without parts", ref).
			Hint = `write "${env.NAME}"`
		return nil, dataflow.Any
	}
	name := ref.Path[0].Name
	pos, ok := w.envs[name]
	if !ok {
		pos = len(w.planner.plan.env)
		w.envs[name] = pos
		w.planner.plan.env = append(w.planner.plan.env, envUse{name, ref.Span})
	}
	return envRef{pos}, dataflow.String
}

func (w *wfPlanner) compileCtxRef(ref dataflow.Ref) (expr, *dataflow.Type) {
	if len(ref.Path) == 0 {
		w.errorf("FC311", ref.Span, "%s: ctx is no value by itself", ref).Hint = `write "${ctx.user.id}", "${ctx.tenant}" or "${ctx.run_id}"`
		return nil, dataflow.Any
	}
	t, steps, problem := typePath(ctxTypes, ref.Path, "ctx")
	if problem != "" {
		w.errorf("FC311", ref.Span, "%s: %s", ref, problem).Hint = hintOf(ctxTypes, ref.Path)
		return nil, dataflow.Any
	}
	return &ctxRef{name: ref.Path[0].Name, path: steps[1:], ref: ref}, t
}
