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
		changed, mended, before := a.mend(ctx, w, o)
		if mended == 0 {
			break
		}
		if err := a.rewrite(changed, before); err != nil {
			return err
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

// rewrite puts texts in the place of the files that they were worked out from.
func (a *appFile) rewrite(changed, before map[string]string) error {
	texts, was := map[string][]byte{}, map[string][]byte{}
	for shown, text := range changed {
		path := filepath.Join(a.dir, filepath.FromSlash(strings.TrimPrefix(shown, a.display)))
		mark := ""
		if now, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(now), byteOrderMark) {
			mark = byteOrderMark
		}
		texts[path], was[path] = []byte(mark+text), []byte(mark+before[shown])
	}
	return rewriteFiles(texts, func(path string) []byte { return was[path] })
}
