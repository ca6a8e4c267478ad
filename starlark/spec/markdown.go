package spec

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Markdown renders the table: the types, the formats, then every builtin.
func Markdown() string {
	var b strings.Builder
	b.WriteString("### Field types\n\n| type | what it holds | in JSON |\n|---|---|---|\n")
	for _, t := range types {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t.Name, cell(t.Doc), cell(t.JSON))
	}
	b.WriteString("\n### Field options\n\nOf `field(…)`, `decimal(…)`, `enum(…)`, `list(…)` and `ref(…)`. Inputs of workflows take those that do not belong to a table.\n\n")
	b.WriteString("| option | takes | default | what it does | for |\n|---|---|---|---|---|\n")
	for _, p := range fieldOptions {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Name, cell(p.Accept.String()), code(p.Default), cell(p.Doc), forTypes(p.For))
	}
	b.WriteString("\n### Formats\n\n| format | a value must be |\n|---|---|\n")
	for _, f := range dataflow.Formats() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, cell(f.Doc))
	}
	for _, x := range builtins {
		b.WriteString("\n")
		writeBuiltin(&b, x)
	}
	return b.String()
}

// TestMarkdown renders what a test can do, for docs/testing.md.
func TestMarkdown() string {
	var b strings.Builder
	for i, x := range testBuiltins {
		if i > 0 {
			b.WriteString("\n")
		}
		writeBuiltin(&b, x)
	}
	return b.String()
}

func forTypes(s string) string {
	switch s {
	case "":
		return "all"
	case "model":
		return "models"
	}
	return "`" + strings.ReplaceAll(s, " ", "` `") + "`"
}

func writeBuiltin(b *strings.Builder, x *Builtin) {
	fmt.Fprintf(b, "### %s\n\n%s", x.Name, x.Doc)
	if x.Returns != "" {
		fmt.Fprintf(b, " Returns %s.", x.Returns)
	}
	fmt.Fprintf(b, "\n\n```python\n%s\n```\n", x.Example)
	var rows []string
	for _, p := range ownParams(x) {
		dflt := code(p.Default)
		if p.Required {
			dflt = "required"
		}
		name := code(p.Name)
		if p.Named {
			name = code(p.Name + " =")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", name, cell(p.Accept.String()), dflt, cell(p.Doc)))
	}
	if x.Rest != nil {
		rows = append([]string{fmt.Sprintf("| `*%s` | %s | | %s |\n", x.Rest.Name, x.Rest.Accept, cell(x.Rest.Doc))}, rows...)
	}
	if x.Extra != nil {
		rows = append(rows, fmt.Sprintf("| `**%s` | %s | | %s |\n", x.Extra.Name, x.Extra.Accept, cell(x.Extra.Doc)))
	}
	if len(rows) > 0 {
		b.WriteString("\n| parameter | takes | default | what it does |\n|---|---|---|---|\n" + strings.Join(rows, ""))
	}
	writeGone(b, x)
}

// ownParams leaves out the field options, which have a table of their own.
func ownParams(x *Builtin) []Param {
	var own []Param
	for _, p := range x.Params {
		isOption := false
		for _, o := range fieldOptions {
			isOption = isOption || o.Name == p.Name && o.Doc == p.Doc
		}
		if !isOption {
			own = append(own, p)
		}
	}
	return own
}

func writeGone(b *strings.Builder, x *Builtin) {
	var old []string
	for _, g := range x.Gone {
		if g.Still {
			old = append(old, fmt.Sprintf("`%s` (now `%s`)", g.Name, g.Instead))
		}
	}
	if len(old) > 0 {
		fmt.Fprintf(b, "\nOld names, taken with a warning: %s.\n", strings.Join(old, ", "))
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// cell keeps text within a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// ReplaceSection puts content between the markers of a document,
//
//	<!-- generated: name -->
//	<!-- end: name -->
//
// and reports whether they were there.
func ReplaceSection(doc, name, content string) (string, bool) {
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->"
	i := strings.Index(doc, begin)
	j := strings.Index(doc, end)
	if i < 0 || j < i {
		return doc, false
	}
	return doc[:i+len(begin)] + "\n" + content + "\n" + doc[j:], true
}
