package mcp

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/limit"
)

// countRequest counts a request of whoever is signed in.
func (q *request) countRequest(ctx context.Context) error {
	var t limit.Tally
	return q.limited(&t, q.server.o.Limiter.Key(ctx, &q.caller, &t))
}

// countWorkflow counts the start of a workflow.
func (q *request) countWorkflow(ctx context.Context, name string) error {
	var t limit.Tally
	return q.limited(&t, q.server.o.Limiter.Workflow(ctx, &q.caller, name, &t))
}

// countOperation counts an operation of a model.
func (s *Server) countOperation(ctx context.Context, c access.Caller, m *dataflow.Model, op dataflow.OpKind) error {
	var t limit.Tally
	return s.limited(&t, s.o.Limiter.Operation(ctx, &c, m, op, &t))
}

func (q *request) limited(t *limit.Tally, err error) error { return q.server.limited(t, err) }

// limited tells who counts of a limit that has refused something.
func (s *Server) limited(t *limit.Tally, err error) error {
	if err != nil && s.o.Observer != nil {
		s.o.Observer.Limited(t.Refused())
	}
	return err
}
