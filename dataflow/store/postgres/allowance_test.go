package postgres

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// allowances returns a store with the table that allowances are kept in.
func allowances(t *testing.T) (*Store, *dataflow.Model) {
	t.Helper()
	m := &dataflow.Model{Name: "Allowance", Table: "allowances", ClientID: true}
	m.Fields = append(m.Fields, &dataflow.Field{Name: "id", Type: dataflow.String, System: dataflow.RoleID})
	m.Fields = append(m.Fields, store.AllowanceFields()...)
	m.Fields = append(m.Fields, &dataflow.Field{Name: "created_at", Type: dataflow.DateTime, System: dataflow.RoleCreatedAt},
		&dataflow.Field{Name: "updated_at", Type: dataflow.DateTime, System: dataflow.RoleUpdatedAt})
	db := database("", m)
	return openTest(t, db), m
}

// run runs SQL of the test's own.
func run(t *testing.T, s *Store, sql string) {
	t.Helper()
	c, err := s.take(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.put()
	if err := c.exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass for all allowances.
func pass(t *testing.T, s *Store, d time.Duration) {
	t.Helper()
	run(t, s, fmt.Sprintf(`UPDATE allowances SET full_at = full_at - interval '%d microseconds'`, d.Microseconds()))
}

func TestDraw(t *testing.T) {
	s, m := allowances(t)
	// So slow that nothing comes of itself while the test runs.
	draw := func(id string, want, least int) string {
		t.Helper()
		got, err := s.Draw(t.Context(), m, []store.Draw{{ID: id, Want: want, Least: least, Each: 7 * 3600, Burst: 10}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got[0].Given, got[0].Owed.Round(time.Hour))
	}
	for _, step := range []struct {
		what        string
		want, least int
		pass        time.Duration
		got         string
	}{
		{"of a whole one", 4, 1, 0, "4 28h0m0s"},
		{"what is left and more", 8, 1, 0, "6 70h0m0s"},
		{"when there is none", 1, 1, 0, "0 70h0m0s"},
		{"before there is one", 1, 1, 6 * time.Hour, "0 64h0m0s"},
		{"when there is one", 1, 1, time.Hour, "1 70h0m0s"},
		{"less than the least", 3, 3, 14 * time.Hour, "0 56h0m0s"},
		{"less than it wants", 3, 2, 0, "2 70h0m0s"},
		{"long after", 10, 10, 1000 * time.Hour, "10 70h0m0s"},
		{"when the clock has been set back", 1, 1, -1000 * time.Hour, "0 70h0m0s"},
		{"once there is one by that clock", 1, 1, 7 * time.Hour, "1 70h0m0s"},
	} {
		pass(t, s, step.pass)
		if got := draw(`a "b"\`, step.want, step.least); got != step.got {
			t.Errorf("%s: %s, want %s", step.what, got, step.got)
		}
	}
	if got := draw("another", 1, 1); got != "1 7h0m0s" {
		t.Errorf("another allowance: %s", got)
	}
	pass(t, s, 8*time.Hour)
	if err := s.Forget(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(t.Context(), m, nil); n != 1 || err != nil {
		t.Errorf("%d allowances are kept, %v, want the one that is not whole", n, err)
	}
}

// Moments are whole microseconds: what that rounds off must not cost the last one.
func TestDrawOneByOne(t *testing.T) {
	s, m := allowances(t)
	// So slow that none comes back meanwhile, however busy the machine is.
	for _, burst := range []int{7, 49, 97} {
		for n := range burst + 1 {
			d := store.Draw{ID: fmt.Sprint(burst), Want: 1, Least: 1, Each: 36_000 / float64(burst), Burst: burst}
			got, err := s.Draw(t.Context(), m, []store.Draw{d})
			if want := min(1, burst-n); err != nil || got[0].Given != want {
				t.Fatalf("draw %d of %d: %v, %v", n+1, burst, got, err)
			}
		}
	}
}

// Those who draw at the same time are given no more than there is, and no less; in
// whatever order they name what they draw on, none waits for ever.
func TestDrawsAtTheSameTime(t *testing.T) {
	s, m := allowances(t)
	const each, who, times = 50, 8, 20
	var wg sync.WaitGroup
	given := make([][3]int, who)
	for w := range who {
		wg.Go(func() {
			for range times {
				var draws []store.Draw
				for i := range 3 {
					draws = append(draws, store.Draw{ID: fmt.Sprint((i + w) % 3), Want: 1, Least: 1, Each: 3600, Burst: each})
				}
				got, err := s.Draw(t.Context(), m, draws)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 3 {
					given[w][(i+w)%3] += got[i].Given
				}
			}
		})
	}
	wg.Wait()
	for i := range 3 {
		sum := 0
		for w := range who {
			sum += given[w][i]
		}
		if sum != each {
			t.Errorf("allowance %d: %d were given, want %d", i, sum, each)
		}
	}
}
