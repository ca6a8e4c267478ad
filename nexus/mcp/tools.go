package mcp

import (
	"context"
	"encoding/json"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/schema"
	"github.com/mark3labs/mcp-go/mcp"
)

// tool is one tool: what clients are told of it, and what it does.
type tool struct {
	def      mcp.Tool
	readOnly bool
	workflow *dataflow.Workflow // or else
	exposure *dataflow.Exposure
	op       dataflow.OpKind
	run      func(ctx context.Context, c access.Caller, args *dataflow.Object) (answer, error)
}

// answer is what a tool gives back.
type answer struct {
	value any
	runID string // of a workflow's run
}

// listLimit is the page that a list gives an agent unless it asks for more:
// every row costs it attention.
const listLimit = 20

func (s *Server) build(app *dataflow.App) []*tool {
	var tools []*tool
	ops := operations(app)
	for _, wf := range app.Workflows {
		tools = append(tools, s.workflowTool(wf, ops))
	}
	for _, exp := range app.Exposures {
		for _, op := range exp.Served() {
			tools = append(tools, s.modelTool(exp, op))
		}
	}
	return tools
}

func (s *Server) workflowTool(wf *dataflow.Workflow, ops map[string]dataflow.Op) *tool {
	readOnly := s.engine.ReadOnly(wf.Name)
	out := s.engine.OutputType(wf.Name)
	t := &tool{workflow: wf, readOnly: readOnly}
	t.def = mcp.Tool{
		Name:           workflowTool(wf),
		Title:          wf.Name,
		Description:    describeWorkflow(wf, out, readOnly, s.engine.Plan().Durable(wf.Name)),
		RawInputSchema: rawSchema(schema.Input(wf.Input)),
		Annotations:    annotate(wf.Name, reachOf(ops, wf, readOnly)),
	}
	if isObject(out) {
		o := schema.Output(out)
		if wf.Output == nil { // a node that is skipped has no output
			o = without(o, "required")
		}
		t.def.RawOutputSchema = rawSchema(o)
	}
	if s.o.Runs != nil && s.engine.Plan().Durable(wf.Name) {
		t.def.RawOutputSchema = nil // a run that waits has no outputs yet
		t.def.Description += "\nThe run is kept. If it has to wait, returns {run_id, status, waits_for, hint}."
		t.run = s.begin(wf)
		return t
	}
	t.run = func(ctx context.Context, c access.Caller, args *dataflow.Object) (answer, error) {
		res, err := s.engine.Run(ctx, engine.Request{Workflow: wf.Name, Inputs: args, Caller: c})
		if err != nil {
			return answer{}, err
		}
		return answer{res.Outputs, res.RunID}, nil
	}
	return t
}

// begin starts a durable run. One that does not end within the call is told of
// by its id.
func (s *Server) begin(wf *dataflow.Workflow) func(context.Context, access.Caller, *dataflow.Object) (answer, error) {
	return func(ctx context.Context, c access.Caller, args *dataflow.Object) (answer, error) {
		r, _, err := s.o.Runs.Begin(ctx, durable.Begin{Workflow: wf.Name, Inputs: args, Caller: c})
		switch {
		case err != nil:
			return answer{}, err
		case r.Status == durable.Completed:
			return answer{r.Output, r.ID}, nil
		case r.Status.Ended():
			return answer{}, r.Error
		}
		o := dataflow.ObjectOf("run_id", r.ID, "status", string(r.Status))
		if r.Reason != "" {
			o.Set("waits_for", r.Reason)
		}
		o.Set("hint", "the run has begun and goes on by itself; don't call again to begin it. GET /runs/"+r.ID+" shows it, and POST /runs/"+r.ID+"/signal sends it a signal that it waits for")
		return answer{o, r.ID}, nil
	}
}

func (s *Server) modelTool(exp *dataflow.Exposure, op dataflow.OpKind) *tool {
	spec := access.Spec(dataflow.Op{Model: exp.Model, Kind: op})
	params := spec.Params
	if op == dataflow.OpList {
		params = withDefault(params, "limit", int64(listLimit), "the most rows to return")
	}
	t := &tool{exposure: exp, op: op, readOnly: !op.Writes()}
	t.def = mcp.Tool{
		Name:           modelTool(exp, op),
		Title:          exp.Model.Name + " " + op.String(),
		Description:    describeOp(exp, op, params),
		RawInputSchema: rawSchema(inputOf(exp.Model, op, params, spec.Rest)),
		Annotations:    annotate(exp.Model.Name+" "+op.String(), reachOfOp(exp.Model, op)),
	}
	if spec.Output != nil && isObject(spec.Output) {
		o := schema.Output(spec.Output)
		if op == dataflow.OpRead || op == dataflow.OpList { // fields leaves names out, expand adds some
			o = loosen(o, exp.Model)
		}
		t.def.RawOutputSchema = rawSchema(o)
	}
	t.run = func(ctx context.Context, c access.Caller, args *dataflow.Object) (answer, error) {
		if op == dataflow.OpList && !args.Has("limit") {
			args.Set("limit", int64(listLimit))
		}
		v, err := s.operate(ctx, exp.Model, op, c, args)
		return answer{value: v}, err
	}
	return t
}

// operate runs an operation in a transaction of its own.
func (s *Server) operate(ctx context.Context, m *dataflow.Model, op dataflow.OpKind, c access.Caller, args *dataflow.Object) (v any, err error) {
	model, st := s.engine.Model(m), s.engine.Store(m.Database)
	c.Sees, c.Ruled = s.engine.App().Shows, true // an agent is shown what is served, however it asks
	if op.Writes() {
		err = st.Write(ctx, func(tx store.Tx) error {
			v, err = model.Do(ctx, tx, c, op, args)
			return err
		})
	} else {
		err = st.Snapshot(ctx, func(r store.Reader) error {
			v, err = model.Do(ctx, r, c, op, args)
			return err
		})
	}
	return v, err
}

// inputOf is the schema of an operation's arguments, with the names that
// fields of a read may have.
func inputOf(m *dataflow.Model, op dataflow.OpKind, params []*dataflow.Field, rest *dataflow.Type) *dataflow.Object {
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
	fields.(*dataflow.Object).Set("items", dataflow.ObjectOf("type", "string", "enum", names))
	return o
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

func rawSchema(s *dataflow.Object) json.RawMessage { return schema.Text(s) }

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
