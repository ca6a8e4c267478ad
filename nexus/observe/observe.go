// Package observe is how an operator sees what a server does: metrics in the
// form of Prometheus, traces by OpenTelemetry, and logs that name the request
// they are about. It hears of requests, runs and statements from those who
// serve them; it knows nothing of how, and is told no value of a row and no
// secret.
//
// Labels are names that the app's file has, or words of a table here: never
// anything that a caller makes up. So how many series there are is up to the
// file, and a caller can't fill the memory with them.
package observe

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are what an Observer needs from outside.
type Options struct {
	Version string // of the program
	Logger  *slog.Logger
	// Env looks up variables of the environment: OTEL_… say where traces go.
	Env func(string) (string, bool)
}

// Observer watches a server through all the generations of its app. It costs
// nothing until it is asked for metrics, or told where traces go. It is safe for
// concurrent use.
type Observer struct {
	o       Options
	metrics atomic.Pointer[Metrics]
	tracing atomic.Pointer[tracing]
	mu      sync.Mutex
}

// New returns an observer.
func New(o Options) *Observer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Observer{o: o}
}

// Metrics returns the metrics of the server, and begins to count.
func (o *Observer) Metrics() *Metrics {
	if m := o.metrics.Load(); m != nil {
		return m
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.metrics.Load() == nil {
		o.metrics.Store(newMetrics(o.o))
	}
	return o.metrics.Load()
}

// Close sends the traces that have not been sent, as long as ctx lets it.
func (o *Observer) Close(ctx context.Context) {
	if t := o.tracing.Load(); t != nil {
		t.close(ctx)
	}
}

// Source is where what is asked for only when somebody looks comes from.
type Source struct {
	Stores map[*dataflow.Database]store.Store
	Runs   *durable.Runs // nil: none
}

// Metrics counts what a server does. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	vecs     map[string]vec

	requests   handles[requestLabels, *requestMetrics]
	operations handles[operationLabels, *timed]
	workflows  handles[string, *timed]
	nodes      handles[nodeLabels, *timed]
	tools      handles[string, *timed]
	statements handles[statementLabels, prometheus.Observer]
	source     atomic.Pointer[Source]
}

func newMetrics(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), vecs: map[string]vec{}}
	for _, f := range families {
		m.vecs[f.Name] = f.make()
		m.vecs[f.Name].register(m.registry)
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &pull{m: m, log: o.Logger})
	m.vecs["flowctl_build_info"].gauge.WithLabelValues(o.Version, runtime.Version()).Set(1)
	m.requests.make = m.newRequest
	m.operations.make = func(l operationLabels) *timed {
		return m.timed("flowctl_operations_total", "flowctl_operation_duration_seconds", []string{l.channel, l.model, l.operation}, []string{l.model, l.operation})
	}
	m.workflows.make = func(name string) *timed {
		return m.timed("flowctl_workflow_runs_total", "flowctl_workflow_duration_seconds", []string{name}, []string{name})
	}
	m.nodes.make = func(l nodeLabels) *timed {
		return m.timed("flowctl_node_runs_total", "flowctl_node_duration_seconds", []string{l.workflow, l.node, l.typ}, []string{l.typ})
	}
	m.tools.make = func(name string) *timed {
		return m.timed("flowctl_mcp_tool_calls_total", "flowctl_mcp_tool_duration_seconds", []string{name}, []string{name})
	}
	m.statements.make = func(l statementLabels) prometheus.Observer {
		return m.vecs["flowctl_statement_duration_seconds"].histogram.WithLabelValues(l.database, l.model, string(l.kind))
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 2, Timeout: scrapeTime})
	return m
}

// scrapeTime bounds how long the answer to a scrape may take.
const scrapeTime = 10 * time.Second

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Look says where what is asked for at a scrape comes from: the generation
// that serves.
func (m *Metrics) Look(s Source) { m.source.Store(&s) }

// Labels of what is counted, by which its metrics are found again.
type (
	requestLabels   struct{ channel, route, method string }
	operationLabels struct{ channel, model, operation string }
	nodeLabels      struct{ workflow, node, typ string }
	statementLabels struct {
		database, model string
		kind            store.Kind
	}
)

// requestMetrics are what is counted of requests of one route and method.
type requestMetrics struct {
	classes  [6]atomic.Pointer[prometheus.Counter]
	class    func(class string) prometheus.Counter
	duration prometheus.Observer
}

func (m *Metrics) newRequest(l requestLabels) *requestMetrics {
	counter := m.vecs["flowctl_http_requests_total"].counter
	return &requestMetrics{
		class: func(class string) prometheus.Counter {
			return counter.WithLabelValues(l.channel, l.route, l.method, class)
		},
		duration: m.vecs["flowctl_http_request_duration_seconds"].histogram.WithLabelValues(l.channel, l.route),
	}
}

var classes = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// methods are those that are told apart; a caller may make up others.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// Request counts a request that has been answered. A route of "" is one that
// there is not.
func (m *Metrics) Request(channel, route, method string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	if !methods[method] {
		method = "other"
	}
	rm := m.requests.of(requestLabels{channel, route, method})
	i := status / 100
	if i < 0 || i >= len(classes) {
		i = 0
	}
	c := rm.classes[i].Load()
	if c == nil { // each series is there once it has something to say
		made := rm.class(classes[i])
		c = &made
		rm.classes[i].Store(c)
	}
	(*c).Inc()
	rm.duration.Observe(took.Seconds())
}

// Operation counts an operation on a model that a channel was asked for.
func (m *Metrics) Operation(channel, model, operation string, status int, took time.Duration) {
	m.operations.of(operationLabels{channel, model, operation}).end(outcomeOf(status), took)
}

// Tool counts a call of an MCP tool.
func (m *Metrics) Tool(name string, err error, took time.Duration) {
	m.tools.of(name).end(outcome(err), took)
}

// Limited counts a request that a limit has refused.
func (m *Metrics) Limited(policy string) {
	m.vecs["flowctl_rate_limited_total"].counter.WithLabelValues(policy).Inc()
}

// Reloaded counts a reload of the app, where anything is counted.
func (o *Observer) Reloaded(ok bool) {
	m := o.metrics.Load()
	if m == nil {
		return
	}
	word := "failed"
	if ok {
		word = "ok"
	}
	m.vecs["flowctl_reloads_total"].counter.WithLabelValues(word).Inc()
}

// Ended counts a durable run that has ended in this process.
func (m *Metrics) Ended(workflow string, s durable.Status) {
	m.vecs["flowctl_durable_runs_ended_total"].counter.WithLabelValues(workflow, string(s)).Inc()
}
