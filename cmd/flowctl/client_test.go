package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/google/go-cmp/cmp"
)

const clientApp = "../../testdata/client/app.star"

// writtenClient writes the client of an app into a new folder's folder client.
func writtenClient(t *testing.T, language, app string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var out, errs bytes.Buffer
	w := &world{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) (string, bool) { return "", false }}
	if code := run(context.Background(), []string{"client", language, app, "-o", filepath.Join(dir, "client")}, w); code != exitOK {
		t.Fatalf("client %s: exit %d\n%s%s", language, code, out.String(), errs.String())
	}
	return dir
}

// What is written is compared whole: but for the runtimes, which are files of
// package client themselves.
func TestClientsAreAsTheyWere(t *testing.T) {
	for language, file := range map[string]string{"ts": "index.ts", "go": "client.go", "python": "__init__.py"} {
		got, err := os.ReadFile(filepath.Join(writtenClient(t, language, clientApp), "client", file))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("..", "..", "testdata", "client", "golden", language, file)
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got): go test ./cmd/flowctl -run TestClientsAreAsTheyWere -update takes it\n%s", language, diff)
		}
	}
}

// served serves the app of the clients on a database, and returns where.
func served(t *testing.T, database string) string {
	t.Helper()
	w := &world{in: strings.NewReader(""), out: new(bytes.Buffer), err: new(bytes.Buffer),
		env: func(name string) (string, bool) { return database, name == "DATABASE_URL" }}
	a, err := findApp(clientApp)
	if err != nil {
		t.Fatal(err)
	}
	app, diags := a.load(t.Context(), w)
	if dataflow.HasErrors(diags) {
		t.Fatal(diags)
	}
	gen, diags := nexus.Build(t.Context(), app, a.options(w, false))
	if gen == nil {
		t.Fatal(diags)
	}
	gen.Work()
	server := httptest.NewServer(gen.API())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := gen.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// onServers runs f on the app served from each engine.
func onServers(t *testing.T, f func(t *testing.T, url string)) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) { f(t, served(t, empty(t))) })
}

// do runs a command in a folder and fails with what it says if it does.
func do(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "PYTHONDONTWRITEBYTECODE=1", "PYRIGHT_PYTHON_IGNORE_WARNINGS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// copied copies a file of testdata/client.
func copied(t *testing.T, name, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "client", name))
	if err != nil {
		t.Fatal(err)
	}
	written(t, to, string(text))
}

func written(t *testing.T, to, text string) {
	t.Helper()
	if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wide is an app with every type and option.
const wide = "../../testdata/openapi/wide.star"

func TestClientInGo(t *testing.T) {
	module := func(dir string) { written(t, filepath.Join(dir, "go.mod"), "module example.org/use\n\ngo 1.24\n") }
	dir := writtenClient(t, "go", clientApp)
	module(dir)
	copied(t, "use.go", filepath.Join(dir, "main.go"))
	do(t, dir, "go", "vet", "./...")
	if out := do(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	do(t, dir, "go", "build", "-o", "use", ".")
	onServers(t, func(t *testing.T, url string) { do(t, dir, filepath.Join(dir, "use"), url) })

	dir = writtenClient(t, "go", wide)
	module(dir)
	do(t, dir, "go", "vet", "./...")
}

func TestClientInTypeScript(t *testing.T) {
	tsc, node := nodeTool(t, "tsc"), nodeTool(t, "node")
	options := []string{"--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noUnusedLocals", "--noUnusedParameters",
		"--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--lib", "es2023,dom,dom.iterable,dom.asynciterable", "--outDir", "out"}
	dir := writtenClient(t, "ts", clientApp)
	written(t, filepath.Join(dir, "package.json"), `{"type": "module"}`)
	// Of node's own the program uses no more than these.
	written(t, filepath.Join(dir, "node.d.ts"), `declare module "node:assert/strict" {
  function assert(ok: unknown, message?: string): asserts ok;
  namespace assert {
    function equal<T>(got: unknown, want: T, message?: string): asserts got is T;
    function deepEqual(got: unknown, want: unknown): void;
    function rejects(p: Promise<unknown>, how: ((e: unknown) => boolean) | (abstract new (...args: never[]) => unknown)): Promise<void>;
  }
  export default assert;
}
declare const process: { argv: string[] };
`)
	copied(t, "use.ts", filepath.Join(dir, "use.ts"))
	do(t, dir, tsc, append(options, "use.ts", "node.d.ts")...)
	onServers(t, func(t *testing.T, url string) { do(t, dir, node, filepath.Join("out", "use.js"), url) })

	dir = writtenClient(t, "ts", wide)
	written(t, filepath.Join(dir, "package.json"), `{"type": "module"}`)
	do(t, dir, tsc, append(options, filepath.Join("client", "index.ts"))...)
}

func TestClientInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("FLOWCTL_REQUIRE_NODE") != "" {
			t.Fatal("python3 is not there: .ci/run says how to install it")
		}
		t.Skip("SKIPPED, NOT TESTED: python3 is not there")
	}
	dir := writtenClient(t, "python", clientApp)
	copied(t, "use.py", filepath.Join(dir, "use.py"))
	onServers(t, func(t *testing.T, url string) { do(t, dir, python, "use.py", url) })

	all := writtenClient(t, "python", wide)
	do(t, all, python, "-c", "import client; client.Client('http://127.0.0.1:1')")
	t.Run("types", func(t *testing.T) {
		pyright := nodeTool(t, "pyright")
		for _, dir := range []string{dir, all} {
			written(t, filepath.Join(dir, "pyrightconfig.json"), `{"typeCheckingMode": "strict", "pythonVersion": "3.10"}`)
			do(t, dir, pyright, "--project", dir)
		}
	})
}
