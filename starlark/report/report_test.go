package report_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/google/go-cmp/cmp"
)

const app = "db = DataFlow()\n" +
	"Order = db.model(\"Order\", {\"total\": decimel(12, 2)})\n" +
	"\tx = \"ünï\" + 漢字 + bad\n" +
	"Order = db.model(\"Order\", {\n    \"a\": str,\n})\n"

func span(l1, c1, l2, c2 int) dataflow.Span {
	return dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: l1, Col: c1}, End: dataflow.Pos{Line: l2, Col: c2}}
}

func source(path string) string {
	if path == "app.star" {
		return app
	}
	return ""
}

func TestText(t *testing.T) {
	tests := []struct {
		name  string
		diags []dataflow.Diagnostic
		want  string
	}{
		{"nothing to say is nothing said", nil, ""},
		{
			"carets stand under the exact span",
			[]dataflow.Diagnostic{{Code: "FC101", Message: `unknown name "decimel"`, Span: span(2, 37, 2, 44), Hint: `did you mean "decimal"?`}},
			`
error[FC101]: unknown name "decimel"
  --> app.star:2:37
 2 | Order = db.model("Order", {"total": decimel(12, 2)})
   |                                     ^^^^^^^
   hint: did you mean "decimal"?

1 error
`,
		},
		{
			"tabs, accents and wide characters keep the carets aligned",
			[]dataflow.Diagnostic{{Code: "FC101", Message: "bad", Span: span(3, 19, 3, 22)}},
			"\nerror[FC101]: bad\n  --> app.star:3:19\n 3 | \tx = \"ünï\" + 漢字 + bad\n   | \t                   ^^^\n\n1 error\n",
		},
		{
			"a span over several lines is marked to the end of the first, related places follow",
			[]dataflow.Diagnostic{{Code: "FC210", Message: "two models are called Order", Span: span(4, 9, 6, 3),
				Related: []dataflow.Related{{Message: "the first is here", Span: span(2, 9, 2, 17)}}}},
			`
error[FC210]: two models are called Order
  --> app.star:4:9
 4 | Order = db.model("Order", {
   |         ^^^^^^^^^^^^^^^^^^^
  --> app.star:2:9: the first is here
 2 | Order = db.model("Order", {"total": decimel(12, 2)})
   |         ^^^^^^^^

1 error
`,
		},
		{
			"a file without a source, a place without a line, no place at all",
			[]dataflow.Diagnostic{
				{Code: "FC001", Message: "a", Span: dataflow.Span{File: "lib.star", Start: dataflow.Pos{Line: 120, Col: 1}}},
				{Code: "FC002", Message: "b", Span: dataflow.Span{File: "lib.star"}, Severity: dataflow.SeverityWarning},
				{Code: "FC701", Message: "port 8000 is in use", Hint: "one\ntwo"},
				{Code: "FC702", Message: "i", Severity: dataflow.SeverityInfo, Related: []dataflow.Related{{Message: "only words"}}},
			},
			`
error[FC001]: a
    --> lib.star:120:1

warning[FC002]: b
  --> lib.star

error[FC701]: port 8000 is in use
   hint: one
         two

info[FC702]: i
   note: only words

2 errors, 1 warning
`,
		},
		{
			"what a file says can't steer the terminal",
			[]dataflow.Diagnostic{{Code: "FC001", Message: "name \x1b[2J", Span: dataflow.Span{File: "a\x1b.star"}}},
			"\nerror[FC001]: name \ufffd[2J\n  --> a\ufffd.star\n\n1 error\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := report.Text(&b, tt.diags, source, false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextOfLongLineShowsWhatIsAroundTheSpan(t *testing.T) {
	long := strings.Repeat("a", 300) + "BAD" + strings.Repeat("b", 300)
	var b bytes.Buffer
	d := dataflow.Diagnostic{Message: "m", Span: span(1, 301, 1, 304)}
	if err := report.Text(&b, []dataflow.Diagnostic{d}, func(string) string { return long }, false); err != nil {
		t.Fatal(err)
	}
	want := "error: m\n  --> app.star:1:301\n" +
		" 1 | …" + strings.Repeat("a", 80) + "BAD" + strings.Repeat("b", 77) + "…\n" +
		"   |  " + strings.Repeat(" ", 80) + "^^^\n\n1 error\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTextInColor(t *testing.T) {
	var b bytes.Buffer
	d := dataflow.Diagnostic{Code: "FC001", Message: "m", Span: span(1, 1, 1, 3), Hint: "h"}
	if err := report.Text(&b, []dataflow.Diagnostic{d}, source, true); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1;31merror[FC001]\x1b[0m: \x1b[1mm\x1b[0m\n" +
		"  \x1b[2m-->\x1b[0m app.star:1:1\n" +
		"\x1b[2m 1 |\x1b[0m db = DataFlow()\n" +
		"\x1b[2m   |\x1b[0m \x1b[1;31m^^\x1b[0m\n" +
		"   \x1b[1;36mhint:\x1b[0m h\n\n1 error\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	tests := []struct {
		name  string
		diags []dataflow.Diagnostic
		want  string
	}{
		{"an app without findings", nil, `{
  "version": 1,
  "diagnostics": [],
  "errors": 0,
  "warnings": 0
}
`},
		{"one of each", []dataflow.Diagnostic{
			{Code: "FC101", Message: "<a> & b", Span: span(1, 2, 1, 3), Hint: "h"},
			{Code: "FC102", Message: "w", Severity: dataflow.SeverityWarning},
		}, `{
  "version": 1,
  "diagnostics": [
    {
      "code": "FC101",
      "severity": "error",
      "message": "<a> & b",
      "span": {
        "file": "app.star",
        "start": {
          "line": 1,
          "col": 2
        },
        "end": {
          "line": 1,
          "col": 3
        }
      },
      "hint": "h"
    },
    {
      "code": "FC102",
      "severity": "warning",
      "message": "w",
      "span": {
        "file": "",
        "start": {
          "line": 0,
          "col": 0
        },
        "end": {
          "line": 0,
          "col": 0
        }
      }
    }
  ],
  "errors": 1,
  "warnings": 1
}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := report.JSON(&b, tt.diags); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestColorNeedsATerminal(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	set := func(name string) func(string) (string, bool) {
		return func(n string) (string, bool) { return "dumb", n == name }
	}
	if report.Color(&bytes.Buffer{}, none) {
		t.Error("a buffer is coloured")
	}
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if report.Color(file, none) {
		t.Error("a plain file is coloured")
	}
	tty, err := os.Open(os.DevNull) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if !report.Color(tty, none) {
		t.Error("a terminal is not coloured")
	}
	if report.Color(tty, set("NO_COLOR")) || report.Color(tty, set("TERM")) {
		t.Error("NO_COLOR and TERM=dumb are not heeded")
	}
}

func TestFailureNamesTheRunThePlaceAndEveryProblem(t *testing.T) {
	e := dataflow.Invalid(
		dataflow.Problem{Code: "wrong_type", Pointer: "/qty", Detail: "must be a whole number"},
		dataflow.Problem{Code: "unknown_field", Pointer: "/emial", Detail: "there is no input emial", Hint: `did you mean "email"?`},
	)
	e.Workflow, e.Node, e.Span, e.Hint = "place_order", "order", span(2, 9, 2, 17), "see flowctl exec --help"
	var b bytes.Buffer
	if err := report.Failure(&b, e, source, false); err != nil {
		t.Fatal(err)
	}
	want := `error[invalid]: the input has 2 problems
  --> app.star:2:9
 2 | Order = db.model("Order", {"total": decimel(12, 2)})
   |         ^^^^^^^^
   note: in the node order of the workflow place_order
   note: /qty: must be a whole number
   note: /emial: there is no input emial; did you mean "email"?
   hint: see flowctl exec --help
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrintKeepsToItsLines(t *testing.T) {
	var b strings.Builder
	at := dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 3, Col: 5}}
	if err := report.Print(&b, at, "a\x1b[31mred\nlevel=INFO msg=forged"); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "app.star:3:5: a\uFFFD[31mred\n    level=INFO msg=forged\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
