package nexus

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/auth"
)

// vigil ends streams whose callers may not make the request any more: because
// their key was revoked, because their token is over, or because the app that is
// served now does not take either. A request is asked about when it comes; a
// stream may stay for half an hour.
type vigil struct {
	every time.Duration

	mu       sync.Mutex
	identify func(*http.Request) error // by the app that is served; nil: nobody is asked
	streams  map[*watched]struct{}
	stop     context.CancelFunc // looking; nil while there is nothing to look after
}

// watched is an open stream.
type watched struct {
	r   *http.Request
	end context.CancelCauseFunc
}

func newVigil() *vigil {
	return &vigil{every: auth.KeyFresh, streams: make(map[*watched]struct{})}
}

// serve has callers asked by a generation from now on.
func (v *vigil) serve(g *Generation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.identify = nil
	if guard := g.guard; guard != nil {
		v.identify = func(r *http.Request) error {
			_, err := guard.Identify(r)
			return err
		}
	}
}

// watch looks after a stream until it is told to stop. end ends it, with why.
func (v *vigil) watch(r *http.Request, end context.CancelCauseFunc) (stop func()) {
	w := &watched{r, end}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.streams[w] = struct{}{}
	if v.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		v.stop = cancel
		go v.run(ctx)
	}
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.streams, w)
		if len(v.streams) == 0 && v.stop != nil {
			v.stop()
			v.stop = nil
		}
	}
}

func (v *vigil) run(ctx context.Context) {
	look := time.NewTicker(v.every)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			v.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look asks once for all streams of a caller.
func (v *vigil) look(ctx context.Context) {
	v.mu.Lock()
	identify, open := v.identify, make([]*watched, 0, len(v.streams))
	for w := range v.streams {
		open = append(open, w)
	}
	v.mu.Unlock()
	if identify == nil {
		return
	}
	said := make(map[string]error)
	for _, w := range open {
		who := says(w.r)
		err, known := said[who]
		if !known {
			err = identify(w.r.WithContext(ctx))
			said[who] = err
		}
		if refused(err) {
			w.end(err)
		}
	}
}

// says is all of a request that who makes it may depend on.
func says(r *http.Request) string {
	h := r.Header
	return strings.Join([]string{strings.Join(h["Authorization"], "\n"), strings.Join(h["X-Api-Key"], "\n"), strings.Join(h["X-Tenant-Id"], "\n"), r.URL.Path}, "\r")
}

// refused reports whether an error says that a caller may not call. That it
// can't be found out ends nothing.
func refused(err error) bool {
	if err == nil {
		return false
	}
	s := dataflow.AsError(err).Status
	return s == dataflow.StatusUnauthorized || s == dataflow.StatusForbidden
}
