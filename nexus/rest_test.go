package nexus_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/google/go-cmp/cmp"
)

// server is a built app and its log.
type server struct {
	t   *testing.T
	gen *nexus.Generation
	api http.Handler
	log *bytes.Buffer
}

func newServer(t *testing.T, change func(app *dataflow.App)) *server {
	t.Helper()
	app := apptest.Shop("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
	if change != nil {
		change(app)
	}
	s := &server{t: t, log: &bytes.Buffer{}}
	gen, ds := nexus.Build(t.Context(), app, nexus.Options{
		Now: apptest.Clock(), NewID: apptest.IDs(),
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	for _, d := range ds {
		t.Errorf("%s %s: %s", d.Code, d.Span, d.Message)
	}
	if gen == nil {
		t.FailNow()
	}
	t.Cleanup(func() {
		if err := gen.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	s.gen, s.api = gen, gen.API()
	return s
}

// ask sends a request, written as a method, a path, headers and a body on
// lines of their own, and returns the whole answer in the same form.
func (s *server) ask(request string) string {
	s.t.Helper()
	return render(s.do(request))
}

func (s *server) do(request string) *http.Response {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, parseRequest(s.t, request))
	return w.Result()
}

func parseRequest(t *testing.T, request string) *http.Request {
	t.Helper()
	head, body, hasBody := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("no method and path in %q", lines[0])
	}
	var r *http.Request
	if hasBody {
		r = httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	} else {
		r = httptest.NewRequest(method, path, nil)
	}
	r.Header.Set("X-Request-ID", "r1")
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("no header in %q", line)
		}
		if value == "-" {
			r.Header.Del(name)
		} else {
			r.Header.Add(name, value)
		}
	}
	return r
}

// everywhere are headers that every answer has; the table leaves them out.
var everywhere = map[string]string{"X-Content-Type-Options": "nosniff", "X-Request-Id": "r1",
	"Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}

func render(res *http.Response) string {
	body, _ := io.ReadAll(res.Body)
	var b strings.Builder
	fmt.Fprintf(&b, "%d", res.StatusCode)
	var names []string
	for name := range res.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(res.Header[name], " | ")
		switch {
		case everywhere[name] == value && value != "":
		case name == "Content-Length" && value == fmt.Sprint(len(body)):
		default:
			fmt.Fprintf(&b, "\n%s: %s", name, value)
		}
	}
	for name := range everywhere {
		if res.Header.Get(name) != everywhere[name] {
			fmt.Fprintf(&b, "\n!%s: %s", name, res.Header.Get(name))
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n\n%s", body)
	}
	return b.String()
}

// TestREST sends the requests of each file in testdata/rest to a new server, in
// order, and compares the whole answers. A file holds, for each request, a line
// "== name", the request, a line "--", and the answer. go test -update writes
// the answers; read them before they are committed.
func TestREST(t *testing.T) {
	files, err := filepath.Glob("testdata/rest/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := newServer(t, nil)
			var updated strings.Builder
			for _, e := range readExchanges(t, file) {
				got := strings.TrimRight(s.ask(e.request), "\n") // an event ends with an empty line
				for _, m := range codes.FindAllStringSubmatch(got, -1) {
					if !slices.ContainsFunc(dataflow.ErrorCodes(), func(c dataflow.ErrorCodeInfo) bool { return c.Code == m[1] }) {
						t.Errorf("%s: %s has no row in ErrorCodes", e.name, m[1])
					}
				}
				fmt.Fprintf(&updated, "== %s\n%s\n--\n%s\n\n", e.name, e.request, got)
				if diff := cmp.Diff(e.want, got); diff != "" && !*update {
					t.Errorf("%s:\n%s\n(-want +got)\n%s", e.name, e.request, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(updated.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// codes finds the codes of problems.
var codes = regexp.MustCompile(`"code":"(\w+)"[,}]`)

var update = flag.Bool("update", false, "write the answers of testdata/rest")

// exchange is a request and the answer it must have.
type exchange struct{ name, request, want string }

func readExchanges(t *testing.T, file string) []exchange {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	for part := range strings.SplitSeq("\n"+string(text), "\n== ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, rest, _ := strings.Cut(part, "\n")
		request, want, ok := strings.Cut(rest, "\n--\n")
		if !ok && !*update {
			t.Fatalf("%s: %s has no answer", file, name)
		}
		all = append(all, exchange{name, strings.Trim(request, "\n"), strings.TrimRight(want, "\n")})
	}
	return all
}

// run compares whole answers that are written beside their requests.
func (s *server) run(exchanges []exchange) {
	s.t.Helper()
	for _, e := range exchanges {
		if diff := cmp.Diff(e.want, s.ask(e.request)); diff != "" {
			s.t.Errorf("%s:\n%s\n(-want +got)\n%s", e.name, e.request, diff)
		}
	}
}

// A field may have the name that a parameter of lists has elsewhere. What is
// wrong with its value is then not that it is no parameter.
func TestAFieldOfAParametersNameElsewhereIsAField(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		m := apptest.Model(app.Databases[0], "Shirt", "shirts", nil,
			apptest.Field("size", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"small", "large"}}), apptest.Field("top", dataflow.Int))
		app.Exposures = append(app.Exposures, apptest.Expose(m))
	})
	got := s.ask("GET /api/shirts?size=lrge&top=gt.3&first=4")
	for _, want := range []string{
		`"pointer":"/size","detail":"\"lrge\" is not one of \"small\", \"large\"","hint":"did you mean \"large\"?"`,
		`"pointer":"/top","detail":"must be a whole number, not \"gt.3\"","hint":"write top[$gt]=3"`,
		`"pointer":"/first","detail":"there is no parameter or field \"first\"","hint":"limit=… is the length of a page"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout\n%s", got, want)
		}
	}
}
