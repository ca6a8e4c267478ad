package nexus_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/observe"
)

// discard is a ResponseWriter that costs nothing itself.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             { clear(d.header) }

// Requests without a network: what the layers above net/http cost, store
// included.
func BenchmarkREST(b *testing.B) {
	gen, ds := nexus.Build(b.Context(), apptest.Shop("sqlite:"+filepath.Join(b.TempDir(), "shop.db")), nexus.Options{})
	if gen == nil {
		b.Fatal(diagnostics(ds))
	}
	defer gen.Close()
	api := gen.API()
	for i := range 20 {
		send(api, "POST", "/api/customers", fmt.Sprintf(`{"email":"c%d@example.org","name":"Customer"}`, i))
	}
	b.Run("get", func(b *testing.B) { repeat(b, api, "GET", "/api/customers/7", func(int) string { return "" }) })
	b.Run("list20", func(b *testing.B) { repeat(b, api, "GET", "/api/customers?limit=20", func(int) string { return "" }) })
	b.Run("filter", func(b *testing.B) {
		repeat(b, api, "GET", "/api/customers?email=c7@example.org", func(int) string { return "" })
	})
	n := 0
	b.Run("create", func(b *testing.B) {
		repeat(b, api, "POST", "/api/customers", func(int) string {
			n++
			return fmt.Sprintf(`{"email":"n%d@example.org","name":"Customer"}`, n)
		})
	})
	b.Run("live", func(b *testing.B) { repeat(b, api, "GET", "/health/live", func(int) string { return "" }) })
}

// Rows with a document and a list, which are looked at before they are sent: any
// program can have written them.
func BenchmarkDocuments(b *testing.B) {
	app := apptest.Shop("sqlite:" + filepath.Join(b.TempDir(), "shop.db"))
	m := apptest.Model(app.Databases[0], "Article", "articles", nil, apptest.Field("name", dataflow.String), apptest.Field("attributes", dataflow.JSON),
		apptest.Field("tags", &dataflow.Type{Kind: dataflow.KindList, Elem: dataflow.String}))
	app.Exposures = append(app.Exposures, apptest.Expose(m))
	gen, ds := nexus.Build(b.Context(), app, nexus.Options{})
	if gen == nil {
		b.Fatal(diagnostics(ds))
	}
	defer gen.Close()
	api := gen.API()
	for range 50 {
		send(api, "POST", "/api/articles", `{"name":"Article","tags":["new","sale","garden"],"attributes":{"color":"red","sizes":[1,2,3.5],"maker":{"name":"Ada & Co","country":"GB"},"note":"a text of some length that has nothing to escape"}}`)
	}
	b.Run("get", func(b *testing.B) { repeat(b, api, "GET", "/api/articles/7", func(int) string { return "" }) })
	b.Run("list50", func(b *testing.B) { repeat(b, api, "GET", "/api/articles?limit=50", func(int) string { return "" }) })
}

// A request among 1,000 models costs what it costs among 10.
func BenchmarkModels(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			app := apptest.Shop("sqlite:" + filepath.Join(b.TempDir(), "shop.db"))
			for i := range n {
				m := apptest.Model(app.Databases[0], fmt.Sprintf("M%d", i), fmt.Sprintf("m%d", i), nil, apptest.Field("name", dataflow.String))
				app.Exposures = append(app.Exposures, apptest.Expose(m))
			}
			gen, ds := nexus.Build(b.Context(), app, nexus.Options{})
			if gen == nil {
				b.Fatal(diagnostics(ds))
			}
			defer gen.Close()
			repeat(b, gen.API(), "GET", fmt.Sprintf("/api/m%d", n-1), func(int) string { return "" })
		})
	}
}

func request(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.RemoteAddr = "127.0.0.1:5000"
	return r
}

func send(h http.Handler, method, path, body string) {
	h.ServeHTTP(&discard{http.Header{}}, request(method, path, body))
}

func repeat(b *testing.B, h http.Handler, method, path string, body func(i int) string) {
	r := request(method, path, body(0))
	w := &discard{http.Header{}}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if method == http.MethodPost {
			text := body(i)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
		h.ServeHTTP(w, r)
	}
}

// What it costs a get that it is counted, limited and logged.
func BenchmarkObserved(b *testing.B) {
	for _, o := range []struct {
		name                string
		limit, metrics, log bool
	}{
		{"nothing", false, false, false}, {"limit", true, false, false}, {"metrics", false, true, false}, {"log", false, false, true}, {"all", true, true, true},
	} {
		b.Run(o.name, func(b *testing.B) {
			app := apptest.Shop("sqlite:" + filepath.Join(b.TempDir(), "shop.db"))
			app.Server.Monitoring = o.metrics
			if o.limit {
				app.Server.Limits = []dataflow.Limit{{Policy: "address", Scope: dataflow.LimitAddress, Count: 1e9, Per: time.Minute, Burst: 1e9}}
			}
			lines := observe.NewLines(io.Discard)
			defer lines.Close()
			log := slog.New(observe.Log(observe.NewTextHandler(lines.Patient(), slog.LevelInfo)))
			gen, ds := nexus.Build(b.Context(), app, nexus.Options{AccessLog: o.log, AccessLogger: log})
			if gen == nil {
				b.Fatal(diagnostics(ds))
			}
			defer gen.Close()
			send(gen.API(), "POST", "/api/customers", `{"email":"c@example.org","name":"Customer"}`)
			repeat(b, gen.API(), "GET", "/api/customers/1", func(int) string { return "" })
		})
	}
}
