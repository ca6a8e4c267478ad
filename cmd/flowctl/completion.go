package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/migrate/export"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

// shells are those that completion can be written for.
var shells = []struct {
	name  string
	write func(root *cobra.Command, w io.Writer) error
	use   string // how it is installed
}{
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }, `source <(flowctl completion bash)`},
	{"zsh", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }, `flowctl completion zsh > "${fpath[1]}/_flowctl"`},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }, `flowctl completion fish > ~/.config/fish/completions/flowctl.fish`},
	{"powershell", func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }, `flowctl completion powershell | Out-String | Invoke-Expression`},
}

func shellNames() []string {
	var names []string
	for _, s := range shells {
		names = append(names, s.name)
	}
	return names
}

func completionCommand(w *world) *cobra.Command {
	var uses strings.Builder
	for _, s := range shells {
		fmt.Fprintf(&uses, "\n  %-12s%s", s.name, s.use)
	}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write what makes a shell complete commands",
		Long: `completion writes a script for a shell: ` + strings.Join(shellNames(), ", ") + `. With it the shell
completes commands and options, and what goes with them: apps, the workflows of
an app and their inputs, codes, formats.
` + uses.String(),
		Args: takes("SHELL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range shells {
				if s.name == args[0] {
					return s.write(cmd.Root(), w.out)
				}
			}
			hint := dataflow.DidYouMean(args[0], shellNames())
			if hint == "" {
				hint = "there are " + strings.Join(shellNames(), ", ")
			}
			return &usageError{fmt.Sprintf("there is no completion for %q", args[0]), hint}
		},
	}
}

// offer lists what may be written, given the arguments before it.
type offer func(ctx context.Context, w *world, args []string) []cobra.Completion

// ofArguments are the offers for arguments, by their names in the usage.
var ofArguments = map[string]offer{
	"WORKFLOW": workflowNames,
	"CODE":     func(context.Context, *world, []string) []cobra.Completion { return codesWithTitles() },
	"RUN":      func(context.Context, *world, []string) []cobra.Completion { return nil }, // a database is not opened for a keystroke
	"NAME":     func(context.Context, *world, []string) []cobra.Completion { return nil },
	"LANGUAGE": func(context.Context, *world, []string) []cobra.Completion { return clientLanguages() },
	"SHELL":    func(context.Context, *world, []string) []cobra.Completion { return shellNames() },
}

// ofFlags are the offers for the values of flags, by command and flag.
var ofFlags = map[string]offer{
	"check --select": func(context.Context, *world, []string) []cobra.Completion { return ruleCodes() },
	"check --ignore": func(context.Context, *world, []string) []cobra.Completion { return ruleCodes() },
	"check --format": func(context.Context, *world, []string) []cobra.Completion { return reportFormats() },
	"test --format":  func(context.Context, *world, []string) []cobra.Completion { return testFormats },
	"test --run":     testNames,
	"explain-plan --format": func(context.Context, *world, []string) []cobra.Completion {
		return slices.Sorted(maps.Keys(planFormats))
	},
	"export --format": func(context.Context, *world, []string) []cobra.Completion { return exportFormats() },
	"exec --input":    inputNames,
	"list --status":   func(context.Context, *world, []string) []cobra.Completion { return durable.Statuses() },
	"list --workflow": workflowNames,
}

// complete makes the commands below cmd complete their arguments and flags.
func complete(cmd *cobra.Command, w *world) {
	for _, sub := range cmd.Commands() {
		complete(sub, w)
	}
	words := strings.Fields(cmd.Use)[1:]
	if len(words) > 0 && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) >= len(words) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			if list := ofArguments[words[len(args)]]; list != nil {
				return list(c.Context(), w, args), cobra.ShellCompDirectiveNoFileComp
			}
			if strings.Contains(words[len(args)], ".star") {
				return []cobra.Completion{"star"}, cobra.ShellCompDirectiveFilterFileExt
			}
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	for key, list := range ofFlags {
		name, flag, _ := strings.Cut(key, " --")
		if name != cmd.Name() || cmd.Flags().Lookup(flag) == nil {
			continue
		}
		// It fails only for a flag that is not there.
		_ = cmd.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			before := ""
			if i := strings.LastIndexByte(typed, ','); i >= 0 { // --select takes several
				before = typed[:i+1]
			}
			offered := slices.Clone(list(c.Context(), w, args))
			for i := range offered {
				offered[i] = before + offered[i]
			}
			how := cobra.ShellCompDirectiveNoFileComp
			if flag == "input" {
				how |= cobra.ShellCompDirectiveNoSpace
			}
			return offered, how
		})
	}
}

// quietly loads the app that an argument names, for its names. Nothing is said
// while a line is being typed.
func quietly(ctx context.Context, w *world, args []string) *dataflow.App {
	if len(args) == 0 {
		return nil
	}
	a, err := findApp(args[0])
	if err != nil {
		return nil
	}
	silent := *w
	silent.err = io.Discard
	if ctx == nil {
		ctx = context.Background()
	}
	app, _ := a.load(ctx, &silent)
	return app
}

func workflowNames(ctx context.Context, w *world, args []string) []cobra.Completion {
	app := quietly(ctx, w, args)
	if app == nil {
		return nil
	}
	var names []cobra.Completion
	for _, wf := range app.Workflows {
		names = append(names, cobra.CompletionWithDesc(wf.Name, firstLine(wf.Doc)))
	}
	return names
}

func inputNames(ctx context.Context, w *world, args []string) []cobra.Completion {
	app := quietly(ctx, w, args)
	if app == nil || len(args) < 2 {
		return nil
	}
	var names []cobra.Completion
	for _, wf := range app.Workflows {
		if wf.Name == args[1] {
			for _, f := range wf.Input {
				names = append(names, cobra.CompletionWithDesc(f.Name+"=", f.Type.String()))
			}
		}
	}
	return names
}

func testNames(ctx context.Context, w *world, args []string) []cobra.Completion {
	path := "."
	if len(args) > 0 {
		path = args[0]
	}
	suites, err := findSuites(path)
	if err != nil {
		return nil
	}
	silent := *w
	silent.err = io.Discard
	var names []cobra.Completion
	for _, s := range suites {
		if t, err := silent.tryApp(ctx, s, &testFlags{pattern: regexp.MustCompile("")}); err == nil {
			names = append(names, namesOfTests(t.tests)...)
		}
	}
	return names
}

func namesOfTests(tests []starlark.Test) []string {
	var names []string
	for _, t := range tests {
		names = append(names, t.Name)
	}
	return names
}

func codesWithTitles() []cobra.Completion {
	var list []cobra.Completion
	for _, c := range dataflow.Codes() {
		list = append(list, cobra.CompletionWithDesc(c.Code, c.Title))
	}
	return list
}

// ruleCodes are those of warnings that can be selected.
func ruleCodes() []cobra.Completion {
	rules := check.Rules()
	return slices.DeleteFunc(codesWithTitles(), func(c cobra.Completion) bool {
		return !slices.ContainsFunc(rules, func(r check.Rule) bool { return strings.HasPrefix(c, r.Code) })
	})
}

func reportFormats() []cobra.Completion {
	list := []cobra.Completion{"text"}
	for _, f := range report.Formats() {
		list = append(list, cobra.CompletionWithDesc(f.Name, f.Doc))
	}
	return list
}

func exportFormats() []cobra.Completion { return export.Formats() }

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
