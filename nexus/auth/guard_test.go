package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
	"github.com/flowctl/flowctl/nexus/auth"
)

const secret = "a secret that is shared by the app and the issuer"

// clock is a clock that stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// door is an app's guard with what it is made of.
type door struct {
	*auth.Guard
	keys  *auth.Keys
	clock *clock
	log   *bytes.Buffer
	sets  *auth.KeySets
	store store.Store
	app   *dataflow.App
}

// another is a guard of the same app in another process.
func (d *door) another(t *testing.T) *door {
	twin := *d
	twin.Guard = auth.New(auth.Options{Auth: &d.app.Server.Auth, Keys: d.keys, Name: "shop", Now: d.clock.Now, Logger: slog.New(slog.DiscardHandler),
		Sets: auth.NewKeySets(t.Context(), nil, slog.New(slog.DiscardHandler))})
	t.Cleanup(twin.Close)
	return &twin
}

func open(t testing.TB, issuers ...*dataflow.Issuer) *door {
	t.Helper()
	db := &dataflow.Database{Name: "db", URL: "sqlite::memory:", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	app := &dataflow.App{Databases: []*dataflow.Database{db}, Server: &dataflow.Server{Name: "shop", EnableAuth: true}}
	app.Server.Auth.Issuers = issuers
	st, _, ds := sqlite.Opener{}.Open(t.Context(), db, store.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), System: auth.Models(app, db)})
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	d := &door{clock: &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{}, store: st, app: app}
	d.keys = auth.NewKeys(app, st, d.clock.Now)
	logger := slog.New(slog.NewTextHandler(d.log, nil))
	d.sets = auth.NewKeySets(t.Context(), nil, logger)
	d.Guard = auth.New(auth.Options{Auth: &app.Server.Auth, Keys: d.keys, Name: "shop", Now: d.clock.Now, Logger: logger,
		Sets:    d.sets,
		Open:    func(path string) bool { return path == "/api/news" },
		Toolset: func(path string) bool { return path == "/mcp/orders" }})
	t.Cleanup(func() {
		d.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// bySecret is an issuer that shares a secret with the app.
func bySecret(set ...func(*dataflow.Issuer)) *dataflow.Issuer {
	i := &dataflow.Issuer{Secret: secret, Issuer: "https://login.example.org", Audience: []string{"shop"}, User: "sub", Roles: "roles", ClockSkew: 30 * time.Second}
	for _, s := range set {
		s(i)
	}
	return i
}

// claims are those of a good token; set changes them, null leaves one out.
func (d *door) claims(set ...any) map[string]any {
	now := d.clock.Now().Unix()
	c := map[string]any{"sub": "ada", "iss": "https://login.example.org", "aud": "shop", "exp": now + 600, "iat": now, "roles": []string{"clerk"}}
	for i := 0; i < len(set); i += 2 {
		if set[i+1] == nil {
			delete(c, set[i].(string))
			continue
		}
		c[set[i].(string)] = set[i+1]
	}
	return c
}

func encode(v any) string {
	text, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// signed puts a token together: header and claims are text, or what is to be
// JSON.
func signed(header, claims any, sign func(text string) []byte) string {
	text := encode(header) + "." + encode(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

func hs256(key string) func(string) []byte {
	return func(text string) []byte {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
}

func header(alg string, more ...any) map[string]any {
	h := map[string]any{"alg": alg, "typ": "JWT"}
	for i := 0; i < len(more); i += 2 {
		h[more[i].(string)] = more[i+1]
	}
	return h
}

// hs is a token that is signed with the secret.
func (d *door) hs(set ...any) string { return signed(header("HS256"), d.claims(set...), hs256(secret)) }

// ask makes a request with headers, as name and value in turn.
func ask(target string, headers ...string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// identify says in short who makes a request, or the code of why not.
func (d *door) identify(headers ...string) string {
	c, err := d.Identify(ask("/api/orders", headers...))
	return say(c, err)
}

func (d *door) bearer(text string) string { return d.identify("Authorization", "Bearer "+text) }

func say(c access.Caller, err error) string {
	if err != nil {
		e := dataflow.AsError(err)
		return e.Code + ": " + e.Message
	}
	s := c.Key
	if len(c.Roles) > 0 {
		s += " " + strings.Join(c.Roles, ",")
	}
	if c.Tenant != "" {
		s += " @" + c.Tenant
	}
	return s
}

func (d *door) key(t testing.TB, k auth.Key) (id, text string) {
	t.Helper()
	made, text, err := d.keys.Create(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID, text
}

func TestAKeyIdentifiesItsBearer(t *testing.T) {
	d := open(t)
	id, text := d.key(t, auth.Key{Name: "ci", Roles: []string{"clerk", "night"}, Tenant: "acme"})
	want := "key:" + id + " clerk,night @acme"
	for _, headers := range [][]string{
		{"Authorization", "Bearer " + text}, {"Authorization", "bearer  " + text + " "}, {"X-API-Key", text},
	} {
		if got := d.identify(headers...); got != want {
			t.Errorf("%s: got %q, want %q", headers, got, want)
		}
	}
	c, err := d.Caller(t.Context(), text, "")
	if err != nil || c.Scoped || c.Ruled || c.Operator {
		t.Errorf("got %+v, %v", c, err)
	}
	if u, _ := c.User.Get("id"); u != "key:"+id {
		t.Errorf("ctx.user.id is %v", u)
	}
	_, text = d.key(t, auth.Key{Name: "hers", User: "ada", Scopes: []string{"read"}, Scoped: true})
	c, err = d.Caller(t.Context(), text, "")
	if u, _ := c.User.Get("id"); err != nil || u != "ada" || !c.Scoped || !slices.Equal(c.Scopes, []string{"read"}) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestAKeyThatIsNotGood(t *testing.T) {
	d := open(t)
	const refused = "invalid_credentials: the API key is not good"
	id, text := d.key(t, auth.Key{Name: "ci", Expires: d.clock.Now().Add(time.Hour)})
	other, _ := d.key(t, auth.Key{Name: "other"})
	for name, bad := range map[string]string{
		"no key at all":              "flk_",
		"no secret":                  "flk_" + id,
		"half of it":                 text[:len(text)-1],
		"another secret":             text[:len(text)-1] + string(text[len(text)-1]^1),
		"the secret of another key":  strings.Replace(text, id, other, 1),
		"an id of no key":            "flk_aaaaaaaaaaaa_" + strings.Repeat("a", 52),
		"capitals":                   "flk_" + strings.ToUpper(text[4:]),
		"SQL":                        "flk_a'or'1'='1_" + strings.Repeat("a", 52),
		"a wildcard for the id":      "flk_%%%%%%%%%%%%_" + strings.Repeat("a", 52),
		"a megabyte":                 "flk_" + strings.Repeat("a", 1<<20),
		"a null byte":                text[:30] + "\x00" + text[31:],
		"a line break and a header":  text + "\r\nX-API-Key: " + text,
		"a blank within":             text[:30] + " " + text[30:],
		"a letter that looks alike":  strings.Replace(text, "flk_", "flk_а", 1),
		"the digest instead of it":   fmt.Sprintf("%x", sha256.Sum256([]byte(text))),
		"the digest with its prefix": fmt.Sprintf("flk_%x", sha256.Sum256([]byte(text))),
	} {
		if got := d.identify("X-API-Key", bad); got != refused {
			t.Errorf("%s as X-API-Key: got %q", name, got)
		}
		if got := d.bearer(bad); !strings.HasPrefix(got, "invalid_credentials: ") {
			t.Errorf("%s as bearer: got %q", name, got)
		}
	}
	if got := d.bearer(text); got != "key:"+id {
		t.Fatalf("the key itself: got %q", got)
	}
	d.clock.move(time.Hour)
	if got := d.bearer(text); got != refused {
		t.Errorf("a key that is over: got %q", got)
	}
	if strings.Contains(d.log.String(), text[20:]) {
		t.Error("the log has the key")
	}
}

// TestAnswersDoNotTellWhetherAKeyExists: an id that there is with another
// secret, one that there is not, a key that was revoked and one that is over
// are all answered with the same text.
func TestAnswersDoNotTellWhetherAKeyExists(t *testing.T) {
	d := open(t)
	_, good := d.key(t, auth.Key{Name: "good"})
	goneID, gone := d.key(t, auth.Key{Name: "gone"})
	_, over := d.key(t, auth.Key{Name: "over", Expires: d.clock.Now().Add(-time.Second)})
	if _, err := d.keys.Revoke(t.Context(), goneID); err != nil {
		t.Fatal(err)
	}
	var want *dataflow.Error
	for _, text := range []string{good[:len(good)-5] + "aaaaa", "flk_zzzzzzzzzzzz_" + good[17:], gone, over} {
		_, err := d.Caller(t.Context(), text, "")
		e := dataflow.AsError(err)
		if want == nil {
			want = e
		}
		if e.Code != "invalid_credentials" || e.Message != want.Message || e.Hint != want.Hint || e.Err != nil {
			t.Errorf("%s: got %+v, want %+v", text, e, want)
		}
	}
}

// TestARevokedKeyEndsEverywhereSoon: in this process and in another, which has
// just taken it, within KeyFresh.
func TestARevokedKeyEndsEverywhereSoon(t *testing.T) {
	here := open(t)
	there := here.another(t)
	id, text := here.key(t, auth.Key{Name: "ci"})
	for _, d := range []*door{here, there} {
		if got := d.bearer(text); got != "key:"+id {
			t.Fatalf("got %q", got)
		}
	}
	if k, err := here.keys.Revoke(t.Context(), id); err != nil || k.Revoked.IsZero() {
		t.Fatalf("got %+v, %v", k, err)
	}
	here.clock.move(auth.KeyFresh)
	for _, d := range []*door{here, there} {
		for range 3 {
			if got := d.bearer(text); got != "invalid_credentials: the API key is not good" {
				t.Errorf("after %s a revoked key is answered with %q", auth.KeyFresh, got)
			}
		}
	}
	again, err := here.keys.Revoke(t.Context(), id)
	if err != nil || !again.Revoked.Before(here.clock.Now()) {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	if _, err := here.keys.Revoke(t.Context(), "nosuch"); dataflow.AsError(err).Code != "not_found" {
		t.Errorf("revoking none: %v", err)
	}
	// Of a clock that was set back nothing is taken for fresh.
	id, text = here.key(t, auth.Key{Name: "back"})
	if got := here.bearer(text); got != "key:"+id {
		t.Fatal(got)
	}
	if _, err := here.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	here.clock.move(-time.Hour)
	if got := here.bearer(text); got != "invalid_credentials: the API key is not good" {
		t.Errorf("with the clock set back: %q", got)
	}
}

// A database that does not answer is no reason to let anybody in.
func TestAKeyIsNotTakenWhereItsRowCannotBeRead(t *testing.T) {
	d := open(t)
	_, text := d.key(t, auth.Key{Name: "ci"})
	if got := d.bearer(text); !strings.HasPrefix(got, "key:") {
		t.Fatal(got)
	}
	d.clock.move(auth.KeyFresh)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range []string{text, "flk_zzzzzzzzzzzz_" + text[17:]} {
		if c, err := d.Caller(ctx, text, ""); err == nil || dataflow.AsError(err).Code == "invalid_credentials" {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	if got := d.bearer(text); !strings.HasPrefix(got, "key:") {
		t.Errorf("once it can be read again: %q", got)
	}
}

func TestWhenAKeyWasUsedIsNotedNowAndThen(t *testing.T) {
	d := open(t)
	id, text := d.key(t, auth.Key{Name: "ci"})
	used := func() time.Time {
		t.Helper()
		d.Close() // waits for what is noted beside requests
		list, err := d.keys.List(t.Context())
		if err != nil || len(list) != 1 || list[0].ID != id {
			t.Fatalf("got %v, %v", list, err)
		}
		return list[0].Used
	}
	if !used().IsZero() {
		t.Error("a new key was used")
	}
	begin := d.clock.Now()
	for range 100 {
		d.bearer(text)
		d.clock.move(time.Second)
		if got := used(); !got.Equal(begin) {
			t.Fatalf("noted %s, first used at %s: one note for many requests is enough", got, begin)
		}
	}
	d.clock.move(10 * time.Minute)
	d.bearer(text)
	if got := used(); !got.Equal(d.clock.Now()) {
		t.Errorf("noted %s, used at %s", got, d.clock.Now())
	}
}

func TestNothingOfAKeyIsKept(t *testing.T) {
	d := open(t)
	_, text := d.key(t, auth.Key{Name: "ci"})
	d.bearer(text)
	d.Close()
	var rows []byte
	m := auth.Models(d.app, d.app.Databases[0])[0]
	if err := d.store.Select(t.Context(), allOf(m), func(row store.Row) error {
		rows = row.AppendJSON(rows)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 || bytes.Contains(rows, []byte(text[17:])) || !bytes.Contains(rows, fmt.Appendf(nil, "%x", sha256.Sum256([]byte(text)))) {
		t.Errorf("kept: %s", rows)
	}
}

func TestTenants(t *testing.T) {
	d := open(t, bySecret(func(i *dataflow.Issuer) { i.Tenant = "org" }))
	_, fixed := d.key(t, auth.Key{Name: "fixed", Tenant: "acme"})
	_, none := d.key(t, auth.Key{Name: "none"})
	_, any := d.key(t, auth.Key{Name: "any", Tenant: auth.AnyTenant})
	const refused = "tenant_fixed: the caller may not choose the tenant"
	for _, c := range []struct {
		name, text string
		headers    []string
		want       string
	}{
		{"a key's own", fixed, nil, "acme"},
		{"its own, named", fixed, []string{"X-Tenant-ID", "acme"}, refused},
		{"another", fixed, []string{"X-Tenant-ID", "other"}, refused},
		{"none, named", fixed, []string{"X-Tenant-ID", ""}, refused},
		{"a key of no tenant", none, []string{"X-Tenant-ID", "acme"}, refused},
		{"one that may choose", any, []string{"X-Tenant-ID", "acme"}, "acme"},
		{"one that may, and does not", any, nil, ""},
		{"two at once", any, []string{"X-Tenant-ID", "acme", "X-Tenant-ID", "other"}, "malformed_request: the header X-Tenant-ID must name one tenant"},
		{"one that is no name", any, []string{"X-Tenant-ID", "a\x00b"}, "malformed_request: the header X-Tenant-ID must name one tenant"},
		{"a token's", d.hs("org", "acme"), nil, "acme"},
		{"a token's that is a number", d.hs("org", 42), nil, "42"},
		{"a token of no tenant", d.hs(), nil, ""},
		{"a token's and another", d.hs("org", "acme"), []string{"X-Tenant-ID", "other"}, refused},
		{"a token that would choose", d.hs("org", "*"), []string{"X-Tenant-ID", "other"}, refused},
		{"a tenant that can be none", d.hs("org", []string{"acme"}), nil, "invalid_credentials: the token has a tenant that can be none"},
		{"an empty one", d.hs("org", ""), nil, "invalid_credentials: the token has a tenant that can be none"},
	} {
		caller, err := d.Identify(ask("/api/orders", append([]string{"Authorization", "Bearer " + c.text}, c.headers...)...))
		got := caller.Tenant
		if err != nil {
			got = say(caller, err)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := d.Caller(t.Context(), fixed, "other"); dataflow.AsError(err).Code != "tenant_fixed" {
		t.Errorf("on the command line: %v", err)
	}
	if c, err := d.Caller(t.Context(), any, "other"); err != nil || c.Tenant != "other" {
		t.Errorf("on the command line: %+v, %v", c, err)
	}
}

func TestWhoSaysNothing(t *testing.T) {
	d := open(t, bySecret())
	_, key := d.key(t, auth.Key{Name: "ci"})
	const asked = "unauthenticated: the request does not say who makes it"
	for _, c := range []struct {
		name, target string
		headers      []string
		want         string
	}{
		{"nothing", "/api/orders", nil, asked},
		{"the index", "/", nil, asked},
		{"a path that is open", "/api/news", nil, ""},
		{"a tenant on a path that is open", "/api/news", []string{"X-Tenant-ID", "acme"}, "tenant_fixed: the caller may not choose the tenant"},
		{"a bad key on a path that is open", "/api/news", []string{"X-API-Key", "flk_x"}, "invalid_credentials: the API key is not good"},
		{"a key in the address", "/api/orders?api_key=" + key, nil, asked},
		{"a token in the address", "/api/orders?access_token=" + d.hs(), nil, asked},
		{"who issues tokens", "/.well-known/oauth-protected-resource", nil, ""},
		{"the same of MCP", "/.well-known/oauth-protected-resource/mcp", nil, ""},
		{"something below it", "/.well-known/oauth-protected-resource/api/orders", nil, asked},
		{"beside it", "/.well-known/oauth-protected-resource/../../api/orders", nil, asked},
		{"two headers", "/", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer " + key}, "malformed_request: the request says more than once who makes it"},
		{"two kinds", "/", []string{"Authorization", "Bearer " + key, "X-API-Key", key}, "malformed_request: the request says more than once who makes it"},
		{"an empty header", "/", []string{"Authorization", ""}, "invalid_credentials: the Authorization header is not of the kind Bearer"},
		{"Basic", "/", []string{"Authorization", "Basic " + key}, "invalid_credentials: the Authorization header is not of the kind Bearer"},
		{"a key without its kind", "/", []string{"Authorization", key}, "invalid_credentials: the Authorization header is not of the kind Bearer"},
		{"Bearer alone", "/", []string{"Authorization", "Bearer "}, "invalid_credentials: the token is not good"},
		{"two tokens", "/", []string{"Authorization", "Bearer " + key + ", Bearer " + key}, "invalid_credentials: the API key is not good"},
		{"a token as a key", "/", []string{"X-API-Key", d.hs()}, "invalid_credentials: the API key is not good"},
	} {
		if got := say(d.Identify(ask(c.target, c.headers...))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWithoutATableThereAreNoKeys(t *testing.T) {
	d := open(t, bySecret())
	g := auth.New(auth.Options{Auth: &d.app.Server.Auth, Now: d.clock.Now, Logger: slog.New(slog.DiscardHandler)})
	_, text := d.key(t, auth.Key{Name: "ci"})
	if _, err := g.Caller(t.Context(), text, ""); dataflow.AsError(err).Code != "invalid_credentials" {
		t.Errorf("got %v", err)
	}
	if c, err := g.Caller(t.Context(), d.hs(), ""); err != nil || c.Key != "user:ada" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestTokensBySecret(t *testing.T) {
	d := open(t, bySecret(func(i *dataflow.Issuer) { i.Claims = []string{"email", "plan"}; i.Scopes = "scope" }))
	c, err := d.Caller(t.Context(), d.hs("email", "ada@example.org", "scope", "read orders:write openid", "secret", "no"), "")
	if err != nil {
		t.Fatal(err)
	}
	if got := say(c, nil); got != "user:ada clerk" {
		t.Errorf("got %q", got)
	}
	if text := fmt.Sprint(c.User.Shape().Name(0), c.User.Vals(), c.Scoped, c.Scopes); text != "id[ada [clerk] ada@example.org <nil>] true [read orders:write openid]" {
		t.Errorf("got %s", text)
	}
	now := d.clock.Now().Unix()
	good := d.hs()
	parts := strings.Split(good, ".")
	body := func(text string) string { return signed(header("HS256"), text, hs256(secret)) }
	with := func(h any) string { return signed(h, d.claims(), hs256(secret)) }
	const no = "invalid_credentials: the token is not good"
	for name, c := range map[string]struct{ token, want string }{
		"a good one":                       {good, "user:ada clerk"},
		"roles in a text":                  {d.hs("roles", "clerk  night"), "user:ada clerk,night"},
		"no roles":                         {d.hs("roles", nil), "user:ada"},
		"one of several audiences":         {d.hs("aud", []string{"other", "shop"}), "user:ada clerk"},
		"over, as clocks differ":           {d.hs("exp", now-29), "user:ada clerk"},
		"begins soon, as clocks differ":    {d.hs("nbf", now+29), "user:ada clerk"},
		"a time with a part of a second":   {d.hs("exp", float64(now)+0.5), "user:ada clerk"},
		"an access token by its type":      {with(header("HS256", "typ", "at+JWT")), "user:ada clerk"},
		"a user that is a number":          {d.hs("sub", 7), "user:7 clerk"},
		"over":                             {d.hs("exp", now-30), "invalid_credentials: the token is over"},
		"without an end":                   {d.hs("exp", nil), "invalid_credentials: the token does not say when it ends"},
		"an end in words":                  {d.hs("exp", "never"), "invalid_credentials: the token does not say when it ends"},
		"an end beyond all":                {body(`{"sub":"ada","iss":"https://login.example.org","aud":"shop","exp":1e300}`), "invalid_credentials: the token does not say when it ends"},
		"an end with too many digits":      {body(`{"sub":"ada","iss":"https://login.example.org","aud":"shop","exp":99999999999999999999999}`), "invalid_credentials: the token does not say when it ends"},
		"an end before 1970":               {d.hs("exp", -5), "invalid_credentials: the token does not say when it ends"},
		"not yet":                          {d.hs("nbf", now+31), "invalid_credentials: the token is not good yet"},
		"made in the future":               {d.hs("iat", now+31), "invalid_credentials: the token is not good yet"},
		"begins in words":                  {d.hs("nbf", "now"), "invalid_credentials: the token is not good yet"},
		"for somebody else":                {d.hs("aud", "bank"), "invalid_credentials: the token is for somebody else"},
		"for nobody":                       {d.hs("aud", nil), "invalid_credentials: the token is for somebody else"},
		"for one with a longer name":       {d.hs("aud", "shopping"), "invalid_credentials: the token is for somebody else"},
		"for several, none of them us":     {d.hs("aud", []string{"bank", "shopping", ""}), "invalid_credentials: the token is for somebody else"},
		"for us, a list deeper":            {d.hs("aud", []any{[]string{"shop"}}), "invalid_credentials: the token is for somebody else"},
		"for us, as a name":                {d.hs("aud", map[string]any{"shop": true}), "invalid_credentials: the token is for somebody else"},
		"for two in one text":              {d.hs("aud", "bank shop"), "invalid_credentials: the token is for somebody else"},
		"of another issuer":                {d.hs("iss", "https://evil.example.org"), no},
		"of an issuer with one more slash": {d.hs("iss", "https://login.example.org/"), no},
		"of no issuer":                     {d.hs("iss", nil), no},
		"of several issuers":               {d.hs("iss", []string{"https://login.example.org"}), no},
		"of nobody":                        {d.hs("sub", nil), "invalid_credentials: the token does not say who its bearer is"},
		"of an empty name":                 {d.hs("sub", ""), "invalid_credentials: the token does not say who its bearer is"},
		"of a name with a line break":      {d.hs("sub", "a\nb"), "invalid_credentials: the token does not say who its bearer is"},
		"of an object":                     {d.hs("sub", map[string]any{"id": "ada"}), "invalid_credentials: the token does not say who its bearer is"},
		"of a key":                         {d.hs("sub", "key:abc"), "invalid_credentials: the token does not say who its bearer is"},
		"another secret":                   {signed(header("HS256"), d.claims(), hs256(secret+"!")), no},
		"an empty secret":                  {signed(header("HS256"), d.claims(), hs256("")), no},
		"alg none":                         {signed(header("none"), d.claims(), func(string) []byte { return nil }), no},
		"alg none with a signature":        {signed(header("none"), d.claims(), hs256(secret)), no},
		"alg None":                         {signed(header("None"), d.claims(), func(string) []byte { return []byte("x") }), no},
		"alg nOnE":                         {signed(header("nOnE"), d.claims(), func(string) []byte { return nil }), no},
		"no alg":                           {with(map[string]any{"typ": "JWT"}), no},
		"alg that is no text":              {with(map[string]any{"alg": []string{"HS256"}}), no},
		"alg in small letters":             {with(header("hs256")), no},
		"alg with a blank":                 {with(header("HS256 ")), no},
		"alg of another length":            {with(header("HS512")), no},
		"alg twice":                        {with(`{"alg":"none","alg":"HS256"}`), no},
		"a claim twice":                    {body(fmt.Sprintf(`{"sub":"eve","sub":"ada","iss":"https://login.example.org","aud":"shop","exp":%d}`, now+60)), no},
		"a claim twice, once escaped":      {body(fmt.Sprintf(`{"\u0073ub":"eve","sub":"ada","iss":"https://login.example.org","aud":"shop","exp":%d}`, now+60)), no},
		"alg twice, once escaped":          {with(`{"\u0061lg":"none","alg":"HS256"}`), no},
		"claims in capitals":               {body(fmt.Sprintf(`{"SUB":"ada","iss":"https://login.example.org","aud":"shop","EXP":%d}`, now+60)), "invalid_credentials: the token does not say when it ends"},
		"an end in a list":                 {d.hs("exp", []int64{now + 60}), "invalid_credentials: the token does not say when it ends"},
		"an end in quotes":                 {d.hs("exp", fmt.Sprint(now+60)), "invalid_credentials: the token does not say when it ends"},
		"made in the future, good already": {d.hs("iat", now+31, "nbf", now), "invalid_credentials: the token is not good yet"},
		"no signature":                     {parts[0] + "." + parts[1] + ".", no},
		"two parts":                        {parts[0] + "." + parts[1], no},
		"four parts":                       {good + ".x", no},
		"five parts, as an encrypted one":  {"a.b.c.d.e", no},
		"no parts":                         {"..", no},
		"other claims":                     {parts[0] + "." + encode(d.claims("sub", "eve")) + "." + parts[2], no},
		"another header":                   {encode(header("HS256", "x", 1)) + "." + parts[1] + "." + parts[2], no},
		"padding":                          {good + "=", no},
		"a last letter with more bits":     {parts[0] + "." + parts[1] + "." + lastBits(parts[2]), no},
		"what must be understood":          {with(header("HS256", "crit", []string{"exp"})), no},
		"what must be understood, nothing": {with(header("HS256", "crit", []string{})), no},
		"a type of something else":         {with(header("HS256", "typ", "logout+jwt")), no},
		"a key along with it":              {signed(header("HS256", "jwk", map[string]any{"kty": "oct", "k": encode("mine")}), d.claims(), hs256("mine")), no},
		"the address of a key":             {signed(header("HS256", "jku", "https://evil.example.org/jwks"), d.claims(), hs256("mine")), no},
		"the address of certificates":      {signed(header("HS256", "x5u", "https://evil.example.org/cert.pem"), d.claims(), hs256("mine")), no},
		"certificates along with it":       {signed(header("HS256", "x5c", []string{encode("mine")}), d.claims(), hs256("mine")), no},
		"a kid that leads to a file":       {signed(header("HS256", "kid", "../../../../dev/null"), d.claims(), hs256("")), no},
		"a kid with SQL":                   {signed(header("HS256", "kid", "x' UNION SELECT 'mine"), d.claims(), hs256("mine")), no},
		"a kid that is no text":            {with(header("HS256", "kid", 1)), no},
		"a kid of a kilobyte":              {with(header("HS256", "kid", strings.Repeat("k", 1024))), no},
		"a list for a header":              {with(`["HS256"]`), no},
		"a text for claims":                {body(`"ada"`), no},
		"claims with a null byte":          {body("{\"sub\":\"ada\"}\x00"), no},
		"deep claims":                      {body(`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`), no},
		"a megabyte":                       {d.hs("pad", strings.Repeat("x", 1<<20)), no},
	} {
		if got := d.bearer(c.token); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if got := d.bearer(c.token); got != c.want {
			t.Errorf("%s, once more: got %q, want %q", name, got, c.want)
		}
	}
	if strings.Contains(d.log.String(), "ey") {
		t.Errorf("the log has tokens: %s", d.log)
	}
	d.clock.move(630 * time.Second)
	if got := d.bearer(good); got != "invalid_credentials: the token is over" {
		t.Errorf("a token that was good, once it is over: %q", got)
	}
}

// lastBits changes bits of a text's last letter that stand for nothing.
func lastBits(text string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(letters, text[len(text)-1])
	return text[:len(text)-1] + string(letters[i|1])
}

func TestRolesAreWhereTheIssuerKeepsThem(t *testing.T) {
	for _, c := range []struct {
		path  string
		claim any
		name  string
		want  string
	}{
		{"realm_access.roles", map[string]any{"roles": []string{"clerk"}}, "realm_access", "user:ada clerk"},
		{"https://shop.example.org/roles", []string{"clerk"}, "https://shop.example.org/roles", "user:ada clerk"},
		{"realm_access.roles", "clerk", "realm_access", "user:ada"},
		{"groups", []any{"clerk", 7, nil}, "groups", "user:ada clerk"},
		{"", []string{"clerk"}, "roles", "user:ada"},
	} {
		d := open(t, bySecret(func(i *dataflow.Issuer) { i.Roles = c.path }))
		if got := d.bearer(d.hs("roles", nil, c.name, c.claim)); got != c.want {
			t.Errorf("%s in %v: got %q, want %q", c.path, c.claim, got, c.want)
		}
	}
}

func TestSeveralIssuers(t *testing.T) {
	const other = "the secret of the staff's own issuer, of 32 bytes"
	d := open(t,
		bySecret(),
		bySecret(func(i *dataflow.Issuer) { i.Secret += " as it was before" }),
		bySecret(func(i *dataflow.Issuer) { i.Secret, i.Issuer, i.Prefix = other, "staff", "staff:" }))
	for name, c := range map[string]struct{ token, want string }{
		"the first":                {d.hs(), "user:ada clerk"},
		"its secret before":        {signed(header("HS256"), d.claims(), hs256(secret+" as it was before")), "user:ada clerk"},
		"another":                  {signed(header("HS256"), d.claims("iss", "staff"), hs256(other)), "user:staff:ada clerk"},
		"another's, by the first":  {d.hs("iss", "staff"), "invalid_credentials: the token is not good"},
		"the first's, by another":  {signed(header("HS256"), d.claims(), hs256(other)), "invalid_credentials: the token is not good"},
		"one that takes a prefix":  {d.hs("sub", "staff:ada"), "user:staff:ada clerk"},
		"a prefix of a key's user": {signed(header("HS256"), d.claims("sub", "key:x"), hs256(secret)), "invalid_credentials: the token does not say who its bearer is"},
	} {
		if got := d.bearer(c.token); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// login is an issuer's server with its keys.
type login struct {
	*httptest.Server
	mu     sync.Mutex
	set    any // of keys, or text
	asked  int
	answer http.HandlerFunc // instead of the set, if it is not nil
}

func newLogin(t testing.TB) *login {
	l := &login{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.asked++
		set, answer := l.set, l.answer
		l.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		if text, ok := set.(string); ok {
			fmt.Fprint(w, text)
			return
		}
		_ = json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *login) serve(keys ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set, l.answer = map[string]any{"keys": keys}, nil
}

func (l *login) misbehave(f http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = f
}

func (l *login) times() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *login) issuer() *dataflow.Issuer {
	return &dataflow.Issuer{JWKS: l.URL, Issuer: "https://login.example.org", Audience: []string{"shop"}, User: "sub", Roles: "roles", ClockSkew: 30 * time.Second}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(k *rsa.PrivateKey, more ...any) map[string]any {
	jwk := map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	for i := 0; i < len(more); i += 2 {
		jwk[more[i].(string)] = more[i+1]
	}
	return jwk
}

func ecJWK(t testing.TB, k *ecdsa.PrivateKey, kid string) map[string]any {
	t.Helper()
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	size := (len(point) - 1) / 2
	return map[string]any{"kty": "EC", "crv": k.Params().Name, "kid": kid, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
}

func rs256(k *rsa.PrivateKey) func(string) []byte { return rs(k, crypto.SHA256) }
func rs512(k *rsa.PrivateKey) func(string) []byte { return rs(k, crypto.SHA512) }

func rs(k *rsa.PrivateKey, hash crypto.Hash) func(string) []byte {
	return func(text string) []byte {
		h := hash.New()
		h.Write([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, k, hash, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		return sig
	}
}

func ps256(k *rsa.PrivateKey) func(string) []byte {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			panic(err)
		}
		return sig
	}
}

func es(k *ecdsa.PrivateKey, hash crypto.Hash) func(string) []byte {
	return func(text string) []byte {
		h := hash.New()
		h.Write([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, k, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		size := (k.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newEC(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTokensByPublicKeys(t *testing.T) {
	l := newLogin(t)
	d := open(t, l.issuer())
	r, other, p256, p384, p521 := newRSA(t, 2048), newRSA(t, 2048), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521())
	ed, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l.serve(rsaJWK(r, "kid", "r", "use", "sig"), rsaJWK(other, "kid", "fixed", "alg", "RS512"),
		ecJWK(t, p256, "p256"), ecJWK(t, p384, "p384"), ecJWK(t, p521, "p521"),
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(ed)},
		map[string]any{"kty": "oct", "kid": "oct", "k": encode(secret)},
		rsaJWK(r, "kid", "enc", "use", "enc"))
	by := func(alg, kid string, sign func(string) []byte) string {
		return signed(header(alg, "kid", kid), d.claims(), sign)
	}
	edSign := func(text string) []byte { return ed25519.Sign(edKey, []byte(text)) }
	n := b64(r.N.Bytes())
	der, err := x509.MarshalPKIXPublicKey(&r.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	spki := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mine, evil := newRSA(t, 2048), newLogin(t)
	evil.serve(rsaJWK(mine, "kid", "r"))
	forged := func(more ...any) string {
		return signed(header("RS256", more...), d.claims(), rs256(mine))
	}
	const good, no = "user:ada clerk", "invalid_credentials: the token is not good"
	for name, c := range map[string]struct{ token, want string }{
		"RS256":                              {by("RS256", "r", rs256(r)), good},
		"PS256":                              {by("PS256", "r", ps256(r)), good},
		"ES256":                              {by("ES256", "p256", es(p256, crypto.SHA256)), good},
		"ES384":                              {by("ES384", "p384", es(p384, crypto.SHA384)), good},
		"ES512":                              {by("ES512", "p521", es(p521, crypto.SHA512)), good},
		"EdDSA":                              {by("EdDSA", "ed", edSign), good},
		"Ed25519":                            {by("Ed25519", "ed", edSign), good},
		"no kid, and one key that could be":  {signed(header("ES256"), d.claims(), es(p256, crypto.SHA256)), good},
		"no kid, and two keys that could be": {signed(header("RS512"), d.claims(), rs512(r)), no},
		"HS256 with the public key's text":   {by("HS256", "r", hs256(n)), no},
		"HS256 with the set's own secret":    {by("HS256", "oct", hs256(secret)), no},
		"HS256 without kid":                  {signed(header("HS256"), d.claims(), hs256(n)), no},
		"none":                               {by("none", "r", func(string) []byte { return []byte("x") }), no},
		"RS512":                              {by("RS512", "fixed", rs512(other)), good},
		"another key's kid":                  {by("RS256", "fixed", rs256(r)), no},
		"an alg that the key is not for":     {by("RS256", "fixed", rs256(other)), no},
		"a key for encryption":               {by("RS256", "enc", rs256(r)), no},
		"a key of another kind":              {by("RS256", "p256", rs256(r)), no},
		"another curve":                      {by("ES256", "p384", es(p256, crypto.SHA256)), no},
		"a signature in another form":        {by("ES256", "p256", func(s string) []byte { return append([]byte{0}, es(p256, crypto.SHA256)(s)...) }), no},
		"a signature of nothing":             {by("ES256", "p256", func(string) []byte { return make([]byte, 64) }), no},
		"HS256 with the public key as PEM":   {by("HS256", "r", hs256(spki)), no},
		"HS256 with the public key as DER":   {by("HS256", "r", hs256(string(der))), no},
		"the address of a set":               {forged("kid", "r", "jku", evil.URL), no},
		"the address of certificates":        {forged("kid", "r", "x5u", evil.URL), no},
		"certificates along with it":         {forged("kid", "r", "x5c", []string{base64.StdEncoding.EncodeToString(der)}), no},
		"a kid that is an address":           {forged("kid", evil.URL), no},
		"a kid that leads to a file":         {forged("kid", "../../../../dev/null"), no},
		"a kid with SQL":                     {forged("kid", "x' UNION SELECT 'mine"), no},
		"a kid of nothing":                   {forged("kid", ""), no},
		"what must be understood":            {signed(header("RS256", "kid", "r", "crit", []string{"b64"}, "b64", false), d.claims(), rs256(r)), no},
		"a key along with it":                {signed(header("RS256", "kid", "r", "jwk", rsaJWK(newRSA(t, 2048))), d.claims(), rs256(newRSA(t, 2048))), no},
	} {
		if got := d.bearer(c.token); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if n := evil.times(); n > 0 {
		t.Errorf("an address that tokens name was asked %d times", n)
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	weak, r, ec := newRSA(t, 1024), newRSA(t, 2048), newEC(t, elliptic.P256())
	off := ecJWK(t, ec, "k")
	off["y"] = off["x"] // not on the curve
	short := ecJWK(t, ec, "k")
	short["x"] = short["x"].(string)[:8]
	for name, jwk := range map[string]any{
		"1024 bits":             rsaJWK(weak),
		"an exponent of 1":      rsaJWK(r, "e", "AQ"),
		"an even exponent":      rsaJWK(r, "e", "Ag"),
		"a vast exponent":       rsaJWK(r, "e", b64(bytes.Repeat([]byte{255}, 300))),
		"a vast number":         rsaJWK(r, "n", b64(bytes.Repeat([]byte{255}, 2000))),
		"no number":             rsaJWK(r, "n", "!"),
		"a point off the curve": off,
		"half a point":          short,
		"for encryption":        rsaJWK(r, "use", "enc"),
		"for signing only":      rsaJWK(r, "key_ops", []string{"sign"}),
		"a secret":              map[string]any{"kty": "oct", "k": encode(secret)},
		"a text":                "key",
		"another curve":         map[string]any{"kty": "OKP", "crv": "Ed448", "x": b64(make([]byte, 57))},
	} {
		l := newLogin(t)
		l.serve(jwk)
		d := open(t, l.issuer())
		for _, token := range []string{signed(header("RS256"), d.claims(), rs256(r)), signed(header("ES256"), d.claims(), es(ec, crypto.SHA256))} {
			if got := d.bearer(token); got != "issuer_unavailable: the token can't be checked: its issuer's keys could not be fetched" {
				t.Errorf("%s: got %q", name, got)
			}
		}
	}
}

func TestKeysChange(t *testing.T) {
	l := newLogin(t)
	d := open(t, l.issuer())
	before, after := newRSA(t, 2048), newRSA(t, 2048)
	old := func(set ...any) string { return signed(header("RS256", "kid", "old"), d.claims(set...), rs256(before)) }
	next := func(set ...any) string { return signed(header("RS256", "kid", "new"), d.claims(set...), rs256(after)) }
	const no = "invalid_credentials: the token is not good"
	expect := func(when, token, want string, asked int) {
		t.Helper()
		if got := d.bearer(token); got != want || l.times() != asked {
			t.Errorf("%s: got %q after %d questions, want %q after %d", when, got, l.times(), want, asked)
		}
	}
	l.serve(rsaJWK(before, "kid", "old"))
	expect("the first token", old(), "user:ada clerk", 1)
	expect("the same again", old(), "user:ada clerk", 1)
	expect("another of the same key", old("sub", "bob"), "user:bob clerk", 1)
	expect("a key that there is not", next(), no, 1) // it was asked just now
	l.serve(rsaJWK(before, "kid", "old"), rsaJWK(after, "kid", "new"))
	expect("a key that there is now, too soon", next(), no, 1)
	d.clock.move(10 * time.Second)
	expect("a key that there is now", next(), "user:ada clerk", 2)
	for i := range 50 {
		expect("keys that somebody makes up", signed(header("RS256", "kid", fmt.Sprint(i)), d.claims(), rs256(after)), no, 2)
	}
	expect("the old one beside it", old(), "user:ada clerk", 2)

	// The old key is taken back: its tokens end with it, those that were good
	// just before too.
	kept := old("exp", d.clock.Now().Unix()+3000)
	expect("a long one", kept, "user:ada clerk", 2)
	l.serve(rsaJWK(after, "kid", "new"))
	d.clock.move(10 * time.Minute)
	d.bearer(kept) // has them fetched beside
	d.settle(t, l, 3)
	expect("a token whose key was taken back", kept, no, 3)
	expect("the new one", next(), "user:ada clerk", 3)
}

// settle waits until the issuer has been asked so often and what it said is
// known.
func (d *door) settle(t *testing.T, l *login, asked int) {
	t.Helper()
	token := signed(header("RS256", "kid", "nobody's"), d.claims(), func(string) []byte { return []byte("x") })
	for range 3 { // which waits for what is under way
		d.bearer(token)
	}
	if l.times() != asked {
		t.Fatalf("the issuer was asked %d times, not %d", l.times(), asked)
	}
}

func TestAnIssuerThatCanNotBeReached(t *testing.T) {
	r := newRSA(t, 2048)
	const unavailable = "issuer_unavailable: the token can't be checked: its issuer's keys could not be fetched"
	elsewhere := newLogin(t)
	elsewhere.serve(rsaJWK(r, "kid", "r"))
	for name, answer := range map[string]http.HandlerFunc{
		"an error":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"another address":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"no JSON":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"no keys":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"a name twice":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[],"keys":[]}`) },
		"keys without end": func(w http.ResponseWriter, r *http.Request) { flood(w, r) },
		"keys by hundreds": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"keys":[{"kty":"x"}%s]}`, strings.Repeat(`,{"kty":"x"}`, 100))
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{`)
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogin(t)
			l.misbehave(answer)
			d := open(t, l.issuer())
			d.sets.Hurry(time.Second)
			_, key := d.key(t, auth.Key{Name: "ci"})
			token := signed(header("RS256", "kid", "r"), d.claims(), rs256(r))
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if got := d.bearer(token); got != unavailable {
						t.Errorf("got %q", got)
					}
				})
			}
			wg.Wait()
			if n := l.times(); n != 1 {
				t.Errorf("it was asked %d times by 20 requests", n)
			}
			if got := d.bearer(key); !strings.HasPrefix(got, "key:") {
				t.Errorf("a key meanwhile: %q", got)
			}
			l.serve(rsaJWK(r, "kid", "r"))
			d.sets.Hurry(time.Minute) // it answers now, however busy the machine is
			if got := d.bearer(token); got != unavailable {
				t.Errorf("at once: %q", got)
			}
			d.clock.move(10 * time.Second)
			if got := d.bearer(token); got != "user:ada clerk" {
				t.Errorf("once it answers: %q", got)
			}
			l.misbehave(answer)
			d.sets.Hurry(time.Second)
			d.clock.move(9 * time.Minute)
			token = signed(header("RS256", "kid", "r"), d.claims("exp", d.clock.Now().Unix()+7200), rs256(r))
			if got := d.bearer(token); got != "user:ada clerk" {
				t.Errorf("while its keys are fresh: %q", got)
			}
			d.clock.move(40 * time.Minute)
			if got := d.bearer(token); got != "user:ada clerk" {
				t.Errorf("while its keys are believed: %q", got)
			}
			d.clock.move(12 * time.Minute)
			if got := d.bearer(token); got != unavailable {
				t.Errorf("when they are too old: %q", got)
			}
		})
	}
}

// flood answers as long as anybody listens.
func flood(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, `{"keys":[`)
	for r.Context().Err() == nil {
		if _, err := fmt.Fprintf(w, `{"kty":"%s"},`, strings.Repeat("x", 10_000)); err != nil {
			return
		}
	}
}

// A caller who goes away does not wait for an issuer.
func TestWaitingForAnIssuerEndsWithTheRequest(t *testing.T) {
	l := newLogin(t)
	l.misbehave(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	d := open(t, l.issuer())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Caller(ctx, signed(header("RS256", "kid", "r"), d.claims(), rs256(newRSA(t, 2048))), "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestChallenges(t *testing.T) {
	l := newLogin(t)
	is := l.issuer()
	keys, tokens, proxied := open(t), open(t, is), open(t, is)
	proxied.app.Server.Auth.PublicURL = "https://shop.example.org"
	lacks := access.May(access.Caller{Scoped: true}, &dataflow.Model{Access: &dataflow.Access{Paths: []string{"orders"}}}, dataflow.OpList)
	for _, c := range []struct {
		name   string
		d      *door
		target string
		err    error
		want   string
	}{
		{"nothing said", keys, "/api/orders", &dataflow.Error{Code: "unauthenticated"}, `Bearer realm="shop"`},
		{"a bad key", keys, "/api/orders", &dataflow.Error{Code: "invalid_credentials", Message: `the "key" is not\ good`}, `Bearer realm="shop", error="invalid_token", error_description="the key is not good"`},
		{"too little", keys, "/api/orders", lacks, `Bearer realm="shop", error="insufficient_scope", scope="orders:read"`},
		{"anything else", keys, "/api/orders", &dataflow.Error{Code: "not_found"}, ``},
		{"where to sign in", tokens, "http://localhost:8000/api/orders", &dataflow.Error{Code: "unauthenticated"},
			`Bearer realm="shop", resource_metadata="http://localhost:8000/.well-known/oauth-protected-resource"`},
		{"where agents do", tokens, "http://localhost:3001/mcp", &dataflow.Error{Code: "unauthenticated"},
			`Bearer realm="shop", resource_metadata="http://localhost:3001/.well-known/oauth-protected-resource/mcp"`},
		{"behind a proxy", proxied, "http://10.0.0.1/mcp/orders", &dataflow.Error{Code: "unauthenticated"},
			`Bearer realm="shop", resource_metadata="https://shop.example.org/.well-known/oauth-protected-resource/mcp/orders"`},
		{"a toolset that is none", proxied, "http://10.0.0.1/mcp/nothing", &dataflow.Error{Code: "unauthenticated"},
			`Bearer realm="shop", resource_metadata="https://shop.example.org/.well-known/oauth-protected-resource/mcp"`},
	} {
		if got := c.d.Challenge(ask(c.target), dataflow.AsError(c.err)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	for path, resource := range map[string]string{"": "", "/mcp": "/mcp", "/mcp/orders": "/mcp/orders"} {
		text, ok := proxied.Metadata(ask("/.well-known/oauth-protected-resource" + path))
		if want := `{"resource":"https://shop.example.org` + resource + `","authorization_servers":["https://login.example.org"],"bearer_methods_supported":["header"],"resource_name":"shop"}`; !ok || string(text) != want {
			t.Errorf("%s: got %s, want %s", path, text, want)
		}
	}
	if text, ok := proxied.Metadata(ask("/.well-known/oauth-protected-resource/mcp/nothing")); ok {
		t.Errorf("of a toolset that is none there is %s", text)
	}
	bounded := l.issuer()
	bounded.Scopes = "scope"
	text, _ := open(t, bounded).Metadata(ask("/.well-known/oauth-protected-resource/mcp"))
	if want := `"scopes_supported":["read","write","workflows"]}`; !strings.HasSuffix(string(text), want) {
		t.Errorf("got %s, want %s", text, want)
	}
	if text, ok := keys.Metadata(ask("/.well-known/oauth-protected-resource")); ok {
		t.Errorf("without an issuer there is %s", text)
	}
}

func allOf(m *dataflow.Model) *query.Select { return &query.Select{Model: m} }
