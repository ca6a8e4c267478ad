package access_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// twin is an app's other self, on PostgreSQL: each operation that a test tries
// is done there too, and must come to the same, word for word. It takes its
// ids from a count of its own.
type twin struct {
	store  store.Store
	models map[string]*access.Model
}

// openTwin makes the tables of an app in a schema of their own, for so many
// callers at a time. It is nil where there is no PostgreSQL to test with.
func openTwin(a *app, callers int) *twin {
	if pgtest.Missing() != nil {
		return nil
	}
	db := &dataflow.Database{Name: "db", URL: emptySchema(a.t), Models: a.db.Models, Options: a.db.Options}
	db.Options.PoolSize = callers
	st, _, diags := postgres.Opener{}.Open(a.t.Context(), db, store.Options{System: access.SystemModels(a.db)})
	if st == nil {
		a.t.Fatal(diags)
	}
	a.t.Cleanup(func() { st.Close() })
	tw := &twin{store: st, models: map[string]*access.Model{}}
	other := &app{}
	options := a.options()
	options.NewID = other.options().NewID
	for _, m := range a.db.Models {
		tw.models[m.Name] = access.New(m, options)
	}
	return tw
}

// alone lets an app go on without its twin: what follows is not done to both.
func (a *app) alone() *app {
	a.twin = nil
	return a
}

// same does an operation that has come to out or an error.
func (tw *twin) same(a *app, op string, in *dataflow.Object, out any, err error) {
	a.t.Helper()
	if tw == nil {
		return
	}
	name, method, _ := strings.Cut(op, ".")
	kind := kindOf(method)
	var other any
	failed := perform(tw.store, kind, func(r store.Reader) (err error) {
		other, err = tw.models[name].Do(context.Background(), r, a.caller, kind, in)
		return err
	})
	// Where a transaction was run again, the times in it move on a little.
	moves := func(s string) string { return moment.ReplaceAllString(s, "$1.TIME") }
	if here, there := moves(outcome(out, err)), moves(outcome(other, failed)); here != there {
		a.t.Errorf("%s %.300s\non SQLite      %.1000s\non PostgreSQL  %.1000s", op, codec.AppendValue(nil, in), here, there)
	}
}

var moment = regexp.MustCompile(`(T\d\d:\d\d:\d\d)\.000\d\d\dZ`)

func kindOf(method string) dataflow.OpKind {
	for _, k := range dataflow.AllOps() {
		if k.String() == method {
			return k
		}
	}
	panic("there is no operation " + method)
}

// outcome is all that a caller is told.
func outcome(out any, err error) string {
	if err == nil {
		return string(codec.AppendValue(nil, out))
	}
	e := dataflow.AsError(err)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s: %s [%s]", e.Code, e.Status, e.Model, e.Message, e.Hint)
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n%s %s: %s [%s]", p.Pointer, p.Code, p.Detail, p.Hint)
	}
	return b.String()
}

// shared is the database of all twins; each has a schema of it.
var shared = sync.OnceValues(func() (d *database, err error) {
	d = &database{}
	d.url, d.drop, err = pgtest.New()
	return d, err
})

type database struct {
	url     string
	drop    func() error
	schemas atomic.Int64
}

// emptySchema is the URL of one. What is committed there need not be on disk.
func emptySchema(t testing.TB) string {
	t.Helper()
	d, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("app_%d", d.schemas.Add(1))
	pgtest.Exec(t, d.url, "CREATE SCHEMA "+name)
	return d.url + "?search_path=" + name + "&synchronous_commit=off"
}

func TestMain(m *testing.M) {
	code := m.Run()
	if pgtest.Missing() == nil {
		if d, err := shared(); err == nil {
			if err := d.drop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}
