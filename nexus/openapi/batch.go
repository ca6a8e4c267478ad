package openapi

import (
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/rest"
)

// batch adds the route of several operations at once.
func (d *document) batch() {
	if len(d.app.Exposures) == 0 {
		return
	}
	tag := d.ownTag("batch", "Several operations on several models, in one transaction.")
	params := []any{refTo("parameters", "PreferBatch"), refTo("parameters", "IdempotencyKey")}
	for _, exp := range d.app.Exposures {
		if exp.Model.MultiTenant {
			params = append(params, refTo("parameters", "TenantOptional"))
			break
		}
	}
	result := properties(dataflow.ObjectOf("id", typed("string"), "result", described(dataflow.NewObject(), "what the operation gives")), "id")
	d.operation("/api/"+dataflow.BatchPath, http.MethodPost, operation{
		id: []string{"batch"}, tag: tag, summary: "Do several operations, all or nothing",
		doc:    "What an earlier operation gave can be used by a later one: {\"$ref\": \"c.id\"} is what the operation c gave as id.",
		params: params,
		body:   dataflow.ObjectOf("required", true, "content", withExample(jsonContent(d.batchSchema()), d.exampleBatch())),
		answers: []answer{
			{200, response("all of them are done; one result for each, in order",
				jsonContent(properties(dataflow.ObjectOf("results", arrayOf(result)))), "PreferenceApplied", "Replayed")},
			{204, response("all of them are done; return=minimal was preferred", nil, "PreferenceApplied", "Replayed")}},
		fails: []int{400, 404, 409, 412, 413, 415, 422, 428},
	})
}

func (d *document) batchSchema() *dataflow.Object {
	var models, ops []any
	seen := make(map[dataflow.OpKind]bool)
	for _, exp := range d.app.Exposures {
		models = append(models, exp.Path)
		for _, op := range exp.Served() {
			if !seen[op] {
				seen[op] = true
				ops = append(ops, op.String())
			}
		}
	}
	one := properties(dataflow.ObjectOf(
		"id", described(dataflow.ObjectOf("type", "string", "pattern", "^[A-Za-z_][A-Za-z0-9_-]{0,59}$"), "what later operations refer to this one by"),
		"model", dataflow.ObjectOf("type", "string", "enum", models),
		"op", dataflow.ObjectOf("type", "string", "enum", ops),
		"args", described(typed("object"), `the arguments of the operation. {"$ref": "c.id"} in the place of a value is what the operation c gave as id; within json fields everything is data`)),
		"id", "args")
	one.Set("additionalProperties", false)
	s := properties(dataflow.ObjectOf("operations",
		dataflow.ObjectOf("type", "array", "items", one, "minItems", int64(1), "maxItems", int64(rest.MaxBatch))))
	s.Set("additionalProperties", false)
	return s
}

// exampleBatch does the first operation there is with arguments, or counts.
func (d *document) exampleBatch() any {
	for _, exp := range d.app.Exposures {
		for _, op := range exp.Served() {
			if op == dataflow.OpCount || op == dataflow.OpList {
				return dataflow.ObjectOf("operations", []any{dataflow.ObjectOf("id", "a", "model", exp.Path, "op", op.String(), "args", dataflow.NewObject())})
			}
		}
	}
	return nil
}
