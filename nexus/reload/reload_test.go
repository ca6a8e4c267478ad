package reload_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/nexus/reload"
)

// A database in memory would be empty if a reload opened it anew.
func TestADatabaseInMemoryKeepsItsRows(t *testing.T) {
	s := serve(t, "sqlite::memory:", "0 0")
	s.ask("POST", "/api/customers", `{"email": "a@example.com", "name": "a"}`, http.StatusCreated)
	for i, text := range []string{"1 0", "2 3"} { // the second alters a table
		s.save(text)
		if r := s.result(); r.Outcome != reload.Served || r.Generation != i+2 {
			t.Fatalf("%s: outcome %d, generation %d: %v", text, r.Outcome, r.Generation, r.Diagnostics)
		}
		if n := s.ask("POST", "/api/customers/count", `{}`, http.StatusOK)["count"]; n != 1.0 {
			t.Errorf("after %q there are %v rows, want 1", text, n)
		}
	}
	s.ask("POST", "/api/products", `{"id": "x", "name": "x", "stock": 1, "more2": 7}`, http.StatusCreated)
}

func TestABrokenFileLeavesWhatWasServed(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0")
	stale := func() string {
		res, err := http.Get(s.api + "/health/live")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header.Get("X-Flowctl-Stale")
	}
	steps := []struct {
		name, text string
		outcome    reload.Outcome
		generation int
		stale      string
	}{
		{"broken", "broken", reload.Refused, 1, "generation=1, errors=1"},
		{"broken otherwise", "broken more", reload.Refused, 1, "generation=1, errors=1"},
		{"as it was", "0", reload.Restored, 1, ""},
		{"another", "1", reload.Served, 2, ""},
		{"broken again", "broken", reload.Refused, 2, "generation=2, errors=1"},
		{"mended to another", "2", reload.Served, 3, ""},
	}
	for _, step := range steps {
		s.save(step.text)
		if r := s.result(); r.Outcome != step.outcome || r.Generation != step.generation {
			t.Fatalf("%s: outcome %d, generation %d: %v", step.name, r.Outcome, r.Generation, r.Diagnostics)
		}
		if got := stale(); got != step.stale {
			t.Errorf("%s: X-Flowctl-Stale: %q, want %q", step.name, got, step.stale)
		}
		st := s.ask("GET", "/_flow/status", "", http.StatusOK)
		if st["generation"] != float64(step.generation) || st["stale"] != (step.stale != "") {
			t.Errorf("%s: the status is %v", step.name, st)
		}
	}
	if err := os.Remove(filepath.Join(s.dir, "app.txt")); err != nil {
		t.Fatal(err)
	}
	if r := s.result(); r.Outcome != reload.Refused {
		t.Errorf("the file is gone: outcome %d", r.Outcome)
	}
	s.save("2")
	if r := s.result(); r.Outcome != reload.Restored {
		t.Errorf("the file is back: outcome %d", r.Outcome)
	}
}

// Whoever asks for a reload gets one, even if nothing has changed.
func TestAReloadThatIsAskedFor(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0")
	for n := range 3 {
		s.now <- syscall.SIGHUP
		if r := s.result(); r.Outcome != reload.Served || r.Generation != n+2 || !r.Asked || len(r.Changes.Words()) > 0 {
			t.Errorf("outcome %d, generation %d, changes %q", r.Outcome, r.Generation, r.Changes.Words())
		}
	}
}

// Whatever is saved while the app is built is served afterwards.
func TestAStormOfSavesEndsWithTheLast(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0")
	const saves = 300
	for n := range saves {
		s.save(fmt.Sprint(n + 1))
	}
	want := fmt.Sprint(saves)
	for {
		r := s.result()
		if r.Outcome != reload.Served {
			t.Fatalf("outcome %d: %v", r.Outcome, r.Diagnostics)
		}
		if name := s.ask("GET", "/", "", http.StatusOK)["name"]; name == want {
			return
		}
	}
}

// What has changed is told by name, whatever line it is in.
func TestChangesAreToldByName(t *testing.T) {
	s := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), "0 0")
	s.save("0 2")
	if got := fmt.Sprint(s.result().Changes.Words()); got != "[models ~Product]" {
		t.Errorf("got %s", got)
	}
	s.save("1 2")
	if got := fmt.Sprint(s.result().Changes.Words()); got != "[]" {
		t.Errorf("the name alone has changed: %s", got)
	}
}
