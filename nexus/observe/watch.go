package observe

import (
	"context"
	"net/http"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/mcp"
	"go.opentelemetry.io/otel/attribute"
)

// Watch is how an Observer watches one app: what it asks for. Its methods give
// nil where nothing is asked for, so that whoever is watched pays nothing.
type Watch struct {
	metrics *Metrics // nil: none
	tracing *tracing // nil: none
}

// Watch returns the watch of an app: metrics if the app asks for them, traces
// if the environment does.
func (o *Observer) Watch(app *dataflow.App, name string) *Watch {
	w := &Watch{tracing: o.trace(name)}
	if app.Server != nil && app.Server.Monitoring {
		w.metrics = o.Metrics()
	}
	return w
}

// Metrics returns the metrics that are counted, or nil.
func (w *Watch) Metrics() *Metrics { return w.metrics }

func (w *Watch) off() bool { return w.metrics == nil && w.tracing == nil }

// Requests watches the requests of a channel; nil where nobody wants to know.
func (w *Watch) Requests(channel string) front.Observer {
	if w.off() {
		return nil
	}
	return &requests{w, channel}
}

// Store watches the statements of a database.
func (w *Watch) Store(db *dataflow.Database) store.Observer {
	if w.tracing == nil && (w.metrics == nil || !db.Options.Monitoring) {
		return nil
	}
	return &statements{w}
}

// Engine watches what is run.
func (w *Watch) Engine() engine.Observer {
	if w.off() {
		return nil
	}
	return &runs{w}
}

// Client returns the client for calls to other services, which are told what
// they are part of.
func (w *Watch) Client(c *http.Client) *http.Client {
	if w.tracing == nil {
		return c
	}
	traced := *c
	if traced.Transport == nil {
		traced.Transport = http.DefaultTransport
	}
	traced.Transport = &outgoing{w.tracing, traced.Transport}
	return &traced
}

// Handler answers scrapes; nil where nothing is counted.
func (w *Watch) Handler() http.Handler {
	if w.metrics == nil {
		return nil
	}
	return w.metrics
}

// Ended hears of durable runs that have ended.
func (w *Watch) Ended() func(string, durable.Status) {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.Ended
}

// Tools watches the calls of MCP tools.
func (w *Watch) Tools() mcp.Observer {
	if w.off() {
		return nil
	}
	return &tools{w}
}

type tools struct{ w *Watch }

// Tool implements mcp.Observer.
func (t *tools) Tool(ctx context.Context, tool string) (context.Context, func(mcp.Called, error)) {
	began := time.Now()
	finish := func(c mcp.Called, err error) {
		if m := t.w.metrics; m != nil {
			took := time.Since(began)
			m.Tool(c.Tool, err, took)
			if c.Model != "" {
				m.operations.of(operationLabels{"mcp", c.Model, c.Operation}).end(outcome(err), took)
			}
		}
	}
	if t.w.tracing == nil {
		return ctx, finish
	}
	ctx, span := t.w.tracing.begin(ctx, "tool "+tool, attribute.String("flowctl.tool", tool))
	return ctx, func(c mcp.Called, err error) {
		finish(c, err)
		end(span, err)
	}
}

// Limited implements mcp.Observer.
func (t *tools) Limited(policy string) {
	if m := t.w.metrics; m != nil {
		m.Limited(policy)
	}
}

type requests struct {
	w       *Watch
	channel string
}

// Begin implements front.Observer.
func (q *requests) Begin(r *http.Request) context.Context {
	if q.w.tracing == nil {
		return nil
	}
	return q.w.tracing.incoming(r)
}

// Answered implements front.Observer.
func (q *requests) Answered(ctx context.Context, a front.Answered) {
	if m := q.w.metrics; m != nil {
		m.Request(q.channel, a.Route, a.Method, a.Status, a.Took)
		if a.Operation != "" {
			m.Operation(q.channel, a.Model, a.Operation, a.Status, a.Took)
		}
		if a.Limited != "" {
			m.Limited(a.Limited)
		}
	}
	if q.w.tracing != nil {
		q.w.tracing.answered(ctx, q.channel, a.Method, a.Route, a.ID, a.Status)
	}
}

type statements struct{ w *Watch }

// Statement implements store.Observer.
func (s *statements) Statement(ctx context.Context, db *dataflow.Database, st *store.Statement) {
	if m := s.w.metrics; m != nil && db.Options.Monitoring {
		model := ""
		if st.Model != nil {
			model = st.Model.Name
		}
		m.statements.of(statementLabels{db.Name, model, st.Kind}).Observe(st.Took.Seconds())
	}
	if s.w.tracing != nil {
		s.w.tracing.statement(ctx, db, st)
	}
}

type runs struct{ w *Watch }

// Workflow implements engine.Observer.
func (r *runs) Workflow(ctx context.Context, wf *dataflow.Workflow, run string) (context.Context, func(error)) {
	var counted *timed
	if m := r.w.metrics; m != nil {
		counted = m.workflows.of(wf.Name)
	}
	return r.begin(ctx, counted, "workflow "+wf.Name, attribute.String("flowctl.workflow", wf.Name), attribute.String("flowctl.run_id", run))
}

// Node implements engine.Observer.
func (r *runs) Node(ctx context.Context, wf *dataflow.Workflow, id, typ string) (context.Context, func(error)) {
	var counted *timed
	if m := r.w.metrics; m != nil {
		counted = m.nodes.of(nodeLabels{wf.Name, id, typ})
	}
	return r.begin(ctx, counted, typ, attribute.String("flowctl.workflow", wf.Name), attribute.String("flowctl.node", id), attribute.String("flowctl.node_type", typ))
}

func (r *runs) begin(ctx context.Context, counted *timed, name string, attrs ...attribute.KeyValue) (context.Context, func(error)) {
	began := time.Now()
	finish := func(err error) {
		if counted != nil && !again(err) {
			counted.end(outcome(err), time.Since(began))
		}
	}
	if r.w.tracing == nil {
		return ctx, finish
	}
	ctx, span := r.w.tracing.begin(ctx, name, attrs...)
	return ctx, func(err error) {
		finish(err)
		end(span, err)
	}
}
