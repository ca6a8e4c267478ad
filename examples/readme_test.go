// Package examples_test runs what the READMEs show: each `$ command` of a
// console block, in order, and compares what it prints.
package examples_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the commands print into the READMEs")

// readmes are the pages whose commands are run. A server is started with the
// flags that put it on ports of the test's own.
var readmes = []struct {
	path  string
	ready string // how the line begins that the server prints when it is ready
	flags func(api, mcp string) []string
	api   string // where the page says that it listens
	dir   string // where its commands are run, if not beside it
}{
	{"README.md", "ready in", flowctlPorts, "8000", ""},
	{"examples/shop/README.md", "ready in", flowctlPorts, "8000", ""},
	{"examples/approval/README.md", "ready in", flowctlPorts, "8000", ""},
	{"examples/kailash_port/README.md", "ready in", flowctlPorts, "8000", ""},
	{"examples/embed/README.md", "serving ", func(api, _ string) []string { return []string{"-addr", "127.0.0.1:" + api} }, "8080", ""},
	{"examples/helpdesk/README.md", "ready in", flowctlPorts, "8000", ""},
	{"docs/porting.md", "ready in", flowctlPorts, "8000", "examples/ported"},
	{"docs/migrations.md", "ready in", flowctlPorts, "8000", "examples/migrations"},
	{"docs/existing-databases.md", "ready in", flowctlPorts, "8000", "examples/migrations"},
}

func flowctlPorts(api, mcp string) []string { return []string{"--api-port", api, "--mcp-port", mcp} }

// patience bounds each wait: far more than any takes.
const patience = time.Minute

func TestReadmes(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the READMEs' commands need curl: apt-get install curl")
	}
	bin := t.TempDir()
	for name, pkg := range map[string]string{"flowctl": "../cmd/flowctl", "embed": "./embed"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	for _, r := range readmes {
		t.Run(r.path, func(t *testing.T) {
			work := t.TempDir()
			if err := os.CopyFS(filepath.Join(work, "examples"), os.DirFS(".")); err != nil {
				t.Fatal(err)
			}
			api, mcp := freePort(t), freePort(t)
			s := &session{t: t, bin: bin, dir: filepath.Join(work, cmp.Or(r.dir, filepath.Dir(r.path))),
				ready: r.ready, flags: r.flags(api, mcp),
				real:  strings.NewReplacer("localhost:"+r.api, "localhost:"+api),
				shown: strings.NewReplacer(":"+api, ":"+r.api, ":"+mcp, ":3001"),
			}
			page, err := os.ReadFile(filepath.Join("..", r.path))
			if err != nil {
				t.Fatal(err)
			}
			got := s.page(string(page))
			s.stop()
			if *update {
				if err := os.WriteFile(filepath.Join("..", r.path), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, string(page), got)
		})
	}
}

// compare reports the lines that differ but for times and ids.
func compare(t *testing.T, page, got string) {
	t.Helper()
	want, have := strings.Split(normal(page), "\n"), strings.Split(normal(got), "\n")
	for i := range min(len(want), len(have)) {
		if want[i] != have[i] {
			t.Errorf("line %d\n shown %s\n  real %s", i+1, want[i], have[i])
		}
	}
	if len(want) != len(have) {
		t.Errorf("the page has %d lines, a real run %d", len(want), len(have))
	}
}

var changing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`"run_id":"[^"]+"`), `"run_id":"RUN"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`"request_id":"[^"]+"`), `"request_id":"REQUEST"`},
	{regexp.MustCompile(`X-Request-Id: .*`), "X-Request-Id: REQUEST"},
	{regexp.MustCompile(`Date: .*`), "Date: DATE"},
	{regexp.MustCompile(`listed as [a-z2-7]{12}`), "listed as ID"},
	{regexp.MustCompile(`ready in \d+ ms`), "ready in N ms"},
}

func normal(s string) string {
	for _, c := range changing {
		s = c.pattern.ReplaceAllString(s, c.with)
	}
	return s
}

// freePort finds a port that nobody listens on. It is none of those that
// systems give to whoever asks for any: such a one could be another's by the
// time that the page's server listens on it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("a hundred ports are taken")
	return ""
}

// session runs the commands of one page.
type session struct {
	t           *testing.T
	bin, dir    string
	ready       string
	flags       []string
	real, shown *strings.Replacer // from the page's ports to the test's, and back
	server      *exec.Cmd
}

// page returns the page with what its commands really print.
func (s *session) page(text string) string {
	var out []string
	in := false
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "```console":
			in = true
			out = append(out, line)
		case line == "```":
			in = false
			out = append(out, line)
		case !in:
			out = append(out, line)
		case strings.HasPrefix(line, "$ "):
			out = append(out, line)
			out = append(out, s.run(strings.TrimPrefix(line, "$ "))...)
		}
	}
	return strings.Join(out, "\n")
}

// tools are how the pages name what is built once for all of them.
var tools = strings.NewReplacer("go run ./cmd/flowctl", "flowctl", "go run ./examples/embed", "embed")

// setting is a word that sets a variable for the command behind it.
var setting = regexp.MustCompile(`^[A-Z_]+=[^$]*$`)

func (s *session) run(command string) []string {
	command = tools.Replace(s.real.Replace(command))
	args := strings.Fields(command)
	var env []string
	for len(args) > 1 && setting.MatchString(args[0]) {
		env, args = append(env, args[0]), args[1:]
	}
	if args[0] == "embed" || len(args) > 1 && args[1] == "run" {
		return s.start(env, args)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	s.prepare(cmd)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		s.t.Fatalf("%s: %v", command, err)
	}
	return s.lines(out)
}

func (s *session) prepare(cmd *exec.Cmd) {
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
}

func (s *session) lines(out []byte) []string {
	text := strings.ReplaceAll(s.shown.Replace(string(out)), "\r", "")
	if text = strings.TrimRight(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// start starts a server and returns what it prints until it is ready.
func (s *session) start(env, args []string) []string {
	s.t.Helper()
	s.server = exec.Command(filepath.Join(s.bin, args[0]), append(args[1:], s.flags...)...)
	s.prepare(s.server)
	s.server.Env = append(s.server.Env, env...)
	r, w := io.Pipe()
	s.server.Stdout, s.server.Stderr = w, w
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := s.untilReady(r)
		done <- result{out, err}
		io.Copy(io.Discard, r)
	}()
	select {
	case res := <-done:
		if res.err != nil {
			s.t.Fatal(res.err)
		}
		return s.lines(res.out)
	case <-time.After(patience):
		s.server.Process.Kill()
		s.t.Fatalf("%v is not ready after %s", args, patience)
		return nil
	}
}

func (s *session) untilReady(r io.Reader) ([]byte, error) {
	var out bytes.Buffer
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fmt.Fprintln(&out, lines.Text())
		if strings.HasPrefix(lines.Text(), s.ready) {
			return out.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("the server stopped before it was ready:\n%s", &out)
}

func (s *session) stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	if err := s.server.Wait(); err != nil {
		s.t.Errorf("the server: %v", err)
	}
}
