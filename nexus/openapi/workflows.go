package openapi

import (
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/schema"
)

// workflows adds the paths of every workflow.
func (d *document) workflows() {
	tag := d.ownTag("workflows", "What the app does, each all or nothing.")
	d.operation("/workflows", http.MethodGet, operation{
		id: []string{"list_workflows"}, tag: tag, summary: "List the workflows",
		doc:     "Every workflow with what it is for, whether it only reads, and where to run it.",
		answers: []answer{{200, response("every workflow", jsonContent(refTo("schemas", "WorkflowList")), "ETag", "CacheControl")}},
		kept:    true,
	})
	for _, wf := range d.app.Workflows {
		d.workflow(wf, tag)
	}
}

// workflowSchemas are the schemas that tell of workflows.
func workflowSchemas() *dataflow.Object {
	summary := func() *dataflow.Object {
		return dataflow.ObjectOf(
			"name", typed("string"),
			"description", typed("string"),
			"read_only", described(typed("boolean"), "it writes to no database"),
			"durable", described(typed("boolean"), "its runs are kept, and go on after a crash"),
			"execute", described(typed("string"), "the path to run it at"))
	}
	detail := summary()
	detail.Set("input", described(typed("object"), "the JSON Schema of what it takes"))
	detail.Set("output", described(typed("object"), "the JSON Schema of what it gives"))
	detail.Set("nodes", arrayOf(properties(dataflow.ObjectOf("id", typed("string"), "type", typed("string")))))
	detail.Set("signals", described(arrayOf(properties(dataflow.ObjectOf("name", typed("string"),
		"payload", described(typed("object"), "the JSON Schema of what has to come with it; left out if anything may")), "payload")), "the signals that its runs may wait for"))
	return dataflow.ObjectOf(
		"WorkflowList", properties(dataflow.ObjectOf(
			"workflows", arrayOf(properties(summary(), "description", "durable")),
			"count", integer())),
		"WorkflowDetail", properties(detail, "description", "durable", "signals"))
}

func (d *document) workflow(wf *dataflow.Workflow, tag string) {
	path := "/workflows/" + wf.Name
	d.operation(path, http.MethodGet, operation{
		id: []string{"describe", wf.Name}, tag: tag, summary: "Describe the workflow " + wf.Name,
		doc:     "What it takes, what it gives, and the nodes it is made of.",
		answers: []answer{{200, response("what it takes, does and gives", jsonContent(refTo("schemas", "WorkflowDetail")), "ETag", "CacheControl")}},
		kept:    true,
	})
	durable := d.plan.Durable(wf.Name) || d.plan.Keeps(wf.Name) // a run that is not durable is kept where respond-async asks for it
	headers := []string{"Replayed"}
	if durable {
		headers = append(headers, "PreferenceApplied")
	}
	op := operation{
		id: []string{"execute", wf.Name}, tag: tag, summary: "Run the workflow " + wf.Name, doc: wf.Doc,
		params:  d.executeParameters(durable),
		body:    d.executeBody(wf),
		answers: []answer{{200, response("it ran to its end", jsonContent(d.resultSchema(wf)), headers...)}},
		fails:   []int{400, 404, 409, 413, 415, 422},
	}
	if durable {
		op.answers = append(op.answers, answer{202, response("the run is kept, and goes on by itself",
			withExample(jsonContent(refTo("schemas", "RunBegun")), dataflow.ObjectOf("run_id", "01890a5d-ac96-774b-bcce-b302099a8057", "status", "queued")),
			"Replayed", "PreferenceApplied", "Location")})
	}
	d.operation(path+"/execute", http.MethodPost, op)
}

func (d *document) executeParameters(durable bool) []any {
	params := []any{refTo("parameters", "IdempotencyKey")}
	if durable {
		params = append(params, refTo("parameters", "PreferAsync"))
	}
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
	if sample := exampleInputs(wf); sample != nil {
		withExample(content, dataflow.ObjectOf("inputs", sample))
	}
	return dataflow.ObjectOf("required", needed, "content", content)
}

func (d *document) resultSchema(wf *dataflow.Workflow) *dataflow.Object {
	outputs := schema.Builder{Output: true, Ref: d.ref}.Type(d.plan.OutputType(wf.Name))
	return properties(dataflow.ObjectOf(
		"outputs", outputs,
		"run_id", typed("string"),
		"status", dataflow.ObjectOf("type", "string", "const", "completed")))
}
