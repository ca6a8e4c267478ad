package dataflow

import (
	"context"
	"time"
)

// Func is a function of app.star (or of a Go program that embeds the
// runtime). It is frozen and may be called from many goroutines at once;
// steps, time and depth of a call are limited.
type Func interface {
	Name() string
	Params() []Param
	Span() Span
	// Call applies the function to positional and named arguments, which are
	// canonical values (or, for a handler's first argument, a Handler), and
	// returns a canonical value. named may be nil. The error is an *Error: code
	// "rejected" where the function called fail(), else "function_failed".
	Call(ctx context.Context, pos []any, named *Object) (any, error)
}

// Param is a parameter of a Func.
type Param struct {
	Name     string
	Required bool // has no default
	Rest     bool // **kwargs: takes every other name
}

// Handler is what a handler function's ctx can do. It is passed as the first
// argument to the Func of a Workflow with a Handler. Everything runs in the
// transaction of the call; in a durable handler each call is a step, and a
// transaction, of its own.
type Handler interface {
	// Run runs one operation of a model.
	Run(ctx context.Context, op Op, args *Object) (any, error)
	// RunNode runs a node type by its name ("HTTPRequestNode", "OrderListNode").
	RunNode(ctx context.Context, nodeType string, args *Object) (any, error)
	// Workflow runs another workflow and returns its outputs.
	Workflow(ctx context.Context, name string, inputs *Object) (any, error)
	// Record returns what f gives, a canonical value that may differ from call to
	// call: the time, chance, an answer from outside. A run that is kept and run
	// again returns what f gave the first time. The function calls it for the same
	// things in the same order each time it runs; what names the thing, as
	// "now" or "random.int".
	Record(ctx context.Context, what string, f func(context.Context) (any, error)) (any, error)
	// Sleep makes a durable run rest for a while, and WaitSignal until it is sent
	// a signal, which returns the payload: no longer than timeout, if that is not
	// 0; then it returns other, if hasOther, or fails. The function must return
	// the error at once: it may say that the run rests, and the function is
	// called again from its beginning when it goes on.
	Sleep(ctx context.Context, d time.Duration) error
	WaitSignal(ctx context.Context, name string, timeout time.Duration, other any, hasOther bool) (any, error)
	// Now reads the clock of the run. It is for Record, and for what leaves no
	// trace in the run.
	Now() time.Time
	// Info returns what ctx.user, ctx.tenant and ctx.run_id show.
	Info() Info
}

// Info is what a run knows of where it came from.
type Info struct {
	RunID  string
	User   *Object // nil if nobody is signed in
	Tenant string
}
