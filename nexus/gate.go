package nexus

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/problem"
)

// gate counts who is inside, and once closed lets nobody in and waits for the
// last one to leave. It costs a request two atomic operations.
type gate struct {
	inside  atomic.Int64 // closing is its sign bit
	empty   chan struct{}
	once    sync.Once
	closing context.Context // done when the gate begins to close
	begin   context.CancelFunc
}

// shut is added to inside when the gate closes: more than can ever be inside.
const shut = -1 << 62

func (g *gate) init() {
	g.empty = make(chan struct{})
	g.closing, g.begin = context.WithCancel(context.Background())
}

// enter reports whether the gate was open. Whoever entered must leave.
func (g *gate) enter() bool {
	if g.inside.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.inside.Add(-1) == shut {
		g.once.Do(func() { close(g.empty) }) // those turned away later leave too
	}
}

// close shuts the gate and waits until nobody is inside. It is called once.
func (g *gate) close() {
	g.begin()
	if g.inside.Add(shut) == shut {
		return
	}
	<-g.empty
}

// guard lets a request through while the gate is open.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			unavailable(w)
			return
		}
		defer g.leave()
		next.ServeHTTP(w, r)
	})
}

// unavailable answers a request that came while the server closes.
func unavailable(w http.ResponseWriter) {
	e := &dataflow.Error{Code: "shutting_down", Status: dataflow.StatusBusy, Message: "the server is closing", Hint: "try again in a moment"}
	front.Guard(w.Header())
	w.Header().Set("Content-Type", problem.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	w.WriteHeader(problem.Status(e))
	_, _ = w.Write(problem.Append(nil, e, "")) // an error means that the client is gone
}
