package reload

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/fsnotify/fsnotify"
)

// patience is longer than anything here takes.
const patience = time.Minute

// folder is an app's folder in a folder of its own, with a file that was read
// and one that was looked for.
type folder struct {
	t    *testing.T
	dir  string
	seen *Seen
	w    *Watcher
}

// watchers are the ways to hear of changes: by events alone, and by looking alone.
var watchers = []struct {
	name string
	make func(*testing.T) *Watcher
}{
	{"events", func(t *testing.T) *Watcher {
		events, err := fsnotify.NewWatcher()
		if err != nil {
			t.Fatal(err)
		}
		return newWatcher(slog.New(slog.DiscardHandler), events, time.Hour)
	}},
	{"looking", func(*testing.T) *Watcher { return newWatcher(slog.New(slog.DiscardHandler), nil, 5*time.Millisecond) }},
}

func watching(t *testing.T, dir string, w *Watcher) *folder {
	t.Helper()
	f := &folder{t: t, dir: dir, w: w}
	t.Cleanup(func() { f.w.Close() })
	f.read()
	return f
}

func newFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app.star": "one", "lib/prices.star": "one", "other.txt": "one"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read reads the files and watches them, and forgets what was told before.
func (f *folder) read() {
	f.t.Helper()
	var err error
	f.seen, err = Read(f.dir, func(files fs.FS) {
		for _, name := range []string{"app.star", "lib/prices.star", "lib/missing.star"} {
			_, _ = fs.ReadFile(files, name)
		}
		_, _ = fs.Glob(files, "*.flow.star")
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.w.Watch(f.seen); err != nil {
		f.t.Fatal(err)
	}
}

// told waits until the watcher has told of a change after which the files named
// are not what they were.
func (f *folder) told(names ...string) {
	f.t.Helper()
	late := time.After(patience)
	for {
		select {
		case <-f.w.Changes():
		case <-late:
			f.t.Fatalf("changed: %q; want to be told of %q", f.seen.Changed(), names)
		}
		if slices.Equal(f.seen.Changed(), names) {
			return
		}
	}
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) write(name, text string) {
	f.t.Helper()
	f.must(os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644))
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// saves are the ways in which programs change files.
var saves = []struct {
	name string
	do   func(f *folder)
	told []string
}{
	{"written in place", func(f *folder) { f.write("app.star", "two") }, []string{"app.star"}},
	{"another put in its place", func(f *folder) {
		f.write(".app.star.tmp", "two")
		f.must(os.Rename(f.path(".app.star.tmp"), f.path("app.star")))
	}, []string{"app.star"}},
	{"kept as a backup, and written anew", func(f *folder) {
		f.must(os.Rename(f.path("app.star"), f.path("app.star~")))
		f.write("app.star", "two")
		f.must(os.Remove(f.path("app.star~")))
	}, []string{"app.star"}},
	{"deleted", func(f *folder) { f.must(os.Remove(f.path("app.star"))) }, []string{"app.star"}},
	{"a file in a folder below", func(f *folder) { f.write("lib/prices.star", "two") }, []string{"lib/prices.star"}},
	{"one that was looked for in vain", func(f *folder) { f.write("lib/missing.star", "here") }, []string{"lib/missing.star"}},
	{"a folder below is moved away", func(f *folder) { f.must(os.Rename(f.path("lib"), f.path("gone"))) }, []string{"lib/prices.star"}},
	{"one that matches the pattern", func(f *folder) { f.write("sales.flow.star", "one") }, []string{"*.flow.star"}},
	{"the app's folder is moved away", func(f *folder) { f.must(os.Rename(f.dir, f.dir+".away")) }, []string{"*.flow.star", "app.star", "lib/prices.star"}},
}

func TestEveryWayToSaveIsToldOf(t *testing.T) {
	for _, kind := range watchers {
		for _, save := range saves {
			t.Run(kind.name+"/"+save.name, func(t *testing.T) {
				f := watching(t, newFolder(t), kind.make(t))
				save.do(f)
				f.told(save.told...)
			})
		}
	}
}

func TestWhatComesBackIsToldOf(t *testing.T) {
	for _, kind := range watchers {
		t.Run(kind.name+"/a file", func(t *testing.T) {
			f := watching(t, newFolder(t), kind.make(t))
			f.must(os.Remove(f.path("app.star")))
			f.told("app.star")
			f.read()
			f.write("app.star", "two")
			f.told("app.star")
		})
		t.Run(kind.name+"/the folder", func(t *testing.T) {
			f := watching(t, newFolder(t), kind.make(t))
			f.must(os.Rename(f.dir, f.dir+".away"))
			f.told("*.flow.star", "app.star", "lib/prices.star")
			f.must(os.Rename(f.dir+".away", f.dir))
			f.told() // it is as it was
			f.write("app.star", "two")
			f.told("app.star")
		})
		t.Run(kind.name+"/the folder, at once", func(t *testing.T) {
			f := watching(t, newFolder(t), kind.make(t))
			for range 5 {
				f.must(os.Rename(f.dir, f.dir+".away"))
				f.must(os.Rename(f.dir+".away", f.dir))
			}
			if kind.name == "events" { // to see, nothing has happened
				f.told()
			}
			f.write("lib/prices.star", "two")
			f.told("lib/prices.star")
		})
		t.Run(kind.name+"/another folder in its place", func(t *testing.T) {
			f := watching(t, newFolder(t), kind.make(t))
			f.must(os.Rename(f.dir, f.dir+".away"))
			f.must(os.MkdirAll(f.path("lib"), 0o755))
			f.write("lib/prices.star", "one")
			f.write("app.star", "two")
			f.told("app.star")
			f.read()
			f.write("lib/prices.star", "two")
			f.told("lib/prices.star")
		})
	}
}

// A deployment that keeps its versions beside each other swaps a link.
func TestALinkThatLeadsElsewhereIsToldOf(t *testing.T) {
	for _, kind := range watchers {
		t.Run(kind.name, func(t *testing.T) {
			one, two := newFolder(t), newFolder(t)
			if err := os.WriteFile(filepath.Join(two, "app.star"), []byte("two"), 0o644); err != nil {
				t.Fatal(err)
			}
			current := filepath.Join(t.TempDir(), "current")
			if err := os.Symlink(one, current); err != nil {
				t.Fatal(err)
			}
			f := watching(t, current, kind.make(t))
			f.must(os.Symlink(two, current+".new"))
			f.must(os.Rename(current+".new", current))
			f.told("app.star")
			f.read()
			f.write("app.star", "three") // in the second
			f.told("app.star")
		})
	}
}

// The files of a mounted secret are links to links, of which the middle one is
// swapped.
func TestLinksToLinksAreFollowed(t *testing.T) {
	for _, kind := range watchers {
		t.Run(kind.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app")
			for version, text := range map[string]string{"..1": "one", "..2": "two"} {
				if err := os.MkdirAll(filepath.Join(dir, version), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, version, "app.star"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			link := func(to, from string) {
				t.Helper()
				if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
					t.Fatal(err)
				}
			}
			link("..1", "..data")
			link(filepath.Join("..data", "app.star"), "app.star")
			f := watching(t, dir, kind.make(t))
			link("..2", "..data.new")
			f.must(os.Rename(f.path("..data.new"), f.path("..data")))
			f.told("app.star")
		})
	}
}

func TestNothingElseMatters(t *testing.T) {
	f := watching(t, newFolder(t), watchers[0].make(t))
	for name, matters := range map[string]bool{"app.star": true, "lib": true, "lib/missing.star": true, "a.flow.star": true, "": true,
		"app.db": false, "app.db-wal": false, "lib/a.flow.star": false, ".app.star.swp": false} {
		if got := f.w.trail.matters(f.path(name)); got != matters {
			t.Errorf("%q matters: %v", name, got)
		}
	}
}

// A failure that is the same but for how long it has lasted is not told again.
func TestAFailureIsKnownAgain(t *testing.T) {
	of := func(code, message string) string {
		return told([]dataflow.Diagnostic{{Code: code, Message: message}})
	}
	first := of("FC603", "locked by process 12, in a transaction for 9.9 s")
	if first != of("FC603", "locked by process 12, in a transaction for 10.1 s") {
		t.Error("the same lock is another failure")
	}
	if first == of("FC602", "locked by process 12, in a transaction for 9.9 s") || first == of("FC603", "locked by somebody") {
		t.Error("another failure is the same")
	}
}
