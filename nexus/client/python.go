package client

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// pyWords can be no names in Python, and some that had better not be.
const pyWords = `False None True and as assert async await break class continue def del elif else except finally for from global if import in is
lambda nonlocal not or pass raise return try while with yield match case type self`

// pyTaken are names that the generated types must leave alone.
const pyTaken = "Client Batch Workflows Callable Mapping Any Literal TypedDict Union Problem rt annotations " + pyWords

type python struct {
	source
	a     *api
	types *namer
	keys  map[string]bool
}

func writePython(a *api, _ string) ([]File, error) {
	runtime, err := runtimeFile("runtime.py", "#")
	if err != nil {
		return nil, err
	}
	w := &python{a: a, types: newNamer(pyTaken), keys: names(pyWords)}
	for _, m := range a.models {
		w.types.of(m.decl, m.name)
	}
	w.line("# %s", Mark)
	w.line(`"""The client of %s."""`, strings.ReplaceAll(oneLine(a.title), `"`, `'`))
	w.line("")
	w.line("from __future__ import annotations")
	w.line("")
	w.line("from collections.abc import Callable, Mapping")
	w.line("from typing import Any, Literal, TypedDict, Union")
	w.line("")
	w.line("from . import _runtime as rt")
	w.line("from ._runtime import Problem")
	w.line("")
	w.line(`__all__ = ["Client", "Problem"]`)
	for _, m := range a.models {
		w.model(m)
	}
	for _, wf := range a.workflows {
		w.workflow(wf)
	}
	w.client()
	// py.typed says that the types in here are to be believed (PEP 561).
	return []File{{"__init__.py", w.Bytes()}, {"_runtime.py", runtime}, {"py.typed", []byte("# " + Mark + "\n")}}, nil
}

func (w *python) of(thing any, name, suffix string) string {
	return w.types.of(part{thing, suffix}, name+suffix)
}

// member is a name of a dict and the type of what it holds.
type member struct {
	name, kind, doc string
	optional        bool // it may be left out
}

// dict writes a TypedDict. Python 3.10 has no way to say of one name that it
// may be left out, so that those are in a TypedDict of their own; and names
// that are words of the language can only be in one that is made by a call.
func (w *python) dict(name, about string, members []member) {
	var needed, free []member
	for _, m := range members {
		if m.optional {
			free = append(free, m)
		} else {
			needed = append(needed, m)
		}
	}
	bases := "TypedDict"
	switch {
	case len(free) > 0 && len(needed) == 0 && w.plain(free):
		w.class(name, "TypedDict, total=False", about, free)
		return
	case len(free) > 0 && len(needed) == 0: // a filter, which holds others of its kind: a base could not
		w.made(name, about, free, "total=False")
		return
	}
	if len(free) > 0 {
		base := unique("_"+name+"Optional", w.types.taken)
		if w.plain(free) {
			w.class(base, "TypedDict, total=False", "", free)
		} else {
			w.made(base, "", free, "total=False")
		}
		bases = base
	}
	if !w.plain(needed) {
		base := unique("_"+name+"Required", w.types.taken)
		w.made(base, "", needed, "")
		if bases == "TypedDict" {
			bases = base
		} else {
			bases += ", " + base
		}
		needed = nil
	}
	w.class(name, bases, about, needed)
}

// plain reports whether every name can be one of a class.
func (w *python) plain(members []member) bool {
	for _, m := range members {
		if !isName(m.name) || w.keys[m.name] || strings.HasPrefix(m.name, "__") {
			return false
		}
	}
	return true
}

func (w *python) class(name, bases, about string, members []member) {
	w.line("")
	w.line("")
	w.line("class %s(%s):", name, bases)
	if about != "" {
		w.line(`    """%s"""`, pyDoc(about))
	}
	if about != "" && len(members) > 0 {
		w.line("")
	}
	for _, m := range members {
		w.line("    %s: %s%s", m.name, m.kind, pyComment(m.doc))
	}
	if about == "" && len(members) == 0 {
		w.line("    pass")
	}
}

func (w *python) made(name, about string, members []member, how string) {
	w.line("")
	w.line("")
	w.docComment("", about)
	w.line("%s = TypedDict(", name)
	w.line("    %s,", tsText(name))
	w.line("    {")
	for _, m := range members {
		w.line("        %s: %s,%s", tsText(m.name), tsText(m.kind), pyComment(m.doc))
	}
	w.line("    },")
	if how != "" {
		w.line("    %s,", how)
	}
	w.line(")")
}

func (w *python) model(m *model) {
	name, about := w.types.given[m.decl], m.decl.Doc
	if about == "" {
		about = "A row of " + m.decl.Name + "."
	}
	row := w.members(name, m.decl.Fields, true)
	for _, c := range m.decl.Computed {
		row = append(row, member{c.Name, "Any", "Computed from the row whenever it is read.", false})
	}
	w.dict(name, about, row)
	if !w.a.isServed(m) {
		return
	}
	w.dict(w.of(m.decl, name, "Create"), "A row of "+m.decl.Name+" to create.", w.members(name+"Create", m.creates(), false))
	w.dict(w.of(m.decl, name, "Update"), "Changes to a row of "+m.decl.Name+".", w.members(name+"Update", m.updates(), false))
	w.dict(w.of(m.decl, name, "Replace"), "What a row of "+m.decl.Name+" is to be.", w.members(name+"Replace", m.replaces(), false))
	filter := w.of(m.decl, name, "Filter")
	var filters []member
	for _, f := range m.filters() {
		g := *f
		g.Optional = true
		kind := w.typeOf(name, &g, false)
		filters = append(filters, member{f.Name, "Union[" + kind + ", dict[str, Any]]", "", true})
	}
	for _, op := range []string{"$and", "$or"} {
		filters = append(filters, member{op, "list[" + filter + "]", "", true})
	}
	filters = append(filters, member{"$not", filter, "", true})
	w.dict(filter, "Which rows of "+m.decl.Name+" are meant. Operators are dicts, as {\"$gte\": 10}; a plain dict may name paths too, as customer.email.", filters)
	w.view(m, name)
}

// view writes a row as it is shown: whatever may be left out of it need not be
// there.
func (w *python) view(m *model, name string) {
	own := w.of(m.decl, name, "View")
	shown := w.members(name, m.decl.Fields, true)
	for _, c := range m.decl.Computed {
		shown = append(shown, member{c.Name, "Any", "Computed from the row whenever it is read.", false})
	}
	for _, r := range w.a.relations(m) {
		to := w.of(r.Model, w.types.given[r.Model], "View")
		if r.Many {
			shown = append(shown, member{r.Name, w.of(r.Model, w.types.given[r.Model], "Views"), "Rows of " + r.Model.Name + " that refer to it, if it is expanded.", false})
			continue
		}
		for i, s := range shown {
			if s.name == r.Name {
				shown[i].kind = "Union[" + to + ", " + w.kind("", m.decl.Field(r.Name).Type, true) + ", None]"
				shown[i].doc = strings.TrimSpace(s.doc + " The row itself, if it is expanded.")
			}
		}
	}
	for i := range shown {
		shown[i].optional = true
	}
	w.dict(own, "A row of "+m.decl.Name+" of which some fields are shown, or with rows of other models in it.", shown)
	w.dict(w.of(m.decl, name, "Views"), "Rows of "+m.decl.Name+" within another.", []member{{"records", "list[" + own + "]", "", false}, {"has_more", "bool", "", false}})
}

func (w *python) members(owner string, fields []*dataflow.Field, received bool) []member {
	list := make([]member, len(fields))
	for i, f := range fields {
		list[i] = member{f.Name, w.typeOf(owner, f, received), doc(f),
			!received && mayBeLeftOut(f) || received && f.HasDefault && f.Default == dataflow.Absent}
	}
	return list
}

func (w *python) typeOf(owner string, f *dataflow.Field, received bool) string {
	t := w.kind(owner+pascal(f.Name), f.Type, received)
	if f.Optional && t != "Any" {
		t = "Union[" + t + ", None]"
	}
	return t
}

// kind is the type of values of a type. A dict within gets a class of its own,
// with the name.
func (w *python) kind(name string, t *dataflow.Type, received bool) string {
	switch t.Kind {
	case dataflow.KindRef:
		return w.kind(name, t.Scalar(), received)
	case dataflow.KindInt:
		return "int"
	case dataflow.KindFloat:
		return "float"
	case dataflow.KindBool:
		return "bool"
	case dataflow.KindDecimal:
		if received {
			return "str"
		}
		return "rt.DecimalInput"
	case dataflow.KindEnum:
		quoted := make([]string, len(t.Values))
		for i, v := range t.Values {
			quoted[i] = tsText(v)
		}
		return "Literal[" + strings.Join(quoted, ", ") + "]"
	case dataflow.KindList:
		return "list[" + w.kind(name+"Item", t.Elem, received) + "]"
	case dataflow.KindRecord:
		if name := w.types.given[t.Model]; name != "" {
			return name
		}
	case dataflow.KindObject:
		if t.Fields == nil {
			return "dict[str, Any]"
		}
		own := w.types.of(t, name)
		w.dict(own, "", w.members(own, t.Fields, received))
		return own
	}
	if isText(t.Kind) {
		return "str"
	}
	return "Any"
}

func (w *python) workflow(wf workflow) {
	name := pascal(wf.decl.Name)
	in := w.of(wf.decl, name, "Inputs")
	w.dict(in, "What "+wf.decl.Name+" takes.", w.members(in, wf.decl.Input, false))
	out := w.of(wf.decl, name, "Outputs")
	if wf.output.Kind == dataflow.KindObject && wf.output.Fields != nil {
		w.dict(out, "What "+wf.decl.Name+" gives.", w.members(out, wf.output.Fields, true))
		return
	}
	kind := w.kind(out, wf.output, true)
	w.line("")
	w.line("")
	w.line("%s = %s  # what %s gives", out, kind, wf.decl.Name)
}

func (w *python) client() {
	w.line("")
	w.line("")
	w.line("class Workflows:")
	w.line(`    """The workflows: what the app does, each all or nothing."""`)
	w.line("")
	w.line("    def __init__(self, transport: rt.Transport, runs: rt.Runs) -> None:")
	if len(w.a.workflows) == 0 {
		w.line("        pass")
	}
	members := names(pyWords)
	for _, wf := range w.a.workflows {
		kind, args := "Workflow", ""
		if wf.kept {
			kind, args = "KeptWorkflow", "runs, "
		}
		w.line("        self.%s = rt.%s[%s, %s](transport, %s%s, %q)", unique(snake(wf.decl.Name), members), kind,
			w.of(wf.decl, "", "Inputs"), w.of(wf.decl, "", "Outputs"), args, tsText(wf.decl.Name), wf.kind)
		if text := oneLine(wf.decl.Doc); text != "" { // which editors show
			w.line(`        """%s"""`, pyDoc(text))
		}
	}

	members = names(pyWords + " runs workflows transport batch send")
	var set, batch []string
	for _, m := range w.a.served {
		name := unique(snake(m.exp.Path), members)
		kind := "Rows"
		if m.decl.Versioned {
			kind = "VersionedRows"
		}
		types := []string{w.types.given[m.decl]}
		for _, suffix := range []string{"Create", "Update", "Replace", "Filter", "View"} {
			types = append(types, w.of(m.decl, "", suffix))
		}
		id := w.kind("", m.decl.ID().Type, true)
		types = append(types, id)
		set = append(set, fmt.Sprintf("        self.%s = rt.%s[%s](self.transport, %s)", name, kind, strings.Join(types, ", "), tsText(m.exp.Path)))
		batch = append(batch, fmt.Sprintf("        self.%s = rt.%s[%s](steps, %s)", name, strings.Replace(kind, "Rows", "BatchRows", 1),
			strings.Join([]string{types[0], types[1], types[2], types[4], types[5], id}, ", "), tsText(m.exp.Path)))
	}
	w.line("")
	w.line("")
	w.line("class Batch:")
	w.line(`    """Operations that are done in one transaction, all of them or none, once they are sent."""`)
	w.line("")
	w.line("    def __init__(self, steps: rt.Steps) -> None:")
	w.line("        self.send = steps.send")
	for _, s := range batch {
		w.line("%s", s)
	}
	w.line("")
	w.line("")
	w.line("class Client:")
	w.line(`    """The client of %s."""`, pyDoc(oneLine(w.a.title)))
	w.line("")
	w.line("    def __init__(")
	w.line("        self,")
	w.line("        url: str,")
	w.line("        *,")
	w.line("        key: Union[str, Callable[[], str], None] = None,  # an API key or a token, or what gives one for each request")
	w.line("        tenant: Union[str, None] = None,  # whose rows to work on, where models keep tenants apart")
	w.line("        headers: Union[Mapping[str, str], None] = None,  # to send with every request")
	w.line("        retries: int = 3,  # after 429 and 503, and after a lost connection where that is safe")
	w.line("        max_wait: float = 30.0,  # seconds, before trying again")
	w.line("        timeout: float = 60.0,  # seconds without a byte of an answer")
	w.line("        auto_keys: bool = False,  # send every write with an idempotency key, so that it is sent again too where a connection is lost")
	w.line("        sleep: Union[Callable[[float], None], None] = None,  # by the clock, if left out")
	w.line("    ) -> None:")
	w.line("        self.transport = rt.Transport(")
	w.line("            url, key=key, tenant=tenant, headers=headers, retries=retries, max_wait=max_wait, timeout=timeout, auto_keys=auto_keys, sleep=sleep")
	w.line("        )")
	w.line("        # Durable runs, which are kept and go on after a crash.")
	w.line("        self.runs = rt.Runs(self.transport)")
	w.line("        self.workflows = Workflows(self.transport, self.runs)")
	for _, s := range set {
		w.line("%s", s)
	}
	w.line("")
	w.line("    def batch(self) -> Batch:")
	w.line(`        """Begins a batch: several operations that are done in one transaction, all of them or none, once it is sent."""`)
	w.line("        return Batch(rt.Steps(self.transport))")
}

func (w *python) docComment(indent, text string) {
	if text = oneLine(text); text != "" {
		w.line("%s# %s", indent, text)
	}
}

// pyDoc is text within a docstring of three quotes.
func pyDoc(text string) string {
	text = strings.ReplaceAll(oneLine(text), `\`, `\\`)
	text = strings.ReplaceAll(text, `"""`, `'''`)
	if strings.HasSuffix(text, `"`) {
		text += " "
	}
	return text
}

func pyComment(text string) string {
	if text == "" {
		return ""
	}
	return "  # " + text
}
