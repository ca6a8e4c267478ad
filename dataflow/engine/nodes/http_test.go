package nodes_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// service answers with what it was asked, and misbehaves on request.
func service(t *testing.T) (*httptest.Server, *[]string) {
	var keys []string
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		fmt.Fprintf(w, `{"method":%q,"query":%q,"body":%q,"type":%q,"auth":%q}`, r.Method, r.URL.RawQuery, body, r.Header.Get("Content-Type"), r.Header.Get("Authorization"))
	})
	mux.HandleFunc("/missing", http.NotFound)
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range 11 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Name", "caf\xe9")
		_, _ = w.Write([]byte{0xff, 0xfe})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s, &keys
}

func TestHTTPRequestNode(t *testing.T) {
	s, keys := service(t)
	for _, test := range []struct {
		name   string
		config *dataflow.Object
		output string
		want   string
	}{
		{"get", ft.Obj("url", s.URL+"/echo?a=1", "query", ft.Obj("b", ft.List("x y", 2), "c", true), "headers", ft.Obj("Authorization", "Bearer s")),
			"${c.json}", `{"method":"GET","query":"a=1&b=x+y&b=2&c=true","body":"","type":"","auth":"Bearer s"}`},
		{"json", ft.Obj("url", s.URL+"/echo", "method", "POST", "json", ft.Obj("n", 1)),
			"${c.json}", `{"method":"POST","query":"","body":"{\"n\":1}","type":"application/json","auth":""}`},
		{"text", ft.Obj("url", s.URL+"/echo", "method", "PUT", "body", "hi"),
			"${c.json}", `{"method":"PUT","query":"","body":"hi","type":"text/plain; charset=utf-8","auth":""}`},
		{"headers", ft.Obj("url", s.URL+"/echo"), "${c.headers.x-two}", `"a, b"`},
		{"status", ft.Obj("url", s.URL+"/missing", "expect", ft.List(200, 404)), "${c.status}", "404"},
		{"redirect", ft.Obj("url", s.URL+"/moved"), "${c.json.method}", `"GET"`},
		{"no text", ft.Obj("url", s.URL+"/bytes"), "${c.body}", "null"},
		{"bytes", ft.Obj("url", s.URL+"/bytes"), "${c.bytes}", `"//4="`},
		{"no bytes beside a text", ft.Obj("url", s.URL+"/echo"), "${c.bytes}", "null"},
		{"no bytes where there is nothing", ft.Obj("url", s.URL+"/bytes", "method", "HEAD"), "${c.bytes}", "null"},
		{"a header in Latin-1", ft.Obj("url", s.URL+"/bytes"), "${c.headers.x-name}", `"café"`},
		{"no json", ft.Obj("url", s.URL+"/missing", "expect", ft.List(404)), "${c.json}", "null"},
	} {
		out, err := run(t, nil, ft.Node("HTTPRequestNode", "c", test.config), ft.Output{V: test.output})
		if err != nil || out != test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, out, err, test.want)
		}
	}
	for i, key := range *keys {
		if post := i == 1 || i == 2; post != (strings.HasSuffix(key, "/c") && len(key) == 38) {
			t.Errorf("request %d has the Idempotency-Key %q", i, key)
		}
	}
}

func TestHTTPRequestNodeFails(t *testing.T) {
	s, _ := service(t)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, test := range []struct {
		name    string
		config  *dataflow.Object
		code    string
		message string
	}{
		{"another status", ft.Obj("url", s.URL+"/missing?token=secret"), "upstream", "GET " + host + ": answered 404 Not Found"},
		{"a status that was not expected", ft.Obj("url", s.URL+"/echo", "expect", ft.List(201)), "upstream", "GET " + host + ": answered 200 OK"},
		{"too large", ft.Obj("url", s.URL+"/large"), "upstream", "GET " + host + ": the response is larger than 10 MiB"},
		{"a loop of redirects", ft.Obj("url", s.URL+"/loop"), "upstream", "GET " + host + ": the call failed"},
		{"a redirect to a file", ft.Obj("url", s.URL+"/away"), "upstream", "GET " + host + ": the call failed"},
		{"too slow", ft.Obj("url", s.URL+"/slow?token=secret", "timeout", 1), "timeout", host + " took longer than 1ms"},
		{"too slow in words", ft.Obj("url", s.URL+"/slow", "timeout", "1ms"), "timeout", host + " took longer than 1ms"},
		{"a time that is none", ft.Obj("url", s.URL+"/echo", "timeout", "${input.bad}"), "invalid", "the input has a problem"},
		{"nobody there", ft.Obj("url", "http://127.0.0.1:1/x?token=secret"), "upstream", "GET 127.0.0.1:1: the call failed"},
		{"a header that splits", ft.Obj("url", s.URL+"/echo", "headers", ft.Obj("X-A", "${input.bad}")), "invalid", "the input has a problem"},
		{"a scheme from the input", ft.Obj("url", "${input.url}"), "invalid", "the input has a problem"},
	} {
		_, err := run(t, ft.Obj("bad", "a\r\nX-B: b", "url", "file:///etc/passwd"), ft.In("bad", dataflow.String), ft.In("url", dataflow.String),
			ft.Node("HTTPRequestNode", "c", test.config))
		if err == nil || err.Code != test.code || err.Message != test.message || err.Node != "c" {
			t.Errorf("%s: %+v", test.name, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the url: %v", test.name, err)
		}
	}
}

func TestARedirectToAnotherHostCarriesNoCredentials(t *testing.T) {
	var got http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	if _, err := run(t, nil, ft.Node("HTTPRequestNode", "c", ft.Obj("url", s.URL, "method", "POST", "json", 1,
		"headers", ft.Obj("X-Api-Key", "secret", "Cookie", "secret")))); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Api-Key") != "" || got.Get("Cookie") != "" || got.Get("Content-Type") != "application/json" {
		t.Errorf("the other host got %v", got)
	}
}

func TestHTTPRequestNodeIsTriedAgainWithTheSameKey(t *testing.T) {
	var keys []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	var log strings.Builder
	e := newEngine(t, engine.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		ft.Workflow("w", ft.Node("HTTPRequestNode", "c", ft.Obj("url", s.URL+"?token=secret", "method", "POST", "headers", ft.Obj("Authorization", "secret")), ft.Retry(2))))
	res, err := e.Run(context.Background(), engine.Request{Workflow: "w"})
	if err != nil {
		t.Fatal(err)
	}
	want := res.RunID + "/c"
	if len(keys) != 3 || keys[0] != want || keys[1] != want || keys[2] != want {
		t.Errorf("keys are %q, want %q three times", keys, want)
	}
	if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "http request") {
		t.Errorf("the log is %s", log.String())
	}
	if out := codec.AppendValue(nil, res.Outputs); !strings.Contains(string(out), `"status":200`) {
		t.Errorf("outputs are %s", out)
	}
}
