package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Explain says at length, in Markdown, what a code means: why it is reported,
// and for a rule an app in which it is and one in which it is not. ok is false
// if there is no such code.
func Explain(code string) (text string, ok bool) {
	all := dataflow.Codes()
	i := slices.IndexFunc(all, func(c dataflow.CodeInfo) bool { return strings.EqualFold(c.Code, code) })
	if i < 0 {
		return "", false
	}
	var b strings.Builder
	c := all[i]
	fmt.Fprintf(&b, "%s: %s\n\n%s\n", c.Code, c.Title, c.Doc)
	for _, r := range rules {
		if r.Code == c.Code {
			fmt.Fprintf(&b, "\nIt is reported of\n\n%s\nand not of\n\n%s", indent(r.Bad), indent(r.Good))
		}
	}
	return b.String(), true
}

func indent(code string) string {
	lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight("    "+strings.TrimSuffix(lines[i], "# here"), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// families are the kinds of findings by the beginnings of their codes.
var families = []struct{ prefix, title string }{
	{"FC1", "Names and loads"}, {"FC2", "Models"}, {"FC3", "Workflows"}, {"FC4", "Handlers and serving"},
	{"FC5", "Security"}, {"FC8", "Style"}, {"FC9", "Suppressions"},
}

// Markdown is the page of all rules.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# The rules of flowctl check\n\n" +
		"These are warnings about an app that could be served: what loses money, time or safety, or does nothing. " +
		"What is wrong outright is in [errors/diagnostics.md](errors/diagnostics.md). One that is meant to be is marked, with the reason:\n\n" +
		"```python\n\"rate\": float,  # flowctl: ignore[FC230] an exchange rate\n```\n")
	byCode := map[string]*Rule{}
	for i := range rules {
		byCode[rules[i].Code] = &rules[i]
	}
	for _, f := range families {
		heading := "\n## " + f.title + "\n"
		for _, c := range dataflow.Codes() {
			r := byCode[c.Code]
			if !strings.HasPrefix(c.Code, f.prefix) || r == nil {
				continue
			}
			b.WriteString(heading)
			heading = ""
			fixable := ""
			if r.Fixes {
				fixable = " `--fix` mends it."
			}
			if r.unsafe {
				fixable = " `--unsafe-fixes` mends it."
			}
			fmt.Fprintf(&b, "\n### %s: %s\n\n%s%s\n\n```python\n%s```\n\nbetter:\n\n```python\n%s```\n", c.Code, c.Title, c.Doc, fixable, r.Bad, r.Good)
		}
	}
	return b.String()
}
