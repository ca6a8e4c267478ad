package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

func fmtCommand(w *world) *cobra.Command {
	var o fmtFlags
	cmd := &cobra.Command{
		Use:   "fmt [FILE|FOLDER|-]...",
		Short: "Lay files out in the one way there is",
		Long: `fmt rewrites files of Starlark in the layout of buildifier: blanks, line breaks
and quotes, nothing that they mean. A folder stands for every .star file below
it, - for standard input, which is written to standard output. Without arguments
it is the folder you are in.

Exit code 0: done. 1: a file can't be parsed, or with --check is laid out
otherwise. 2: the command or a file could not be read.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return o.run(w, args)
		},
	}
	cmd.Flags().BoolVar(&o.check, "check", false, "change nothing; name the files that would change")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "change nothing; show what would change")
	return cmd
}

type fmtFlags struct{ check, diff bool }

func (o fmtFlags) run(w *world, args []string) error {
	var paths []string
	for _, arg := range args {
		if arg == "-" {
			paths = append(paths, arg)
			continue
		}
		found, err := starFiles(arg)
		if err != nil {
			return err
		}
		paths = append(paths, found...)
	}
	failed := false
	for _, path := range paths {
		same, err := o.file(w, path)
		if err != nil {
			return err
		}
		failed = failed || !same
	}
	if failed {
		return exitError(exitFailed)
	}
	return nil
}

// starFiles lists the files that an argument stands for.
func starFiles(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, &usageError{arg + " can't be read: " + reason(err), ""}
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	var out []string
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != arg && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() && strings.HasSuffix(path, ".star") {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		return nil, &usageError{arg + " can't be read: " + reason(err), ""}
	}
	if len(out) == 0 {
		return nil, &usageError{"there is no .star file in " + arg, ""}
	}
	return out, nil
}

// file lays out one file. It returns whether all is well: it could be, and
// with --check was already.
func (o fmtFlags) file(w *world, path string) (bool, error) {
	name, text, err := readForFmt(w, path)
	if err != nil {
		return false, err
	}
	out, diags := starlark.Format(name, text)
	if len(diags) > 0 {
		source := func(string) string { return string(text) }
		return false, report.Text(w.err, diags, source, report.Color(w.err, w.env))
	}
	same := bytes.Equal(text, out)
	switch {
	case o.diff:
		_, err = w.out.Write(diff.Diff(name, text, name, out))
		return same || !o.check, err
	case o.check:
		if !same {
			fmt.Fprintln(w.out, name)
		}
		return same, nil
	case path == "-":
		_, err = w.out.Write(out)
		return true, err
	case same:
		return true, nil
	}
	if err := rewriteFiles(map[string][]byte{path: out}, func(string) []byte { return text }); err != nil {
		return false, err
	}
	fmt.Fprintln(w.out, name)
	return true, nil
}

func readForFmt(w *world, path string) (name string, text []byte, err error) {
	if path == "-" {
		text, err = io.ReadAll(w.in)
		return "standard input", text, err
	}
	if text, err = os.ReadFile(path); err != nil {
		return "", nil, &usageError{path + " can't be read: " + reason(err), ""}
	}
	return path, text, nil
}
