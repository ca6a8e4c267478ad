package nexus

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus/client"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/flowctl/flowctl/nexus/openapi"
)

// Check finds everything that can be found without touching a database.
func Check(app *dataflow.App, o Options) []dataflow.Diagnostic {
	_, ds := plan(app, o)
	return ds
}

// Document returns the OpenAPI document that app would serve, without touching
// a database. It is nil if a diagnostic is an error.
func Document(app *dataflow.App, o Options) ([]byte, []dataflow.Diagnostic) {
	p, ds := plan(app, o)
	if p == nil {
		return nil, ds
	}
	text, _ := openapi.Document(app, p)
	return text, ds
}

// Client returns the source of a client of app in a language, without touching
// a database. It is nil if a diagnostic is an error. pkg is the name of its
// package, where the language has such.
func Client(app *dataflow.App, o Options, l client.Language, pkg string) ([]client.File, []dataflow.Diagnostic, error) {
	p, ds := plan(app, o)
	if p == nil {
		return nil, ds, nil
	}
	files, err := client.Write(l, app, p, pkg)
	return files, ds, err
}

// plan is what Check and Build have in common. The plan is nil if a diagnostic
// is an error.
func plan(app *dataflow.App, o Options) (*engine.Plan, []dataflow.Diagnostic) {
	p, ds := engine.NewPlan(app, o.nodeTypes())
	ds = append(ds, checkDatabases(app, o)...)
	ds = append(ds, checkServer(app)...)
	ds = append(ds, checkMonitoring(app)...)
	if p != nil { // tools are named after paths and workflows, which must be sound
		ds = append(ds, mcp.Check(app)...)
	}
	ds = dataflow.SortDiagnostics(ds)
	if dataflow.HasErrors(ds) {
		return nil, ds
	}
	return p, ds
}

// urlChecker is a store.Opener that can tell from a URL alone that it could
// not open the database.
type urlChecker interface {
	CheckURL(db *dataflow.Database) []dataflow.Diagnostic
}

func checkDatabases(app *dataflow.App, o Options) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for _, db := range app.Databases {
		scheme := scheme(db)
		if opener := o.opener(scheme); opener != nil {
			if c, ok := opener.(urlChecker); ok {
				ds = append(ds, c.CheckURL(db)...)
			}
			continue
		}
		if db.URL == "" && !db.Span.IsZero() { // in a file, that it is missing has been said
			continue
		}
		d := dataflow.Diagnostic{Code: "FC701", Severity: dataflow.SeverityError, Span: db.URLSpan(),
			Message: fmt.Sprintf("no database engine answers to %q", scheme+":"),
			Hint:    `write database_url = "sqlite:app.db" for a file beside the app, or "postgres://user@host/name"`}
		switch {
		case !strings.Contains(db.URL, ":"):
			// What has no scheme may be anything, a password too: don't show it.
			d.Message = "database_url has no scheme that says which engine it is for"
		default:
			if near := dataflow.Suggest(scheme, o.schemes()); near != "" {
				d.Hint = "did you mean \"" + near + ":\"?"
			}
		}
		ds = append(ds, d)
	}
	return ds
}

// scheme is what a database's URL starts with.
func scheme(db *dataflow.Database) string {
	s, _, _ := strings.Cut(db.URL, ":")
	return s
}

func checkServer(app *dataflow.App) []dataflow.Diagnostic {
	s := app.Server
	if s == nil || s.APIPort == 0 || s.APIPort != s.MCPPort || s.MCPStdioOnly {
		return nil
	}
	return []dataflow.Diagnostic{{Code: "FC704", Severity: dataflow.SeverityError, Span: portSpan(s, "/mcp_port"),
		Message: fmt.Sprintf("api_port and mcp_port are both %d", s.APIPort),
		Related: []dataflow.Related{{Message: "api_port", Span: portSpan(s, "/api_port")}},
		Hint:    "give each a port of its own"}}
}

// checkMonitoring warns of metrics that nobody would see.
func checkMonitoring(app *dataflow.App) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for _, db := range app.Databases {
		if db.Options.Monitoring && app.Server != nil && !app.Server.Monitoring {
			ds = append(ds, dataflow.Diagnostic{Code: "FC730", Severity: dataflow.SeverityWarning, Span: db.OptionSpan("monitoring"),
				Message: "the metrics of " + db.Name + " are shown nowhere: the server has none",
				Hint:    "write enable_monitoring = True in Nexus(...), or leave monitoring out"})
		}
	}
	return ds
}

func portSpan(s *dataflow.Server, option string) dataflow.Span {
	if at := s.Spans.At(option); !at.IsZero() {
		return at
	}
	return s.Span
}
