package front

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/limit"
)

// Operates notes which operation of a model a request asks for, and counts it:
// an error if its caller may not ask for another one yet.
func (x *Exchange) Operates(m *dataflow.Model, op dataflow.OpKind) error {
	x.Model, x.Operation = m.Name, op.String()
	return x.h.o.Limiter.Operation(x.Request.Context(), &x.Caller, m, op, &x.tally)
}

// CountOperations counts the operations of a request that does all of them or
// none.
func (x *Exchange) CountOperations(ops []limit.Asked) error {
	return x.h.o.Limiter.Operations(x.Request.Context(), &x.Caller, ops, &x.tally)
}

// CountWorkflow counts the start of a workflow.
func (x *Exchange) CountWorkflow(name string) error {
	return x.h.o.Limiter.Workflow(x.Request.Context(), &x.Caller, name, &x.tally)
}

// tellLimits says in the header which limits the request came under, and what is
// left of them (draft-ietf-httpapi-ratelimit-headers).
func (x *Exchange) tellLimits() {
	list := x.tally.Standings()
	if len(list) == 0 {
		return
	}
	policy := list[0].Policy.Header()
	var room [128]byte
	state := list[0].AppendState(room[:0])
	for i := 1; i < len(list); i++ {
		policy += ", " + list[i].Policy.Header()
		state = list[i].AppendState(append(state, ", "...))
	}
	header := x.w.Header()
	both := [...]string{policy, string(state)} // one allocation for the two
	header["Ratelimit-Policy"], header["Ratelimit"] = both[0:1:1], both[1:2:2]
}
