package spec_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/starlark/spec"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/language.md and docs/testing.md")

func TestThePagesAreUpToDate(t *testing.T) {
	for _, p := range []struct{ file, section, content string }{
		{"language.md", "builtins", spec.Markdown()},
		{"testing.md", "tests", spec.TestMarkdown()},
	} {
		file := filepath.Join("..", "..", "docs", p.file)
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := spec.ReplaceSection(string(page), p.section, p.content)
		switch {
		case !ok:
			t.Errorf("docs/%s has no section %s", p.file, p.section)
		case want == string(page):
		case !*update:
			t.Errorf("docs/%s is out of date: go test ./starlark/spec -update", p.file)
		default:
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	for _, b := range slices.Concat(spec.Builtins(), spec.TestBuiltins()) {
		if b.Doc == "" || b.Example == "" {
			t.Errorf("%s: no doc or no example", b.Name)
		}
		seen := map[string]bool{}
		for _, p := range b.Params {
			if p.Doc == "" || p.Accept == 0 {
				t.Errorf("%s: %s has no doc or takes nothing", b.Name, p.Name)
			}
			if seen[p.Name] {
				t.Errorf("%s: %s is there twice", b.Name, p.Name)
			}
			seen[p.Name] = true
			if p.Required && p.Default != "" {
				t.Errorf("%s: %s is required and has a default", b.Name, p.Name)
			}
		}
		for _, g := range b.Gone {
			if seen[g.Name] {
				t.Errorf("%s: %s is gone and there", b.Name, g.Name)
			}
			if g.Instead != "" && b.Param(g.Instead) == nil {
				t.Errorf("%s: %s is to be replaced by %s, which is no parameter", b.Name, g.Name, g.Instead)
			}
			if g.Instead == "" && g.Advice == "" {
				t.Errorf("%s: %s is gone without advice", b.Name, g.Name)
			}
		}
	}
	for _, ty := range spec.Types() {
		if ty.Doc == "" || ty.JSON == "" {
			t.Errorf("%s: no doc", ty.Name)
		}
	}
}

func TestSignature(t *testing.T) {
	for name, want := range map[string]string{
		"env":      `env(name, default = None)`,
		"enum":     `enum(*values, optional = False, default = None`,
		"wf.build": `wf.build(*, output = None)`,
		"ctx.run":  `ctx.run(what, args = None, **kwargs)`,
	} {
		if got := spec.Lookup(name).Signature(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAccept(t *testing.T) {
	for want, a := range map[string]spec.Accept{
		"nothing":                         0,
		"a string":                        spec.Str,
		"a string or None":                spec.Str | spec.None,
		"a string, True or False or None": spec.Str | spec.Bool | spec.None,
	} {
		if got := a.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
