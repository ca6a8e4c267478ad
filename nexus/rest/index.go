package rest

import (
	"net/http"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/docs"
	"github.com/flowctl/flowctl/nexus/front"
)

// serveIndex says in short what is served. Who asks for a page gets the one
// there is.
func (h *Handler) serveIndex(x *front.Exchange) error {
	x.Vary("Accept")
	if wantsPage(x.Request) {
		x.Header()["Location"] = []string{docs.Path}
		x.Empty(http.StatusSeeOther)
		return nil
	}
	x.Out = append(x.Out, h.index()...)
	x.Header()["Cache-Control"] = noCache
	sendHashed(x)
	return nil
}

func (h *Handler) buildIndex() []byte {
	app := access.Possible(h.app)
	models := make([]any, len(app.Exposures))
	for i, exp := range app.Exposures {
		served := exp.Served()
		ops := make([]any, len(served))
		for j, op := range served {
			ops[j] = op.String()
		}
		models[i] = dataflow.ObjectOf("name", exp.Model.Name, "path", "/api/"+exp.Path, "operations", ops)
	}
	workflows := make([]any, len(app.Workflows))
	for i, wf := range app.Workflows {
		workflows[i] = dataflow.ObjectOf("name", wf.Name, "path", "/workflows/"+wf.Name)
	}
	name := "flowctl"
	if h.app.Server != nil && h.app.Server.Name != "" {
		name = h.app.Server.Name
	}
	return codec.AppendValue(nil, dataflow.ObjectOf(
		"name", name,
		"models", models,
		"workflows", workflows,
		"links", dataflow.ObjectOf("openapi", "/openapi.json", "docs", docs.Path, "workflows", "/workflows", "live", "/health/live", "ready", "/health/ready"),
	))
}

// wantsPage reports whether a client asks for HTML by name, as browsers do.
func wantsPage(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		kind, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "text/html") && !refusedByQuality(params) {
			return true
		}
	}
	return false
}

// page serves the page that shows the API in a browser, and its files.
func (h *Handler) page(x *front.Exchange) error {
	files, err := h.docs()
	if err != nil {
		return dataflow.Internal(err)
	}
	f := files[variable(x, "file")]
	if f == nil {
		return notFound("the page has no such file", "the page itself is at "+docs.Path)
	}
	return f.Serve(x, x.Request)
}

// document serves the OpenAPI document.
func (h *Handler) document(x *front.Exchange) error {
	text, tag := h.o.Document()
	x.Header()["Cache-Control"] = noCache
	x.Out = append(x.Out, text...)
	x.SendTagged(tag)
	return nil
}

// status serves how the last reload of the app went, where it is reloaded.
func (h *Handler) status(x *front.Exchange) error {
	var text []byte
	ok := false
	if h.o.Status != nil {
		text, ok = h.o.Status()
	}
	if !ok {
		return notFound("how the app was reloaded is not shown here", "flowctl dev shows it, on an address of this machine alone")
	}
	x.Header()["Cache-Control"] = []string{"no-store"}
	x.Out = append(x.Out, text...)
	x.Send(http.StatusOK)
	return nil
}
