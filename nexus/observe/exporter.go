package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans to a collector by OTLP over HTTP, as the variables
// OTEL_EXPORTER_OTLP_… say. It is the library's exporter without gRPC, which that
// one links whether it is used or not (decision 22).
type exporter struct {
	url      string
	header   http.Header
	client   *http.Client
	encoding encoding
	gzip     bool
	pause    func(context.Context, time.Duration) error
}

// How a collector that can't take spans now is asked again: after retryFirst,
// then after half as long again each time up to retryLongest, until retryTime is
// over. They are the library's.
const (
	retryFirst   = 5 * time.Second
	retryLongest = 30 * time.Second
	retryTime    = time.Minute
)

// longestAnswer is how much of a collector's answer is read.
const longestAnswer = 64 << 10

// tracesPath is where OTLP has traces, below an endpoint for everything.
const tracesPath = "v1/traces"

// newExporter reads the variables. Each is there for traces alone too, which
// goes before that for everything.
func newExporter(env func(string) string) (*exporter, error) {
	v := variables(env)
	x := &exporter{header: http.Header{}, client: &http.Client{Timeout: 10 * time.Second}, gzip: v.of("COMPRESSION") == "gzip", pause: pause}
	var err error
	if x.url, err = v.endpoint(); err != nil {
		return nil, err
	}
	protocol := v.of("PROTOCOL")
	if protocol == "" {
		protocol = "http/protobuf"
	}
	var ok bool
	if x.encoding, ok = encodings[protocol]; !ok {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: flowctl speaks http/protobuf and http/json, which collectors take at port 4318", protocol)
	}
	if err := v.headers(x.header); err != nil {
		return nil, err
	}
	x.header.Set("Content-Type", x.encoding.contentType)
	x.header.Set("User-Agent", "flowctl")
	if text := v.of("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms < 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q: write milliseconds", text)
		}
		x.client.Timeout = time.Duration(ms) * time.Millisecond
	}
	conf, err := v.tls()
	if conf != nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = conf
		x.client.Transport = t
	}
	return x, err
}

// variables are those of the environment that begin with OTEL_EXPORTER_OTLP_.
type variables func(string) string

func (v variables) of(name string) string {
	if s := v("OTEL_EXPORTER_OTLP_TRACES_" + name); s != "" {
		return s
	}
	return v("OTEL_EXPORTER_OTLP_" + name)
}

func (v variables) endpoint() (string, error) {
	text := v(endpoints[0])
	own := text != ""
	if !own {
		text = v(endpoints[1])
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("the endpoint for traces is no URL such as http://localhost:4318") // it may hold a key
	}
	if !own {
		u.Path = path.Join("/", u.Path, tracesPath)
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// headers reads name=value,name=value, with % for what a URL has % for.
func (v variables) headers(h http.Header) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		for part := range strings.SplitSeq(v(name), ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			key, value, ok := strings.Cut(part, "=")
			value, err := url.PathUnescape(strings.TrimSpace(value))
			if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
				return fmt.Errorf("%s can't be read: write name=value,name=value", name) // not what it holds: a key, as a rule
			}
			h.Set(key, value)
		}
	}
	return nil
}

// tls reads whom to trust and who to be; nil is what every program does.
func (v variables) tls() (*tls.Config, error) {
	var conf *tls.Config
	if file := v.of("CERTIFICATE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		conf = &tls.Config{RootCAs: x509.NewCertPool()}
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate", file)
		}
	}
	if cert, key := v.of("CLIENT_CERTIFICATE"), v.of("CLIENT_KEY"); cert != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		if conf == nil {
			conf = &tls.Config{}
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// ExportSpans implements sdk.SpanExporter.
func (x *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := x.encoding.encode(newExport(spans))
	if err != nil {
		return err
	}
	if x.gzip {
		body = zipped(body)
	}
	wait, left := retryFirst, retryTime
	for {
		after, err := x.send(ctx, body)
		if err == nil || after < 0 || ctx.Err() != nil {
			return err
		}
		after = max(after, wait)
		if left -= after; left < 0 {
			return err
		}
		if x.pause(ctx, after) != nil {
			return err
		}
		wait = min(wait*3/2, retryLongest)
	}
}

// Shutdown implements sdk.SpanExporter. Nothing is held.
func (x *exporter) Shutdown(context.Context) error {
	x.client.CloseIdleConnections()
	return nil
}

// retried are the statuses with which a collector asks to be sent it once more.
var retried = []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// send sends a message once. After a failure it says how long it is to be
// waited at least until it is sent again; less than zero: it is not to be.
func (x *exporter) send(ctx context.Context, body []byte) (after time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	r.Header = x.header.Clone()
	if x.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	res, err := x.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			if u.Temporary() {
				return 0, u.Err
			}
			return -1, u.Err // without the URL, which may hold a key
		}
		return -1, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		after = -1
		if slices.Contains(retried, res.StatusCode) {
			after = retryAfter(res.Header.Get("Retry-After"))
		}
		return after, fmt.Errorf("the collector answered %s", res.Status)
	case err != nil:
		return -1, err
	case res.Header.Get("Content-Type") != x.encoding.contentType:
		return 0, nil
	}
	if n, reason := x.encoding.refused(answer); n > 0 || reason != "" {
		return -1, fmt.Errorf("the collector refused %d of them: %q", n, reason)
	}
	return 0, nil
}

// retryAfter reads the header of that name. Of one with a moment in it nothing
// is known but that it is to be waited.
func retryAfter(text string) time.Duration {
	s, err := strconv.Atoi(text)
	if err != nil || s < 0 || s > int(retryTime/time.Second) {
		return 0
	}
	return time.Duration(s) * time.Second
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // memory takes everything
	_ = z.Close()
	return out.Bytes()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
