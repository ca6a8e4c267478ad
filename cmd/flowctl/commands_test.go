package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
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
