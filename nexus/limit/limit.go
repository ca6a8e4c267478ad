// Package limit bounds how often callers may ask. It is the one place that
// decides that, for every channel: it knows policies, callers and time, and what
// whoever is over a limit is told.
package limit

import (
	"context"
	"log/slog"
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
}

type modelPolicies struct {
	every *Policy // of all operations together; nil: none
	ops   map[dataflow.OpKind]*Policy
}

// Policies keeps the counts of policies, so that a reload of the app gives nobody
// a new allowance.
type Policies struct {
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: nobody is told what becomes of Share

	mu     sync.Mutex
	known  map[string]*Policy
	common common
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
	l := &Limiter{workflows: map[string]*Policy{}, models: map[*dataflow.Model]*modelPolicies{}}
	for _, d := range limits {
		p := ps.known[d.Policy] // of another model of that name
		if p == nil {
			p = newPolicy(d, ps.now(), &ps.common)
			if old := known[d.Policy]; old != nil && old.rule == p.rule {
				p = old
			}
			ps.known[d.Policy] = p
		}
		l.place(d, p)
	}
	return l
}

func (ps *Policies) now() func() time.Time {
	if ps.Now == nil {
		return time.Now
	}
	return ps.Now
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
	return t.add(l.address.take(ctx, partition{network: network(addr)}, 1))
}

// Key counts a request of a key or a user, if it is known whose it is.
func (l *Limiter) Key(ctx context.Context, c *access.Caller, t *Tally) error {
	if l == nil || l.key == nil || c.Key == "" {
		return nil
	}
	return t.add(l.key.take(ctx, partition{key: c.Key}, 1))
}

// Workflow counts the start of a workflow.
func (l *Limiter) Workflow(ctx context.Context, c *access.Caller, name string, t *Tally) error {
	if l == nil {
		return nil
	}
	if p := l.workflows[name]; p != nil {
		return t.add(p.take(ctx, p.of(c), 1))
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
		if err := t.add(p.take(ctx, p.of(c), 1)); err != nil {
			return err
		}
	}
	return nil
}

// Asked is an operation of a model that is asked for together with others.
type Asked struct {
	Model *dataflow.Model
	Op    dataflow.OpKind
}

// Operations counts operations that are done together or not at all: a limit
// lets all of them pass that it counts, or takes none of them into account. More
// than it ever lets pass at once is an error that waiting does not help.
func (l *Limiter) Operations(ctx context.Context, c *access.Caller, ops []Asked, t *Tally) error {
	if l == nil || len(l.models) == 0 {
		return nil
	}
	var asked []*Policy // in the order in which they are come to
	count := map[*Policy]int{}
	for _, a := range ops {
		ps := l.models[a.Model]
		if ps == nil {
			continue
		}
		for _, p := range [...]*Policy{ps.every, ps.ops[a.Op]} {
			if p == nil {
				continue
			}
			if count[p] == 0 {
				asked = append(asked, p)
			}
			count[p]++
		}
	}
	for _, p := range asked {
		if n := count[p]; n > p.rule.burst {
			return p.never(n)
		}
	}
	for _, p := range asked {
		if err := t.add(p.take(ctx, p.of(c), count[p])); err != nil {
			return err
		}
	}
	return nil
}

// never is what a caller is told who asks for more at once than a limit ever
// lets pass.
func (p *Policy) never(n int) error {
	most := strconv.Itoa(p.rule.burst)
	return &dataflow.Error{Code: "too_many_at_once", Status: dataflow.StatusRejected,
		Message: strconv.Itoa(n) + " operations at once " + p.what + ": never more than " + most + " are allowed together",
		Hint:    "send them in parts of at most " + most}
}

// Standing is where a caller stands with a policy after a request.
type Standing struct {
	Policy  *Policy
	Refused bool
	Left    int           // requests that may be made at once
	Next    time.Duration // until there is one more, or as many as were refused

	gone error // why it did not come to a decision
}

// seconds is Next in whole seconds, rounded up: who waits as long is let in.
func (s *Standing) seconds() int { return int((s.Next + time.Second - 1) / time.Second) }

// err is what a caller that is over the limit is told.
func (s *Standing) err() error {
	if s.gone != nil {
		return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled, Message: "the client went away", Err: s.gone}
	}
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
