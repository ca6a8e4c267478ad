package report

import (
	"encoding/json"
	"io"

	"github.com/flowctl/flowctl/dataflow"
)

// Version is the version of the JSON that JSON writes. Names may be added
// within a version; none changes its meaning or goes.
const Version = 1

// document is the JSON form of a report.
type document struct {
	Version     int                   `json:"version"`
	Diagnostics []dataflow.Diagnostic `json:"diagnostics"`
	Errors      int                   `json:"errors"`
	Warnings    int                   `json:"warnings"`
}

// JSON writes diags for a program: one indented JSON object, also for none.
func JSON(w io.Writer, diags []dataflow.Diagnostic) error {
	doc := document{Version: Version, Diagnostics: diags}
	if doc.Diagnostics == nil {
		doc.Diagnostics = []dataflow.Diagnostic{}
	}
	doc.Errors, doc.Warnings = count(diags)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
