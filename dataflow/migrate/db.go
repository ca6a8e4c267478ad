package migrate

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// DB is a connection that a schema is changed through, in the way of its
// engine. It is used by one goroutine.
type DB interface {
	// Name is what people are told: where it is, without secrets.
	Name() string
	// Engine is how the schema that models ask for is kept.
	Engine() Engine
	// Check finds what the engine can't have, whatever is there.
	Check(models []*dataflow.Model) []dataflow.Diagnostic
	// Work returns the statements of each of a plan's steps.
	Work(steps []Step) []Work

	// Alone waits until no other process migrates, and keeps others out until
	// the function it returns is called.
	Alone(ctx context.Context, timeout time.Duration) (release func(), err error)
	// Turn has the transaction wait no longer for a lock than this, if others wait
	// behind it meanwhile; InTheWay reports whether err says that it was not to be
	// had, so that the transaction can be done anew.
	Turn(ctx context.Context, most time.Duration) error
	InTheWay(err error) bool
	// Begin begins a transaction; Rollback ends it, if it is open, without effect.
	Begin(ctx context.Context) error
	Commit(ctx context.Context) error
	Rollback()
	// Exec runs one statement.
	Exec(ctx context.Context, sql string) error
	// Writable finds out whether the database can be written to, without
	// altering a table or waiting.
	Writable(ctx context.Context) error

	// Inspect reads the schema that is there.
	Inspect(ctx context.Context) (*Schema, error)
	// Lenient makes one thing of what can be read and written alike where the
	// tables are not of the runtime's making.
	Lenient(s *Schema)
	// Data answers questions about the rows that are there.
	Data(ctx context.Context) Data

	// Meta is what the runtime keeps about the schema; all that opening a
	// database costs whose schema is unchanged.
	Meta(ctx context.Context) (Meta, error)
	// Snapshot is the schema that was last wanted, or nil.
	Snapshot(ctx context.Context) (*Schema, error)
	// Prepare makes the tables that meta and history are kept in, or brings
	// them up to this format.
	Prepare(ctx context.Context, m Meta) error
	// Note keeps a schema as the one that was last wanted, nil for none; and the
	// fingerprint of what the models ask for, if all of it is there.
	Note(ctx context.Context, snapshot *Schema, fingerprint string) error
	// Record adds an entry to the history, or with an ID changes its state.
	Record(ctx context.Context, a *Applied) error
	// History lists what was done, the latest last.
	History(ctx context.Context) ([]Applied, error)

	// Failure says why err keeps the database from being used.
	Failure(ctx context.Context, err error) dataflow.Diagnostic
	Close()
}

// Work is what a step takes.
type Work struct {
	SQL []string
	// Aside says that it is done after the transaction, beside other programs.
	Aside bool
}

// Meta is what a database says about its schema without being looked at.
type Meta struct {
	There       bool  // the runtime has made this database, or taken it on
	Format      int64 // see Format
	Fingerprint string
	Untouched   bool // nobody else has changed it since
}

// current reports whether the schema is the one of that fingerprint.
func (m Meta) current(fingerprint string) bool {
	return m.There && m.Format == Format && m.Fingerprint == fingerprint && m.Untouched
}

// State is how far an entry of the history has come.
type State string

// The states.
const (
	StateApplied    State = "applied"
	StateUnfinished State = "unfinished" // cut short; the next start goes on
	StateRolledBack State = "rolled_back"
)

// Applied is an entry of the history: a plan that was applied.
type Applied struct {
	ID    int64     `json:"id"`
	At    time.Time `json:"applied_at"`
	State State     `json:"state"`
	Steps []Done    `json:"steps"`

	Before *Schema `json:"-"` // that was wanted before
}

// Done is a step that was applied, or would be.
type Done struct {
	Step    string   `json:"step"`
	Table   string   `json:"table"`
	SQL     []string `json:"sql"`
	Aside   bool     `json:"outside_transaction,omitempty"`
	Reverse []string `json:"reverse"` // in the order to be run
	// Loses is what the reverse throws away.
	Loses *Loss `json:"reverse_loses,omitempty"`
	// Needs is what the reverse demands of the rows.
	Needs *Demand `json:"reverse_needs,omitempty"`
	// Final says that what the step threw away does not come back.
	Final bool `json:"final,omitempty"`
	// Renamed is what has had another name before the step.
	Renamed *Renamed `json:"renamed,omitempty"`
}

// Renamed is a table, or with Column one of its columns, that was called Was.
type Renamed struct {
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	Was    string `json:"was"`
}

// Show works out the statements of a plan's steps and of their reverse.
func Show(db DB, steps []Step) []Done {
	work := db.Work(steps)
	out := make([]Done, len(steps))
	for i, s := range steps {
		out[i] = Done{Step: s.String(), Table: s.Table.Name, SQL: work[i].SQL, Aside: work[i].Aside,
			Final: s.Action == DropTable || s.Action == DropColumn || s.Action == FillNulls}
		switch s.Action {
		case RenameTable:
			out[i].Renamed = &Renamed{Table: s.Table.Name, Was: s.Was}
		case RenameColumn:
			out[i].Renamed = &Renamed{Table: s.Table.Name, Column: s.Column.Name, Was: s.Was}
		}
		if back, loss, ok := s.Reverse(); ok {
			back.Busy = false // a rollback is one transaction
			for _, w := range db.Work(append([]Step{back}, s.lostIndexes()...)) {
				out[i].Reverse = append(out[i].Reverse, w.SQL...)
			}
			out[i].Loses, out[i].Needs = loss, back.demand()
		}
	}
	return out
}

// lostIndexes are the steps that bring back the indexes which went along with
// what a step dropped.
func (s Step) lostIndexes() (steps []Step) {
	var list []Index
	switch s.Action {
	case DropTable:
		list = s.Table.Indexes
	case DropColumn:
		list = s.Covers
	}
	for _, ix := range list {
		steps = append(steps, Step{Action: CreateIndex, Table: s.Table, Index: ix})
	}
	return steps
}
