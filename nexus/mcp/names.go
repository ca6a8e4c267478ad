package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// maxName is the length of a tool's name that every client is known to take,
// with the name of the server before it.
const maxName = 40

// workflowTool returns the name of a workflow's tool.
func workflowTool(wf *dataflow.Workflow) string { return shorten(wf.Name, "") }

// modelTool returns the name of the tool of an exposed model's operation:
// orders_create.
func modelTool(exp *dataflow.Exposure, op dataflow.OpKind) string {
	return shorten(exp.Path, "_"+op.String())
}

// shorten makes name+suffix a name that every client takes: of letters,
// digits, "_" and "-", and no longer than maxName. What is changed gets a hash
// of the whole, so that names that differ stay different, and the same file
// gives the same names.
func shorten(name, suffix string) string {
	safe := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return '_'
	}, name)
	if safe == name && len(name)+len(suffix) <= maxName {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(name))
	hash := "_" + hex.EncodeToString(sum[:3])
	return safe[:min(len(safe), maxName-len(suffix)-len(hash))] + hash + suffix
}

// Check finds workflows and operations of exposed models that would be tools
// of the same name.
func Check(app *dataflow.App) []dataflow.Diagnostic {
	type owner struct {
		what string
		span dataflow.Span
	}
	taken := make(map[string]owner)
	var diags []dataflow.Diagnostic
	add := func(name, what string, span dataflow.Span) {
		first, clash := taken[name]
		if !clash {
			taken[name] = owner{what, span}
			return
		}
		diags = append(diags, dataflow.Diagnostic{Code: "FC710", Severity: dataflow.SeverityError, Span: span,
			Message: what + " and " + first.what + " would both be the MCP tool " + name,
			Related: []dataflow.Related{{Message: first.what + " is here", Span: first.span}},
			Hint:    "give one of them another name, or expose the model with another path, as path = \"all_orders\""})
	}
	for _, exp := range app.Exposures {
		for _, op := range exp.Served() {
			add(modelTool(exp, op), "the operation "+op.String()+" of "+exp.Model.Name, exp.Span)
		}
	}
	for _, wf := range app.Workflows {
		add(workflowTool(wf), "the workflow "+wf.Name, wf.Span)
	}
	return diags
}
