package front

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// What a page of another origin may do once it is allowed.
const (
	allowMethods  = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	allowHeaders  = "Accept, Content-Type, Content-Encoding, Authorization, X-API-Key, If-Match, If-None-Match, Idempotency-Key, Prefer, X-Request-ID, X-Tenant-ID, Traceparent, Tracestate, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID"
	exposeHeaders = "ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Preference-Applied, Idempotent-Replayed, X-Request-ID, X-Flowctl-Stale, Allow, Accept-Post, Content-Disposition, Mcp-Session-Id"
)

// crossOrigin applies the rules for a request that a page of some origin
// makes. A preflight is answered here.
func (h *Handler) crossOrigin(x *Exchange, r *http.Request, origin string) (done bool, err error) {
	header := x.Header()
	x.Vary("Origin")
	if sameHost(origin, r.Host) {
		return false, nil
	}
	if !h.any && !h.origins[strings.ToLower(origin)] {
		return false, &dataflow.Error{Code: "origin_not_allowed", Status: dataflow.StatusForbidden,
			Message: "pages of this origin may not call the server",
			Hint:    "to allow them, add the origin to cors_origins of Nexus(...)"}
	}
	if h.any {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Set("Access-Control-Allow-Methods", allowMethods)
		header.Set("Access-Control-Allow-Headers", allowHeaders)
		header.Set("Access-Control-Max-Age", "600")
		x.Route = "preflight"
		x.WriteHeader(http.StatusNoContent)
		return true, nil
	}
	header.Set("Access-Control-Expose-Headers", exposeHeaders)
	return false, nil
}

// sameHost reports whether a page's origin is the server itself. The scheme is
// left out: a proxy before us may have ended TLS.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// Loopback puts a check before a handler that only this machine can reach:
// the Host must be a name of this machine, or of an allowed origin. Without it
// a web page whose name is made to resolve to 127.0.0.1 could call the server
// as if it were its own (DNS rebinding).
func Loopback(next *Handler) http.Handler {
	allowed := make(map[string]bool)
	for origin := range next.origins {
		if u, err := url.Parse(origin); err == nil {
			allowed[u.Hostname()] = true
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if next.any || loopbackName(r.Host) || allowed[strings.ToLower(hostname(r.Host))] {
			next.ServeHTTP(w, r)
			return
		}
		x := next.begin(w, r)
		defer next.end(x)
		x.Fail(&dataflow.Error{Code: "misdirected", Status: dataflow.StatusForbidden,
			Message: "the server listens on this machine only, and the request's Host is not a name of it",
			Hint:    "call it as localhost or 127.0.0.1; behind a proxy, add the public origin to cors_origins of Nexus(...)"})
	})
}

func loopbackName(hostport string) bool {
	switch host := hostname(hostport); host {
	case "localhost", "127.0.0.1", "::1", "[::1]":
		return true
	default:
		if strings.HasSuffix(strings.ToLower(host), ".localhost") || strings.EqualFold(host, "localhost") {
			return true
		}
		ip := net.ParseIP(host)
		return ip != nil && ip.IsLoopback()
	}
}

// hostname is a Host header without its port.
func hostname(hostport string) string {
	i := strings.LastIndexByte(hostport, ':')
	if i < 0 || strings.HasSuffix(hostport, "]") {
		return hostport
	}
	return hostport[:i]
}
