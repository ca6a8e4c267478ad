package openapi

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/schema"
)

// workflows adds the paths of every workflow.
func (d *document) workflows() {
	if len(d.app.Workflows) == 0 {
		return
	}
	d.tag("workflows", "What the app does, each all or nothing.")
	d.operation("/workflows", "get", dataflow.ObjectOf(
		"operationId", d.id("list_workflows"), "summary", "List the workflows", "tags", []any{"workflows"},
		"responses", dataflow.ObjectOf(
			"200", dataflow.ObjectOf("description", "every workflow", "content", jsonContent(listSchema())),
			"default", refTo("responses", "Problem"))))
	for _, wf := range d.app.Workflows {
		d.workflow(wf)
	}
}

func listSchema() *dataflow.Object {
	item := dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(
		"name", typed("string"), "description", typed("string"), "read_only", typed("boolean"), "execute", typed("string")),
		"required", []any{"name", "read_only", "execute"})
	return dataflow.ObjectOf("type", "object",
		"properties", dataflow.ObjectOf("workflows", dataflow.ObjectOf("type", "array", "items", item), "count", typed("integer")),
		"required", []any{"workflows", "count"})
}

func (d *document) workflow(wf *dataflow.Workflow) {
	path := "/workflows/" + wf.Name
	d.operation(path, "get", dataflow.ObjectOf(
		"operationId", d.id("describe", wf.Name), "summary", "Describe the workflow "+wf.Name, "tags", []any{"workflows"},
		"responses", dataflow.ObjectOf(
			"200", dataflow.ObjectOf("description", "what it takes, does and gives", "content", jsonContent(typed("object"))),
			"default", refTo("responses", "Problem"))))
	o := dataflow.ObjectOf("operationId", d.id("execute", wf.Name), "summary", "Run the workflow "+wf.Name)
	if wf.Doc != "" {
		o.Set("description", wf.Doc)
	}
	o.Set("tags", []any{"workflows"})
	o.Set("parameters", d.executeParameters())
	o.Set("requestBody", d.executeBody(wf))
	responses := dataflow.ObjectOf(
		"200", dataflow.ObjectOf("description", "it ran to its end", "content", jsonContent(d.runSchema(wf))))
	if d.plan.Durable(wf.Name) {
		responses.Set("202", dataflow.ObjectOf("description", "the run is kept, and goes on by itself", "content", jsonContent(begunSchema())))
	}
	responses.Set("400", refTo("responses", "BadRequest"))
	responses.Set("404", refTo("responses", "NotFound"))
	responses.Set("409", refTo("responses", "Conflict"))
	responses.Set("422", refTo("responses", "Invalid"))
	responses.Set("default", refTo("responses", "Problem"))
	o.Set("responses", responses)
	d.operation(path+"/execute", "post", o)
}

// begunSchema is that of the answer for a durable run that has not ended yet.
func begunSchema() *dataflow.Object {
	return dataflow.ObjectOf("type", "object",
		"properties", dataflow.ObjectOf("run_id", typed("string"), "status", typed("string"),
			"waits_for", described(typed("string"), "what it rests for")),
		"required", []any{"run_id", "status"})
}

func (d *document) executeParameters() []any {
	params := []any{refTo("parameters", "IdempotencyKey")}
	for _, m := range d.app.Models() {
		if m.MultiTenant {
			return append(params, refTo("parameters", "TenantOptional"))
		}
	}
	return params
}

func (d *document) executeBody(wf *dataflow.Workflow) *dataflow.Object {
	s := dataflow.ObjectOf("type", "object",
		"properties", dataflow.ObjectOf("inputs", d.input().Object(wf.Input, nil)),
		"additionalProperties", false)
	needed := false
	for _, f := range wf.Input {
		needed = needed || f.Required()
	}
	if needed {
		s.Set("required", []any{"inputs"})
	}
	content := jsonContent(s)
	if sample := example(wf.Input); sample != nil {
		media, _ := content.Get("application/json")
		media.(*dataflow.Object).Set("example", dataflow.ObjectOf("inputs", sample))
	}
	return dataflow.ObjectOf("required", needed, "content", content)
}

func (d *document) runSchema(wf *dataflow.Workflow) *dataflow.Object {
	outputs := schema.Builder{Output: true, Ref: d.ref}.Type(d.plan.OutputType(wf.Name))
	return dataflow.ObjectOf("type", "object",
		"properties", dataflow.ObjectOf(
			"outputs", outputs,
			"run_id", typed("string"),
			"status", dataflow.ObjectOf("type", "string", "const", "completed")),
		"required", []any{"outputs", "run_id", "status"})
}
