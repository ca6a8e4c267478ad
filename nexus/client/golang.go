package client

import (
	"fmt"
	"go/format"
	"go/token"
	"regexp"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

type golang struct {
	source
	a     *api
	types *namer
	later []func() // types that those written refer to
}

// topLevel finds what a file of Go declares for its package.
const topLevel = `(?m)^(?:type|func|var|const) (\w+)`

func writeGo(a *api, pkg string) ([]File, error) {
	runtime, err := runtimes.ReadFile("runtime/runtime.go")
	if err != nil {
		return nil, err
	}
	w := &golang{a: a, types: newNamer("Client Workflows New")}
	re, err := regexp.Compile(topLevel)
	if err != nil {
		return nil, err
	}
	for _, m := range re.FindAllSubmatch(runtime, -1) {
		w.types.taken[string(m[1])] = true
	}
	for _, m := range a.models {
		w.types.of(m.decl, m.name)
	}
	w.line("// %s", Mark)
	w.line("")
	w.line("// Package %s is the client of %s.", pkg, oneLine(a.title))
	w.line("package %s", pkg)
	w.line("")
	body := &golang{a: a, types: w.types}
	for _, m := range a.models {
		body.model(m)
	}
	for _, wf := range a.workflows {
		body.inputs(wf)
	}
	body.client()
	w.imports(body.String())
	w.Write(body.Bytes())
	text, err := format.Source(w.Bytes())
	if err != nil {
		return nil, err
	}
	_, code, _ := strings.Cut(string(runtime), "package runtime\n")
	runtime = []byte("// " + Mark + "\n\npackage " + pkg + "\n" + code)
	return []File{{"client.go", text}, {"runtime.go", runtime}}, nil
}

// imports writes those of the packages that the text uses.
func (w *golang) imports(text string) {
	w.line("import (")
	for _, p := range []struct{ path, use string }{
		{"context", "context."}, {"encoding/json", "json."}, {"iter", "iter."}, {"net/http", "http."}, {"time", "time."},
	} {
		if strings.Contains(text, p.use) {
			w.line("%q", p.path)
		}
	}
	w.line(")")
}

func (w *golang) of(thing any, name, suffix string) string {
	return w.types.of(part{thing, suffix}, name+suffix)
}

// goName is the name of a field or method: OrderID.
func goName(name string) string {
	all := words(name)
	for i, word := range all {
		if strings.EqualFold(word, "id") {
			all[i] = "ID"
		}
	}
	return leading(pascalWords(all), "N")
}

func pascalWords(all []string) string {
	var b strings.Builder
	for _, w := range all {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

func (w *golang) comment(text string) {
	if text = oneLine(text); text != "" {
		w.line("// %s", text)
	}
}

func (w *golang) model(m *model) {
	name, about := w.types.given[m.decl], m.decl.Doc
	w.line("")
	w.comment(strings.TrimSpace(name + " is a row of " + m.decl.Name + ". " + about))
	w.structure("type "+name, m.decl.Fields, true, name, m.decl.Computed)
	if !w.a.isServed(m) {
		w.flush()
		return
	}
	for _, p := range []struct {
		suffix, doc string
		fields      []*dataflow.Field
	}{
		{"Create", "is a row of " + m.decl.Name + " to create.", m.creates()},
		{"Update", "is changes to a row of " + m.decl.Name + ".", m.updates()},
		{"Replace", "is what a row of " + m.decl.Name + " is to be.", m.replaces()},
	} {
		own := w.of(m.decl, name, p.suffix)
		w.line("")
		w.comment(own + " " + p.doc)
		w.structure("type "+own, p.fields, false, own, nil)
	}
	w.fields(m, name)
	w.flush()
}

// flush writes the types that those before refer to.
func (w *golang) flush() {
	for len(w.later) > 0 {
		next := w.later[0]
		w.later = w.later[1:]
		next()
	}
}

func (w *golang) fields(m *model, name string) {
	own := w.of(m.decl, name, "Fields")
	w.line("")
	w.comment(own + " are the fields that rows of " + m.decl.Name + " can be found by.")
	w.line("var %s = struct {", own)
	taken := names("")
	var set []string
	for _, f := range m.filters() {
		field := unique(goName(f.Name), taken)
		w.line("%s Field[%s]", field, w.kind(name+goName(f.Name), f.Type, false))
		set = append(set, fmt.Sprintf("%s: %s,", field, tsText(f.Name)))
	}
	w.line("}{")
	for _, s := range set {
		w.line("%s", s)
	}
	w.line("}")
}

func (w *golang) structure(head string, fields []*dataflow.Field, received bool, owner string, computed []dataflow.Computed) {
	w.line("%s struct {", head)
	taken := names("")
	for _, f := range fields {
		w.comment(doc(f))
		kind, tag := w.typeOf(owner, f, received), f.Name
		if !received && mayBeLeftOut(f) {
			tag += ",omitzero"
		}
		w.line("%s %s %s", unique(goName(f.Name), taken), kind, tagOf(tag))
	}
	for _, c := range computed {
		w.comment("Computed from the row whenever it is read.")
		w.line("%s json.RawMessage %s", unique(goName(c.Name), taken), tagOf(c.Name))
	}
	w.line("}")
}

func tagOf(text string) string { return "`json:\"" + text + "\"`" }

func (w *golang) typeOf(owner string, f *dataflow.Field, received bool) string {
	kind := w.kind(owner+goName(f.Name), f.Type, received)
	switch {
	case !received && mayBeLeftOut(f):
		return "Opt[" + kind + "]"
	case received && (f.Optional || f.HasDefault && f.Default == dataflow.Absent) && kind != "json.RawMessage":
		return "*" + kind
	}
	return kind
}

// kind is the type of values of a type. An object within gets a type of its
// own, with the name.
func (w *golang) kind(name string, t *dataflow.Type, received bool) string {
	switch t.Kind {
	case dataflow.KindRef:
		return w.kind(name, t.Scalar(), received)
	case dataflow.KindInt:
		return "int64"
	case dataflow.KindFloat:
		return "float64"
	case dataflow.KindBool:
		return "bool"
	case dataflow.KindDecimal:
		return "Decimal"
	case dataflow.KindDateTime:
		return "time.Time"
	case dataflow.KindBytes:
		return "[]byte"
	case dataflow.KindEnum, dataflow.KindString, dataflow.KindDate, dataflow.KindTime, dataflow.KindUUID:
		return "string"
	case dataflow.KindList:
		return "[]" + w.kind(name+"Item", t.Elem, received)
	case dataflow.KindRecord:
		if name := w.types.given[t.Model]; name != "" {
			return name
		}
	case dataflow.KindObject:
		if t.Fields == nil {
			return "map[string]any"
		}
		own, known := w.types.given[t]
		if !known {
			own = w.types.of(t, name)
			w.later = append(w.later, func() {
				w.line("")
				w.comment(own + " is a part of what is sent.")
				w.structure("type "+own, t.Fields, received, own, nil)
			})
		}
		return own
	}
	if received {
		return "json.RawMessage"
	}
	return "any"
}

func (w *golang) inputs(wf workflow) {
	name := goName(wf.decl.Name)
	in := w.of(wf.decl, name, "Inputs")
	w.line("")
	w.comment(in + " is what " + wf.decl.Name + " takes.")
	w.structure("type "+in, wf.decl.Input, false, in, nil)
	out := w.of(wf.decl, name, "Outputs")
	w.line("")
	w.comment(out + " is what " + wf.decl.Name + " gives.")
	if wf.output.Kind == dataflow.KindObject && wf.output.Fields != nil {
		w.structure("type "+out, wf.output.Fields, true, out, nil)
	} else {
		w.line("type %s = %s", out, w.kind(out+"Value", wf.output, true))
	}
	w.flush()
}

func (w *golang) client() {
	w.line("")
	w.line("// Workflows are what the app does, each all or nothing.")
	w.line("type Workflows struct{ t *Transport }")
	taken := names("")
	for _, wf := range w.a.workflows {
		name := unique(goName(wf.decl.Name), taken)
		in, out := w.of(wf.decl, "", "Inputs"), w.of(wf.decl, "", "Outputs")
		w.line("")
		w.comment(strings.TrimSpace(name + " runs the workflow " + wf.decl.Name + ". " + wf.decl.Doc))
		w.line("func (w Workflows) %s(ctx context.Context, inputs %s, opts ...Option) (%s, error) {", name, in, out)
		w.line("return Execute[%s](ctx, w.t, %s, inputs, opts)", out, tsText(wf.decl.Name))
		w.line("}")
		if wf.durable {
			start := unique("Start"+name, taken)
			w.line("")
			w.comment(start + " begins the workflow " + wf.decl.Name + ", and gives the id of its run as soon as that is kept.")
			w.line("func (w Workflows) %s(ctx context.Context, inputs %s, opts ...Option) (string, error) {", start, in)
			w.line("return Start(ctx, w.t, %s, inputs, opts)", tsText(wf.decl.Name))
			w.line("}")
		}
	}
	members := names("Runs Workflows")
	var fields, set []string
	for _, m := range w.a.served {
		name := unique(goName(m.exp.Path), members)
		rows := w.rows(m, name)
		fields = append(fields, name+" "+rows)
		set = append(set, fmt.Sprintf("%s: %s{NewRows[%s, %s](t, %s)},", name, rows, w.types.given[m.decl], w.id(m), tsText(m.exp.Path)))
	}
	w.line("")
	w.line("// Client is the client of %s.", oneLine(w.a.title))
	w.line("type Client struct {")
	for _, f := range fields {
		w.line("%s", f)
	}
	w.line("Workflows Workflows")
	w.line("Runs Runs // durable runs, which are kept and go on after a crash")
	w.line("}")
	w.line("")
	w.line("// New returns a client.")
	w.line("func New(o Options) *Client {")
	w.line("t := NewTransport(o)")
	w.line("return &Client{")
	for _, s := range set {
		w.line("%s", s)
	}
	w.line("Workflows: Workflows{t},")
	w.line("Runs: NewRuns(t),")
	w.line("}")
	w.line("}")
}

func (w *golang) id(m *model) string { return w.kind("", m.decl.ID().Type, true) }

// rows writes the type that serves a model, with the operations that are
// served. $ stands for the names of its types.
func (w *golang) rows(m *model, name string) string {
	own := w.of(m.exp, name, "Rows")
	w.line("")
	w.comment(own + " are the rows of " + m.decl.Name + ".")
	id := w.id(m)
	row := w.types.given[m.decl]
	w.line("type %s struct{ rows Rows[%s, %s] }", own, row, id)
	version, pass := "", "nil"
	if m.decl.Versioned {
		version, pass = ", version Version", "&version"
	}
	names := strings.NewReplacer("$ROWS", own, "$ROW", row, "$ID", id, "$CREATE", w.of(m.decl, row, "Create"), "$UPDATE", w.of(m.decl, row, "Update"),
		"$REPLACE", w.of(m.decl, row, "Replace"), "$VERSION", version, "$PASS", pass, "$MODEL", m.decl.Name)
	for _, op := range m.operations() {
		w.line("%s", names.Replace(goOperations[op]))
	}
	return own
}

// goOperations is the source of each operation.
var goOperations = [...]string{
	dataflow.OpCreate: `
// Create creates a row of $MODEL.
func (r $ROWS) Create(ctx context.Context, row $CREATE, opts ...Option) ($ROW, error) {
	return CreateRow(ctx, r.rows, row, opts)
}`,
	dataflow.OpRead: `
// Read reads a row of $MODEL.
func (r $ROWS) Read(ctx context.Context, id $ID) ($ROW, error) { return r.rows.ReadRow(ctx, id) }

// View reads some fields of a row, or rows of other models in it.
func (r $ROWS) View(ctx context.Context, id $ID, fields, expand []string, into any) error {
	return r.rows.ViewRow(ctx, id, fields, expand, into)
}`,
	dataflow.OpUpdate: `
// Update changes fields of a row of $MODEL.
func (r $ROWS) Update(ctx context.Context, id $ID$VERSION, changes $UPDATE, opts ...Option) ($ROW, error) {
	return ChangeRow(ctx, r.rows, http.MethodPatch, id, $PASS, changes, opts)
}

// Replace replaces a row of $MODEL: what is left out gets its default, or null.
func (r $ROWS) Replace(ctx context.Context, id $ID$VERSION, row $REPLACE, opts ...Option) ($ROW, error) {
	return ChangeRow(ctx, r.rows, http.MethodPut, id, $PASS, row, opts)
}`,
	dataflow.OpDelete: `
// Delete deletes a row of $MODEL.
func (r $ROWS) Delete(ctx context.Context, id $ID$VERSION, opts ...Option) error {
	return r.rows.DeleteRow(ctx, id, $PASS, opts)
}`,
	dataflow.OpList: `
// List reads a page of rows of $MODEL.
func (r $ROWS) List(ctx context.Context, q Query) (Page[$ROW], error) { return r.rows.ListRows(ctx, q) }

// Each reads every row of $MODEL that matches, page after page. An error is the last pair.
func (r $ROWS) Each(ctx context.Context, q Query) iter.Seq2[$ROW, error] { return r.rows.EachRow(ctx, q) }`,
	dataflow.OpUpsert: `
// Upsert updates the row of $MODEL that is found, or creates it.
func (r $ROWS) Upsert(ctx context.Context, args Upsert[$UPDATE], opts ...Option) (Upserted[$ROW], error) {
	return UpsertRow(ctx, r.rows, args, opts)
}`,
	dataflow.OpCount: `
// Count counts the rows of $MODEL that match.
func (r $ROWS) Count(ctx context.Context, f Filter) (int64, error) { return r.rows.CountRows(ctx, f) }`,
	dataflow.OpBulkCreate: `
// BulkCreate creates rows of $MODEL.
func (r $ROWS) BulkCreate(ctx context.Context, args BulkCreate[$CREATE], opts ...Option) (BulkResult[$ID], error) {
	return r.rows.Bulk(ctx, "bulk_create", args, opts)
}`,
	dataflow.OpBulkUpdate: `
// BulkUpdate changes rows of $MODEL.
func (r $ROWS) BulkUpdate(ctx context.Context, args BulkUpdate[$UPDATE, $ID], opts ...Option) (BulkResult[$ID], error) {
	return r.rows.Bulk(ctx, "bulk_update", args, opts)
}`,
	dataflow.OpBulkDelete: `
// BulkDelete deletes rows of $MODEL.
func (r $ROWS) BulkDelete(ctx context.Context, args BulkDelete[$ID], opts ...Option) (BulkResult[$ID], error) {
	return r.rows.Bulk(ctx, "bulk_delete", args, opts)
}`,
	dataflow.OpBulkUpsert: `
// BulkUpsert creates rows of $MODEL, or changes those that are there.
func (r $ROWS) BulkUpsert(ctx context.Context, args BulkUpsert[$CREATE], opts ...Option) (BulkResult[$ID], error) {
	return r.rows.Bulk(ctx, "bulk_upsert", args, opts)
}`,
	dataflow.OpAggregate: `
// Aggregate works out figures of rows of $MODEL; each group is an object.
func (r $ROWS) Aggregate(ctx context.Context, a Aggregate) ([]map[string]json.RawMessage, error) {
	return r.rows.AggregateRows(ctx, a)
}`,
}

// IsGoWord reports whether a name is a word of Go's own, which no package can
// be called.
func IsGoWord(name string) bool { return token.IsKeyword(name) }
