package trial

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// fakes answers the calls that an app makes over HTTP. Nothing goes out.
type fakes struct {
	mu         sync.Mutex
	answers    []*fake
	calls      []any
	unanswered []string
}

// fake is an answer that was declared.
type fake struct {
	url, method string
	status      int
	headers     http.Header
	body        []byte
	breaks      bool
	times       int // 0: as often as it is asked for
	given       int
}

// maxBody bounds what is kept of a call's body.
const maxBody = 10 << 20

// maxDepth bounds how deep the JSON of one may be nested.
const maxDepth = 100

// MockHTTP declares an answer: url, and if need be method, status, json or
// body, headers, fails, times.
func (f *fakes) MockHTTP(o *dataflow.Object) error {
	a := &fake{status: 200, headers: http.Header{}}
	a.url, _ = text(o, "url")
	if u, err := url.Parse(strings.TrimSuffix(a.url, "*")); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("t.mock_http: %q is no URL of http or https", a.url)
	}
	if m, ok := text(o, "method"); ok {
		a.method = strings.ToUpper(m)
	}
	if n, ok := number(o, "status"); ok {
		if n < 200 || n > 599 {
			return fmt.Errorf("t.mock_http: a status is between 200 and 599, not %d", n)
		}
		a.status = int(n)
	}
	if n, ok := number(o, "times"); ok {
		if n < 1 {
			return fmt.Errorf("t.mock_http: times is 1 or more, not %d", n)
		}
		a.times = int(n)
	}
	if v, ok := o.Get("fails"); ok {
		a.breaks, _ = v.(bool)
	}
	if s, ok := text(o, "body"); ok {
		a.body = []byte(s)
	}
	if v, ok := o.Get("json"); ok {
		if a.body != nil {
			return errors.New("t.mock_http: give json or body, not both")
		}
		a.body = codec.AppendValue(nil, v)
		a.headers.Set("Content-Type", "application/json")
	}
	if v, ok := o.Get("headers"); ok {
		headers, ok := v.(*dataflow.Object)
		if !ok {
			return errors.New("t.mock_http: headers is a dict")
		}
		for name, v := range headers.All {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("t.mock_http: the header %s is a string", name)
			}
			a.headers.Set(name, s)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, a)
	return nil
}

func text(o *dataflow.Object, name string) (string, bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	return s, ok
}

func number(o *dataflow.Object, name string) (int64, bool) {
	v, _ := o.Get(name)
	n, ok := v.(int64)
	return n, ok
}

// HTTPCalls are the calls so far, in order.
func (f *fakes) HTTPCalls() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// RoundTrip implements http.RoundTripper.
func (f *fakes) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(req.Body, maxBody)); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, callOf(req, body))
	for _, a := range slices.Backward(f.answers) { // the last that was declared goes first
		if a.fits(req) {
			a.given++
			return a.response(req)
		}
	}
	what := req.Method + " " + req.URL.String()
	f.unanswered = append(f.unanswered, what)
	return nil, fmt.Errorf("no answer to %s is declared: write t.mock_http", what)
}

// callOf is a call as a test sees it.
func callOf(req *http.Request, body []byte) *dataflow.Object {
	headers := dataflow.NewObject()
	for name, values := range req.Header {
		headers.Set(strings.ToLower(name), strings.Join(values, ", "))
	}
	var decoded any
	if v, problems := codec.ParseJSON(body, maxDepth); len(body) > 0 && len(problems) == 0 {
		decoded = v
	}
	return dataflow.ObjectOf("method", req.Method, "url", req.URL.String(), "headers", headers, "body", string(body), "json", decoded)
}

func (a *fake) fits(req *http.Request) bool {
	if a.method != "" && a.method != req.Method || a.times > 0 && a.given >= a.times {
		return false
	}
	at := req.URL.String()
	if prefix, ok := strings.CutSuffix(a.url, "*"); ok {
		return strings.HasPrefix(at, prefix)
	}
	if !strings.Contains(a.url, "?") {
		at, _, _ = strings.Cut(at, "?")
	}
	return at == a.url
}

func (a *fake) response(req *http.Request) (*http.Response, error) {
	if a.breaks {
		return nil, errors.New("the connection broke, as the test says")
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.headers.Clone(),
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

// problems are calls without an answer, and answers that were to be given.
func (f *fakes) problems() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, what := range slices.Compact(slices.Clone(f.unanswered)) {
		out = append(out, "a call has no answer: "+what)
	}
	for _, a := range f.answers {
		if a.times > 0 && a.given < a.times {
			out = append(out, fmt.Sprintf("%s was called %d times, not %d", a.url, a.given, a.times))
		}
	}
	return out
}
