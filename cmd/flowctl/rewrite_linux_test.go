package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asMortal runs fn as a user whom permissions hold back. Where the tests are run
// by root that is root without the capabilities to pass them by.
func asMortal(t *testing.T, fn func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and never unlocked: the thread ends with what it was made
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var set [2]unix.CapUserData
			err := unix.Capget(&header, &set[0])
			set[0].Effective &^= 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
			if err == nil {
				err = unix.Capset(&header, &set[0])
			}
			if err != nil {
				t.Errorf("the capabilities of root stay: %v", err)
				return
			}
		}
		fn()
	}()
	<-ended
}

func rewriteOne(path, was, text string) error {
	return rewriteFiles(map[string][]byte{path: []byte(text)}, func(string) []byte { return []byte(was) })
}

// What can't be replaced is left as it is, with a word on why, and nothing is
// left beside it.
func TestRewriteLeavesWhatItCannotReplace(t *testing.T) {
	tests := []struct {
		name    string
		was     string
		prepare func(dir, file string) error
		want    string
	}{
		{"a folder that takes no file", "old", func(dir, file string) error {
			return os.Chmod(dir, 0o555)
		}, "takes no new file (permission denied)"},
		{"a file that nobody may write to", "old", func(dir, file string) error {
			return os.Chmod(file, 0o444)
		}, "it is read-only"},
		{"a file that others may write to", "old", func(dir, file string) error {
			return os.Chmod(file, 0o066)
		}, "it can't be written to (permission denied)"},
		{"a file that is gone", "", func(dir, file string) error {
			return os.Rename(file, filepath.Join(dir, "other"))
		}, "no such file"},
		{"a text that somebody has changed", "older", func(dir, file string) error { return nil }, "it was changed meanwhile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app")
			file := filepath.Join(dir, "app.star")
			done(t, os.Mkdir(dir, 0o755))
			done(t, os.WriteFile(file, []byte("old"), 0o644))
			done(t, tt.prepare(dir, file))
			before, _ := os.ReadDir(dir)
			var err error
			asMortal(t, func() { err = rewriteOne(file, tt.was, "new") })
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			done(t, os.Chmod(dir, 0o755))
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("the folder has %v", after)
			}
			os.Chmod(file, 0o644)
			if text, err := os.ReadFile(file); err == nil && string(text) != "old" {
				t.Errorf("the file holds %q", text)
			}
		})
	}
}

// A file of somebody else stays theirs where root rewrites it, and is refused
// where it could not.
func TestRewriteKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOT TESTED: only root can make a file somebody else's")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "app.star")
	done(t, os.WriteFile(file, []byte("old"), 0o640))
	done(t, os.Chown(file, 12345, 23456))
	done(t, rewriteOne(file, "old", "new"))
	info, err := os.Stat(file)
	done(t, err)
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 23456 || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is of %d:%d with mode %v", s.Uid, s.Gid, info.Mode())
	}

	done(t, os.Chmod(file, 0o666))
	done(t, os.Chmod(dir, 0o777))
	asMortal(t, func() { err = rewriteOne(file, "new", "newer") })
	if err == nil || !strings.Contains(err.Error(), "it belongs to somebody else") {
		t.Errorf("got %v", err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the folder has %v", list)
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
