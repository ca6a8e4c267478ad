package limit

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// maxCallers bounds the memory of a policy: beyond it new callers share one
// allowance, so that many addresses can't be used to escape the limit or fill
// memory.
const maxCallers = 1 << 16

// rule is what a policy allows.
type rule struct {
	count, burst int
	per          time.Duration
	together     bool
}

// Policy is a limit with what has been counted for it. Each caller has an
// allowance that fills as time passes.
type Policy struct {
	name    string
	quoted  string // as an item of a structured field
	header  string // its item of RateLimit-Policy
	what    string // in a message: "from this address"
	rule    rule
	rate    float64 // per second
	portion int     // of a common allowance, to be held at most
	now     func() time.Time
	common  *common

	mu      sync.Mutex
	callers map[partition]*bucket
	crowd   *bucket // of the callers for which there is no room
	swept   time.Time
}

// partition is whose requests are counted together.
type partition struct {
	network netip.Prefix
	key     string
}

// bucket is the allowance of a caller as it was at a time. Where processes draw
// on common allowances, it is what this one knows of it: others may have drawn
// since, so that there may be less, but never more.
type bucket struct {
	tokens float64
	at     time.Time
	lease  // where that is so
}

func newPolicy(d dataflow.Limit, now func() time.Time, c *common) *Policy {
	p := &Policy{
		name: d.Policy, quoted: strconv.Quote(d.Policy),
		rule:    rule{d.Count, d.Burst, d.Per, d.Together},
		rate:    float64(d.Count) / d.Per.Seconds(),
		portion: max(1, d.Burst/part),
		now:     now,
		common:  c,
		callers: make(map[partition]*bucket),
		crowd:   &bucket{tokens: float64(d.Burst)},
	}
	p.crowd.id = p.id(partition{key: "all others"})
	p.header = p.quoted + ";q=" + strconv.Itoa(d.Count) + ";w=" + strconv.Itoa(int(d.Per/time.Second))
	switch d.Scope {
	case dataflow.LimitAddress:
		p.what = "from this address"
	case dataflow.LimitKey:
		p.what = "of this caller"
	case dataflow.LimitWorkflow:
		p.what = "for the workflow " + d.Workflow
	case dataflow.LimitModel:
		p.what = "for " + d.Model.Name
		if !d.EveryOp {
			p.what = "to " + d.Op.String() + " " + d.Model.Name
		}
	}
	return p
}

// allowance says what is allowed: "10 in 1 minute".
func (p *Policy) allowance() string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if p.rule.per%u.d == 0 {
			if n := p.rule.per / u.d; n > 1 {
				return fmt.Sprintf("%d in %d %ss", p.rule.count, n, u.name)
			}
			return fmt.Sprintf("%d in a %s", p.rule.count, u.name)
		}
	}
	return fmt.Sprintf("%d in %s", p.rule.count, p.rule.per)
}

// of is who a caller is to a policy: everybody, a key, or else an address.
func (p *Policy) of(c *access.Caller) partition {
	switch {
	case p.rule.together:
		return partition{}
	case c.Key != "":
		return partition{key: c.Key}
	}
	return partition{network: network(c.Address)}
}

// network is what counts as one client: an IPv4 address, or the /64 that one
// IPv6 host can take any address of.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil { // no address at all: all such share one allowance
		return netip.Prefix{}
	}
	return p
}

// rounding is by how much sums of tokens may be off.
const rounding = 1e-6

// take takes n requests off a caller's allowance, if there are as many. It waits
// only for a common allowance.
func (p *Policy) take(ctx context.Context, who partition, n int) Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	b := p.bucket(who, now)
	for {
		b.fill(p.rate, p.rule.burst, now)
		state := p.common.state.Load()
		switch {
		case state == alone:
			return p.standing(b, n, b.spend(n))
		case state == away:
			p.knock(b, who, now)
			return p.standing(b, n, b.spend(n))
		case b.held >= n:
			b.held -= n
			p.ahead(b, who, now)
			return p.standing(b, n, true)
		case b.there() < float64(n)-rounding: // nor is there anywhere else
			return p.standing(b, n, false)
		}
		if err := p.await(ctx, b, who, n, now); err != nil {
			return Standing{Policy: p, gone: err}
		}
		now = p.now()
	}
}

func (p *Policy) standing(b *bucket, n int, passed bool) Standing {
	there := b.there()
	s := Standing{Policy: p, Refused: !passed, Left: min(int(there+rounding), p.rule.burst)}
	next := float64(s.Left + 1)
	if !passed {
		next = float64(n)
	}
	s.Next = time.Duration(max(next-there, 0) / p.rate * float64(time.Second))
	return s
}

// there is how many requests are left, as far as is known here.
func (b *bucket) there() float64 { return b.tokens + float64(b.held) }

// spend takes n requests off what is known here, those first that are held.
func (b *bucket) spend(n int) bool {
	if b.there() < float64(n)-rounding {
		return false
	}
	held := min(b.held, n)
	b.held -= held
	b.tokens -= float64(n - held)
	return true
}

// fill adds what time has brought. Time that goes backwards brings nothing.
func (b *bucket) fill(rate float64, burst int, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.tokens+d.Seconds()*rate, float64(burst))
		b.at = now
	}
}

func (p *Policy) bucket(who partition, now time.Time) *bucket {
	if b, ok := p.callers[who]; ok {
		return b
	}
	if now.Sub(p.swept) > time.Minute {
		p.sweep(now)
	}
	if len(p.callers) >= maxCallers {
		return p.crowd
	}
	b := &bucket{tokens: float64(p.rule.burst), at: now}
	p.callers[who] = b
	return b
}

// sweep forgets callers whose allowance is whole again.
func (p *Policy) sweep(now time.Time) {
	whole := time.Duration(float64(p.rule.burst) / p.rate * float64(time.Second))
	for who, b := range p.callers {
		if now.Sub(b.at) > whole && b.draw == nil {
			delete(p.callers, who)
		}
	}
	p.swept = now
}
