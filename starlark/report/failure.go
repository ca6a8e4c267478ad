package report

import (
	"fmt"
	"io"

	"github.com/flowctl/flowctl/dataflow"
)

// Failure writes the error of a run for a person: its code and message, the
// place in the file that caused it, every problem of the input and the hint.
func Failure(w io.Writer, e *dataflow.Error, source func(path string) string, color bool) error {
	p := printer{source: source, paint: plain, lines: map[string][]string{}}
	if color {
		p.paint = ansi
	}
	d := dataflow.Diagnostic{Code: e.Code, Message: e.Message, Span: e.Span, Hint: e.Hint}
	switch {
	case e.Workflow != "" && e.Node != "":
		d.Related = append(d.Related, dataflow.Related{Message: fmt.Sprintf("in the node %s of the workflow %s", e.Node, e.Workflow)})
	case e.Workflow != "":
		d.Related = append(d.Related, dataflow.Related{Message: "in the workflow " + e.Workflow})
	}
	if e.Private != "" {
		d.Related = append(d.Related, dataflow.Related{Message: e.Private})
	}
	for _, pr := range e.Problems {
		text := pr.Detail
		if pr.Pointer != "" {
			text = pr.Pointer + ": " + text
		}
		if pr.Hint != "" {
			text += "; " + pr.Hint
		}
		d.Related = append(d.Related, dataflow.Related{Message: text})
	}
	p.diagnostic(&d)
	_, err := io.WriteString(w, p.out.String())
	return err
}
