package engine

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// sort orders the nodes: dependencies first, otherwise as declared. A scope
// is ordered as one, with its members within.
func (w *wfPlanner) sort() {
	var units []*nodePlan
	for _, n := range w.wp.nodes {
		if n.scope == nil && n.undoes == nil {
			units = append(units, n)
		}
	}
	sorted := w.topological(units, (*nodePlan).unit)
	for _, n := range sorted {
		if len(n.members) > 0 {
			slices.SortFunc(n.members, func(a, b *nodePlan) int { return a.pos - b.pos })
			n.members = w.topological(n.members, func(m *nodePlan) *nodePlan { return m })
		}
		w.wp.order = append(append(w.wp.order, n), n.members...)
	}
	w.stages()
}

// waiting says which units wait for which.
type waiting struct {
	waits   map[*nodePlan][]dep       // what a unit needs
	users   map[*nodePlan][]*nodePlan // who needs it
	missing map[*nodePlan]int         // how many needs are not met yet
}

// waitingFor works out what each unit needs of the others. A need of a member
// is one of its scope, unless the scope itself meets it.
func (w *wfPlanner) waitingFor(units []*nodePlan, unitOf func(*nodePlan) *nodePlan) *waiting {
	g := &waiting{map[*nodePlan][]dep{}, map[*nodePlan][]*nodePlan{}, map[*nodePlan]int{}}
	in := make(map[*nodePlan]bool, len(units))
	for _, u := range units {
		in[u] = true
	}
	for _, u := range units {
		own := append([]*nodePlan{u}, u.members...)
		for _, n := range own {
			for _, d := range n.deps {
				target := w.wp.nodes[d.pos]
				on := unitOf(target)
				if within := n != u && target.scope == u; !in[on] || within {
					continue
				}
				g.waits[u] = append(g.waits[u], dep{on.pos, d.span})
				g.users[on] = append(g.users[on], u)
				g.missing[u]++
			}
		}
	}
	return g
}

// topological orders units by the dependencies of their nodes (Kahn, 1962),
// the first declared of those that are ready coming first. Cycles are
// reported, and then broken.
func (w *wfPlanner) topological(units []*nodePlan, unitOf func(*nodePlan) *nodePlan) []*nodePlan {
	g := w.waitingFor(units, unitOf)
	ready := &posHeap{}
	for _, u := range units {
		if g.missing[u] == 0 {
			heap.Push(ready, u)
		}
	}
	sorted := make([]*nodePlan, 0, len(units))
	emitted := make(map[*nodePlan]bool, len(units))
	for len(sorted) < len(units) {
		if ready.Len() == 0 {
			for _, u := range w.cycle(units, g.waits, emitted) {
				heap.Push(ready, u)
			}
		}
		u := heap.Pop(ready).(*nodePlan)
		if emitted[u] {
			continue
		}
		emitted[u] = true
		sorted = append(sorted, u)
		for _, user := range g.users[u] {
			if g.missing[user]--; g.missing[user] == 0 {
				heap.Push(ready, user)
			}
		}
	}
	return sorted
}

// cycle reports one cycle among the units not yet emitted and returns it.
func (w *wfPlanner) cycle(units []*nodePlan, waits map[*nodePlan][]dep, emitted map[*nodePlan]bool) []*nodePlan {
	start := units[slices.IndexFunc(units, func(u *nodePlan) bool { return !emitted[u] })]
	var path []*nodePlan
	var spans []dataflow.Span // spans[i]: where path[i] refers to path[i+1]
	seen := map[*nodePlan]int{}
	at := start
	for {
		if from, ok := seen[at]; ok {
			path, spans = path[from:], spans[from:]
			break
		}
		seen[at] = len(path)
		path = append(path, at)
		i := slices.IndexFunc(waits[at], func(d dep) bool { return !emitted[w.wp.nodes[d.pos]] })
		spans = append(spans, waits[at][i].span)
		at = w.wp.nodes[waits[at][i].pos]
	}
	// Begin with the node declared first, whichever way the cycle was found.
	first := 0
	for i, n := range path {
		if n.pos < path[first].pos {
			first = i
		}
	}
	path = append(slices.Clone(path[first:]), path[:first]...)
	spans = append(slices.Clone(spans[first:]), spans[:first]...)
	var names []string
	for _, n := range path {
		names = append(names, n.node.ID)
	}
	names = append(names, names[0])
	d := w.errorf("FC320", spans[0], "the nodes wait for each other: %s", circle(names))
	for i, span := range spans[1:min(len(spans), maxCircleShown)] {
		d.Related = append(d.Related, dataflow.Related{Span: span, Message: names[i+1] + " needs " + names[i+2]})
	}
	d.Hint = "remove one of these references"
	if len(path) == 1 {
		d.Message = "the node " + names[0] + " needs its own output"
		d.Hint = "a node can refer to nodes that run before it"
	}
	return path
}

// maxCircleShown is how many nodes of a circle a message names.
const maxCircleShown = 8

// circle writes who needs whom; names ends with the one it begins with.
func circle(names []string) string {
	if more := len(names) - 1 - maxCircleShown; more > 0 {
		return fmt.Sprintf("%s needs … (%d more) … needs %s", strings.Join(names[:maxCircleShown], " needs "), more, names[len(names)-1])
	}
	return strings.Join(names, " needs ")
}

// posHeap holds units, the first declared on top.
type posHeap []*nodePlan

func (h posHeap) Len() int           { return len(h) }
func (h posHeap) Less(i, j int) bool { return h[i].pos < h[j].pos }
func (h posHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *posHeap) Push(x any)        { *h = append(*h, x.(*nodePlan)) }
func (h *posHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// stages works out how far each node is from the start.
func (w *wfPlanner) stages() {
	level := make([]int, len(w.wp.nodes))
	for _, n := range w.wp.order {
		if n.scope != nil {
			level[n.pos] = level[n.scope.pos] + 1
		}
		for _, on := range w.needs(n) {
			level[n.pos] = max(level[n.pos], level[on.pos]+1)
		}
		for len(w.wp.stages) <= level[n.pos] {
			w.wp.stages = append(w.wp.stages, nil)
		}
		w.wp.stages[level[n.pos]] = append(w.wp.stages[level[n.pos]], n.pos)
	}
	w.wp.stages = slices.DeleteFunc(w.wp.stages, func(s []int) bool { return len(s) == 0 })
}

// needs lists the nodes that run before n: those it refers to; for a scope
// also those that its members refer to; and for one that refers to a scope or
// a member of it, all of the scope.
func (w *wfPlanner) needs(n *nodePlan) []*nodePlan {
	var all []*nodePlan
	for _, one := range append([]*nodePlan{n}, n.members...) {
		for _, d := range one.deps {
			on := w.wp.nodes[d.pos]
			switch {
			case on.unit() != n.unit():
				all = append(append(all, on.unit()), on.unit().members...)
			case one == n && on != n: // members of one scope
				all = append(all, on)
			}
		}
	}
	return all
}
