package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Concise writes a line for each of diags, as compilers do, and nothing else.
func Concise(w io.Writer, diags []dataflow.Diagnostic) error {
	var b strings.Builder
	for i := range diags {
		d := &diags[i]
		if !d.Span.IsZero() {
			b.WriteString(clean(d.Span.String()) + ": ")
		}
		fmt.Fprintf(&b, "%s[%s]: %s", d.Severity, d.Code, oneLine(d.Message))
		if d.Hint != "" {
			b.WriteString(" (" + oneLine(d.Hint) + ")")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }
