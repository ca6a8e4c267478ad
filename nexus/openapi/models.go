package openapi

import (
	"net/http"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/nexus/rest"
	"github.com/flowctl/flowctl/nexus/schema"
)

// model adds the paths of an exposed model.
func (d *document) model(exp *dataflow.Exposure) {
	d.tag(exp.Path, exp.Model.Doc)
	for _, op := range exp.Served() {
		rt := rest.OpRoute(op)
		for _, method := range rt.Methods {
			if method == http.MethodHead {
				continue // GET without the body, as everywhere
			}
			d.operation("/api/"+exp.Path+rt.Suffix, strings.ToLower(method), d.modelOperation(exp, op, method))
		}
	}
	if exp.Events {
		d.events(exp)
	}
}

// events adds the stream of what happens to rows.
func (d *document) events(exp *dataflow.Exposure) {
	m := exp.Model
	params := []any{refTo("parameters", "filter"), refTo("parameters", "fields"),
		parameter("Last-Event-ID", "header", "The id of the last event that was heard: the stream goes on behind it.", typed("string"))}
	if m.MultiTenant {
		params = append(params, refTo("parameters", "Tenant"))
	}
	stream := dataflow.ObjectOf("text/event-stream", dataflow.ObjectOf("schema", typed("string")))
	responses := dataflow.ObjectOf("200", dataflow.ObjectOf("content", stream, "description",
		"events created, updated and deleted, each {event, id, record}: a row comes into what is followed, changes in it, or leaves it; reset: what was missed is not kept any more"))
	d.errors(responses, m, dataflow.OpList)
	d.operation("/api/"+exp.Path+"/events", "get", dataflow.ObjectOf(
		"operationId", d.id("events", exp.Path), "summary", "Follow what happens to rows of "+m.Name, "tags", []any{exp.Path},
		"parameters", append(params, d.filters(m)...), "responses", responses))
}

// operation adds an operation to its path.
func (d *document) operation(path, method string, o *dataflow.Object) {
	item, ok := d.paths.Get(path)
	if !ok {
		item = dataflow.NewObject()
		d.paths.Set(path, item)
	}
	item.(*dataflow.Object).Set(method, o)
}

// modelOperation describes one operation of an exposed model.
func (d *document) modelOperation(exp *dataflow.Exposure, op dataflow.OpKind, method string) *dataflow.Object {
	m, name := exp.Model, op.String()
	if method == http.MethodPut {
		name = "replace"
	}
	o := dataflow.ObjectOf("operationId", d.id(name, exp.Path), "summary", summary(op, method, m), "tags", []any{exp.Path})
	o.Set("parameters", d.parameters(exp, op))
	if body := d.body(m, op, method); body != nil {
		o.Set("requestBody", body)
	}
	o.Set("responses", d.responses(m, op))
	return o
}

func summary(op dataflow.OpKind, method string, m *dataflow.Model) string {
	if method == http.MethodPut {
		return "Replace a row of " + m.Name
	}
	switch op {
	case dataflow.OpCreate:
		return "Create a row of " + m.Name
	case dataflow.OpRead:
		return "Read a row of " + m.Name
	case dataflow.OpUpdate:
		return "Change fields of a row of " + m.Name
	case dataflow.OpDelete:
		return "Delete a row of " + m.Name
	case dataflow.OpList:
		return "List rows of " + m.Name
	case dataflow.OpUpsert:
		return "Create a row of " + m.Name + ", or update the one there is"
	case dataflow.OpCount:
		return "Count rows of " + m.Name
	case dataflow.OpAggregate:
		return "Work out figures of rows of " + m.Name
	}
	return strings.ToUpper(op.String()[5:6]) + op.String()[6:] + " rows of " + m.Name + " in bulk"
}

func (d *document) parameters(exp *dataflow.Exposure, op dataflow.OpKind) []any {
	m := exp.Model
	var names []string
	switch op {
	case dataflow.OpRead:
		names = []string{"fields", "expand"}
		if m.Versioned {
			names = append(names, "IfNoneMatch")
		}
	case dataflow.OpList:
		names = []string{"filter", "sort", "limit", "offset", "cursor", "fields", "expand", "count", "Prefer"}
		if len(m.Searchable()) > 0 {
			names = append(names, "search")
		}
		if m.SoftDelete {
			names = append(names, "include_deleted")
		}
	case dataflow.OpUpdate, dataflow.OpDelete:
		names = []string{"Prefer", "IdempotencyKey"}
		if m.Versioned {
			names = append(names, "IfMatch")
		}
	case dataflow.OpCount, dataflow.OpAggregate:
	default:
		names = []string{"Prefer", "IdempotencyKey"}
	}
	if m.MultiTenant {
		names = append(names, "Tenant")
	}
	params := []any{}
	if rest.OpRoute(op).Suffix == "/{id}" {
		params = append(params, required(parameter("id", "path", "The row's id.", d.output().Type(m.ID().Type))))
	}
	for _, n := range names {
		params = append(params, refTo("parameters", n))
	}
	if op == dataflow.OpList {
		params = append(params, d.filters(m)...)
	}
	return params
}

// filters are the parameters that ask for a field's value.
func (d *document) filters(m *dataflow.Model) []any {
	reserved := map[string]bool{}
	for _, name := range rest.ListParams() {
		reserved[name] = true
	}
	var params []any
	for _, f := range m.Fields {
		ops := query.Ops(f.Type)
		if reserved[f.Name] && !(f.Name == "search" && len(m.Searchable()) == 0) || len(ops) == 0 || ops[0] != query.Eq {
			continue
		}
		names := make([]string, len(ops))
		for i, op := range ops {
			names[i] = op.String()
		}
		params = append(params, parameter(f.Name, "query",
			"Rows whose "+f.Name+" is this. "+f.Name+"[op] takes the other operators: "+strings.Join(names[1:], " ")+".",
			d.input().Type(f.Type)))
	}
	return params
}

// body describes the body of a request, if it has one.
func (d *document) body(m *dataflow.Model, op dataflow.OpKind, method string) *dataflow.Object {
	name := d.names[m]
	shared := func(suffix string, s func() *dataflow.Object) *dataflow.Object {
		key := name + suffix
		for d.isModelName(key) { // a model may be called OrderCreate
			key += "_"
		}
		if !d.schemas.Has(key) {
			d.schemas.Set(key, s())
		}
		return refTo("schemas", key)
	}
	var s *dataflow.Object
	var sample any
	switch op {
	case dataflow.OpRead, dataflow.OpList, dataflow.OpDelete:
		return nil
	case dataflow.OpCreate:
		s = shared("Create", func() *dataflow.Object { return d.input().Create(m) })
		sample = example(schema.Writable(m, false))
	case dataflow.OpUpdate:
		if method == http.MethodPut {
			s = shared("Replace", func() *dataflow.Object { return d.input().Replace(m) })
			sample = example(schema.Writable(m, true))
		} else {
			s = shared("Patch", func() *dataflow.Object { return d.input().Patch(m) })
		}
	default:
		spec := access.Spec(dataflow.Op{Model: m, Kind: op})
		s = d.input().Object(spec.Params, spec.Rest)
		if op == dataflow.OpAggregate {
			sample = exampleAggregate(m)
		}
	}
	content := jsonContent(s)
	if sample != nil {
		media, _ := content.Get("application/json")
		media.(*dataflow.Object).Set("example", sample)
	}
	return dataflow.ObjectOf("required", op != dataflow.OpCount, "content", content)
}

func (d *document) isModelName(name string) bool {
	for _, n := range d.names {
		if n == name {
			return true
		}
	}
	return false
}

// responses describes the answers of an operation.
func (d *document) responses(m *dataflow.Model, op dataflow.OpKind) *dataflow.Object {
	row := dataflow.ObjectOf("$ref", d.ref(m))
	rs := dataflow.NewObject()
	ok := func(status, doc string, s *dataflow.Object, headers ...string) {
		rs.Set(status, response(doc, s, headers...))
	}
	var tag []string
	if m.Versioned {
		tag = []string{"ETag"}
	}
	switch op {
	case dataflow.OpCreate:
		ok("201", "created", row, append(tag, "Location", "PreferenceApplied")...)
	case dataflow.OpRead:
		ok("200", "the row", d.expandable(row, m), tag...)
		if m.Versioned {
			ok("304", "it has not changed", nil)
		}
	case dataflow.OpList:
		ok("200", "a page of rows; as CSV or as lines of JSON every row that matches", pageSchema(d.expandable(row, m)), "Link", "PreferenceApplied")
		d.exports(rs)
	case dataflow.OpUpdate:
		ok("200", "the row as it is now", row, append(tag, "PreferenceApplied")...)
		ok("204", "changed; return=minimal was preferred", nil, append(tag, "PreferenceApplied")...)
	case dataflow.OpDelete:
		ok("200", "deleted; return=representation was preferred", deletedSchema(d.output().Type(m.ID().Type)), "PreferenceApplied")
		ok("204", "deleted", nil)
	case dataflow.OpUpsert:
		result := d.output().Type(access.Spec(dataflow.Op{Model: m, Kind: op}).Output)
		ok("200", "updated", result, append(tag, "PreferenceApplied")...)
		ok("201", "created", result, append(tag, "Location", "PreferenceApplied")...)
		ok("204", "updated; return=minimal was preferred", nil, append(tag, "PreferenceApplied")...)
	default:
		ok("200", "done", d.output().Type(access.Spec(dataflow.Op{Model: m, Kind: op}).Output))
	}
	d.errors(rs, m, op)
	return rs
}

// exports adds the forms that all rows of a list can be had in.
func (d *document) exports(rs *dataflow.Object) {
	page, _ := rs.Get("200")
	content, _ := page.(*dataflow.Object).Get("content")
	for _, media := range []string{"text/csv", "application/x-ndjson"} {
		content.(*dataflow.Object).Set(media, dataflow.ObjectOf("schema", typed("string")))
	}
}

// expandable is the schema of a row that may have others in it: the row itself
// unless expand is asked for.
func (d *document) expandable(row *dataflow.Object, m *dataflow.Model) *dataflow.Object {
	names := access.Expandable(m, d.app.Shows)
	if len(names) == 0 {
		return row
	}
	expanded := d.output().Row(m)
	v, _ := expanded.Get("properties")
	props := v.(*dataflow.Object)
	for _, name := range names {
		if m.Field(name) == nil {
			props.Set(name, dataflow.ObjectOf("type", "object", "description", "rows that refer to this one",
				"properties", dataflow.ObjectOf("records", dataflow.ObjectOf("type", "array", "items", typed("object")), "has_more", typed("boolean"))))
			continue
		}
		id, _ := props.Get(name)
		props.Set(name, dataflow.ObjectOf("anyOf", []any{id, dataflow.ObjectOf("type", []any{"object", "null"})}))
	}
	expanded.Set("description", "with expand: a reference's row, or null, in the place of its id; rows that refer to this one")
	return dataflow.ObjectOf("anyOf", []any{row, expanded})
}

func (d *document) errors(rs *dataflow.Object, m *dataflow.Model, op dataflow.OpKind) {
	add := func(status, name string) { rs.Set(status, refTo("responses", name)) }
	onRow := rest.OpRoute(op).Suffix == "/{id}"
	if op.Writes() && op != dataflow.OpDelete {
		add("400", "BadRequest")
	}
	if onRow {
		add("404", "NotFound")
	}
	if op.Writes() {
		add("409", "Conflict")
	}
	if onRow && op.Writes() && m.Versioned {
		add("412", "PreconditionFailed")
		add("428", "PreconditionRequired")
	}
	add("422", "Invalid")
	add("default", "Problem")
}

func response(doc string, s *dataflow.Object, headers ...string) *dataflow.Object {
	r := dataflow.ObjectOf("description", doc)
	if len(headers) > 0 {
		hs := dataflow.NewObject()
		for _, h := range headers {
			name := h
			if h == "PreferenceApplied" {
				name = "Preference-Applied"
			}
			hs.Set(name, refTo("headers", h))
		}
		r.Set("headers", hs)
	}
	if s != nil {
		r.Set("content", jsonContent(s))
	}
	return r
}

func pageSchema(row *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("type", "object",
		"properties", dataflow.ObjectOf(
			"records", dataflow.ObjectOf("type", "array", "items", row),
			"count", described(typed("integer"), "rows in this page"),
			"total", described(typed("integer"), "every match, if count asks for it"),
			"limit", typed("integer"),
			"offset", typed("integer"),
			"next_cursor", described(typed("string"), "where the next page starts"),
			"has_more", typed("boolean")),
		"required", []any{"records", "count", "limit", "has_more"})
}

func deletedSchema(id *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf("id", id, "deleted", typed("boolean")),
		"required", []any{"id", "deleted"})
}
