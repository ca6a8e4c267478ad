package observe

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes spans and sends them on. There is none unless the environment
// says where to.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

// endpoints are the variables of which one says where traces go.
var endpoints = []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}

// traced reports whether the environment asks for traces.
func (o *Observer) traced() bool {
	if o.env("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	if exporter := o.env("OTEL_TRACES_EXPORTER"); exporter != "" && exporter != "otlp" {
		return false
	}
	return slices.ContainsFunc(endpoints, func(name string) bool { return o.env(name) != "" })
}

// env is what a variable is set to, or "".
func (o *Observer) env(name string) string {
	if o.o.Env == nil {
		return ""
	}
	if v, ok := o.o.Env(name); ok {
		return v
	}
	return ""
}

// trace returns what makes spans of an app's, or nil where none are asked for.
// The library reads by itself the OTEL_… variables that are not the exporter's.
func (o *Observer) trace(app string) *tracing {
	if t := o.tracing.Load(); t != nil {
		return t
	}
	if !o.traced() {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.tracing.Load(); t != nil {
		return t
	}
	ctx := context.Background()
	exporter, err := newExporter(o.env) // which connects when it first has something to send
	if err != nil {
		o.o.Logger.Error("traces are not sent: the OTEL_… variables can't be used", "cause", err)
		return nil
	}
	res, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", app), attribute.String("service.version", o.o.Version)),
		resource.WithFromEnv()) // last: OTEL_SERVICE_NAME goes before the app's name
	if err != nil {
		o.o.Logger.Warn("what the OTEL_… variables say of this service can't all be used", "cause", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithResource(res), sdk.WithBatcher(&quiet{SpanExporter: exporter, log: o.o.Logger}))
	t := &tracing{provider: provider, tracer: provider.Tracer("flowctl", trace.WithInstrumentationVersion(o.o.Version))}
	o.tracing.Store(t)
	return t
}

func (t *tracing) close(ctx context.Context) {
	_ = t.provider.Shutdown(ctx) // what could not be sent has been told of
}

// quiet is an exporter whose failures are told of in the log, now and then. The
// library would print them, each, past the log.
type quiet struct {
	sdk.SpanExporter
	log  *slog.Logger
	told atomic.Int64 // when, in Unix seconds
}

// quietTime is how long one failure to send stands for those after it.
const quietTime = time.Minute

// ExportSpans implements sdk.SpanExporter.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	now, last := time.Now().Unix(), q.told.Load()
	if (now-last >= int64(quietTime/time.Second) || now < last) && q.told.CompareAndSwap(last, now) {
		q.log.Warn("traces could not be sent", "spans", len(spans), "cause", err)
	}
	return nil
}

// incoming begins the span of a request, below that of its caller if it names
// one.
func (t *tracing) incoming(r *http.Request) context.Context {
	ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, _ = t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx
}

// answered ends it.
func (t *tracing) answered(ctx context.Context, channel, method, route, id string, status int) {
	span := trace.SpanFromContext(ctx)
	if route == "" {
		route = "none"
	}
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status), attribute.String("flowctl.channel", channel), attribute.String("flowctl.request_id", id))
	if status >= 500 {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	span.End()
}

func (t *tracing) begin(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
}

// end ends a span with the code of an error: its text may hold what a caller
// gave.
func end(span trace.Span, err error) {
	if err != nil && !again(err) {
		e := dataflow.AsError(err)
		span.SetAttributes(attribute.String("error.type", e.Code))
		if o := outcome(e); o == failed {
			span.SetStatus(codes.Error, e.Code)
		}
	}
	span.End()
}

// statement is the span of a statement that has run, below what it ran for: a
// statement of the server's own has none.
func (t *tracing) statement(ctx context.Context, db *dataflow.Database, s *store.Statement) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	name, attrs := string(s.Kind), []attribute.KeyValue{attribute.String("db.system.name", system(db)),
		attribute.String("db.namespace", db.Name), attribute.String("db.operation.name", string(s.Kind)), attribute.String("db.query.text", s.SQL)}
	if s.Model != nil {
		name += " " + s.Model.Name
		attrs = append(attrs, attribute.String("db.collection.name", s.Model.Table))
	}
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(s.Began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	span.End(trace.WithTimestamp(s.Began.Add(s.Took)))
}

// system is what OpenTelemetry calls a database's engine.
func system(db *dataflow.Database) string {
	scheme, _, _ := strings.Cut(db.URL, ":")
	if strings.HasPrefix(scheme, "postgres") {
		return "postgresql"
	}
	return scheme
}

// outgoing is a transport that makes a span of each request and names it to
// whom it goes to.
type outgoing struct {
	t    *tracing
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A request that belongs to nothing
// that is traced goes as it is.
func (o *outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return o.next.RoundTrip(r)
	}
	ctx, span := o.t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname())))
	defer span.End()
	r = r.Clone(ctx)
	if r.Header.Get("Traceparent") == "" { // the app may say so itself
		o.t.context.Inject(ctx, propagation.HeaderCarrier(r.Header))
	}
	res, err := o.next.RoundTrip(r)
	switch {
	case err != nil:
		span.SetStatus(codes.Error, "no answer")
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
		if res.StatusCode >= 400 {
			span.SetStatus(codes.Error, http.StatusText(res.StatusCode))
		}
	}
	return res, err
}
