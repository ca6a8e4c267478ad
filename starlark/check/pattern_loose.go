package check

import (
	"fmt"
	"regexp/syntax"

	"github.com/flowctl/flowctl/dataflow"
)

var patternLoose = Rule{
	Code: "FC242", severity: dataflow.SeverityInfo,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Item = db.model("Item", {
    "sku": field(str, pattern = "[A-Z]{3}-[0-9]+"),  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Item = db.model("Item", {
    "sku": field(str, pattern = "^[A-Z]{3}-[0-9]+$"),
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if f.Pattern == nil || anchored(f.Pattern.String()) {
					continue
				}
				at := f.Spans.At("/pattern")
				if at.IsZero() {
					at = f.Span
				}
				p.report(at, fmt.Sprintf("the pattern of %s.%s need only match somewhere: what stands before or behind is free", m.Name, f.Name), fmt.Sprintf("write \"^(%s)$\" if all of the text is meant", f.Pattern))
			}
		}
	},
}

// anchored reports whether a pattern says of both ends of the text, or at
// least of one, how it is: then the other is left free on purpose.
func anchored(pattern string) bool {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return true
	}
	re = re.Simplify()
	if re.Op == syntax.OpConcat && len(re.Sub) > 0 {
		first, last := re.Sub[0].Op, re.Sub[len(re.Sub)-1].Op
		return first == syntax.OpBeginText || last == syntax.OpEndText
	}
	return re.Op == syntax.OpBeginText || re.Op == syntax.OpEndText
}
