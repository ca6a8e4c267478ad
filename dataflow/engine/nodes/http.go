package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// httpRequest calls a service over HTTP.
type httpRequest struct {
	spec  *dataflow.NodeSpec
	hosts *hosts
}

// Limits of a call.
const (
	maxResponse    = 10 << 20
	maxRedirects   = 5
	defaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
)

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func newHTTPRequest() *httpRequest {
	object := &dataflow.Type{Kind: dataflow.KindObject}
	return &httpRequest{hosts: newHosts(), spec: &dataflow.NodeSpec{
		Name: "HTTPRequestNode",
		Doc: "Calls a service over HTTP. It runs before the transaction is opened if it depends on no data of it. " +
			"A status other than 2xx fails the node with the code `upstream`, unless `expect` lists it. " +
			"Every method but GET, HEAD and OPTIONS carries an Idempotency-Key that is the same when the call is tried again. " +
			"A response has at most 10 MiB; up to 5 redirects are followed. " +
			"At most 64 calls to one host are under way at a time, and 448 wait. A host that has not answered ten calls in a row is left alone for a second, and up to 30 if it stays silent: calls to it then fail at once.",
		Params: []*dataflow.Field{
			{Name: "url", Type: dataflow.String, Doc: "http or https"},
			{Name: "method", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: methods}, Default: "GET", HasDefault: true},
			{Name: "headers", Type: object, Optional: true, Doc: "texts by name"},
			{Name: "query", Type: object, Optional: true, Doc: "added to the url: texts, numbers, bools, or lists of them"},
			{Name: "json", Type: dataflow.JSON, Optional: true, Doc: "the body, sent as JSON"},
			{Name: "body", Type: dataflow.Any, Optional: true, Doc: "the body as it is: str or bytes"},
			{Name: "timeout", Type: dataflow.Any, Optional: true, Doc: "of the whole call, written out: `\"10s\"`, or milliseconds; 10 minutes at most, 30 seconds if left out"},
			{Name: "expect", Type: dataflow.ListOf(dataflow.Int), Optional: true, Doc: "the statuses that are no failure, instead of 2xx"},
		},
		Effect: dataflow.EffectOutside,
		Unkept: "headers",
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "status", Type: dataflow.Int},
			&dataflow.Field{Name: "headers", Type: object, Doc: "by lower-case name; several values are joined with a comma"},
			&dataflow.Field{Name: "body", Type: dataflow.String, Optional: true, Doc: "null if it is no text of UTF-8: then it is in `bytes`"},
			&dataflow.Field{Name: "json", Type: dataflow.Any, Optional: true, Doc: "the body decoded, if it is JSON"},
			&dataflow.Field{Name: "bytes", Type: &dataflow.Type{Kind: dataflow.KindBytes}, Optional: true, Doc: "the body as it came, if it is no text of UTF-8"},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *httpRequest) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *httpRequest) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	if s, ok := stringOf(node.Config, "url"); ok {
		if _, err := parseURL(s); err != nil {
			ds = append(ds, problem("FC344", node, "/url", err.Error(), `write "https://example.com/path"`))
		}
	}
	if v, _ := node.Config.Get("timeout"); v != nil && !dynamic(v) && !isCallTime(v) {
		ds = append(ds, problem("FC344", node, "/timeout", "timeout is a duration of more than 0, and 10 minutes at most", `write "timeout": "10s"`))
	}
	if node.Config.Has("json") && node.Config.Has("body") {
		ds = append(ds, problem("FC344", node, "/body", "json and body are both given", "keep one of them"))
	}
	if v, ok := node.Config.Get("headers"); ok {
		if headers, ok := v.(*dataflow.Object); ok {
			for name := range headers.All {
				if !validHeaderName(name) {
					ds = append(ds, problem("FC344", node, "/headers/"+name, fmt.Sprintf("%q can't be the name of a header", name), ""))
				}
			}
		}
	}
	return ds
}

// isCallTime reports whether a call may take so long.
func isCallTime(v any) bool {
	d, ok := ttlOf(v)
	return ok && d <= maxTimeout
}

func stringOf(o *dataflow.Object, name string) (string, bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	return s, ok
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("the url can't be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the url is neither http nor https")
	case u.Hostname() == "":
		return nil, errors.New("the url names no host")
	}
	return u, nil
}

func validHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// Run implements engine.NodeType.
func (t *httpRequest) Run(ctx context.Context, call *engine.Call) (any, error) {
	limit := defaultTimeout
	if v, ok := call.Config.Get("timeout"); ok && v != nil {
		if !isCallTime(v) {
			return nil, invalid("/timeout", `must be a duration of more than 0, as "10s", or milliseconds, and 10 minutes at most`)
		}
		limit, _ = ttlOf(v)
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := newRequest(timed, call)
	if err != nil {
		return nil, err
	}
	leave, err := t.hosts.enter(timed, req.URL.Host, call.Runtime.Now)
	if err != nil {
		if timed.Err() != nil {
			return nil, callError(ctx, timed, req, limit, err)
		}
		return nil, err
	}
	went := silent
	defer func() {
		if ctx.Err() != nil && went == silent {
			went = left
		}
		leave(went)
	}()
	client := *call.Runtime.HTTPClient()
	client.CheckRedirect = checkRedirect
	start := call.Runtime.Now()
	resp, err := client.Do(req)
	if err != nil {
		return nil, callError(ctx, timed, req, limit, err)
	}
	went = answered
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, callError(ctx, timed, req, limit, err)
	}
	// Neither query nor headers: they may hold credentials.
	call.Runtime.Logger().Debug("http request", "method", req.Method, "host", req.URL.Host,
		"status", resp.StatusCode, "duration", call.Runtime.Now().Sub(start))
	if len(body) > maxResponse {
		return nil, upstream(req, "the response is larger than 10 MiB", nil)
	}
	if err := checkStatus(call.Config, req, resp); err != nil {
		return nil, err
	}
	return result(resp, body), nil
}

func newRequest(ctx context.Context, call *engine.Call) (*http.Request, error) {
	s, _ := stringOf(call.Config, "url")
	u, err := parseURL(s)
	if err != nil {
		return nil, invalid("/url", err.Error())
	}
	if err := addQuery(u, call.Config); err != nil {
		return nil, err
	}
	body, contentType, err := bodyOf(call.Config)
	if err != nil {
		return nil, err
	}
	method, _ := stringOf(call.Config, "method")
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, invalid("/url", "the request can't be made of it")
	}
	if body == nil {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "flowctl")
	if !slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, method) {
		req.Header.Set("Idempotency-Key", call.Key)
	}
	return req, addHeaders(req, call.Config)
}

func invalid(pointer, detail string) error {
	return dataflow.Invalid(dataflow.Problem{Code: "format", Pointer: pointer, Detail: detail})
}

func addQuery(u *url.URL, config *dataflow.Object) error {
	v, _ := config.Get("query")
	params, _ := v.(*dataflow.Object)
	if params == nil {
		return nil
	}
	q := u.Query()
	for name, v := range params.All {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, item := range list {
			s, ok := plain(item)
			if !ok {
				return invalid("/query/"+name, "wants a text, a number, a bool, or a list of them")
			}
			q.Add(name, s)
		}
	}
	u.RawQuery = q.Encode()
	return nil
}

// plain writes a simple value as text.
func plain(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, []any, *dataflow.Object, dataflow.RawJSON:
		return "", false
	default:
		return strings.Trim(string(codec.AppendValue(nil, v)), `"`), true
	}
}

func bodyOf(config *dataflow.Object) (body []byte, contentType string, err error) {
	if v, ok := config.Get("json"); ok {
		return codec.AppendValue(nil, v), "application/json", nil
	}
	switch v, _ := config.Get("body"); v := v.(type) {
	case nil:
		return nil, "", nil
	case string:
		return []byte(v), "text/plain; charset=utf-8", nil
	case []byte:
		return v, "application/octet-stream", nil
	}
	return nil, "", invalid("/body", "wants a text or bytes; an object is sent with json")
}

func addHeaders(req *http.Request, config *dataflow.Object) error {
	v, _ := config.Get("headers")
	headers, _ := v.(*dataflow.Object)
	if headers == nil {
		return nil
	}
	for name, v := range headers.All {
		s, ok := plain(v)
		if !ok || !validHeaderName(name) || strings.ContainsAny(s, "\r\n\x00") {
			return invalid("/headers/"+name, "can't be sent as a header")
		}
		if strings.EqualFold(name, "Host") {
			req.Host = s
			continue
		}
		req.Header.Set(name, s)
	}
	return nil
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return errors.New("a redirect away from http")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme == "http" {
		return errors.New("a redirect from https to http")
	}
	if req.URL.Host != via[0].URL.Host {
		// Any header may hold a credential, not only those net/http knows.
		kept := http.Header{"User-Agent": {"flowctl"}}
		if t := req.Header.Get("Content-Type"); t != "" {
			kept.Set("Content-Type", t)
		}
		req.Header = kept
	}
	return nil
}

// callError says what went wrong with a call without repeating its url, which
// may hold credentials.
func callError(ctx, timed context.Context, req *http.Request, limit time.Duration, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the node's or the run's time, or its caller, which the engine words
	}
	if timed.Err() != nil {
		return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout,
			Message: fmt.Sprintf("%s took longer than %s", req.URL.Host, limit)}
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return upstream(req, "the call failed", err)
}

func upstream(req *http.Request, what string, cause error) *dataflow.Error {
	return &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream,
		Message: fmt.Sprintf("%s %s: %s", req.Method, req.URL.Host, what), Err: cause}
}

func checkStatus(config *dataflow.Object, req *http.Request, resp *http.Response) error {
	if v, ok := config.Get("expect"); ok && v != nil {
		if slices.Contains(v.([]any), any(int64(resp.StatusCode))) {
			return nil
		}
	} else if resp.StatusCode/100 == 2 {
		return nil
	}
	return upstream(req, fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), nil)
}

func result(resp *http.Response, body []byte) *dataflow.Object {
	headers := dataflow.NewObject()
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		headers.Set(strings.ToLower(name), headerText(strings.Join(resp.Header[name], ", ")))
	}
	var text, decoded, raw any
	if utf8.Valid(body) {
		text = string(body)
	} else {
		raw = body
	}
	if isJSON(resp.Header.Get("Content-Type")) && len(body) > 0 {
		if v, problems := codec.ParseJSON(body, codec.MaxDepth); len(problems) == 0 {
			decoded = v
		}
	}
	return dataflow.ObjectOf("status", int64(resp.StatusCode), "headers", headers, "body", text, "json", decoded, "bytes", raw)
}

// headerText is the value of a header as text. What is no UTF-8 is taken for ISO
// 8859-1, which such values used to be (RFC 9110, 5.5), so that none of its bytes
// is lost.
func headerText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func isJSON(contentType string) bool {
	mt, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mt == "application/json" || strings.HasSuffix(mt, "+json"))
}
