package main

import (
	"fmt"
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus"
)

// handler mounts the app beside a route of this program: /go/{slug} leads to
// the bookmark of that name.
func handler(gen *nexus.Generation) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", gen.API())
	mux.Handle("/mcp", gen.MCP())
	mux.HandleFunc("GET /go/{slug}", func(w http.ResponseWriter, r *http.Request) {
		follow(w, r, gen.Engine())
	})
	return mux
}

// follow runs a workflow of the app from Go.
func follow(w http.ResponseWriter, r *http.Request, e *engine.Engine) {
	found, err := e.Run(r.Context(), engine.Request{
		Workflow: "find",
		Inputs:   dataflow.ObjectOf("slug", r.PathValue("slug")),
	})
	if err != nil {
		refuse(w, dataflow.AsError(err))
		return
	}
	bookmark, _ := found.Outputs.(*dataflow.Object).Get("bookmark")
	link, _ := bookmark.(*dataflow.Object).Get("url")
	http.Redirect(w, r, link.(string), http.StatusFound)
}

func refuse(w http.ResponseWriter, err *dataflow.Error) {
	status := http.StatusInternalServerError
	if err.Status == dataflow.StatusNotFound {
		status = http.StatusNotFound
	}
	http.Error(w, fmt.Sprintf("%s: %s", err.Code, err.Message), status)
}
