package client

import (
	"fmt"
	"go/format"
	"go/token"
	"regexp"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
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
	w := &golang{a: a, types: newNamer("Client Batch Workflows New")}
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
	if err := w.imports(body.String()); err != nil {
		return nil, err
	}
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
func (w *golang) imports(text string) error {
	w.line("import (")
	for _, path := range []string{"context", "encoding/json", "io", "iter", "net/http", "time"} {
		// Not in a comment, which may end a sentence with such a word.
		used, err := regexp.MatchString(`(?m)^[^/\n]*\b`+path[strings.LastIndexByte(path, '/')+1:]+`\.[A-Z]`, text)
		if err != nil {
			return err
		}
		if used {
			w.line("%q", path)
		}
	}
	w.line(")")
	return nil
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
	w.view(m, name)
	w.flush()
}

// view writes a row as it is shown: whatever may be left out of it is a pointer.
func (w *golang) view(m *model, name string) {
	own := w.of(m.decl, name, "View")
	w.line("")
	w.comment(own + " is a row of " + m.decl.Name + " of which some fields are shown, or with rows of other models in it. What is not shown, or null, is nil.")
	w.line("type %s struct {", own)
	taken := names("")
	to := make(map[string]access.Relation)
	for _, r := range w.a.relations(m) {
		to[r.Name] = r
	}
	for _, f := range m.decl.Fields {
		w.comment(doc(f))
		kind := w.kind(name+goName(f.Name), f.Type, true)
		if r, ok := to[f.Name]; ok {
			kind = fmt.Sprintf("One[%s, %s]", kind, w.of(r.Model, w.types.given[r.Model], "View"))
		}
		if kind != "json.RawMessage" && f.System != dataflow.RoleID {
			kind = "*" + kind
		}
		w.line("%s %s %s", unique(goName(f.Name), taken), kind, tagOf(f.Name))
	}
	for _, c := range m.decl.Computed {
		w.line("%s json.RawMessage %s", unique(goName(c.Name), taken), tagOf(c.Name))
	}
	for _, r := range w.a.relations(m) {
		if r.Many {
			w.line("%s *Many[%s] %s", unique(goName(r.Name), taken), w.of(r.Model, w.types.given[r.Model], "View"), tagOf(r.Name))
		}
	}
	w.line("}")
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
		w.line("return Execute[%s](ctx, w.t, %s, %q, inputs, opts)", out, tsText(wf.decl.Name), wf.kind)
		w.line("}")
		if wf.kept {
			start := unique("Start"+name, taken)
			w.line("")
			w.comment(start + " begins the workflow " + wf.decl.Name + ", and gives the id of its run as soon as that is kept: Runs.Wait gives its outputs, Runs.Events what becomes of it.")
			w.line("func (w Workflows) %s(ctx context.Context, inputs %s, opts ...Option) (string, error) {", start, in)
			w.line("return Start(ctx, w.t, %s, inputs, opts)", tsText(wf.decl.Name))
			w.line("}")
		}
	}
	members := names("Runs Workflows Batch Send")
	var fields, set, batch, setBatch []string
	for _, m := range w.a.served {
		name := unique(goName(m.exp.Path), members)
		rows, steps := w.rows(m, name), w.batch(m, name)
		fields = append(fields, name+" "+rows)
		set = append(set, fmt.Sprintf("%s: %s{NewRows[%s, %s](t, %s)},", name, rows, w.types.given[m.decl], w.id(m), tsText(m.exp.Path)))
		batch = append(batch, name+" "+steps)
		setBatch = append(setBatch, fmt.Sprintf("%s: %s{s},", name, steps))
	}
	w.line("")
	w.line("// Client is the client of %s.", oneLine(w.a.title))
	w.line("type Client struct {")
	for _, f := range fields {
		w.line("%s", f)
	}
	w.line("Workflows Workflows")
	w.line("Runs Runs // durable runs, which are kept and go on after a crash")
	w.line("t *Transport")
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
	w.line("t: t,")
	w.line("}")
	w.line("}")
	w.line("")
	w.line("// Batch is operations that are done in one transaction, all of them or none, once they are sent.")
	w.line("type Batch struct {")
	for _, f := range batch {
		w.line("%s", f)
	}
	w.line("steps *Steps")
	w.line("}")
	w.line("")
	w.line("// Batch begins a batch.")
	w.line("func (c *Client) Batch() *Batch {")
	w.line("s := NewSteps(c.t)")
	w.line("return &Batch{")
	for _, s := range setBatch {
		w.line("%s", s)
	}
	w.line("steps: s,")
	w.line("}")
	w.line("}")
	w.line("")
	w.line("// Send does them all, or none: then a Problem says why, with pointers such as")
	w.line("// /operations/1/args/email. What each gave is its Result.")
	w.line("func (b *Batch) Send(ctx context.Context, opts ...Option) error { return b.steps.Send(ctx, opts) }")
}

func (w *golang) id(m *model) string { return w.kind("", m.decl.ID().Type, true) }

// rows writes the type that serves a model, with the operations that are
// served. $ stands for the names of its types.
func (w *golang) rows(m *model, name string) string {
	own := w.of(m.exp, name, "Rows")
	w.line("")
	w.comment(own + " are the rows of " + m.decl.Name + ".")
	w.line("type %s struct{ rows Rows[%s, %s] }", own, w.types.given[m.decl], w.id(m))
	names := w.names(m, own)
	for _, op := range m.operations() {
		w.line("%s", names.Replace(goOperations[op]))
	}
	if m.exp.Events {
		w.line("%s", names.Replace(goEvents))
	}
	if m.imports() {
		w.line("%s", names.Replace(goImport))
	}
	return own
}

// names puts the names of a model's types in the place of $ and a word.
func (w *golang) names(m *model, own string) *strings.Replacer {
	row := w.types.given[m.decl]
	version, pass := "", "nil"
	if m.decl.Versioned {
		version, pass = ", version Version", "&version"
	}
	return strings.NewReplacer("$ROWS", own, "$ROW", row, "$ID", w.id(m), "$CREATE", w.of(m.decl, row, "Create"), "$UPDATE", w.of(m.decl, row, "Update"),
		"$REPLACE", w.of(m.decl, row, "Replace"), "$VIEW", w.of(m.decl, row, "View"), "$VERSION", version, "$PASS", pass, "$MODEL", m.decl.Name, "$PATH", tsText(m.exp.Path))
}

// batch writes the type that does operations on a model in a batch.
func (w *golang) batch(m *model, name string) string {
	own := w.of(m.exp, name, "Batch")
	w.line("")
	w.comment(own + " does in a batch what can be done with rows of " + m.decl.Name + ".")
	w.line("type %s struct{ steps *Steps }", own)
	names := w.names(m, own)
	for _, op := range m.operations() {
		w.line("%s", names.Replace(goSteps[op]))
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
func (r $ROWS) View(ctx context.Context, id $ID, show Show) ($VIEW, error) {
	return ViewRow[$VIEW](ctx, r.rows, id, show)
}

// ReadIfChanged reads a row, unless it is as it was when it was given the tag: then there is nil.
func (r $ROWS) ReadIfChanged(ctx context.Context, id $ID, etag string) (*Tagged[$ROW], error) {
	return r.rows.ReadIfChanged(ctx, id, etag)
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
func (r $ROWS) Each(ctx context.Context, q Query) iter.Seq2[$ROW, error] {
	return EachView[$ROW](ctx, r.rows, q, Show{})
}

// ListViews reads a page of rows, or of some of their fields, with rows of other models in them.
func (r $ROWS) ListViews(ctx context.Context, q Query, show Show) (Page[$VIEW], error) {
	return ListViews[$VIEW](ctx, r.rows, q, show)
}

// EachView is Each of rows as ListViews has them.
func (r $ROWS) EachView(ctx context.Context, q Query, show Show) iter.Seq2[$VIEW, error] {
	return EachView[$VIEW](ctx, r.rows, q, show)
}

// ListIfChanged reads a page, unless it is as it was when it was given the tag: then there is nil.
func (r $ROWS) ListIfChanged(ctx context.Context, q Query, etag string) (*Tagged[Page[$ROW]], error) {
	return r.rows.ListIfChanged(ctx, q, etag)
}

// Export writes every row of $MODEL that matches, of one state of the database, as a file. It is written as it comes; without an error, all of it has come.
func (r $ROWS) Export(ctx context.Context, to io.Writer, f Format, q ExportQuery) error {
	return r.rows.ExportTo(ctx, to, f, q)
}

// ExportRows is every row of $MODEL that matches, of one state of the database, as they come. An error is the last pair. Fields that q leaves out are zero.
func (r $ROWS) ExportRows(ctx context.Context, q ExportQuery) iter.Seq2[$ROW, error] {
	return r.rows.ExportedRows(ctx, q)
}

// ExportViews is ExportRows with what q leaves out nil.
func (r $ROWS) ExportViews(ctx context.Context, q ExportQuery) iter.Seq2[$VIEW, error] {
	return ExportedViews[$VIEW](ctx, r.rows, q)
}`,
	dataflow.OpUpsert: `
// Upsert updates the row of $MODEL that is found, or creates it.
func (r $ROWS) Upsert(ctx context.Context, args Upsert[$UPDATE], opts ...Option) (Upserted[$ROW], error) {
	return UpsertRow(ctx, r.rows, args, opts)
}`,
	dataflow.OpCount: `
// Count counts the rows of $MODEL that match.
func (r $ROWS) Count(ctx context.Context, f Filter) (int64, error) {
	return r.rows.CountRows(ctx, CountQuery{Filter: f})
}

// CountOf counts the rows of $MODEL that q asks for.
func (r $ROWS) CountOf(ctx context.Context, q CountQuery) (int64, error) { return r.rows.CountRows(ctx, q) }`,
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

const goEvents = `
// Events is what happens to rows of $MODEL, from now on or from q.LastEventID on. A connection that is lost is made again where it was. The end of the context ends it, or break; an error is the last pair. Fields that q leaves out are zero.
func (r $ROWS) Events(ctx context.Context, q EventQuery) iter.Seq2[RowEvent[$ROW, $ID], error] {
	return r.rows.FollowRows(ctx, q)
}

// EventViews is Events with what q leaves out nil.
func (r $ROWS) EventViews(ctx context.Context, q EventQuery) iter.Seq2[RowEvent[$VIEW, $ID], error] {
	return FollowViews[$VIEW](ctx, r.rows, q)
}`

const goImport = `
// Import imports a file of rows of $MODEL, in one transaction. What is wrong with a line is in Errors of the Problem, with its number. What can't seek is not sent again.
func (r $ROWS) Import(ctx context.Context, from io.Reader, f Format, o ImportOptions, opts ...Option) (Imported, error) {
	return r.rows.ImportFrom(ctx, from, f, o, opts)
}

// ImportRows imports rows of $MODEL, in one transaction. They are sent as the sequence gives them, which begins anew where the request is sent again.
func (r $ROWS) ImportRows(ctx context.Context, rows iter.Seq[$CREATE], o ImportOptions, opts ...Option) (Imported, error) {
	return ImportRows(ctx, r.rows, rows, o, opts)
}`

// goSteps is the source of each operation in a batch.
var goSteps = [...]string{
	dataflow.OpCreate: `
// Create creates a row of $MODEL.
func (b $ROWS) Create(row $CREATE, opts ...StepOption) *Step[$ROW] {
	return AddStep[$ROW](b.steps, $PATH, "create", row, opts)
}`,
	dataflow.OpRead: `
// Read reads a row of $MODEL.
func (b $ROWS) Read(id $ID, opts ...StepOption) *Step[$ROW] {
	return AddStep[$ROW](b.steps, $PATH, "read", ReadArgs(id, Show{}), opts)
}

// View reads some fields of a row, or rows of other models in it.
func (b $ROWS) View(id $ID, show Show, opts ...StepOption) *Step[$VIEW] {
	return AddStep[$VIEW](b.steps, $PATH, "read", ReadArgs(id, show), opts)
}`,
	dataflow.OpUpdate: `
// Update changes fields of a row of $MODEL.
func (b $ROWS) Update(id $ID$VERSION, changes $UPDATE, opts ...StepOption) *Step[$ROW] {
	return AddStep[$ROW](b.steps, $PATH, "update", ChangeArgs(id, $PASS, changes), opts)
}`,
	dataflow.OpDelete: `
// Delete deletes a row of $MODEL.
func (b $ROWS) Delete(id $ID$VERSION, opts ...StepOption) *Step[Deleted[$ID]] {
	return AddStep[Deleted[$ID]](b.steps, $PATH, "delete", ChangeArgs(id, $PASS, nil), opts)
}`,
	dataflow.OpList: `
// List reads a page of rows of $MODEL.
func (b $ROWS) List(q Query, opts ...StepOption) *Step[Page[$ROW]] {
	return AddStep[Page[$ROW]](b.steps, $PATH, "list", ListArgs(q, Show{}), opts)
}

// ListViews reads a page of rows, or of some of their fields, with rows of other models in them.
func (b $ROWS) ListViews(q Query, show Show, opts ...StepOption) *Step[Page[$VIEW]] {
	return AddStep[Page[$VIEW]](b.steps, $PATH, "list", ListArgs(q, show), opts)
}`,
	dataflow.OpUpsert: `
// Upsert updates the row of $MODEL that is found, or creates it.
func (b $ROWS) Upsert(args Upsert[$UPDATE], opts ...StepOption) *Step[Upserted[$ROW]] {
	return AddStep[Upserted[$ROW]](b.steps, $PATH, "upsert", args, opts)
}`,
	dataflow.OpCount: `
// Count counts the rows of $MODEL that match.
func (b $ROWS) Count(f Filter, opts ...StepOption) *Step[Counted] {
	return AddStep[Counted](b.steps, $PATH, "count", CountQuery{Filter: f}, opts)
}

// CountOf counts the rows of $MODEL that q asks for.
func (b $ROWS) CountOf(q CountQuery, opts ...StepOption) *Step[Counted] {
	return AddStep[Counted](b.steps, $PATH, "count", q, opts)
}`,
	dataflow.OpBulkCreate: `
// BulkCreate creates rows of $MODEL.
func (b $ROWS) BulkCreate(args BulkCreate[$CREATE], opts ...StepOption) *Step[BulkResult[$ID]] {
	return AddStep[BulkResult[$ID]](b.steps, $PATH, "bulk_create", args, opts)
}`,
	dataflow.OpBulkUpdate: `
// BulkUpdate changes rows of $MODEL.
func (b $ROWS) BulkUpdate(args BulkUpdate[$UPDATE, $ID], opts ...StepOption) *Step[BulkResult[$ID]] {
	return AddStep[BulkResult[$ID]](b.steps, $PATH, "bulk_update", args, opts)
}`,
	dataflow.OpBulkDelete: `
// BulkDelete deletes rows of $MODEL.
func (b $ROWS) BulkDelete(args BulkDelete[$ID], opts ...StepOption) *Step[BulkResult[$ID]] {
	return AddStep[BulkResult[$ID]](b.steps, $PATH, "bulk_delete", args, opts)
}`,
	dataflow.OpBulkUpsert: `
// BulkUpsert creates rows of $MODEL, or changes those that are there.
func (b $ROWS) BulkUpsert(args BulkUpsert[$CREATE], opts ...StepOption) *Step[BulkResult[$ID]] {
	return AddStep[BulkResult[$ID]](b.steps, $PATH, "bulk_upsert", args, opts)
}`,
	dataflow.OpAggregate: `
// Aggregate works out figures of rows of $MODEL.
func (b $ROWS) Aggregate(a Aggregate, opts ...StepOption) *Step[Aggregated] {
	return AddStep[Aggregated](b.steps, $PATH, "aggregate", a, opts)
}`,
}

// IsGoWord reports whether a name is a word of Go's own, which no package can
// be called.
func IsGoWord(name string) bool { return token.IsKeyword(name) }
