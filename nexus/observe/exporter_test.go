package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// sample are two spans of two scopes with every kind of value, and the message
// that the published types make of them.
func sample() ([]sdk.ReadOnlySpan, *collector.ExportTraceServiceRequest) {
	traceID, id, above := trace.TraceID{1, 2, 15: 3}, trace.SpanID{4, 7: 5}, trace.SpanID{6}
	state, _ := trace.ParseTraceState("vendor=x")
	res := resource.NewWithAttributes("https://schema.example/1", attribute.String("service.name", "shop"), attribute.StringSlice("process.command_args", []string{"flowctl", ""}))
	at := time.Unix(1_700_000_000, 5)
	own := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: id, TraceFlags: trace.FlagsSampled, TraceState: state})
	spans := tracetest.SpanStubs{
		{Name: "GET /é", SpanContext: own, Parent: trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: above, Remote: true}),
			SpanKind: trace.SpanKindServer, StartTime: at, EndTime: at.Add(time.Second), DroppedAttributes: 3, Status: sdk.Status{Code: codes.Error, Description: "internal"},
			Attributes: []attribute.KeyValue{attribute.Bool("no", false), attribute.Bool("yes", true), attribute.Int("zero", 0), attribute.Int64("below", -7), attribute.Float64("half", 0.5), attribute.String("empty", "")},
			Resource:   res, InstrumentationScope: instrumentation.Scope{Name: "flowctl", Version: "1"}},
		{Name: "root", SpanContext: own, SpanKind: trace.SpanKindClient, StartTime: at, EndTime: at, Status: sdk.Status{Code: codes.Ok}, Resource: res, InstrumentationScope: instrumentation.Scope{Name: "other"}},
	}.Snapshots()
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	want := &collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		SchemaUrl: "https://schema.example/1",
		Resource: &resources.Resource{Attributes: []*common.KeyValue{
			{Key: "process.command_args", Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{text("flowctl"), text("")}}}}},
			{Key: "service.name", Value: text("shop")}}},
		ScopeSpans: []*otlp.ScopeSpans{
			{Scope: &common.InstrumentationScope{Name: "flowctl", Version: "1"}, Spans: []*otlp.Span{{
				TraceId: traceID[:], SpanId: id[:], ParentSpanId: above[:], TraceState: "vendor=x", Name: "GET /é", Kind: otlp.Span_SPAN_KIND_SERVER,
				StartTimeUnixNano: 1_700_000_000_000_000_005, EndTimeUnixNano: 1_700_000_001_000_000_005, DroppedAttributesCount: 3,
				Status: &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR, Message: "internal"}, Flags: 0x301,
				Attributes: []*common.KeyValue{
					{Key: "no", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{}}},
					{Key: "yes", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}},
					{Key: "zero", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{}}},
					{Key: "below", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -7}}},
					{Key: "half", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.5}}},
					{Key: "empty", Value: text("")}}}}},
			{Scope: &common.InstrumentationScope{Name: "other"}, Spans: []*otlp.Span{{
				TraceId: traceID[:], SpanId: id[:], TraceState: "vendor=x", Name: "root", Kind: otlp.Span_SPAN_KIND_CLIENT,
				StartTimeUnixNano: 1_700_000_000_000_000_005, EndTimeUnixNano: 1_700_000_000_000_000_005, Status: &otlp.Status{Code: otlp.Status_STATUS_CODE_OK}, Flags: 0x101}}},
		}}}}
	return spans, want
}

func TestSpansAreWhatTheProtocolWants(t *testing.T) {
	spans, want := sample()
	for name, e := range encodings {
		t.Run(name, func(t *testing.T) {
			body, err := e.encode(newExport(spans))
			if err != nil {
				t.Fatal(err)
			}
			var got collector.ExportTraceServiceRequest
			if e.contentType == "application/json" {
				err = protojson.Unmarshal(idsInBase64(t, body), &got)
			} else {
				err = proto.Unmarshal(body, &got)
			}
			if err != nil {
				t.Fatalf("%v\n%q", err, body)
			}
			if diff := cmp.Diff(want, &got, protocmp.Transform(), protocmp.IgnoreEmptyMessages()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// idsInBase64 writes ids as the JSON of protobuf has them everywhere but in OTLP.
func idsInBase64(t *testing.T, body []byte) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				if s, ok := e.(string); ok && slices.Contains([]string{"traceId", "spanId", "parentSpanId"}, k) {
					raw, err := hex.DecodeString(s)
					if err != nil {
						t.Fatalf("%s: %v", k, err)
					}
					v[k] = base64.StdEncoding.EncodeToString(raw)
				}
				walk(e)
			}
		}
	}
	walk(tree)
	out, _ := json.Marshal(tree)
	return out
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if name == "OTEL_EXPORTER_OTLP_"+pairs[i] {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTheEnvironmentSaysWhereTracesGo(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		url  string
		gzip bool
		wait time.Duration
		head map[string]string
	}{
		{name: "endpoint for everything", env: []string{"ENDPOINT", "http://c:4318"}, url: "http://c:4318/v1/traces"},
		{name: "with a path", env: []string{"ENDPOINT", "https://c/otlp/"}, url: "https://c/otlp/v1/traces"},
		{name: "endpoint for traces", env: []string{"ENDPOINT", "http://other", "TRACES_ENDPOINT", "http://c/here"}, url: "http://c/here"},
		{name: "without a path", env: []string{"TRACES_ENDPOINT", "http://c"}, url: "http://c/"},
		{name: "compressed", env: []string{"ENDPOINT", "http://c", "COMPRESSION", "gzip"}, url: "http://c/v1/traces", gzip: true},
		{name: "traces alone are not", env: []string{"ENDPOINT", "http://c", "COMPRESSION", "gzip", "TRACES_COMPRESSION", "none"}, url: "http://c/v1/traces"},
		{name: "timeout", env: []string{"ENDPOINT", "http://c", "TIMEOUT", "1500"}, url: "http://c/v1/traces", wait: 1500 * time.Millisecond},
		{name: "JSON", env: []string{"ENDPOINT", "http://c", "PROTOCOL", "http/json"}, url: "http://c/v1/traces", head: map[string]string{"Content-Type": "application/json"}},
		{name: "headers", env: []string{"ENDPOINT", "http://c", "HEADERS", "api-key=s%3Decret, x-team = a%20b", "TRACES_HEADERS", "x-team=c"}, url: "http://c/v1/traces",
			head: map[string]string{"Api-Key": "s=ecret", "X-Team": "c", "Content-Type": "application/x-protobuf"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := newExporter(environment(tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			if tt.wait == 0 {
				tt.wait = 10 * time.Second
			}
			if x.url != tt.url || x.gzip != tt.gzip || x.client.Timeout != tt.wait {
				t.Errorf("got %s, gzip %t, %v", x.url, x.gzip, x.client.Timeout)
			}
			for k, want := range tt.head {
				if got := x.header.Get(k); got != want {
					t.Errorf("%s: %q, want %q", k, got, want)
				}
			}
		})
	}
}

func TestWhatTheEnvironmentHasWrongIsSaid(t *testing.T) {
	const secret = "hunter2"
	tests := []struct {
		env  []string
		want string
	}{
		{[]string{"ENDPOINT", "collector:4318"}, "no URL such as http://localhost:4318"},
		{[]string{"ENDPOINT", "http://" + secret + ":%"}, "no URL such as http://localhost:4318"},
		{[]string{"ENDPOINT", "http://c", "PROTOCOL", "grpc"}, "flowctl speaks http/protobuf and http/json"},
		{[]string{"ENDPOINT", "http://c", "HEADERS", secret}, "HEADERS can't be read"},
		{[]string{"ENDPOINT", "http://c", "TRACES_HEADERS", "k=%zz" + secret}, "TRACES_HEADERS can't be read"},
		{[]string{"ENDPOINT", "http://c", "TIMEOUT", "1s"}, "write milliseconds"},
		{[]string{"ENDPOINT", "http://c", "CERTIFICATE", "/nowhere.pem"}, "no such file"},
		{[]string{"ENDPOINT", "http://c", "CERTIFICATE", "exporter_test.go"}, "holds no certificate"},
	}
	for _, tt := range tests {
		_, err := newExporter(environment(tt.env...))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: got %v, want %q and no secret", tt.env, err, tt.want)
		}
	}
}

// answers is a collector that gives one answer after the other.
type answers struct {
	give   []func(http.ResponseWriter)
	bodies [][]byte
	heads  []http.Header
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.bodies, a.heads = append(a.bodies, body), append(a.heads, r.Header)
	a.give[min(len(a.bodies), len(a.give))-1](w)
}

func status(code int, head ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if len(head) > 0 {
			w.Header().Set(head[0], head[1])
		}
		w.WriteHeader(code)
	}
}

func answer(contentType, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

func TestACollectorIsAskedAgain(t *testing.T) {
	partial, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 300, ErrorMessage: "too old"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		proto string
		give  []func(http.ResponseWriter)
		waits []time.Duration
		err   string
	}{
		{name: "taken", give: []func(http.ResponseWriter){status(200)}},
		{name: "busy twice", give: []func(http.ResponseWriter){status(503), status(429), status(200)}, waits: []time.Duration{5 * time.Second, 7500 * time.Millisecond}},
		{name: "says for how long", give: []func(http.ResponseWriter){status(503, "Retry-After", "20"), status(200)}, waits: []time.Duration{20 * time.Second}},
		{name: "busy for good", give: []func(http.ResponseWriter){status(502)}, err: "502",
			waits: []time.Duration{5 * time.Second, 7500 * time.Millisecond, 11250 * time.Millisecond, 16875 * time.Millisecond}},
		{name: "refused", give: []func(http.ResponseWriter){status(400)}, err: "the collector answered 400 Bad Request"},
		{name: "in part", give: []func(http.ResponseWriter){answer("application/x-protobuf", string(partial))}, err: `refused 300 of them: "too old"`},
		{name: "in part, as JSON", proto: "http/json", give: []func(http.ResponseWriter){answer("application/json", `{"partialSuccess":{"rejectedSpans":"300","errorMessage":"too old"}}`)}, err: `refused 300 of them: "too old"`},
		{name: "nothing to say", give: []func(http.ResponseWriter){answer("application/x-protobuf", "")}},
		{name: "what is none of the protocol", give: []func(http.ResponseWriter){answer("text/html", "<p>ok")}},
		{name: "broken", give: []func(http.ResponseWriter){answer("application/x-protobuf", "\x0a\xff\xff")}},
	}
	spans, _ := sample()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &answers{give: tt.give}
			srv := httptest.NewServer(c)
			defer srv.Close()
			x, err := newExporter(environment("ENDPOINT", srv.URL, "PROTOCOL", tt.proto, "COMPRESSION", "gzip"))
			if err != nil {
				t.Fatal(err)
			}
			var waits []time.Duration
			x.pause = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			err = x.ExportSpans(t.Context(), spans)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if !slices.Equal(waits, tt.waits) || len(c.bodies) != len(tt.waits)+1 {
				t.Errorf("waited %v, want %v; it was asked %d times", waits, tt.waits, len(c.bodies))
			}
			for i, body := range c.bodies {
				if c.heads[i].Get("Content-Encoding") != "gzip" || !bytes.Equal(body, c.bodies[0]) {
					t.Error("it was not sent the same")
				}
				if _, err := gzip.NewReader(bytes.NewReader(body)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestACollectorIsTrustedByItsCertificate(t *testing.T) {
	c := &answers{give: []func(http.ResponseWriter){status(200)}}
	srv := httptest.NewUnstartedServer(c)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // which would have the handshake that is refused
	srv.StartTLS()
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	spans, _ := sample()
	for _, tt := range []struct {
		trusted string
		sent    int
	}{{"", 0}, {file, 1}} {
		x, err := newExporter(environment("TRACES_ENDPOINT", srv.URL, "CERTIFICATE", tt.trusted))
		if err != nil {
			t.Fatal(err)
		}
		if err := x.ExportSpans(t.Context(), spans); (err == nil) != (tt.sent == 1) || len(c.bodies) != tt.sent {
			t.Errorf("trusting %q: %v, and %d were sent", tt.trusted, err, len(c.bodies))
		}
	}
}
