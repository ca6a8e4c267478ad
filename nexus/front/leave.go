package front

import "context"

// leaveKey is the context key of what a request calls that only listens.
type leaveKey struct{}

// WithLeave returns a context in which Leave calls leave.
func WithLeave(ctx context.Context, leave func()) context.Context {
	return context.WithValue(ctx, leaveKey{}, leave)
}

// Leave says that a request only listens from now on, to what outlives the
// generation of the app that it came to: the generation does not wait for it any
// more, and the end of the generation is not the request's. It must not use
// anything of the generation afterwards. Its context is done when the client is
// gone or the server ends. Leave is false, and nothing has changed, where the
// generation has no server that could outlive it.
func Leave(ctx context.Context) bool {
	leave, ok := ctx.Value(leaveKey{}).(func())
	if ok {
		leave()
	}
	return ok
}
