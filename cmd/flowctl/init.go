package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// files are those of a new app. A leading "_" stands for a point, which go
// vet's view of the tree and version control would treat specially.
//
//go:embed template/*
var files embed.FS

func initCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "init DIR",
		Short: "Make a folder with a small app that runs",
		Long: `init makes a folder with an app.star to start from and a README that says how.
It writes into an empty folder only.`,
		Args: takes("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := filepath.Clean(args[0])
			names, err := initApp(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(w.out, "made %s\n\nnext:\n  flowctl run %s\n", strings.Join(names, ", "), filepath.Join(dir, "app.star"))
			return nil
		},
	}
}

// initApp writes the files of a new app into dir and returns their names.
func initApp(dir string) ([]string, error) {
	if err := ensureEmpty(dir); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, "template")
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	var names []string
	for _, e := range entries {
		text, err := fs.ReadFile(files, path.Join("template", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the template: %w", err)
		}
		name := e.Name()
		if rest, ok := strings.CutPrefix(name, "_"); ok {
			name = "." + rest
		}
		to := filepath.Join(dir, name)
		if err := writeNew(to, text); err != nil {
			return nil, fmt.Errorf("write %s: %s", to, reason(err))
		}
		names = append(names, to)
	}
	return names, nil
}

func ensureEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make %s: %s", dir, reason(err))
		}
		return nil
	case err != nil:
		return &usageError{dir + " is no folder that can be read: " + reason(err), "name a folder that is empty or does not exist"}
	case len(entries) > 0:
		return &usageError{dir + " is not empty; nothing was written", "name a folder that is empty or does not exist"}
	}
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
