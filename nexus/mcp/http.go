package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// requestKey is the context key of the *request a message came with.
type requestKey struct{}

// request is what a call needs of the HTTP request it came with. Its context
// is the connection's own: the library's is shared by all sessionless clients
// that number their requests alike, so that one could cancel another's.
type request struct {
	ctx    context.Context
	caller access.Caller
	err    error
}

// Handler serves the protocol over Streamable HTTP. It keeps no sessions: any
// process may answer any request.
func (s *Server) Handler() http.Handler {
	inner := sync.OnceValue(func() http.Handler {
		return server.NewStreamableHTTPServer(s.inner(),
			server.WithStateLess(true),
			server.WithDisableStreaming(true), // nothing is ever pushed
			server.WithStreamableHTTPLogger(s.o.Logger),
			server.WithHTTPContextFunc(func(ctx context.Context, r *http.Request) context.Context {
				return context.WithValue(ctx, requestKey{}, newRequest(r))
			}),
		)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recoverHTTP(w)
		if !s.originAllowed(r) {
			refuse(w, http.StatusForbidden, "pages of this origin may not call the server; to allow them, add the origin to cors_origins of Nexus(...)")
			return
		}
		if r.Method == http.MethodPost && !s.readBody(w, r) {
			return
		}
		inner().ServeHTTP(w, r)
	})
}

func newRequest(r *http.Request) *request {
	req := &request{ctx: r.Context()}
	if c, ok := callerFrom(r.Context()); ok {
		req.caller = c
		return req
	}
	req.caller, req.err = auth.Anyone(r)
	return req
}

func (s *Server) recoverHTTP(w http.ResponseWriter) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.o.Logger.Error("panic while serving MCP", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		refuse(w, http.StatusInternalServerError, "something went wrong inside the server")
	}
}

// originAllowed keeps web pages of elsewhere from calling a server that only
// the user's own machine or network can reach.
func (s *Server) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" { // no browser
		return true
	}
	if slices.ContainsFunc(s.o.Origins, func(o string) bool {
		return o == "*" || strings.EqualFold(strings.TrimRight(o, "/"), origin)
	}) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// readBody reads the message, within its limit, for the library, which has
// none. It answers itself if it can't.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.o.MaxBody))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the message is larger than %d bytes; send less at a time, or raise max_body of Nexus(...)", s.o.MaxBody))
			return false
		}
		refuse(w, http.StatusBadRequest, "the message can't be read")
		return false
	}
	if answer := s.misread(body); answer != nil {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer) // an error means that the client is gone
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

// refuse answers a request that is none of the protocol's with an error in
// its form.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error means that the client is gone; nobody is left to tell.
	_, _ = w.Write(protocolError(mcp.INVALID_REQUEST, message))
}
