package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// secretsKey is the key of what a script was given to show who calls, and of
// what stands for it in what is compared: pairs, as for a strings.Replacer.
type secretsKey struct{}

// stands has name stand for a secret in what is compared.
func stands(ts *testscript.TestScript, secret, name string) {
	list := ts.Value(secretsKey{}).(*[]string)
	*list = append(*list, secret, name)
}

var keyPattern = regexp.MustCompile(`flk_([a-z2-7]{12})_[a-z2-7]{52}`)

func cmdAPIKey(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "apikey NAME")
	m := keyPattern.FindStringSubmatch(*ts.Value(saidKey{}).(*string))
	if m == nil {
		ts.Fatalf("the last command made no key")
	}
	ts.Setenv(args[0], m[0])
	ts.Setenv(args[0]+"_ID", m[1])
	stands(ts, m[0], "$"+args[0])
	stands(ts, m[1], "$"+args[0]+"_ID")
}

func cmdToken(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 1 || len(args) == 2), "token NAME [JSON]")
	claims := jwt.MapClaims{"exp": time.Now().Add(10 * time.Minute).Unix()}
	if len(args) == 2 {
		ts.Check(json.Unmarshal([]byte(args[1]), &claims))
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(ts.Getenv("JWT_SECRET")))
	ts.Check(err)
	ts.Setenv(args[0], text)
	stands(ts, text, "$"+args[0])
}

const askingApp = `db = DataFlow(database_url = env("DATABASE_URL"))
Note = db.model("Note", {"text": str})
app = Nexus(enable_auth = True)
app.expose(Note)
app.start()
`

// TestARevokedKeyEndsInAllProcesses: two that serve and one that speaks MCP on
// standard input and output, none of which is told.
func TestARevokedKeyEndsInAllProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testRevocation(t, "DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "app.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		testRevocation(t, "DATABASE_URL="+pgtest.URL(t))
	})
}

func testRevocation(t *testing.T, database string) {
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(askingApp), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("flowctl")
	if err != nil {
		t.Fatal(err)
	}
	flowctl := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), database)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("flowctl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	key := flowctl("keys", "create", app, "ci")
	servers := []*serverProcess{serveApp(t, app, database), serveApp(t, app, database)}
	status := func(p *serverProcess) int {
		t.Helper()
		req, err := http.NewRequest("GET", p.api+"/api/notes", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	agent := exec.Command(path, "mcp", app)
	agent.Env = append(os.Environ(), database, keyVariable+"="+key)
	var said bytes.Buffer
	agent.Stderr = &said
	in, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	answers, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer agent.Process.Kill()
	fmt.Fprintln(in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if line, err := bufio.NewReader(answers).ReadString('\n'); err != nil { // it has taken the key by then
		t.Fatalf("a ping is answered with %q: %v", line, err)
	}
	for i, p := range servers {
		if got := status(p); got != http.StatusOK {
			t.Fatalf("server %d answers a good key with %d", i, got)
		}
	}
	flowctl("keys", "revoke", app, keyPattern.FindStringSubmatch(key)[1])
	revoked := time.Now()
	for i, p := range servers {
		for status(p) != http.StatusUnauthorized {
			if took := time.Since(revoked); took > auth.KeyFresh+patience {
				t.Fatalf("server %d takes a key that was revoked %s ago", i, took)
			}
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("an agent goes on with a key that was revoked")
	}
	if agent.ProcessState.ExitCode() != exitUsage || !strings.Contains(said.String(), "is good no more") || strings.Contains(said.String(), key) {
		t.Errorf("it exited with %d and said %s", agent.ProcessState.ExitCode(), &said)
	}
}
