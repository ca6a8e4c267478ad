package reload_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/reload"
)

// hourly adds a schedule that adds a beat every hour.
func hourly(app *dataflow.App) {
	beat := apptest.Model(app.Databases[0], "Beat", "beats", nil, apptest.Field("what", dataflow.String))
	wf := apptest.Workflow("beat", nil, apptest.Node("BeatCreateNode", "one", dataflow.ObjectOf("what", "x")))
	app.Workflows = append(app.Workflows, wf)
	app.Exposures = append(app.Exposures, apptest.Expose(beat))
	app.Schedules = []*dataflow.Schedule{{Name: "hourly", Cron: "0 * * * *", Workflow: wf}}
}

// beats counts the beats of each hour, as "2026-01-31T13".
func (s *served) beats() map[string]int {
	s.t.Helper()
	hours := make(map[string]int)
	rows, _ := s.ask("GET", "/api/beats?limit=1000", "", http.StatusOK)["records"].([]any)
	for _, row := range rows {
		at, _ := row.(map[string]any)["created_at"].(string)
		hour, _, _ := strings.Cut(at, ":")
		hours[hour]++
	}
	return hours
}

// A schedule that falls due while one generation takes the place of another runs
// once: while the next is built, when the one before has not gone yet, or after.
func TestAScheduleThatFallsDueWhileTheAppIsReloadedRunsOnce(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		begun, noon := time.Now(), time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
		var hours, atLoad atomic.Int64 // the clock is ahead by; and is to be, once the app is loaded again
		clock := func() time.Time {
			return noon.Add(time.Since(begun) + time.Duration(hours.Load())*time.Hour)
		}
		with := func(s *served) {
			s.change, s.clock = hourly, clock
			s.loading = func(context.Context) { hours.Store(max(hours.Load(), atLoad.Load())) }
		}
		s := serve(t, url, "0", with)
		settles(t, func() (string, bool) { // which it does not before its first time is written down
			hours.Add(1)
			return "the schedule never ran", len(s.beats()) > 0
		})
		var due []string
		for n := range 4 {
			next := hours.Load() + 1
			if n%2 == 0 {
				atLoad.Store(next)
			}
			s.save(fmt.Sprint(n + 1))
			if r := s.result(); r.Outcome != reload.Served {
				t.Fatalf("outcome %d: %v", r.Outcome, r.Diagnostics)
			}
			hours.Store(next)
			hour := noon.Add(time.Duration(next) * time.Hour).Format("2006-01-02T15")
			settles(t, func() (string, bool) { return "the schedule did not run at " + hour, s.beats()[hour] > 0 })
			due = append(due, hour)
		}
		s.stop()
		again := serve(t, url, "5", with)
		for _, hour := range due {
			if n := again.beats()[hour]; n != 1 {
				t.Errorf("at %s it ran %d times", hour, n)
			}
		}
	})
}

// A server that is told to stop while the next state of its app is loaded stops,
// and loses nothing: the rows, a run that waits, and the state that came too late,
// which is served from the next start on.
func TestAStopWhileTheNextStateIsLoaded(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		entered := make(chan struct{})
		s := serve(t, url, "0 0", func(s *served) {
			s.loading = func(ctx context.Context) {
				close(entered)
				<-ctx.Done()
			}
		})
		s.ask("POST", "/api/products", `{"id": "x", "name": "x", "stock": 1}`, http.StatusCreated)
		s.ask("POST", "/api/customers", `{"email": "a@example.com", "name": "a"}`, http.StatusCreated)
		run := s.ask("POST", "/workflows/approve/execute", `{"inputs": {"id": 1}}`, http.StatusAccepted)["run_id"].(string)
		s.save("1 1")
		<-entered
		s.stop()
		if len(s.results) > 0 {
			t.Errorf("a state that came too late is told of: %+v", <-s.results)
		}
		s = serve(t, url, "1 1")
		s.ask("POST", "/api/products", `{"id": "y", "name": "y", "stock": 1, "more0": 3}`, http.StatusCreated)
		if n := s.ask("POST", "/api/products/count", `{}`, http.StatusOK)["count"]; n != 2.0 {
			t.Errorf("%v products, want 2", n)
		}
		s.ask("POST", "/runs/"+run+"/signal", `{"name": "approval"}`, http.StatusAccepted)
		settles(t, func() (string, bool) {
			r := s.ask("GET", "/runs/"+run, "", http.StatusOK)
			return fmt.Sprint("the run is ", r["status"]), r["status"] == "completed"
		})
	})
}

// A server that is told to stop while a migration of the next state waits for
// another program's lock does not wait for it.
func TestAStopWhileTheNextStateWaitsForALock(t *testing.T) {
	url := pgtest.URL(t)
	s := serve(t, url, "0 0")
	s.ask("POST", "/api/products", `{"id": "x", "name": "x", "stock": 1}`, http.StatusCreated)
	tx := lockProducts(t, url)
	s.save("1 1")
	settles(t, func() (string, bool) {
		var n int
		err := tx.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'products'::regclass").Scan(&n)
		return fmt.Sprint("nobody waits for the lock: ", err), n > 0
	})
	s.stop()
	var columns int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM information_schema.columns WHERE table_name = 'products' AND column_name = 'more0'").Scan(&columns); err != nil || columns != 0 {
		t.Errorf("%d columns, %v", columns, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = serve(t, url, "1 1")
	s.ask("POST", "/api/products", `{"id": "y", "name": "y", "stock": 1, "more0": 3}`, http.StatusCreated)
	if n := s.ask("POST", "/api/products/count", `{}`, http.StatusOK)["count"]; n != 2.0 {
		t.Errorf("%v products, want 2", n)
	}
}
