package auth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// MetadataPath is where clients learn who issues tokens for the app (RFC 9728).
// Behind it stands the path of what they are for: "", "/mcp", or a toolset's.
const MetadataPath = "/.well-known/oauth-protected-resource"

// described returns the path of which a path is that of the document, and
// whether it is one.
func (g *Guard) described(path string) (of string, ok bool) {
	of, ok = strings.CutPrefix(path, MetadataPath)
	return of, ok && of == g.resource(of)
}

// Challenge returns what the header WWW-Authenticate of a refusal says (RFC
// 6750, 3), or "" if it is none about who calls.
func (g *Guard) Challenge(r *http.Request, e *dataflow.Error) string {
	reason := ""
	switch e.Code {
	case "unauthenticated": // says nothing more: nothing was wrong with what was not there
	case "invalid_credentials":
		reason = `, error="invalid_token", error_description="` + quoted(e.Message) + `"`
	case "insufficient_scope":
		reason = `, error="insufficient_scope", scope="` + quoted(access.ScopeOf(e)) + `"`
	default:
		return ""
	}
	where := ""
	if len(g.o.Auth.IssuerURLs()) > 0 {
		where = `, resource_metadata="` + quoted(g.origin(r)+MetadataPath+g.resource(r.URL.Path)) + `"`
	}
	return `Bearer realm="` + quoted(g.o.Name) + `"` + where + reason
}

// quoted makes a text fit to stand between quotes in a header.
func quoted(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// resource is the path that a token is for: the API is one resource, and each
// address of MCP another, for a client holds the document's to the address that
// it called (RFC 9728, 3.3).
func (g *Guard) resource(path string) string {
	switch {
	case path != "/mcp" && !strings.HasPrefix(path, "/mcp/"):
		return ""
	case g.o.Toolset != nil && g.o.Toolset(path):
		return path
	}
	return "/mcp"
}

// origin is where a caller reaches the app.
func (g *Guard) origin(r *http.Request) string {
	switch {
	case g.o.Auth.PublicURL != "":
		return g.o.Auth.PublicURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// Metadata returns the document that a request asks for about who issues tokens,
// if it asks for one and anybody does.
func (g *Guard) Metadata(r *http.Request) ([]byte, bool) {
	of, ok := g.described(r.URL.Path)
	issuers := g.o.Auth.IssuerURLs()
	if !ok || len(issuers) == 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, false
	}
	o := dataflow.ObjectOf(
		"resource", g.origin(r)+of,
		"authorization_servers", anys(issuers),
		"bearer_methods_supported", []any{"header"},
		"resource_name", g.o.Name,
	)
	if slices.ContainsFunc(g.issuers, func(is *issuer) bool { return is.Scopes != "" }) {
		// The wide ones: the narrow ones name what is served, to whoever asks.
		o.Set("scopes_supported", []any{"read", "write", "workflows"})
	}
	return codec.AppendValue(nil, o), true
}
