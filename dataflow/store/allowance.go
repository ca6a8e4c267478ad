package store

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Allowances is a Store that keeps allowances on which all who use the database
// draw. An allowance fills evenly as time passes, by the database's clock, up to
// its burst. What is drawn is not durable: after a crash of the database the last
// draws may be forgotten.
type Allowances interface {
	// Draw draws on allowances, each for itself, and says for each what came of
	// it. No id may be there twice. It is one statement, and a transaction of its
	// own. m is of AllowanceFields.
	Draw(ctx context.Context, m *dataflow.Model, draws []Draw) ([]Drawn, error)
	// Forget removes allowances that are whole, which is what one is of which
	// nothing is known.
	Forget(ctx context.Context, m *dataflow.Model) error
}

// AllowanceOpener is an Opener whose Stores are Allowances.
type AllowanceOpener interface {
	Opener
	KeepsAllowances()
}

// AllowanceFields are the fields of the model that allowances are kept in,
// between its id, a text, and the two times of when it was made and changed.
func AllowanceFields() []*dataflow.Field {
	return []*dataflow.Field{
		{Name: "full_at", Type: dataflow.DateTime, Doc: "when it is whole again, if nobody draws on it"},
		{Name: "given", Type: dataflow.Int, Doc: "what the last draw was given"},
	}
}

// Draw asks an allowance for Want of it. If there is less it gives what there is,
// but nothing if that is less than Least.
type Draw struct {
	ID          string
	Want, Least int
	Each        float64 // seconds, in which there is one more
	Burst       int     // as many as there can be
}

// Drawn is what came of a Draw.
type Drawn struct {
	Given int
	Owed  time.Duration // until the allowance is whole, as things are now
}
