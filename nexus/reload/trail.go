package reload

import (
	"os"
	"path/filepath"
	"strings"
)

// trail is what has to be watched so as to hear of every change to files: the
// folders in which one shows, and the names that matter there. Folders are
// watched, not files: an editor that saves puts another file in the place of
// the one there was.
type trail struct {
	folders  map[string]bool
	names    map[string]bool
	patterns []string
}

// maxLinks is how many links are followed on the way to a file.
const maxLinks = 40

// trailOf is the way to files, and to what matches patterns, below a folder
// that may itself be moved away and back, or be a link to another.
func trailOf(top string, files, patterns []string) *trail {
	t := &trail{folders: map[string]bool{}, names: map[string]bool{}, patterns: patterns}
	above := filepath.Dir(top)
	for _, f := range files {
		t.add(f, above)
	}
	for _, p := range patterns {
		t.add(filepath.Dir(p), above)
		t.folders[filepath.Dir(p)] = true
	}
	return t
}

func (t *trail) add(path, above string) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		t.folders[dir], t.names[path] = true, true
		if path = dir; dir == above || !strings.HasPrefix(dir, above) {
			break
		}
	}
}

// follow adds where links on the way to the folders and names lead.
func (t *trail) follow() *trail {
	known := map[string]string{}
	for _, set := range []map[string]bool{t.names, t.folders} {
		var paths []string
		for p := range set {
			paths = append(paths, p)
		}
		for _, p := range paths {
			t.followOne(p, known)
		}
	}
	return t
}

func (t *trail) followOne(path string, known map[string]string) {
	for range maxLinks {
		at, target, rest := firstLink(path, known)
		if at == "" {
			return
		}
		t.names[at], t.folders[filepath.Dir(at)] = true, true
		path = filepath.Join(target, rest)
		t.names[path], t.folders[filepath.Dir(path)] = true, true
	}
}

// firstLink finds the first part of a path that is a link, and where it leads.
// known remembers what was found before: "" is no link.
func firstLink(path string, known map[string]string) (at, target, rest string) {
	volume := filepath.VolumeName(path)
	for i := len(volume) + 1; i <= len(path); i++ {
		if i < len(path) && !os.IsPathSeparator(path[i]) {
			continue
		}
		part := path[:i]
		to, ok := known[part]
		if !ok {
			if info, err := os.Lstat(part); err == nil && info.Mode()&os.ModeSymlink != 0 {
				to, _ = os.Readlink(part) // a link that is gone again leads nowhere
			}
			known[part] = to
		}
		if to == "" {
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(part), to)
		}
		return part, filepath.Clean(to), path[i:]
	}
	return "", "", ""
}

// matters reports whether what happened to a name may have changed a file.
func (t *trail) matters(name string) bool {
	if t.names[name] {
		return true
	}
	for _, p := range t.patterns {
		if ok, _ := filepath.Match(p, name); ok { // a pattern that is none matches nothing
			return true
		}
	}
	return false
}
