package client

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// tsTaken are names that the generated types must leave alone.
const tsTaken = "Client Batch Workflows Problem ProblemPart ClientOptions Decimal DateTime Imported Int Json Page Ref RowEvent Run RunDetail Shown Step Tagged Pick Record Promise Partial Omit Error Date Array Object String Number Boolean Symbol Function rt undefined"

// tsMembers are the members of the client besides the models.
const tsMembers = "runs workflows batch send constructor prototype toString valueOf then"

type typescript struct {
	source
	a       *api
	types   *namer
	members *namer // of the client and of a batch: models by their path
}

func writeTypeScript(a *api, _ string) ([]File, error) {
	runtime, err := runtimeFile("runtime.ts", "//")
	if err != nil {
		return nil, err
	}
	w := &typescript{a: a, types: newNamer(tsTaken), members: newNamer(tsMembers)}
	for _, m := range a.models {
		w.types.of(m.decl, m.name)
	}
	w.line("// %s", Mark)
	w.line("// The client of %s.", oneLine(a.title))
	w.line("")
	w.line(`import * as rt from "./runtime.js";`)
	w.line("")
	w.line(`export { Problem } from "./runtime.js";`)
	w.line(`export type { ClientOptions, Decimal, DateTime, Imported, Int, Json, Page, ProblemPart, Ref, RowEvent, Run, RunDetail, Shown, Step, Tagged } from "./runtime.js";`)
	for _, m := range a.models {
		w.model(m)
	}
	w.inputs()
	w.client()
	return []File{{"index.ts", w.Bytes()}, {"runtime.ts", runtime}}, nil
}

func (w *typescript) model(m *model) {
	name := w.types.given[m.decl]
	about := m.decl.Doc
	if about == "" {
		about = "A row of " + m.decl.Name + "."
	}
	w.line("")
	w.comment("", about)
	w.line("export interface %s {", name)
	for _, f := range m.decl.Fields {
		w.field(f, f.System != dataflow.RoleNone, true)
	}
	for _, c := range m.decl.Computed {
		w.line("  /** Computed from the row whenever it is read. */")
		w.line("  readonly %s: rt.Json;", tsKey(c.Name))
	}
	w.line("}")
	if !w.a.isServed(m) {
		return
	}
	for _, p := range []struct {
		suffix, doc string
		fields      []*dataflow.Field
	}{
		{"Create", "A row of " + m.decl.Name + " to create.", m.creates()},
		{"Update", "Changes to a row of " + m.decl.Name + ".", m.updates()},
		{"Replace", "What a row of " + m.decl.Name + " is to be.", m.replaces()},
	} {
		w.line("")
		w.comment("", p.doc)
		w.line("export interface %s {", w.of(m.decl, name, p.suffix))
		for _, f := range p.fields {
			w.field(f, false, false)
		}
		w.line("}")
	}
	var keys []string
	for _, f := range m.filters() {
		keys = append(keys, strconv.Quote(f.Name))
	}
	w.line("")
	w.line("/** Which rows of %s are meant. */", m.decl.Name)
	w.line("export type %s = rt.Filter<Pick<%s, %s>>;", w.of(m.decl, name, "Filter"), name, strings.Join(keys, " | "))
	w.relations(m, name)
}

// relations writes what rows of a model can be expanded by.
func (w *typescript) relations(m *model, name string) {
	w.line("")
	w.line("/** What rows of %s can be expanded by. */", m.decl.Name)
	w.line("export interface %s {", w.of(m.decl, name, "Relations"))
	for _, r := range w.a.relations(m) {
		kind := "One"
		if r.Many {
			kind = "Many"
		}
		to := w.types.given[r.Model]
		w.line("  %s: rt.%s<%s, %s>;", tsKey(r.Name), kind, to, w.of(r.Model, to, "Relations"))
	}
	w.line("}")
}

// field writes a member. What is received has every field; of what is sent,
// some may be left out.
func (w *typescript) field(f *dataflow.Field, readonly, received bool) {
	w.comment("  ", doc(f))
	key := tsKey(f.Name)
	if !received && mayBeLeftOut(f) || received && f.HasDefault && f.Default == dataflow.Absent {
		key += "?"
	}
	if readonly {
		key = "readonly " + key
	}
	kind := w.typeOf(f, received)
	if strings.HasSuffix(key, "?") && inherited(f.Name) {
		kind += " | Function" // which an object that leaves it out has of this name
	}
	w.line("  %s: %s;", key, kind)
}

// inherited reports whether every object of JavaScript has a member of this
// name.
func inherited(name string) bool {
	switch name {
	case "constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "toLocaleString", "propertyIsEnumerable":
		return true
	}
	return false
}

func (w *typescript) typeOf(f *dataflow.Field, received bool) string {
	t := w.kind(f.Type, f, received)
	if f.Optional {
		t += " | null"
	}
	return t
}

// kind is the type of values of a type; f, if not nil, has bounds that may make
// it narrower.
func (w *typescript) kind(t *dataflow.Type, f *dataflow.Field, received bool) string {
	switch t.Kind {
	case dataflow.KindRef:
		return w.kind(t.Scalar(), nil, received)
	case dataflow.KindInt:
		if f != nil && fitsNumber(f) {
			return "number"
		}
		return "rt.Int"
	case dataflow.KindFloat:
		return "number"
	case dataflow.KindBool:
		return "boolean"
	case dataflow.KindDecimal:
		return "rt.Decimal"
	case dataflow.KindDateTime:
		if received {
			return "rt.DateTime"
		}
		return "rt.DateTime | Date"
	case dataflow.KindString, dataflow.KindDate, dataflow.KindTime, dataflow.KindUUID, dataflow.KindBytes:
		return "string"
	case dataflow.KindEnum:
		quoted := make([]string, len(t.Values))
		for i, v := range t.Values {
			quoted[i] = tsText(v)
		}
		return strings.Join(quoted, " | ")
	case dataflow.KindList:
		elem := w.kind(t.Elem, nil, received)
		if strings.ContainsAny(elem, " |") {
			elem = "(" + elem + ")"
		}
		if received {
			return elem + "[]"
		}
		return "readonly " + elem + "[]"
	case dataflow.KindRecord:
		if name := w.types.given[t.Model]; name != "" {
			return name
		}
	case dataflow.KindObject:
		if t.Fields != nil {
			return w.object(t.Fields, received)
		}
		return "{ readonly [name: string]: rt.Json }"
	}
	return "rt.Json"
}

// object is an object's type in one line.
func (w *typescript) object(fields []*dataflow.Field, received bool) string {
	if len(fields) == 0 {
		return "Record<string, never>"
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		mark := ""
		if !received && mayBeLeftOut(f) || received && f.HasDefault && f.Default == dataflow.Absent {
			mark = "?"
		}
		parts[i] = tsKey(f.Name) + mark + ": " + w.typeOf(f, received)
	}
	return "{ " + strings.Join(parts, "; ") + " }"
}

// fitsNumber reports whether every value that a field may have is one that a
// number can hold.
func fitsNumber(f *dataflow.Field) bool {
	const most = 1<<53 - 1
	low, high := false, false
	for _, v := range []any{f.Ge, f.Gt} {
		n, ok := v.(int64)
		low = low || ok && n >= -most
	}
	for _, v := range []any{f.Le, f.Lt} {
		n, ok := v.(int64)
		high = high || ok && n <= most
	}
	return low && high
}

func (w *typescript) inputs() {
	for _, wf := range w.a.workflows {
		name := pascal(wf.decl.Name)
		w.line("")
		w.line("/** What %s takes. */", wf.decl.Name)
		if len(wf.decl.Input) == 0 {
			w.line("export type %s = Record<string, never>;", w.of(wf.decl, name, "Inputs"))
		} else {
			w.line("export interface %s {", w.of(wf.decl, name, "Inputs"))
			for _, f := range wf.decl.Input {
				w.field(f, false, false)
			}
			w.line("}")
		}
		w.line("")
		w.line("/** What %s gives. */", wf.decl.Name)
		w.line("export type %s = %s;", w.of(wf.decl, name, "Outputs"), w.kind(wf.output, nil, true))
	}
}

// tsMethods are the methods of each operation.
func tsMethods(op dataflow.OpKind) []string {
	switch op {
	case dataflow.OpRead:
		return []string{"read", "readIfChanged"}
	case dataflow.OpUpdate:
		return []string{"update", "replace"}
	case dataflow.OpList:
		return []string{"list", "listIfChanged", "each", "export", "exportRows"}
	}
	return []string{camel(op.String())}
}

func (w *typescript) client() {
	w.line("")
	w.line("/** The workflows: what the app does, each all or nothing. */")
	w.line("export class Workflows {")
	taken := names("constructor")
	var set []string
	for _, wf := range w.a.workflows {
		name := unique(camel(wf.decl.Name), taken)
		w.comment("  ", wf.decl.Doc)
		kind, make, args := "Workflow", "workflow", ""
		if wf.kept {
			kind, make, args = "KeptWorkflow", "kept", "runs, "
		}
		w.line("  readonly %s: rt.%s<%s, %s>;", name, kind, w.of(wf.decl, "", "Inputs"), w.of(wf.decl, "", "Outputs"))
		set = append(set, fmt.Sprintf("    this.%s = rt.%s(t, %s%s, %q%s);", name, make, args, tsText(wf.decl.Name), wf.kind, tsFloats(floats(wf.output))))
	}
	w.line("")
	if len(set) == 0 {
		w.line("  constructor(_t: rt.Transport, _runs: rt.Runs) {}")
	} else {
		runs := "_runs"
		if strings.Contains(strings.Join(set, ""), "(t, runs,") {
			runs = "runs"
		}
		w.line("  constructor(t: rt.Transport, %s: rt.Runs) {", runs)
		for _, s := range set {
			w.line("%s", s)
		}
		w.line("  }")
	}
	w.line("}")

	w.batch()
	w.line("")
	w.line("/** The client of %s. */", oneLine(w.a.title))
	w.line("export class Client {")
	set = nil
	for _, m := range w.a.served {
		of := func(suffix string) string { return w.of(m.decl, "", suffix) }
		methods := quoted(m.operations(), tsMethods)
		if m.exp.Events {
			methods = append(methods, `"events"`)
		}
		if m.imports() {
			methods = append(methods, `"import"`, `"importRows"`)
		}
		kind := fmt.Sprintf("rt.Rows<%s, %s, %s, %s, %s, %s, %t, %s>", w.types.given[m.decl],
			of("Create"), of("Update"), of("Replace"), of("Filter"),
			w.kind(m.decl.ID().Type, nil, true), m.decl.Versioned, of("Relations"))
		w.comment("  ", m.decl.Doc)
		w.line("  readonly %s: Pick<%s, %s>;", w.members.of(m, ""), kind, strings.Join(methods, " | "))
		set = append(set, fmt.Sprintf("    this.%s = new rt.Rows(t, %s%s);", w.members.of(m, ""), tsText(m.exp.Path), tsFloats(floatFields(m.decl.Fields))))
	}
	w.line("  readonly workflows: Workflows;")
	w.line("  /** Durable runs, which are kept and go on after a crash. */")
	w.line("  readonly runs: rt.Runs;")
	w.line("  readonly #t: rt.Transport;")
	w.line("")
	w.line("  constructor(options: rt.ClientOptions) {")
	w.line("    const t = new rt.Transport(options);")
	w.line("    this.#t = t;")
	for _, s := range set {
		w.line("%s", s)
	}
	w.line("    this.runs = new rt.Runs(t);")
	w.line("    this.workflows = new Workflows(t, this.runs);")
	w.line("  }")
	w.line("")
	w.line("  /** Begins a batch: several operations that are done in one transaction, all of them or none, once it is sent. */")
	w.line("  batch(): Batch {")
	w.line("    return new Batch(this.#t);")
	w.line("  }")
	w.line("}")
}

// batch writes the class by which several operations are done at once.
func (w *typescript) batch() {
	w.line("")
	w.line("/** Operations that are done in one transaction, all of them or none, once they are sent. */")
	w.line("export class Batch {")
	var set []string
	for _, m := range w.a.served {
		name := w.members.of(m, camel(m.exp.Path))
		of := func(suffix string) string { return w.of(m.decl, "", suffix) }
		methods := quoted(m.operations(), func(op dataflow.OpKind) []string { return []string{camel(op.String())} })
		kind := fmt.Sprintf("rt.BatchRows<%s, %s, %s, %s, %s, %t, %s>", w.types.given[m.decl],
			of("Create"), of("Update"), of("Filter"), w.kind(m.decl.ID().Type, nil, true), m.decl.Versioned, of("Relations"))
		w.line("  readonly %s: Pick<%s, %s>;", name, kind, strings.Join(methods, " | "))
		set = append(set, fmt.Sprintf("    this.%s = new %s(this.#steps, %s%s);", name, kind, tsText(m.exp.Path), tsFloats(floatFields(m.decl.Fields))))
	}
	w.line("  readonly #steps: rt.Steps;")
	w.line("")
	w.line("  constructor(t: rt.Transport) {")
	w.line("    this.#steps = new rt.Steps(t);")
	for _, s := range set {
		w.line("%s", s)
	}
	w.line("  }")
	w.line("")
	w.line("  /** Does them all, or none: then a Problem says why, with pointers such as /operations/1/args/email. Their results are with each step. */")
	w.line("  send(options?: rt.BulkOptions): Promise<void> {")
	w.line("    return this.#steps.send(options);")
	w.line("  }")
	w.line("}")
}

// quoted are the names of the methods of operations.
func quoted(ops []dataflow.OpKind, methods func(dataflow.OpKind) []string) []string {
	var all []string
	for _, op := range ops {
		for _, method := range methods(op) {
			all = append(all, strconv.Quote(method))
		}
	}
	return all
}

// floats are the names of a type's fields that hold floats.
func floats(t *dataflow.Type) []string {
	switch t.Kind {
	case dataflow.KindList:
		return floats(t.Elem)
	case dataflow.KindObject:
		return floatFields(t.Fields)
	case dataflow.KindRecord:
		return floatFields(t.Model.Fields)
	}
	return nil
}

func floatFields(fields []*dataflow.Field) []string {
	var list []string
	for _, f := range fields {
		if f.Type.Kind == dataflow.KindFloat {
			list = append(list, f.Name)
			continue
		}
		list = append(list, floats(f.Type)...)
	}
	return list
}

// tsFloats is a last argument that names floats, or nothing.
func tsFloats(list []string) string {
	if len(list) == 0 {
		return ""
	}
	quoted := make([]string, len(list))
	for i, name := range list {
		quoted[i] = tsText(name)
	}
	return ", [" + strings.Join(quoted, ", ") + "]"
}

// of is the name of a type that belongs to a model or a workflow.
func (w *typescript) of(thing any, name, suffix string) string {
	return w.types.of(part{thing, suffix}, name+suffix)
}

func (w *typescript) comment(indent, text string) {
	if text = oneLine(text); text != "" {
		w.line("%s/** %s */", indent, strings.ReplaceAll(text, "*/", "*\\/"))
	}
}

// tsKey is the name of a member: any name will do, if it is one.
func tsKey(name string) string {
	if isName(name) {
		return name
	}
	return tsText(name)
}

// tsText is a text as TypeScript writes it, and Python and JSON too.
func tsText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
