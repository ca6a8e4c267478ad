package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var mixedKinds = Rule{
	Code: "FC152", severity: dataflow.SeverityError,
	Bad: `load("@stdlib//time.star", "days")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "due": date})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    label = "no. " + found.n  # here
    later = found.due + 30  # here
    if found.due < ctx.now():  # here
        fail("too late")
    return {"label": label, "later": later, "then": found.due + days(1)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	Good: `load("@stdlib//time.star", "days")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "due": date})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    label = "no. %d" % found.n
    later = found.due + days(30)
    if found.due < ctx.now().date:
        fail("too late")
    return {"label": label, "later": later}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	find: (*pass).tell,
}

func (v *val) isNumber() bool {
	return v.is(dataflow.KindInt) || v.is(dataflow.KindFloat) || v.is(dataflow.KindDecimal)
}

func (v *val) isMoment() bool {
	return v.is(dataflow.KindDate) || v.is(dataflow.KindDateTime) || v.is(dataflow.KindTime)
}

// mixed looks at what is reckoned or compared of values that have nothing to do
// with each other.
func (fr *frame) mixed(op syntax.Token, n syntax.Node, x, y *val) {
	at := fr.f.span(n)
	numberAndText := x.isText() && y.isNumber() || x.isNumber() && y.isText()
	moment := x.isMoment() && y.isNumber() || x.isNumber() && y.isMoment()
	moments := x.isMoment() && y.isMoment() && x.typ.Kind != y.typ.Kind
	momentAndText := x.isMoment() && y.isText() || x.isText() && y.isMoment()
	switch op {
	case syntax.PLUS, syntax.MINUS:
		switch {
		case numberAndText:
			fr.note("FC152", at, true, fmt.Sprintf("%s and %s can't be reckoned with each other", kindName(x), kindName(y)), `write str(n) for its text, or "no. %d" % n; int(s) or decimal(s) for the number of a text`)
		case moments && op == syntax.MINUS:
			fr.note("FC152", at, true, fmt.Sprintf("%s and %s can't be reckoned with each other", kindName(x), kindName(y)), ofOneKind)
		case moment:
			fr.note("FC152", at, true, fmt.Sprintf("%s and %s can't be reckoned with each other", kindName(x), kindName(y)), `say of what it is so many: days(30), hours(2) of "@stdlib//time.star"`)
		case momentAndText && op == syntax.PLUS:
			fr.note("FC152", at, true, fmt.Sprintf("%s and %s can't be added", kindName(x), kindName(y)), `write str(t), or format(t, "%Y-%m-%d") of "@stdlib//time.star"`)
		default:
			fr.note("FC152", at, false, "", "")
		}
	case syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		fr.noteMixed(at, x, y, "%s and %s can't be compared", numberAndText || moment || momentAndText || moments)
	case syntax.EQL, syntax.NEQ:
		fr.noteMixed(at, x, y, "%s and %s are never equal", numberAndText || momentAndText || moments)
	}
}

const ofOneKind = "make one of them like the other: int(s), decimal(s), date(s), datetime(s); t.date is the day of a datetime"

func (fr *frame) noteMixed(at dataflow.Span, x, y *val, format string, wrong bool) {
	if !wrong {
		fr.note("FC152", at, false, "", "")
		return
	}
	fr.note("FC152", at, true, fmt.Sprintf(format, kindName(x), kindName(y)), ofOneKind)
}

// kindName is what people call the type of a value.
func kindName(v *val) string {
	if v.isText() {
		return "a text"
	}
	return article(v.typ)
}
