package starlark_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	"github.com/google/go-cmp/cmp"
)

func loadTests(text string) ([]string, []string) {
	files := fstest.MapFS{
		"app.star":      {Data: []byte("db = DataFlow(database_url = \"sqlite:a.db\")\nNote = db.model(\"Note\", {\"text\": str})\ndef test_not_here(t): pass\ndef keep(ctx, text, n):\n    return ctx.run(Note.create, text = text)\napp = Nexus()\napp.handler(\"keep\", keep, input = {\"text\": str, \"n\": field(int, default = 1)})\napp.start()\n")},
		"app_test.star": {Data: []byte(text)},
	}
	_, tests, diags := starlark.LoadTests(context.Background(), "app.star", "app_test.star", starlark.Options{FS: files})
	var names, said []string
	for _, t := range tests {
		names = append(names, t.Name)
	}
	for _, d := range diags {
		text := fmt.Sprintf("%s-%d: %s %s: %s", d.Span, d.Span.End.Col, d.Severity, d.Code, d.Message)
		if d.Hint != "" {
			text += "; " + d.Hint
		}
		said = append(said, text)
	}
	return names, said
}

func TestTheTestsOfAFileComeInOrder(t *testing.T) {
	names, said := loadTests("load(\"app.star\", \"Note\", \"test_not_here\")\ndef test_z(t): pass\ndef helper(t): pass\ntest_n = 1\ndef test_a(t): pass\n")
	if diff := cmp.Diff([]string{"test_z", "test_a"}, names); diff != "" || said != nil {
		t.Error(diff, said)
	}
}

func TestWhatATestFileMayNotBe(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"def test_a(): pass\n", "FC415"},
		{"def test_a(t, u): pass\n", "FC415"},
		{"def test_a(*t): pass\n", "FC415"},
		{"def test_a(t) pass\n", "FC001"},
		{"load(\"app.star\", \"Nota\")\ndef test_a(t): pass\n", "FC112"},
	} {
		names, said := loadTests(tt.text)
		if names != nil || len(said) == 0 || !strings.Contains(said[0], tt.want) {
			t.Errorf("%q: %v, %v", tt.text, names, said)
		}
	}
}

// What a test expects to fail may fail for what it lacks; a name that is
// misspelt is a mistake there too.
func TestWhatFailsMayLackSomething(t *testing.T) {
	text := "load(\"app.star\", \"Note\")\ndef test_a(t):\n    t.fails(lambda: t.run(Note.create), code = \"invalid\")\n"
	if names, said := loadTests(text); len(names) != 1 || said != nil {
		t.Error(names, said)
	}
	_, said := loadTests(text + "    t.fails(lambda: t.run(Note.create, txet = \"a\"))\n    t.run(Note.create)\n")
	if len(said) != 2 || !strings.Contains(said[0], `takes no "txet"`) || !strings.Contains(said[1], `needs "text"`) {
		t.Error(said)
	}
}

// What is asked of t in a way that can't be is said before any test is run; what
// only looks so is let stand.
func TestWhatATestAsksOfT(t *testing.T) {
	const head = "load(\"app.star\", \"Note\")\nADA = {\"id\": \"ada\"}\n"
	for _, tt := range []struct{ body, want string }{
		{`t.eqaul(1, 1)`, `app_test.star:4:7-12: error FC416: t has no "eqaul"; did you mean "equal"?`},
		{`t.nothing`, `app_test.star:4:7-14: error FC416: t has no "nothing"; it has run, workflow, equal, has, true, fails, mock_http, http_calls, now, set_now, advance, as_caller, caller`},
		{`t.equal(1)`, `app_test.star:4:5-15: error FC416: t.equal needs "want"; as in t.equal(order.total, decimal("9.90"))`},
		{`t.equal(1, 1, "same", 4)`, `app_test.star:4:27-28: error FC416: t.equal takes no further argument by position; it takes got, want, message`},
		{`t.equal(1, got = 1)`, `app_test.star:4:16-19: error FC416: t.equal is given "got" twice; leave one of them out`},
		{`t.equal(1, wnat = 1)`, `app_test.star:4:16-20: error FC416: t.equal takes no "wnat"; did you mean "want"?`},
		{`t.http_calls(1)`, `app_test.star:4:18-19: error FC416: t.http_calls takes no further argument by position; it takes nothing`},
		{`t.mock_http("https://a.example/x", "POST")`, `app_test.star:4:40-46: error FC416: t.mock_http takes no further argument by position; it takes url, method, status, json, body, headers, fails, times`},
		{`t.mock_http("https://a.example/x", status = "200")`, `app_test.star:4:49-54: error FC416: status of t.mock_http is a whole number, not a string; as in t.mock_http("https://bank.example/charges", method = "POST", status = 201, json = {"id": 7})`},
		{`t.advance("2hours")`, `app_test.star:4:15-23: error FC416: duration of t.advance is a duration such as "30s", not "2hours"; as in t.advance("2h")`},
		{`t.has([1], [1])`, `app_test.star:4:16-19: error FC416: want of t.has is a dict, not a list; as in t.has(order, {"status": "new"})`},
		{`[t.fails(lambda: t.rum(Note.list)) for _ in range(2)]`, `app_test.star:4:24-27: error FC416: t has no "rum"; did you mean "run"?`},
		{`t.as_caller(ADA).rum(Note.list)`, `app_test.star:4:22-25: error FC416: a caller has no "rum"; did you mean "run"?`},
		{"ada = t.as_caller(\n        ADA,\n    )\n    ada.worklfow(\"keep\", text = \"a\")", `app_test.star:7:9-17: error FC416: a caller has no "worklfow"; did you mean "workflow"?`},
		{`t.workflow("kepe", text = "a")`, `app_test.star:4:16-22: error FC416: no workflow or handler is registered as "kepe"; did you mean "keep"?`},
		{`t.workflow("keep", txet = "a")`, `app_test.star:4:24-28: error FC416: keep takes no input "txet"; did you mean "text"?`},
		{`t.workflow("keep")`, `app_test.star:4:5-23: error FC416: keep needs the input "text"`},
		{`t.as_caller(ADA).workflow("keep", more = 1)`, `app_test.star:4:39-43: error FC416: keep takes no input "more"; it takes text, n`},

		{`t.fails(lambda: t.workflow("keep"))`, ""},
		{`t.fails(lambda: t.workflow("nowhere", more = 1), "not_found")`, ""},
		{`t.workflow("keep", {"text": "a"})`, ""},
		{`t.equal(*[1, 1])`, ""},
		{`t.equal(**{"got": 1, "want": 1})`, ""},
		{`t.workflow("keep", **ADA)`, ""},
		{`[t.rum for t in [struct(rum = 1)]]`, ""},
		{`(lambda t: t.eqaul)(struct(eqaul = 1))`, ""},
		{"ada = t.as_caller(ADA)\n    ada = struct(rum = 1)\n    ada.rum", ""},
		{"t.equal(helper(struct(total = 3, ranges = 1)), 4)\n\ndef helper(t):\n    return t.total + t.ranges", ""},
		{"helper(t)\n\ndef helper(t, n = 1):\n    t.eqaul(n, 1)", `app_test.star:7:7-12: warning FC416: t has no "eqaul"; did you mean "equal"?`},
	} {
		_, said := loadTests(head + "def test_a(t):\n    " + tt.body + "\n")
		if diff := cmp.Diff(tt.want, strings.Join(said, "\n")); diff != "" {
			t.Errorf("%s\n%s", tt.body, diff)
		}
	}
}

// A name in the table that tests lack, or the other way round, is
// documentation that lies.
func TestTheTableAndTheTestsAgree(t *testing.T) {
	var names []string
	for _, b := range spec.TestBuiltins() {
		names = append(names, strings.TrimPrefix(b.Name, "t."))
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, value.TestNames()); diff != "" {
		t.Error(diff)
	}
}
