package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/client"
	"github.com/spf13/cobra"
)

func clientCommand(w *world) *cobra.Command {
	var out string
	var about strings.Builder
	for _, l := range client.Languages() {
		fmt.Fprintf(&about, "  %-8s%s\n", l.Name, l.Title)
	}
	cmd := &cobra.Command{
		Use:   "client LANGUAGE app.star",
		Short: "Write a typed client of an app in another language",
		Long: `client writes the source of a client of the app's REST API, without opening
a database. The languages are

` + about.String() + `
The files go into a folder, which is made if it is not there. A file there that
flowctl client did not write is left alone, and nothing is written then. The
same app gives the same files, to the byte.`,
		Args: takes("LANGUAGE", "app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := clientLanguage(args[0])
			if err != nil {
				return err
			}
			pkg, err := packageName(out)
			if err != nil {
				return err
			}
			a, err := findApp(args[1])
			if err != nil {
				return err
			}
			app, diags := a.load(cmd.Context(), w)
			var files []client.File
			if !dataflow.HasErrors(diags) {
				var more []dataflow.Diagnostic
				if files, more, err = nexus.Client(app, a.options(w, false), l, pkg); err != nil {
					return err
				}
				diags = append(diags, more...)
			}
			if err := a.reportPressing(w, w.err, diags); err != nil || files == nil {
				return errors.Join(err, exitError(exitFailed))
			}
			return writeClient(w, out, files)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "client", "the folder to write to")
	return cmd
}

func clientLanguage(name string) (client.Language, error) {
	for _, l := range client.Languages() {
		if l.Name == name {
			return l, nil
		}
	}
	return client.Language{}, unlisted(fmt.Sprintf("there is no client in %q", name), name, clientLanguages(), "there are")
}

func clientLanguages() []string {
	var names []string
	for _, l := range client.Languages() {
		names = append(names, l.Name)
	}
	return names
}

// packageName is what a package in a folder is called, in languages that go by
// the folder.
func packageName(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(filepath.Base(abs)))
	if name == "" || name[0] <= '9' || client.IsGoWord(name) {
		name = "client" + name
	}
	return name, nil
}

// writeClient writes the files of a client, or none of them.
func writeClient(w *world, dir string, files []client.File) error {
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name))
		first, _, _ := bytes.Cut(text, []byte("\n"))
		if err == nil && !bytes.Contains(first, []byte(client.Mark)) {
			return &usageError{filepath.Join(dir, f.Name) + " was not written by flowctl client, so it is left alone", "name another folder: -o DIR"}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &usageError{dir + " can't be made: " + reason(err), "name another folder: -o DIR"}
	}
	for _, f := range files {
		at := filepath.Join(dir, f.Name)
		if err := os.WriteFile(at, f.Text, 0o644); err != nil {
			return &usageError{at + " can't be written: " + reason(err), "name another folder: -o DIR"}
		}
		fmt.Fprintln(w.out, "wrote "+filepath.ToSlash(at))
	}
	return nil
}
