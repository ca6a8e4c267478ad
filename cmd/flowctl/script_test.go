package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what scripts print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flowctl": main})
}

// TestScripts runs the scripts of testdata/script against the real binary.
// Besides the commands of testscript they have
//
//	flow ARG...              runs flowctl; its output is normalised
//	exit CODE ARG...         the same, where flowctl must exit with CODE
//	serve app.star ARG...    starts flowctl run on free ports and waits until it is ready; sets $API, $MCP and their ports
//	serve -dev app.star ...  the same with flowctl dev
//	hear TEXT                waits until the server has said TEXT, and prints what it has said since it was last heard
//	hangup                   sends the server SIGHUP
//	halt [TERM|INT] [CODE]   signals the server and waits for it to exit with CODE, which is 0 if left out
//	kill9                    kills the server
//	http METHOD PATH [BODY]  calls it; -b prints the body alone, -H name:value adds a header, @file is a body from a file
//	runid NAME               puts the id of the durable run that the last command told of into $NAME
//	mcpcall TOOL [JSON]      calls a tool of it; -H name:value adds a header
//	mcp METHOD [PARAMS] [SET] sends a request of MCP's latest revision to it, at /mcp or /mcp/SET
//	apikey NAME              puts the API key that the last command made into $NAME, and its id into $NAME_ID
//	token NAME [JSON]        signs a token of these claims with $JWT_SECRET, good for ten minutes, and puts it into $NAME
//	sql DB STATEMENT...      runs SQL on a database: a file, or a URL
//	lockdb DB [STATEMENT]... begins a transaction on one and keeps it open: an exclusive one on a file
//	unlockdb DB              ends it
//	pgdb NAME                makes an empty PostgreSQL database and puts its URL into $NAME
//	newdb NAME               makes an empty database of the engine that the script runs on, the same way
//	samedb DB DB             compares the schemas of two databases
//	goose up|down DB DIR     runs the migrations in a folder with goose
//	repeat FILE N TEXT       writes TEXT N times into a file
//
// A script that needs PostgreSQL begins with
//
//	[!postgres] skip 'no PostgreSQL to test with'
//
// The scripts of testdata/script/engines run on each engine: $DATABASE_URL
// names an empty database of it, and $ENGINE the engine.
//
// Times, run ids, request ids, ports and folders differ between runs, so they
// are replaced by words in what these commands print.
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams(".", func(*testscript.Env) error { return nil }))
}

func TestScriptsOnEachEngine(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testscript.Run(t, scriptParams("engines", func(env *testscript.Env) error {
			env.Setenv("ENGINE", "sqlite")
			return setDatabase(env, "DATABASE_URL", "sqlite:app.db")
		}))
	})
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		testscript.Run(t, scriptParams("engines", func(env *testscript.Env) error {
			env.Setenv("ENGINE", "postgres")
			at, drop, err := pgtest.New()
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := drop(); err != nil {
					t.Error(err)
				}
			})
			return setDatabase(env, "DATABASE_URL", at)
		}))
	})
}

// TestTheShopBehindAPooler tells the shop's story through a PgBouncer, where
// it takes two options more.
func TestTheShopBehindAPooler(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "shop", "app.star"))
	if err != nil {
		t.Fatal(err)
	}
	const option = `slow_query_threshold = "100ms",`
	pooled := strings.Replace(string(text), option, `pooler = "transaction", direct_url = env("OTHER_URL"),`, 1) // in one line: the story shows places
	if pooled == string(text) {
		t.Fatal("the shop has no option to replace")
	}
	direct := pgtest.URL(t)
	params := scriptParams("", func(env *testscript.Env) error {
		env.Setenv("ENGINE", "postgres")
		env.Setenv("OTHER_URL", direct)
		env.Setenv("SHOP", filepath.Join(env.WorkDir, "pooled.star"))
		if err := os.WriteFile(env.Getenv("SHOP"), []byte(pooled), 0o644); err != nil {
			return err
		}
		return setDatabase(env, "DATABASE_URL", pgtest.Pooled(t, direct))
	})
	params.Dir, params.Files = "", []string{filepath.Join(params.Dir, "engines", "story_shop.txtar")}
	testscript.Run(t, params)
}

// scriptParams are those of the scripts in a folder of testdata/script.
func scriptParams(dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script", dir),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				return err
			}
			env.Setenv("ROOT", root)
			env.Setenv("SHOP", filepath.Join(root, "examples", "shop", "app.star"))
			env.Setenv("NO_COLOR", "1")
			env.Values[serverKey{}] = new(scriptServer)
			env.Values[locksKey{}] = make(map[string]func())
			env.Values[databasesKey{}] = new(databaseNames)
			env.Values[saidKey{}] = new(string)
			env.Values[secretsKey{}] = new([]string)
			return setup(env)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "postgres" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return pgtest.Missing() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"flow":     cmdFlow,
			"exit":     cmdExit,
			"serve":    cmdServe,
			"hear":     cmdHear,
			"hangup":   cmdHangup,
			"halt":     cmdHalt,
			"kill9":    cmdKill9,
			"http":     cmdHTTP,
			"mcpcall":  cmdMCPCall,
			"mcp":      cmdMCP,
			"sql":      cmdSQL,
			"lockdb":   cmdLockDB,
			"unlockdb": cmdUnlockDB,
			"pgdb":     cmdPGDB,
			"newdb":    cmdNewDB,
			"samedb":   cmdSameDB,
			"goose":    cmdGoose,
			"repeat":   cmdRepeat,
			"runid":    cmdRunID,
			"apikey":   cmdAPIKey,
			"token":    cmdToken,
		},
	}
}

func usage(ts *testscript.TestScript, ok bool, format string) {
	if !ok {
		ts.Fatalf("usage: %s", format)
	}
}

func cmdFlow(ts *testscript.TestScript, neg bool, args []string) {
	code := runFlowctl(ts, args)
	if neg != (code != 0) {
		ts.Fatalf("flowctl exited with %d", code)
	}
}

func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "exit CODE ARG...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := runFlowctl(ts, args[1:]); code != want {
		ts.Fatalf("flowctl exited with %d, not %d", code, want)
	}
}

// command prepares the binary in the script's folder and environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if file := filepath.Join(dir, "flowctl"); fileExists(file) {
			path = file
			break
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	return cmd
}

// scriptEnv is what a command of a script sees of the environment. The names
// are those that the scripts set.
func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "NO_COLOR", "DATABASE_URL", "OTHER_URL", "GREETING", "MODE", "JWT_SECRET", "FLOWCTL_API_KEY"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func runFlowctl(ts *testscript.TestScript, args []string) int {
	cmd := command(ts, args)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	ts.Check(cmd.Start())
	// A server that starts though it should not would never end.
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	n := newNormaliser(ts)
	*ts.Value(saidKey{}).(*string) = out.String() + errOut.String()
	fmt.Fprint(ts.Stdout(), n.text(out.String()))
	fmt.Fprint(ts.Stderr(), n.text(errOut.String()))
	if !timer.Stop() {
		ts.Fatalf("flowctl %s has not ended after %s", strings.Join(args, " "), patience)
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		ts.Fatalf("run flowctl: %v", err)
	}
	return cmd.ProcessState.ExitCode()
}

// normaliser replaces what differs between runs.
type normaliser struct{ replace *strings.Replacer }

func newNormaliser(ts *testscript.TestScript) normaliser {
	pairs := []string{ts.Getenv("ROOT"), "$ROOT", ts.Getenv("WORK"), "$WORK"}
	if api := ts.Getenv("API"); api != "" {
		pairs = append(pairs, api, "$API", ts.Getenv("MCP"), "$MCP",
			"port "+ts.Getenv("API_PORT"), "port $API_PORT", ":"+ts.Getenv("API_PORT"), ":$API_PORT")
	}
	pairs = append(pairs, *ts.Value(databasesKey{}).(*databaseNames)...)
	pairs = append(pairs, *ts.Value(secretsKey{}).(*[]string)...)
	return normaliser{strings.NewReplacer(pairs...)}
}

var changing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`"request_id": ?"[^"]+"`), `"request_id": "REQUEST"`},
	{regexp.MustCompile(`"run_id": ?"[^"]+"`), `"run_id": "RUN"`},
	{regexp.MustCompile(`(ready|reloaded) in \d+ ms`), "$1 in N ms"},
	{regexp.MustCompile(`flk_[a-z2-7]{12}_[a-z2-7]{52}`), "KEY"},
	{regexp.MustCompile(`(listed as |key:|"id": ")[a-z2-7]{12}\b`), "${1}ID"},
	{regexp.MustCompile(`"ms": [\d.]+`), `"ms": N`},
	{regexp.MustCompile(` time="[\d.]+"`), ` time="N"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`), "UUID"},
}

func (n normaliser) text(s string) string {
	s = n.replace.Replace(s)
	for _, c := range changing {
		s = c.pattern.ReplaceAllString(s, c.with)
	}
	return s
}

// json is text, indented, for a body that is JSON, and text as it is for
// another.
func (n normaliser) json(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") == nil {
		body = b.Bytes()
	}
	s := n.text(string(body))
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

// saidKey is the key of what the last command said, before it was normalised.
type saidKey struct{}

var runIDPattern = regexp.MustCompile(`(?:"run_id": ?"|the run )([0-9a-f-]{36}[^" ;]*)`)

func cmdRunID(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "runid NAME")
	m := runIDPattern.FindStringSubmatch(*ts.Value(saidKey{}).(*string))
	if m == nil {
		ts.Fatalf("the last command told of no run")
	}
	ts.Setenv(args[0], m[1])
}

func cmdRepeat(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "repeat FILE N TEXT")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte(args[2]), n), 0o644))
}

// patience bounds every wait of a script: far more than any takes.
const patience = time.Minute
