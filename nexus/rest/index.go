package rest

import (
	"bytes"
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/front"
)

// serveIndex says in short what is served.
func (h *Handler) serveIndex(x *front.Exchange) error {
	x.Out = append(x.Out, h.index()...)
	x.Send(http.StatusOK)
	return nil
}

func (h *Handler) buildIndex() []byte {
	models := make([]any, len(h.app.Exposures))
	for i, exp := range h.app.Exposures {
		served := exp.Served()
		ops := make([]any, len(served))
		for j, op := range served {
			ops[j] = op.String()
		}
		models[i] = dataflow.ObjectOf("name", exp.Model.Name, "path", "/api/"+exp.Path, "operations", ops)
	}
	workflows := make([]any, len(h.app.Workflows))
	for i, wf := range h.app.Workflows {
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
		"links", dataflow.ObjectOf("openapi", "/openapi.json", "workflows", "/workflows", "live", "/health/live", "ready", "/health/ready"),
	))
}

// document serves the OpenAPI document.
func (h *Handler) document(x *front.Exchange) error {
	text, tag := h.o.Document()
	header := x.Header()
	header["Etag"] = []string{tag}
	header["Cache-Control"] = noCache
	for _, known := range x.Request.Header["If-None-Match"] {
		if bytes.Contains([]byte(known), []byte(tag)) {
			x.Empty(http.StatusNotModified)
			return nil
		}
	}
	x.Out = append(x.Out, text...)
	x.Send(http.StatusOK)
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
