package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// The form that CI servers read, after the Ant task that gave it its name.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Time    string        `xml:"time,attr,omitempty"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes diags as a test suite: a case each, which fails if it is an
// error; and one that passes where there are none, since a suite without cases
// is taken for one that did not run.
func JUnit(w io.Writer, diags []dataflow.Diagnostic) error {
	suite := junitSuite{Name: "flowctl check"}
	for i := range diags {
		d := &diags[i]
		c := junitCase{Name: fmt.Sprintf("%s %s", d.Code, d.Span), Class: "flowctl." + d.Code, File: d.Span.File, Line: d.Span.Start.Line}
		text := printable(strings.TrimSpace(d.Message + "\n" + d.Hint))
		if d.Severity == dataflow.SeverityError {
			c.Failure = &junitFailure{Message: printable(d.Message), Type: d.Code, Text: text}
			suite.Failures++
		} else {
			c.Out = d.Severity.String() + ": " + text
		}
		suite.Cases = append(suite.Cases, c)
	}
	if len(suite.Cases) == 0 {
		suite.Cases = []junitCase{{Name: "nothing to report", Class: "flowctl"}}
	}
	suite.Tests = len(suite.Cases)
	all := junitSuites{Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite}}
	out, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(out)+"\n")
	return err
}

// printable drops what XML can't hold.
func printable(s string) string { return clean(s) }
