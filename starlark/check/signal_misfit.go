package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"go.starlark.net/syntax"
)

var signalMisfit = Rule{
	Code: "FC442", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ctx.wait_signal("aproval")  # here
    ctx.wait_signal("approval", timeout = "2d", default = {"approved": "no"})  # here
    ctx.wait_signal("approval", timeout = "2d", default = {})  # here
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, durable = True, signals = {"approval": {"approved": bool}})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n, who):
    if not ctx.wait_signal("approval", timeout = "2d", default = {"approved": False, "by": who}).approved:
        return None
    ctx.wait_signal("paid", timeout = "2d", default = None)
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "who": str}, durable = True, signals = {"approval": {"approved": bool, "by": str}, "paid": int})
app.start()
`,
	find: (*pass).tell,
}

// heard is what a handler waits for.
type heard struct {
	names map[string]bool
	other bool // signals of names that are not written out, or that are not seen here
}

// unseen says of the handler that is followed that it may wait where nobody sees it.
func (fl *flow) unseen() {
	if h := fl.p.heard[fl.handler]; h != nil {
		h.other = true
	}
}

// givenAway is unseen if ctx is one of the values, which go where they are not
// followed.
func (fl *flow) givenAway(values ...*val) {
	if slices.ContainsFunc(values, func(v *val) bool { return v != nil && v.kind == isCtx }) {
		fl.unseen()
	}
}

// within is unseen if ctx is used in a function within the one that is followed.
func (fr *frame) within(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok {
			fr.givenAway(fr.vars[fr.f.first(id)])
		}
		return true
	})
}

// waitsFor follows ctx.wait_signal, and gives what comes with the signal.
func (fr *frame) waitsFor(c *syntax.CallExpr, a arguments) *val {
	if fr.handler == nil {
		return nil
	}
	name := argument(a, 0, "name")
	if name == nil || name.text == nil {
		fr.unseen()
		return nil
	}
	if h := fr.p.heard[fr.handler]; h != nil {
		h.names[*name.text] = true
	}
	declared := fr.handler.Signals
	names := make([]string, len(declared))
	for i, s := range declared {
		names[i] = s.Name
	}
	i := slices.Index(names, *name.text)
	fr.note("FC442", name.at, declared != nil && i < 0, fmt.Sprintf("the handler %s declares no signal %q", fr.handler.Name, *name.text),
		cmp.Or(dataflow.DidYouMean(*name.text, names), fmt.Sprintf("add it: signals = {%q: …}", *name.text)))
	if i < 0 || declared[i].Payload == nil {
		return nil
	}
	payload := declared[i].Payload
	if other := argument(a, 2, "default"); other != nil && other.kind != isNone {
		at := keyword(c, "default")
		if at == nil {
			at = c.Args[2]
		}
		fr.standsFor(other, fr.f.span(at), declared[i])
	}
	v := sent(payload)
	if v != nil && v.kind == isSent {
		v.lib = *name.text
	}
	return v
}

// argument is one of a call, by its place or its name; nil where it is not known.
func argument(a arguments, place int, name string) *val {
	if e := a.named.entry(name); e != nil {
		return e.val
	}
	if place < len(a.pos) && !a.rest {
		return a.pos[place]
	}
	return nil
}

// standsFor looks at a default, as far as it is written out, which stands at a place.
func (fr *frame) standsFor(v *val, whole dataflow.Span, s dataflow.Signal) {
	var holes []string
	_, problems := codec.Coerce(s.Payload, v.data("", &holes), "")
	said := map[dataflow.Span][]string{}
	var order []dataflow.Span
	hints := map[dataflow.Span]string{}
	for _, q := range problems {
		if slices.ContainsFunc(holes, func(h string) bool { return q.Pointer == h || strings.HasPrefix(q.Pointer, h+"/") }) {
			continue
		}
		at := whole
		if q.Pointer != "" {
			path := strings.Split(q.Pointer[1:], "/")
			if at = v.place(path); strings.HasPrefix(q.Code, "unknown_") {
				at = v.key(path)
			}
		} else if !v.at.IsZero() {
			at = v.at
		}
		if at.IsZero() {
			at = whole
		}
		if len(said[at]) == 0 {
			order = append(order, at)
		}
		said[at] = append(said[at], q.Detail)
		hints[at] = cmp.Or(hints[at], q.Hint)
	}
	for _, at := range order {
		fr.note("FC442", at, true, fmt.Sprintf("the default is no payload of the signal %s: %s", s.Name, strings.Join(said[at], ", and ")),
			cmp.Or(hints[at], "default = None says that nothing came"))
	}
}

// data is the value as data, and adds the pointers of what is not written out to
// holes.
func (v *val) data(pointer string, holes *[]string) any {
	switch {
	case v == nil:
	case v.kind == isNone:
		return nil
	case v.written() != nil:
		return v.written()
	case v.plain != nil:
		return v.plain
	case v.kind == isDict && !v.open:
		o := dataflow.NewObject()
		for _, e := range v.names {
			o.Set(e.name, e.val.data(pointer+"/"+codec.EscapePointer(e.name), holes))
		}
		return o
	case (v.kind == isList || v.kind == isTuple) && v.items != nil:
		list := make([]any, len(v.items))
		for i, it := range v.items {
			list[i] = it.data(pointer+"/"+itoa(i), holes)
		}
		return list
	}
	*holes = append(*holes, pointer)
	return nil
}
