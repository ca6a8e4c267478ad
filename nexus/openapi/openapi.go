// Package openapi describes an app's REST API as OpenAPI 3.1. It reads the
// same tables that serve the routes, and knows nothing of requests.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus/docs"
	"github.com/flowctl/flowctl/nexus/schema"
)

// Document returns the OpenAPI document of a planned app, and its entity tag.
func Document(app *dataflow.App, p *engine.Plan) (text []byte, etag string) {
	d := newDocument(app, p)
	text = codec.AppendValue(nil, d.build())
	sum := sha256.Sum256(text)
	return text, `"` + hex.EncodeToString(sum[:8]) + `"`
}

// document gathers paths, and the schemas that they come to need.
type document struct {
	plan    *engine.Plan
	app     *dataflow.App
	names   map[*dataflow.Model]string // of the schema of each model's rows
	taken   map[string]bool            // names of schemas
	used    []*dataflow.Model          // whose rows something refers to
	isUsed  map[*dataflow.Model]bool
	ids     map[string]bool // operation ids taken
	paths   *dataflow.Object
	schemas *dataflow.Object
	own     *dataflow.Object // schemas that belong to no model

	creations map[*dataflow.Model]*dataflow.Object // see creation
	tags      []any
}

func newDocument(app *dataflow.App, p *engine.Plan) *document {
	d := &document{plan: p, app: access.Possible(app),
		names:   make(map[*dataflow.Model]string),
		taken:   make(map[string]bool),
		isUsed:  make(map[*dataflow.Model]bool),
		ids:     make(map[string]bool),
		paths:   dataflow.NewObject(),
		schemas: dataflow.NewObject(),
		own:     ownSchemas(),

		creations: make(map[*dataflow.Model]*dataflow.Object),
	}
	for name := range d.own.All {
		d.taken[name] = true
	}
	for _, m := range d.app.Models() {
		name := m.Name
		if d.taken[name] { // two databases may each have one of that name
			name += "_" + m.Database.Name
		}
		d.names[m] = d.take(name)
	}
	return d
}

// take makes a name the schema's that it is asked for.
func (d *document) take(name string) string {
	for d.taken[name] {
		name += "_"
	}
	d.taken[name] = true
	return name
}

// ownSchemas are the schemas that belong to no model.
func ownSchemas() *dataflow.Object {
	o := dataflow.ObjectOf("Problem", problemSchema(), "ProblemPart", partSchema())
	for _, more := range []*dataflow.Object{runSchemas(), workflowSchemas(), statusSchemas(), importSchemas()} {
		for name, s := range more.All {
			o.Set(name, s)
		}
	}
	return o
}

// input and output build schemas that refer to rows by name.
func (d *document) input() schema.Builder { return schema.Builder{Ref: d.ref} }
func (d *document) output() schema.Builder {
	return schema.Builder{Output: true, Ref: d.ref}
}

// ref refers to the schema of a model's rows.
func (d *document) ref(m *dataflow.Model) string {
	if !d.isUsed[m] {
		d.isUsed[m] = true
		d.used = append(d.used, m)
	}
	return "#/components/schemas/" + d.names[m]
}

func (d *document) build() *dataflow.Object {
	for _, exp := range d.app.Exposures {
		d.model(exp)
	}
	d.batch()
	d.workflows()
	d.runs()
	d.fixed()
	d.rows()
	for name, s := range d.own.All {
		d.schemas.Set(name, s)
	}
	components := dataflow.ObjectOf(
		"schemas", d.schemas,
		"parameters", sharedParameters(),
		"headers", sharedHeaders(),
		"responses", sharedResponses(),
	)
	kept := needed(d.paths, components)
	security := []any{}
	if d.asks() {
		kept.Set("securitySchemes", securitySchemes())
		for name := range securitySchemes().All {
			security = append(security, dataflow.ObjectOf(name, []any{}))
		}
	}
	return dataflow.ObjectOf(
		"openapi", "3.1.0",
		"info", d.info(),
		"servers", []any{dataflow.ObjectOf("url", "/")},
		"security", security,
		"tags", d.tags,
		"paths", d.paths,
		"components", kept,
	)
}

// rows adds the schemas of the rows in use. A row's schema holds no other's, so
// that one pass finds them all.
func (d *document) rows() {
	for _, m := range d.used {
		s := schema.Builder{Output: true}.Row(m)
		if hidden := d.hidden(m); len(hidden) > 0 {
			always, _ := s.Get("required")
			s.Set("required", slices.DeleteFunc(always.([]any), func(name any) bool { return hidden[name.(string)] }))
		}
		if row := d.shownRow(m); row != nil {
			s.Set("examples", []any{row})
		}
		d.schemas.Set(d.names[m], s)
	}
}

// hidden are the fields of a row that a caller who may read it may still not see:
// they are missing then.
func (d *document) hidden(m *dataflow.Model) map[string]bool {
	if !d.asks() || m.Access == nil {
		return nil
	}
	names := make(map[string]bool)
	for _, f := range m.Access.Fields {
		if f.Read != nil {
			names[m.Shape().Name(f.Field)] = true
		}
	}
	return names
}

// about is what every document begins with.
const about = "Rows have ids, and JSON for their bodies. `decimal` values are sent as text, so that no digit is lost; integers have 64 bits, " +
	"which is more than some languages' numbers hold. An answer that is no success is a problem (RFC 9457), which lists everything that is wrong at once. " +
	"What takes GET takes HEAD too, and every path OPTIONS. Bodies may be packed with gzip (`Content-Encoding`), and large answers are for who accepts it."

func (d *document) info() *dataflow.Object {
	title := "flowctl app"
	if d.app.Server != nil && d.app.Server.Name != "" {
		title = d.app.Server.Name
	}
	return dataflow.ObjectOf("title", title, "version", d.version(), "description", about,
		"contact", dataflow.ObjectOf("name", "Whoever runs this server"),
		"license", dataflow.ObjectOf("name", "As agreed with whoever runs this server", "identifier", "LicenseRef-as-agreed"))
}

// version changes whenever a file of the app does.
func (d *document) version() string {
	h := sha256.New()
	for _, f := range d.app.Files {
		h.Write(f.Hash[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func (d *document) tag(name, doc string) {
	d.tags = append(d.tags, dataflow.ObjectOf("name", name, "description", doc))
}

// asks reports whether callers are asked who they are.
func (d *document) asks() bool { return d.app.Server != nil && d.app.Server.EnableAuth }

// securitySchemes are the ways to say who calls.
func securitySchemes() *dataflow.Object {
	return dataflow.ObjectOf(
		"bearer", dataflow.ObjectOf("type", "http", "scheme", "bearer", "description", "An API key, which flowctl keys create makes, or a token."),
		"key", dataflow.ObjectOf("type", "apiKey", "in", "header", "name", "X-API-Key", "description", "An API key, for clients that can't send Authorization."))
}

// statusSchemas are the schemas of how the last reload went.
func statusSchemas() *dataflow.Object {
	return dataflow.ObjectOf("ReloadStatus", properties(dataflow.ObjectOf(
		"version", described(integer(), "of this form"),
		"generation", described(integer(), "that is served, counted from 1"),
		"since", moment(),
		"tried", described(moment(), "when the files were last loaded"),
		"stale", described(typed("boolean"), "the files can't be served, and an earlier state of them is"),
		"files", arrayOf(typed("string")),
		"changes", arrayOf(typed("string")),
		"diagnostics", arrayOf(typed("object")),
		"errors", integer(),
		"warnings", integer(),
	)))
}

// metrics adds the route of metrics, where there are any.
func (d *document) metrics(tag string) {
	if d.app.Server == nil || !d.app.Server.Monitoring {
		return
	}
	d.operation("/metrics", http.MethodGet, operation{
		id: []string{"metrics"}, tag: tag, summary: "What the server counts and measures", doc: "Metrics, in the form of Prometheus.",
		answers: []answer{{200, response("the metrics", textContent("text/plain", "application/openmetrics-text"), "CacheControl")}},
	})
}

// ownTag is the name of a tag that belongs to no model, and its text.
func (d *document) ownTag(name, doc string) string {
	for slices.ContainsFunc(d.app.Exposures, func(exp *dataflow.Exposure) bool { return exp.Path == name }) {
		name += "_"
	}
	d.tag(name, doc)
	return name
}

// fixed adds the routes every app has.
func (d *document) fixed() {
	tag := d.ownTag("server", "The server itself.")
	health := properties(dataflow.ObjectOf("status", typed("string"), "databases",
		dataflow.ObjectOf("type", "object", "additionalProperties", typed("string"))))
	for _, page := range []struct {
		path, id, summary, doc string
		answers                []answer
	}{
		{"/", "index", "What is served, in short", "The models with their operations, the workflows, and where to look further.",
			[]answer{{200, response("what is served", jsonContent(typed("object")), "ETag", "CacheControl")},
				{303, response("who asks for HTML is sent to the page that shows it", nil, "Location")}}},
		{docs.Path, "docs", "The API in a browser", "A page that shows this document and tries it out. It asks for a key where the app asks who calls.",
			[]answer{{200, response("the page", textContent("text/html"), "ETag", "CacheControl")}}},
		{docs.Path + "/{file}", "docs_file", "A file of the page", "What the page is made of: scripts, styles, licences.",
			[]answer{{200, response("the file", textContent("text/javascript", "text/css", "text/plain", "image/svg+xml"), "ETag", "CacheControl")}}},
		{"/health/live", "live", "Whether the server runs", "For whoever restarts a process that does not answer.",
			[]answer{{200, response("it runs", withExample(jsonContent(properties(dataflow.ObjectOf("status", typed("string")))), dataflow.ObjectOf("status", "live")), "CacheControl")}}},
		{"/health/ready", "ready", "Whether its databases answer", "For whoever sends requests to one process or another.",
			[]answer{{200, response("they do", withExample(jsonContent(health),
				dataflow.ObjectOf("status", "ready", "databases", dataflow.ObjectOf("db", "ok"))), "CacheControl")},
				{503, response("a database does not answer", jsonContent(health), "CacheControl")}}},
		{"/_flow/status", "reload_status", "How the last reload went", "Shown where flowctl dev serves, to this machine alone.",
			[]answer{{200, response("how it went", jsonContent(refTo("schemas", "ReloadStatus")), "CacheControl")}}},
		{"/openapi.json", "openapi", "This document", "OpenAPI 3.1 of exactly this app.",
			[]answer{{200, response("the document", jsonContent(typed("object")), "ETag", "CacheControl")}}},
	} {
		op := operation{id: []string{page.id}, tag: tag, summary: page.summary, doc: page.doc, answers: page.answers}
		switch page.path {
		case docs.Path:
			op.open, op.kept = true, true
		case docs.Path + "/{file}":
			op.open, op.kept, op.fails = true, true, []int{404}
			op.params = []any{required(parameter("file", "path", "The file's name.", typed("string")))}
		case "/", "/openapi.json":
			op.kept = true
		case "/_flow/status":
			op.fails = []int{404}
		case "/health/live", "/health/ready":
			op.open = true
		}
		d.operation(page.path, http.MethodGet, op)
	}
	d.metrics(tag)
}

// needed leaves out of components what nothing refers to, from the paths on.
func needed(paths, components *dataflow.Object) *dataflow.Object {
	seen := make(map[string]bool)
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				follow(x)
			}
		case *dataflow.Object:
			for name, x := range v.All {
				if ref, ok := x.(string); ok && name == "$ref" && !seen[ref] {
					seen[ref] = true
					follow(component(components, ref))
				}
				follow(x)
			}
		}
	}
	follow(paths)
	out := dataflow.NewObject()
	for section, all := range components.All {
		kept := dataflow.NewObject()
		for name, c := range all.(*dataflow.Object).All {
			if seen["#/components/"+section+"/"+name] {
				kept.Set(name, c)
			}
		}
		if kept.Len() > 0 {
			out.Set(section, kept)
		}
	}
	return out
}

// component finds what a reference leads to.
func component(components *dataflow.Object, ref string) any {
	section, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	all, _ := components.Get(section)
	c, _ := all.(*dataflow.Object).Get(name)
	return c
}
