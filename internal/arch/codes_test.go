package arch

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

var update = flag.Bool("update", false, "rewrite the generated pages of docs/errors")

var (
	diagnosticCode = regexp.MustCompile(`^FC\d{3}$`)
	errorCode      = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

// Every diagnostic that the code can make has a row, and every row is made
// somewhere: a page about an error nobody can meet is noise, an error without
// a page a dead end.
func TestDiagnosticCodesAreDocumentedAndUsed(t *testing.T) {
	rows := map[string]bool{}
	last := ""
	for _, c := range dataflow.Codes() {
		if !diagnosticCode.MatchString(c.Code) {
			t.Errorf("row %q is no code: FC and three digits", c.Code)
		}
		if c.Code <= last {
			t.Errorf("%s stands behind %s: each code has one row", c.Code, last)
		}
		last = c.Code
		if c.Title == "" || !endsSentence(c.Doc) {
			t.Errorf("%s needs a title and a doc of whole sentences: %q", c.Code, c.Doc)
		}
		rows[c.Code] = true
	}
	used := literals(t, func(s string) bool { return diagnosticCode.MatchString(s) })
	compare(t, rows, used)
}

// The same for the codes that answers to requests carry.
func TestErrorCodesAreDocumentedAndUsed(t *testing.T) {
	rows := map[string]bool{}
	for _, c := range dataflow.ErrorCodes() {
		if !errorCode.MatchString(c.Code) {
			t.Errorf("row %q is no code: small letters, digits and _", c.Code)
		}
		if rows[c.Code] {
			t.Errorf("%s has two rows", c.Code)
		}
		if !endsSentence(c.Doc) {
			t.Errorf("%s needs a doc of whole sentences: %q", c.Code, c.Doc)
		}
		rows[c.Code] = true
	}
	used := literals(t, func(s string) bool { return rows[s] })
	maps.Copy(used, codesGiven(t))
	compare(t, rows, used)
}

// endsSentence reports whether a doc reads as sentences, which may end in a
// literal: a code span, or a colon and an example.
func endsSentence(doc string) bool {
	return strings.HasSuffix(doc, ".") || strings.HasSuffix(doc, "`") || strings.HasSuffix(doc, "```")
}

func compare(t *testing.T, rows map[string]bool, used map[string]string) {
	t.Helper()
	for _, code := range slices.Sorted(maps.Keys(rows)) {
		if used[code] == "" {
			t.Errorf("%s has a row in dataflow/codes.go, but nothing makes it", code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(used)) {
		if !rows[code] {
			t.Errorf("%s: %s has no row in dataflow/codes.go", used[code], code)
		}
	}
}

// literals finds the string literals that match, outside tests and the tables
// themselves, with the place of one use of each.
func literals(t *testing.T, match func(string) bool) map[string]string {
	t.Helper()
	found := map[string]string{}
	eachFile(t, func(s source, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			if text, ok := stringLit(n); ok && match(text) {
				found[text] = s.at(n)
			}
			return true
		})
	})
	return found
}

// codesGiven finds the codes that literals of dataflow.Error and
// dataflow.Problem give.
func codesGiven(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	eachFile(t, func(s source, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isErrorType(lit.Type) {
				return true
			}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, ok := kv.Key.(*ast.Ident)
				if text, isText := stringLit(kv.Value); ok && isText && key.Name == "Code" {
					found[text] = s.at(kv)
				}
			}
			return true
		})
	})
	return found
}

func isErrorType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "Error" || e.Name == "Problem"
	case *ast.SelectorExpr:
		from, ok := e.X.(*ast.Ident)
		return ok && from.Name == "dataflow" && isErrorType(e.Sel)
	}
	return false
}

func stringLit(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func eachFile(t *testing.T, f func(source, *ast.File)) {
	t.Helper()
	for _, s := range sources(t) {
		for _, file := range s.files {
			name := filepath.Base(s.fset.Position(file.Pos()).Filename)
			if s.pkg.name() != root || !strings.HasPrefix(name, "codes") {
				f(s, file)
			}
		}
	}
}

func TestErrorPagesAreUpToDate(t *testing.T) {
	pages := map[string]string{
		"diagnostics.md": diagnosticsPage(),
		"answers.md":     answersPage(),
	}
	for name, want := range pages {
		path := filepath.Join("..", "..", "docs", "errors", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("docs/errors/%s is not what dataflow/codes.go says; write it anew with: go test ./internal/arch -run ErrorPages -update", name)
		}
	}
}

const generated = "<!-- Made from dataflow/codes.go by: go test ./internal/arch -run ErrorPages -update -->\n\n"

var ranges = []struct{ prefix, title string }{
	{"FC0", "Syntax"}, {"FC1", "Names, options and loads"}, {"FC2", "Models"},
	{"FC3", "Workflows"}, {"FC4", "Handlers, exposure and Nexus"}, {"FC5", "Security"},
	{"FC6", "Databases and migration"}, {"FC7", "Running and serving"}, {"FC8", "Style"}, {"FC9", "Suppressions"},
}

func diagnosticsPage() string {
	var b strings.Builder
	b.WriteString(generated + "# What `flowctl` says about an app\n\n" +
		"Every message about a file carries one of these codes. A code keeps its meaning for ever.\n")
	for _, r := range ranges {
		heading := "\n## " + r.title + "\n"
		for _, c := range dataflow.Codes() {
			if !strings.HasPrefix(c.Code, r.prefix) {
				continue
			}
			b.WriteString(heading)
			heading = ""
			fmt.Fprintf(&b, "\n### %s: %s\n\n%s\n", c.Code, c.Title, c.Doc)
		}
	}
	return b.String()
}

var statuses = []struct {
	status  dataflow.Status
	meaning string
}{
	{dataflow.StatusInvalid, "The input is wrong"},
	{dataflow.StatusNotFound, "There is no such thing"},
	{dataflow.StatusConflict, "It conflicts with what is there"},
	{dataflow.StatusRejected, "The app's own rules refuse it"},
	{dataflow.StatusPrecondition, "The row has changed since it was read"},
	{dataflow.StatusPreconditionRequired, "The caller must say which version it read"},
	{dataflow.StatusUnauthorized, "The caller has not said who it is"},
	{dataflow.StatusForbidden, "The caller may not"},
	{dataflow.StatusBusy, "Worth trying again soon"},
	{dataflow.StatusTimeout, "It ran out of its time"},
	{dataflow.StatusCancelled, "The caller went away"},
	{dataflow.StatusStorage, "The database can't take it"},
	{dataflow.StatusUpstream, "A service that the app calls failed"},
	{dataflow.StatusInternal, "A fault of the app or the runtime"},
}

func answersPage() string {
	var b strings.Builder
	b.WriteString(generated + "# What a refused request says\n\n" +
		"`code` of a problem+json answer, of an MCP tool's error and of `flowctl exec`, and the `code` of each entry of its `errors`, is one of these.\n")
	for _, s := range statuses {
		heading := "\n## " + s.meaning + "\n\n| code | |\n|---|---|\n"
		for _, c := range dataflow.ErrorCodes() {
			if c.Status == s.status {
				fmt.Fprintf(&b, "%s| <a id=%q></a>`%s` | %s |\n", heading, c.Code, c.Code, strings.ReplaceAll(c.Doc, "\n", " "))
				heading = ""
			}
		}
	}
	return b.String()
}

// Every status an error can have is on the page.
func TestEveryErrorCodeIsOnThePage(t *testing.T) {
	page := answersPage()
	for _, c := range dataflow.ErrorCodes() {
		if !strings.Contains(page, "</a>`"+c.Code+"` |") {
			t.Errorf("%s is not on the page: its status %d is not in the list", c.Code, c.Status)
		}
	}
}
