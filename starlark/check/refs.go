package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// eachRef calls f for every reference in a workflow's nodes and output.
func eachRef(w *dataflow.Workflow, f func(dataflow.Ref)) {
	for _, n := range w.Nodes {
		nodeRefs(n, f)
	}
	valueRefs(w.Output, f)
}

func nodeRefs(n *dataflow.Node, f func(dataflow.Ref)) {
	valueRefs(n.Config, f)
	valueRefs(n.When, f)
	valueRefs(n.OnError, f)
	valueRefs(n.Compensate, f)
}

func valueRefs(v any, f func(dataflow.Ref)) {
	switch v := v.(type) {
	case dataflow.Ref:
		f(v)
	case *dataflow.Template:
		for _, part := range v.Parts {
			valueRefs(part, f)
		}
	case []any:
		for _, item := range v {
			valueRefs(item, f)
		}
	case *dataflow.Object:
		if v == nil {
			return
		}
		for _, item := range v.All {
			valueRefs(item, f)
		}
	}
}

// reads reports whether anything in the workflow uses an output of the node:
// one of those named, or the whole; any if none is named.
func (p *pass) reads(w *dataflow.Workflow, n *dataflow.Node, outputs ...string) bool {
	found := false
	uses := func(output string) {
		found = found || len(outputs) == 0 || output == "" || slices.Contains(outputs, output)
	}
	if len(outputs) > 0 && w.Output == nil {
		return true // all that a node gives is given to the caller
	}
	eachRef(w, func(r dataflow.Ref) {
		if r.Root != dataflow.RootNode || r.Node != n.ID {
			return
		}
		if len(r.Path) == 0 {
			uses("")
			return
		}
		uses(r.Path[0].Name)
	})
	for _, e := range w.Edges {
		if e.From == n.ID {
			uses(firstName(e.Output))
		}
	}
	for _, other := range w.Nodes { // a TransactionNode lists ids
		if nodes, ok := other.Config.Get("nodes"); ok && len(outputs) == 0 {
			if list, ok := nodes.([]any); ok && slices.Contains(list, any(n.ID)) {
				found = true
			}
		}
	}
	return found
}

// firstName is what a path begins with: "record" of "record.id".
func firstName(path string) string {
	first, _, _ := strings.Cut(path, ".")
	first, _, _ = strings.Cut(first, "[")
	return first
}

// bring reports whether a connection brings the node that input.
func bring(w *dataflow.Workflow, n *dataflow.Node, input string) bool {
	return slices.ContainsFunc(w.Edges, func(e *dataflow.Edge) bool { return e.To == n.ID && firstName(e.Input) == input })
}

// opOf returns the operation that a node runs, or nil.
func (p *pass) opOf(n *dataflow.Node) *dataflow.Op {
	if n.Op != nil {
		return n.Op
	}
	if p.ops == nil {
		p.ops = make(map[string]*dataflow.Op)
		for _, m := range p.app.Models() {
			for _, kind := range dataflow.AllOps() {
				op := dataflow.Op{Model: m, Kind: kind}
				if name := op.NodeType(); p.ops[name] == nil { // the first, where two databases have the name
					p.ops[name] = &op
				}
			}
		}
	}
	return p.ops[n.Type]
}
