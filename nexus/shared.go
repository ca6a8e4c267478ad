package nexus

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/cache"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/limit"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/flowctl/flowctl/nexus/observe"
)

// Shared is what outlives a generation of an app: what callers have been counted
// for, whom streams are open to. The first generation makes it; the Server that
// serves it hands it to those after it, by Options.Shared.
type Shared struct {
	closing context.Context // done when nothing is served any more
	begin   context.CancelFunc
	status  atomic.Pointer[Status] // nil: it is not shown

	observer *observe.Observer
	limits   limit.Policies

	mu     sync.Mutex
	sets   *auth.KeySets
	stores map[string]store.Store   // of the generation that is served, by the database's name
	writes map[string]*cache.Writes // to databases that are behind a cache, by their URL

	agents *mcp.Hub // the clients of MCP
	vigil  *vigil
}

func newShared() *Shared {
	s := &Shared{vigil: newVigil()}
	s.closing, s.begin = context.WithCancel(context.Background())
	s.agents = mcp.NewHub(mcp.HubOptions{})
	context.AfterFunc(s.closing, s.agents.Close)
	return s
}

// shared is what the generation to be built shares with those before it.
func (o Options) shared() *Shared {
	if o.Shared == nil {
		s := newShared()
		s.limits.Now, s.limits.Logger = o.Now, o.logger()
		s.observer = observe.New(observe.Options{Version: o.Version, Logger: o.logger(), Env: o.Env})
		return s
	}
	return o.Shared
}

// keySets returns the public keys of issuers, so that a reload needs none of
// them to answer.
func (s *Shared) keySets(o Options) *auth.KeySets {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sets == nil {
		s.sets = auth.NewKeySets(s.closing, o.Client, o.logger())
	}
	return s.sets
}

// serve notes which generation is served now.
func (s *Shared) serve(g *Generation) {
	s.vigil.serve(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores = map[string]store.Store{}
	for i, db := range g.engine.App().Databases {
		s.stores[db.Name] = g.stores[i]
	}
}

// share returns a store for db on the connections of the generation that is
// served; nil if it has to be opened.
func (s *Shared) share(ctx context.Context, db *dataflow.Database, o store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	if s == nil {
		return nil, nil, nil
	}
	s.mu.Lock()
	sharer, ok := s.stores[db.Name].(store.Sharer)
	s.mu.Unlock()
	if !ok {
		return nil, nil, nil
	}
	return sharer.Share(ctx, db, o)
}

// writesTo is what is known of writes to a database: generations follow each
// other, and the one before may still write.
func (s *Shared) writesTo(db *dataflow.Database) *cache.Writes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes == nil {
		s.writes = map[string]*cache.Writes{}
	}
	w := s.writes[db.URL]
	if w == nil {
		w = &cache.Writes{}
		s.writes[db.URL] = w
	}
	return w
}

// statusText returns what /_flow/status shows; ok is false if that is nothing.
func (s *Shared) statusText() (text []byte, ok bool) {
	st := s.status.Load()
	if st == nil {
		return nil, false
	}
	text, err := json.Marshal(st)
	return text, err == nil
}
