package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Runner brings a database's schema up to what its models ask for. It is the
// same for every engine, and for the start of an app as for a command.
type Runner struct {
	DB       DB
	Database *dataflow.Database
	System   []*dataflow.Model // the runtime's own
	Allow    []string          // words of what may be lost

	want *Schema
	kept []Table             // that no model has any more
	left map[string][]Column // that no field has any more, by table

	committed bool // a part of what is to be done
}

// Result is what was found and done.
type Result struct {
	Created bool              // the database was empty
	Steps   []string          // news, a line each
	Absent  []*dataflow.Model // of System, that have no table: in existing_schema_mode
}

// AbsentTables are the names of the tables that are not there.
func (r *Result) AbsentTables() map[string]bool {
	names := map[string]bool{}
	for _, m := range r.Absent {
		names[m.Table] = true
	}
	return names
}

// DefaultLockTimeout is how long another process is waited for.
const DefaultLockTimeout = 30 * time.Second

func (r *Runner) models() []*dataflow.Model {
	m := r.Database.Models
	return append(m[:len(m):len(m)], r.System...)
}

func (r *Runner) timeout() time.Duration {
	if t := r.Database.Options.MigrationLockTimeout; t > 0 {
		return t
	}
	return DefaultLockTimeout
}

// Open does what the start of an app does: applies what loses nothing, if the
// database's options allow. With errors among the diagnostics nothing has been
// changed, but for what an earlier start had begun.
func (r *Runner) Open(ctx context.Context) (*Result, []dataflow.Diagnostic) {
	result, ds, err := r.open(ctx)
	if err != nil {
		return nil, append(ds, r.DB.Failure(ctx, err))
	}
	return result, ds
}

func (r *Runner) open(ctx context.Context) (*Result, []dataflow.Diagnostic, error) {
	if r.Database.Options.ExistingSchemaMode {
		if ds := r.DB.Check(r.models()); ds != nil {
			return nil, ds, nil
		}
		result, ds, err := r.fit(ctx)
		if err == nil && !dataflow.HasErrors(ds) {
			err = r.DB.Writable(ctx)
		}
		return result, ds, err
	}
	m, err := r.DB.Meta(ctx)
	if err != nil {
		return nil, nil, err
	}
	if ds := r.newer(m); ds != nil {
		return nil, ds, nil
	}
	if r.unchanged(m) {
		return &Result{}, nil, r.DB.Writable(ctx)
	}
	if ds := r.DB.Check(r.models()); ds != nil { // there is none in what has been made already
		return nil, ds, nil
	}
	r.want = Desired(r.models(), r.DB.Engine())
	release, err := r.DB.Alone(ctx, r.timeout())
	if err != nil {
		return nil, nil, err
	}
	defer release()
	return r.inTurns(ctx)
}

// lockTurn is how long a transaction waits for a lock that others wait behind,
// and then lets them pass.
const lockTurn = 500 * time.Millisecond

// inTurns migrates, and gives way between attempts: who waits to alter a table
// holds up everybody who comes after, as long as another program is in the way.
func (r *Runner) inTurns(ctx context.Context) (*Result, []dataflow.Diagnostic, error) {
	for end := time.Now().Add(r.timeout()); ; {
		result, ds, err := r.migrate(ctx, min(lockTurn, r.timeout()))
		if err == nil || r.committed || !r.DB.InTheWay(err) || time.Now().After(end) {
			return result, ds, err
		}
		t := time.NewTimer(lockTurn)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return result, ds, err
		}
	}
}

func (r *Runner) fingerprint() string { return Fingerprint(r.models(), r.DB.Engine()) }

// newer refuses a database that a newer flowctl has made.
func (r *Runner) newer(m Meta) []dataflow.Diagnostic {
	if m.There && m.Format > Format {
		return []dataflow.Diagnostic{Newer(r.Database, r.DB.Name(), m.Format)}
	}
	return nil
}

// unchanged reports whether what the database says spares looking at its
// tables.
func (r *Runner) unchanged(m Meta) bool {
	return r.Database.Options.ModelPersistence && len(r.Allow) == 0 && m.current(r.fingerprint())
}

// migrate alters what needs it: in one transaction, and after it what takes
// long and can be done beside others.
func (r *Runner) migrate(ctx context.Context, turn time.Duration) (*Result, []dataflow.Diagnostic, error) {
	if err := r.DB.Begin(ctx); err != nil {
		return nil, nil, err
	}
	defer r.DB.Rollback()
	if err := r.DB.Turn(ctx, turn); err != nil {
		return nil, nil, err
	}
	m, err := r.DB.Meta(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r.unchanged(m) { // another process has done it while this one waited
		return &Result{}, nil, nil
	}
	result := &Result{}
	plan, before, err := r.plan(ctx, m, result)
	if err != nil || dataflow.HasErrors(plan.Diagnostics) {
		return nil, planned(plan), err
	}
	if len(plan.Steps) > 0 && !r.Database.Options.AutoMigrate {
		return nil, append(plan.Diagnostics, Pending(r.Database, r.DB.Name(), plan.Steps)), nil
	}
	if err := r.apply(ctx, m, plan.Steps, before, result); err != nil {
		return nil, nil, err
	}
	return result, plan.Diagnostics, nil
}

func planned(p *Plan) []dataflow.Diagnostic {
	if p == nil {
		return nil
	}
	return p.Diagnostics
}

// plan compares what is there with what is wanted.
func (r *Runner) plan(ctx context.Context, m Meta, result *Result) (*Plan, *Schema, error) {
	have, err := r.DB.Inspect(ctx)
	if err != nil {
		return nil, nil, err
	}
	result.Created = len(have.Tables) == 0
	var before *Schema
	if m.There {
		if before, err = r.DB.Snapshot(ctx); err != nil {
			return nil, nil, err
		}
	}
	var history func() ([]Applied, error)
	if m.There {
		history = func() ([]Applied, error) { return r.DB.History(ctx) }
	}
	p, err := NewPlan(have, r.want, before, history, r.DB.Data(ctx), r.Allow)
	if err == nil {
		r.kept, r.left = p.Tables, p.Columns
	}
	return p, before, err
}

// apply applies the steps of a plan, commits, and does what is left.
func (r *Runner) apply(ctx context.Context, m Meta, steps []Step, before *Schema, result *Result) error {
	persist := r.Database.Options.ModelPersistence
	if len(steps) == 0 && (!r.Database.Options.AutoMigrate || m.There && m.Format == Format && !persist) {
		return r.DB.Commit(ctx) // the schema fits, and nothing of ours is to be added or kept
	}
	if err := r.DB.Prepare(ctx, m); err != nil {
		return err
	}
	work := r.DB.Work(steps)
	created := map[string]bool{}
	aside := false
	for i, s := range steps {
		if shown(s, created) {
			result.Steps = append(result.Steps, s.String())
		}
		if aside = aside || work[i].Aside; work[i].Aside {
			continue
		}
		if err := r.exec(ctx, s, work[i].SQL); err != nil {
			return err
		}
	}
	entry := &Applied{At: time.Now().UTC(), State: StateApplied, Before: before, Steps: Show(r.DB, steps)}
	if aside {
		entry.State = StateUnfinished
	}
	if len(steps) > 0 {
		if err := r.DB.Record(ctx, entry); err != nil {
			return err
		}
	}
	if !aside {
		return r.finish(ctx, entry, persist)
	}
	if err := r.note(ctx, persist, false); err != nil {
		return err
	}
	if err := r.DB.Commit(ctx); err != nil {
		return err
	}
	return r.applyAside(ctx, steps, work, entry, persist)
}

// applyAside does what is done beside other programs. What is cut short here
// is found by the next start, which goes on.
func (r *Runner) applyAside(ctx context.Context, steps []Step, work []Work, entry *Applied, persist bool) error {
	r.committed = true
	for i, s := range steps {
		if !work[i].Aside {
			continue
		}
		if err := r.exec(ctx, s, work[i].SQL); err != nil {
			return err
		}
	}
	if err := r.DB.Begin(ctx); err != nil {
		return err
	}
	return r.finish(ctx, entry, persist)
}

// finish marks everything as done and commits.
func (r *Runner) finish(ctx context.Context, entry *Applied, persist bool) error {
	history, err := r.DB.History(ctx)
	if err != nil {
		return err
	}
	for i := range history { // what was cut short before is done with this
		if a := &history[i]; a.State == StateUnfinished {
			a.State = StateApplied
			if err := r.DB.Record(ctx, a); err != nil {
				return err
			}
		}
	}
	if err := r.note(ctx, persist, true); err != nil {
		return err
	}
	return r.DB.Commit(ctx)
}

func (r *Runner) note(ctx context.Context, persist, whole bool) error {
	if !persist {
		return r.DB.Note(ctx, nil, "")
	}
	all := &Schema{Tables: slices.Concat(r.want.Tables, r.kept)}
	for i := range all.Tables {
		t := &all.Tables[i]
		t.Columns = slices.Concat(t.Columns, r.left[t.Name]) // which are nobody else's doing
	}
	if whole {
		return r.DB.Note(ctx, all, r.fingerprint())
	}
	return r.DB.Note(ctx, all, "")
}

func (r *Runner) exec(ctx context.Context, s Step, statements []string) error {
	for _, sql := range statements {
		if err := r.DB.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// shown reports whether a step is news to whoever starts the app: the
// runtime's own tables are not, nor are the indexes of a table just created.
func shown(s Step, created map[string]bool) bool {
	if s.Action == CreateTable {
		created[s.Table.Name] = true
	}
	return !Internal(s.Table.Name) && (s.Action != CreateIndex || !created[s.Table.Name])
}

// Internal reports whether a table is the runtime's own.
func Internal(table string) bool { return strings.HasPrefix(table, "_flow_") }

// fit checks the tables without altering any. A system table that is not
// there is not asked for, unless a model needs it to keep its promises.
func (r *Runner) fit(ctx context.Context) (*Result, []dataflow.Diagnostic, error) {
	have, err := r.DB.Inspect(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.DB.Lenient(have)
	ds := Fit(have, Desired(r.Database.Models, r.DB.Engine()))
	result := &Result{}
	for _, m := range r.System {
		if have.Table(m.Table) == nil {
			result.Absent = append(result.Absent, m)
		}
	}
	ds = append(ds, Unaudited(have, r.Database.Models)...)
	if dataflow.HasErrors(ds) {
		return nil, ds, nil
	}
	return result, ds, nil
}
