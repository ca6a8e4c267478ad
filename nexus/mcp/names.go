package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
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
// of the same name, and those that hide a tool of flowctl's own.
func Check(app *dataflow.App) []dataflow.Diagnostic {
	taken := make(map[string]owned)
	var diags []dataflow.Diagnostic
	add := func(name, what string, span dataflow.Span) {
		first, clash := taken[name]
		if !clash {
			taken[name] = owned{what, span}
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
	return append(diags, hidden(app, taken)...)
}

// owned is what in the app has a name.
type owned struct {
	what string
	span dataflow.Span
}

// hidden warns of names that flowctl gives to something of its own.
func hidden(app *dataflow.App, taken map[string]owned) []dataflow.Diagnostic {
	var diags []dataflow.Diagnostic
	warn := func(span dataflow.Span, message, hint string) {
		diags = append(diags, dataflow.Diagnostic{Code: "FC745", Severity: dataflow.SeverityWarning, Span: span, Message: message, Hint: hint})
	}
	for _, name := range ownNames(app) {
		if o, ok := taken[name]; ok {
			warn(o.span, o.what+" hides the tool "+name+" that flowctl gives to agents", "give it another name")
		}
	}
	for _, exp := range app.Exposures {
		if slices.Contains(fixedSets(), exp.Path) {
			warn(exp.Span, "/mcp/"+exp.Path+" is a toolset of flowctl's own, so that "+exp.Model.Name+" has none", "expose it with another path, as path = \"all_orders\"")
		}
	}
	return diags
}

// ownNames are the names of flowctl's own tools that the app gives a use to.
func ownNames(app *dataflow.App) []string {
	var names []string
	if len(app.Exposures) > 0 {
		for _, g := range genericTable() {
			names = append(names, g.name)
		}
	}
	if slices.ContainsFunc(app.Workflows, func(wf *dataflow.Workflow) bool { return wf.Durable != nil && *wf.Durable }) {
		for _, o := range runTable() {
			names = append(names, o.name)
		}
	}
	return names
}
