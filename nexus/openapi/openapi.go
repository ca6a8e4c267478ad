// Package openapi describes an app's REST API as OpenAPI 3.1. It reads the
// same tables that serve the routes, and knows nothing of requests.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
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
	used    []*dataflow.Model          // whose rows something refers to
	isUsed  map[*dataflow.Model]bool
	ids     map[string]bool // operation ids taken
	paths   *dataflow.Object
	schemas *dataflow.Object
	tags    []any
}

func newDocument(app *dataflow.App, p *engine.Plan) *document {
	d := &document{plan: p, app: app,
		names:   make(map[*dataflow.Model]string),
		isUsed:  make(map[*dataflow.Model]bool),
		ids:     make(map[string]bool),
		paths:   dataflow.NewObject(),
		schemas: dataflow.NewObject(),
	}
	taken := make(map[string]bool)
	for _, m := range d.app.Models() {
		name := m.Name
		if taken[name] || reserved(name) { // two databases may each have one of that name
			name += "_" + m.Database.Name
		}
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		d.names[m] = name
	}
	return d
}

// reserved reports whether a schema of the document's own has the name.
func reserved(name string) bool { return name == "Problem" || name == "ProblemPart" }

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

// id makes an operation id that is not taken yet.
func (d *document) id(parts ...string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.Join(parts, "_"))
	for base, n := id, 2; d.ids[id]; n++ {
		id = base + "_" + strconv.Itoa(n)
	}
	d.ids[id] = true
	return id
}

func (d *document) build() *dataflow.Object {
	for _, exp := range d.app.Exposures {
		d.model(exp)
	}
	d.batch()
	d.workflows()
	d.fixed()
	d.rows()
	d.schemas.Set("Problem", problemSchema())
	d.schemas.Set("ProblemPart", partSchema())
	return dataflow.ObjectOf(
		"openapi", "3.1.0",
		"info", d.info(),
		"servers", []any{dataflow.ObjectOf("url", "/")},
		"tags", d.tags,
		"paths", d.paths,
		"components", dataflow.ObjectOf(
			"schemas", d.schemas,
			"parameters", sharedParameters(),
			"headers", sharedHeaders(),
			"responses", sharedResponses(),
		),
	)
}

// rows adds the schemas of the rows in use. A row's schema holds no other's, so
// that one pass finds them all.
func (d *document) rows() {
	for _, m := range d.used {
		d.schemas.Set(d.names[m], schema.Builder{Output: true}.Row(m))
	}
}

func (d *document) info() *dataflow.Object {
	title := "flowctl app"
	if d.app.Server != nil && d.app.Server.Name != "" {
		title = d.app.Server.Name
	}
	return dataflow.ObjectOf("title", title, "version", d.version(),
		"description", "Answers that are no success are problems (RFC 9457), which list everything that is wrong at once.")
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
	t := dataflow.ObjectOf("name", name)
	if doc != "" {
		t.Set("description", doc)
	}
	d.tags = append(d.tags, t)
}

// fixed adds the routes every app has.
func (d *document) fixed() {
	d.tag("server", "The server itself.")
	object := func(fields ...any) *dataflow.Object {
		return dataflow.ObjectOf("type", "object", "properties", dataflow.ObjectOf(fields...))
	}
	text := dataflow.ObjectOf("type", "string")
	get := func(path, id, summary string, s *dataflow.Object, more ...any) {
		responses := dataflow.ObjectOf("200", dataflow.ObjectOf("description", "as asked", "content", jsonContent(s)))
		for i := 0; i < len(more); i += 2 {
			responses.Set(more[i].(string), more[i+1])
		}
		responses.Set("default", refTo("responses", "Problem"))
		d.paths.Set(path, dataflow.ObjectOf("get", dataflow.ObjectOf(
			"operationId", d.id(id), "summary", summary, "tags", []any{"server"}, "responses", responses)))
	}
	ready := object("status", text, "databases", dataflow.ObjectOf("type", "object", "additionalProperties", text))
	get("/", "index", "What is served, in short", dataflow.ObjectOf("type", "object"))
	get("/health/live", "live", "Whether the server runs", object("status", text))
	get("/health/ready", "ready", "Whether its databases answer", ready,
		"503", dataflow.ObjectOf("description", "a database does not answer", "content", jsonContent(ready)))
	get("/openapi.json", "openapi", "This document", dataflow.ObjectOf("type", "object"))
}

func jsonContent(s *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("application/json", dataflow.ObjectOf("schema", s))
}

func refTo(section, name string) *dataflow.Object {
	return dataflow.ObjectOf("$ref", "#/components/"+section+"/"+name)
}
