package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Several processes that serve an app on one database have their allowances in
// common: these are kept in a table, and each process draws on them. It holds what
// it has drawn in its memory and hands it out from there, so that a request pays
// for a draw only now and then, and draws ahead of need, beside requests. What it
// holds is off the common allowance already: all processes together let pass no
// more than the limit, and what they hold.
//
// A limit of a small burst leaves no room for that: every request of it draws one,
// and waits for it. Refusals are told from memory until the time has come at which
// there can be another.

// part is which part of the burst a process holds at most: a 50th. Of a burst
// below 100 it holds nothing.
const part = 50

// How long what a process draws at once is to last: it draws more where it lasts
// less, and less where it lasts longer.
const (
	tooShort = 10 * time.Second
	tooLong  = time.Minute
)

const (
	// drawTime is how long a request may be held up by a database that does not
	// answer, once, before the process goes on alone.
	drawTime = 5 * time.Second
	// knockEvery is how often a process that goes on alone tries to draw.
	knockEvery = time.Second
	// forgetEvery is how often allowances that are whole are looked for.
	forgetEvery = time.Minute
	// maxDraws bounds how many allowances are drawn on together.
	maxDraws = 64
)

// What a process has to do with others.
const (
	alone  uint32 = iota // nothing: its limits are its own
	joined               // it draws on common allowances
	away                 // it would, but can't: until it can, its limits are its own
)

// Models returns the table of common allowances, in the first database of an app
// that has limits, if that engine keeps some.
func Models(app *dataflow.App, db *dataflow.Database, by store.Opener) []*dataflow.Model {
	if _, keeps := by.(store.AllowanceOpener); !keeps || app.Server == nil || db != app.Databases[0] || len(app.Server.Bounds()) == 0 {
		return nil
	}
	return db.System("limits", func() []*dataflow.Model {
		m := access.SystemModel(db, "_flow_limits", dataflow.String, store.AllowanceFields()...)
		for _, f := range m.Fields {
			f.Index = false // rows change all the time, and are found by their id
		}
		m.Indexes = nil
		return []*dataflow.Model{m}
	})
}

// common is what a process knows of the common allowances.
type common struct {
	state  atomic.Uint32
	logger *slog.Logger

	mu        sync.Mutex
	from      *Source
	queue     []*draw
	drawing   bool
	knocked   time.Time // while away
	forgotten time.Time
}

// Source is where common allowances are kept.
type Source struct {
	Store store.Allowances
	Model *dataflow.Model // of Models
	App   string          // allowances are those of the app of this name
}

// Share has the limits draw on common allowances from now on.
func (ps *Policies) Share(from Source) {
	c := &ps.common
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logger, c.from = ps.Logger, &from
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	c.state.CompareAndSwap(alone, joined) // one that is away knocks at the new one
}

// Part ends the use of a store that is about to be closed, if it is drawn on.
func (ps *Policies) Part(from store.Allowances) {
	c := &ps.common
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from != nil && c.from.Store == from {
		c.from = nil
		c.state.Store(alone)
	}
}

// lease is what a process has drawn for a caller.
type lease struct {
	held    int       // drawn, and not handed out yet
	portion int       // to be drawn at once; 0: nothing has been
	drawn   time.Time // when that was done last
	draw    *draw     // under way; nil: none
	waiting int       // requests that wait for it, each for one
	id      string
}

// draw is a draw that is asked for or under way.
type draw struct {
	store.Draw
	policy *Policy
	bucket *bucket
	done   chan struct{}
}

// await waits for a draw on a common allowance: for the one that is under way, or
// for one that is to give n.
func (p *Policy) await(ctx context.Context, b *bucket, who partition, n int, now time.Time) error {
	if b.draw == nil {
		p.ask(b, who, n, now)
	}
	done := b.draw.done
	if n == 1 {
		b.waiting++
		defer func() { b.waiting-- }()
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ahead draws before what is held runs out.
func (p *Policy) ahead(b *bucket, who partition, now time.Time) {
	if p.portion > 1 && b.draw == nil && b.held <= b.portion/2 && b.tokens >= 1 {
		p.ask(b, who, 0, now)
	}
}

// knock finds out, now and then, whether a process that is away can come back.
func (p *Policy) knock(b *bucket, who partition, now time.Time) {
	if b.draw == nil && p.common.knocks(now) {
		p.ask(b, who, 0, now)
	}
}

func (c *common) knocks(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := now.Sub(c.knocked); d >= 0 && d < knockEvery {
		return false
	}
	c.knocked = now
	return true
}

// ask begins a draw: of a portion, or of n, or of as many as are waited for.
func (p *Policy) ask(b *bucket, who partition, n int, now time.Time) {
	switch since := now.Sub(b.drawn); {
	case b.portion == 0:
		b.portion = max(1, min(p.portion, int(p.rate/1000)))
	case since < tooShort:
		b.portion = min(2*b.portion, p.portion)
	case since > tooLong:
		b.portion = max(b.portion/2, 1)
	}
	b.drawn = now
	if b.id == "" {
		b.id = p.id(who)
	}
	d := store.Draw{ID: b.id, Want: max(b.portion-b.held, b.waiting+min(n, 1), 1), Least: 1, Each: 1 / p.rate, Burst: p.rule.burst}
	if n > 1 { // all of them, or none
		d.Least = n - b.held
		d.Want = max(d.Want, d.Least)
	}
	d.Want = min(d.Want, d.Burst)
	b.draw = &draw{Draw: d, policy: p, bucket: b, done: make(chan struct{})}
	p.common.add(b.draw)
}

// id is what a caller's allowance is kept under. It can't be read back.
func (p *Policy) id(who partition) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d %d %t %q %q", p.name, p.rule.count, p.rule.per, p.rule.burst, p.rule.together, who.network, who.key))
	return hex.EncodeToString(sum[:16])
}

// settle takes note of what came of a draw. A failed one leaves what is known as
// it is.
func (d *draw) settle(got store.Drawn, err error) {
	p, b := d.policy, d.bucket
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		b.held += got.Given
		b.tokens, b.at = float64(p.rule.burst)-got.Owed.Seconds()*p.rate, p.now()
	}
	b.draw = nil
	close(d.done)
}

// add has a draw made, with others that come while the one before is under way.
func (c *common) add(d *draw) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, d)
	if !c.drawing {
		c.drawing = true
		go c.work(d.policy.now)
	}
}

// work makes draws until there are none to be made.
func (c *common) work(now func() time.Time) {
	for {
		batch, from := c.next()
		if batch == nil {
			return
		}
		got, err := from.draw(batch)
		c.turn(from, err)
		for i, d := range batch {
			if err != nil {
				d.settle(store.Drawn{}, err)
				continue
			}
			d.settle(got[i], nil)
		}
		if err == nil && c.untidy(now()) {
			from.forget(c.logger)
		}
	}
}

// next returns draws on allowances that all differ, and where they are kept.
func (c *common) next() ([]*draw, *Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.drawing = false
		return nil, nil
	}
	ids := make(map[string]bool, len(c.queue))
	var batch, rest []*draw
	for _, d := range c.queue {
		if ids[d.ID] || len(batch) == maxDraws {
			rest = append(rest, d)
			continue
		}
		ids[d.ID] = true
		batch = append(batch, d)
	}
	c.queue = rest
	return batch, c.from
}

// draw makes draws. There is no source while a store is being closed.
func (s *Source) draw(batch []*draw) ([]store.Drawn, error) {
	if s == nil {
		return nil, store.Closed()
	}
	draws := make([]store.Draw, len(batch))
	for i, d := range batch {
		draws[i] = d.Draw
		draws[i].ID = s.App + ":" + d.ID
	}
	ctx, cancel := context.WithTimeout(context.Background(), drawTime)
	defer cancel()
	return s.Store.Draw(ctx, s.Model, draws)
}

// turn notes whether common allowances can be drawn on, and says so if that is
// news.
func (c *common) turn(from *Source, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from == nil || from != c.from { // of a store that was left behind
		return
	}
	if err == nil {
		if c.state.CompareAndSwap(away, joined) {
			c.logger.Info("rate limits are shared with other processes again")
		}
		return
	}
	if c.state.CompareAndSwap(joined, away) {
		e := dataflow.AsError(err)
		attrs := []any{"code", e.Code, "reason", e.Message}
		if e.Err != nil {
			attrs = append(attrs, "cause", e.Err.Error())
		}
		c.logger.Warn("rate limits are not shared with other processes for now: each applies them by itself", attrs...)
	}
}

func (c *common) untidy(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten.IsZero() {
		c.forgotten = now
	}
	if now.Sub(c.forgotten) < forgetEvery {
		return false
	}
	c.forgotten = now
	return true
}

// forget removes what need not be kept. If it can't be done now, it is in a while.
func (s *Source) forget(logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), drawTime)
	defer cancel()
	if err := s.Store.Forget(ctx, s.Model); err != nil {
		logger.Debug("removing allowances that are whole failed", "cause", err.Error())
	}
}
