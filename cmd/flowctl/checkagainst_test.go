package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What check --against looks at stays as it is, to the byte; PostgreSQL is
// asked to refuse every write of the session besides.
func TestCheckAgainstWritesNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		at := empty(t)
		old, latest := writeApp(t, oldApp), writeApp(t, newApp)
		fill(t, at, old, 50)
		before := everything(t, at)
		readOnly := at
		if strings.HasPrefix(at, "postgres") {
			readOnly += joiner(at) + "default_transaction_read_only=on"
		}
		out, err := flowctl(t, "sqlite:elsewhere.db", "check", latest, "--against", readOnly).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "rename column") {
			t.Errorf("%v:\n%s", err, out)
		}
		if after := everything(t, at); after != before {
			t.Errorf("the database changed:\n%s\nwas\n%s", after, before)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(latest), "*.db*")); len(left) > 0 {
			t.Errorf("there are files: %v", left)
		}
	})
}

func joiner(url string) string {
	if strings.Contains(url, "?") {
		return "&"
	}
	return "?"
}

// everything is what a database holds: the bytes of SQLite's file and of its
// log, or PostgreSQL's catalog and where its rows lie.
func everything(t *testing.T, at string) string {
	t.Helper()
	if file, ok := strings.CutPrefix(at, "sqlite:"); ok {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		log, _ := os.ReadFile(file + "-wal")
		return string(text) + string(log)
	}
	var text string
	err := openTest(t, at).QueryRow(`
		SELECT (SELECT string_agg(c.oid || ' ' || c.relname || ' ' || c.xmin || ' ' || c.relfilenode, E'\n' ORDER BY c.oid)
		        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i'))
		    || (SELECT string_agg(r.ctid || ' ' || r.xmin || ' ' || r.xmax, E'\n' ORDER BY r.ctid) FROM readings r)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
