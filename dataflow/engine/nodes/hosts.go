package nodes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// A service that does not answer is called less, not more: without bounds
// every run that needs it would wait for it, and call it again.
const (
	maxCalls    = 64  // of one host at a time
	maxCallers  = 512 // that are calling one host, or wait to
	maxSilences = 10  // calls in a row without an answer, before a host is left alone
	firstRest   = time.Second
	longestRest = 30 * time.Second
)

// hosts are the services that are being called, or rest. It is safe for
// concurrent use.
type hosts struct {
	mu sync.Mutex
	by map[string]*host
}

// host is a service.
type host struct {
	slots    chan struct{}
	callers  int
	silences int       // calls in a row that had no answer
	rests    int       // in a row
	until    time.Time // that it rests
	trying   bool      // one call is under way to see whether it answers again
}

func newHosts() *hosts { return &hosts{by: map[string]*host{}} }

// enter waits until the host may be called. leave must be told how the call
// went.
func (hs *hosts) enter(ctx context.Context, name string, now func() time.Time) (leave func(outcome), err error) {
	h, err := hs.join(name)
	if err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		hs.quit(name, h)
		return nil, ctx.Err()
	}
	trial, err := hs.open(name, h, now()) // now: it may have fallen silent while this call waited
	if err != nil {
		<-h.slots
		hs.quit(name, h)
		return nil, err
	}
	return func(o outcome) {
		<-h.slots
		hs.note(h, o, trial, now())
		hs.quit(name, h)
	}, nil
}

// outcome is how a call went, as far as the host is concerned.
type outcome uint8

const (
	answered outcome = iota
	silent           // there was no connection, or no answer in time
	left             // the caller did not wait for it
)

func (hs *hosts) join(name string) (*host, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.by[name]
	if h == nil {
		h = &host{slots: make(chan struct{}, maxCalls)}
		hs.by[name] = h
	}
	if h.callers >= maxCallers {
		return nil, &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: fmt.Sprintf("too many calls to %s are waiting", name), Hint: "try again in a moment"}
	}
	h.callers++
	return h, nil
}

// quit forgets a host that nobody calls, unless it rests.
func (hs *hosts) quit(name string, h *host) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.callers--; h.callers == 0 && h.silences == 0 {
		delete(hs.by, name)
	}
}

// open refuses a call to a host that rests. The first call after that tells
// whether it is back.
func (hs *hosts) open(name string, h *host, now time.Time) (trial bool, err error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	switch {
	case h.silences < maxSilences:
		return false, nil
	case h.trying || now.Before(h.until):
		return false, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream,
			Message: fmt.Sprintf("%s was not called: it has not answered the last %d times", name, maxSilences),
			Hint:    "it is tried again now and then, at least every 30 seconds"}
	}
	h.trying = true
	return true, nil
}

func (hs *hosts) note(h *host, o outcome, trial bool, now time.Time) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if trial {
		h.trying = false
	}
	switch o {
	case answered:
		h.silences, h.rests = 0, 0
	case silent:
		h.silences++
		if trial || h.silences == maxSilences {
			rest := min(firstRest<<min(h.rests, 10), longestRest)
			h.rests++
			h.until = now.Add(rest/2 + rand.N(rest/2)) // so that processes don't come back together
		}
	}
	hs.prune(now)
}

// maxResting bounds how many silent hosts are remembered: names may come from
// callers.
const maxResting = 1000

func (hs *hosts) prune(now time.Time) {
	if len(hs.by) <= maxResting {
		return
	}
	for name, h := range hs.by {
		if h.callers == 0 && (now.After(h.until) || h.silences < maxSilences) {
			delete(hs.by, name)
		}
	}
}
