package report

import (
	"io"

	"github.com/flowctl/flowctl/dataflow"
)

// Format is a form of report for another program.
type Format struct {
	Name  string
	Doc   string
	Write func(w io.Writer, diags []dataflow.Diagnostic) error
}

// Formats lists the forms besides Text.
func Formats() []Format {
	return []Format{
		{"concise", "a line each: file:line:col: severity[code]: message", Concise},
		{"json", "one object, of a versioned schema", JSON},
		{"sarif", "SARIF 2.1.0, for code scanning", SARIF},
		{"github", "workflow commands, which GitHub Actions shows beside the lines", GitHub},
		{"junit", "JUnit XML, for CI servers: a case each file, a failure each error", JUnit},
	}
}
