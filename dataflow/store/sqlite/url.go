package sqlite

import (
	"path/filepath"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
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
// the process ends.
func parseURL(db *dataflow.Database, dir string) (place, *dataflow.Diagnostic) {
	refuse := func(message, hint string) (place, *dataflow.Diagnostic) {
		return place{}, &dataflow.Diagnostic{Code: "FC601", Message: message, Span: db.URLSpan(), Hint: hint}
	}
	const usual = `write database_url = "sqlite:shop.db", with a path that starts from the app's folder, or "sqlite::memory:"`
	rest, ok := strings.CutPrefix(db.URL, "sqlite:")
	switch {
	case !ok:
		return refuse(`the URL does not start with "sqlite:"`, usual)
	case rest == memory || rest == "//"+memory || rest == "///"+memory:
		return place{path: memory, name: memory}, nil
	case strings.ContainsAny(rest, "?#"):
		return refuse(`a "sqlite:" URL has no options behind "?" or "#"; options are arguments of DataFlow`, usual)
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		file, absolute := strings.CutPrefix(after, "/")
		switch {
		case !absolute:
			return refuse(`"sqlite://" is followed by a third slash and an absolute path; a path that starts from the app's folder has no slashes before it`, usual)
		case file != "" && !strings.Contains(file, "/"):
			// SQLAlchemy, and so Kailash, reads it as a file in the current folder.
			return refuse(`"sqlite:///" is followed by an absolute path, so that this would be a file in the root folder`,
				`write "sqlite:`+file+`" for a file in the app's folder, or "sqlite:/`+file+`" if the root folder is meant`)
		}
		rest = "/" + strings.TrimLeft(after, "/")
	}
	if rest == "" || strings.HasSuffix(rest, "/") {
		return refuse("the URL names no file", usual)
	}
	path := filepath.FromSlash(rest)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return place{path: path, name: rest}, nil
}
