package observe_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/observe"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is a collector that keeps what it is sent.
type spans struct {
	mu   sync.Mutex
	list []*otlp.Span
	text []string // of whole messages
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(body)
	var msg collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(text, &msg); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, msg.String())
	for _, rs := range msg.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			s.list = append(s.list, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *spans) find(t *testing.T, name string) *otlp.Span {
	t.Helper()
	i := slices.IndexFunc(s.list, func(sp *otlp.Span) bool { return sp.Name == name })
	if i < 0 {
		var names []string
		for _, sp := range s.list {
			names = append(names, sp.Name)
		}
		t.Fatalf("there is no span %q among %q", name, names)
	}
	return s.list[i]
}

// canary is a value that must not be told to anybody.
const canary = "canary-7f3a"

func traced(t *testing.T, url string, log io.Writer) *nexus.Generation {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	env := func(name string) (string, bool) {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return url, true
		}
		return "", false
	}
	app := apptest.Shop("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
	logger := slog.New(observe.Log(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	gen, ds := nexus.Build(t.Context(), app, nexus.Options{Env: env, Logger: logger})
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	return gen
}

func ask(gen *nexus.Generation, method, path, body, parent string) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if parent != "" {
		r.Header.Set("Traceparent", parent)
	}
	w := httptest.NewRecorder()
	gen.API().ServeHTTP(w, r)
	return w.Code
}

func TestATraceLeadsFromTheRequestToTheStatement(t *testing.T) {
	s := &spans{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	var log bytes.Buffer
	gen := traced(t, srv.URL, &log)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	if code := ask(gen, "POST", "/api/customers", `{"email":"`+canary+`@example.org","name":"`+canary+`"}`, "00-"+trace+"-"+parent+"-01"); code != http.StatusCreated {
		t.Fatal(code)
	}
	if code := ask(gen, "POST", "/workflows/find_customer/execute", `{"inputs":{"id":1}}`, ""); code != http.StatusOK {
		t.Fatal(code, log.String())
	}
	if err := gen.Close(); err != nil { // which sends what has not been sent
		t.Fatal(err)
	}
	request, insert := s.find(t, "POST /api/{model}"), s.find(t, "insert Customer")
	if got := hex.EncodeToString(request.TraceId); got != trace {
		t.Errorf("the request is of the trace %s, want its caller's %s", got, trace)
	}
	if got := hex.EncodeToString(request.ParentSpanId); got != parent {
		t.Errorf("the request is below %s, want its caller's span %s", got, parent)
	}
	if !bytes.Equal(insert.ParentSpanId, request.SpanId) {
		t.Error("the statement is not below its request")
	}
	executed, workflow := s.find(t, "POST /workflows/{name}/execute"), s.find(t, "workflow find_customer")
	if !bytes.Equal(workflow.ParentSpanId, executed.SpanId) || bytes.Equal(workflow.TraceId, request.TraceId) {
		t.Error("the workflow is not below its request, or of another's trace")
	}
	if all := strings.Join(s.text, "\n"); strings.Contains(all, canary) {
		t.Errorf("a value is in a trace: %s", all)
	}
	if !strings.Contains(log.String(), "trace_id="+trace) || strings.Contains(log.String(), canary) {
		t.Errorf("the log does not name the trace, or holds a value:\n%s", &log)
	}
}

// A collector that is away, or that never answers, holds up nobody.
func TestADeadCollectorHarmsNothing(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	var log bytes.Buffer
	gen := traced(t, srv.URL, &log)
	for range 3000 { // more than are kept until they are sent
		if code := ask(gen, "GET", "/health/live", "", ""); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- gen.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("a collector that does not answer holds up the end")
	}
}

func TestTheOutsideIsToldOfTheTrace(t *testing.T) {
	s := &spans{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	var got string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Traceparent") }))
	defer other.Close()
	o := observe.New(observe.Options{Env: func(name string) (string, bool) { return srv.URL, name == "OTEL_EXPORTER_OTLP_ENDPOINT" }})
	w := o.Watch(&dataflow.App{}, "app")
	call := func(ctx context.Context) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, other.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.Client(http.DefaultClient).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if call(t.Context()); got != "" {
		t.Errorf("a call of no request's is told %q", got)
	}
	ctx, ended := w.Engine().Workflow(t.Context(), &dataflow.Workflow{Name: "w"}, "r")
	call(ctx)
	ended(nil)
	o.Close(t.Context())
	span := s.find(t, "workflow w")
	if want := "00-" + hex.EncodeToString(span.TraceId) + "-"; !strings.HasPrefix(got, want) {
		t.Errorf("told %q, want it to begin with %q", got, want)
	}
}
