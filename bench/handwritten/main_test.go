package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z`)

// Both ways of writing it must answer alike, or the comparison is not one.
func TestAnswers(t *testing.T) {
	for name, careful := range map[string]bool{"plain": false, "careful": true} {
		t.Run(name, func(t *testing.T) {
			db, err := open(filepath.Join(t.TempDir(), "test.db"), careful)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.close() })
			srv := httptest.NewServer(routes(db, careful))
			t.Cleanup(srv.Close)
			for _, tt := range exchanges {
				if got := exchange(t, srv, tt.method, tt.path, tt.body); got != tt.want {
					t.Errorf("%s %s %s\n got %s\nwant %s", tt.method, tt.path, tt.body, got, tt.want)
				}
			}
		})
	}
}

const kettle = `{"id":1,"sku":"K-1","name":"Kettle \"one\"","price":"12.50","stock":3,"active":true,"created_at":"T","updated_at":"T","version":1}`

var exchanges = []struct{ method, path, body, want string }{
	{"GET", "/api/products/1", "", `404 {"title":"Not Found","status":404,"detail":"no such product"}`},
	{"POST", "/api/products", `{"sku":"K-1","name":"Kettle \"one\"","price":"12.5","stock":3}`, `201 ` + kettle},
	{"GET", "/api/products/1", "", `200 ` + kettle},
	{"GET", "/api/products/x", "", `404 {"title":"Not Found","status":404,"detail":"no such product"}`},
	{"GET", "/api/products?limit=20", "", `200 {"records":[` + kettle + `],"count":1,"limit":20,"offset":0,"has_more":false}`},
	{"GET", "/api/products?limit=0", "", `422 {"title":"Unprocessable Entity","status":422,"detail":"the input is wrong","errors":[{"pointer":"/limit","detail":"must be from 1 to 1000"}]}`},
	{"POST", "/api/products", `{"sku":"K-1","name":"again","price":1}`, `409 {"title":"Conflict","status":409,"detail":"the sku is taken"}`},
	{"POST", "/api/products", `{"sku":"K-2","name":"next","price":0.07,"active":false}`, `201 {"id":2,"sku":"K-2","name":"next","price":"0.07","stock":0,"active":false,"created_at":"T","updated_at":"T","version":1}`},
	{"POST", "/api/products", `{"name":"","price":"-1","stock":-1}`, `422 {"title":"Unprocessable Entity","status":422,"detail":"the input is wrong","errors":[{"pointer":"/sku","detail":"is required"},{"pointer":"/name","detail":"must have 1 to 200 characters"},{"pointer":"/price","detail":"must be 0 or more"},{"pointer":"/stock","detail":"must be 0 or more"}]}`},
	{"POST", "/api/products", `{"sku":"K-3","name":"x","price":1,"colour":"red"}`, `400 {"title":"Bad Request","status":400,"detail":"the body can't be read: json: unknown field \"colour\""}`},
	{"POST", "/api/products", `{"sku":"K-3","name":"x","price":"1.005"}`, `400 {"title":"Bad Request","status":400,"detail":"the body can't be read: a price is a number with at most two decimals"}`},
	{"GET", "/api/products?limit=1&offset=1", "", `200 {"records":[{"id":2,"sku":"K-2","name":"next","price":"0.07","stock":0,"active":false,"created_at":"T","updated_at":"T","version":1}],"count":1,"limit":1,"offset":1,"has_more":false}`},
}

func exchange(t *testing.T, srv *httptest.Server, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
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
	return resp.Status[:3] + " " + moment.ReplaceAllString(string(b), "T")
}
