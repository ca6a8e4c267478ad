package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

func TestLoadSendsEachRequestOnce(t *testing.T) {
	var seen [100]atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		seen[i].Add(1)
		io.WriteString(w, "ok")
	}))
	defer srv.Close()
	l := load{addr: srv.Listener.Addr().String(), conns: 8, n: len(seen), status: 200,
		request: func(i int) []byte { return get(fmt.Sprintf("/%d", i)) }}
	if _, err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Errorf("request %d was sent %d times", i, n)
		}
	}
}

func TestLoadFailsOnAWrongAnswer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	l := load{addr: srv.Listener.Addr().String(), conns: 2, n: 10, status: 200,
		request: func(int) []byte { return post("/x", "{}") }}
	if _, err := l.run(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want the answer's status", err)
	}
}

func TestRatioIsTheMedianOfPairs(t *testing.T) {
	a := []time.Duration{10, 100, 30}
	b := []time.Duration{10, 50, 10}
	if got := ratio(a, b); got != "2.00" {
		t.Errorf("got %s", got)
	}
}

// Every measurement runs, on a few requests, and fills its table.
func TestMeasurements(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	c, err := build(context.Background(), config{
		ldflags: "-s -w", rounds: 1, requests: 64, conns: 4, rows: 100, million: 400, starts: 1, tables: 3, waiting: 40, due: 20, ahead: 8 * time.Second, scales: []int{3}, out: &out,
	}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	for _, measure := range []func(context.Context, config) error{requests, comparePostgres, compareSQLite, memory, starts, unchanged, scale, workflows, durableRuns, agents} {
		if err := measure(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	number := regexp.MustCompile(`(\B-)?\d+(\.\d+)?`) // what is longer by so much may be shorter
	got := number.ReplaceAllString(out.String(), "N")
	for _, want := range []string{
		"| get one | N (N/s) | N (N/s) | N (N/s) | N | N |\n",
		"| list N | N (N/s) | N (N/s) | N (N/s) | N | N |\n",
		"| create | N (N/s) | N (N/s) | N (N/s) | N | N |\n",
		"PostgreSQL, N rows, median of N rounds; ",
		"SQLite, N rows, median of N rounds; ",
		"| get one | N | N + N (N/s) | N + N (N/s) | N | N |\n",
		"| list N, filtered and sorted | N | N + N (N/s) | N + N (N/s) | N | N |\n",
		"| create one | N | N + N (N/s) | N + N (N/s) | N | N |\n",
		"| bulk create N,N | N | N + N (N/s) | N + N (N/s) | N | N |\n",
		"| at the end | of it in no file |\n|---|---|---|---|---|---|\n| SQLite | N | N | N | N | N |\n| PostgreSQL | N | N | N | N | N |\n",
		"| no database yet: tables are made | N | N |  |\n",
		"| the database is there | N | N |  |\n",
		"| it is there, on PostgreSQL | N | N | N |\n",
		"| SQLite | known | N | N | N |  | N |\n",
		"| PostgreSQL | inspected | N + N | N + N | N | N | N |\n",
		"| resident | N |\n",
		"| read | N | N | N |\n",
		"| list N | N | N | N | N | N |\n",
		"| the first time | N |\n",
		"| N data nodes, one transaction | N | N | N |\n",
		"| N nodes of Starlark | N |  |  |\n",
		"| SQLite | a handler: three steps, each kept by itself | N | N | N |\n",
		"| PostgreSQL | a graph: three nodes, kept together | N | N | N |\n",
		"| PostgreSQL | N | N | N | N | N |\n",
		"| SQLite | N | N | N | N | N |\n",
		"| N | N | N | N | N | N | N | N | N |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no row %q in\n%s", want, got)
		}
	}
}
