// Package auth says who asks. It is the one place where the caller of a request
// is made, by an API key or a token, for every channel; what a caller may do is
// decided by dataflow/access. It knows nothing of routes, tools or operations.
package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// TenantHeader names the header that says on behalf of which tenant a call is
// made.
const TenantHeader = "X-Tenant-ID"

// Anyone identifies callers of an app that asks nobody who they are: they are
// of the tenant that they say they are of.
func Anyone(r *http.Request) (access.Caller, error) {
	tenant, err := tenantOf(r)
	return access.Caller{Tenant: tenant}, err
}

// tenantOf reads the header, which may be missing or empty.
func tenantOf(r *http.Request) (string, error) {
	tenants := r.Header["X-Tenant-Id"]
	switch {
	case len(tenants) == 0 || len(tenants) == 1 && tenants[0] == "":
		return "", nil
	case len(tenants) == 1 && access.ValidTenant(tenants[0]):
		return tenants[0], nil
	}
	return "", &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "the header " + TenantHeader + " must name one tenant",
		Hint:    fmt.Sprintf("send it once, with 1 to %d bytes of text", access.MaxTenant)}
}

// Options are what a Guard needs.
type Options struct {
	Auth   *dataflow.Auth
	Keys   *Keys    // nil: there is no table for them
	Sets   *KeySets // of issuers; they may outlive the Guard
	Name   string   // of the app
	Now    func() time.Time
	Logger *slog.Logger
	// Open says of which paths, encoded, callers may be nobody in particular.
	Open func(path string) bool
	// Toolset says which paths below /mcp are addresses of their own; nil: none.
	Toolset func(path string) bool
}

// Guard identifies the callers of an app that asks who they are. It is safe for
// concurrent use.
type Guard struct {
	o       Options
	issuers []*issuer
	known   recent
	heads   heads
	busy    sync.WaitGroup // what is done beside requests
}

// New returns the guard of an app.
func New(o Options) *Guard {
	g := &Guard{o: o}
	for _, i := range o.Auth.Issuers {
		g.issuers = append(g.issuers, newIssuer(i, o.Sets))
	}
	return g
}

// Close waits for what is done beside requests.
func (g *Guard) Close() { g.busy.Wait() }

// Identify returns who makes a request, or why that is not known.
func (g *Guard) Identify(r *http.Request) (access.Caller, error) {
	text, err := credential(r)
	switch {
	case err != nil:
		return access.Caller{}, err
	case text == "":
		return g.nobody(r)
	}
	e, err := g.find(r.Context(), text)
	if err != nil {
		return access.Caller{}, err
	}
	return e.on(r)
}

// Caller returns whose a key or a token is, for channels without requests.
// tenant, if it is not "", is the one that its bearer names.
func (g *Guard) Caller(ctx context.Context, credential, tenant string) (access.Caller, error) {
	if !wellFormed(credential) {
		return access.Caller{}, notGood(credential)
	}
	e, err := g.find(ctx, credential)
	if err != nil {
		return access.Caller{}, err
	}
	c := e.caller
	switch {
	case tenant == "" || tenant == c.Tenant:
		return c, nil
	case !e.anyTenant:
		return access.Caller{}, tenantFixed()
	}
	c.Tenant = tenant
	return c, nil
}

// nobody answers for a request that does not say who makes it.
func (g *Guard) nobody(r *http.Request) (access.Caller, error) {
	if _, ok := g.described(r.URL.Path); ok || g.o.Open != nil && g.o.Open(r.URL.EscapedPath()) {
		if len(r.Header["X-Tenant-Id"]) > 0 {
			return access.Caller{}, tenantFixed()
		}
		return access.Caller{}, nil
	}
	e := &dataflow.Error{Code: "unauthenticated", Status: dataflow.StatusUnauthorized, Message: "the request does not say who makes it",
		Hint: "send Authorization: Bearer with an API key, which flowctl keys create makes"}
	if len(g.issuers) > 0 {
		e.Hint = "send Authorization: Bearer with a token, or with an API key, which flowctl keys create makes"
	}
	if inQuery(r.URL.RawQuery) {
		e.Hint = "send it as Authorization: Bearer: addresses are kept in logs and histories, so that a key in one is refused"
	}
	return access.Caller{}, e
}

// inQuery reports whether a query seems to hold a key or token.
func inQuery(query string) bool {
	return strings.Contains(query, KeyMark) || strings.Contains(query, "access_token=") || strings.Contains(query, "api_key=")
}

func tenantFixed() error {
	return &dataflow.Error{Code: "tenant_fixed", Status: dataflow.StatusForbidden, Message: "the caller may not choose the tenant",
		Hint: "leave the header " + TenantHeader + " out: the key or token says whose it is"}
}

// find returns what a key or token stands for.
func (g *Guard) find(ctx context.Context, text string) (*entry, error) {
	now := g.o.Now()
	digest := sha256.Sum256([]byte(text))
	e := g.known.get(digest)
	if e != nil {
		if good, err := e.stands(ctx, g, now); good || err != nil {
			return e, err
		}
		g.known.drop(digest)
	}
	var err error
	if strings.HasPrefix(text, KeyMark) {
		e, err = g.byKey(ctx, text, digest, now)
	} else {
		e, err = g.byToken(ctx, text, now)
	}
	if err != nil {
		return nil, err
	}
	g.known.put(digest, e)
	return e, nil
}

// entry is what a key or token was found to stand for.
type entry struct {
	caller    access.Caller
	anyTenant bool      // it may choose
	until     time.Time // it is good; zero: until it is revoked

	key *keyState // of a key
	set *keySet   // of a token by public keys: that which it was checked by
	by  *publicKeys
}

// stands reports whether what was found is still true.
func (e *entry) stands(ctx context.Context, g *Guard, now time.Time) (bool, error) {
	switch {
	case !e.until.IsZero() && !now.Before(e.until):
		return false, nil
	case e.key != nil:
		return e.key.stands(ctx, g, now)
	case e.set != nil:
		return e.set.stands(e.by, now), nil
	}
	return true, nil
}

// on is the caller as a request has it.
func (e *entry) on(r *http.Request) (access.Caller, error) {
	if len(r.Header["X-Tenant-Id"]) == 0 {
		return e.caller, nil
	}
	if !e.anyTenant {
		return access.Caller{}, tenantFixed()
	}
	c := e.caller
	var err error
	c.Tenant, err = tenantOf(r)
	return c, err
}
