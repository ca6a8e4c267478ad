package nexus

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// staleHeader says on every answer that what is served is not what the app's
// files say, because they can't be served: how many errors there are, and which
// generation it is that still answers.
const staleHeader = "X-Flowctl-Stale"

// Status is what /_flow/status shows of an app that is reloaded.
type Status struct {
	Generation  int                   // that is served, counted from 1
	Since       time.Time             // when it began to serve
	Tried       time.Time             // when the files were last loaded
	Files       []string              // that were read then, by path below the app's folder
	Stale       bool                  // they can't be served, and an earlier state of them is
	Changes     []string              // of the generation that is served, to the one before it
	Diagnostics []dataflow.Diagnostic // of the files as they are
}

// statusVersion is the version of the form. Names may be added within a
// version; none changes its meaning or goes.
const statusVersion = 1

// MarshalJSON implements json.Marshaler. Diagnostics have the form that
// flowctl check --format json gives them.
func (s Status) MarshalJSON() ([]byte, error) {
	count := func(v dataflow.Severity) (n int) {
		for _, d := range s.Diagnostics {
			if d.Severity == v {
				n++
			}
		}
		return n
	}
	list := func(names []string) []string { return append([]string{}, names...) }
	return json.Marshal(struct {
		Version     int                   `json:"version"`
		Generation  int                   `json:"generation"`
		Since       time.Time             `json:"since"`
		Tried       time.Time             `json:"tried"`
		Stale       bool                  `json:"stale"`
		Files       []string              `json:"files"`
		Changes     []string              `json:"changes"`
		Diagnostics []dataflow.Diagnostic `json:"diagnostics"`
		Errors      int                   `json:"errors"`
		Warnings    int                   `json:"warnings"`
	}{statusVersion, s.Generation, s.Since.UTC(), s.Tried.UTC(), s.Stale, list(s.Files), list(s.Changes),
		append([]dataflow.Diagnostic{}, s.Diagnostics...), count(dataflow.SeverityError), count(dataflow.SeverityWarning)})
}

// Reloaded counts a reload, where metrics are counted.
func (s *Server) Reloaded(ok bool) { s.shared.observer.Reloaded(ok) }

// SetStatus says how the last reload went. Answers say if what is served is
// stale; all of it is shown at /_flow/status, if show is set and the server can
// be reached from this machine alone: diagnostics name files, and what is in
// them.
func (s *Server) SetStatus(st Status, show bool) {
	if !st.Stale {
		s.stale.Store(nil)
	} else {
		errors := 0
		for _, d := range st.Diagnostics {
			if d.Severity == dataflow.SeverityError {
				errors++
			}
		}
		s.stale.Store(&[]string{fmt.Sprintf("generation=%d, errors=%d", st.Generation, errors)})
	}
	if show && s.loopback() {
		s.shared.status.Store(&st)
	}
}

// Unapplied says which settings of a generation need a restart: what a server
// listens on is settled when it begins to.
func (s *Server) Unapplied(g *Generation) []dataflow.Diagnostic {
	was, now := &s.settings, &g.settings
	var ds []dataflow.Diagnostic
	differs := func(option string, differs bool, what string) {
		if differs {
			ds = append(ds, dataflow.Diagnostic{Code: "FC736", Severity: dataflow.SeverityWarning, Span: portSpan(now, "/"+option),
				Message: "a reload does not change what the server listens on: restart it to " + what,
				Hint:    "all else of the file is served"})
		}
	}
	differs("host", was.Host != now.Host, fmt.Sprintf("listen on %s instead of %s", now.Host, was.Host))
	differs("api_port", was.APIPort != now.APIPort, fmt.Sprintf("serve REST on port %d instead of %d", now.APIPort, was.APIPort))
	switch {
	case was.MCPStdioOnly && !now.MCPStdioOnly:
		differs("enable_http_transport", true, "serve MCP over HTTP")
	case !was.MCPStdioOnly && now.MCPStdioOnly:
		differs("enable_http_transport", true, "serve MCP over HTTP no more")
	default:
		differs("mcp_port", was.MCPPort != now.MCPPort && !was.MCPStdioOnly, fmt.Sprintf("serve MCP on port %d instead of %d", now.MCPPort, was.MCPPort))
	}
	return ds
}
