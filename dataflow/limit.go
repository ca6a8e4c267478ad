package dataflow

import (
	"math"
	"time"
)

// Limit bounds how often callers may ask: an entry of rate_limit_config, or
// rate_limit.
type Limit struct {
	// Policy is what it is called in headers, metrics and messages: "address",
	// "key", "workflow:place_order", "model:Order", "model:Order.create".
	Policy   string
	Scope    LimitScope
	Workflow string // of LimitWorkflow
	Model    *Model // of LimitModel
	Op       OpKind // of LimitModel, unless it is of EveryOp
	EveryOp  bool   // all operations of Model share it
	// Count requests are allowed in each stretch of Per, Burst of them at once.
	Count int
	Per   time.Duration
	Burst int
	// Together: all callers share it. Else each has its own, by its key, or by
	// its address where nobody is signed in.
	Together bool
}

// LimitScope is what a limit counts.
type LimitScope uint8

// The scopes of limits.
const (
	LimitAddress  LimitScope = iota // requests of an address, before it is known who asks
	LimitKey                        // requests of an API key or a user
	LimitWorkflow                   // starts of a workflow
	LimitModel                      // operations of a model
)

// Bounds lists what bounds callers of the server: rate_limit as one of an address,
// and what rate_limit_config has.
func (s *Server) Bounds() []Limit {
	if s.RateLimit <= 0 {
		return s.Limits
	}
	l := Limit{Policy: "address", Scope: LimitAddress, Count: int(s.RateLimit), Per: time.Minute}
	if s.RateLimit < 1 { // less than one a minute
		l.Count, l.Per = 1, time.Duration(math.Ceil(60/s.RateLimit))*time.Second
	}
	l.Burst = l.Count
	return append([]Limit{l}, s.Limits...)
}
