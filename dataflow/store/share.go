package store

import (
	"context"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
)

// Sharer is a Store whose connections, and what is prepared on them, another
// version of the app can use.
type Sharer interface {
	Store
	// Share returns a Store over the same connections for db, which is declared by
	// another version of the app. It is nil, without diagnostics, if db has to be
	// opened instead: because it is another database, or asks for another schema.
	// With errors among the diagnostics the database refuses db. Each Store is
	// closed for itself; the last one to be closed closes the connections.
	Share(ctx context.Context, db *dataflow.Database, o Options) (Store, *Migration, []dataflow.Diagnostic)
}

// Holders counts the Stores that share connections. The zero value has one.
type Holders struct {
	mu     sync.Mutex
	others int
	gone   bool
}

// Join adds a holder. It is false if the last one has left.
func (h *Holders) Join() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.gone {
		h.others++
	}
	return !h.gone
}

// Leave takes one away and reports whether it was the last.
func (h *Holders) Leave() (last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.others == 0 {
		h.gone = true
	}
	h.others--
	return h.gone
}
