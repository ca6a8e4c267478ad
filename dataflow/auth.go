package dataflow

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Auth is how callers say who they are, in an app that asks. API keys always
// do; Issuers are those whose tokens do as well.
type Auth struct {
	Issuers   []*Issuer
	PublicURL string // where callers reach the app, without a path; "": where they say they do
}

// Issuer is jwt(...): who signs tokens, and what a token says of its bearer.
// It has a Secret or a JWKS.
type Issuer struct {
	Secret    string   // that the issuer shares with the app; never shown
	JWKS      string   // the address of the issuer's public keys
	Issuer    string   // the claim iss that a token must have; "": any
	Audience  []string // one of them a token must be for; none: whomever it is for
	Prefix    string   // before a user's id, so that two issuers' users differ
	User      string   // the claim that is the user's id
	Roles     string   // the claims with roles, tenant and scopes; "": there is none
	Tenant    string
	Scopes    string
	Claims    []string // shown as parts of ctx.user
	ClockSkew time.Duration
	Span      Span
	Spans     Spans
}

// Bounds of what an Issuer may be.
const (
	MinTokenSecret = 32 // bytes: as long as the digest that is made with it (RFC 7518, 3.2)
	MaxClockSkew   = 5 * time.Minute
)

// keyUserPrefix begins the ids of those who call by an API key.
const keyUserPrefix = "key:"

// KeyUser is the id that ctx.user has for who calls by an API key, unless the
// key is somebody's. No token's bearer has one like it.
func KeyUser(key string) string { return keyUserPrefix + key }

// KeyOfUser is the key that KeyUser names.
func KeyOfUser(id string) (key string, ok bool) { return strings.CutPrefix(id, keyUserPrefix) }

// IsKeyUser reports whether an id is a key's.
func IsKeyUser(id string) bool { return strings.HasPrefix(id, keyUserPrefix) }

// auth checks who is to be known, and how.
func (v *validator) auth() {
	s := v.app.Server
	if s == nil {
		return
	}
	if s.EnableAuth && len(s.Auth.Issuers) == 0 && !s.Spans.Refused("/auth") && !v.keepsKeys() {
		v.error("FC723", s.Spans.At("/enable_auth"), "declare a DataFlow whose tables flowctl makes, or give auth a jwt(…)", "nobody could ever call the app: there is no database to keep API keys in")
	}
	for i, is := range s.Auth.Issuers {
		v.issuer(is)
		for _, other := range s.Auth.Issuers[:i] {
			if is.Issuer != other.Issuer && is.Prefix == other.Prefix && !is.refused("/issuer", "/prefix") && !other.refused("/issuer", "/prefix") {
				v.error("FC722", is.at("/issuer"), `write prefix = "…" in one of them: it is put before the ids of its users`,
					"a user of this issuer could have the id of another's").related("the other issuer", other.Span)
			}
		}
	}
}

// keepsKeys reports whether there is a database for API keys.
func (v *validator) keepsKeys() bool {
	return len(v.app.Databases) > 0 && !v.app.Databases[0].Options.ExistingSchemaMode
}

func (i *Issuer) at(part string) Span {
	if s := i.Spans.At(part); !s.IsZero() {
		return s
	}
	return i.Span
}

// refused reports whether one of the parts is not what the file meant.
func (i *Issuer) refused(parts ...string) bool { return slices.ContainsFunc(parts, i.Spans.Refused) }

// shownClaims are parts of ctx.user that come from elsewhere.
var shownClaims = []string{"id", "roles"}

func (v *validator) issuer(i *Issuer) {
	bad := func(part, hint, format string, args ...any) { v.error("FC721", i.at(part), hint, format, args...) }
	switch {
	case i.refused("/secret", "/jwks"):
	case (i.Secret == "") == (i.JWKS == ""):
		bad("", `write secret = env("JWT_SECRET"), or jwks = "https://…" with issuer and audience`, "a token is checked by a secret or by the issuer's public keys")
	case i.Secret != "" && len(i.Secret) < MinTokenSecret:
		bad("/secret", "make one with: openssl rand -base64 48", "the secret has less than %d bytes, so that it could be guessed from any token", MinTokenSecret)
	}
	if i.JWKS != "" {
		if !safeURL(i.JWKS) {
			bad("/jwks", `write jwks = "https://…": whoever can change the keys on the way can sign tokens`, "%q is no address of public keys", i.JWKS)
		}
		if i.Issuer == "" && !i.refused("/issuer") || len(i.Audience) == 0 && !i.refused("/audience") {
			bad("", "write both: the issuer's keys sign tokens for other apps too, and those are not for this one", "tokens by public keys need issuer and audience")
		}
	}
	if n := slices.Index(i.Audience, ""); n >= 0 {
		bad(fmt.Sprintf("/audience/%d", n), `write what the issuer calls this app: audience = "shop"`, "an audience is empty: no token is for nobody")
	}
	if i.ClockSkew < 0 || i.ClockSkew > MaxClockSkew {
		bad("/clock_skew", `write a duration of at most "5m"`, "clocks don't differ by so much")
	}
	if IsKeyUser(i.Prefix) {
		bad("/prefix", "write another", "%q begins the ids of API keys", i.Prefix)
	}
	if i.User == "" {
		bad("/user", `the usual one is "sub"`, "a claim must say who the user is")
	}
	for n, name := range i.Claims {
		twice := i.Span.IsZero() && slices.Contains(i.Claims[:n], name) // of a file it has been said
		if name == "" || slices.Contains(shownClaims, name) || twice {
			bad(fmt.Sprintf("/claims/%d", n), "leave it out", "the claim %q can't be a part of ctx.user, or is one already", name)
		}
	}
}

// safeURL reports whether an address can be asked without somebody on the way
// answering in its place.
func safeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isThisMachine(u.Hostname())
}

func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IssuerURLs lists the issuers that are addresses, as authorization servers are.
func (a *Auth) IssuerURLs() []string {
	var urls []string
	for _, i := range a.Issuers {
		if safeURL(i.Issuer) && !slices.Contains(urls, i.Issuer) {
			urls = append(urls, i.Issuer)
		}
	}
	return urls
}

// String names the issuer, without its secret.
func (i *Issuer) String() string { return fmt.Sprintf("jwt(issuer = %q)", i.Issuer) }
