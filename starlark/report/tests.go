package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Outcome is how a test ended.
type Outcome struct {
	File    string
	Name    string
	Line    int
	Took    time.Duration
	Problem *dataflow.Diagnostic // nil: it passed
	Output  string               // what it printed
}

// Failed counts the tests that failed.
func Failed(outcomes []Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Problem != nil {
			n++
		}
	}
	return n
}

// TestsText writes a line for each test, and of those that failed why.
func TestsText(w io.Writer, outcomes []Outcome, source func(path string) string, color bool) error {
	p := printer{source: source, paint: plain, lines: map[string][]string{}}
	if color {
		p.paint = ansi
	}
	for _, o := range outcomes {
		if o.Problem == nil {
			fmt.Fprintf(&p.out, "ok    %s: %s\n", o.File, o.Name)
			continue
		}
		fmt.Fprintf(&p.out, "%s  %s: %s\n", p.paint(styleOf(dataflow.SeverityError), "FAIL"), o.File, o.Name)
		p.diagnostic(o.Problem)
		if o.Output != "" {
			fmt.Fprintf(&p.out, "it printed:\n%s", indented(o.Output))
		}
		p.out.WriteByte('\n')
	}
	failed := Failed(outcomes)
	switch total := several(len(outcomes), "test"); failed {
	case 0:
		fmt.Fprintf(&p.out, "%s passed\n", total)
	default:
		fmt.Fprintf(&p.out, "%d of %s failed\n", failed, total)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(clean(text)) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// TestsVersion is the version of the form of TestsJSON. It grows if a program
// that reads it would break.
const TestsVersion = 1

// TestsJSON writes outcomes as one object.
func TestsJSON(w io.Writer, outcomes []Outcome) error {
	type outcome struct {
		File    string               `json:"file"`
		Name    string               `json:"name"`
		Line    int                  `json:"line"`
		OK      bool                 `json:"ok"`
		MS      float64              `json:"ms"`
		Problem *dataflow.Diagnostic `json:"problem,omitempty"`
		Output  string               `json:"output,omitempty"`
	}
	out := struct {
		Version int       `json:"version"`
		Tests   int       `json:"tests"`
		Failed  int       `json:"failed"`
		Results []outcome `json:"results"`
	}{TestsVersion, len(outcomes), Failed(outcomes), []outcome{}}
	for _, o := range outcomes {
		out.Results = append(out.Results, outcome{o.File, o.Name, o.Line, o.Problem == nil, milliseconds(o.Took), o.Problem, o.Output})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond).Microseconds()) / 1000
}

// TestsJUnit writes outcomes as a suite for each file.
func TestsJUnit(w io.Writer, outcomes []Outcome) error {
	all := junitSuites{Name: "flowctl test", Tests: len(outcomes), Failures: Failed(outcomes)}
	for _, o := range outcomes {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != o.File {
			all.Suites = append(all.Suites, junitSuite{Name: o.File})
		}
		suite := &all.Suites[len(all.Suites)-1]
		c := junitCase{Name: o.Name, Class: o.File, File: o.File, Line: o.Line, Time: fmt.Sprintf("%.3f", o.Took.Seconds()), Out: printable(o.Output)}
		if d := o.Problem; d != nil {
			lines := []string{fmt.Sprintf("%s: %s", d.Span, d.Message)}
			for _, r := range d.Related {
				line := r.Message
				if !r.Span.IsZero() {
					line = fmt.Sprintf("%s: %s", r.Span, line)
				}
				lines = append(lines, line)
			}
			if d.Hint != "" {
				lines = append(lines, "hint: "+d.Hint)
			}
			c.Failure = &junitFailure{Message: printable(d.Message), Type: "failure", Text: printable(strings.Join(lines, "\n"))}
			suite.Failures++
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, c)
	}
	out, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(out)+"\n")
	return err
}
