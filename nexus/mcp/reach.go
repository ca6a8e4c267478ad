package mcp

import "github.com/flowctl/flowctl/dataflow"

// reach is what a tool may do, for the hints by which clients decide whether
// to ask their user first.
type reach struct {
	readOnly    bool
	destructive bool // may change or remove what is there
	idempotent  bool // called again with the same arguments, nothing more happens
	openWorld   bool // reaches beyond the app's own database
}

func annotations(title string, r reach) *dataflow.Object {
	return dataflow.ObjectOf("title", title, "readOnlyHint", r.readOnly, "destructiveHint", r.destructive,
		"idempotentHint", r.idempotent, "openWorldHint", r.openWorld)
}

func reachOfOp(m *dataflow.Model, op dataflow.OpKind) reach {
	r := reach{readOnly: !op.Writes()}
	switch op {
	case dataflow.OpRead, dataflow.OpList, dataflow.OpCount, dataflow.OpAggregate, dataflow.OpDelete, dataflow.OpBulkDelete:
		r.idempotent = true
	case dataflow.OpUpdate, dataflow.OpUpsert, dataflow.OpBulkUpdate, dataflow.OpBulkUpsert:
		// A second time leaves the same values, but another version and
		// another entry in the log.
		r.idempotent = !m.Versioned && !m.AuditLog
	}
	r.destructive = op.Writes() && op != dataflow.OpCreate && op != dataflow.OpBulkCreate
	return r
}

// reachOf works out what a workflow may do from its nodes. What can't be known
// is taken for granted: a handler or a node type of another program may do
// anything.
func reachOf(ops map[string]dataflow.Op, wf *dataflow.Workflow, readOnly bool) reach {
	if readOnly {
		return reach{readOnly: true, idempotent: true}
	}
	if wf.Handler != nil {
		return reach{destructive: true, openWorld: true}
	}
	var r reach
	for _, n := range wf.Nodes {
		op, ok := ops[n.Type]
		if n.Op != nil {
			op, ok = *n.Op, true
		}
		if ok {
			r.destructive = r.destructive || reachOfOp(op.Model, op.Kind).destructive
			continue
		}
		switch n.Type {
		case "StarlarkNode", "AggregateNode", "SwitchNode", "MergeNode", "FilterNode", "SortNode", "TransactionNode": // these only arrange, or read
		default:
			r.destructive, r.openWorld = true, true
		}
	}
	return r
}

// operations indexes the operations of every model by their node types.
func operations(app *dataflow.App) map[string]dataflow.Op {
	ops := make(map[string]dataflow.Op)
	for _, m := range app.Models() {
		for _, kind := range dataflow.AllOps() {
			op := dataflow.Op{Model: m, Kind: kind}
			ops[op.NodeType()] = op
		}
	}
	return ops
}
