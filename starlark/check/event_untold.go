package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var eventUntold = Rule{
	Code: "FC444", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ctx.run(Thing.create, n = n)
    ctx.run("EmitNode", event = "made", data = {"n": n})

def note(ctx, n):
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.handler("note", note, input = {"n": int})
app.on("mode", "note")  # here
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ctx.run(Thing.create, n = n)
    ctx.run("EmitNode", event = "made", data = {"n": n})

def note(ctx, n):
    return ctx.run(Thing.create, n = n)

wf = WorkflowBuilder("tell", input = {"n": int})
wf.add_node(Thing.create, "thing", {"n": "${input.n}"})
wf.add_node("EmitNode", "told", {"event": "told", "data": {"n": "${thing.n}"}})

app = Nexus()
app.expose(Thing)
app.register("tell", wf.build())
app.handler("do", do, input = {"n": int})
app.handler("note", note, input = {"n": int})
app.on("made", "note")
app.on("told", "note")
app.on("Thing.updated", "note")
app.start()
`,
	find: func(p *pass) {
		told, all := p.told()
		for _, s := range p.app.Subscriptions {
			if all && !strings.Contains(s.Event, ".") && !slices.Contains(told, s.Event) {
				hint := dataflow.DidYouMean(s.Event, told)
				if hint == "" {
					hint = fmt.Sprintf(`tell it where it happens: wf.add_node("EmitNode", …, {"event": %q}), or ctx.run in a handler`, s.Event)
				}
				p.report(s.Spans.At("/event"), fmt.Sprintf("nothing tells the event %s, so that this never runs", s.Event), hint)
			}
		}
	},
}

const emitNode = "EmitNode"

// told lists the events that the app tells. all is set if there can be no others:
// wherever an EmitNode is named, its event is written out beside it.
func (p *pass) told() (events []string, all bool) {
	named := 0
	for _, f := range p.files {
		f.walk(func(n syntax.Node) {
			if e, ok := n.(syntax.Expr); ok {
				if s, ok := text(e); ok && s == emitNode {
					named++
				}
			}
			call, ok := n.(*syntax.CallExpr)
			if !ok || len(call.Args) == 0 || callee(call) != "run" && callee(call) != "add_node" {
				return
			}
			if s, _ := text(call.Args[0]); s == emitNode {
				if event, ok := eventOf(call); ok {
					events = append(events, event)
				}
			}
		})
	}
	return events, len(events) == named
}

// eventOf is the event that a call gives an EmitNode, by its name or in a dict.
func eventOf(call *syntax.CallExpr) (string, bool) {
	if event, ok := text(keyword(call, "event")); ok {
		return event, true
	}
	for _, a := range call.Args {
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			a = b.Y
		}
		d, ok := a.(*syntax.DictExpr)
		if !ok {
			continue
		}
		for _, item := range d.List {
			entry := item.(*syntax.DictEntry)
			if key, _ := text(entry.Key); key == "event" {
				return text(entry.Value)
			}
		}
	}
	return "", false
}
