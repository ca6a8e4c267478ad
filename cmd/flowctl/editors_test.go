package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/starlark/spec"
)

var extension = filepath.Join("..", "..", "editors", "vscode")

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(extension, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// What the extension's manifest points to is there.
func TestTheManifestOfTheExtension(t *testing.T) {
	var m struct {
		Main        string
		Contributes struct {
			Languages []struct {
				ID, Configuration string
				Extensions        []string
			}
			Grammars []struct{ Language, ScopeName, Path string }
			Commands []struct{ Command string }
		}
	}
	readJSON(t, "package.json", &m)
	language, grammar := m.Contributes.Languages[0], m.Contributes.Grammars[0]
	if !slices.Contains(language.Extensions, ".star") || grammar.Language != language.ID {
		t.Errorf("got %+v, %+v", language, grammar)
	}
	var configuration struct{ Comments struct{ LineComment string } }
	readJSON(t, language.Configuration, &configuration)
	if configuration.Comments.LineComment != "#" {
		t.Errorf("comments begin with %q", configuration.Comments.LineComment)
	}
	var g struct{ ScopeName string }
	if readJSON(t, grammar.Path, &g); g.ScopeName != grammar.ScopeName {
		t.Errorf("the scope is %s, not %s", g.ScopeName, grammar.ScopeName)
	}
	script, err := os.ReadFile(filepath.Join(extension, m.Main))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Contributes.Commands {
		if !strings.Contains(string(script), `registerCommand("`+c.Command+`"`) {
			t.Errorf("nothing registers %s", c.Command)
		}
	}
}

// The command that the extension, and the lines for other editors, start is
// one that there is.
func TestEditorsStartACommandThatThereIs(t *testing.T) {
	for name, pattern := range map[string]string{
		filepath.Join("vscode", "extension.js"): `args: \["(\w+)"\]`,
		"README.md":                             `(?:\{ "flowctl", |args = \[|"arguments": \[)"(\w+)"\]?`,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "editors", name))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s starts nothing", name)
		}
		for _, m := range found {
			if !isCommand(m[1]) {
				t.Errorf("%s starts flowctl %s, which there is not", name, m[1])
			}
		}
	}
}

// grammarRule is a pattern of a grammar.
type grammarRule struct {
	Name, Match, Begin, End, Include string
	Captures                         map[string]struct{ Name string }
	Patterns                         []grammarRule
}

// goRegexp is a pattern of the grammar for Go, which looks behind nothing.
func goRegexp(t *testing.T, pattern string) *regexp.Regexp {
	t.Helper()
	re, err := regexp.Compile(regexp.MustCompile(`\(\?<!\[[^\]]*\]\)`).ReplaceAllString(pattern, `\b`))
	if err != nil {
		t.Error(err)
		return regexp.MustCompile("$.")
	}
	return re
}

func TestTheGrammar(t *testing.T) {
	var g struct {
		Patterns   []grammarRule
		Repository map[string]grammarRule
	}
	readJSON(t, filepath.Join("syntaxes", "flowctl.tmLanguage.json"), &g)
	used := map[string]bool{}
	var walk func([]grammarRule)
	walk = func(rules []grammarRule) {
		for _, r := range rules {
			if name, ok := strings.CutPrefix(r.Include, "#"); ok {
				if _, there := g.Repository[name]; !there {
					t.Errorf("there is no %s", r.Include)
				}
				used[name] = true
			}
			for _, pattern := range []string{r.Match, r.Begin, r.End} {
				goRegexp(t, pattern)
			}
			walk(r.Patterns)
		}
	}
	walk(g.Patterns)
	for _, r := range g.Repository {
		walk([]grammarRule{r})
	}
	for name := range g.Repository {
		if !used[name] {
			t.Errorf("%s is never included", name)
		}
	}

	builtin := goRegexp(t, g.Repository["builtin"].Match)
	for _, name := range spec.Globals() {
		if builtin.FindString(name) != name {
			t.Errorf("the builtin %s is not shown as one", name)
		}
	}

	var reference *grammarRule
	for i, r := range g.Repository["inString"].Patterns {
		if r.Name == "meta.template.reference.flowctl" {
			reference = &g.Repository["inString"].Patterns[i]
		}
	}
	if reference == nil {
		t.Fatal("references are not shown")
	}
	re := goRegexp(t, reference.Match)
	for text, want := range map[string][]string{
		`of ${order.total}!`:      {"${order.total}", "${", "order", ".total", "}"},
		`${list.records[0].id}`:   {"${list.records[0].id}", "${", "list", ".records[0].id", "}"},
		`${input}`:                {"${input}", "${", "input", "", "}"},
		`"${open", "b": {"c": 1}`: nil,
	} {
		if got := re.FindStringSubmatch(text); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if m := re.FindStringSubmatchIndex("$${x}"); m != nil && goRegexp(t, g.Repository["inString"].Patterns[0].Match).FindStringIndex("$${x}")[0] >= m[0] {
		t.Error("an escaped reference is shown as one")
	}
}
