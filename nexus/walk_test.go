package nexus_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/rest"
)

// paths are where each route is found in the shop: of one that others match too,
// also where it is not meant.
func paths(pattern string) []string {
	at := []string{pattern}
	for _, variable := range []struct {
		name   string
		values []string
	}{
		{"{model}", []string{"customers", "orders", "products", "invoices", "nothing"}}, {"{id}", []string{"1", "a", "99", "count", "bulk_delete", "import"}},
		{"{name}", []string{"place_order", "approve", "nothing"}}, {"{action}", []string{"signal", "cancel", "retry", "nothing"}}, {"{file}", []string{"docs.css", "nothing"}},
	} {
		var next []string
		for _, p := range at {
			if !strings.Contains(p, variable.name) {
				next = append(next, p)
				continue
			}
			for _, v := range variable.values {
				next = append(next, strings.Replace(p, variable.name, v, 1))
			}
		}
		at = next
	}
	return at
}

// Whatever the method, and whatever a client says that it takes and sends, each
// route answers in the words of HTTP, and as it says that it does.
func TestEveryRouteKeepsToHTTP(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.Monitoring = true })
	s.do("POST /api/customers\n\n" + `{"email":"ada@example.org","name":"Ada"}`)
	s.do("POST /api/orders\n\n" + `{"customer":1,"total":"1"}`)
	s.do("POST /api/products\n\n" + `{"id":"a","name":"A","stock":1}`)
	all := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "get"}
	const tenant = "\nX-Tenant-ID: t"
	seen := map[string]int{}
	for _, rt := range rest.Routes() {
		for _, path := range paths(rt.Pattern) {
			options := s.do("OPTIONS " + path + tenant)
			allowed := strings.Split(options.Header.Get("Allow"), ", ")
			if options.StatusCode != http.StatusNoContent && options.StatusCode != http.StatusNotFound {
				t.Errorf("OPTIONS %s: %s", path, render(options))
				continue
			}
			seen[rt.Pattern]++
			for _, method := range all {
				res := s.do(method + " " + path + tenant)
				body, _ := io.ReadAll(res.Body)
				told := fmt.Sprintf("%s %s: %d %v %s", method, path, res.StatusCode, res.Header, body)
				switch {
				case res.StatusCode >= 500:
					t.Error(told)
				case options.StatusCode == http.StatusNotFound:
					if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
						t.Error(told + ", though OPTIONS says that nothing is there")
					}
				case slices.Contains(allowed, method) != (res.StatusCode != http.StatusMethodNotAllowed) && !operationOf(path, method):
					t.Errorf("%s, though OPTIONS allows %v", told, allowed)
				case res.StatusCode == http.StatusMethodNotAllowed && res.Header.Get("Allow") == "":
					t.Error(told + ", without Allow")
				}
				if res.StatusCode >= 400 && method != "HEAD" && res.Header.Get("Content-Type") != "application/problem+json" {
					t.Error(told + " is no problem")
				}
			}
			if slices.Contains(allowed, "GET") {
				s.headIsGet(path + tenant)
			}
			s.refusesMedia(path+tenant, allowed)
		}
	}
	for _, rt := range rest.Routes() {
		if seen[rt.Pattern] == 0 {
			t.Errorf("%s was not walked", rt.Pattern)
		}
	}
}

// operationOf reports whether a path is that of a row or of an operation by what
// is done at it: a POST to a row's path is one to an operation that there is not.
func operationOf(path, method string) bool {
	return strings.HasPrefix(path, "/api/") && strings.Count(path, "/") == 3 && (method == "POST" || method != "OPTIONS")
}

// headIsGet holds HEAD to what GET says.
func (s *server) headIsGet(path string) {
	s.t.Helper()
	if strings.Contains(path, "/events") || strings.HasPrefix(path, "/metrics") { // what has no end, and what counts itself
		return
	}
	get, head := s.do("GET "+path), s.do("HEAD "+path)
	body, _ := io.ReadAll(head.Body)
	if get.StatusCode != head.StatusCode || len(body) > 0 {
		s.t.Errorf("HEAD %s: %d with %d bytes, GET %d", path, head.StatusCode, len(body), get.StatusCode)
	}
	for name := range get.Header {
		if a, b := get.Header[name], head.Header[name]; !slices.Equal(a, b) {
			s.t.Errorf("HEAD %s: %s is %q, of GET %q", path, name, b, a)
		}
	}
}

// refusesMedia asks for what nobody has, and sends what nobody takes.
func (s *server) refusesMedia(path string, allowed []string) {
	s.t.Helper()
	if slices.Contains(allowed, "GET") && !strings.HasPrefix(path, "/docs") {
		if res := s.do("GET " + path + "\nAccept: image/png"); res.StatusCode != http.StatusNotAcceptable {
			s.t.Errorf("Accept: image/png %s: %s", path, render(res))
		}
		for _, accept := range []string{"*/*", "image/png, */*;q=0.1", "application/*", "application/problem+json"} {
			if strings.Contains(path, "/events") { // which have no end
				continue
			}
			if res := s.do("GET " + path + "\nAccept: " + accept); res.StatusCode == http.StatusNotAcceptable {
				s.t.Errorf("Accept: %s %s: %s", accept, path, render(res))
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		if !slices.Contains(allowed, method) {
			continue
		}
		match := "\nIf-Match: *"
		if method == "POST" {
			match = ""
		}
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin1", "-"} {
			res := s.do(method + " " + path + match + "\nContent-Type: -\nContent-Type: " + media + "\n\n{}")
			if res.StatusCode != http.StatusUnsupportedMediaType && res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusPreconditionFailed {
				s.t.Errorf("%s %s with %q: %s", method, path, media, render(res))
			}
			if res.StatusCode == http.StatusUnsupportedMediaType && res.Header.Get("Accept-Post") == "" {
				s.t.Errorf("%s %s with %q: it does not say what is taken: %s", method, path, media, render(res))
			}
		}
		res := s.do(method + " " + path + match + "\nContent-Encoding: br\n\n{}")
		if res.StatusCode != http.StatusUnsupportedMediaType && res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusPreconditionFailed {
			s.t.Errorf("%s %s, Content-Encoding: br: %s", method, path, render(res))
		}
	}
}
