// Command flowctl checks, runs and serves the back end that an app.star
// declares. It is one program that embeds the runtime: it uses nothing that
// others can't.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], system()))
}

// Exit codes. An app that is found wanting is 1; a command that could not be
// understood, or whose file could not be read, is 2.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// world is what a command may touch of what is around it.
type world struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	exit     func(int) // at once
	now      func() time.Time
}

func system() *world {
	return &world{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, exit: os.Exit, now: time.Now}
}

// run runs the command that args ask for and returns its exit code.
func run(ctx context.Context, args []string, w *world) int {
	if _, set := w.env("GOGC"); !set {
		collect()
	}
	if err := unknownCommand(args); err != nil {
		return w.fail(err)
	}
	root := rootCommand(w)
	for _, c := range commands {
		if len(args) == 0 || args[0] == c.name || !isCommand(args[0]) { // one that is named needs no other
			root.AddCommand(c.make(w))
		}
	}
	if len(args) > 0 && isCompletion(args[0]) {
		complete(root, w)
	} else {
		line := &commandLine{words: args}
		line.watch(root)
		root.SetFlagErrorFunc(line.flagError)
	}
	if len(args) > 0 && args[0] == "help" {
		if err := unknownHelp(root, args[1:]); err != nil {
			return w.fail(err)
		}
	}
	root.SetArgs(args)
	return w.fail(root.ExecuteContext(ctx))
}

// commands are those that there are.
var commands = []struct {
	name string
	make func(*world) *cobra.Command
}{
	{"run", runCommand}, {"dev", devCommand}, {"check", checkCommand}, {"explain", explainCommand}, {"fmt", fmtCommand}, {"migrate", migrateCommand},
	{"exec", execCommand}, {"runs", runsCommand}, {"keys", keysCommand}, {"mcp", mcpCommand}, {"openapi", openapiCommand}, {"client", clientCommand},
	{"explain-plan", explainPlanCommand}, {"init", initCommand}, {"introspect", introspectCommand}, {"test", testCommand}, {"lsp", lspCommand},
	{"completion", completionCommand}, {"version", versionCommand},
}

// isCommand reports whether a word names a command. Help, and what a shell asks
// for, are about all of them.
func isCommand(word string) bool {
	for _, c := range commands {
		if c.name == word {
			return true
		}
	}
	return false
}

// isCompletion reports whether a word is what a shell asks for completions with.
func isCompletion(word string) bool {
	return word == cobra.ShellCompRequestCmd || word == cobra.ShellCompNoDescRequestCmd
}

// rootCommand is flowctl without its commands.
func rootCommand(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:   "flowctl",
		Short: "A back end from one file",
		Long: `flowctl turns one file, app.star, into a running back end: it creates the
database, and serves the file's models and workflows over REST and to agents
over MCP.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(w.err)
			if err := cmd.Help(); err != nil {
				return err
			}
			return &usageError{} // help was shown, and nothing done
		},
	}
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	return root
}

// usageError is a command that could not be understood. It exits with 2.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

// usageErrors are all that is wrong with a command.
type usageErrors []error

func (e usageErrors) Error() string { return errors.Join(e...).Error() }

// add adds what is wrong, if anything is.
func (e *usageErrors) add(err error) {
	if err != nil {
		*e = append(*e, err)
	}
}

// orNil is the error that they are, if they are any.
func (e usageErrors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// exitError ends a command that has already said what is wrong.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// fail tells the user of err and returns the exit code it means.
func (w *world) fail(err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if all, ok := errors.AsType[usageErrors](err); ok {
		for _, err := range all {
			w.fail(err)
		}
		return exitUsage
	}
	d := dataflow.Diagnostic{Message: err.Error()}
	code := exitFailed
	if u, ok := errors.AsType[*usageError](err); ok {
		if code = exitUsage; u.message == "" {
			return code
		}
		d.Hint = u.hint
	}
	w.complain(d)
	return code
}

// complain writes one error that belongs to no file.
func (w *world) complain(d dataflow.Diagnostic) {
	e := &dataflow.Error{Code: d.Code, Message: d.Message, Hint: d.Hint}
	// Where standard error can't be written to, nobody can be told.
	_ = report.Failure(w.err, e, nil, report.Color(w.err, w.env))
}

// unknownCommand finds a first argument that names no command, before its
// flags are taken for those of another.
func unknownCommand(args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || args[0] == "help" || isCommand(args[0]) || isCompletion(args[0]) {
		return nil
	}
	names := []string{"help"}
	for _, c := range commands {
		names = append(names, c.name)
	}
	slices.Sort(names)
	hint := dataflow.DidYouMean(args[0], names)
	if strings.HasSuffix(args[0], ".star") {
		hint = "to serve it, write: flowctl run " + args[0]
	}
	if hint == "" {
		hint = "the commands are " + strings.Join(names, ", ")
	}
	return &usageError{fmt.Sprintf("unknown command %q", args[0]), hint}
}

// unknownHelp finds a word that names no command to help with.
func unknownHelp(root *cobra.Command, words []string) error {
	cmd := root
	for _, word := range words {
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
		switch {
		case strings.HasPrefix(word, "-"):
			continue
		case i >= 0:
			cmd = cmd.Commands()[i]
		case cmd == root:
			return unknownCommand([]string{word})
		case cmd.HasSubCommands():
			return unknownVerb(cmd, word, "to see its help", "--help")
		default:
			return &usageError{fmt.Sprintf("%q is one argument too many", word), "write: flowctl help" + strings.TrimPrefix(cmd.CommandPath(), root.CommandPath())}
		}
	}
	return nil
}

// takes checks the positional arguments of a command, by name.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		usage := "write: " + strings.Join(append([]string{cmd.CommandPath()}, names...), " ")
		if len(args) < len(names) {
			return &usageError{names[len(args)] + " is missing", usage}
		}
		if len(args) > len(names) {
			return &usageError{fmt.Sprintf("%q is one argument too many", args[len(names)]), usage}
		}
		return nil
	}
}
