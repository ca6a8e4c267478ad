package reload

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Seen is what was read of a folder: files and those that were looked for in
// vain, and patterns with what matched them. It tells a save that changes
// something from one that does not.
type Seen struct {
	dir string

	mu    sync.Mutex
	files map[string]sum // by path below dir
	globs map[string]sum // by pattern below dir
}

// sum identifies what was found. The zero sum is nothing.
type sum [sha256.Size]byte

// Read gives f the files of a folder, which no path and no link leaves, and
// returns what f has read of them. A file that is read twice is what it was the
// first time.
func Read(dir string, f func(fs.FS)) (*Seen, error) {
	s := &Seen{dir: dir, files: map[string]sum{}, globs: map[string]sum{}}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, err
	}
	defer root.Close()
	f(&recorder{FS: root.FS(), seen: s, texts: map[string]read{}})
	return s, nil
}

// Files lists the files that were read or looked for, by path below the folder.
func (s *Seen) Files() []string { return s.names(func(sum) bool { return true }) }

// Found lists the files that were read.
func (s *Seen) Found() []string { return s.names(func(v sum) bool { return v != sum{} }) }

func (s *Seen) names(which func(sum) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, v := range s.files {
		if which(v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Changed lists the files that are not what they were when they were read, and
// the patterns that match others now.
func (s *Seen) Changed() []string {
	now, err := Read(s.dir, func(files fs.FS) {
		for _, name := range s.Files() {
			_, _ = fs.ReadFile(files, name) // that it is not there is noted too
		}
		for _, pattern := range s.patterns() {
			_, _ = fs.Glob(files, pattern)
		}
	})
	if err != nil { // the folder is not there, and nothing in it
		now = &Seen{}
	}
	return s.differing(now)
}

func (s *Seen) patterns() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for pattern := range s.globs {
		list = append(list, pattern)
	}
	slices.Sort(list)
	return list
}

// differing lists what of s is another in now, and what now alone has.
func (s *Seen) differing(now *Seen) []string {
	names := map[string]bool{}
	for _, pair := range [][2]map[string]sum{{s.files, now.files}, {s.globs, now.globs}} {
		for name, v := range pair[0] {
			if pair[1][name] != v {
				names[name] = true
			}
		}
		for name, v := range pair[1] {
			if pair[0][name] != v {
				names[name] = true
			}
		}
	}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// gone is what is seen of the same files where there is no folder.
func (s *Seen) gone() *Seen {
	none := &Seen{dir: s.dir, files: map[string]sum{}, globs: map[string]sum{}}
	for _, name := range s.Files() {
		none.files[name] = sum{}
	}
	for _, pattern := range s.patterns() {
		none.globs[pattern] = sum{}
	}
	return none
}

// Same reports whether two readings found the same.
func (s *Seen) Same(other *Seen) bool { return len(s.differing(other)) == 0 }

// paths are the files as the system names them.
func (s *Seen) paths() []string {
	var list []string
	for _, name := range s.Files() {
		list = append(list, filepath.Join(s.dir, filepath.FromSlash(name)))
	}
	return list
}

func (s *Seen) systemPatterns() []string {
	var list []string
	for _, p := range s.patterns() {
		list = append(list, filepath.Join(s.dir, filepath.FromSlash(p)))
	}
	return list
}

// recorder notes what is read of a file system.
type recorder struct {
	fs.FS
	seen  *Seen
	texts map[string]read // under seen's lock
}

// read is what reading a file gave.
type read struct {
	text []byte
	err  error
}

var (
	_ fs.ReadFileFS = (*recorder)(nil)
	_ fs.GlobFS     = (*recorder)(nil)
)

// ReadFile implements fs.ReadFileFS.
func (r *recorder) ReadFile(name string) ([]byte, error) {
	r.seen.mu.Lock()
	defer r.seen.mu.Unlock()
	got, ok := r.texts[name]
	if !ok {
		got.text, got.err = fs.ReadFile(r.FS, name)
		r.texts[name] = got
		if fs.ValidPath(name) {
			r.seen.files[name] = got.sum()
		}
	}
	return bytes.Clone(got.text), got.err
}

func (r read) sum() sum {
	if r.err != nil {
		return sum{}
	}
	return sha256.Sum256(r.text)
}

// Open implements fs.FS. A file that is opened is taken to be read whole.
func (r *recorder) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err == nil {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return f, nil
		}
	}
	_, _ = r.ReadFile(name) // whose failure is Open's too
	return f, err
}

// Glob implements fs.GlobFS.
func (r *recorder) Glob(pattern string) ([]string, error) {
	names, err := fs.Glob(r.FS, pattern)
	if err != nil {
		return nil, err
	}
	r.seen.mu.Lock()
	defer r.seen.mu.Unlock()
	r.seen.globs[pattern] = sha256.Sum256([]byte(strings.Join(names, "\n")))
	return names, nil
}
