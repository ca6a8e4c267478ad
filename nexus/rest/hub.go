package rest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// How a hub looks after its feed.
const (
	keepEvents = time.Hour // how long changes are kept
	trimEvery  = time.Minute
	// lookEvery is how often a hub that somebody listens to looks for changes
	// that another process has made. PostgreSQL's NOTIFY would tell at once, and
	// take a lock that all who commit wait for.
	lookEvery = 200 * time.Millisecond
	// lookSoon is how often it looks once this process has recorded a change, for
	// as long as that may take to be committed.
	lookSoon = 5 * time.Millisecond
	soonFor  = time.Second
	// lookAgain is how long it waits once it has found something: what comes
	// meanwhile is settled, and sent, together.
	lookAgain = 50 * time.Millisecond
	pageOf    = 500  // events that are read at once
	ringOf    = 4096 // events that are kept for all who listen
	maxBehind = 4    // of those who listen, how many read from the database at a time
)

// hub reads the feed of a database once for all who listen. It keeps the latest
// events; who wants earlier ones reads them from the database.
type hub struct {
	feed   *access.Feed
	store  store.Store
	logger *slog.Logger
	behind chan struct{} // holds a place for each who reads by itself

	mu     sync.Mutex
	ring   []*event
	floor  access.Place  // what is after it is in the ring
	at     access.Place  // all up to it has been read
	opened bool          // floor and at mean something
	moved  chan struct{} // closed when at moves on
	ears   int           // who listens
	heard  chan struct{} // has something once somebody begins to
}

// event is a change, with what views make of it.
type event struct {
	access.Event
	mu    sync.Mutex
	rows  *access.Change // once decoded
	views map[*view]frame
}

// frame is an event as a view shows it.
type frame struct {
	text []byte // nil: not at all
	err  error
}

func newHub(f *access.Feed, s store.Store, logger *slog.Logger) *hub {
	return &hub{feed: f, store: s, logger: logger, moved: make(chan struct{}), heard: make(chan struct{}, 1), behind: make(chan struct{}, maxBehind)}
}

// serve looks after the feed until ctx is done.
func (h *hub) serve(ctx context.Context) {
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last, soon time.Time // when it has looked, and until when it does often
	gap := time.Duration(0)  // that it keeps between looks
	for {
		next := lookEvery
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			h.fault(ctx, h.feed.Trim(ctx, h.store, keepEvents))
			continue
		case <-h.feed.Told():
			soon = time.Now().Add(soonFor)
			if h.listened() {
				timer.Reset(max(lookSoon, gap-time.Since(last)))
			}
			continue
		case <-h.heard:
		case <-timer.C:
		}
		if !h.listened() {
			continue // until somebody listens
		}
		found, err := h.look(ctx)
		h.fault(ctx, err)
		last, gap = time.Now(), 0
		if found {
			gap = lookAgain
		}
		if err == nil && last.Before(soon) {
			next = max(lookSoon, gap)
		}
		timer.Reset(next)
	}
}

func (h *hub) fault(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		h.logger.Warn("following changes failed", "cause", err)
	}
}

// look reads what is new, and reports whether anything is.
func (h *hub) look(ctx context.Context) (found bool, err error) {
	extent, err := h.feed.Settle(ctx, h.store)
	if err != nil {
		return false, err
	}
	h.mu.Lock()
	if !h.opened { // what was before the first who listens is read by who asks for it
		h.opened = true
		h.floor, h.at = access.AfterBatch(extent.Last), access.AfterBatch(extent.Last)
		close(h.moved)
		h.moved = make(chan struct{})
	}
	at := h.at
	h.mu.Unlock()
	for at.Before(access.AfterBatch(extent.Last)) {
		var page []*event
		err := h.feed.Read(ctx, h.store, at, extent.Last, pageOf, func(e access.Event) error {
			page = append(page, &event{Event: e})
			return nil
		})
		if err != nil {
			return found, err
		}
		if len(page) < pageOf {
			at = access.AfterBatch(extent.Last)
		} else {
			at = page[len(page)-1].Place
		}
		found = true
		h.add(page, at)
	}
	return found, nil
}

// add puts events into the ring, and drops the oldest beyond its size.
func (h *hub) add(page []*event, at access.Place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring = append(h.ring, page...)
	if over := len(h.ring) - ringOf; over > 0 {
		h.floor = h.ring[over-1].Place
		h.ring = append(make([]*event, 0, ringOf+pageOf), h.ring[over:]...) // those listening may still read the old one
	}
	h.at = at
	close(h.moved)
	h.moved = make(chan struct{})
}

func (h *hub) listened() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ears > 0
}

// listen counts somebody in who listens from now on.
func (h *hub) listen() (stop func()) {
	h.mu.Lock()
	h.ears++
	if h.ears == 1 {
		h.opened, h.ring = false, nil // nobody has looked for a while
	}
	h.mu.Unlock()
	select {
	case h.heard <- struct{}{}:
	default:
	}
	return func() {
		h.mu.Lock()
		h.ears--
		h.mu.Unlock()
	}
}

// now returns the place up to which all has been read; opened is false if
// nobody has looked yet, and moved then closed when somebody has.
func (h *hub) now() (at access.Place, opened bool, moved <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at, h.opened, h.moved
}

// after returns the events after a place that have been read, and the place they
// lead up to. inRing is false if some of them are not kept any more; moved is
// closed when there is more.
func (h *hub) after(p access.Place) (events []*event, upTo access.Place, inRing bool, moved <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.opened:
		return nil, p, true, h.moved
	case p.Before(h.floor):
		return nil, h.at, false, h.moved
	}
	low, high := 0, len(h.ring)
	for low < high { // the first that comes after p
		if mid := (low + high) / 2; p.Before(h.ring[mid].Place) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return h.ring[low:], h.at, true, h.moved
}

// earlier reads a page of events that are not kept by the hub, and the place
// they lead up to. gone: they are not kept at all any more.
func (h *hub) earlier(ctx context.Context, p, upTo access.Place) (events []*event, at access.Place, gone bool, err error) {
	select {
	case h.behind <- struct{}{}:
		defer func() { <-h.behind }()
	case <-ctx.Done():
		return nil, p, false, ctx.Err()
	}
	err = h.store.Snapshot(ctx, func(r store.Reader) error {
		extent, err := h.feed.Extent(ctx, r)
		if err != nil {
			return err
		}
		if gone = !extent.Holds(p); gone {
			return nil
		}
		events = nil
		return h.feed.Read(ctx, r, p, upTo.Batch, pageOf, func(e access.Event) error {
			events = append(events, &event{Event: e})
			return nil
		})
	})
	at = upTo
	if len(events) == pageOf {
		at = events[pageOf-1].Place
	}
	return events, at, gone, err
}
