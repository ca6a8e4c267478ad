package lsp

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

// sort is the sort of thing that an expression stands for.
type sort uint8

const (
	unknown sort = iota
	aBuiltin
	aType
	aReceiver // that has methods: name is "db", "app", "wf", "ctx" or "t"
	aModel
	anOp
	aNode
	anInput // all inputs of a workflow
	aWorkflow
	aModule
	aModuleFunction
	aFunction
	aValue
)

// meaning is what an expression stands for, as far as the text tells.
type meaning struct {
	sort   sort
	name   string
	model  *dataflow.Model
	op     dataflow.OpKind
	flow   *dataflow.Workflow // of a builder, a node, an input; of ctx, the handler that is given it
	node   *dataflow.Node
	typ    *dataflow.Type // of a value; nil where only a run can tell
	module *Module
	def    *syntax.DefStmt
	file   string // of def
}

func valueOf(t *dataflow.Type) meaning {
	if t == nil || t.Kind == dataflow.KindAny || t.Kind == dataflow.KindJSON {
		return meaning{}
	}
	return meaning{sort: aValue, typ: t}
}

// entityKind is the sort of thing that can be looked up.
type entityKind uint8

const (
	entName     entityKind = iota // of a file or a function; owner is where it is set first
	entField                      // of a model, the owner
	entInput                      // of a workflow, the owner
	entNode                       // owner is the place of its id
	entSignal                     // of a handler, the owner
	entParam                      // of a builtin, the owner
	entArg                        // of a node type, the owner
	entNodeType                   // owner is its spec
	entOp                         // owner is the operation
	entBuiltin
	entType
	entOperator // of filters
	entFile     // name is its path
	entModule
	entModuleFunction // owner is the module's name
	entPart           // of a value
)

// entity is a thing that places in files speak of. Two places speak of the
// same thing if their entities are equal.
type entity struct {
	kind  entityKind
	owner any
	name  string
}

// mention is a place that speaks of an entity.
type mention struct {
	at   dataflow.Span
	what entity
	sets bool    // it is declared here
	is   meaning // what stands here, of a name or a part
}

// slotKind says what is to stand in a place.
type slotKind uint8

const (
	slotAny        slotKind = iota
	slotConfig              // a dict with arguments of a node type or operation
	slotRow                 // a dict with fields of the model
	slotFilter              // a filter of the model
	slotCondition           // what a filter compares a field with
	slotFields              // names of fields of the model: one, or a list
	slotAggregates          // a dict from names to figures
	slotFigure              // {"$sum": field}
	slotDeclared            // a dict that declares the fields of the model
	slotInputs              // a dict that declares the inputs of the workflow
	slotSignals             // a dict that declares the signals of the workflow, which is a handler
	slotType                // a value of a type
	slotNodeType
	slotNodeID
	slotOutput // a path into what a node gives
	slotTarget // an argument of a node
	slotWorkflow
	slotSignal // the name of a signal that the workflow waits for
	slotOneOf
	slotModule
	slotExport
	slotAccess       // a dict of rules
	slotFieldsAccess // a dict of rules for fields of the model
	slotFieldAccess  // a dict of rules for a field
	slotRule         // a rule for rows of the model: a condition, or a list
)

// slot is what is known of a place before what stands there is looked at.
type slot struct {
	kind   slotKind
	flow   *dataflow.Workflow // that references in text belong to
	model  *dataflow.Model
	typ    *dataflow.Type
	spec   *dataflow.NodeSpec
	op     *dataflow.Op
	node   *dataflow.Node
	words  []string
	module string
}

// with is the slot for something else in the same workflow.
func (s slot) with(k slotKind) slot { return slot{kind: k, flow: s.flow, model: s.model} }

// plain is the slot for anything in the same workflow.
func (s slot) plain() slot { return slot{flow: s.flow} }

// argument is the slot of an argument of an operation.
func (s slot) argument(op dataflow.Op, name string, p *dataflow.Field) slot {
	at := slot{flow: s.flow, model: op.Model}
	switch name {
	case "filter", "where":
		at.kind = slotFilter
	case "create", "update", "data":
		at.kind = slotRow
	case "fields":
		at.kind = slotRow
		if !op.Kind.Writes() {
			at.kind = slotFields
		}
	case "sort", "group_by", "conflict_on":
		at.kind = slotFields
	case "aggregates":
		at.kind = slotAggregates
	default:
		return s.typed(p.Type)
	}
	return at
}

// typed is the slot of a value of a type.
func (s slot) typed(t *dataflow.Type) slot {
	at := slot{kind: slotType, flow: s.flow, typ: t}
	if t != nil && t.Kind == dataflow.KindRecord {
		at.kind, at.model = slotRow, t.Model
	}
	return at
}

// element is the slot of the items of a list.
func (s slot) element() slot {
	if s.kind == slotType && s.typ != nil {
		if s.typ.Kind == dataflow.KindList {
			return s.typed(s.typ.Elem)
		}
		return s.plain()
	}
	return s
}

// specOf is the description of an operation, for all who ask in one index.
func (ix *index) specOf(op dataflow.Op) *dataflow.NodeSpec {
	if s := ix.specs[op]; s != nil {
		return s
	}
	s := access.Spec(op)
	ix.specs[op] = s
	return s
}

// nodeType finds a node type by its name: an operation's, or another.
func (ix *index) nodeType(name string) (*dataflow.NodeSpec, *dataflow.Op) {
	for _, s := range ix.outline.Types {
		if s.Name == name {
			return s, nil
		}
	}
	if op, ok := ix.ops[name]; ok {
		return ix.specOf(op), &op
	}
	return nil, nil
}

// methodOf finds the builtin of a method: "db" and "model".
func methodOf(recv, name string) *spec.Builtin { return builtin(recv + "." + name) }

func builtin(name string) *spec.Builtin {
	for _, table := range [][]*spec.Builtin{spec.Builtins(), spec.TestBuiltins()} {
		for _, b := range table {
			if b.Name == name {
				return b
			}
		}
	}
	return nil
}

// methodsOf lists the names of the methods of a receiver.
func methodsOf(recv string) []string {
	names := spec.Methods(recv)
	for _, b := range spec.TestBuiltins() {
		if name, ok := strings.CutPrefix(b.Name, recv+"."); ok {
			names = append(names, name)
		}
	}
	return names
}
