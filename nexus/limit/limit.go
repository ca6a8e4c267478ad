// Package limit bounds how often callers may ask. It is the one place that
// decides that, for every channel: it knows policies, callers and time, and what
// whoever is over a limit is told.
package limit

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// Limiter applies the limits of an app. It is safe for concurrent use. A nil one
// applies none.
type Limiter struct {
	address, key *Policy // nil: none
	workflows    map[string]*Policy
	models       map[*dataflow.Model]*modelPolicies
	now          func() time.Time
}

type modelPolicies struct {
	every *Policy // of all operations together; nil: none
	ops   map[dataflow.OpKind]*Policy
}

// Policies keeps the counts of policies, so that a reload of the app gives nobody
// a new allowance.
type Policies struct {
	Now func() time.Time // nil: time.Now

	mu    sync.Mutex
	known map[string]*Policy
}

// Limiter returns the limiter of these limits: nil if there are none. What has been
// counted for a policy goes on to count as long as the policy is the same.
func (ps *Policies) Limiter(limits []dataflow.Limit) *Limiter {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	known := ps.known
	ps.known = make(map[string]*Policy, len(limits))
	if len(limits) == 0 {
		return nil
	}
	l := &Limiter{workflows: map[string]*Policy{}, models: map[*dataflow.Model]*modelPolicies{}, now: ps.Now}
	if l.now == nil {
		l.now = time.Now
	}
	for _, d := range limits {
		p := ps.known[d.Policy] // of another model of that name
		if p == nil {
			p = newPolicy(d)
			if old := known[d.Policy]; old != nil && old.rule == p.rule {
				p = old
			}
			ps.known[d.Policy] = p
		}
		l.place(d, p)
	}
	return l
}

func (l *Limiter) place(d dataflow.Limit, p *Policy) {
	switch d.Scope {
	case dataflow.LimitAddress:
		l.address = p
	case dataflow.LimitKey:
		l.key = p
	case dataflow.LimitWorkflow:
		l.workflows[d.Workflow] = p
	case dataflow.LimitModel:
		m := l.models[d.Model]
		if m == nil {
			m = &modelPolicies{ops: map[dataflow.OpKind]*Policy{}}
			l.models[d.Model] = m
		}
		if d.EveryOp {
			m.every = p
		} else {
			m.ops[d.Op] = p
		}
	}
}

// Tally is what the policies that a request came under say of it.
type Tally struct {
	list [4]Standing // address, key, and two of a model; a batch's further ones are not told of
	n    int
}

func (t *Tally) add(s Standing) error {
	for i := range t.list[:t.n] {
		if t.list[i].Policy == s.Policy { // asked again, in a batch
			t.list[i] = s
			return s.err()
		}
	}
	if t.n < len(t.list) {
		t.list[t.n] = s
		t.n++
	} else if s.Refused {
		t.list[t.n-1] = s
	}
	return s.err()
}

// Standings lists them, in the order in which they were asked.
func (t *Tally) Standings() []Standing { return t.list[:t.n] }

// Refused returns the policy that has refused the request: "" if none did.
func (t *Tally) Refused() string {
	for i := range t.list[:t.n] {
		if t.list[i].Refused {
			return t.list[i].Policy.name
		}
	}
	return ""
}

// Address counts a request of an address. It is an error if there are none left,
// as in all that follow.
func (l *Limiter) Address(ctx context.Context, addr netip.Addr, t *Tally) error {
	if l == nil || l.address == nil {
		return nil
	}
	return t.add(l.address.take(ctx, partition{network: network(addr)}, l.now()))
}

// Key counts a request of a key or a user, if it is known whose it is.
func (l *Limiter) Key(ctx context.Context, c *access.Caller, t *Tally) error {
	if l == nil || l.key == nil || c.Key == "" {
		return nil
	}
	return t.add(l.key.take(ctx, partition{key: c.Key}, l.now()))
}

// Workflow counts the start of a workflow.
func (l *Limiter) Workflow(ctx context.Context, c *access.Caller, name string, t *Tally) error {
	if l == nil {
		return nil
	}
	if p := l.workflows[name]; p != nil {
		return t.add(p.take(ctx, p.of(c), l.now()))
	}
	return nil
}

// Operation counts an operation of a model.
func (l *Limiter) Operation(ctx context.Context, c *access.Caller, m *dataflow.Model, op dataflow.OpKind, t *Tally) error {
	if l == nil {
		return nil
	}
	ps := l.models[m]
	if ps == nil {
		return nil
	}
	for _, p := range [...]*Policy{ps.every, ps.ops[op]} {
		if p == nil {
			continue
		}
		if err := t.add(p.take(ctx, p.of(c), l.now())); err != nil {
			return err
		}
	}
	return nil
}

// Standing is where a caller stands with a policy after a request.
type Standing struct {
	Policy  *Policy
	Refused bool
	Left    int           // requests that may be made at once
	Next    time.Duration // until there is one more
}

// seconds is Next in whole seconds, rounded up: who waits as long is let in.
func (s *Standing) seconds() int { return int((s.Next + time.Second - 1) / time.Second) }

// err is what a caller that is over the limit is told.
func (s *Standing) err() error {
	if !s.Refused {
		return nil
	}
	n := s.seconds()
	unit := " seconds"
	if n == 1 {
		unit = " second"
	}
	return &dataflow.Error{Code: "rate_limited", Status: dataflow.StatusBusy, RetryAfter: n,
		Message: "too many requests " + s.Policy.what + ": " + s.Policy.allowance() + " are allowed",
		Hint:    "try again in " + strconv.Itoa(n) + unit}
}

// AppendState appends the standing as an item of the field RateLimit
// (draft-ietf-httpapi-ratelimit-headers): what is left, and for how long there
// is no more than that.
func (s *Standing) AppendState(dst []byte) []byte {
	dst = append(dst, s.Policy.quoted...)
	dst = append(dst, ";r="...)
	dst = strconv.AppendInt(dst, int64(s.Left), 10)
	dst = append(dst, ";t="...)
	return strconv.AppendInt(dst, int64(s.seconds()), 10)
}

// Header returns the item of the field RateLimit-Policy that tells of a policy.
func (p *Policy) Header() string { return p.header }
