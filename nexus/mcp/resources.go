package mcp

import (
	"bytes"
	"context"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/schema"
)

// URIs of the resources that every app has.
const (
	modelsURI  = "flowctl://models"
	modelURI   = "flowctl://models/{model}"
	recordURI  = "flowctl://models/{model}/records/{id}"
	jsonMIME   = "application/json"
	schemaMIME = "application/schema+json"
)

// pageOfResources is how many resources a list names before it gives a cursor.
const pageOfResources = 200

func (s *Server) encodeResources() []byte {
	var list []any
	if len(s.engine.App().Exposures) > 0 {
		list = append(list, dataflow.ObjectOf("uri", modelsURI, "name", "models", "title", "Models",
			"description", "The models that are served, with their operations.", "mimeType", jsonMIME))
	}
	for _, exp := range s.engine.App().Exposures {
		list = append(list, dataflow.ObjectOf("uri", uriOf(exp.Model), "name", exp.Model.Name, "title", exp.Model.Name,
			"description", "JSON Schema of a row of "+exp.Model.Name+".", "mimeType", schemaMIME))
	}
	for i := range s.o.Extension.Resources {
		if r := &s.o.Extension.Resources[i]; !strings.Contains(r.URI, "{") {
			list = append(list, describeResource("uri", r))
		}
	}
	return codec.AppendValue(nil, orEmpty(list))
}

func orEmpty(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

func describeResource(uri string, r *Resource) *dataflow.Object {
	o := dataflow.ObjectOf(uri, r.URI, "name", r.Name)
	for _, m := range []struct{ name, value string }{{"title", r.Title}, {"description", r.Description}, {"mimeType", r.Type}} {
		if m.value != "" {
			o.Set(m.name, m.value)
		}
	}
	return o
}

func (s *Server) encodeTemplates() []byte {
	list := []any{}
	if len(s.engine.App().Exposures) > 0 {
		list = append(list,
			dataflow.ObjectOf("uriTemplate", modelURI, "name", "model", "title", "Model",
				"description", "JSON Schema of a row of a model.", "mimeType", schemaMIME),
			dataflow.ObjectOf("uriTemplate", recordURI, "name", "record", "title", "Record",
				"description", "A row, by its id.", "mimeType", jsonMIME))
	}
	for i := range s.o.Extension.Resources {
		if r := &s.o.Extension.Resources[i]; strings.Contains(r.URI, "{") {
			list = append(list, describeResource("uriTemplate", r))
		}
	}
	return members(dataflow.ObjectOf("resourceTemplates", list))
}

func uriOf(m *dataflow.Model) string { return modelsURI + "/" + m.Name }

func listResources(_ context.Context, q *request) (*reply, error) {
	v, _ := codec.ParseJSON(q.server.resourceList(), codec.MaxDepth)
	all := v.([]any)
	if q.server.guarded {
		all = slices.DeleteFunc(all, func(r any) bool { return q.server.hides(q.caller, text(r.(*dataflow.Object), "uri")) })
	}
	from, to, next, f := q.page(len(all), pageOfResources)
	if f != nil {
		return nil, f
	}
	return &reply{body: appendNext(members(dataflow.ObjectOf("resources", all[from:to])), next)}, nil
}

// hides reports whether a URI is of a model of which the caller may do nothing:
// that there is one is not told.
func (s *Server) hides(c access.Caller, uri string) bool {
	name, ok := strings.CutPrefix(uri, modelsURI+"/")
	name, _, _ = strings.Cut(name, "/")
	exp := s.exposureNamed(name)
	return ok && exp != nil && !s.mayAny(c, exp)
}

func listTemplates(_ context.Context, q *request) (*reply, error) {
	return &reply{body: q.server.templateList()}, nil
}

// readResource reads what a URI names.
func readResource(ctx context.Context, q *request) (*reply, error) {
	uri := text(q.msg.params, "uri")
	if uri == "" {
		return nil, faultf(codeInvalidParams, `resources/read says what to read: {"uri": "%s"}`, modelsURI)
	}
	ctx, done := q.reading(ctx)
	defer done()
	kind, body, err := q.server.content(ctx, q, uri)
	if err != nil {
		return nil, err
	}
	if body != nil {
		return contents(dataflow.ObjectOf("uri", uri, "mimeType", kind, "text", string(body))), nil
	}
	for i := range q.server.o.Extension.Resources {
		if r := &q.server.o.Extension.Resources[i]; matches(r.URI, uri) {
			c, err := r.Read(ctx, q.caller, uri)
			if err != nil {
				return nil, err
			}
			return contents(object(c.o, "resource")), nil
		}
	}
	return nil, q.noResource(uri)
}

func contents(o *dataflow.Object) *reply { return replyOf(dataflow.ObjectOf("contents", []any{o})) }

func (q *request) noResource(uri string) *fault {
	f := faultf(codeInvalidParams, "there is no resource %s; %s", quoted(uri), q.server.nearResource(q.caller, uri))
	if !q.modern {
		f.code = codeResourceNotFound
	}
	f.data = dataflow.ObjectOf("uri", uri)
	return f
}

// nearResource says which resource was meant, or where to look for those there
// are. Of a row it says the model: which ids there are is not told.
func (s *Server) nearResource(c access.Caller, uri string) string {
	const elsewhere = "resources/list and resources/templates/list name those there are"
	model, id, isRecord := strings.Cut(uri, "/records/")
	if at, name := path.Split(model); name != "" && (at == modelsURI+"/" || dataflow.Suggest(at, []string{modelsURI + "/"}) != "") { // then it is the name that counts
		shown := s.modelsFor(c)
		near := dataflow.Suggest(name, shown)
		if exp := s.exposureNamed(name); exp != nil && slices.Contains(shown, exp.Model.Name) {
			near = exp.Model.Name
			if isRecord && at == modelsURI+"/" {
				return "the model has no such row, or none that you may read"
			}
		}
		switch {
		case near == "":
			return elsewhere
		case isRecord:
			return `did you mean "` + modelsURI + "/" + near + "/records/" + id + `"?`
		}
		return `did you mean "` + modelsURI + "/" + near + `"?`
	}
	var names []string
	if len(s.engine.App().Exposures) > 0 {
		names = append(names, modelsURI)
	}
	for i := range s.o.Extension.Resources {
		if r := &s.o.Extension.Resources[i]; !strings.Contains(r.URI, "{") {
			names = append(names, r.URI)
		}
	}
	if near := dataflow.Suggest(uri, names); near != "" {
		return `did you mean "` + near + `"?`
	}
	return elsewhere
}

// modelsFor names the models of which the caller may do something.
func (s *Server) modelsFor(c access.Caller) []string {
	var names []string
	for _, exp := range s.engine.App().Exposures {
		if s.mayAny(c, exp) {
			names = append(names, exp.Model.Name)
		}
	}
	return names
}

// matches reports whether a URI is one that a template makes.
func matches(template, uri string) bool {
	for {
		before, rest, ok := strings.Cut(template, "{")
		if !ok {
			return template == uri
		}
		if uri, ok = strings.CutPrefix(uri, before); !ok {
			return false
		}
		_, template, _ = strings.Cut(rest, "}")
		n := strings.IndexByte(uri, '/')
		if n < 0 {
			n = len(uri)
		}
		if n == 0 {
			return false
		}
		uri = uri[n:]
	}
}

// content is the text of one of the resources that every app has; nil for a URI
// of none.
func (s *Server) content(ctx context.Context, q *request, uri string) (kind string, body []byte, err error) {
	rest, ok := strings.CutPrefix(uri, modelsURI)
	if !ok || len(s.engine.App().Exposures) == 0 {
		return "", nil, nil
	}
	if rest == "" {
		return jsonMIME, codec.AppendValue(nil, s.describeModels(q, nil)), nil
	}
	name, id, isRecord := strings.Cut(strings.TrimPrefix(rest, "/"), "/records/")
	exp := s.exposureNamed(name)
	if exp == nil {
		return "", nil, nil
	}
	if !isRecord && s.hides(q.caller, uri) {
		return "", nil, nil
	}
	if !isRecord {
		return schemaMIME, s.schemaOf(exp), nil
	}
	if !s.may(q.caller, exp, dataflow.OpRead) {
		return "", nil, s.scopeLacked(q.caller, exp, dataflow.OpRead)
	}
	if id, err = url.PathUnescape(id); err != nil {
		return "", nil, nil
	}
	key, err := s.engine.Model(exp.Model).ParseID(id)
	if err != nil {
		return "", nil, nil
	}
	a, err := s.read(ctx, exp.Model, dataflow.OpRead, s.asking(q.caller), dataflow.ObjectOf("id", key))
	if e := dataflow.AsError(err); err != nil && e.Status == dataflow.StatusNotFound {
		return "", nil, nil
	}
	return jsonMIME, a.text, err
}

// exposureNamed finds an exposed model by its name or its path.
func (s *Server) exposureNamed(name string) *dataflow.Exposure {
	for _, exp := range s.engine.App().Exposures {
		if exp.Model.Name == name {
			return exp
		}
	}
	return s.exposureAt(name)
}

func (s *Server) exposureAt(path string) *dataflow.Exposure {
	for _, exp := range s.engine.App().Exposures {
		if exp.Path == path {
			return exp
		}
	}
	return nil
}

// schemaOf is the JSON Schema of a model's rows.
func (s *Server) schemaOf(exp *dataflow.Exposure) []byte {
	o := dataflow.ObjectOf("$schema", "https://json-schema.org/draft/2020-12/schema", "title", exp.Model.Name)
	for name, v := range (schema.Builder{}).Row(exp.Model).All {
		o.Set(name, v)
	}
	return codec.AppendValue(nil, o)
}

// watchable reports whether changes of a resource can be told: schemas change
// with the app, and a program tells of its own. Of rows nothing is promised.
func (s *Server) watchable(c access.Caller, uri string) bool {
	if s.hides(c, uri) {
		return false
	}
	if uri == modelsURI {
		return len(s.engine.App().Exposures) > 0
	}
	if name, ok := strings.CutPrefix(uri, modelsURI+"/"); ok && !strings.Contains(name, "/") {
		return s.exposureNamed(name) != nil
	}
	return slices.ContainsFunc(s.o.Extension.Resources, func(r Resource) bool { return r.Watchable && matches(r.URI, uri) })
}

func (q *request) unwatchable(uri string) *fault {
	f := q.noResource(uri)
	if strings.HasPrefix(uri, modelsURI+"/") {
		f.code = codeInvalidParams
		f.message = "changes of " + quoted(uri) + " are not told of; those of " + modelURI + " are"
	}
	return f
}

// resourceChanged reports whether a resource of every app is another than in an
// earlier server.
func (s *Server) resourceChanged(old *Server, uri string) bool {
	if uri == modelsURI {
		return !bytes.Equal(old.resourceList(), s.resourceList())
	}
	name, ok := strings.CutPrefix(uri, modelsURI+"/")
	if !ok {
		return false
	}
	was, is := old.exposureNamed(name), s.exposureNamed(name)
	if was == nil || is == nil {
		return was != is
	}
	return !bytes.Equal(old.schemaOf(was), s.schemaOf(is))
}

// completeURI completes a variable of a resource template: the models that the
// caller may see, and the ids of one.
func (s *Server) completeURI(ctx context.Context, q *request, template, name, typed string, known *dataflow.Object) (completion, error) {
	own := template == modelURI || template == recordURI
	switch {
	case name == "model" && own:
		return startingWith(s.modelsFor(q.caller), typed), nil
	case name == "id" && template == recordURI:
		if exp := s.exposureNamed(text(known, "model")); exp != nil {
			return s.completeID(ctx, q, exp.Model, typed)
		}
	case !own && !slices.ContainsFunc(s.o.Extension.Resources, func(r Resource) bool { return r.URI == template }):
		return completion{}, faultf(codeInvalidParams, "there is no resource template %s; %s", quoted(template), s.nearTemplate(template))
	}
	return completion{}, nil
}

// nearTemplate says which resource template was meant, or where to look.
func (s *Server) nearTemplate(uri string) string {
	var names []string
	if len(s.engine.App().Exposures) > 0 {
		names = append(names, modelURI, recordURI)
	}
	for i := range s.o.Extension.Resources {
		names = append(names, s.o.Extension.Resources[i].URI)
	}
	if near := dataflow.DidYouMean(uri, names); near != "" {
		return near
	}
	return "resources/templates/list names those there are"
}
