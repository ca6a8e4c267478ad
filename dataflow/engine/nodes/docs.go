package nodes

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Markdown renders the node types, for docs/language.md.
func Markdown() string {
	var b strings.Builder
	for _, t := range Types() {
		s := t.Spec()
		fmt.Fprintf(&b, "### %s\n\n%s\n\n| parameter | takes | default | what it is |\n|---|---|---|---|\n", s.Name, s.Doc)
		for _, p := range s.Params {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, cell(p.Type.String()), defaultOf(p), cell(p.Doc))
		}
		if s.Rest != nil {
			b.WriteString("| any other name | any | | |\n")
		}
		if s.Output != nil && s.Output.Fields != nil {
			var outputs []string
			for _, f := range s.Output.Fields {
				outputs = append(outputs, "`"+f.Name+"`")
			}
			fmt.Fprintf(&b, "\nGives %s.\n", strings.Join(outputs, ", "))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func defaultOf(p *dataflow.Field) string {
	switch {
	case p.HasDefault:
		return "`" + shown(p.Default) + "`"
	case p.Required():
		return "required"
	}
	return ""
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
