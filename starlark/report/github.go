package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// GitHub writes diags as workflow commands of GitHub Actions ("Workflow
// commands for GitHub Actions", setting an error message).
func GitHub(w io.Writer, diags []dataflow.Diagnostic) error {
	var b strings.Builder
	for i := range diags {
		d := &diags[i]
		command := map[dataflow.Severity]string{dataflow.SeverityError: "error", dataflow.SeverityWarning: "warning", dataflow.SeverityInfo: "notice"}[d.Severity]
		var props []string
		if d.Span.File != "" {
			props = append(props, "file="+githubProperty.Replace(d.Span.File))
		}
		if d.Span.Start.Line > 0 {
			props = append(props, fmt.Sprintf("line=%d,col=%d,endLine=%d,endColumn=%d",
				d.Span.Start.Line, d.Span.Start.Col, max(d.Span.End.Line, d.Span.Start.Line), max(d.Span.End.Col, 1)))
		}
		props = append(props, "title="+githubProperty.Replace(d.Code))
		text := d.Message
		if d.Hint != "" {
			text += "\nhint: " + d.Hint
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", command, strings.Join(props, ","), githubData.Replace(text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
