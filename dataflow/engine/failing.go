package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// onError is what the failure of a node means, other than that of the run.
type onError struct {
	result expr      // its result then; nil: it has none
	to     *nodePlan // runs then, and only then
}

// failureType is what a failed node is to those that run in its place.
var failureType = dataflow.ObjectType(
	&dataflow.Field{Name: "code", Type: dataflow.String},
	&dataflow.Field{Name: "message", Type: dataflow.String},
)

// tellsOf reports whether a reference is to the node's failure: ${node.error}.
func (n *nodePlan) tellsOf(ref dataflow.Ref) bool {
	return n.onError != nil && n.onError.to != nil && len(ref.Path) > 0 && ref.Path[0].Name == "error"
}

const onErrorHint = `write on_error = "continue", {"default": result} or {"goto": "node"}`

// onError reads a node's on_error.
func (w *wfPlanner) onError(n *nodePlan) {
	span := partSpan(n.node, "/on_error")
	switch v := n.node.OnError.(type) {
	case nil:
		return
	case string:
		switch v {
		case "fail":
			return
		case "continue":
			n.onError = &onError{}
		default:
			d := w.errorf("FC345", span, "on_error can't be %q", v)
			if d.Hint = dataflow.DidYouMean(v, []string{"fail", "continue"}); d.Hint == "" {
				d.Hint = onErrorHint
			}
			return
		}
	case *dataflow.Object:
		_, hasDefault := v.Get("default")
		to, hasGoto := v.Get("goto")
		if v.Len() != 1 || !hasDefault && !hasGoto {
			d := w.errorf("FC345", span, "on_error takes one of default and goto")
			d.Hint = onErrorHint
			for _, name := range v.Names() {
				if near := dataflow.DidYouMean(name, []string{"default", "goto"}); near != "" && v.Len() == 1 {
					d.Span, d.Hint = n.node.Spans.Key("/on_error/"+escape(name)), near
				}
			}
			return
		}
		n.onError = &onError{}
		if hasDefault {
			n.output = dataflow.Any // the node's own, or the default
			n.onError.result = constant{}
			break
		}
		target := w.named(n, to, "/on_error/goto", "goto")
		if target == nil {
			return
		}
		n.onError.to = target
		target.guards = addOnce(target.guards, gate{pos: n.pos, failed: true})
		target.deps = append(target.deps, dep{n.pos, partSpan(n.node, "/on_error/goto")})
	default:
		w.errorf("FC345", span, "on_error can't be this").Hint = onErrorHint
		return
	}
	if n.isScoper() {
		w.errorf("FC345", span, "%s has an on_error of its own", n.spec.Name).Hint = `write it in the config: {"nodes": […], "on_error": "continue"}`
	}
}

// named finds the node that an option names, by its id or as a reference.
func (w *wfPlanner) named(n *nodePlan, v any, part, option string) *nodePlan {
	span, code := partSpan(n.node, part), "FC345"
	if option == "compensate" {
		code = "FC346"
	}
	id, _ := v.(string)
	if ref, ok := v.(dataflow.Ref); ok && ref.Root == dataflow.RootNode && len(ref.Path) == 0 {
		id = ref.Node
	}
	if id == "" {
		w.errorf(code, span, "%s wants the id of a node", option).
			Hint = fmt.Sprintf(`add the node, wf.add_node(…, "other", …), and write "other" for %s`, option)
		return nil
	}
	pos, ok := w.index[id]
	switch {
	case !ok:
		w.errorf(code, span, "unknown node %q", id).Hint = dataflow.NearOrAll(id, w.others(n))
		return nil
	case w.wp.nodes[pos] == n:
		w.errorf(code, span, "%s can't name %s itself", option, id)
		return nil
	}
	return w.wp.nodes[pos]
}

// compileFallback compiles what a failed node gives instead. Only what runs
// before the node can be in it.
func (w *wfPlanner) compileFallback(n *nodePlan) {
	if n.onError == nil || n.onError.result == nil {
		return
	}
	v, _ := n.node.OnError.(*dataflow.Object).Get("default")
	before := w.before(n)
	eachRef(v, func(ref dataflow.Ref) {
		if g, ok := w.gateOf(ref); ok && !before[g.pos] {
			w.errorf("FC345", ref.Span, "%s need not have run when %s fails", ref.Node, n.node.ID).
				Hint = "the default can use the input, and nodes that " + n.node.ID + " refers to"
		}
	})
	n.onError.result, _ = w.compileOutput(v, "/on_error/default")
}

// before returns the nodes that have run, or been skipped, when n runs.
func (w *wfPlanner) before(n *nodePlan) map[int]bool {
	seen := map[int]bool{}
	var visit func(*nodePlan)
	visit = func(n *nodePlan) {
		for _, d := range n.deps {
			if !seen[d.pos] {
				seen[d.pos] = true
				visit(w.wp.nodes[d.pos])
			}
		}
	}
	visit(n)
	return seen
}

// compensation reads which node undoes n.
func (w *wfPlanner) compensation(n *nodePlan) {
	if n.node.Compensate == nil {
		return
	}
	u := w.named(n, n.node.Compensate, "/compensate", "compensate")
	if u == nil {
		return
	}
	span := partSpan(n.node, "/compensate")
	switch {
	case u.undoes != nil:
		w.errorf("FC346", span, "%s undoes %s already", u.node.ID, u.undoes.node.ID).Hint = "add a node for each"
		return
	case u.isScoper():
		w.errorf("FC346", span, "a %s can't undo a node", u.spec.Name).Hint = "name a WorkflowNode to undo it in several steps"
		return
	case u.node.OnError != nil || u.node.Compensate != nil:
		w.errorf("FC346", span, "%s undoes %s, so it has no on_error and no compensate itself", u.node.ID, n.node.ID)
		return
	}
	n.undo, u.undoes = u, n
}

// checkCompensations checks how nodes and those that undo them hang together.
func (w *wfPlanner) checkCompensations() {
	for _, n := range w.wp.nodes {
		for _, d := range n.deps {
			if u := w.wp.nodes[d.pos]; u.undoes != nil && u != n {
				w.errorf("FC346", d.span, "%s runs only to undo %s: nothing can follow it", u.node.ID, u.undoes.node.ID)
			}
		}
		if n.undo == nil {
			continue
		}
		if !n.outside && n.spec != nil && !(w.wp.durable && n.writes) {
			w.errorf("FC346", partSpan(n.node, "/compensate"), "%s does nothing outside the database", n.node.ID).
				Hint = "leave out compensate: if the run fails, the transaction undoes what the node did"
		}
		before := w.before(n)
		before[n.pos] = true
		for _, d := range n.undo.deps {
			if !before[d.pos] {
				w.errorf("FC346", d.span, "%s need not have run when %s is to be undone", w.wp.nodes[d.pos].node.ID, n.node.ID).
					Hint = fmt.Sprintf("what undoes %s can use the input, %s and nodes that it refers to", n.node.ID, n.node.ID)
			}
		}
	}
}

// failed ends a node that failed for good. The error is the run's, unless
// the node's on_error says otherwise.
func (f *frame) failed(ctx context.Context, n *nodePlan, err error) error {
	e := dataflow.AsError(err)
	// A fault of the app or the runtime is not something to go on from.
	if n.onError == nil || ctx.Err() != nil || f.run.restarts() || e.Status == dataflow.StatusInternal {
		return err
	}
	if err := f.run.undoBelow(ctx, f.keyOf(n)); err != nil {
		return err
	}
	f.run.log().Info("a node failed, and the run goes on", "workflow", f.plan.wf.Name, "node", n.node.ID, "code", e.Code)
	switch {
	case n.onError.to != nil:
		f.state[n.pos] = stateFailed
		f.results[n.pos] = dataflow.ObjectOf("code", e.Code, "message", e.Text())
	case n.onError.result != nil:
		v, err := n.onError.result.eval(f)
		if err != nil {
			return f.failure(ctx, n, err)
		}
		f.results[n.pos], f.state[n.pos] = v, stateDone
	default:
		f.skip(n)
	}
	return nil
}

// undo is how to undo what a node did.
type undo struct {
	frame  *frame
	node   *nodePlan
	config *dataflow.Object
	key    string // of the node it undoes
}

// done notes how to undo what a node did, and undoes what the members of a
// scope did that failed without failing the run.
func (f *frame) done(ctx context.Context, n *nodePlan) error {
	if r := f.run; r.progress != nil && f.depth == 0 {
		total := len(f.plan.nodes)
		r.progress(min(int(r.ran.Add(1)), total), total, n.node.ID)
	}
	for _, m := range n.members {
		if f.state[m.pos] != stateDone {
			if err := f.run.undoBelow(ctx, f.keyOf(m)); err != nil {
				return err
			}
		}
	}
	u := n.undo
	if u == nil || f.closed(u) {
		return nil
	}
	if u.when != nil {
		if yes, err := f.when(u); err != nil || !yes {
			return err
		}
	}
	config, err := f.config(u)
	if err != nil {
		return f.failure(ctx, u, err)
	}
	f.run.remember(undo{f, u, config, f.keyOf(n)})
	return nil
}

// remember adds an undo. A node that ran again, as after a retry of the
// transaction, is undone once.
func (r *run) remember(u undo) {
	r.undoing.Lock()
	defer r.undoing.Unlock()
	r.undos = slices.DeleteFunc(r.undos, func(old undo) bool { return old.key == u.key })
	r.undos = append(r.undos, u)
}

// forgotten takes the undos of what ran below a key, the last first.
func (r *run) forgotten(key string) []undo {
	r.undoing.Lock()
	defer r.undoing.Unlock()
	var taken []undo
	r.undos = slices.DeleteFunc(r.undos, func(u undo) bool {
		if !below(u.key, key) {
			return false
		}
		taken = append(taken, u)
		return true
	})
	slices.Reverse(taken)
	return taken
}

// below reports whether a key is another one, or that of a part of it.
func below(key, of string) bool {
	return of == "" || key == of || strings.HasPrefix(key, of) && strings.ContainsRune("/#", rune(key[len(of)]))
}

// undoBelow undoes what ran below a key, while the run goes on.
func (r *run) undoBelow(ctx context.Context, key string) error {
	for _, u := range r.forgotten(key) {
		if err := r.undo(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// undoTime bounds how long it takes to undo a run. The run's own time may be
// over, and its caller gone.
const undoTime = 30 * time.Second

// undoAll undoes a run that has failed. It returns the error of the run, which
// says what could not be undone.
func (r *run) undoAll(ctx context.Context, err error) error {
	undos := r.forgotten("")
	if len(undos) == 0 {
		return err
	}
	r.tx = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var left []string
	for _, u := range undos {
		if failed := r.undo(ctx, u); failed != nil {
			left = append(left, r.undone(u))
			r.log().Error("what a node did could not be undone", "workflow", u.frame.plan.wf.Name,
				"node", u.node.undoes.node.ID, "undo", u.node.node.ID, "error", failed)
		}
	}
	if len(left) == 0 {
		return err
	}
	out := *dataflow.AsError(err)
	out.Message += "; what these nodes did could not be undone: " + strings.Join(left, ", ")
	return &out
}

// undo runs what undoes a node: in the transaction of the run if there is
// one, else in its own, beside a run of which other nodes may be under way.
func (r *run) undo(ctx context.Context, u undo) error {
	f := *u.frame
	if r.tx == nil {
		f.run = &run{engine: r.engine, id: r.id, caller: r.caller}
	}
	body := func() error {
		_, err := f.attempts(ctx, u.node, u.config)
		return err
	}
	var err error
	if r.tx != nil {
		err = r.savepoint(ctx, body)
	} else {
		err = f.run.transaction(ctx, &u.node.effects, func() {}, body)
	}
	if err != nil {
		return u.frame.failure(ctx, u.node, err)
	}
	return nil
}
