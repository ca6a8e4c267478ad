//go:build unix

package postgres

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
)

// TestConformanceBehindAPooler: a PgBouncer gives each transaction another
// connection, so nothing is prepared and no setting is made.
func TestConformanceBehindAPooler(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *dataflow.Database) store.Store { return openPooled(t, db) })
}

// openPooled opens a database of its own behind a pooler.
func openPooled(t *testing.T, db *dataflow.Database) *Store {
	t.Helper()
	db.Options.DirectURL = pgtest.URL(t)
	db.URL = pgtest.Pooled(t, db.Options.DirectURL)
	db.Options.Pooler = pooled
	return openTest(t, db)
}

func TestLostConnectionsBehindAPooler(t *testing.T) {
	s, m := thingsIn(t, openPooled)
	testLostConnections(t, s, m)
}

func TestAPoolerGivesEachTransactionAnyConnection(t *testing.T) {
	s, _ := thingsIn(t, openPooled)
	release := hold(t, s, 4)
	busy := backends(t, s)
	release()
	if served := s.pool.Stat().TotalConns(); busy < 4 || busy > 6 || served < 4 {
		t.Errorf("%d connections to the pooler, %d of it to the server", served, busy)
	}
	if _, _, diags := (Opener{}).Open(t.Context(), database(s.pool.Config().ConnString()+"?statement_timeout=5000", model("Thing", "things")), store.Options{}); len(diags) != 1 || diags[0].Code != "FC602" || !strings.Contains(diags[0].Hint, "pooler") {
		t.Errorf("a setting that the pooler does not pass on: %+v", diags)
	}
}

// TestAPoolerThatNobodySpokeOf: prepared statements are mixed up then. That may
// fail, in words that say what to do, but not do something else.
func TestAPoolerThatNobodySpokeOf(t *testing.T) {
	one := model("One", "ones", &dataflow.Field{Name: "n", Type: dataflow.Int})
	two := model("Two", "twos", &dataflow.Field{Name: "n", Type: dataflow.Int})
	s := openTest(t, database(pgtest.Pooled(t, pgtest.URL(t)), one, two))
	var added [2]atomic.Int64
	var told atomic.Bool
	end := time.Now().Add(time.Minute)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			m := []*dataflow.Model{one, two}[w%2]
			for n := 0; n < 20 || !told.Load() && time.Now().Before(end); n++ { // and until it has happened
				err := s.Write(t.Context(), func(tx store.Tx) error { return add(t, tx, m, int64(w%2)) })
				switch {
				case err == nil:
					added[w%2].Add(1)
				case code(err) == "storage_failed" && strings.Contains(dataflow.AsError(err).Hint, "pooler"):
					told.Store(true)
				case code(err) != "busy":
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	at := s.pool.Config().ConnString()
	for i, table := range []string{"ones", "twos"} {
		want := strconv.FormatInt(added[i].Load(), 10)
		if got := ask(t, at, "SELECT count(*) FROM "+table); got != want {
			t.Errorf("%s has %s rows, %s were acknowledged", table, got, want)
		}
		if got := ask(t, at, "SELECT count(*) FROM "+table+" WHERE n <> "+strconv.Itoa(i)); got != "0" {
			t.Errorf("%s has %s rows of another table", table, got)
		}
	}
	if !told.Load() {
		t.Error("nobody was told of the pooler")
	}
}
