package observe

import (
	"context"
	"log/slog"

	"github.com/flowctl/flowctl/nexus/front"
	"go.opentelemetry.io/otel/trace"
)

// Log puts before a log's handler one that adds which request a line is about,
// and which trace, wherever it was written.
func Log(next slog.Handler) slog.Handler { return &about{next} }

type about struct{ slog.Handler }

// Handle implements slog.Handler.
func (h *about) Handle(ctx context.Context, r slog.Record) error {
	if id := front.RequestID(ctx); id != "" && !has(r, "request_id") {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = found || a.Key == key
		return !found
	})
	return found
}

// WithAttrs implements slog.Handler.
func (h *about) WithAttrs(attrs []slog.Attr) slog.Handler { return &about{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h *about) WithGroup(name string) slog.Handler { return &about{h.Handler.WithGroup(name)} }
