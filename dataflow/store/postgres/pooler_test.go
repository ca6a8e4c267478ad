//go:build unix

package postgres

import (
	"testing"

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
	if _, _, diags := (Opener{}).Open(t.Context(), database(s.pool.Config().ConnString()+"?statement_timeout=5000", model("Thing", "things")), store.Options{}); len(diags) != 1 || diags[0].Code != "FC602" {
		t.Errorf("a setting that the pooler does not pass on: %+v", diags)
	}
}
