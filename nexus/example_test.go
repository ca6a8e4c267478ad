package nexus_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
)

// A program can build an app itself, or load one with package starlark, and
// mount it in a server of its own.
func ExampleBuild() {
	db := &dataflow.Database{Name: "db", URL: "sqlite::memory:", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	note := &dataflow.Model{Name: "Note", Table: "notes", Database: db, Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.Int, System: dataflow.RoleID},
		{Name: "text", Type: dataflow.String},
		{Name: "created_at", Type: dataflow.DateTime, System: dataflow.RoleCreatedAt},
		{Name: "updated_at", Type: dataflow.DateTime, System: dataflow.RoleUpdatedAt},
	}}
	note.Seal()
	db.Models = []*dataflow.Model{note}
	app := &dataflow.App{
		Databases: []*dataflow.Database{db},
		Exposures: []*dataflow.Exposure{{Model: note, Path: "notes", Ops: dataflow.Ops()}},
	}

	gen, diagnostics := nexus.Build(context.Background(), app, nexus.Options{})
	if gen == nil {
		fmt.Println(diagnostics)
		return
	}
	defer gen.Close()
	mux := http.NewServeMux()
	mux.Handle("/", gen.API())
	mux.Handle("/mcp", gen.MCP())

	r := httptest.NewRequest("POST", "/api/notes", strings.NewReader(`{"text": "hello"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 201 /api/notes/1
}
