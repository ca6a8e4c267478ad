package durable_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// onEach runs a test on each engine, with an empty database.
func onEach(t *testing.T, test func(t *testing.T, s *site)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, &site{T: t, url: "sqlite:" + filepath.Join(t.TempDir(), "app.db"), opener: sqlite.Opener{}})
	})
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		test(t, &site{T: t, url: pgtest.URL(t), opener: postgres.Opener{}})
	})
}

// site is a database and an app that uses it.
type site struct {
	*testing.T
	url    string
	opener store.Opener
	store  store.Store
	app    *dataflow.App
	entry  *dataflow.Model
	types  []engine.NodeType // beside those of package nodes
	logger *slog.Logger      // of the store; nil: nobody
	ids    atomic.Int64
}

// declare gives the site its app: a model Entry and workflows, all durable.
func (s *site) declare(workflows ...*dataflow.Workflow) {
	yes := true
	db := &dataflow.Database{Name: "db", URL: s.url, Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	s.entry = ft.Model(db, "Entry", "entries",
		&dataflow.Field{Name: "what", Type: dataflow.String},
		&dataflow.Field{Name: "amount", Type: dataflow.Int})
	for _, wf := range workflows {
		wf.Durable = &yes
	}
	s.app = &dataflow.App{Databases: []*dataflow.Database{db}, Workflows: workflows}
}

// process is one that serves the site's app.
type process struct {
	*durable.Runs
	s      *site
	engine *engine.Engine
	serve  func()
	stop   func()
}

// start starts a process. around may stand between it and the database.
func (s *site) start(around func(store.Store) store.Store, options ...func(*durable.Options)) *process {
	s.Helper()
	p := s.made(around, options...)
	p.serve()
	return p
}

// made is a process that does not serve yet.
func (s *site) made(around func(store.Store) store.Store, options ...func(*durable.Options)) *process {
	s.Helper()
	db := s.app.Databases[0]
	if s.store == nil { // one for all: opening it anew would be most of the time that a test takes
		st, _, diags := s.opener.Open(context.Background(), db, store.Options{Logger: s.logger, System: append(access.SystemModels(db), durable.Models(db)...)})
		if dataflow.HasErrors(diags) {
			s.Fatalf("the database can't be opened:\n%s", ft.Render(diags))
		}
		s.store = st
		s.Cleanup(func() {
			if err := st.Close(); err != nil {
				s.Error(err)
			}
		})
	}
	seen := s.store
	if around != nil {
		seen = around(seen)
	}
	plan, diags := engine.NewPlan(s.app, append(nodes.Types(), s.types...))
	if dataflow.HasErrors(diags) {
		s.Fatalf("the app can't be planned:\n%s", ft.Render(diags))
	}
	o := durable.Options{Pace: 5 * time.Millisecond, Silence: 60 * time.Millisecond,
		NewID: func() string { return fmt.Sprintf("id%06d", s.ids.Add(1)) }}
	for _, set := range options {
		set(&o)
	}
	e, err := engine.New(plan, engine.Options{Stores: map[*dataflow.Database]store.Store{db: seen}, Now: o.Now, NewID: o.NewID})
	if err != nil {
		s.Fatal(err)
	}
	p := &process{Runs: durable.New(e, o), s: s, engine: e}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = sync.OnceFunc(func() {
		cancel()
		p.Close()
	})
	p.serve = func() { p.Serve(ctx) }
	s.Cleanup(p.stop)
	return p
}

func (p *process) begin(workflow string, inputs *dataflow.Object) *durable.Run {
	p.s.Helper()
	var r *durable.Run
	err := again(func() (err error) {
		r, _, err = p.Begin(context.Background(), durable.Begin{Workflow: workflow, Inputs: inputs, Later: true})
		return err
	})
	if err != nil {
		p.s.Fatal(err)
	}
	return r
}

// seedOf is where what is drawn by lot begins: the same each time, unless
// FLOWCTL_TEST_SEED says another.
func seedOf(t *testing.T) uint64 {
	text := os.Getenv("FLOWCTL_TEST_SEED")
	if text == "" {
		return 20
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("FLOWCTL_TEST_SEED: %v", err)
	}
	return seed
}

// patience bounds how long a test waits for what must come.
const patience = time.Minute

// again does what may find no connection on a machine that is busy: who is told
// to come again does.
func again(do func() error) error {
	for end := time.Now().Add(patience); ; {
		if err := do(); code(err) != "busy" || time.Now().After(end) {
			return err
		}
	}
}

// until waits for a run to be in one of some states.
func (p *process) until(id string, states ...durable.Status) *durable.Run {
	p.s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	changed, stop := p.Watch(id)
	defer stop()
	look := time.NewTicker(10 * time.Millisecond) // another process may have it
	defer look.Stop()
	for {
		var r *durable.Run
		err := again(func() (err error) { r, err = p.Get(ctx, access.Caller{}, id); return err })
		if err != nil && code(err) != "not_found" { // another run has yet to start it
			p.s.Fatal(err)
		}
		if err != nil {
			r = &durable.Run{}
		}
		for _, st := range states {
			if r.Status == st {
				return r
			}
		}
		if r.Status.Ended() {
			p.s.Fatalf("the run is %s: %v", r.Status, r.Error)
		}
		select {
		case <-changed:
		case <-look.C:
		case <-ctx.Done():
			p.s.Fatalf("the run is %s, waits for %q, wakes at %v", r.Status, r.Reason, r.WakeAt)
		}
	}
}

// entries counts the rows that say what.
func (p *process) entries(what string) int64 {
	p.s.Helper()
	n := int64(0)
	err := again(func() error {
		n = 0
		return p.s.store.Select(context.Background(), everyEntry(p.s.entry), func(row store.Row) error {
			if row.Value(0) == what {
				n++
			}
			return nil
		})
	})
	if err != nil {
		p.s.Fatal(err)
	}
	return n
}

// code is the code of an error.
func code(err error) string {
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// add is a node that adds an Entry.
func (s *site) add(id, what string, options ...func(*dataflow.Node)) *dataflow.Node {
	return ft.Node("EntryCreateNode", id, ft.Obj("what", what, "amount", 1), options...)
}
