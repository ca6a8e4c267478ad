package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// credentials measures what it costs a request that the app asks who makes it:
// the same get as without, by an API key, by a token that has been seen before,
// and by tokens that have not.
func credentials(ctx context.Context, c config) error {
	issuer, err := newIssuer()
	if err != nil {
		return err
	}
	defer issuer.server.Close()
	closed, open, err := withAuth(ctx, c, issuer)
	for _, p := range []*process{closed, open} {
		if p != nil {
			defer p.kill()
		}
	}
	if err != nil {
		return err
	}
	key, err := makeKey(c)
	if err != nil {
		return err
	}
	few := max(c.requests/4, 1)
	row := func(i int) string { return fmt.Sprintf("/api/products/%d", 1+i*7%seeded) }
	kinds := []struct {
		name string
		p    *process
		n    int
		bear func(round int) (func(i int) string, error)
	}{
		{"asks nobody", open, c.requests, func(int) (func(int) string, error) { return nil, nil }},
		{"an API key", closed, c.requests, func(int) (func(int) string, error) { return func(int) string { return key }, nil }},
		{"a token seen before", closed, c.requests, func(round int) (func(int) string, error) {
			tokens, err := issuer.tokens(jwt.SigningMethodRS256, fmt.Sprintf("seen-%d", round), 1)
			return func(int) string { return tokens[0] }, err
		}},
		{"a token for the first time, RS256", closed, few, func(round int) (func(int) string, error) {
			tokens, err := issuer.tokens(jwt.SigningMethodRS256, fmt.Sprintf("rsa-%d", round), few)
			return func(i int) string { return tokens[i] }, err
		}},
		{"a token for the first time, ES256", closed, few, func(round int) (func(int) string, error) {
			tokens, err := issuer.tokens(jwt.SigningMethodES256, fmt.Sprintf("ec-%d", round), few)
			return func(i int) string { return tokens[i] }, err
		}},
	}
	cpu := make([][]time.Duration, len(kinds))
	for round := range c.rounds + 1 { // the first warms up
		for k, kind := range kinds {
			bearer, err := kind.bear(round)
			if err != nil {
				return err
			}
			l := load{addr: kind.p.addr, conns: c.conns, n: kind.n, status: http.StatusOK, request: func(i int) []byte {
				if bearer == nil {
					return get(row(i))
				}
				return getAs(row(i), bearer(i))
			}}
			cost, err := l.measure(ctx, kind.p)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			if round > 0 {
				cpu[k] = append(cpu[k], cost.cpu)
			}
		}
	}
	var rows [][]string
	for k, kind := range kinds {
		added := make([]time.Duration, len(cpu[k]))
		for i := range added {
			added[i] = cpu[k][i] - cpu[0][i]
		}
		rows = append(rows, []string{kind.name, micros(median(cpu[k])), micros(median(added))})
	}
	table(c.out, fmt.Sprintf("CPU time of the server for a get of one row, µs, by who asks; %d connections, median of %d rounds of %d requests, %d for the first times",
		c.conns, c.rounds, c.requests, few), []string{"", "in all", "added"}, rows)
	return nil
}

// getAs is get with a key or token.
func getAs(path, bearer string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + client + "Authorization: Bearer " + bearer + "\r\n\r\n")
}

// withAuth starts the app twice on copies of one database: as it is, and asking
// who calls.
func withAuth(ctx context.Context, c config, i *issuer) (closed, open *process, err error) {
	text, err := os.ReadFile(appFile())
	if err != nil {
		return nil, nil, err
	}
	const plain = "app = Nexus()"
	if !bytes.Contains(text, []byte(plain)) {
		return nil, nil, fmt.Errorf("%s has no %s to change", appFile(), plain)
	}
	asking := strings.Replace(string(text), plain, fmt.Sprintf("app = Nexus(enable_auth = True, auth = [jwt(jwks = %q, issuer = %q, audience = \"bench\")])", i.server.URL, i.server.URL), 1)
	if err := os.WriteFile(filepath.Join(c.dir, "asking.star"), []byte(asking), 0o644); err != nil {
		return nil, nil, err
	}
	if open, err = flowctlRun(c, appFile(), filepath.Join(c.dir, "open.db")); err != nil {
		return nil, nil, err
	}
	fill := load{conns: 1, n: 1, addr: open.addr, status: http.StatusOK, request: func(int) []byte { return post("/api/products/bulk_create", seedJSON()) }}
	if _, err := open.answered(ctx, "/health/ready"); err != nil {
		return nil, open, err
	}
	if _, err := fill.run(ctx); err != nil {
		return nil, open, err
	}
	if err := open.stop(); err != nil {
		return nil, open, err
	}
	if err := copyFile(filepath.Join(c.dir, "asking.db"), filepath.Join(c.dir, "open.db")); err != nil {
		return nil, open, err
	}
	if open, err = flowctlRun(c, appFile(), filepath.Join(c.dir, "open.db")); err != nil {
		return nil, nil, err
	}
	if closed, err = flowctlRun(c, filepath.Join(c.dir, "asking.star"), filepath.Join(c.dir, "asking.db")); err != nil {
		return nil, open, err
	}
	for _, p := range []*process{open, closed} {
		if _, err := p.answered(ctx, "/health/ready"); err != nil {
			return closed, open, err
		}
	}
	return closed, open, nil
}

// makeKey makes an API key of the app that asks.
func makeKey(c config) (string, error) {
	cmd := exec.Command(c.flowctl, "keys", "create", filepath.Join(c.dir, "asking.star"), "bench")
	cmd.Env = append(os.Environ(), "DATABASE_URL=sqlite:"+filepath.Join(c.dir, "asking.db"))
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// issuer signs tokens, and serves the keys that they are checked by.
type issuer struct {
	server *httptest.Server
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
}

func newIssuer() (*issuer, error) {
	i := &issuer{}
	var err error
	if i.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	text := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	set, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "RSA", "kid": "RS256", "n": text(i.rsa.N.Bytes()), "e": text(big.NewInt(int64(i.rsa.E)).Bytes())},
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "ES256", "x": text(point[1:33]), "y": text(point[33:])},
	}})
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	return i, err
}

// tokens signs n tokens, each of another user.
func (i *issuer) tokens(method jwt.SigningMethod, user string, n int) ([]string, error) {
	var key any = i.rsa
	if method == jwt.SigningMethodES256 {
		key = i.ec
	}
	list := make([]string, n)
	for k := range list {
		t := jwt.NewWithClaims(method, jwt.MapClaims{"iss": i.server.URL, "aud": "bench", "sub": fmt.Sprintf("%s-%d", user, k),
			"exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"clerk", "night"}, "email": "ada@example.org"})
		t.Header["kid"] = method.Alg()
		var err error
		if list[k], err = t.SignedString(key); err != nil {
			return nil, err
		}
	}
	return list, nil
}
