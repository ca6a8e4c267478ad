package observe

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/prometheus/client_golang/prometheus"
)

// handles keeps what has been looked up by its labels before. A look-up is a
// map's, without a lock; the map is copied when something is new to it.
type handles[K comparable, V any] struct {
	make  func(K) V
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex
}

func (h *handles[K, V]) of(k K) V {
	if known := h.known.Load(); known != nil {
		if v, ok := (*known)[k]; ok {
			return v
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	next := map[K]V{}
	if known := h.known.Load(); known != nil {
		if v, ok := (*known)[k]; ok { // somebody was quicker
			return v
		}
		next = maps.Clone(*known)
	}
	v := h.make(k)
	next[k] = v
	h.known.Store(&next)
	return v
}

// timed counts how often something ended well or badly, and how long it took.
type timed struct {
	outcomes [len(outcomes)]prometheus.Counter
	duration prometheus.Observer
}

// outcomes are how something ends: well; refused, for what its caller asked;
// failed, for a fault of this side; cancelled, as nobody waits for it any more.
var outcomes = [...]string{"ok", "refused", "failed", "cancelled"}

const (
	ok = iota
	refused
	failed
	cancelled
)

func (m *Metrics) timed(counter, histogram string, labels, durationLabels []string) *timed {
	t := &timed{duration: m.vecs[histogram].histogram.WithLabelValues(durationLabels...)}
	for i, word := range outcomes {
		t.outcomes[i] = m.vecs[counter].counter.WithLabelValues(append(labels[:len(labels):len(labels)], word)...)
	}
	return t
}

func (t *timed) end(outcome int, took time.Duration) {
	t.outcomes[outcome].Inc()
	t.duration.Observe(took.Seconds())
}

// outcome says how an error ends what it ends.
func outcome(err error) int {
	if err == nil {
		return ok
	}
	switch dataflow.AsError(err).Status {
	case dataflow.StatusInternal, dataflow.StatusTimeout, dataflow.StatusStorage, dataflow.StatusUpstream, dataflow.StatusBusy:
		return failed
	case dataflow.StatusCancelled:
		return cancelled
	}
	return refused
}

// again reports whether what ended says nothing, because it is run once more.
func again(err error) bool { return errors.Is(err, engine.ErrAgain) }

// clientGone is the status that is noted where nobody is left to be answered.
const clientGone = 499

func outcomeOf(status int) int {
	switch {
	case status < 400:
		return ok
	case status == clientGone:
		return cancelled
	case status < 500:
		return refused
	}
	return failed
}
