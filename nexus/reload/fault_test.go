package reload_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus/reload"
	"github.com/jackc/pgx/v5"
)

// Whatever is put in the place of the app's file, what was served is served until
// there is a file that can be.
func TestWhatIsPutInThePlaceOfTheFile(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0")
	path := filepath.Join(s.dir, "app.txt")
	elsewhere := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) error {
		must(os.Symlink(to, path+".new"))
		return os.Rename(path+".new", path)
	}
	must(os.WriteFile(filepath.Join(elsewhere, "app.txt"), []byte("7"), 0o644))
	must(os.MkdirAll(filepath.Join(s.dir, "..1"), 0o755))
	must(os.MkdirAll(filepath.Join(s.dir, "..2"), 0o755))
	must(os.WriteFile(filepath.Join(s.dir, "..1", "app.txt"), []byte("1"), 0o644))
	must(os.WriteFile(filepath.Join(s.dir, "..2", "app.txt"), []byte("2"), 0o644))
	must(os.Symlink("..1", filepath.Join(s.dir, "..data")))
	for _, step := range []struct {
		name    string
		do      func() error
		outcome reload.Outcome
		serves  string
	}{
		{"a folder", func() error {
			must(os.Remove(path))
			return os.Mkdir(path, 0o755)
		}, reload.Refused, "0"},
		{"the file again", func() error {
			must(os.Remove(path))
			return os.WriteFile(path, []byte("0"), 0o644)
		}, reload.Restored, "0"},
		{"a link to nothing", func() error { return link("nowhere") }, reload.Refused, "0"},
		{"a link through a link, as a mounted config map has it", func() error { return link(filepath.Join("..data", "app.txt")) }, reload.Served, "1"},
		{"the link in the middle switched", func() error {
			must(os.Symlink("..2", filepath.Join(s.dir, "..data.new")))
			return os.Rename(filepath.Join(s.dir, "..data.new"), filepath.Join(s.dir, "..data"))
		}, reload.Served, "2"},
		{"a link that leaves the folder", func() error { return link(filepath.Join(elsewhere, "app.txt")) }, reload.Refused, "2"},
		{"a link to itself", func() error { return link("app.txt") }, reload.Refused, "2"},
		{"nothing", func() error { return os.Remove(path) }, reload.Refused, "2"},
		{"a file", func() error { return os.WriteFile(path, []byte("3"), 0o644) }, reload.Served, "3"},
	} {
		must(step.do())
		for { // a failure that is the one before may be told of, or not
			if got := s.ask("GET", "/_flow/status", "", http.StatusOK)["stale"]; got == (step.outcome == reload.Refused) && s.ask("GET", "/", "", http.StatusOK)["name"] == step.serves {
				break
			}
			if r := s.result(); r.Outcome == step.outcome {
				break
			}
		}
		if got := s.ask("GET", "/", "", http.StatusOK)["name"]; got != step.serves {
			t.Fatalf("%s: %v is served, want %s", step.name, got, step.serves)
		}
	}
}

// Whoever asks at the same time as others, and while a file is being saved, gets
// a reload each, one after another.
func TestReloadsThatAreAskedForAtOnce(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0")
	var wg sync.WaitGroup
	const wishes = 4
	for range wishes {
		wg.Go(func() { s.now <- syscall.SIGHUP })
	}
	for asked, last := 0, 1; asked < wishes; last++ {
		r := s.result()
		if r.Outcome != reload.Served || r.Generation != last+1 {
			t.Fatalf("outcome %d, generation %d after %d: %v", r.Outcome, r.Generation, last, r.Diagnostics)
		}
		if r.Asked {
			asked++
		}
	}
	wg.Wait()
	s.save("broken")
	s.now <- syscall.SIGHUP
	if r := s.result(); r.Outcome != reload.Refused || s.ask("GET", "/", "", http.StatusOK)["name"] != "0" {
		t.Errorf("outcome %d", r.Outcome)
	}
}

// A migration that another program's lock is in the way of gives up in time and
// says who holds it; the app from before goes on, and the new one comes once the
// lock is gone, without another save.
func TestALockInTheWayOfAReload(t *testing.T) {
	url := pgtest.URL(t)
	s := serve(t, url, "0 0 hurried")
	s.ask("POST", "/api/products", `{"id": "x", "name": "x", "stock": 1}`, http.StatusCreated)
	tx := lockProducts(t, url)
	s.save("1 1 hurried")
	r := s.result()
	if r.Outcome != reload.Refused || len(r.Diagnostics) == 0 || r.Diagnostics[0].Code != "FC603" || !strings.Contains(r.Diagnostics[0].Message, "process ") {
		t.Fatalf("outcome %d: %v", r.Outcome, r.Diagnostics)
	}
	s.ask("POST", "/api/products", `{"id": "y", "name": "y", "stock": 1}`, http.StatusCreated)
	if got := s.ask("GET", "/", "", http.StatusOK)["name"]; got != "0" {
		t.Errorf("%v is served", got)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := s.result(); r.Outcome != reload.Served || r.Generation != 2 { // tries that failed meanwhile are not told of again
		t.Fatalf("outcome %d, generation %d: %v", r.Outcome, r.Generation, r.Diagnostics)
	}
	s.ask("POST", "/api/products", `{"id": "z", "name": "z", "stock": 1, "more0": 3}`, http.StatusCreated)
	if n := s.ask("POST", "/api/products/count", `{}`, http.StatusOK)["count"]; n != 3.0 {
		t.Errorf("%v rows", n)
	}
}

// lockProducts is another program that reads the products: no migration can
// alter them until its transaction ends.
func lockProducts(t *testing.T, url string) pgx.Tx {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the test is over either way
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE products IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	return tx
}
