package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Print writes what a function of the app printed, in one write: its place and
// the text. It may hold what a caller sent, so further lines are indented, that
// none passes for a line of the log.
func Print(w io.Writer, at dataflow.Span, text string) error {
	text = strings.ReplaceAll(clean(text), "\n", "\n    ")
	_, err := fmt.Fprintf(w, "%s: %s\n", at, text)
	return err
}
