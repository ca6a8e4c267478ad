package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// operandNames say what operators take.
var operandNames = map[operand]string{
	oneValue: "a value", manyValue: "a list of values", twoValue: "a list of two", aBool: "true or false", aText: "a text",
}

type kindSet struct {
	kinds kinds
	name  string
}

// kindSets name the types that operators are for.
var kindSets = []kindSet{
	{everything, "any type"},
	{comparable, "any type but `json` and `list`"},
	{ordered, "numbers, text, dates, times, `uuid`"},
	{textual | 1<<dataflow.KindList, "`str`, `list`"},
	{textual, "`str`"},
}

// Markdown is the table of the operators, for the page of the language.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| operator | takes | for fields of | finds rows whose value |\n|---|---|---|---|\n")
	for _, o := range ops {
		i := slices.IndexFunc(kindSets, func(s kindSet) bool { return s.kinds == o.kinds })
		takes := operandNames[o.operand]
		if o.operand == aText && o.kinds.has(dataflow.KindList) {
			takes += ", or an item"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.name, takes, kindSets[i].name, o.doc)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
