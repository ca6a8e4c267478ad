package sqlite

import (
	"path/filepath"
	"strings"
)

// memory is the place of a database that lives in memory only.
const memory = ":memory:"

// place is where a database is.
type place struct {
	path string // of the file; memory for none
	name string // for people: as the URL has it
}

// parseURL reads a database's URL: "sqlite:shop.db" and "sqlite:data/shop.db"
// start from the app's folder; "sqlite:/var/shop.db" and, by the rules of
// URLs, "sqlite:///var/shop.db" are absolute; "sqlite::memory:" is gone when
// the process ends. problem says what is wrong, or "".
func parseURL(url, dir string) (p place, problem string) {
	rest, ok := strings.CutPrefix(url, "sqlite:")
	switch {
	case !ok:
		return p, `the URL does not start with "sqlite:"`
	case rest == memory || rest == "//"+memory || rest == "///"+memory:
		return place{path: memory, name: memory}, ""
	case strings.ContainsAny(rest, "?#"):
		return p, `a "sqlite:" URL has no options behind "?" or "#"; options are arguments of DataFlow`
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return p, `"sqlite://" is followed by a third slash and an absolute path; a path that starts from the app's folder has no slashes before it`
		}
		rest = "/" + strings.TrimLeft(after, "/")
	}
	if rest == "" || strings.HasSuffix(rest, "/") {
		return p, "the URL names no file"
	}
	path := filepath.FromSlash(rest)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return place{path: path, name: rest}, ""
}
