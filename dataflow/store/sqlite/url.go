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

// serverOptions refuses the options that are about a server.
func serverOptions(db *dataflow.Database) (diags []dataflow.Diagnostic) {
	for _, o := range []struct{ name, value string }{{"pooler", db.Options.Pooler}, {"direct_url", db.Options.DirectURL}} {
		if o.value != "" {
			diags = append(diags, dataflow.Diagnostic{Code: "FC608", Span: db.OptionSpan(o.name),
				Message: o.name + " is for PostgreSQL, and this is a SQLite database: there is no server to stand before",
				Hint:    "leave it out, or write " + o.name + " = None where the database is SQLite"})
		}
	}
	return diags
}

// poolOptions finds the options of a pool that a database in memory has not.
func poolOptions(db *dataflow.Database, p place) (diags []dataflow.Diagnostic) {
	if p.path != memory {
		return nil
	}
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"pool_size", db.Options.PoolSize > 0},
		{"pool_max_overflow", db.Options.PoolMaxOverflow > 0},
		{"pool_recycle", db.Options.PoolRecycle > 0},
	} {
		if o.set {
			diags = append(diags, dataflow.Diagnostic{Code: "FC608", Severity: dataflow.SeverityWarning, Span: db.OptionSpan(o.name),
				Message: o.name + " does nothing: a database in memory has one connection for all",
				Hint:    "leave it out, or keep the database in a file"})
		}
	}
	return diags
}
