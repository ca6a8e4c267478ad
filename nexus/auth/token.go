package auth

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/golang-jwt/jwt/v5"
)

// tokenDepth is how deep a token's JSON may nest.
const tokenDepth = 8

// base64url is the encoding of a token's parts, in the one spelling of each.
var base64url = base64.RawURLEncoding.Strict()

// family is what an algorithm checks a signature with.
type family int

const (
	bySecret family = iota
	byRSA
	byP256
	byP384
	byP521
	byEd25519
)

// algorithms lists those that are taken, each for keys of one family. There is
// no "none", and no key is good for algorithms of two families: a public key is
// never taken for a secret.
var algorithms = []struct {
	name   string
	family family
	method jwt.SigningMethod
}{
	{"HS256", bySecret, jwt.SigningMethodHS256},
	{"HS384", bySecret, jwt.SigningMethodHS384},
	{"HS512", bySecret, jwt.SigningMethodHS512},
	{"RS256", byRSA, jwt.SigningMethodRS256},
	{"RS384", byRSA, jwt.SigningMethodRS384},
	{"RS512", byRSA, jwt.SigningMethodRS512},
	{"PS256", byRSA, jwt.SigningMethodPS256},
	{"PS384", byRSA, jwt.SigningMethodPS384},
	{"PS512", byRSA, jwt.SigningMethodPS512},
	{"ES256", byP256, jwt.SigningMethodES256},
	{"ES384", byP384, jwt.SigningMethodES384},
	{"ES512", byP521, jwt.SigningMethodES512},
	{"EdDSA", byEd25519, jwt.SigningMethodEdDSA},
	{"Ed25519", byEd25519, jwt.SigningMethodEdDSA}, // its name since RFC 9864
}

// issuer checks the tokens of a dataflow.Issuer.
type issuer struct {
	*dataflow.Issuer
	secret []byte
	set    *keySet // nil: by secret
}

func newIssuer(i *dataflow.Issuer, sets *KeySets) *issuer {
	is := &issuer{Issuer: i}
	if i.JWKS != "" {
		is.set = sets.of(i.JWKS)
	} else {
		is.secret = []byte(i.Secret)
	}
	return is
}

// token is a JWT, taken apart. Nothing in it is to be believed before its
// signature has been checked.
type token struct {
	*head
	signed    string // what the signature is of
	signature []byte
	claims    *dataflow.Object
}

// head is what the first part of a token says. It is immutable.
type head struct {
	text   string // the part itself
	family family
	alg    string
	method jwt.SigningMethod
	kid    string
}

// heads remembers the last head that was read: an issuer's tokens all begin with
// the same.
type heads struct{ last atomic.Pointer[head] }

func (c *heads) read(text string) (*head, bool) {
	if h := c.last.Load(); h != nil && h.text == text {
		return h, true
	}
	o, ok := part(text)
	if !ok || !goodHeader(o) {
		return nil, false
	}
	h := &head{text: strings.Clone(text)} // which must not hold the token
	h.alg, _ = textOf(o, "alg")
	for _, a := range algorithms {
		if a.name == h.alg {
			h.family, h.method = a.family, a.method
		}
	}
	if h.method == nil {
		return nil, false
	}
	h.kid, _ = textOf(o, "kid")
	c.last.Store(h)
	return h, true
}

// parse takes a token apart, and refuses what is none that could be good.
func (c *heads) parse(text string) (*token, bool) {
	first, rest, _ := strings.Cut(text, ".")
	second, third, three := strings.Cut(rest, ".")
	if !three || strings.Contains(third, ".") {
		return nil, false
	}
	h, ok := c.read(first)
	if !ok {
		return nil, false
	}
	t := &token{head: h, signed: text[:len(first)+1+len(second)]}
	var err error
	if t.signature, err = base64url.DecodeString(third); err != nil || len(t.signature) == 0 {
		return nil, false
	}
	if t.claims, ok = part(second); !ok {
		return nil, false
	}
	return t, true
}

// goodHeader refuses tokens that are for something else, and those whose signer
// asks for what we don't know (RFC 7515, 4.1.11). Keys that a header brings
// along (jwk, jku, x5c, x5u) are never looked at.
func goodHeader(h *dataflow.Object) bool {
	if h.Has("crit") {
		return false
	}
	if kid, given := h.Get("kid"); given {
		if s, ok := kid.(string); !ok || len(s) > 256 {
			return false
		}
	}
	typ, given := h.Get("typ")
	if !given {
		return true
	}
	s, _ := typ.(string)
	s = strings.TrimPrefix(strings.ToLower(s), "application/")
	return s == "jwt" || s == "at+jwt"
}

// part reads the object in one part of a token. A name that is there twice is
// no JSON here: two readers would see two tokens.
func part(text string) (*dataflow.Object, bool) {
	raw, err := base64url.DecodeString(text)
	if err != nil {
		return nil, false
	}
	v, problems := codec.ParseJSON(raw, tokenDepth)
	o, ok := v.(*dataflow.Object)
	return o, ok && len(problems) == 0
}

func textOf(o *dataflow.Object, name string) (string, bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	return s, ok
}

// byToken finds who calls with a token.
func (g *Guard) byToken(ctx context.Context, text string, now time.Time) (*entry, error) {
	t, ok := g.heads.parse(text)
	if !ok || len(g.issuers) == 0 {
		return nil, notGood(text)
	}
	iss, _ := textOf(t.claims, "iss")
	for _, is := range g.issuers {
		if is.Issuer.Issuer != "" && is.Issuer.Issuer != iss {
			continue
		}
		by, ok, err := is.signed(ctx, t, now)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		e, err := is.bearer(t.claims, now)
		if err != nil {
			return nil, err
		}
		e.set, e.by = is.set, by
		return e, nil
	}
	return nil, notGood(text)
}

// signed reports whether the issuer has signed a token, and among which keys
// that of the signature was.
func (is *issuer) signed(ctx context.Context, t *token, now time.Time) (by *publicKeys, ok bool, err error) {
	if is.set == nil {
		return nil, t.family == bySecret && t.method.Verify(t.signed, t.signature, is.secret) == nil, nil
	}
	if t.family == bySecret {
		return nil, false, nil
	}
	key, by, err := is.set.find(ctx, t, now)
	if err != nil || key == nil {
		return nil, false, err
	}
	return by, t.method.Verify(t.signed, t.signature, key.key) == nil, nil
}

// bearer is whom the claims of a signed token tell of, if they hold now.
func (is *issuer) bearer(claims *dataflow.Object, now time.Time) (*entry, error) {
	ends, ok := moment(claims, "exp")
	if !ok {
		return nil, tokenNotGood("does not say when it ends")
	}
	ends = ends.Add(is.ClockSkew)
	if !now.Before(ends) {
		return nil, tokenNotGood("is over")
	}
	for _, name := range []string{"nbf", "iat"} {
		if !claims.Has(name) {
			continue
		}
		if at, ok := moment(claims, name); !ok || now.Add(is.ClockSkew).Before(at) {
			return nil, tokenNotGood("is not good yet")
		}
	}
	if len(is.Audience) > 0 && !slices.ContainsFunc(is.Audience, func(a string) bool { return slices.Contains(list(claims, "aud", false), a) }) {
		return nil, tokenNotGood("is for somebody else")
	}
	c, err := is.caller(claims)
	return &entry{caller: c, until: ends}, err
}

// caller is the bearer as the app knows them.
func (is *issuer) caller(claims *dataflow.Object) (access.Caller, error) {
	id, ok := name(claims, is.User)
	if id = is.Prefix + id; !ok || dataflow.IsKeyUser(id) {
		return access.Caller{}, tokenNotGood("does not say who its bearer is")
	}
	c := access.Caller{Key: "user:" + id}
	if is.Roles != "" {
		c.Roles = list(claims, is.Roles, true)
	}
	c.User = dataflow.ObjectOf("id", id, "roles", anys(c.Roles))
	for _, claim := range is.Claims {
		v, _ := claims.Get(claim)
		c.User.Set(claim, v)
	}
	if is.Tenant != "" && at(claims, is.Tenant) != nil {
		if c.Tenant, ok = name(claims, is.Tenant); !ok {
			return access.Caller{}, tokenNotGood("has a tenant that can be none")
		}
	}
	if is.Scopes != "" {
		c.Scoped, c.Scopes = true, list(claims, is.Scopes, true)
	}
	return c, nil
}

// at returns the claim of a name, or what a path with points leads to: names of
// claims may have points themselves.
func at(o *dataflow.Object, path string) any {
	if v, ok := o.Get(path); ok {
		return v
	}
	for {
		first, rest, more := strings.Cut(path, ".")
		v, _ := o.Get(first)
		if !more {
			return v
		}
		inner, ok := v.(*dataflow.Object)
		if !ok {
			return nil
		}
		o, path = inner, rest
	}
}

// name reads a claim that names something: text, or a whole number.
func name(claims *dataflow.Object, path string) (string, bool) {
	v := at(claims, path)
	if n, ok := v.(int64); ok {
		return string(codec.AppendValue(nil, n)), true
	}
	s, ok := v.(string)
	return s, ok && access.ValidTenant(s)
}

// list reads a claim that is a list of texts, or one; of those with blanks
// between if it is split.
func list(claims *dataflow.Object, path string, split bool) []string {
	switch v := at(claims, path).(type) {
	case string:
		if split {
			return strings.Fields(v)
		}
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// latest is the last moment that a claim may name, in seconds since 1970: the
// end of the year 9999.
const latest = 253402300799

// moment reads a time (NumericDate of RFC 7519, 2).
func moment(claims *dataflow.Object, name string) (time.Time, bool) {
	v, _ := claims.Get(name)
	var seconds float64
	switch v := v.(type) {
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return time.Time{}, false
	}
	if !(seconds >= 0 && seconds <= latest) {
		return time.Time{}, false
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)), true
}
