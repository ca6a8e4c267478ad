package nexus_test

import (
	"bufio"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/golang-jwt/jwt/v5"
)

const tokenSecret = "a secret of the issuer, of at least 32 bytes"

// asking is the shop with its events served, for callers that say who they are.
func asking(file string, issuers ...*dataflow.Issuer) *dataflow.App {
	app := apptest.Shop("sqlite:" + file)
	for _, e := range app.Exposures {
		e.Events = true
	}
	app.Server.EnableAuth = true
	app.Server.Auth.Issuers = issuers
	return app
}

// open opens a stream and returns its lines.
func openStream(t *testing.T, method, url, body string, header ...string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, url, res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Scan() // what says that it has begun
	return lines
}

// Whoever listens hears no more once their key is revoked, their token is over,
// or the app takes neither any more; and hears why. Others listen on.
func TestStreamsEndWithWhatTheirCallersMay(t *testing.T) {
	now := &movable{at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	file := filepath.Join(t.TempDir(), "shop.db")
	issuer := &dataflow.Issuer{Secret: tokenSecret, Issuer: "us", User: "sub"}
	gen := build(t, asking(file, issuer), nexus.Options{Now: now.Now})
	srv, _ := started(t, gen, time.Minute)
	api, agents := srv.URLs()
	token := func(lasts time.Duration) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "us", "sub": "ada", "exp": now.Now().Add(lasts).Unix()}).SignedString([]byte(tokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	key := func() (id, text string) {
		k, text, err := gen.Keys().Create(t.Context(), auth.Key{Name: "k"})
		if err != nil {
			t.Fatal(err)
		}
		return k.ID, text
	}
	revokedID, revoked := key()
	_, kept := key()
	brief, long := token(time.Minute), token(time.Hour)
	all := func(credential string) map[string]*bufio.Scanner {
		bearer := "Bearer " + credential
		_, res := agentStream(t, http.MethodPost, agents, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, map[string]string{"Authorization": bearer})
		return map[string]*bufio.Scanner{
			"model":   openStream(t, "GET", api+"/api/orders/events", "", "Authorization", bearer),
			"session": openStream(t, "GET", agents, "", "Authorization", bearer, "Mcp-Session-Id", res.Header.Get("Mcp-Session-Id")),
			"subscription": openStream(t, "POST", agents, `{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
				"Authorization", bearer, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"),
		}
	}
	rest := func(lines *bufio.Scanner) string {
		var said []string
		for lines.Scan() {
			said = append(said, lines.Text())
		}
		return strings.Join(said, "\n")
	}
	ended := func(streams map[string]*bufio.Scanner, why string) {
		t.Helper()
		for name, lines := range streams {
			if got := rest(lines); !strings.Contains(got, why) {
				t.Errorf("the stream of a %s ended with %q, want %q in it", name, got, why)
			}
		}
	}
	one, two, three, four := all(revoked), all(kept), all(brief), all(long)
	if _, err := gen.Keys().Revoke(t.Context(), revokedID); err != nil {
		t.Fatal(err)
	}
	now.move(2 * time.Minute)
	ended(one, "the API key is not good")
	ended(three, "the token is over")

	// The next app takes no tokens.
	next, ds := nexus.Build(t.Context(), asking(file), nexus.Options{Now: now.Now, Shared: srv.Shared()})
	if next == nil {
		t.Fatal(diagnostics(ds))
	}
	if err := srv.Swap(next).Close(); err != nil {
		t.Error(err)
	}
	delete(four, "model") // it ends with its app, and comes again
	ended(four, "the token is not good")

	// A good key's streams have lasted: they tell of yet another app's tools.
	last := asking(file)
	last.Workflows[0].Name = "renamed"
	after, ds := nexus.Build(t.Context(), last, nexus.Options{Now: now.Now, Shared: srv.Shared()})
	if after == nil {
		t.Fatal(diagnostics(ds))
	}
	if err := srv.Swap(after).Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"session", "subscription"} {
		heard := false
		for !heard && two[name].Scan() {
			heard = strings.Contains(two[name].Text(), "tools/list_changed")
		}
		if !heard {
			t.Errorf("the stream of a %s of a good key has ended", name)
		}
	}
}

// movable is a clock that is moved by hand.
type movable struct {
	mu sync.Mutex
	at time.Time
}

func (m *movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *movable) move(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = m.at.Add(d)
}
