package starlark

import (
	"fmt"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
)

// issuerValue is what jwt(…) returns.
type issuerValue struct {
	i *dataflow.Issuer
}

func (v *issuerValue) String() string        { return v.i.String() }
func (v *issuerValue) Type() string          { return "issuer" }
func (v *issuerValue) Freeze()               {}
func (v *issuerValue) Truth() sl.Bool        { return true }
func (v *issuerValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: jwt") }

// jwt implements jwt(…).
func (l *loader) jwt(a *args) sl.Value {
	i := &dataflow.Issuer{
		Secret: a.str("secret", ""), JWKS: a.str("jwks", ""), Issuer: a.str("issuer", ""), Audience: a.strings("audience"),
		User: a.str("user", "sub"), Roles: a.str("roles", "roles"), Tenant: a.str("tenant", ""), Scopes: a.str("scopes", ""),
		Claims: a.strings("claims"), Prefix: a.str("prefix", ""), ClockSkew: a.duration("clock_skew", 30*time.Second),
		Span: a.site.at, Spans: a.spans(),
	}
	if a.has("secret") && !l.outside[i.Secret] {
		a.fail("FC720", a.at("secret"), "the secret stands in the file, where everyone who reads the file has it", `write secret = env("JWT_SECRET"), without a default`)
		i.Spans.Refuse("/secret")
	}
	return &issuerValue{i}
}

// auth reads how callers say who they are.
func (s *server) auth(a *args) {
	for _, option := range []string{"auth", "public_url"} {
		if a.has(option) && !s.s.EnableAuth && !a.lost["enable_auth"] {
			a.fail("FC724", a.given[option].key, fmt.Sprintf("%s does nothing: nobody is asked who they are", option), "write enable_auth = True as well, or leave it out")
		}
	}
	if a.has("public_url") && !isOrigin(a.str("public_url", "")) {
		a.fail("FC105", a.at("public_url"), fmt.Sprintf("%q is no address without a path", a.str("public_url", "")), `write it as "https://shop.example.org"`)
	}
	s.s.Auth.PublicURL = a.str("public_url", "")
	if !a.has("auth") {
		return
	}
	for _, item := range listOf(a.given["auth"]) {
		switch v := item.val.(type) {
		case *placeholder:
		case *issuerValue:
			s.s.Auth.Issuers = append(s.s.Auth.Issuers, v.i)
		default:
			a.fail("FC105", a.site.src.element(item, a.given["auth"]), fmt.Sprintf("auth of Nexus lists issuers of tokens, not %s", describe(item.val)), "write auth = [jwt(…)]; API keys are always good")
		}
	}
}
