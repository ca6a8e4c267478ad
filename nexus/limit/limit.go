// Package limit bounds how many requests each client address may make. It
// knows addresses and time; what a refused request is told is up to its
// caller.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds memory: beyond it new addresses share one allowance, so
// that many addresses can't be used to escape the limit or fill memory.
const maxClients = 1 << 16

// Limiter gives each client address an allowance of requests per minute, all
// of which may be used at once. It is safe for concurrent use.
type Limiter struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	clients map[netip.Prefix]*client
	crowd   *rate.Limiter // of the addresses for which there is no room
	swept   time.Time
}

type client struct {
	tokens *rate.Limiter
	seen   time.Time
}

// New returns a limiter of perMinute requests per minute and address.
func New(perMinute float64) *Limiter {
	l := &Limiter{
		perSecond: rate.Limit(perMinute / 60),
		burst:     max(int(perMinute), 1),
		clients:   make(map[netip.Prefix]*client),
	}
	l.crowd = rate.NewLimiter(l.perSecond, l.burst)
	return l
}

// Allow takes one request off the allowance of an address. If there is none
// left, wait is after how long there will be.
func (l *Limiter) Allow(addr netip.Addr, now time.Time) (ok bool, wait time.Duration) {
	tokens := l.tokens(network(addr), now)
	if tokens.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - tokens.TokensAt(now)
	return false, time.Duration(missing / float64(l.perSecond) * float64(time.Second))
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

func (l *Limiter) tokens(key netip.Prefix, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.clients[key]; ok {
		c.seen = now
		return c.tokens
	}
	if now.Sub(l.swept) > time.Minute {
		l.sweep(now)
	}
	if len(l.clients) >= maxClients {
		return l.crowd
	}
	c := &client{tokens: rate.NewLimiter(l.perSecond, l.burst), seen: now}
	l.clients[key] = c
	return c.tokens
}

// sweep forgets clients whose allowance is whole again: a minute refills it,
// or however long one request takes to come back where less than one a minute
// is allowed.
func (l *Limiter) sweep(now time.Time) {
	whole := time.Duration(float64(l.burst) / float64(l.perSecond) * float64(time.Second))
	for key, c := range l.clients {
		if now.Sub(c.seen) > whole {
			delete(l.clients, key)
		}
	}
	l.swept = now
}
