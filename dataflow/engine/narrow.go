package engine

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// narrowed is the output of a read or list that asks for some fields only, so
// that a reference to one it leaves out is found when the file is loaded. It
// is nil if the node asks for all, or what it asks for is not known yet.
func (n *nodePlan) narrowed() *dataflow.Type {
	if n.op == nil || n.op.op.Kind != dataflow.OpRead && n.op.op.Kind != dataflow.OpList {
		return nil
	}
	asked, given := n.raw.Get("fields")
	if !given || asked == nil || !isConstant(asked) || n.raw.Has("expand") {
		return nil
	}
	m := n.op.op.Model
	positions, problems := query.ParseFields(m, asked, "")
	if len(problems) > 0 {
		return nil // reported with the rest of the config
	}
	row := dataflow.ObjectType(m.ID())
	for _, i := range positions {
		switch {
		case i >= len(m.Fields):
			row.Fields = append(row.Fields, &dataflow.Field{Name: m.Shape().Name(i), Type: dataflow.Any})
		case m.Fields[i] != m.ID():
			row.Fields = append(row.Fields, m.Fields[i])
		}
	}
	if n.op.op.Kind == dataflow.OpRead {
		return row
	}
	page := dataflow.ObjectType()
	for _, f := range n.spec.Output.Fields {
		if f.Name == "records" {
			f = &dataflow.Field{Name: f.Name, Type: dataflow.ListOf(row), Doc: f.Doc}
		}
		page.Fields = append(page.Fields, f)
	}
	return page
}
