package openapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/nexus/rest"
)

// words of the operations; %s is the model.
var opWords = map[dataflow.OpKind]struct{ summary, doc string }{
	dataflow.OpCreate:     {"Create a row of %s", "Fields that are left out get their defaults."},
	dataflow.OpRead:       {"Read a row of %s", "With `fields`, some of its fields; with `expand`, rows of other models in it."},
	dataflow.OpUpdate:     {"Change fields of a row of %s", "Fields that are left out stay as they are."},
	dataflow.OpDelete:     {"Delete a row of %s", "The answer is empty, unless `Prefer: return=representation` asks for one."},
	dataflow.OpList:       {"List rows of %s", "A page of the rows that match, in order. `next_cursor` and the Link header lead to the next one."},
	dataflow.OpUpsert:     {"Create a row of %s, or update the one there is", "`where` finds the row. If there is one, `update` changes it; if not, `where` and `create` make it."},
	dataflow.OpCount:      {"Count rows of %s", "All of them, or those that match a filter."},
	dataflow.OpAggregate:  {"Work out figures of rows of %s", "Counts, sums, averages, least and greatest values, of all rows or of groups."},
	dataflow.OpBulkCreate: {"Create rows of %s in bulk", "All or none of them, unless `on_error` is `skip`."},
	dataflow.OpBulkUpdate: {"Update rows of %s in bulk", "The same change for all that match, or a change for each; all or none."},
	dataflow.OpBulkDelete: {"Delete rows of %s in bulk", "Those that match, or those with these ids; all or none."},
	dataflow.OpBulkUpsert: {"Create or update rows of %s in bulk", "`conflict_on` names the fields that find a row that is there already."},
}

const (
	replaceSummary = "Replace a row of %s"
	replaceDoc     = "Fields that are left out get their defaults, or null. Fields that can't change stay."
)

// model adds the paths of an exposed model.
func (d *document) model(exp *dataflow.Exposure) {
	doc := exp.Model.Doc
	if doc == "" {
		doc = "Rows of " + exp.Model.Name + "."
	}
	d.tag(exp.Path, doc)
	for _, op := range exp.Served() {
		rt := rest.OpRoute(op)
		for _, method := range rt.Methods {
			if method == http.MethodHead {
				continue // GET without the body, as everywhere
			}
			d.operation("/api/"+exp.Path+rt.Suffix, method, d.modelOperation(exp, op, method))
		}
	}
	d.imports(exp)
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
	d.operation("/api/"+exp.Path+"/events", http.MethodGet, operation{
		id: []string{"events", exp.Path}, tag: exp.Path, summary: "Follow what happens to rows of " + m.Name,
		doc: "Server-sent events (WHATWG HTML, 9.2): created, updated and deleted, each {event, id, record}: a row comes into what is followed, " +
			"changes in it, or leaves it; reset: what was missed is not kept any more.",
		params:  append(params, d.filters(m)...),
		answers: []answer{{200, response("the events", textContent("text/event-stream"), "CacheControl")}},
		fails:   []int{422},
	})
}

// modelOperation describes one operation of an exposed model.
func (d *document) modelOperation(exp *dataflow.Exposure, op dataflow.OpKind, method string) operation {
	name, words := op.String(), opWords[op]
	if method == http.MethodPut {
		name, words.summary, words.doc = "replace", replaceSummary, replaceDoc
	}
	o := operation{
		id: []string{name, exp.Path}, tag: exp.Path,
		summary: strings.Replace(words.summary, "%s", exp.Model.Name, 1), doc: words.doc,
		params:  d.parameters(exp, op),
		body:    d.body(exp.Model, op, method),
		answers: d.answers(exp.Model, op),
		kept:    op == dataflow.OpList || op == dataflow.OpRead && exp.Model.Versioned,
		fails:   failuresOf(exp.Model, op),
	}
	if method == http.MethodPut && exp.Model.ClientID && slices.Contains(exp.Served(), dataflow.OpCreate) {
		o.doc += " With `If-None-Match: *` the row is created under this id, if there is none."
		o.params = append(o.params, refTo("parameters", "IfNone"))
		content, _ := o.body.Get("content")
		media, _ := content.(*dataflow.Object).Get("application/json")
		media.(*dataflow.Object).Set("schema", dataflow.ObjectOf("anyOf", []any{d.replaceRef(exp.Model), d.newRef(exp.Model)}))
		o.answers = append(o.answers, d.answers(exp.Model, dataflow.OpCreate)...)
	}
	return o
}

func (d *document) parameters(exp *dataflow.Exposure, op dataflow.OpKind) []any {
	m := exp.Model
	var names []string
	switch op {
	case dataflow.OpRead:
		names = []string{"fields", "expand"}
		if m.Versioned {
			names = append(names, "IfMatchRead")
		}
	case dataflow.OpList:
		names = []string{"filter", "sort", "limit", "offset", "cursor", "fields", "expand", "count", "PreferCount"}
		if len(m.Searchable()) > 0 {
			names = append(names, "search")
		}
		if m.SoftDelete {
			names = append(names, "include_deleted")
		}
	case dataflow.OpUpdate, dataflow.OpDelete:
		names = []string{"PreferWrite", "IdempotencyKey"}
		if m.Versioned {
			names = append(names, "IfMatch")
		}
	case dataflow.OpCount, dataflow.OpAggregate:
	case dataflow.OpCreate, dataflow.OpUpsert:
		names = []string{"PreferWrite", "IdempotencyKey"}
	default:
		names = []string{"PreferBulk", "IdempotencyKey"}
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
	reserved := rest.ListParams()
	if len(m.Searchable()) == 0 { // then search is a name like any other
		reserved = slices.DeleteFunc(reserved, func(name string) bool { return name == "search" })
	}
	var params []any
	for _, f := range m.Fields {
		ops := query.Ops(f.Type)
		if slices.Contains(reserved, f.Name) || len(ops) == 0 || ops[0] != query.Eq {
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

// shared refers to a schema of a model besides that of its rows, which it makes
// first if nothing referred to it yet.
func (d *document) shared(m *dataflow.Model, suffix string, s func() *dataflow.Object) *dataflow.Object {
	key := d.names[m] + suffix
	for d.isModelName(key) { // a model may be called OrderCreate
		key += "_"
	}
	if !d.schemas.Has(key) {
		d.schemas.Set(key, s())
	}
	return refTo("schemas", key)
}

func (d *document) isModelName(name string) bool { return d.taken[name] }

// The schemas of what a caller may send of a model's rows.

func (d *document) createRef(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "Create", func() *dataflow.Object {
		return described(d.input().Create(m), "A row of "+m.Name+" to create.")
	})
}

func (d *document) replaceRef(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "Replace", func() *dataflow.Object {
		return described(d.input().Replace(m), "What a row of "+m.Name+" is to be.")
	})
}

// newRef refers to the schema of a row to create under the id that its path has.
func (d *document) newRef(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "New", func() *dataflow.Object {
		s := d.input().Create(m)
		if always, ok := s.Get("required"); ok {
			s.Set("required", slices.DeleteFunc(slices.Clone(always.([]any)), func(name any) bool { return name == m.ID().Name }))
		}
		return described(s, "A row of "+m.Name+" to create under an id.")
	})
}

func (d *document) patchRef(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "Patch", func() *dataflow.Object {
		return described(d.input().Patch(m), "Changes to a row of "+m.Name+".")
	})
}

// body describes the body of a request, if it has one.
func (d *document) body(m *dataflow.Model, op dataflow.OpKind, method string) *dataflow.Object {
	var s *dataflow.Object
	var sample *dataflow.Object
	switch op {
	case dataflow.OpRead, dataflow.OpList, dataflow.OpDelete:
		return nil
	case dataflow.OpCreate:
		s, sample = d.createRef(m), d.creation(m)
	case dataflow.OpUpdate:
		if method == http.MethodPut {
			s, sample = d.replaceRef(m), d.replacement(m)
		} else {
			s, sample = d.patchRef(m), d.change(m)
		}
	default:
		s, sample = d.arguments(m, op), d.exampleArguments(m, op)
	}
	content := jsonContent(s)
	if sample != nil {
		withExample(content, sample)
	}
	if method == http.MethodPatch {
		media, _ := content.Get("application/json")
		content.Set("application/merge-patch+json", media)
	}
	return dataflow.ObjectOf("required", op != dataflow.OpCount, "content", content)
}

// arguments is the schema of the arguments of an operation. What in it is a row
// is named, so that it is written out once for all operations.
func (d *document) arguments(m *dataflow.Model, op dataflow.OpKind) *dataflow.Object {
	spec := access.Spec(dataflow.Op{Model: m, Kind: op})
	s := d.input().Object(spec.Params, spec.Rest)
	props, _ := s.Get("properties")
	args := props.(*dataflow.Object)
	for name, v := range args.All {
		arg := v.(*dataflow.Object)
		doc, _ := arg.Get("description")
		if op.Writes() && name == "data" {
			arg.Set("maxItems", int64(access.MaxRows))
		}
		switch {
		case op == dataflow.OpBulkCreate && name == "data":
			arg.Set("items", d.createRef(m))
		case op == dataflow.OpBulkUpsert && name == "data":
			arg.Set("items", d.seedRef(m))
		case op == dataflow.OpUpsert && name == "create":
			args.Set(name, described(orNull(d.seedRef(m)), doc.(string)))
		case (op == dataflow.OpUpsert && name == "update") || (op == dataflow.OpBulkUpdate && name == "fields"):
			args.Set(name, described(orNull(d.patchRef(m)), doc.(string)))
		}
	}
	return s
}

// seedRef refers to the schema of a row of which any part may be left out: what
// is missing comes from elsewhere in the request.
func (d *document) seedRef(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "Part", func() *dataflow.Object {
		s := d.input().Create(m)
		out := dataflow.NewObject()
		for name, v := range s.All {
			if name != "required" {
				out.Set(name, v)
			}
		}
		return described(out, "Some fields of a row of "+m.Name+".")
	})
}

// answers describes the successes of an operation.
func (d *document) answers(m *dataflow.Model, op dataflow.OpKind) []answer {
	row := jsonContent(d.written(m))
	var tag []string
	if m.Versioned {
		tag = []string{"ETag"}
	}
	with := func(headers ...string) []string { return append(headers, tag...) }
	result := func() *dataflow.Object {
		s := d.output().Type(access.Spec(dataflow.Op{Model: m, Kind: op}).Output)
		if op == dataflow.OpUpsert {
			props, _ := s.Get("properties")
			props.(*dataflow.Object).Set("record", d.written(m))
		}
		return jsonContent(s)
	}
	switch op {
	case dataflow.OpCreate:
		return []answer{{201, response("created", row, with("Location", "PreferenceApplied", "Replayed")...)}}
	case dataflow.OpRead:
		return []answer{{200, response("the row", jsonContent(d.viewed(m)), with("CacheControl")...)}}
	case dataflow.OpList:
		return []answer{{200, response("a page of rows; as CSV or as lines of JSON every row that matches", exports(jsonContent(d.page(m))), "ETag", "Link", "PreferenceApplied", "CacheControl")}}
	case dataflow.OpUpdate:
		return []answer{
			{200, response("the row as it is now", row, with("PreferenceApplied", "Replayed")...)},
			{204, response("changed; return=minimal was preferred", nil, with("PreferenceApplied", "Replayed")...)}}
	case dataflow.OpDelete:
		deleted := properties(dataflow.ObjectOf("id", d.output().Type(m.ID().Type), "deleted", typed("boolean")))
		return []answer{
			{200, response("deleted; return=representation was preferred", jsonContent(deleted), "PreferenceApplied", "Replayed")},
			{204, response("deleted", nil, "PreferenceApplied", "Replayed")}}
	case dataflow.OpUpsert:
		return []answer{
			{200, response("updated", result(), with("PreferenceApplied", "Replayed")...)},
			{201, response("created", result(), with("Location", "PreferenceApplied", "Replayed")...)},
			{204, response("updated; return=minimal was preferred", nil, with("PreferenceApplied", "Replayed")...)}}
	}
	if op.Writes() {
		return []answer{{200, response("done", result(), "PreferenceApplied", "Replayed")}}
	}
	return []answer{{200, response("worked out", result())}}
}

// exports adds the forms that all rows of a list can be had in.
func exports(content *dataflow.Object) *dataflow.Object {
	for name, media := range textContent("text/csv", "application/x-ndjson").All {
		content.Set(name, media)
	}
	return content
}

// viewed is the schema of a row that is read: the whole row, unless fields or
// expand asked for another.
func (d *document) viewed(m *dataflow.Model) *dataflow.Object {
	view := d.shared(m, "View", func() *dataflow.Object { return d.view(m) })
	return dataflow.ObjectOf("anyOf", []any{dataflow.ObjectOf("$ref", d.ref(m)), view})
}

// written is the schema of a row that was written: the whole row, unless who
// wrote it may not read it.
func (d *document) written(m *dataflow.Model) *dataflow.Object {
	if d.asks() && m.Access != nil {
		return d.viewed(m)
	}
	return dataflow.ObjectOf("$ref", d.ref(m))
}

func (d *document) view(m *dataflow.Model) *dataflow.Object {
	s := d.output().Row(m)
	s.Set("required", []any{m.ID().Name})
	s.Set("description", "A row of "+m.Name+" as fields and expand ask for it: with those fields only; "+
		"a reference's row, or null, in the place of its id; rows that refer to this one.")
	v, _ := s.Get("properties")
	props := v.(*dataflow.Object)
	for _, name := range access.Expandable(m, d.app.Shows) {
		if m.Field(name) == nil {
			props.Set(name, described(properties(dataflow.ObjectOf("records", arrayOf(typed("object")), "has_more", typed("boolean"))),
				"rows that refer to this one"))
			continue
		}
		id, _ := props.Get(name)
		props.Set(name, dataflow.ObjectOf("anyOf", []any{id, dataflow.ObjectOf("type", []any{"object", "null"})}))
	}
	return s
}

func (d *document) page(m *dataflow.Model) *dataflow.Object {
	return d.shared(m, "Page", func() *dataflow.Object {
		return described(properties(dataflow.ObjectOf(
			"records", arrayOf(d.viewed(m)),
			"count", described(integer(), "rows in this page"),
			"total", described(integer(), "every match, if count asks for it"),
			"limit", integer(),
			"offset", integer(),
			"next_cursor", described(typed("string"), "where the next page starts"),
			"has_more", typed("boolean")),
			"total", "offset", "next_cursor"), "A page of rows of "+m.Name+".")
	})
}

// failuresOf lists the statuses of errors that an operation has besides those
// that any request has.
func failuresOf(m *dataflow.Model, op dataflow.OpKind) []int {
	statuses := []int{422}
	onRow := rest.OpRoute(op).Suffix == "/{id}"
	if onRow {
		statuses = append(statuses, 404)
	}
	if rest.OpRoute(op).Methods[0] != http.MethodGet {
		statuses = append(statuses, 400, 413, 415)
	}
	if op.Writes() {
		statuses = append(statuses, 409)
	}
	if onRow {
		statuses = append(statuses, 412)
	}
	if onRow && op.Writes() && m.Versioned {
		statuses = append(statuses, 428)
	}
	return statuses
}
