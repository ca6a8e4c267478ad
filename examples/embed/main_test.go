package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// serve runs the program's handler over a database of the test's own.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bookmarks.db")
	app, err := load(context.Background(), func(name string) (string, bool) {
		return "sqlite:" + path, name == "DATABASE_URL"
	})
	if err != nil {
		t.Fatal(err)
	}
	gen, err := build(context.Background(), app)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gen.Close(); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(handler(gen))
	t.Cleanup(srv.Close)
	srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return srv
}

func call(t *testing.T, srv *httptest.Server, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const saveGo = `{"inputs":{"title":"Go: a Tour","url":"https://go.dev/tour"}}`

func TestOwnNodeAndModuleServeTheApp(t *testing.T) {
	srv := serve(t)
	resp, body := call(t, srv, "POST", "/workflows/save/execute", saveGo)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("save: %s: %s", resp.Status, body)
	}
	resp, body = call(t, srv, "GET", "/api/bookmarks?slug=go-a-tour", "")
	var page struct {
		Records []struct{ Slug, Title, URL, Site string }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("list: %s: %s: %v", resp.Status, body, err)
	}
	if len(page.Records) != 1 || page.Records[0].Title != "Go: a Tour" || page.Records[0].Site != "go.dev" {
		t.Errorf("list: %s", body)
	}
}

func TestOwnRouteRunsAWorkflow(t *testing.T) {
	srv := serve(t)
	if resp, body := call(t, srv, "POST", "/workflows/save/execute", saveGo); resp.StatusCode != http.StatusOK {
		t.Fatalf("save: %s: %s", resp.Status, body)
	}
	resp, _ := call(t, srv, "GET", "/go/go-a-tour", "")
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || got != "https://go.dev/tour" {
		t.Errorf("got %s to %q", resp.Status, got)
	}
	if resp, body := call(t, srv, "GET", "/go/nowhere", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown slug: %s: %s", resp.Status, body)
	}
}

func TestOwnNodeRefuses(t *testing.T) {
	srv := serve(t)
	resp, body := call(t, srv, "POST", "/workflows/save/execute", `{"inputs":{"title":"?!","url":"https://go.dev"}}`)
	if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "no letter or digit") {
		t.Errorf("got %s: %s", resp.Status, body)
	}
	if _, body := call(t, srv, "GET", "/api/bookmarks", ""); !strings.Contains(body, `"count":0`) {
		t.Errorf("a refused save left something behind: %s", body)
	}
}

func TestSlugOf(t *testing.T) {
	for text, want := range map[string]string{
		"Go: a Tour": "go-a-tour",
		"  50% off ": "50-off",
		"Übermut!":   "übermut",
		"?!":         "",
	} {
		if got := slugOf(text); got != want {
			t.Errorf("slugOf(%q) = %q, want %q", text, got, want)
		}
	}
}
