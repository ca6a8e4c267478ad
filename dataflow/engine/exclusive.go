package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// switchNode is the node type whose ports exclude each other. Node types from
// elsewhere may open several.
const switchNode = "SwitchNode"

// way is a port that a run must take for a node to run, and the node that
// hangs on it, by which the port is needed.
type way struct {
	port string
	via  *nodePlan // nil if it is the node itself
}

// exclusive reports nodes that need two ports of one node, of which a run
// takes one: they would be skipped for ever, and nobody told.
func (w *wfPlanner) exclusive() {
	needs := make(map[*nodePlan]map[int]way, len(w.wp.nodes))
	for _, n := range w.wp.order {
		own := map[int]way{}
		gates := n.guards
		if n.spec == nil || !n.spec.Partial {
			gates = append(gates[:len(gates):len(gates)], n.gates...)
		}
		told := false
		need := func(pos int, by way) {
			first, there := own[pos]
			if !there {
				own[pos] = by
			} else if first.port != by.port && !told {
				told = true
				w.neverRuns(n, w.wp.nodes[pos], first, by)
			}
		}
		for _, g := range gates {
			from := w.wp.nodes[g.pos]
			switch {
			case g.port != "" && from.node.Type == switchNode:
				need(g.pos, way{port: g.port})
			case g.failed:
				need(g.pos, way{port: "its failure"})
			case from.onError != nil && from.onError.to != nil:
				need(g.pos, way{port: "its result"})
			}
			for _, pos := range slices.Sorted(maps.Keys(needs[from])) {
				need(pos, way{needs[from][pos].port, from})
			}
		}
		if len(own) > 0 {
			needs[n] = own
		}
	}
}

func (w *wfPlanner) neverRuns(n, sw *nodePlan, a, b way) {
	through := func(p way) string {
		if p.via == nil {
			return p.port
		}
		return fmt.Sprintf("%s by %s", p.port, p.via.node.ID)
	}
	d := w.errorf("FC322", n.node.Span, "%s never runs: it needs %s and %s, and a run takes one way out of %s", n.node.ID, through(a), through(b), sw.node.ID)
	d.Hint = "bring the ways together in a MergeNode, which takes what is there, and connect that"
	d.Related = []dataflow.Related{{Message: "the ways part here", Span: sw.node.Span}}
}
