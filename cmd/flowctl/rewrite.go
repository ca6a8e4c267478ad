package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// rewrite is a file that is to be replaced: all of it, by a new one beside it
// that is renamed, so that nobody ever reads half of it. What the file is stays:
// its mode, its owner, and that other names lead to it.
type rewrite struct {
	shown string // as the person knows it
	path  string // what it is behind symbolic links
	temp  string // the new file; "" while there is none
	was   []byte // its text when it was read
}

// rewriteFiles replaces the texts of files, by path: all of them, or where one
// can't be replaced none. was are the texts that were read.
func rewriteFiles(texts map[string][]byte, was func(path string) []byte) (err error) {
	var list []*rewrite
	defer func() {
		for _, r := range list {
			if r.temp != "" {
				os.Remove(r.temp)
			}
		}
	}()
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		r := &rewrite{shown: path, was: was(path)}
		list = append(list, r)
		if err := r.prepare(texts[path]); err != nil {
			return err
		}
	}
	for _, r := range list {
		if err := r.replace(); err != nil {
			return err
		}
	}
	return nil
}

// prepare writes the new file.
func (r *rewrite) prepare(text []byte) error {
	path, err := filepath.EvalSymlinks(r.shown)
	if err != nil {
		return r.refused(reason(err), "")
	}
	r.path = path
	info, err := os.Stat(path)
	if err != nil {
		return r.refused(reason(err), "")
	}
	if err := r.writable(info); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return r.refused(fmt.Sprintf("the folder %s takes no new file (%s)", filepath.Dir(path), reason(err)), "let this user write to the folder")
	}
	r.temp = f.Name()
	if err := keepOwner(f, info); err != nil {
		f.Close()
		return r.refused("it belongs to somebody else, and would belong to you then ("+reason(err)+")", "run flowctl as its owner, or apply what --diff shows")
	}
	_, err = f.Write(text)
	for _, step := range []func() error{func() error { return f.Chmod(info.Mode().Perm()) }, f.Sync} {
		if err == nil {
			err = step()
		}
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return r.refused(reason(err), "")
	}
	return nil
}

// writable refuses a file that nobody is to write to: that its folder can be
// written to does not change that.
func (r *rewrite) writable(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return r.refused("it is no regular file", "")
	}
	hint := "if it is to be changed: chmod u+w " + r.shown
	if info.Mode().Perm()&0o222 == 0 { // which would not stop root
		return r.refused("it is read-only", hint)
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY, 0)
	if err != nil {
		return r.refused("it can't be written to ("+reason(err)+")", hint)
	}
	return f.Close()
}

// replace puts the new file in the place of the old one, unless somebody has
// changed that since it was read.
func (r *rewrite) replace() error {
	now, err := os.ReadFile(r.path)
	if err != nil {
		return r.refused(reason(err), "")
	}
	if !bytes.Equal(now, r.was) {
		return r.refused("it was changed meanwhile", "run the command again")
	}
	if err := os.Rename(r.temp, r.path); err != nil {
		return r.refused(reason(err), "")
	}
	r.temp = ""
	return nil
}

func (r *rewrite) refused(why, hint string) error {
	return &usageError{r.shown + " is left as it is: " + why, hint}
}
