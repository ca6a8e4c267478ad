package rest

import (
	"errors"
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/schema"
)

// listWorkflows names every workflow.
func (h *Handler) listWorkflows(x *front.Exchange) error {
	list := make([]any, len(h.app.Workflows))
	for i, wf := range h.app.Workflows {
		list[i] = h.summary(wf)
	}
	return sendValue(x, http.StatusOK, dataflow.ObjectOf("workflows", list, "count", int64(len(list))))
}

// summary is what a list of workflows says of one.
func (h *Handler) summary(wf *dataflow.Workflow) *dataflow.Object {
	o := dataflow.ObjectOf("name", wf.Name)
	if wf.Doc != "" {
		o.Set("description", wf.Doc)
	}
	o.Set("read_only", h.engine.ReadOnly(wf.Name))
	o.Set("execute", "/workflows/"+wf.Name+"/execute")
	return o
}

// describeWorkflow says what a workflow takes, does and gives.
func (h *Handler) describeWorkflow(x *front.Exchange) error {
	wf, err := h.workflow(x)
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
	return sendValue(x, http.StatusOK, o)
}

func (h *Handler) workflow(x *front.Exchange) (*dataflow.Workflow, error) {
	name := variable(x, "name")
	wf := h.workflows[name]
	if wf == nil {
		return nil, h.noWorkflow(name)
	}
	return wf, nil
}

// execute runs a workflow to its end.
func (h *Handler) execute(x *front.Exchange) error {
	wf, err := h.workflow(x)
	if err != nil {
		return err
	}
	c, err := caller(x)
	if err != nil {
		return err
	}
	if x.Request.URL.RawQuery != "" {
		return noParameters(x.Request.URL.RawQuery)
	}
	body, err := jsonBody(x)
	if err != nil {
		return err
	}
	inputs, err := executeInputs(body)
	if err != nil {
		return err
	}
	res, err := h.engine.Run(x.Context(), engine.Request{Workflow: wf.Name, Inputs: inputs, Caller: c})
	if err != nil {
		return belowInputs(err)
	}
	return sendValue(x, http.StatusOK, dataflow.ObjectOf("outputs", res.Outputs, "run_id", res.RunID, "status", "completed"))
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
	inputs := dataflow.NewObject()
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
	return inputs, nil
}

// belowInputs moves the problems of a workflow's inputs to where they are in
// the body. Those of a node are the app's, and stay.
func belowInputs(err error) error {
	e, ok := errors.AsType[*dataflow.Error](err)
	if !ok || e.Node != "" || len(e.Problems) == 0 {
		return err
	}
	moved := *e
	moved.Problems = make([]dataflow.Problem, len(e.Problems))
	for i, p := range e.Problems {
		p.Pointer = "/inputs" + p.Pointer
		moved.Problems[i] = p
	}
	return &moved
}
