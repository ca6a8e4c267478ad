package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// said runs a command and returns its exit code and what it says on standard error.
func said(args ...string) (int, string) {
	var out, err bytes.Buffer
	w := &world{in: strings.NewReader(""), out: &out, err: &err, env: func(string) (string, bool) { return "", false }, now: time.Now,
		exit: func(int) { panic("ended") }}
	code := run(context.Background(), args, w)
	return code, err.String()
}

// The names of commands and flags, misspelt by one edit of each sort, are
// suggested as those of the language are.
func TestEveryCommandAndFlagIsSuggested(t *testing.T) {
	root := rootCommand(system())
	for _, c := range commands {
		root.AddCommand(c.make(system()))
	}
	rnd := rand.New(rand.NewPCG(7, 11))
	tried := 0
	try := func(name string, beside []string, dash string, args ...string) {
		for _, edit := range edits {
			slip := edit(rnd, name)
			near := dataflow.Suggest(slip, beside)
			if slip == name || slices.Contains(beside, slip) || strings.ContainsAny(slip, "= ") || near == "" {
				continue
			}
			tried++
			code, text := said(append(slices.Clone(args), dash+slip)...)
			if code != exitUsage || !strings.Contains(text, "did you mean") || !strings.Contains(text, near) {
				t.Errorf("flowctl %s %s%s: %d %s", strings.Join(args, " "), dash, slip, code, text)
			}
		}
	}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		var below, flags []string
		for _, sub := range c.Commands() {
			below = append(below, sub.Name())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
		for _, f := range flags {
			try(f, flags, "--", path...)
		}
		for _, sub := range c.Commands() {
			try(sub.Name(), append(below, "help"), "", path...)
			walk(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	walk(root, nil)
	if tried < 300 {
		t.Errorf("only %d slips were tried", tried)
	}
}

// What flags and arguments name is suggested, too: words of a list, and names
// of the app or of its database.
func TestEveryNameThatAFlagTakesIsSuggested(t *testing.T) {
	dir := t.TempDir()
	app := filepath.Join(dir, "app.star")
	text := appHead + `
def handle(ctx):
    return ctx.run(Thing.list, limit = 5).records

app = Nexus(enable_auth = True)
app.handler("handle", handle, access = role("warden"))
app.expose(Thing, Maker)
app.start()
`
	if err := os.WriteFile(app, []byte(strings.Replace(text, "sqlite:a.db", "sqlite:"+dir+"/a.db", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, text := said("migrate", "apply", app); code != exitOK {
		t.Fatal(text)
	}
	rnd := rand.New(rand.NewPCG(5, 1))
	toolsets := []string{"readonly", "generic", "workflows", "things", "makers", "things/readonly"}
	for _, c := range []struct {
		names []string
		args  string // with % for the name
	}{
		{[]string{"text", "concise", "json", "sarif", "github", "junit"}, "check APP --format %"},
		{[]string{"db"}, "check APP --against %=sqlite:x.db"},
		{[]string{"text", "mermaid", "dot"}, "explain-plan APP handle --format %"},
		{[]string{"handle"}, "explain-plan APP %"},
		{[]string{"text", "json", "junit"}, "test APP --format %"},
		{[]string{"handle"}, "exec APP %"},
		{[]string{"warden"}, "exec APP handle --as %"},
		{[]string{"makers", "things"}, "introspect sqlite:DIR/a.db --table %"},
		{[]string{"db"}, "migrate plan APP --database %"},
		{[]string{"goose"}, "migrate export APP --format %"},
		{[]string{"sqlite", "postgres"}, "migrate export APP --all --dialect %"},
		{[]string{"text", "json"}, "run APP --log-format %"},
		{[]string{"debug", "info", "warn", "error"}, "run APP --log-level %"},
		{[]string{"waiting", "completed", "cancelled"}, "runs list APP --status %"},
		{[]string{"handle"}, "runs list APP --workflow %"},
		{[]string{"completed", "failed", "cancelled"}, "runs purge APP --older-than 1d --status %"},
		{[]string{"warden"}, "keys create APP bot --role %"},
		{[]string{"things:read", "workflows:handle"}, "keys create APP bot --scope %"},
		{toolsets, "mcp APP --toolset %"},
		{[]string{"python"}, "client % APP"},
		{[]string{"bash", "fish"}, "completion %"},
		{[]string{"FC230", "FC510"}, "explain %"},
	} {
		for _, name := range c.names {
			for _, edit := range edits {
				slip := edit(rnd, name)
				if slip == name || slices.Contains(c.names, slip) || dataflow.Suggest(slip, c.names) == "" || strings.ContainsAny(slip, "= ") {
					continue
				}
				if _, another := check.Explain(slip); another {
					continue
				}
				args := strings.Fields(strings.NewReplacer("APP", app, "DIR", dir, "%", slip).Replace(c.args))
				if _, text := said(args...); !strings.Contains(text, "did you mean") || !strings.Contains(text, slip) {
					t.Errorf("flowctl %s: %s", strings.Join(args, " "), text)
				}
			}
		}
	}
}
