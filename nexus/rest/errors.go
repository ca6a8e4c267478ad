package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/front"
)

func notFound(message, hint string) error {
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: message, Hint: hint}
}

func methodNotAllowed(x *front.Exchange, allowed []string) error {
	x.Header().Set("Allow", strings.Join(allowed, ", "))
	hint := "there are " + strings.Join(allowed, ", ")
	if path := x.Request.URL.Path; x.Request.URL.RawPath == "" {
		if near := nearAction(path); near != "" {
			hint = "did you mean " + near + "?"
		} else if run := ofRun(path); run != "" {
			hint = "a slash in the id of a run is written %2F: " + run
		}
	}
	return &dataflow.Error{Code: "method_not_allowed", Status: dataflow.StatusInvalid,
		Message: x.Request.Method + " is not served here", Hint: hint}
}

// ofOneRun are the paths below a run's own.
var ofOneRun = []string{"events", "signal", "cancel", "retry"}

// nearAction is the path of which one below a run's seems to be a misspelling,
// or "".
func nearAction(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) != 3 || segments[0] != "runs" {
		return ""
	}
	near := dataflow.Suggest(segments[2], ofOneRun)
	if near == "" {
		return ""
	}
	return runPath(segments[1]) + "/" + near
}

// ofRun is the path of a run whose id has been put into one as it is: that of a
// run which another waits for has a slash in it. It is "" for other paths.
func ofRun(path string) string {
	id, ok := strings.CutPrefix(path, "/runs/")
	if !ok {
		return ""
	}
	action := ""
	for _, name := range ofOneRun {
		if short, ends := strings.CutSuffix(id, "/"+name); ends {
			id, action = short, "/"+name
		}
	}
	if !strings.Contains(id, "/") {
		return ""
	}
	return runPath(id) + action
}

func badHeader(name, want string) error {
	return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "the header " + name + " is not " + want}
}

// noRoute answers a path that no route has.
func (h *Handler) noRoute(x *front.Exchange) error {
	path := x.Request.URL.Path
	hint := "GET / lists what is served"
	if near := h.nearPath(x.Caller, path); near != "" {
		hint = "did you mean " + near + "?"
	}
	return notFound("nothing is served at this path", hint)
}

// nearPath finds what a mistyped path may have meant, of what the caller may use.
func (h *Handler) nearPath(c access.Caller, path string) string {
	trimmed := strings.TrimRight(path, "/")
	var fixed []string
	for _, rt := range Routes() {
		if !strings.Contains(rt.Pattern, "{") && rt.Pattern != "/" && h.answers(c, rt.Pattern) {
			fixed = append(fixed, rt.Pattern)
		}
	}
	segments := strings.Split(strings.TrimPrefix(trimmed, "/"), "/")
	switch {
	case slices.Contains(fixed, trimmed):
		return trimmed
	case ofRun(trimmed) != "":
		return ofRun(trimmed)
	case len(segments) > 0 && len(segments) <= 3 && segments[0] == "api" && len(segments) > 1 && h.modelFor(c, segments[1]) != nil:
		return "/api/" + segments[1]
	case len(segments) == 1 && h.modelFor(c, segments[0]) != nil:
		return "/api/" + segments[0]
	case len(segments) == 1 && h.workflows[segments[0]] != nil && access.MayStart(c, h.workflows[segments[0]].Workflow) == nil:
		return "/workflows/" + segments[0] + "/execute"
	}
	return dataflow.Suggest(trimmed, fixed)
}

// answers reports whether there is anything for a caller at a route without
// variables.
func (h *Handler) answers(c access.Caller, pattern string) bool {
	switch pattern {
	case metricsPattern:
		return h.o.Metrics != nil && (!h.o.Asks || access.MaySeeMetrics(c) == nil)
	case statusPattern:
		if h.o.Status == nil {
			return false
		}
		_, ok := h.o.Status()
		return ok
	case batchPattern:
		return len(h.pathsFor(c)) > 0
	}
	return true
}

// modelFor is a model that is served, if the caller may do anything with it.
func (h *Handler) modelFor(c access.Caller, path string) *model {
	if m := h.models[path]; m != nil && len(m.opsFor(c)) > 0 {
		return m
	}
	return nil
}

// opsFor lists what is served of a model and the caller may do.
func (m *model) opsFor(c access.Caller) []dataflow.OpKind {
	var ops []dataflow.OpKind
	for _, op := range m.exp.Served() {
		if m.ops.May(c, op) == nil {
			ops = append(ops, op)
		}
	}
	return ops
}

// noModel answers the name of a model that is not exposed.
func (h *Handler) noModel(c access.Caller, name string) error {
	hint := ""
	if near := dataflow.Suggest(name, h.pathsFor(c)); near != "" {
		hint = "did you mean /api/" + near + "?"
	} else if exp := h.byModelName(c, name); exp != nil {
		hint = "did you mean /api/" + exp.Path + "?"
	} else if len(h.app.Exposures) == 0 {
		hint = "the app exposes no models: app.expose(Model) does"
	} else {
		hint = "GET / lists what is served"
	}
	return notFound("no model is served as "+quote(name), hint)
}

// byModelName finds what is served of a model, if the caller may do any of it.
func (h *Handler) byModelName(c access.Caller, name string) *dataflow.Exposure {
	for _, exp := range h.app.Exposures {
		if (strings.EqualFold(exp.Model.Name, name) || exp.Model.Table == name) && h.modelFor(c, exp.Path) != nil {
			return exp
		}
	}
	return nil
}

// pathsFor lists the paths of models with which the caller may do something:
// others are not suggested.
func (h *Handler) pathsFor(c access.Caller) []string {
	var paths []string
	for _, exp := range h.app.Exposures {
		if h.modelFor(c, exp.Path) != nil {
			paths = append(paths, exp.Path)
		}
	}
	return paths
}

func (h *Handler) noWorkflow(c access.Caller, name string) error {
	names := make([]string, 0, len(h.app.Workflows))
	for _, wf := range h.app.Workflows {
		if access.MayStart(c, wf) == nil {
			names = append(names, wf.Name)
		}
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" {
		hint = "GET /workflows lists them"
	}
	return notFound("there is no workflow "+quote(name), hint)
}

// alsoServed lists what routes serve besides JSON, by their pattern.
func alsoServed(pattern string) []string {
	switch pattern {
	case eventsPattern, "/runs/{id}/events":
		return []string{"text/event-stream"}
	case collectionPattern:
		return []string{csvType, ndjsonType}
	}
	return nil
}

// acceptable refuses a client that wants none of what a route has: JSON, and
// what else it serves.
func acceptable(r *http.Request, pattern string) error {
	for _, accept := range r.Header["Accept"] {
		if accept == "*/*" || accept == "application/json" {
			return nil
		}
	}
	accepts := r.Header["Accept"]
	if len(accepts) == 0 {
		return nil
	}
	also := alsoServed(pattern)
	for part := range strings.SplitSeq(strings.Join(accepts, ","), ",") {
		kind, params, _ := strings.Cut(part, ";")
		switch kind = strings.ToLower(strings.TrimSpace(kind)); {
		case refusedByQuality(params):
		case kind == "" || kind == "*/*" || kind == "application/*" || kind == "application/json":
			return nil
		case strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"), slices.Contains(also, kind):
			return nil
		case kind == "text/event-stream" && strings.HasSuffix(r.URL.Path, "/events"): // what browsers ask for
			return nil
		}
	}
	return &dataflow.Error{Code: "not_acceptable", Status: dataflow.StatusInvalid,
		Message: "the Accept header leaves out all that there is: " + strings.Join(append(also, "application/json"), ", "),
		Hint:    "send Accept: application/json"}
}

// takesEvents refuses a client that does not take a stream of events, where there
// is nothing else.
func takesEvents(r *http.Request) error {
	accepts := strings.Join(r.Header["Accept"], ",")
	if accepts == "" {
		return nil
	}
	for part := range strings.SplitSeq(accepts, ",") {
		kind, params, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "*/*", "text/*", "text/event-stream":
			if !refusedByQuality(params) {
				return nil
			}
		}
	}
	return &dataflow.Error{Code: "not_acceptable", Status: dataflow.StatusInvalid,
		Message: "the Accept header leaves out all that there is: text/event-stream", Hint: "send Accept: text/event-stream"}
}

// refusedByQuality reports whether the parameters of a media range hold q=0.
func refusedByQuality(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(p)), "q="); ok {
			return strings.Trim(q, "0.") == ""
		}
	}
	return false
}

// quote shows a name that a caller gave, in bounded length.
func quote(name string) string {
	const longest = 60
	if r := []rune(name); len(r) > longest {
		name = string(r[:longest]) + "…"
	}
	return `"` + name + `"`
}
