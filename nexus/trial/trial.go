// Package trial runs an app for tests of it: on databases that are thrown away
// afterwards, with a clock that stands still unless it is moved, and with
// services that are faked. It knows nothing of the language that tests are
// written in.
package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/nexus"
)

// Options are what a trial may use. Now and Client of nexus.Options are the
// trial's own.
type Options struct {
	nexus.Options
	// Database is the URL of a PostgreSQL database, in which each trial makes
	// schemas of its own and drops them. "": SQLite, in memory.
	Database string
}

// Start is what the clock of each trial begins with.
func Start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Trial is an app that runs for one test. But for its HTTP answers it is for
// one goroutine.
type Trial struct {
	gen    *nexus.Generation
	caller access.Caller
	undo   []func() error

	clock struct {
		sync.Mutex
		now time.Time
	}
	fakes
}

// New starts an app. The app is the trial's from then on: its databases are
// others than the file says. The Trial is nil if there is an error, or a
// diagnostic is one.
func New(ctx context.Context, app *dataflow.App, o Options) (_ *Trial, diags []dataflow.Diagnostic, err error) {
	t := &Trial{}
	defer func() {
		if t.gen == nil {
			err = errors.Join(err, t.Close())
		}
	}()
	t.clock.now = Start()
	o.Now, o.Client = t.Now, &http.Client{Transport: &t.fakes}
	if err := t.divert(ctx, app, o); err != nil {
		return nil, nil, err
	}
	if o.Dir, err = t.files(app, o.Dir); err != nil {
		return nil, nil, err
	}
	if t.gen, diags = nexus.Build(ctx, app, o.Options); t.gen == nil {
		return nil, diags, nil
	}
	return t, diags, nil
}

// Close ends the trial and throws its databases away.
func (t *Trial) Close() error {
	var errs []error
	if t.gen != nil {
		errs = append(errs, t.gen.Close())
	}
	for i := len(t.undo) - 1; i >= 0; i-- {
		errs = append(errs, t.undo[i]())
	}
	t.gen, t.undo = nil, nil
	return errors.Join(errs...)
}

// divert gives every database of the app a place of its own, empty, in which
// its schema is made.
func (t *Trial) divert(ctx context.Context, app *dataflow.App, o Options) error {
	for _, db := range app.Databases {
		db.URL = "sqlite::memory:"
		if o.Database != "" {
			at, drop, err := postgres.Scratch(ctx, o.Database)
			if err != nil {
				return err
			}
			t.undo = append(t.undo, drop)
			db.URL = at
		}
		opts := &db.Options
		opts.AutoMigrate, opts.ExistingSchemaMode = true, false
		opts.Pooler, opts.DirectURL = "", ""
		opts.PoolSize, opts.PoolMaxOverflow, opts.PoolRecycle = 0, 0, 0
	}
	return nil
}

// files copies the folder for files, where the app has one, so that no test
// writes into it, and returns the folder that the copy is below.
func (t *Trial) files(app *dataflow.App, dir string) (string, error) {
	if app.Server == nil || app.Server.Files == "" {
		return dir, nil
	}
	top, err := os.MkdirTemp("", "flowctl-test-")
	if err != nil {
		return "", fmt.Errorf("make a folder for files: %w", err)
	}
	t.undo = append(t.undo, func() error { return os.RemoveAll(top) })
	from := filepath.Join(dir, filepath.FromSlash(app.Server.Files))
	if err := os.CopyFS(filepath.Join(top, filepath.FromSlash(app.Server.Files)), os.DirFS(from)); err != nil {
		return "", fmt.Errorf("copy the folder %s for a test: %w", app.Server.Files, err)
	}
	return top, nil
}

// Run runs an operation in a transaction of its own.
func (t *Trial) Run(ctx context.Context, op dataflow.Op, args *dataflow.Object) (v any, err error) {
	return t.runAs(ctx, t.caller, op, args)
}

func (t *Trial) runAs(ctx context.Context, c access.Caller, op dataflow.Op, args *dataflow.Object) (v any, err error) {
	e := t.gen.Engine()
	model, st := e.Model(op.Model), e.Store(op.Model.Database)
	if model == nil || st == nil {
		return nil, fmt.Errorf("the model %s is not of the app that is tested", op.Model.Name)
	}
	if op.Kind.Writes() {
		err = st.Write(ctx, func(tx store.Tx) error {
			v, err = model.Do(ctx, tx, c, op.Kind, args)
			return err
		})
		return v, err
	}
	err = st.Snapshot(ctx, func(r store.Reader) error {
		v, err = model.Do(ctx, r, c, op.Kind, args)
		return err
	})
	return v, err
}

// Workflow runs a registered workflow.
func (t *Trial) Workflow(ctx context.Context, name string, inputs *dataflow.Object) (any, error) {
	return t.workflowAs(ctx, t.caller, name, inputs)
}

func (t *Trial) workflowAs(ctx context.Context, c access.Caller, name string, inputs *dataflow.Object) (any, error) {
	res, err := t.gen.Engine().Run(ctx, engine.Request{Workflow: name, Inputs: inputs, Caller: c})
	if err != nil {
		return nil, err
	}
	return res.Outputs, nil
}

// Now is the app's clock.
func (t *Trial) Now() time.Time {
	t.clock.Lock()
	defer t.clock.Unlock()
	return t.clock.now
}

// SetNow sets it.
func (t *Trial) SetNow(now time.Time) {
	t.clock.Lock()
	defer t.clock.Unlock()
	t.clock.now = now.UTC()
}

// Caller says who asks from here on.
func (t *Trial) Caller(user *dataflow.Object, tenant string) {
	t.caller = access.Caller{User: user, Tenant: tenant}
}

// Finish says what is wrong once the test has ended otherwise well, or "".
func (t *Trial) Finish() string { return strings.Join(t.problems(), "; ") }
