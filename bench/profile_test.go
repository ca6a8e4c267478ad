package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/bench/handwritten/orders"
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// The benchmarks below run the runtime inside the test's process, for
// profiles: go test ./bench -run none -bench Load/1000 -cpuprofile cpu.out
// What users meet is measured from outside, by go run ./bench.

func loadApp(b *testing.B, text, database string) *dataflow.App {
	b.Helper()
	app, diags := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS:      fstest.MapFS{"app.star": {Data: []byte(text)}},
		Modules: stdlib.Modules(),
		Env:     func(name string) (string, bool) { return "sqlite:" + database, name == "DATABASE_URL" },
	})
	if dataflow.HasErrors(diags) {
		b.Fatal(diags)
	}
	return app
}

func buildApp(b *testing.B, app *dataflow.App) *nexus.Generation {
	b.Helper()
	gen, diags := nexus.Build(context.Background(), app, nexus.Options{})
	if dataflow.HasErrors(diags) {
		b.Fatal(diags)
	}
	return gen
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		text := scaleApp(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				loadApp(b, text, "unused.db")
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		app := loadApp(b, scaleApp(n), "unused.db")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				nexus.Check(app, nexus.Options{})
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		app := loadApp(b, scaleApp(n), filepath.Join(b.TempDir(), "app.db"))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if err := buildApp(b, app).Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	text, err := os.ReadFile("app.star")
	if err != nil {
		b.Fatal(err)
	}
	gen := buildApp(b, loadApp(b, string(text), filepath.Join(b.TempDir(), "app.db")))
	b.Cleanup(func() { gen.Close() })
	srv := &http.Server{Handler: gen.API()}
	addr, err := freeAddr()
	if err != nil {
		b.Fatal(err)
	}
	srv.Addr = addr
	go srv.ListenAndServe()
	b.Cleanup(func() { srv.Close() })
	p := &process{addr: addr}
	if _, err := p.answered(b.Context(), "/health/ready"); err != nil {
		b.Fatal(err)
	}
	fill := load{addr: addr, conns: 1, n: 1, status: http.StatusOK, request: func(int) []byte {
		return post("/api/products/bulk_create", seedJSON())
	}}
	if _, err := fill.run(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, l := range map[string]load{
		"get":  {status: http.StatusOK, request: func(i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i*7%seeded)) }},
		"list": {status: http.StatusOK, request: func(int) []byte { return get("/api/products?limit=20") }},
	} {
		b.Run(name, func(b *testing.B) {
			l.addr, l.conns, l.n = addr, 16, b.N
			if _, err := l.run(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkOrder runs three data nodes in one transaction, as a workflow and
// by hand.
func BenchmarkOrder(b *testing.B) {
	dir := b.TempDir()
	gen, err := generation(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { gen.Close() })
	if err := seedRun(b.Context(), gen.Engine()); err != nil {
		b.Fatal(err)
	}
	hand, err := orders.Open(filepath.Join(dir, "hand.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { hand.Close() })
	for name, do := range map[string]func(int) error{"workflow": placing(b.Context(), gen.Engine()), "by hand": hand.Place} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if err := do(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOneNode asks a server for a row in two ways: by the operation, and
// by a workflow of one node.
func BenchmarkOneNode(b *testing.B) {
	gen, err := generation(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { gen.Close() })
	if err := seedRun(b.Context(), gen.Engine()); err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(gen.API())
	b.Cleanup(srv.Close)
	for _, way := range []struct {
		name    string
		request func(i int) []byte
	}{
		{"operation", func(i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i%100)) }},
		{"workflow", func(i int) []byte {
			return post("/workflows/get/execute", fmt.Sprintf(`{"inputs":{"id":%d}}`, 1+i%100))
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			l := load{addr: srv.Listener.Addr().String(), conns: 16, n: b.N, status: http.StatusOK, request: way.request}
			c0, _ := selfCPU()
			if _, err := l.run(b.Context()); err != nil {
				b.Fatal(err)
			}
			c1, _ := selfCPU()
			b.ReportMetric(float64((c1-c0).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
