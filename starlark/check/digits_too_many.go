package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var digitsTooMany = Rule{
	Code: "FC151", severity: dataflow.SeverityWarning,
	Bad: `load("@stdlib//money.star", "percent")
db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"net": decimal(12, 2), "share": decimal(12, 2), "gross": decimal(12, 2)})

def place(ctx, net, people):
    return ctx.run(Order.create,
        net = net,
        share = net / people,  # here
        gross = net + percent(net, 19),  # here
    )

app = Nexus()
app.expose(Order)
app.handler("place", place, input = {"net": decimal(12, 2), "people": field(int, ge = 1)})
app.start()
`,
	Good: `load("@stdlib//money.star", "percent", "round_half_even")
db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"net": decimal(12, 2), "share": decimal(12, 2), "gross": decimal(12, 2)})

def place(ctx, net, people):
    return ctx.run(Order.create,
        net = net * people,
        share = round_half_even(net / people),
        gross = round_half_even(net + percent(net, 19)),
    )

app = Nexus()
app.expose(Order)
app.handler("place", place, input = {"net": decimal(12, 2), "people": field(int, ge = 1)})
app.start()
`,
	find: (*pass).tell,
}

// endless are the digits of a quotient, of which nobody knows where they end.
const endless = 1000

// digits is how many digits behind the point a number may have; ok is false
// where nothing is known of it.
func (v *val) digits() (n int, ok bool) {
	switch {
	case v == nil || v.kind != isTyped:
		return 0, false
	case v.scale != nil:
		return *v.scale, true
	case v.is(dataflow.KindInt):
		return 0, true
	case v.is(dataflow.KindDecimal) && v.typ.Precision > 0:
		return v.typ.Scale, true
	}
	return 0, false
}

// number is a decimal of so many digits behind the point, as far as is known.
func number(digits int, known bool, at dataflow.Span) *val {
	v := &val{kind: isTyped, typ: &dataflow.Type{Kind: dataflow.KindDecimal}, at: at}
	if known {
		v.scale = &digits
	}
	return v
}

// reckoned is the decimal that an operator makes of two numbers.
func reckoned(op syntax.Token, x, y *val, at dataflow.Span) *val {
	a, known := x.digits()
	b, also := y.digits()
	known = known && also
	switch op {
	case syntax.STAR:
		return number(min(a+b, endless), known, at)
	case syntax.SLASH:
		return number(endless, true, at)
	case syntax.SLASHSLASH:
		return number(0, true, at)
	}
	return number(max(a, b), known, at)
}

// writtenDigits are those of decimal("0.20"): two that end in nothing are none.
func writtenDigits(text string) (int, bool) {
	whole, part, _ := strings.Cut(strings.TrimSpace(text), ".")
	if strings.ContainsAny(whole+part, "eE") {
		return 0, false
	}
	return len(strings.TrimRight(part, "0")), true
}

// room looks at whether a field has the digits behind the point that a number
// may have.
func (fl *flow) room(f *dataflow.Field, v *val, at dataflow.Span, of string) {
	if f.Type.Kind != dataflow.KindDecimal || !v.is(dataflow.KindDecimal) {
		return
	}
	if !v.at.IsZero() {
		at = v.at
	}
	n, known := v.digits()
	message := fmt.Sprintf("this may have %d digits after the point, and %s.%s takes %d: the run fails on one more", n, of, f.Name, f.Type.Scale)
	if n >= endless {
		message = fmt.Sprintf("a quotient may have digits without end, and %s.%s takes %d after the point: the run fails on one more", of, f.Name, f.Type.Scale)
	}
	fl.note("FC151", at, known && n > f.Type.Scale, message,
		fmt.Sprintf(`round it: round_half_even(…, %d) of "@stdlib//money.star"; nothing is rounded silently`, f.Type.Scale))
}

// library follows a function of the library, of which it is known how many
// digits its results have.
func library(name string, a arguments) *val {
	places := func(i int) *val {
		v := a.named.entry("places")
		switch {
		case v != nil && v.val != nil && v.val.count != nil:
			return number(int(*v.val.count), true, dataflow.Span{})
		case v != nil || a.named.open || a.rest:
			return nil
		case len(a.pos) > i && a.pos[i] != nil && a.pos[i].count != nil:
			return number(int(*a.pos[i].count), true, dataflow.Span{})
		case len(a.pos) > i:
			return nil
		}
		return number(2, true, dataflow.Span{})
	}
	switch name {
	case "percent":
		if len(a.pos) == 2 {
			x, known := a.pos[0].digits()
			y, also := a.pos[1].digits()
			if y == 0 && also && a.pos[1].count != nil { // 20 percent is a fifth
				n := *a.pos[1].count
				for y = 2; y > 0 && n%10 == 0; y-- {
					n /= 10
				}
				return number(x+y, known, dataflow.Span{})
			}
			return number(min(x+y+2, endless), known && also, dataflow.Span{})
		}
	case "round_half_even", "round_half_up", "round_down", "round_up":
		return places(1)
	case "from_cents":
		return number(2, true, dataflow.Span{})
	}
	return nil
}
