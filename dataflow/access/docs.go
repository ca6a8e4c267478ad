package access

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Markdown renders the operations of a model, for docs/language.md.
func Markdown(m *dataflow.Model) string {
	var b strings.Builder
	for _, kind := range dataflow.AllOps() {
		s := Spec(dataflow.Op{Model: m, Kind: kind})
		fmt.Fprintf(&b, "### %s.%s\n\n%s\n\n| argument | takes | default | what it is |\n|---|---|---|---|\n", m.Name, kind, s.Doc)
		for _, p := range s.Params {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, shownType(p), defaultOf(p), strings.ReplaceAll(p.Doc, "|", "\\|"))
		}
		fmt.Fprintf(&b, "\nGives %s.\n\n", gives(s.Output))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func defaultOf(p *dataflow.Field) string {
	switch {
	case p.HasDefault && p.Default != dataflow.Absent:
		return fmt.Sprintf("`%v`", p.Default)
	case p.Required():
		return "required"
	}
	return ""
}

// shownType is the type of an argument in words that fit every model.
func shownType(p *dataflow.Field) string {
	t := p.Type
	switch {
	case p.Name == "id":
		return "an id"
	case p.Name == "ids":
		return "list of ids"
	case t.Kind == dataflow.KindObject && t.Fields != nil:
		return "values by field"
	case t.Kind == dataflow.KindObject:
		return "a dict"
	case t.Kind == dataflow.KindList && t.Elem.Kind == dataflow.KindObject:
		return "list of values by field"
	}
	return strings.ReplaceAll(t.String(), "|", "\\|")
}

// gives is what an operation returns.
func gives(t *dataflow.Type) string {
	if t.Kind == dataflow.KindRecord {
		return "the row: its fields and computed values"
	}
	var parts []string
	for _, f := range t.Fields {
		part := "`" + f.Name + "`"
		switch {
		case f.Doc != "":
			part += " (" + f.Doc + ")"
		case f.Type.Kind == dataflow.KindRecord:
			part += " (the row)"
		case f.Type.Kind == dataflow.KindList && f.Type.Elem.Kind == dataflow.KindRecord:
			part += " (the rows)"
		case f.Type.Kind == dataflow.KindEnum:
			part += " (`" + strings.Join(f.Type.Values, "`, `") + "`)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
