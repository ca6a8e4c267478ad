package observe

import "github.com/prometheus/client_golang/prometheus"

// Family is a metric with all its series.
type Family struct {
	Name   string
	Help   string
	Kind   string // "counter", "gauge" or "histogram"
	Labels []string
	// pulled: its values are asked for when somebody looks.
	pulled  bool
	buckets []float64
}

// Bounds of the histograms, in seconds.
var (
	quick = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	slow  = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
)

// families is the table of metrics. docs/operations.md has it too, and a test
// holds the two together.
var families = []Family{
	{Name: "flowctl_http_requests_total", Kind: "counter", Labels: []string{"channel", "route", "method", "status"},
		Help: "Requests answered. channel is rest or mcp; route is the pattern, none for a path that is not served; status is the class, 2xx."},
	{Name: "flowctl_http_request_duration_seconds", Kind: "histogram", Labels: []string{"channel", "route"}, buckets: quick,
		Help: "From the request's header to the end of the answer."},
	{Name: "flowctl_operations_total", Kind: "counter", Labels: []string{"channel", "model", "operation", "outcome"},
		Help: "Operations on models that callers asked for; import, export and events (a stream of them) among those of REST, and batch, which is of no model. outcome is ok, refused (for what was asked), failed (for a fault on this side) or cancelled."},
	{Name: "flowctl_operation_duration_seconds", Kind: "histogram", Labels: []string{"model", "operation"}, buckets: quick,
		Help: "How long those took, request and answer included."},
	{Name: "flowctl_workflow_runs_total", Kind: "counter", Labels: []string{"workflow", "outcome"},
		Help: "Runs of workflows and handlers, also of those that others run. Of a durable run: its turns, from where it was left to its end or to where it rests."},
	{Name: "flowctl_workflow_duration_seconds", Kind: "histogram", Labels: []string{"workflow"}, buckets: slow,
		Help: "How long those took."},
	{Name: "flowctl_node_runs_total", Kind: "counter", Labels: []string{"workflow", "node", "type", "outcome"},
		Help: "Nodes that ran, all attempts of one together. node is empty for what a handler runs."},
	{Name: "flowctl_node_duration_seconds", Kind: "histogram", Labels: []string{"type"}, buckets: quick,
		Help: "How long those took, pauses between attempts included."},
	{Name: "flowctl_mcp_tool_calls_total", Kind: "counter", Labels: []string{"tool", "outcome"},
		Help: "Calls of MCP tools."},
	{Name: "flowctl_mcp_tool_duration_seconds", Kind: "histogram", Labels: []string{"tool"}, buckets: quick,
		Help: "How long those took."},
	{Name: "flowctl_statement_duration_seconds", Kind: "histogram", Labels: []string{"database", "model", "kind"}, buckets: quick,
		Help: "Statements of databases with monitoring = True, their rows handled. model is empty for SQL of the app's own. Reads that shared one round trip are one statement."},
	{Name: "flowctl_rate_limited_total", Kind: "counter", Labels: []string{"policy"},
		Help: "Requests that a limit refused: policy is the limit: address, key, workflow:place_order, model:Order, model:Order.create."},
	{Name: "flowctl_durable_runs_ended_total", Kind: "counter", Labels: []string{"workflow", "status"},
		Help: "Durable runs that ended in this process."},
	{Name: "flowctl_reloads_total", Kind: "counter", Labels: []string{"outcome"},
		Help: "Reloads of the app: ok, or failed, where the app from before goes on."},
	{Name: "flowctl_build_info", Kind: "gauge", Labels: []string{"version", "go"},
		Help: "1, with what is running."},
	{Name: "flowctl_durable_runs", Kind: "gauge", Labels: []string{"status"}, pulled: true,
		Help: "Durable runs of all processes that have not ended: queued, running or waiting."},
	{Name: "flowctl_durable_runs_due", Kind: "gauge", pulled: true,
		Help: "Those of them that wait for somebody to go on with them."},
	{Name: "flowctl_pool_connections", Kind: "gauge", Labels: []string{"database", "state"}, pulled: true,
		Help: "Connections to the database: in_use or idle. SQLite: the one that writes among them."},
	{Name: "flowctl_pool_max_connections", Kind: "gauge", Labels: []string{"database"}, pulled: true,
		Help: "As many as there may be."},
	{Name: "flowctl_pool_waits_total", Kind: "counter", Labels: []string{"database"}, pulled: true,
		Help: "Times that a caller had to wait for a connection, or on SQLite for its turn to write."},
	{Name: "flowctl_pool_wait_seconds_total", Kind: "counter", Labels: []string{"database"}, pulled: true,
		Help: "How long they waited, together."},
	{Name: "flowctl_cache_questions_total", Kind: "counter", Labels: []string{"database", "result"}, pulled: true,
		Help: "Questions to a database with cache_enabled: hit, answered by what was kept; miss, by the database."},
	{Name: "flowctl_commit_group_size", Kind: "histogram", Labels: []string{"database"}, pulled: true,
		Help: "How many writes shared a commit. SQLite only."},
}

// Families is the table of metrics that are this program's own.
func Families() []Family { return families }

// vec is a family in the registry.
type vec struct {
	counter   *prometheus.CounterVec
	gauge     *prometheus.GaugeVec
	histogram *prometheus.HistogramVec
	desc      *prometheus.Desc // of one that is pulled
}

func (f *Family) make() vec {
	switch {
	case f.pulled:
		return vec{desc: prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)}
	case f.Kind == "counter":
		return vec{counter: prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)}
	case f.Kind == "gauge":
		return vec{gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, f.Labels)}
	}
	return vec{histogram: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f.Name, Help: f.Help, Buckets: f.buckets}, f.Labels)}
}

// register puts a family into the registry; those that are pulled are told of
// by pull.
func (v vec) register(r *prometheus.Registry) {
	switch {
	case v.counter != nil:
		r.MustRegister(v.counter)
	case v.gauge != nil:
		r.MustRegister(v.gauge)
	case v.histogram != nil:
		r.MustRegister(v.histogram)
	}
}
