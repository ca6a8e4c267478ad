package main

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// engines name an empty database of each engine.
var engines = []struct {
	name  string
	empty func(*testing.T) string
}{
	{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "app.db") }},
	{"postgres", func(t *testing.T) string { return pgtest.URL(t) }},
}

func onEachEngine(t *testing.T, test func(t *testing.T, empty func(*testing.T) string)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e.empty) })
	}
}

func openTest(t *testing.T, at string) *sql.DB {
	t.Helper()
	db, err := openSQL(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// oldApp and newApp are two versions of an app: the way from one to the other
// renames, fills, tightens and indexes.
const (
	oldApp = `
db = DataFlow(database_url = env("DATABASE_URL"))
Reading = db.model("Reading", {
    "sensor": str,
    "value": int,
    "kind": enum("a", "b", default = "a"),
})
app = Nexus()
app.expose(Reading)
app.start()
`
	newApp = `
db = DataFlow(database_url = env("DATABASE_URL"))
Sensor = db.model("Sensor", {"name": field(str, unique = True)})
Reading = db.model("Reading", {
    "probe": field(str, was = "sensor", index = True),
    "value": int,
    "kind": enum("a", "b", "c", default = "a"),
    "unit": field(str, default = "K"),
    "device": field(ref(Sensor), optional = True),
}, indexes = [index("value", "kind")])
app = Nexus()
app.expose(Reading)
app.start()
`
)

func writeApp(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// flowctl prepares the real binary.
func flowctl(t *testing.T, at string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("flowctl") // which testscript.Main has put there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+at, "NO_COLOR=1")
	return cmd
}

// Servers that start at once migrate a database once, and all serve.
func TestServersThatStartAtOnceMigrateOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		at := empty(t)
		startAtOnce(t, at, writeApp(t, oldApp), `{"sensor": "s", "value": 1}`, 1)
		startAtOnce(t, at, writeApp(t, newApp), `{"probe": "s", "value": 2}`, 1)
	})
}

func startAtOnce(t *testing.T, at, app, row string, want int) {
	t.Helper()
	const servers = 3
	processes := make([]*serverProcess, servers)
	errs := make([]error, servers)
	var starts sync.WaitGroup
	for i := range servers {
		starts.Go(func() {
			processes[i], errs[i] = startServer(flowctl(t, at, "run", app, "--api-port", "0", "--mcp-port", "0"))
		})
	}
	starts.Wait()
	migrated := 0
	for i, p := range processes {
		if errs[i] != nil {
			t.Errorf("a server did not start: %v", errs[i])
			continue
		}
		if p.api == "" {
			out, errOut := p.output()
			t.Errorf("a server did not start:\n%s%s", out, errOut)
			continue
		}
		if code, err := post(http.DefaultClient, p.api+"/api/readings", row, nil); err != nil || code != 201 {
			t.Errorf("a server does not serve: %d %v", code, err)
		}
		if code, err := p.stop(os.Interrupt); err != nil || code != 0 {
			t.Errorf("exit code %d (%v)", code, err)
		}
		if out, _ := p.output(); !strings.Contains(out, "(up to date)") {
			migrated++
		}
	}
	if migrated != want {
		t.Errorf("%d of %d servers migrated the database, want %d", migrated, servers, want)
	}
}

// A migration that is killed at any instant has lost nothing, and the next
// start ends it.
func TestKilledMigrationGoesOn(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		const readings = 20_000
		kills := 3
		if testing.Short() {
			kills = 1
		}
		old, latest := writeApp(t, oldApp), writeApp(t, newApp)
		whole := empty(t)
		fill(t, whole, old, readings)
		start := time.Now()
		migrateTo(t, whole, latest)
		took := time.Since(start)

		at := empty(t)
		fill(t, at, old, readings)
		for range kills {
			cmd := flowctl(t, at, "migrate", "apply", latest)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			after := time.Duration(rand.Int64N(int64(took)))
			kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
			err := cmd.Wait()
			kill.Stop()
			t.Logf("killed %s after the start: %v", after, err)
			intact(t, at, readings)
		}
		migrateTo(t, at, latest)
		intact(t, at, readings)
		differences, err := compareWithAtlas(isPostgres(at), openTest(t, at), openTest(t, whole))
		if err != nil || len(differences) > 0 {
			t.Errorf("the migration that was killed has come to something else than one that was not: %v %q", err, differences)
		}
		startAtOnce(t, at, latest, `{"probe": "s", "value": 2}`, 0)
	})
}

// A migration that is killed while it builds an index beside other programs is
// told of by status, and ended by the next apply.
func TestKilledBesideOthers(t *testing.T) {
	at := pgtest.URL(t)
	fill(t, at, writeApp(t, oldApp), 10)
	latest := writeApp(t, newApp)
	other := openTest(t, at)
	ctx := t.Context()
	hold, err := other.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.QueryRowContext(ctx, "SELECT 1").Scan(new(int)); err != nil { // what it sees has to stay
		t.Fatal(err)
	}
	cmd := flowctl(t, at, "migrate", "apply", latest)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watch := openTest(t, at)
	await(t, "the index is being built", func() bool {
		n := 0
		err := watch.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	status := func() string {
		out, err := flowctl(t, at, "migrate", "status", latest).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if said := status(); !strings.Contains(said, "(unfinished)") || !strings.Contains(said, "unfinished  migration 2 of ") || !strings.Contains(said, "pending     create index on readings (probe)") {
		t.Errorf("status after the kill:\n%s", said)
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	migrateTo(t, at, latest)
	if said := status(); !strings.Contains(said, "(up to date)") {
		t.Errorf("status at the end:\n%s", said)
	}
	intact(t, at, 10)
	whole := pgtest.URL(t)
	migrateTo(t, whole, latest)
	if differences, err := compareWithAtlas(true, openTest(t, at), openTest(t, whole)); err != nil || len(differences) > 0 {
		t.Errorf("it has come to something else than a new database: %v %q", err, differences)
	}
}

func migrateTo(t *testing.T, at, app string) {
	t.Helper()
	if out, err := flowctl(t, at, "migrate", "apply", app).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// fill makes a database of oldApp with n rows, as another program might.
func fill(t *testing.T, at, app string, n int) {
	t.Helper()
	migrateTo(t, at, app)
	now := "strftime('%Y-%m-%dT%H:%M:%fZ')"
	if isPostgres(at) {
		now = "now()"
	}
	_, err := openTest(t, at).Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO readings (sensor, value, kind, created_at, updated_at) SELECT 's' || i, i, CASE WHEN i %% 3 = 0 THEN 'b' ELSE 'a' END, %s, %[2]s FROM n`, n, now))
	if err != nil {
		t.Fatal(err)
	}
}

// intact checks the rows that fill has made, whichever app's they are by now.
func intact(t *testing.T, at string, n int) {
	t.Helper()
	db := openTest(t, at)
	defer db.Close()
	// Of a process that was killed the server may have a commit yet to do: the
	// table is as it is found for as long as this looks.
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	columns := "SELECT count(*) FROM pragma_table_info('readings') WHERE name = 'probe'"
	if isPostgres(at) {
		columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'readings' AND column_name = 'probe'"
		if _, err := tx.Exec("LOCK TABLE readings IN ACCESS SHARE MODE"); err != nil {
			t.Fatal(err)
		}
	}
	renamed, column := 0, "sensor"
	if err := tx.QueryRow(columns).Scan(&renamed); err != nil {
		t.Fatal(err)
	}
	if renamed > 0 {
		column = "probe"
	}
	var rows, sum, named int
	err = tx.QueryRow("SELECT count(*), sum(value), count(CASE WHEN "+column+" = 's' || value AND (kind = 'b') = (value % 3 = 0) THEN 1 END) FROM readings").Scan(&rows, &sum, &named)
	if want := n * (n + 1) / 2; err != nil || rows != n || sum != want || named != n {
		t.Errorf("%d rows with a sum of %d, %d of them as they were, want %d with %d (%v)", rows, sum, named, n, want, err)
	}
}
