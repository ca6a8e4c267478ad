package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Text lays a plan out for reading: what runs before the transaction, what
// in it, in which order, and what side by side.
func (d *Description) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Name, d.summary())
	if d.Durable {
		d.durableText(&b)
		return b.String()
	}
	if d.Handler {
		b.WriteString("\n  a function: what it runs is known only when it does\n")
		return b.String()
	}
	step := 0
	if len(d.Before) > 0 {
		b.WriteString("\n" + d.beforeTitle() + "\n")
		for _, group := range d.Before {
			step++
			for _, id := range group {
				note := ""
				if d.parallel(group) && d.node(id).Effect == dataflow.EffectOutside {
					note = "side by side"
				}
				d.line(&b, step, id, note)
			}
		}
	}
	if len(d.Transaction) > 0 {
		fmt.Fprintf(&b, "\none %s\n", d.unit())
		for _, id := range d.Transaction {
			step++
			note := ""
			if n := d.node(id); n.Effect == dataflow.EffectOutside && d.Writes {
				note = "holds the transaction open"
			}
			d.line(&b, step, id, note)
		}
	}
	if len(d.Undo) > 0 {
		b.WriteString("\nif the run fails later, the last first\n")
		for _, u := range d.Undo {
			fmt.Fprintf(&b, "     %-16s undoes %s\n", u.ID, u.Undoes)
		}
	}
	b.WriteString("\ncheckpoints: none. The run ends with its request; one that is cut off leaves nothing in the database\n")
	return b.String()
}

// durableText lays out what a durable run does, unit by unit.
func (d *Description) durableText(b *strings.Builder) {
	fmt.Fprintf(b, "\ndurable, for %s: each run is kept in %s\n", d.Why, d.Home)
	if d.Handler {
		b.WriteString("\n  a function: what it runs is known only when it does; each call of ctx is a step of its own\n" +
			"\ncheckpoints: one after each step, in the transaction of its effects\n")
		return
	}
	step := 0
	for i, u := range d.Units {
		fmt.Fprintf(b, "\n%s\n", d.unitTitle(i))
		for _, id := range u.Nodes {
			step++
			d.line(b, step, id, "")
		}
	}
	if len(d.Undo) > 0 {
		b.WriteString("\nif the run fails later, or is cancelled, the last first\n")
		for _, u := range d.Undo {
			fmt.Fprintf(b, "     %-16s undoes %s\n", u.ID, u.Undoes)
		}
	}
	b.WriteString("\ncheckpoints: one after each part, in the transaction of its effects. A call that was cut off is made again, with the same Idempotency-Key\n")
}

// unitTitle names a unit of a durable workflow, and where it comes.
func (d *Description) unitTitle(i int) string {
	title := ""
	switch u := d.Units[i]; u.Kind {
	case UnitTransaction:
		title = "one transaction of " + d.Home
	case UnitCalls:
		title = "a call out"
		if len(u.Nodes) > 1 {
			title = "calls side by side, a checkpoint after each"
		}
	case UnitWait:
		title = "a wait, in " + d.Home
	case UnitRun:
		title = "a run of another workflow, and a wait for its end"
	}
	return fmt.Sprintf("part %d: %s", i+1, title)
}

// summary says in a few words what a run does.
func (d *Description) summary() string {
	switch {
	case d.Writes && len(d.Databases) > 0:
		return "writes " + strings.Join(d.Databases, ", ")
	case d.Writes:
		return "writes a database"
	case d.Effect == dataflow.EffectRead:
		return "reads only"
	case d.Effect == dataflow.EffectOutside:
		return "calls out"
	}
	return "computes only"
}

func (d *Description) beforeTitle() string {
	if len(d.Transaction) == 0 {
		return "without a transaction"
	}
	return "before the " + strings.Fields(d.unit())[0]
}

// unit names what the nodes of the database share.
func (d *Description) unit() string {
	kind := "snapshot"
	if d.Writes {
		kind = "transaction"
	}
	if len(d.Databases) == 0 {
		return kind
	}
	return kind + " of " + strings.Join(d.Databases, ", ")
}

// parallel reports whether nodes of a group run side by side: those that call
// out do.
func (d *Description) parallel(group []string) bool {
	calls := 0
	for _, id := range group {
		if d.node(id).Effect == dataflow.EffectOutside {
			calls++
		}
	}
	return calls > 1
}

func (d *Description) node(id string) NodeDescription {
	i := slices.IndexFunc(d.Nodes, func(n NodeDescription) bool { return n.ID == id })
	if i < 0 {
		return NodeDescription{}
	}
	return d.Nodes[i]
}

// waits reports whether the run rests at a node.
func (d *Description) waits(id string) bool {
	return slices.ContainsFunc(d.Units, func(u UnitDescription) bool {
		return (u.Kind == UnitWait || u.Kind == UnitRun) && slices.Contains(u.Nodes, id)
	})
}

func (d *Description) line(b *strings.Builder, step int, id, note string) {
	n := d.node(id)
	does := effectWords[n.Effect]
	if d.waits(id) {
		does = "waits"
	}
	fmt.Fprintf(b, "%3d  %-16s %-24s %s", step, id, n.Type, does)
	if len(n.After) > 0 {
		fmt.Fprintf(b, "; after %s", strings.Join(n.After, ", "))
	}
	if n.Scope != "" {
		fmt.Fprintf(b, "; in %s", n.Scope)
	}
	if note != "" {
		fmt.Fprintf(b, "; %s", note)
	}
	b.WriteString("\n")
}

var effectWords = [...]string{
	dataflow.EffectPure: "computes", dataflow.EffectRead: "reads", dataflow.EffectWrite: "writes", dataflow.EffectOutside: "calls out",
}

// diagram is how a language of diagrams writes the parts of one.
type diagram struct {
	begin, end           string
	group, groupEnd      string // group takes a number and a title
	node, edge, undoEdge string // node takes an id and a label, edges two ids
	newline              string // within a label
}

var (
	mermaid = diagram{begin: "flowchart TD\n", group: "  subgraph g%d[\"%s\"]\n", groupEnd: "  end\n",
		node: "    n_%s[\"%s\"]\n", edge: "  n_%s --> n_%s\n", undoEdge: "  n_%s -. undone by .-> n_%s\n", newline: "<br/>"}
	dot = diagram{begin: "digraph plan {\n  rankdir=TB;\n  node [shape=box];\n", end: "}\n",
		group: "  subgraph cluster_%d {\n    label=\"%s\";\n", groupEnd: "  }\n",
		node: "    \"%s\" [label=\"%s\"];\n", edge: "  \"%s\" -> \"%s\";\n",
		undoEdge: "  \"%s\" -> \"%s\" [style=dashed, label=\"undone by\"];\n", newline: `\n`}
)

// Mermaid draws the plan as a flowchart of Mermaid.
func (d *Description) Mermaid() string { return mermaid.draw(d) }

// DOT draws the plan for Graphviz.
func (d *Description) DOT() string { return dot.draw(d) }

func (g *diagram) draw(d *Description) string {
	var b strings.Builder
	b.WriteString(g.begin)
	groups := 0
	group := func(title string, ids []string) {
		if len(ids) == 0 {
			return
		}
		fmt.Fprintf(&b, g.group, groups, title)
		groups++
		for _, id := range ids {
			fmt.Fprintf(&b, g.node, g.id(id), id+g.newline+d.node(id).Type)
		}
		b.WriteString(g.groupEnd)
	}
	if d.Durable {
		for i, u := range d.Units {
			group(d.unitTitle(i), u.Nodes)
		}
	} else {
		group(d.beforeTitle(), slices.Concat(d.Before...))
		group("one "+d.unit(), d.Transaction)
	}
	if d.Handler {
		group("a function", []string{d.Name})
	}
	if len(d.Undo) > 0 {
		fmt.Fprintf(&b, g.group, groups, "if the run fails later")
		for _, u := range d.Undo {
			fmt.Fprintf(&b, g.node, g.id(u.ID), u.ID+g.newline+u.Type)
		}
		b.WriteString(g.groupEnd)
	}
	for _, n := range d.Nodes {
		for _, from := range n.After {
			fmt.Fprintf(&b, g.edge, g.id(from), g.id(n.ID))
		}
	}
	for _, u := range d.Undo {
		fmt.Fprintf(&b, g.undoEdge, g.id(u.Undoes), g.id(u.ID))
	}
	b.WriteString(g.end)
	return b.String()
}

// id is a node's id as the diagram takes it: Mermaid reads a hyphen as the
// beginning of an arrow.
func (g *diagram) id(id string) string {
	if g.begin == mermaid.begin {
		return strings.ReplaceAll(id, "-", "__")
	}
	return id
}
