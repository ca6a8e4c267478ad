package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// kailashTypes are node types of Kailash that go by another name here.
var kailashTypes = map[string]string{
	"PythonCodeNode":          `"StarlarkNode" with {"fn": function, …}`,
	"AsyncPythonCodeNode":     `"StarlarkNode" with {"fn": function, …}`,
	"AsyncHTTPRequestNode":    `"HTTPRequestNode"`,
	"RESTClientNode":          `"HTTPRequestNode"`,
	"AsyncSwitchNode":         `"SwitchNode"`,
	"AsyncMergeNode":          `"MergeNode"`,
	"SubWorkflowNode":         `"WorkflowNode"`,
	"SQLDatabaseNode":         `"SQLQueryNode" with {"sql": "…", "params": {…}}`,
	"AsyncSQLDatabaseNode":    `"SQLQueryNode" with {"sql": "…", "params": {…}}`,
	"DataTransformer":         `"StarlarkNode" with {"fn": function, …}`,
	"RateLimitedAPINode":      `"HTTPRequestNode"`,
	"GraphQLClientNode":       `"HTTPRequestNode" with {"method": "POST", "json": {"query": …}}`,
	"LLMAgentNode":            `"HTTPRequestNode", and call the service`,
	"EmbeddingGeneratorNode":  `"HTTPRequestNode", and call the service`,
	"Filter":                  `"FilterNode"`,
	"Sort":                    `"SortNode"`,
	"Aggregator":              `"AggregateNode"`,
	"ConvergenceCheckerNode":  `"LoopNode" with {"until": …, "max": …}`,
	"TransactionCommitNode":   `nothing: a workflow is all or nothing by itself`,
	"TransactionRollbackNode": `nothing: a run that fails leaves nothing behind`,
	"SagaCoordinatorNode":     `compensate = "…" of the nodes that are to be undone`,
	"FileReaderNode":          `"TextReaderNode"`,
	"FileWriterNode":          `"TextWriterNode"`,
	"Map":                     `"MapNode"`,
	"TransactionScopeNode":    `"TransactionNode" with {"nodes": […]}: a workflow is all or nothing by itself`,
}

// opNode is the node type of a model's operation.
type opNode struct {
	op    dataflow.Op
	model int // position in the plan
	spec  *dataflow.NodeSpec
}

// Spec implements NodeType.
func (n *opNode) Spec() *dataflow.NodeSpec { return n.spec }

// Run implements NodeType.
func (n *opNode) Run(ctx context.Context, call *Call) (any, error) {
	return call.Runtime.Run(ctx, n.op, call.Config)
}

// opType returns the node type of an operation, made once for each plan.
func (p *planner) opType(op dataflow.Op) *opNode {
	n, ok := p.plan.opNodes[op]
	if !ok {
		n = &opNode{op: op, model: p.plan.modelIndex[op.Model], spec: access.Spec(op)}
		p.plan.opNodes[op] = n
	}
	return n
}

// findOps returns the operations that a node type's name may mean.
func findOps(byName map[string][]*dataflow.Model, name string) []dataflow.Op {
	var ops []dataflow.Op
	for _, kind := range dataflow.AllOps() {
		if model, ok := strings.CutSuffix(name, kind.NodeSuffix()); ok {
			for _, m := range byName[model] {
				ops = append(ops, dataflow.Op{Model: m, Kind: kind})
			}
		}
	}
	return ops
}

// resolveType finds a node's type. It is nil if there is none.
func (p *planner) resolveType(node *dataflow.Node) NodeType {
	if node.Spans.Refused("/type") {
		return nil
	}
	if node.Op != nil {
		if _, ok := p.plan.modelIndex[node.Op.Model]; !ok {
			p.errorf("FC300", partSpan(node, "/type"), "the model %s belongs to no database of the app", node.Op.Model.Name)
			return nil
		}
		return p.opType(*node.Op)
	}
	if t, ok := p.plan.types[node.Type]; ok {
		return t
	}
	if node.Type == aggregateNode {
		return p.aggregateType(node)
	}
	switch ops := findOps(p.plan.byName, node.Type); len(ops) {
	case 0:
		p.unknownType(node)
		return nil
	case 1:
		return p.opType(ops[0])
	default:
		p.ambiguousType(node, ops)
		return nil
	}
}

// call checks a call of a node type by its name in a function.
func (p *planner) call(c *dataflow.Call) {
	if c.Type == aggregateNode { // what it takes depends on its model, which is an argument
		return
	}
	t := p.resolveType(&dataflow.Node{Type: c.Type, Span: c.Span})
	if t == nil {
		return
	}
	if e := notInHandler(t, c.Type); e != nil {
		p.errorf("FC387", c.Span, "%s", e.Message).Hint = e.Hint
		return
	}
	if t.Spec().Rest != nil {
		return
	}
	spec := t.Spec()
	for _, a := range c.Args {
		if spec.Param(a.Name) != nil {
			continue
		}
		names := paramNames(spec)
		d := p.errorf("FC303", a.Span, "%s takes no %q", spec.Name, a.Name)
		d.Hint = dataflow.NearOrAll(a.Name, names)
	}
}

func (p *planner) unknownType(node *dataflow.Node) {
	span := partSpan(node, "/type")
	d := p.errorf("FC300", span, "unknown node type %q", node.Type)
	if ours, ok := kailashTypes[node.Type]; ok {
		d.Hint = "write " + ours
		return
	}
	if model, op, dotted := strings.Cut(node.Type, "."); dotted && p.plan.byName[model] != nil &&
		slices.ContainsFunc(dataflow.AllOps(), func(k dataflow.OpKind) bool { return k.String() == op }) {
		d.Hint = "an operation is no text: write " + node.Type + " without quotes"
		return
	}
	switch {
	case p.workflows[node.Type] == nil:
	case node.ID == "": // of a call in a handler
		d.Hint = fmt.Sprintf("that is a workflow: write ctx.workflow(%q, …)", node.Type)
		return
	default:
		d.Hint = fmt.Sprintf(`that is a workflow: a "WorkflowNode" runs it, with {"workflow": %q}`, node.Type)
		return
	}
	if p.suggested++; p.suggested > 50 {
		return // a file this wrong is not helped by more of them, and each costs a search
	}
	names := p.nodeTypeNames()
	whole := node.Type + "Node"
	switch {
	case slices.Contains(names, whole):
		d.Hint = `did you mean "` + whole + `"?`
	default:
		d.Hint = dataflow.DidYouMean(node.Type, names)
	}
	if d.Hint == "" {
		d.Hint = "node types are a model's name with CreateNode, ReadNode, UpdateNode, DeleteNode, ListNode, UpsertNode, " +
			"CountNode, BulkCreateNode, BulkUpdateNode, BulkDeleteNode or BulkUpsertNode, and " + strings.Join(p.builtinNames(), ", ")
	}
}

func (p *planner) ambiguousType(node *dataflow.Node, ops []dataflow.Op) {
	d := p.errorf("FC301", partSpan(node, "/type"), "%q can mean %d node types", node.Type, len(ops))
	var writes []string
	for _, op := range ops {
		writes = append(writes, fmt.Sprintf("%s.%s", op.Model.Name, op.Kind))
		where := "another database"
		if op.Model.Database != nil {
			where = "database " + op.Model.Database.Name
		}
		d.Related = append(d.Related, dataflow.Related{Span: op.Model.Span,
			Message: fmt.Sprintf("%s of %s", op.Model.Name, where)})
	}
	slices.Sort(writes)
	d.Hint = "pass the operation itself instead of a name, from the variable that holds the model: " +
		strings.Join(slices.Compact(writes), " or ")
}

func (p *planner) builtinNames() []string {
	names := []string{aggregateNode}
	for name := range p.plan.types {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p *planner) nodeTypeNames() []string {
	if p.typeNames == nil {
		p.typeNames = p.builtinNames()
		for _, m := range p.plan.models {
			for _, kind := range dataflow.AllOps() {
				p.typeNames = append(p.typeNames, m.Name+kind.NodeSuffix())
			}
		}
	}
	return p.typeNames
}
