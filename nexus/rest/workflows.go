package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/schema"
)

// listWorkflows names every workflow.
func (h *Handler) listWorkflows(x *front.Exchange) error {
	list := []any{}
	for _, wf := range h.app.Workflows {
		if access.MayStart(x.Caller, wf) == nil {
			list = append(list, h.summary(h.workflows[wf.Name]))
		}
	}
	return sendCached(x, dataflow.ObjectOf("workflows", list, "count", int64(len(list))))
}

// summary is what a list of workflows says of one.
func (h *Handler) summary(wf *workflow) *dataflow.Object {
	o := dataflow.ObjectOf("name", wf.Name)
	if wf.Doc != "" {
		o.Set("description", wf.Doc)
	}
	o.Set("read_only", h.engine.ReadOnly(wf.Name))
	if wf.kept {
		o.Set("durable", true)
	}
	o.Set("execute", "/workflows/"+wf.Name+"/execute")
	return o
}

// describeWorkflow says what a workflow takes, does and gives.
func (h *Handler) describeWorkflow(x *front.Exchange) error {
	wf, err := h.workflow(x, variable(x, "name"))
	if err != nil {
		return err
	}
	o := h.summary(wf)
	o.Set("input", schema.Input(wf.Input))
	o.Set("output", schema.Output(h.engine.OutputType(wf.Name)))
	nodes := make([]any, len(wf.Nodes))
	for i, n := range wf.Nodes {
		nodes[i] = dataflow.ObjectOf("id", n.ID, "type", n.Type)
	}
	o.Set("nodes", nodes)
	if signals, _ := h.engine.Plan().Signals(wf.Name); len(signals) > 0 {
		o.Set("signals", shownSignals(signals))
	}
	return sendCached(x, o)
}

// shownSignals tells of signals that a workflow may wait for.
func shownSignals(signals []dataflow.Signal) []any {
	list := make([]any, len(signals))
	for i, s := range signals {
		o := dataflow.ObjectOf("name", s.Name)
		if s.Payload != nil {
			o.Set("payload", schema.Builder{}.Field(s.Payload))
		}
		list[i] = o
	}
	return list
}

func (h *Handler) workflow(x *front.Exchange, name string) (*workflow, error) {
	wf := h.workflows[name]
	if wf == nil {
		return nil, h.noWorkflow(x.Caller, name)
	}
	return wf, access.MayStart(x.Caller, wf.Workflow)
}

// execute runs a workflow to its end.
func (h *Handler) execute(x *front.Exchange, name string) error {
	wf, err := h.workflow(x, name)
	if err != nil {
		return err
	}
	if err := x.CountWorkflow(wf.Name); err != nil {
		return err
	}
	if err := checkKey(x); err != nil {
		return err
	}
	c := x.Caller
	if x.Request.URL.RawQuery != "" {
		return noParameters(x.Request.URL.RawQuery)
	}
	body, err := jsonBody(x)
	if err != nil {
		return err
	}
	keyed := len(x.Request.Header["Idempotency-Key"]) > 0
	async := wf.kept || h.later(x, wf)
	if !async && !keyed { // most are read straight into what the workflow takes
		if inputs, ok := wf.inputs.DecodeMember(body, "inputs"); ok {
			return h.executeNow(x, engine.Request{Workflow: wf.Name, Inputs: inputs, Typed: true, Caller: c, Text: true})
		}
	}
	inputs, err := executeInputs(body)
	if err != nil {
		return err
	}
	b := durable.Begin{Workflow: wf.Name, Inputs: inputs, Caller: c}
	var key onceKey
	if keyed {
		key = idempotencyKey(x, c, body)
		b.Key, b.Request = x.Request.Header["Idempotency-Key"][0], key.request
		if answered, err := h.answerAgain(x, b, key); answered || err != nil {
			return err
		}
	}
	if async {
		if keyed && !wf.kept {
			b.Queued = h.reserve(wf.Name, key)
		}
		return h.begin(x, b)
	}
	req := engine.Request{Workflow: wf.Name, Inputs: inputs, Caller: c, Text: true}
	if keyed {
		return h.executeOnce(x, req, b, key)
	}
	return h.executeNow(x, req)
}

// answerAgain answers a request whose key was used, and reports whether it was:
// for a run that is kept, or for one that was answered at once. It is the same
// request whichever of them it asks for now, so both are looked for.
func (h *Handler) answerAgain(x *front.Exchange, b durable.Begin, key onceKey) (bool, error) {
	if h.o.Runs != nil {
		r, err := h.o.Runs.Begun(x.Context(), b)
		if err != nil {
			return false, err
		}
		if r != nil {
			return true, answerRun(x, r, true)
		}
	}
	kept, err := h.findReply(x.Context(), key)
	if kept == nil || err != nil {
		return false, err
	}
	return true, replay(x, kept, key)
}

// reserve keeps the answer to a request whose run is queued, in the transaction
// that queues it, under the key that an answer at once would be kept under: where
// a request comes both ways at the same time, one of them finds the key taken.
func (h *Handler) reserve(workflow string, key onceKey) func(context.Context, store.Tx, *durable.Run) error {
	replies := h.kept[h.engine.Plan().Home(workflow)]
	return func(ctx context.Context, tx store.Tx, r *durable.Run) error {
		body := codec.AppendValue(nil, begun(r))
		return saveReply(ctx, replies, tx, key, answer{status: http.StatusAccepted, location: runPath(r.ID)}, respondAsync, body)
	}
}

// executeNow runs a workflow and answers with what it comes to.
func (h *Handler) executeNow(x *front.Exchange, req engine.Request) error {
	res, err := h.engine.Run(x.Context(), req)
	if err != nil {
		return belowInputs(err)
	}
	x.Out = appendFinished(x.Out, res)
	x.Send(http.StatusOK)
	return nil
}

// later reports whether the caller wants an answer before the workflow has run
// (RFC 7240, 4.1), and can have it: the run is kept then, as a durable one is.
func (h *Handler) later(x *front.Exchange, wf *workflow) bool {
	return slices.ContainsFunc(x.Request.Header["Prefer"], prefersAsync) && h.o.Runs != nil && h.engine.Plan().Keeps(wf.Name)
}

// appendFinished appends the answer for a run that reached its end.
func appendFinished(dst []byte, res *engine.Result) []byte {
	dst = codec.AppendValue(append(dst, `{"outputs":`...), res.Outputs)
	dst = codec.AppendString(append(dst, `,"run_id":`...), res.RunID)
	return append(dst, `,"status":"completed"}`...)
}

// errReplay ends a run that has been run before.
var errReplay = errors.New("the run's answer is kept")

// executeOnce runs a workflow for a request with an Idempotency-Key. The
// answer is kept in the run's own transaction. A run that wrote nothing has
// none; its answer is kept afterwards, which loses no effect. Calls to the
// outside are not undone with a transaction, so a workflow which does nothing
// else can't promise to happen once.
func (h *Handler) executeOnce(x *front.Exchange, req engine.Request, b durable.Begin, key onceKey) error {
	ctx := x.Context()
	d := h.engine.Describe(req.Workflow)
	if len(h.stores) == 0 || d.Effect == dataflow.EffectOutside && len(d.Transaction) == 0 && !d.Handler {
		return &dataflow.Error{Code: "idempotency_unsupported", Status: dataflow.StatusInvalid, Workflow: req.Workflow,
			Message: "the workflow writes to no database, so an Idempotency-Key can't be kept with what it does",
			Hint:    "leave the header out"}
	}
	saved := false
	req.Begin = func(ctx context.Context, db *dataflow.Database, tx store.Tx) error {
		kept, err := h.kept[db].Find(ctx, tx, key.key)
		if err == nil && kept != nil {
			err = errReplay
		}
		return err
	}
	save := func(ctx context.Context, db *dataflow.Database, tx store.Tx, res *engine.Result) error {
		x.Out = appendFinished(x.Out[:0], res)
		saved = true
		return saveReply(ctx, h.kept[db], tx, key, answer{status: http.StatusOK}, "", x.Out)
	}
	req.Commit = save
	res, err := h.engine.Run(ctx, req)
	switch {
	case errors.Is(err, errReplay):
		_, err = h.answerAgain(x, b, key)
		return err
	case err != nil:
		return belowInputs(err)
	case !saved:
		db := h.app.Databases[0]
		err := h.engine.Store(db).Write(ctx, func(tx store.Tx) error { return save(ctx, db, tx, res) })
		if err != nil {
			return err
		}
	}
	answer{status: http.StatusOK}.send(x)
	return nil
}

// findReply looks for a kept answer in every database: which one a run writes
// to may be known only once it does.
func (h *Handler) findReply(ctx context.Context, key onceKey) (*access.Reply, error) {
	for _, db := range h.app.Databases {
		kept, err := h.kept[db].Find(ctx, h.engine.Store(db), key.key)
		if kept != nil || err != nil {
			return kept, err
		}
	}
	return nil, nil
}

// executeInputs reads {"inputs": {…}}. A workflow without inputs needs no body.
func executeInputs(body []byte) (*dataflow.Object, error) {
	if body == nil {
		return dataflow.NewObject(), nil
	}
	o, err := objectBody(body)
	if err != nil {
		return nil, err
	}
	var inputs *dataflow.Object
	var problems []dataflow.Problem
	for name, v := range o.All {
		if name != "inputs" {
			problems = append(problems, dataflow.Problem{Code: "unknown_field", Pointer: pointer(name),
				Detail: "there is no field " + quote(name), Hint: `the body is {"inputs": {…}}`})
			continue
		}
		var ok bool
		if inputs, ok = v.(*dataflow.Object); !ok {
			problems = append(problems, dataflow.Problem{Code: "wrong_type", Pointer: "/inputs", Detail: "must be an object"})
		}
	}
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	if inputs == nil {
		inputs = dataflow.NewObject()
	}
	return inputs, nil
}

// belowInputs moves problems of a workflow's inputs to where those are in the
// body. A problem that the app itself made points to nothing, and stays.
func belowInputs(err error) error {
	e, ok := errors.AsType[*dataflow.Error](err)
	if !ok || len(e.Problems) == 0 {
		return err
	}
	moved := *e
	moved.Problems = make([]dataflow.Problem, len(e.Problems))
	for i, p := range e.Problems {
		if p.Pointer != "" {
			p.Pointer = "/inputs" + p.Pointer
		}
		moved.Problems[i] = p
	}
	return &moved
}
