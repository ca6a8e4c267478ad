package openapi

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/rest"
)

// batch adds the route of several operations at once.
func (d *document) batch() {
	if len(d.app.Exposures) == 0 {
		return
	}
	d.tag("batch", "Several operations on several models, in one transaction.")
	var models, ops []any
	seen := make(map[dataflow.OpKind]bool)
	tenant := false
	for _, exp := range d.app.Exposures {
		models = append(models, exp.Path)
		tenant = tenant || exp.Model.MultiTenant
		for _, op := range exp.Served() {
			if !seen[op] {
				seen[op] = true
				ops = append(ops, op.String())
			}
		}
	}
	operation := dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(
		"id", described(dataflow.ObjectOf("type", "string", "pattern", "^[A-Za-z_][A-Za-z0-9_-]{0,59}$"), "what later operations refer to this one by"),
		"model", dataflow.ObjectOf("type", "string", "enum", models),
		"op", dataflow.ObjectOf("type", "string", "enum", ops),
		"args", described(typed("object"), `the arguments of the operation. {"$ref": "c.id"} in the place of a value is what the operation c gave as id; within json fields everything is data`)),
		"required", []any{"model", "op"}, "additionalProperties", false)
	body := dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(
		"operations", dataflow.ObjectOf("type", "array", "items", operation, "minItems", int64(1), "maxItems", int64(rest.MaxBatch))),
		"required", []any{"operations"}, "additionalProperties", false)
	result := dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(
		"id", typed("string"), "result", described(dataflow.NewObject(), "what the operation gives")), "required", []any{"result"})
	done := dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(
		"results", dataflow.ObjectOf("type", "array", "items", result)), "required", []any{"results"})
	params := []any{refTo("parameters", "Prefer"), refTo("parameters", "IdempotencyKey")}
	if tenant {
		params = append(params, refTo("parameters", "TenantOptional"))
	}
	responses := dataflow.ObjectOf(
		"200", response("all of them are done; one result for each, in order", done, "PreferenceApplied"),
		"204", response("all of them are done; return=minimal was preferred", nil, "PreferenceApplied"))
	for _, e := range [][2]string{{"400", "BadRequest"}, {"404", "NotFound"}, {"409", "Conflict"}, {"412", "PreconditionFailed"},
		{"422", "Invalid"}, {"428", "PreconditionRequired"}, {"default", "Problem"}} {
		responses.Set(e[0], refTo("responses", e[1]))
	}
	d.operation("/api/"+dataflow.BatchPath, "post", dataflow.ObjectOf(
		"operationId", d.id("batch"), "summary", "Do several operations, all or nothing", "tags", []any{"batch"},
		"parameters", params,
		"requestBody", dataflow.ObjectOf("required", true, "content", jsonContent(body)),
		"responses", responses))
}
