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
	begins, ends := bound(re.Simplify())
	return begins || ends
}

// bound reports whether all that an expression matches begins where the text
// does, and whether it ends there.
func bound(re *syntax.Regexp) (begins, ends bool) {
	switch re.Op {
	case syntax.OpBeginText:
		return true, false
	case syntax.OpEndText:
		return false, true
	case syntax.OpCapture:
		return bound(re.Sub[0])
	case syntax.OpConcat:
		begins, _ = bound(re.Sub[0])
		_, ends = bound(re.Sub[len(re.Sub)-1])
		return begins, ends
	case syntax.OpAlternate:
		begins, ends = true, true
		for _, sub := range re.Sub {
			b, e := bound(sub)
			begins, ends = begins && b, ends && e
		}
		return begins, ends
	}
	return false, false
}
