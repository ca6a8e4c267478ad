package openapi

import (
	"net/http"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
)

// runs adds the paths of durable runs.
func (d *document) runs() {
	tag := d.ownTag("runs", "Runs of durable workflows, which are kept and go on after a crash.")
	summary := refTo("schemas", "Run")

	d.operation("/runs", http.MethodGet, operation{
		id: []string{"list_runs"}, tag: tag, summary: "List the durable runs",
		doc: "The latest first.",
		params: []any{
			parameter("workflow", "query", "Runs of this workflow.", typed("string")),
			parameter("status", "query", "Runs that stand so.", words(durable.Statuses())),
			parameter("parent", "query", "Runs that this run began.", typed("string")),
			parameter("limit", "query", "Runs in a page.", dataflow.ObjectOf("type", "integer", "minimum", int64(1), "maximum", int64(100))),
			refTo("parameters", "cursor"),
		},
		answers: []answer{{200, response("a page of runs", jsonContent(refTo("schemas", "RunPage")), "Link", "ETag", "CacheControl")}},
		kept:    true,
		fails:   []int{422},
	})
	d.operation("/runs/{id}", http.MethodGet, operation{
		id: []string{"show_run"}, tag: tag, summary: "Show a durable run with its steps",
		doc:     "What it was given, how it stands, and what each of its steps did.",
		params:  []any{refTo("parameters", "RunID")},
		answers: []answer{{200, response("the run", withExample(jsonContent(refTo("schemas", "RunDetail")), runExample()), "ETag", "CacheControl")}},
		kept:    true,
		fails:   []int{404, 422},
	})
	d.operation("/runs/{id}/events", http.MethodGet, operation{
		id: []string{"follow_run"}, tag: tag, summary: "Follow a durable run as it changes",
		doc: "Server-sent events (WHATWG HTML, 9.2), until the run ends. Each has the run's status for its name, " +
			"the number of its steps for its id, and the run with its steps, as GET /runs/{id} shows it, for its data. " +
			"Lines that begin with a colon say that the server is still there. " +
			"The name ended, with a code and a reason, says that there is nothing more to follow: the run has been forgotten, or the caller may not go on.",
		params: []any{refTo("parameters", "RunID")},
		answers: []answer{{200, response("the events", dataflow.ObjectOf("text/event-stream", dataflow.ObjectOf("schema", typed("string"),
			"example", "event: completed\nid: 1\ndata: {\"run_id\":\"…\",\"status\":\"completed\",…}\n\n")), "CacheControl")}},
		fails: []int{404, 422},
	})
	for _, change := range []struct{ action, summary, doc string }{
		{"signal", "Send a signal to a run", "A run that waits for a signal of this name goes on with the payload. One that does not wait for it yet finds it when it does. One that failed right after it took a signal of this name takes this one instead when it is tried again."},
		{"cancel", "Cancel a run", "It stops before its next step, and what it did is undone where its nodes say how."},
		{"retry", "Try a failed run again", "It goes on from the step that failed."},
	} {
		o := operation{
			id: []string{change.action, "run"}, tag: tag, summary: change.summary, doc: change.doc,
			params:  []any{refTo("parameters", "RunID")},
			answers: []answer{{202, response("how the run stands now", jsonContent(summary), "Location")}},
			fails:   []int{400, 404, 409, 413, 415, 422},
		}
		if change.action == "signal" {
			content := jsonContent(d.signalSchema())
			if sample := d.signalExample(); sample != nil {
				withExample(content, sample)
			}
			o.body = required(dataflow.ObjectOf("content", content))
		}
		d.operation("/runs/{id}/"+change.action, http.MethodPost, o)
	}
}

// signalSchema is what a run is sent. What has to come with a signal hangs on its
// name, and on the workflow: where several have one of that name it is that of any.
func (d *document) signalSchema() *dataflow.Object {
	s := properties(dataflow.ObjectOf(
		"name", dataflow.ObjectOf("type", "string", "minLength", int64(1), "maxLength", int64(100)),
		"payload", described(dataflow.NewObject(), "what the run gets; null if left out"),
	), "payload")
	s.Set("additionalProperties", false)
	var names []string
	payloads := map[string][]any{}
	always := map[string]bool{} // something has to come with it
	for _, wf := range d.app.Workflows {
		signals, _ := d.plan.Signals(wf.Name)
		for _, one := range signals {
			if !slices.Contains(names, one.Name) {
				names = append(names, one.Name)
				always[one.Name] = true
			}
			always[one.Name] = always[one.Name] && one.Payload != nil && !one.Payload.Optional
			payload := dataflow.NewObject()
			if one.Payload != nil {
				payload = d.input().Field(one.Payload)
			}
			payload.Set("title", "of "+wf.Name)
			payloads[one.Name] = append(payloads[one.Name], payload)
		}
	}
	for _, wf := range d.app.Workflows { // those that may be sent any
		own, known := d.plan.Signals(wf.Name)
		if known || !d.plan.Durable(wf.Name) {
			continue
		}
		for _, name := range names {
			if slices.ContainsFunc(own, func(s dataflow.Signal) bool { return s.Name == name }) {
				continue
			}
			always[name] = false
			payloads[name] = append(payloads[name], dataflow.ObjectOf("title", "of "+wf.Name))
		}
	}
	var rules []any
	for _, name := range names {
		if typed := payloads[name]; slices.ContainsFunc(typed, func(p any) bool { return p.(*dataflow.Object).Len() > 1 }) {
			var payload any = dataflow.ObjectOf("anyOf", typed)
			if len(typed) == 1 {
				payload = typed[0]
			}
			named := dataflow.ObjectOf("const", name)
			then := dataflow.ObjectOf("properties", dataflow.ObjectOf("name", named, "payload", payload))
			if always[name] {
				then.Set("required", []any{"payload"})
			}
			rules = append(rules, dataflow.ObjectOf("if", dataflow.ObjectOf("properties", dataflow.ObjectOf("name", named)), "then", then))
		}
	}
	if len(rules) > 0 {
		s.Set("allOf", rules)
	}
	return s
}

// signalExample is a signal that fits the schema, or nil where none can be guessed.
func (d *document) signalExample() *dataflow.Object {
	declared := false
	for _, wf := range d.app.Workflows {
		signals, _ := d.plan.Signals(wf.Name)
		for _, s := range signals {
			if s.Payload == nil {
				continue
			}
			declared = true
			if v, ok := guessed(wf.Name, s.Payload); ok {
				return dataflow.ObjectOf("name", s.Name, "payload", v)
			}
		}
	}
	if declared {
		return nil
	}
	return dataflow.ObjectOf("name", "approval", "payload", dataflow.ObjectOf("approved", true))
}

// runSchemas are the schemas of durable runs, as package durable shows them.
func runSchemas() *dataflow.Object {
	text := func(doc string) *dataflow.Object { return described(typed("string"), doc) }
	failure := func() *dataflow.Object {
		return properties(dataflow.ObjectOf("code", typed("string"), "detail", typed("string"), "node", typed("string"), "hint", typed("string"),
			"location", text("the place in the app's files"), "errors", described(arrayOf(refTo("schemas", "ProblemPart")), "every part of what the node was given that is wrong")),
			"node", "hint", "location", "errors")
	}
	run := func(more ...any) *dataflow.Object {
		props := dataflow.ObjectOf(
			"run_id", typed("string"),
			"workflow", typed("string"),
			"status", words(durable.Statuses()),
			"created_at", moment(),
			"updated_at", moment(),
			"waits_for", text("what it rests for"),
			"cancelling", described(typed("boolean"), "it has been asked to stop"),
			"wakes_at", moment(),
			"origin", text("what began it, if nobody asked for it: an event, a schedule, another run"),
			"parent", text("the run that began it"),
			"ended_at", moment(),
			"error", failure())
		for i := 0; i < len(more); i += 2 {
			props.Set(more[i].(string), more[i+1])
		}
		return properties(props, "waits_for", "cancelling", "wakes_at", "origin", "parent", "ended_at", "error", "outputs")
	}
	step := properties(dataflow.ObjectOf(
		"step", text("the node, and which time of it"),
		"state", words([]string{"done", "skipped", "failed", "waiting", "undone"}),
		"attempts", integer(),
		"started_at", moment(),
		"ended_at", moment(),
		"input", dataflow.NewObject(),
		"waits_for", dataflow.NewObject(),
		"output", dataflow.NewObject(),
		"error", failure(),
	), "ended_at", "input", "waits_for", "output", "error")
	return dataflow.ObjectOf(
		"Run", described(run(), "A run of a durable workflow."),
		"RunDetail", described(run("inputs", typed("object"), "outputs", dataflow.NewObject(), "steps", arrayOf(refTo("schemas", "RunStep"))),
			"A run of a durable workflow with its steps."),
		"RunStep", described(step, "What a run did at one of its nodes."),
		"RunPage", properties(dataflow.ObjectOf(
			"runs", arrayOf(refTo("schemas", "Run")),
			"count", described(integer(), "runs in this page"),
			"has_more", typed("boolean"),
			"next_cursor", described(typed("string"), "where the next page starts"),
		), "next_cursor"),
		"RunBegun", described(properties(dataflow.ObjectOf(
			"run_id", typed("string"),
			"status", words(durable.Statuses()),
			"waits_for", text("what it rests for"),
		), "waits_for"), "A run that is kept, and goes on by itself."),
	)
}

func runExample() *dataflow.Object {
	const at = "2026-01-31T12:00:00Z"
	return dataflow.ObjectOf("run_id", "01890a5d-ac96-774b-bcce-b302099a8057", "workflow", "approve", "status", "waiting",
		"created_at", at, "updated_at", at, "waits_for", "signal approval",
		"inputs", dataflow.ObjectOf("id", int64(1)),
		"steps", []any{dataflow.ObjectOf("step", "ok", "state", "waiting", "attempts", int64(1), "started_at", at,
			"waits_for", dataflow.ObjectOf("signal", "approval"))})
}
