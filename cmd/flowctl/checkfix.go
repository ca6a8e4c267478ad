package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/starlark/check"
	"github.com/rogpeppe/go-internal/diff"
)

// maxFixRounds bounds how often fixes are applied: one may bring to light what
// another mends.
const maxFixRounds = 10

// fix mends the files of an app and reports what is left.
func (a *appFile) fix(ctx context.Context, w *world, o checkFlags) error {
	if o.diff {
		changed, mended, before := a.mend(ctx, w, o)
		for _, path := range slices.Sorted(maps.Keys(changed)) {
			if _, err := w.out.Write(diff.Diff(path, []byte(before[path]), path, []byte(changed[path]))); err != nil {
				return fmt.Errorf("write the changes: %w", err)
			}
		}
		if mended == 0 {
			fmt.Fprintln(w.err, "nothing can be mended")
		}
		return nil
	}
	total := 0
	for range maxFixRounds {
		changed, mended, _ := a.mend(ctx, w, o)
		if mended == 0 {
			break
		}
		for path, text := range changed {
			if err := a.rewrite(path, text); err != nil {
				return err
			}
		}
		total += mended
	}
	fmt.Fprintf(w.err, "mended %s\n", plural(total, "finding"))
	app, diags := a.check(ctx, w)
	return a.reportCheck(w, app, check.Select(diags, o.only, o.without), &comparison{}, o)
}

// mend works out one round of fixes.
func (a *appFile) mend(ctx context.Context, w *world, o checkFlags) (changed map[string]string, mended int, before map[string]string) {
	app, diags := a.check(ctx, w)
	sources := a.sources(app)
	before = map[string]string{}
	for _, s := range sources {
		before[s.Path] = s.Text
	}
	changed, mended = check.Fix(sources, check.Select(diags, o.only, o.without), o.unsafe)
	return changed, mended, before
}

// rewrite puts text in the place of a file, whole or not at all.
func (a *appFile) rewrite(path, text string) error {
	path = filepath.Join(a.dir, filepath.FromSlash(strings.TrimPrefix(path, a.display)))
	info, err := os.Stat(path)
	if err != nil {
		return &usageError{path + " can't be changed: " + reason(err), ""}
	}
	return writeFile(path, []byte(text), info.Mode().Perm())
}

// writeFile writes a file beside path and renames it, so that nobody ever
// reads half of it.
func writeFile(path string, text []byte, mode os.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return &usageError{path + " can't be changed: " + reason(err), "let this user write to its folder"}
	}
	_, err = f.Write(text)
	for _, step := range []func() error{func() error { return f.Chmod(mode) }, f.Sync, f.Close, func() error { return os.Rename(f.Name(), path) }} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return &usageError{path + " can't be changed: " + reason(err), ""}
	}
	return nil
}
