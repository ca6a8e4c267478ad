package stdlib

import (
	"fmt"
	"strings"
)

// Markdown renders the table of modules, for docs/language.md.
func Markdown() string {
	var b strings.Builder
	for i, m := range Table() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "### %s\n\n%s %s\n\n| function | what it gives | example |\n|---|---|---|\n", m.LoadName(), m.Doc, needs[m.Capability])
		for _, f := range m.Public() {
			call := f.Name
			if f.constant == nil {
				call += "(" + f.Params + ")"
			}
			example := ""
			if len(f.Examples) > 0 {
				e := f.Examples[0]
				example = fmt.Sprintf("`%s` → `%s`", e.Expr, strings.ReplaceAll(e.Result, "\n", " "))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", call, cell(f.Doc), cell(example))
		}
	}
	return b.String()
}

// needs says what a capability means to who writes a file.
var needs = map[string]string{
	pure:    "*Pure:* the same arguments give the same.",
	network: "*Reaches the network:* what it hears is recorded in a durable run.",
	chance:  "*Draws on chance:* what it gives is recorded in a durable run.",
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
