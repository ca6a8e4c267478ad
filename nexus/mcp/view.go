package mcp

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// Toolsets besides those of exposed models, which are named after their paths.
const (
	setDefault   = ""          // what suits the size of the app
	setReadOnly  = "readonly"  // the same without what changes anything
	setAll       = "all"       // a tool for each operation, however many
	setGeneric   = "generic"   // eight tools for all models, however few
	setWorkflows = "workflows" // no models
)

func fixedSets() []string { return []string{setReadOnly, setAll, setGeneric, setWorkflows} }

// manyTools is the number of tools beyond which an agent is shown tools for all
// models in place of tools for each: a long list costs it attention with every
// step.
const manyTools = 15

// view is what is seen at one address: the tools that are listed, and those
// that can be called.
type view struct {
	server   *Server
	name     string // of the toolset, "orders/readonly"
	listed   []*tool
	callable map[string]*tool
	generic  bool // models are reached by tools for all of them

	instructions func() string
	list         func() []byte // the tools' texts, of who may call them all
}

// viewAt finds the view at a path, or says why there is none: of the others, it
// names those in which there is something for the caller.
func (s *Server) viewAt(path string, c access.Caller) (v *view, why string) {
	rest, ok := strings.CutPrefix(path, "/mcp")
	if !ok || rest != "" && rest[0] != '/' {
		rest = path
	}
	rest = strings.Trim(rest, "/")
	set, readOnly := strings.CutSuffix(rest, "/"+setReadOnly)
	if rest == setReadOnly {
		set, readOnly = setDefault, true
	}
	if strings.Contains(set, "/") || !s.hasSet(set) || set == setReadOnly { // of which there is no part that only reads
		names := s.setsFor(c)
		why = "there is no toolset " + quoted(rest) + "; there are /mcp, /mcp/" + strings.Join(names[:min(len(names), namedTools)], ", /mcp/")
		if near := s.nearSet(c, rest); near != "" {
			why = "there is no toolset " + quoted(rest) + "; did you mean /mcp/" + near + "?"
		}
		return nil, why
	}
	return s.view(set, readOnly), ""
}

// nearSet is the toolset that was meant by the name of none, or "". A slip may
// be in either half of orders/readonly.
func (s *Server) nearSet(c access.Caller, name string) string {
	set, half, halves := strings.Cut(name, "/")
	sets := s.setsFor(c)
	if near := dataflow.Suggest(set, sets); near != "" {
		set = near
	} else if !halves || !slices.Contains(sets, set) {
		return ""
	}
	if !halves {
		return set
	}
	if half != setReadOnly && dataflow.Suggest(half, []string{setReadOnly}) == "" {
		return ""
	}
	return set + "/" + setReadOnly
}

// toolset finds a toolset by its name, for whoever has chosen it when the server
// was started.
func (s *Server) toolset(name string, c access.Caller) (*view, error) {
	if v, _ := s.viewAt("/mcp/"+name, c); v != nil {
		return v, nil
	}
	e := &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: "there is no toolset " + quoted(name)}
	if near := s.nearSet(c, strings.Trim(name, "/")); near != "" {
		e.Hint = `did you mean "` + near + `"?`
	} else {
		names := s.setsFor(c)
		e.Hint = "the toolsets are " + strings.Join(names[:min(len(names), namedTools)], ", ") + "; each has one of what only reads, as " + names[len(names)-1] + "/" + setReadOnly
	}
	return nil, e
}

// Serves reports whether a path is written as the addresses are that agents can
// call. Whether there is such a toolset is not told to whoever asks: toolsets are
// named after models.
func (s *Server) Serves(path string) bool {
	set, ok := strings.CutPrefix(path, "/mcp/")
	return path == "/mcp" || ok && setShape.Fits(strings.TrimSuffix(set, "/"+setReadOnly))
}

// setShape is how the names of toolsets are written, as the paths of models are.
var setShape = dataflow.NameShape{First: dataflow.Letters, Rest: dataflow.Word | dataflow.Dash}

func (s *Server) hasSet(name string) bool {
	return name == setDefault || slices.Contains(s.setNames(), name)
}

// setNames lists the toolsets that have a name.
func (s *Server) setNames() []string {
	names := fixedSets()
	for _, exp := range s.engine.App().Exposures {
		if !slices.Contains(names, exp.Path) {
			names = append(names, exp.Path)
		}
	}
	return names
}

// setsFor lists the toolsets that have a name and something that a caller may do.
func (s *Server) setsFor(c access.Caller) []string {
	return slices.DeleteFunc(s.setNames(), func(name string) bool {
		exp := s.exposureAt(name)
		return exp != nil && !slices.Contains(fixedSets(), name) && !s.mayAny(c, exp)
	})
}

// view returns a toolset as it is seen, put together when it is first asked for.
func (s *Server) view(set string, readOnly bool) *view {
	name := set
	if readOnly {
		name = strings.TrimPrefix(set+"/"+setReadOnly, "/")
	}
	if v, ok := s.views.Load(name); ok {
		return v.(*view)
	}
	v := &view{server: s, name: name, callable: make(map[string]*tool)}
	v.fill(set, readOnly)
	v.instructions = sync.OnceValue(v.instruct)
	v.list = sync.OnceValue(func() []byte { return v.texts(v.listed) })
	kept, _ := s.views.LoadOrStore(name, v)
	return kept.(*view)
}

// fill chooses the tools of a view. Those of the default can all be called by
// name, whether they are listed or not; other toolsets have what they list.
func (v *view) fill(set string, readOnly bool) {
	c := v.server.catalog()
	v.generic = set == setGeneric || set == setDefault && c.many()
	for _, t := range c.tools {
		if readOnly && !t.readOnly {
			continue
		}
		listed := v.lists(t, set)
		if listed {
			v.listed = append(v.listed, t)
		}
		if listed || set == setDefault {
			v.callable[t.name] = t
		}
	}
}

// lists reports whether a toolset has a tool in its list.
func (v *view) lists(t *tool, set string) bool {
	switch t.kind {
	case kindOperation:
		return set == setAll || set == t.exposure.Path && !slices.Contains(fixedSets(), set) || set == setDefault && !v.generic
	case kindGeneric:
		return v.generic
	}
	return slices.Contains([]string{setDefault, setAll, setGeneric, setWorkflows}, set)
}

// texts joins the definitions of tools.
func (v *view) texts(tools []*tool) []byte {
	var b bytes.Buffer
	for i, t := range tools {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(t.text())
	}
	return b.Bytes()
}

// shownTo lists the tools that a caller may call.
func (v *view) shownTo(c access.Caller) (tools []*tool, all bool) {
	if !v.server.guarded {
		return v.listed, true
	}
	for _, t := range v.listed {
		if t.denied(c) == nil && !v.server.idle(t, c) {
			tools = append(tools, t)
		}
	}
	return tools, len(tools) == len(v.listed)
}

// idle reports whether there is no model for which a caller may use a tool for
// all of them.
func (s *Server) idle(t *tool, c access.Caller) bool {
	return len(t.ops) > 0 && !slices.ContainsFunc(s.engine.App().Exposures, func(exp *dataflow.Exposure) bool {
		return slices.ContainsFunc(t.ops, func(op dataflow.OpKind) bool { return s.may(c, exp, op) })
	})
}

// pageOfTools is how many tools a list names before it gives a cursor: all of
// them in any app but a huge one.
const pageOfTools = 500

// page is the part of a list of n that a request asks for, and the cursor of
// the next.
func (q *request) page(n, size int) (from, to int, next string, f *fault) {
	var cursor any
	if q.msg.params != nil {
		cursor, _ = q.msg.params.Get("cursor")
	}
	if cursor != nil && cursor != "" {
		given, _ := cursor.(string) // no number is one, though it looks like it
		var err error
		if from, err = strconv.Atoi(given); err != nil || from < 0 || from > n {
			return 0, 0, "", faultf(codeInvalidParams, "the cursor %s is not one that the server gave; begin again without it", quoted(cmp.Or(given, string(codec.AppendValue(nil, cursor)))))
		}
	}
	if to = min(from+size, n); to < n {
		next = strconv.Itoa(to)
	}
	return from, to, next, nil
}

// appendNext ends a list with the cursor of its next page.
func appendNext(body []byte, next string) []byte {
	if next == "" {
		return body
	}
	return codec.AppendString(append(body, `,"nextCursor":`...), next)
}

// callableTool finds the tool that a request names.
func (q *request) callableTool() (*tool, *fault) {
	name := text(q.msg.params, "name")
	if name == "" {
		return nil, faultf(codeInvalidParams, `the params of tools/call must be an object: {"name": "…", "arguments": {…}}`)
	}
	if t := q.view.callable[name]; t != nil {
		return t, nil
	}
	f := faultf(codeInvalidParams, "there is no tool %s", quoted(name))
	if t := q.server.view(setDefault, false).callable[name]; t != nil && t.denied(q.caller) == nil {
		f.message += fmt.Sprintf(" in the toolset %s; /mcp has it", q.view.name)
		return nil, f
	}
	names := make([]string, 0, len(q.view.callable))
	for n, t := range q.view.callable {
		if t.denied(q.caller) == nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	hint := dataflow.DidYouMean(name, names)
	if hint == "" {
		hint = "tools/list names those there are"
	}
	f.message += "; " + hint
	return nil, f
}

// changedSince says what of a view is another than in an earlier server.
func (s *Server) changedSince(old *Server, name string) changes {
	was, is := old.viewNamed(name), s.viewNamed(name)
	if was == nil || is == nil {
		return changes{true, true, true}
	}
	return changes{
		tools:     !bytes.Equal(was.list(), is.list()),
		prompts:   !bytes.Equal(old.promptList(), s.promptList()),
		resources: !bytes.Equal(old.resourceList(), s.resourceList()) || !bytes.Equal(old.templateList(), s.templateList()),
	}
}

// showsAsBefore reports whether a caller sees the tools of a view that it saw in
// an earlier server: who may use what can have changed, and nothing else.
func (s *Server) showsAsBefore(old *Server, name string, c access.Caller) bool {
	if !s.guarded && !old.guarded {
		return true
	}
	names := func(v *view) []string {
		if v == nil {
			return nil
		}
		shown, _ := v.shownTo(c)
		list := make([]string, len(shown))
		for i, t := range shown {
			list[i] = t.name
		}
		return list
	}
	return slices.Equal(names(old.viewNamed(name)), names(s.viewNamed(name)))
}

func (s *Server) viewNamed(name string) *view {
	v, _ := s.viewAt("/mcp/"+name, access.Caller{})
	return v
}

// CardPath is where the server's card is, with enable_discovery.
const CardPath = "/.well-known/mcp/server-card.json"

// serveCard tells whoever comes by, before any handshake, what the server is and
// where it is reached. It names no tool: what there is depends on who asks.
func (s *Server) serveCard(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "the card is read with GET")
		return
	}
	versions := []any{}
	for _, v := range revisions() {
		versions = append(versions, v)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	remote := dataflow.ObjectOf("type", "streamable-http", "url", scheme+"://"+r.Host+"/mcp", "supportedProtocolVersions", versions)
	remotes := []any{remote}
	if s.o.SSE {
		remotes = append(remotes, dataflow.ObjectOf("type", "sse", "url", scheme+"://"+r.Host+ssePath))
	}
	card := dataflow.ObjectOf("name", s.o.Name, "version", s.o.Version, "description", "The app "+s.o.Name+", served by flowctl.",
		"remotes", remotes, "capabilities", s.capabilities(true))
	w.Header().Set("Cache-Control", "no-cache")
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(codec.AppendValue(nil, card)) // an error means that the client is gone
	}
}
