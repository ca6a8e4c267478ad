package postgres

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
)

// odd are settings of a database as none of ours would have them.
var odd = []string{"default_transaction_isolation = 'serializable'", "timezone = 'Asia/Kolkata'", "datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'",
	"bytea_output = 'escape'", "extra_float_digits = -5", "standard_conforming_strings = off", "quote_all_identifiers = on", "array_nulls = off",
	"transform_null_equals = on", "backslash_quote = off", "default_transaction_deferrable = on"}

// oddly gives a database settings for as long as the test takes.
func oddly(t *testing.T, url string, settings ...string) {
	t.Helper()
	alter := func(how string) {
		pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I "+strings.ReplaceAll(how, "'", "''")+"', current_database()); END $$")
	}
	t.Cleanup(func() { alter("RESET ALL") })
	for _, s := range settings {
		alter("SET " + s)
	}
}

// TestSettingsOfOthersChangeNothing: what the server is set to is not what it
// answers by.
func TestSettingsOfOthersChangeNothing(t *testing.T) {
	url := pgtest.URL(t)
	oddly(t, url, odd...)
	for i, want := range []bool{true, false} {
		db := database(url, storetest.PartlyUnique(t)...)
		db.Options.ModelPersistence = false // so that the tables are looked at
		steps, said := migrated(t, db)
		if (len(steps) > 0) != want || said != nil {
			t.Fatalf("start %d: %v %v", i, steps, said)
		}
	}
	s := openTest(t, database(url, model("Thing", "things")))
	for _, set := range settings {
		if err := s.read(t.Context(), func(r session) error {
			return r.c.query(t.Context(), "SELECT current_setting('"+set.name+"')", nil, func(r [][]byte) {
				if string(r[0]) != set.value {
					t.Errorf("%s is %s, not %s", set.name, r[0], set.value)
				}
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSettingsThatAPoolerKeeps: where nobody can be told otherwise, the start
// says what has to be set.
func TestSettingsThatAPoolerKeeps(t *testing.T) {
	url := pgtest.URL(t)
	oddly(t, url, "quote_all_identifiers = on", "bytea_output = 'escape'")
	db := database(url, model("Thing", "things"))
	db.Options.Pooler = pooled
	s, _, diags := Opener{}.Open(t.Context(), db, store.Options{})
	if s != nil || len(diags) != 1 || diags[0].Code != "FC602" || !strings.Contains(diags[0].Message, "quote_all_identifiers = on") ||
		!strings.Contains(diags[0].Hint, "quote_all_identifiers = off") {
		t.Errorf("%v", diags)
	}
}

// TestASearchPathToNowhere: there is nothing to wait for.
func TestASearchPathToNowhere(t *testing.T) {
	url := pgtest.URL(t)
	oddly(t, url, "search_path = 'nosuch'")
	s, _, diags := Opener{}.Open(t.Context(), database(url, model("Thing", "things")), store.Options{})
	if s != nil || len(diags) != 1 || diags[0].Code != "FC620" || !strings.Contains(diags[0].Message, "its search_path names none that is there") {
		t.Errorf("%v", diags)
	}
}

func TestSettingsInTheURL(t *testing.T) {
	for _, name := range []string{"DateStyle", "default_transaction_isolation"} {
		_, problem := parseURL("postgres://u@h/d?"+name+"=x", false)
		if !strings.Contains(problem, "the URL sets "+name) {
			t.Errorf("%s: %q", name, problem)
		}
	}
	if _, problem := parseURL("postgres://u@h/d?timezone=UTC&search_path=a", false); problem != "" {
		t.Error(problem)
	}
}
