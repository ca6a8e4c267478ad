package store

import (
	"context"
	"time"
)

// Clock is a Store, or a Tx, whose database has a clock of its own, which all
// that use it share. Those on several machines would not agree.
type Clock interface {
	// Now asks the database what time it is.
	Now(ctx context.Context) (time.Time, error)
}

type steadyKey struct{}

// Steady is ctx for a Write whose function waits for nothing but the database:
// where it does, its process has stalled, and a database that can ends the
// transaction after some seconds, so that others get at the rows that it has
// locked. The function is then called once more, with the patience of others,
// for the case that it was only slow.
func Steady(ctx context.Context) context.Context {
	return context.WithValue(ctx, steadyKey{}, true)
}

// IsSteady reports whether ctx is of Steady.
func IsSteady(ctx context.Context) bool { return ctx.Value(steadyKey{}) != nil }
