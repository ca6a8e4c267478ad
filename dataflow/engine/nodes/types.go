// Package nodes holds the built-in node types, one file each. A type knows its
// own config and what it does with it; order, references, transactions and
// retries are the engine's.
package nodes

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// Types returns the built-in node types, for engine.NewPlan. An embedding
// program appends its own.
func Types() []engine.NodeType {
	return append([]engine.NodeType{
		newStarlark(),
		newSwitch(),
		newMerge(),
		newHTTPRequest(),
		newSQLQuery(),
		newTransaction(),
		newWorkflow(),
		newMap(),
		newLoop(),
		newCache(),
		newLog(),
		newWait(),
		newSignal(),
		newEmit(),
		newFilter(),
		newSort(),
	}, documents()...)
}

// problem makes a diagnostic about a part of a node's config.
func problem(code string, node *dataflow.Node, pointer, message, hint string) dataflow.Diagnostic {
	return dataflow.Diagnostic{Code: code, Severity: dataflow.SeverityError,
		Span: node.Spans.At("/config" + pointer), Message: message, Hint: hint}
}

// fixed reports whether a value of a config is known before the run.
func fixed(v any) bool {
	switch v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return false
	}
	return true
}

func ptr[T any](v T) *T { return &v }
