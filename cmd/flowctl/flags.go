package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandLine is what a command is told by. The packages that read it stop at
// the first thing that is wrong; it keeps what they find, so that all is told at
// once: flags that there are not, values, what PreRunE of the command finds in
// its flags, and arguments that are missing or too many.
type commandLine struct {
	words []string // all of them
	wrong usageErrors
}

// watch has the flags and arguments of a command, and of those below it, looked
// at as a whole.
func (l *commandLine) watch(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		f.Value = flagValue{f.Value, f, l}
		if f.DefValue == "[]" { // which help shows of values that it does not know
			f.DefValue = ""
		}
	})
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if args != nil {
			l.note(args(cmd, given))
		}
		if slices.Contains(given, "") {
			l.note(&usageError{"an argument is empty", "give it a value, or leave it out"})
		}
		l.look(cmd, given)
		return l.wrong.orNil()
	}
	for _, below := range cmd.Commands() {
		l.watch(below)
	}
}

// look asks a command what is wrong with its flags as a whole.
func (l *commandLine) look(cmd *cobra.Command, given []string) {
	if cmd.PreRunE != nil {
		l.note(cmd.PreRunE(cmd, given))
	}
}

// note keeps what is wrong, once.
func (l *commandLine) note(err error) {
	if all, ok := errors.AsType[usageErrors](err); ok {
		for _, err := range all {
			l.note(err)
		}
		return
	}
	known := func(other error) bool { return other.Error() == err.Error() }
	if err != nil && !slices.ContainsFunc(l.wrong, known) {
		l.wrong = append(l.wrong, err)
	}
}

// flagError is called with the first thing that keeps the words from being taken
// apart. They are read again without it, until nothing does.
func (l *commandLine) flagError(cmd *cobra.Command, err error) error {
	_, words, _ := cmd.Root().Find(l.words)
	unsure := false
	for err != nil {
		l.note(wordFlag(cmd, err))
		i := culprit(words, err)
		if i < 0 {
			break
		}
		// What follows a flag that there is not may be its value, so that nothing
		// can be said of the arguments.
		unsure = unsure || !strings.Contains(words[i], "=") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-")
		words = slices.Delete(slices.Clone(words), i, i+1)
		err = cmd.ParseFlags(words)
	}
	if unsure {
		l.look(cmd, cmd.Flags().Args())
	} else {
		l.note(cmd.ValidateArgs(cmd.Flags().Args()))
	}
	return l.wrong.orNil()
}

// culprit is the place of the word that err is about, or -1.
func culprit(words []string, err error) int {
	is := func(string) bool { return false }
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		is = isFlag(e.GetSpecifiedName(), e.GetSpecifiedShortnames())
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		is = isFlag(e.GetSpecifiedName(), e.GetSpecifiedShortnames())
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		is = func(word string) bool { return word == e.GetSpecifiedFlag() }
	}
	return slices.IndexFunc(words, is)
}

func isFlag(name, shorts string) func(string) bool {
	return func(word string) bool {
		if shorts != "" {
			return strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && strings.HasSuffix(word, shorts)
		}
		return word == "--"+name || strings.HasPrefix(word, "--"+name+"=")
	}
}

// flagValue keeps a value that can't be, and takes it for none.
type flagValue struct {
	pflag.Value
	flag *pflag.Flag
	line *commandLine
}

// flagForms are how the values of flags are written, by their types.
var flagForms = map[string]string{
	"int": "give it a whole number", "duration": `write it as "30s" or "2m"`, "stringSlice": "write words with commas between them, or the flag for each",
}

// Set implements pflag.Value.
func (v flagValue) Set(text string) error {
	name := "--" + v.flag.Name
	if text == "" { // as by a script whose variable is not set
		v.line.note(&usageError{name + " is empty", "give it a value, or leave it out"})
		return nil
	}
	if v.Value.Set(text) == nil {
		return nil
	}
	hint, known := flagForms[v.Type()]
	if !known {
		hint = "write " + name + ", or leave it out"
	}
	v.line.note(&usageError{fmt.Sprintf("%s can't be %q", name, text), hint})
	if v.flag.DefValue == "" {
		return nil
	}
	return v.Value.Set(v.flag.DefValue) // it may have become another
}

// wordFlag words what is wrong with a flag, with the nearest there is.
func wordFlag(cmd *cobra.Command, err error) error {
	see := "see " + cmd.CommandPath() + " --help"
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		u := &usageError{"--" + e.GetFlag().Name + " has no value", see}
		if hint := flagForms[e.GetFlag().Value.Type()]; hint != "" {
			u.hint = hint
		}
		return u
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return &usageError{fmt.Sprintf("%q is no flag", e.GetSpecifiedFlag()), see}
	}
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &usageError{err.Error(), see}
	}
	name := missing.GetSpecifiedName()
	u := &usageError{message: "unknown flag --" + name, hint: see}
	if missing.GetSpecifiedShortnames() != "" {
		u.message = "unknown flag -" + name
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if s := dataflow.Suggest(name, flags); s != "" {
		u.hint = "did you mean --" + s + "?"
	} else if s := withWord(name, flags); len(s) > 0 && len(name) > 2 { // --port of --api-port
		u.hint = "did you mean --" + strings.Join(s, " or --") + "?"
	} else if name == "version" {
		u.hint = "write: flowctl version"
	}
	return u
}

// withWord are the names that have a word among theirs, between dashes.
func withWord(word string, names []string) []string {
	var out []string
	for _, name := range names {
		if slices.Contains(strings.Split(name, "-"), word) {
			out = append(out, name)
		}
	}
	return out
}
