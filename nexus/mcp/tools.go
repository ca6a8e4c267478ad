package mcp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/schema"
)

// kind says where a tool comes from.
type kind int

const (
	kindWorkflow  kind = iota
	kindOperation      // of one exposed model
	kindGeneric        // for all exposed models
	kindRuns           // for durable runs
	kindExtension
)

// tool is one tool: what clients are told of it, and what it does.
type tool struct {
	name, title string
	kind        kind
	readOnly    bool
	workflow    *dataflow.Workflow // or else
	exposure    *dataflow.Exposure
	op          dataflow.OpKind
	ops         []dataflow.OpKind // or of these, those that a model allows; none: it is no such tool
	define      func() definition
	run         func(ctx context.Context, q *request, args *dataflow.Object) (answer, error)

	text func() []byte // of its definition; made once
}

// definition is what clients are told of a tool besides its name.
type definition struct {
	description   string
	input, output *dataflow.Object // JSON Schema; no output: nil
	reach         reach
}

// denied is why a caller may not use a tool at all; nil if they may. Tools that
// act on what their arguments name ask again then.
func (t *tool) denied(c access.Caller) error {
	c.Ruled = true
	switch {
	case t.exposure != nil:
		return access.May(c, t.exposure.Model, t.op)
	case t.workflow != nil:
		return access.MayStart(c, t.workflow)
	}
	return nil
}

// guarded reports whether an app says of anything who may do it.
func guarded(app *dataflow.App) bool {
	return slices.ContainsFunc(app.Models(), func(m *dataflow.Model) bool { return m.Access != nil }) ||
		slices.ContainsFunc(app.Workflows, func(w *dataflow.Workflow) bool { return w.Access != nil })
}

func (t *tool) encode() []byte {
	d := t.define()
	if t.kind != kindExtension { // whose schemas are as its program wants them
		if t.op == dataflow.OpList || t.op == dataflow.OpRead || t.op == dataflow.OpAggregate || t.kind == kindGeneric {
			d.input = nameLists(d.input)
		}
		d.input = portable(withoutNulls(d.input))
		if d.output != nil {
			d.output = portable(d.output)
		}
	}
	o := dataflow.ObjectOf("name", t.name, "title", t.title, "description", d.description, "inputSchema", d.input)
	if d.output != nil {
		o.Set("outputSchema", d.output)
	}
	o.Set("annotations", annotations(t.title, d.reach))
	return codec.AppendValue(nil, o)
}

// answer is what a tool gives back.
type answer struct {
	value     any
	text      []byte // of value, where that is known already
	runID     string // of a workflow's run
	contents  []Content
	truncated bool
	dryRun    bool
}

// listLimit is the page that a list gives an agent unless it asks for more:
// every row costs it attention.
const listLimit = 20

// catalog is every tool there is.
type catalog struct {
	tools    []*tool
	specific int // tools of workflows and of operations
}

// many reports whether there are too many tools to show an agent all of them.
func (c *catalog) many() bool { return c.specific > manyTools }

func (s *Server) build() *catalog {
	c, app := &catalog{}, s.engine.App()
	taken := make(map[string]bool)
	add := func(tools ...*tool) {
		for _, t := range tools {
			if taken[t.name] { // the app's own tools come first, and hide ours
				continue
			}
			taken[t.name] = true
			t.text = sync.OnceValue(t.encode)
			c.tools = append(c.tools, t)
		}
	}
	ops := sync.OnceValue(func() map[string]dataflow.Op { return operations(app) })
	for _, wf := range app.Workflows {
		add(s.workflowTool(wf, ops))
	}
	for _, exp := range app.Exposures {
		for _, op := range exp.Served() {
			add(s.modelTool(exp, op))
		}
	}
	c.specific = len(c.tools)
	add(s.genericTools()...)
	add(s.runTools()...)
	for i := range s.o.Extension.Tools {
		add(s.extensionTool(&s.o.Extension.Tools[i]))
	}
	return c
}

func (s *Server) workflowTool(wf *dataflow.Workflow, ops func() map[string]dataflow.Op) *tool {
	readOnly := s.engine.ReadOnly(wf.Name)
	kept := s.durable(wf.Name)
	t := &tool{name: workflowTool(wf), title: wf.Name, kind: kindWorkflow, workflow: wf, readOnly: readOnly}
	reaches := sync.OnceValue(func() reach { return reachOf(ops(), wf, readOnly) })
	// What is all in one transaction can be tried out.
	extra := sync.OnceValue(func() []*dataflow.Field {
		out := s.engine.OutputType(wf.Name)
		if kept || readOnly || reaches().openWorld || hasField(wf.Input, dryRunParam) || isObject(out) && slices.Contains(out.AttrNames(), dryRunParam) {
			return nil
		}
		return []*dataflow.Field{dryRunField()}
	})
	t.define = func() definition {
		out := s.engine.OutputType(wf.Name)
		signals, _ := s.engine.Plan().Signals(wf.Name)
		d := definition{
			description: describeWorkflow(wf, out, signals, readOnly, s.engine.Plan().Durable(wf.Name)),
			input:       schema.Input(append(wf.Input[:len(wf.Input):len(wf.Input)], extra()...)),
			reach:       reaches(),
		}
		switch {
		case kept: // a run that waits has no outputs yet
			d.description += "\nThe run is kept. If it has to wait, returns {run_id, status, waits_for, hint}."
		case isObject(out):
			if d.output = schema.Output(out); wf.Output == nil { // a node that is skipped has no output
				d.output = without(d.output, "required")
			}
			if len(extra()) > 0 {
				d.output = withProperty(d.output, dryRunParam, "nothing was kept; there only if that was asked for")
			}
		}
		return d
	}
	if kept {
		t.run = s.begin(wf)
		return t
	}
	t.run = func(ctx context.Context, q *request, args *dataflow.Object) (answer, error) {
		if err := q.countWorkflow(ctx, wf.Name); err != nil {
			return answer{}, err
		}
		o, err := takeOptions(args, extra())
		if err != nil {
			return answer{}, err
		}
		req := engine.Request{Workflow: wf.Name, Inputs: o.rest, Caller: q.caller, DryRun: o.dryRun}
		if q.progress != nil {
			req.Progress = func(done, total int, node string) { q.tellProgress(float64(done), float64(total), node) }
		}
		res, err := s.engine.Run(ctx, req)
		if err != nil {
			return answer{}, err
		}
		return answer{value: res.Outputs, runID: res.RunID, dryRun: o.dryRun}, nil
	}
	return t
}

// durable reports whether runs of a workflow are kept.
func (s *Server) durable(workflow string) bool {
	return s.o.Runs != nil && s.engine.Plan().Durable(workflow)
}

// begin starts a durable run. One that does not end within the call is told of
// by its id.
func (s *Server) begin(wf *dataflow.Workflow) func(context.Context, *request, *dataflow.Object) (answer, error) {
	return func(ctx context.Context, q *request, args *dataflow.Object) (answer, error) {
		if err := q.countWorkflow(ctx, wf.Name); err != nil {
			return answer{}, err
		}
		b := durable.Begin{Workflow: wf.Name, Inputs: args, Caller: q.caller}
		if q.progress != nil {
			b.Progress = func(done int, step string) { q.tellProgress(float64(done), 0, step) }
		}
		r, _, err := s.o.Runs.Begin(ctx, b)
		switch {
		case err != nil:
			return answer{}, err
		case !r.Status.Ended() && q.givenUp(ctx):
			return answer{}, q.giveUp(ctx, r)
		case r.Status == durable.Completed:
			return answer{value: r.Output, runID: r.ID}, nil
		case r.Status.Ended():
			return answer{}, r.Failure()
		}
		o := dataflow.ObjectOf("run_id", r.ID, "status", string(r.Status))
		if r.Reason != "" {
			o.Set("waits_for", r.Reason)
		}
		o.Set("hint", "the run has begun and goes on by itself; don't call again to begin it. get_run shows it, and signal_run sends it a signal that it waits for")
		return answer{value: o, runID: r.ID}, nil
	}
}

// giveUp cancels a run that a call began, as its client has called that off.
func (q *request) giveUp(ctx context.Context, r *durable.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTime)
	defer cancel()
	if _, err := q.server.o.Runs.Cancel(ctx, q.ruled(), r.ID); err != nil && dataflow.AsError(err).Status != dataflow.StatusConflict { // it has ended meanwhile
		q.server.o.Logger.Warn("a run that was called off could not be cancelled", "run", r.ID, "cause", err)
	}
	return errCalledOff
}

// giveUpTime is how long it may take to ask a run to end.
const giveUpTime = 10 * time.Second

// Parameters that change how a write is done, beside those of the operation.
const (
	dryRunParam      = "dry_run"
	maxAffectedParam = "max_affected"
)

func dryRunField() *dataflow.Field {
	return &dataflow.Field{Name: dryRunParam, Type: dataflow.Bool, Optional: true, Doc: "do everything and keep nothing: shows what would happen"}
}

func maxAffectedField() *dataflow.Field {
	return &dataflow.Field{Name: maxAffectedParam, Type: dataflow.Int, Optional: true, Ge: int64(0), Doc: "if more rows than this would be written, nothing is"}
}

// writeParams are the parameters that say how an operation is done. A field of
// the model that has the name of one takes its place.
func writeParams(op dataflow.OpKind, params []*dataflow.Field) []*dataflow.Field {
	if !op.Writes() {
		return nil
	}
	extra := []*dataflow.Field{dryRunField()}
	if isBulk(op) {
		extra = append(extra, maxAffectedField())
	}
	var free []*dataflow.Field
	for _, f := range extra {
		if !hasField(params, f.Name) {
			free = append(free, f)
		}
	}
	return free
}

func isBulk(op dataflow.OpKind) bool {
	switch op {
	case dataflow.OpBulkCreate, dataflow.OpBulkUpdate, dataflow.OpBulkDelete, dataflow.OpBulkUpsert:
		return true
	}
	return false
}

func hasField(fields []*dataflow.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func (s *Server) modelTool(exp *dataflow.Exposure, op dataflow.OpKind) *tool {
	title := exp.Model.Name + " " + op.String()
	t := &tool{name: modelTool(exp, op), title: title, kind: kindOperation, exposure: exp, op: op, readOnly: !op.Writes()}
	spec := sync.OnceValue(func() *dataflow.NodeSpec { return access.Spec(dataflow.Op{Model: exp.Model, Kind: op}) })
	extra := sync.OnceValue(func() []*dataflow.Field { return writeParams(op, spec().Params) })
	t.define = func() definition {
		params := spec().Params
		if op == dataflow.OpList || op == dataflow.OpAggregate {
			params = withDefault(params, "limit", int64(listLimit), "the most to return")
		}
		d := definition{
			description: describeOp(exp, op, params),
			input:       inputOf(exp.Model, s.engine.App().Shows, op, append(params[:len(params):len(params)], extra()...), spec().Rest),
			reach:       reachOfOp(exp.Model, op),
		}
		if out := spec().Output; out != nil && isObject(out) {
			d.output = outputOf(exp.Model, op, schema.Output(out), extra())
		}
		return d
	}
	t.run = func(ctx context.Context, q *request, args *dataflow.Object) (answer, error) {
		o, err := takeOptions(args, extra())
		if err != nil {
			return answer{}, err
		}
		return s.operate(ctx, q, exp.Model, op, o.rest, o)
	}
	return t
}

// options say how an operation is done.
type options struct {
	rest   *dataflow.Object // the arguments without them
	dryRun bool
	most   int64 // rows that may be written; -1 is any number
}

// takeOptions reads the parameters that say how a write is done.
func takeOptions(args *dataflow.Object, extra []*dataflow.Field) (options, error) {
	o := options{rest: args, most: -1}
	if len(extra) == 0 {
		return o, nil
	}
	var problems []dataflow.Problem
	rest := dataflow.NewObject()
	for name, v := range args.All {
		if !hasField(extra, name) {
			rest.Set(name, v)
			continue
		}
		if v == nil {
			continue
		}
		switch name {
		case dryRunParam:
			var ok bool
			if o.dryRun, ok = v.(bool); !ok {
				problems = append(problems, dataflow.Problem{Code: "wrong_type", Pointer: "/" + name, Detail: "must be true or false"})
			}
		case maxAffectedParam:
			n, ok := v.(int64)
			if !ok || n < 0 {
				problems = append(problems, dataflow.Problem{Code: "wrong_type", Pointer: "/" + name, Detail: "must be a whole number, 0 or more"})
			}
			o.most = n
		}
	}
	if len(problems) > 0 {
		return o, dataflow.Invalid(problems...)
	}
	o.rest = rest
	return o, nil
}

// errDryRun ends a transaction of which nothing is to be kept.
var errDryRun = errors.New("nothing was to be kept")

// operate runs an operation in a transaction of its own.
func (s *Server) operate(ctx context.Context, q *request, m *dataflow.Model, op dataflow.OpKind, args *dataflow.Object, o options) (answer, error) {
	model, st, c := s.engine.Model(m), s.engine.Store(m.Database), s.asking(q.caller)
	var v any
	if !op.Writes() {
		return s.read(ctx, m, op, c, args)
	}
	if err := s.countOperation(ctx, c, m, op); err != nil {
		return answer{}, err
	}
	err := s.write(ctx, st, o, func(tx store.Tx) (n int64, err error) {
		v, err = model.Do(ctx, tx, c, op, args)
		return affected(v), err
	})
	return answer{value: v, dryRun: o.dryRun}, err
}

// asking is a caller as the operations of served models know them: the access
// rules apply, and an agent is shown what is served, however it asks.
func (s *Server) asking(c access.Caller) access.Caller {
	c.Sees, c.Ruled = s.engine.App().Shows, true
	return c
}

// write does something in a transaction, within the bounds that the caller set.
func (s *Server) write(ctx context.Context, st store.Store, o options, do func(tx store.Tx) (affected int64, err error)) error {
	err := st.Write(ctx, func(tx store.Tx) error {
		n, err := do(tx)
		switch {
		case err != nil:
			return err
		case o.most >= 0 && n > o.most:
			return &dataflow.Error{Code: "max_affected", Status: dataflow.StatusRejected,
				Message: dataflow.Counted(n, "row") + " would have been written, more than max_affected allows",
				Hint:    "narrow the filter, or raise max_affected; nothing was changed"}
		case o.dryRun:
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// affected is how many rows an operation's result says that it wrote.
func affected(result any) int64 {
	o, ok := result.(*dataflow.Object)
	if !ok {
		return 0
	}
	var n int64
	for _, name := range []string{"inserted", "updated", "deleted", "upserted"} {
		if v, ok := o.Get(name); ok {
			if k, ok := v.(int64); ok {
				n = max(n, k)
			}
		}
	}
	return n
}

// inputOf is the schema of an operation's arguments, with the names that
// fields of a read may have: its own, and what is behind its relations.
func inputOf(m *dataflow.Model, sees func(*dataflow.Model) bool, op dataflow.OpKind, params []*dataflow.Field, rest *dataflow.Type) *dataflow.Object {
	o := schema.Builder{}.Object(params, rest)
	if op != dataflow.OpRead && op != dataflow.OpList {
		return o
	}
	props, _ := o.Get("properties")
	fields, ok := props.(*dataflow.Object).Get("fields")
	if !ok {
		return o
	}
	names := make([]any, m.Shape().Len())
	for i := range names {
		names[i] = m.Shape().Name(i)
	}
	items := dataflow.ObjectOf("type", "string", "enum", names)
	if relations := access.Expandable(m, sees); len(relations) > 0 {
		items = dataflow.ObjectOf("type", "string", "anyOf", []any{
			dataflow.ObjectOf("enum", names),
			dataflow.ObjectOf("pattern", `^(`+strings.Join(relations, "|")+`)\.`),
		})
	}
	fields.(*dataflow.Object).Set("items", items)
	return o
}

// outputOf is the schema of what an operation gives back, with what is added to
// that here.
func outputOf(m *dataflow.Model, op dataflow.OpKind, out *dataflow.Object, extra []*dataflow.Field) *dataflow.Object {
	if op == dataflow.OpRead || op == dataflow.OpList { // fields leaves names out, expand adds some
		out = loosen(out, m)
	}
	props := object(out, "properties")
	switch {
	case props == nil:
	case op == dataflow.OpList || op == dataflow.OpAggregate:
		out = withProperty(out, "truncated", "there was more than fits into an answer: the page was made shorter")
	case hasField(extra, dryRunParam):
		out = withProperty(out, dryRunParam, "nothing was kept; there only if that was asked for")
	}
	return out
}

// withProperty adds a boolean that may be there to a schema.
func withProperty(s *dataflow.Object, name, doc string) *dataflow.Object {
	props := object(s, "properties")
	if props == nil { // which allows anything
		return s
	}
	s, props = s.Clone(), props.Clone()
	props.Set(name, dataflow.ObjectOf("type", "boolean", "description", doc))
	s.Set("properties", props)
	return s
}

// withDefault returns fields with another default, and doc, for one of them.
func withDefault(fields []*dataflow.Field, name string, v any, doc string) []*dataflow.Field {
	out := make([]*dataflow.Field, len(fields))
	for i, f := range fields {
		if f.Name == name {
			g := *f
			g.Default, g.HasDefault, g.Doc = v, true, doc
			f = &g
		}
		out[i] = f
	}
	return out
}

func isObject(t *dataflow.Type) bool {
	return t != nil && (t.Kind == dataflow.KindObject || t.Kind == dataflow.KindRecord)
}

// listTools names the tools that the caller may call.
func listTools(_ context.Context, q *request) (*reply, error) {
	tools, all := q.view.shownTo(q.caller)
	from, to, next, f := q.page(len(tools), pageOfTools)
	if f != nil {
		return nil, f
	}
	if all && to-from == len(tools) {
		texts := q.view.list()
		return &reply{body: append(append(append(make([]byte, 0, len(texts)+300), `"tools":[`...), texts...), ']')}, nil
	}
	body := append([]byte(`"tools":[`), q.view.texts(tools[from:to])...)
	return &reply{body: appendNext(append(body, ']'), next)}, nil
}

// extensionTool is a tool written in Go.
func (s *Server) extensionTool(x *Tool) *tool {
	t := &tool{name: x.Name, title: x.Title, kind: kindExtension, readOnly: x.ReadOnly}
	if t.title == "" {
		t.title = x.Name
	}
	t.define = func() definition {
		input := x.Input
		if input == nil {
			input = dataflow.ObjectOf("type", "object", "properties", dataflow.NewObject(), "additionalProperties", false)
		}
		return definition{description: x.Description, input: input, output: x.Output,
			reach: reach{readOnly: x.ReadOnly, destructive: x.Destructive, idempotent: x.Idempotent, openWorld: x.OpenWorld}}
	}
	t.run = func(ctx context.Context, q *request, args *dataflow.Object) (answer, error) {
		got, err := q.given()
		if err != nil {
			return answer{}, err
		}
		var res *Result
		err = q.rounds(ctx, got, func() (err error) {
			res, err = x.Do(ctx, &Call{Caller: q.caller, Arguments: args, q: q, got: got})
			return err
		})
		if err != nil || res == nil {
			return answer{}, err
		}
		a := answer{contents: res.Content}
		if res.Structured != nil {
			a.value = res.Structured
		}
		return a, nil
	}
	return t
}

// needed is what rounds returns where the client has to be asked by the reply.
type needed struct{ reply *reply }

func (*needed) Error() string { return "the client has to answer first" }

// rounds runs do until it needs no more answers of the client.
func (q *request) rounds(ctx context.Context, got answers, do func() error) error {
	for range maxRounds {
		err := do()
		var need *inputNeeded
		if !errors.As(err, &need) {
			return err
		}
		if q.modern {
			return &needed{q.inputRequired(need, got)}
		}
		if err := q.askEarly(ctx, need, got); err != nil {
			return err
		}
	}
	return faultf(codeInternal, "the call asks the client again and again")
}

// loosen lets rows in the schema of a page or a row lack names, and have
// those of an expansion: a row in the place of an id, and further ones.
func loosen(s *dataflow.Object, m *dataflow.Model) *dataflow.Object {
	out := dataflow.NewObject()
	props, _ := s.Get("properties")
	rows, page := any(nil), false
	if p, ok := props.(*dataflow.Object); ok {
		rows, page = p.Get("records")
	}
	if !page {
		return looseRow(s, m)
	}
	for name, v := range s.All {
		if name == "properties" {
			p := props.(*dataflow.Object).Clone()
			list := rows.(*dataflow.Object).Clone()
			if items, ok := list.Get("items"); ok {
				list.Set("items", looseRow(items.(*dataflow.Object), m))
			}
			p.Set("records", list)
			v = p
		}
		out.Set(name, v)
	}
	return out
}

func looseRow(s *dataflow.Object, m *dataflow.Model) *dataflow.Object {
	s = without(without(s, "required"), "additionalProperties")
	v, _ := s.Get("properties")
	props := v.(*dataflow.Object).Clone()
	for _, f := range m.Fields {
		if f.Type.Kind == dataflow.KindRef {
			props.Set(f.Name, dataflow.ObjectOf("description", "id of a row of "+f.Type.Model.Name+", or that row if it is expanded"))
		}
	}
	s.Set("properties", props)
	return s
}

// without returns a schema that lacks a keyword.
func without(s *dataflow.Object, keyword string) *dataflow.Object {
	out := dataflow.NewObject()
	for name, v := range s.All {
		if name != keyword {
			out.Set(name, v)
		}
	}
	return out
}
