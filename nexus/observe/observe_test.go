package observe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func series(text, family string) (n int) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, family+"{") || strings.HasPrefix(line, family+" ") {
			n++
		}
	}
	return n
}

// A caller can make up paths and methods; the series don't get more by that.
func TestACallerAddsNoSeries(t *testing.T) {
	m := New(Options{}).Metrics()
	for _, method := range []string{"GET", "BREW", "M-SEARCH", strings.Repeat("X", 10000)} {
		for _, status := range []int{200, 404, 0, 999, -1} {
			m.Request("rest", "", method, status, time.Millisecond)
		}
	}
	text := scrape(t, m)
	if got, most := series(text, "flowctl_http_requests_total"), 2*len(classes); got > most {
		t.Errorf("%d series, want at most %d:\n%s", got, most, text)
	}
	if strings.Contains(text, "BREW") || strings.Contains(text, "XXX") {
		t.Error("a method that a caller made up is a label")
	}
}

func TestNothingIsPaidForWhatNobodyAskedFor(t *testing.T) {
	o := New(Options{})
	w := o.Watch(&dataflow.App{Server: &dataflow.Server{}}, "app")
	if w.Metrics() != nil || w.Handler() != nil || w.Requests("rest") != nil || w.Engine() != nil || w.Tools() != nil || w.Ended() != nil ||
		w.Store(&dataflow.Database{}) != nil {
		t.Error("somebody is watched though nobody asked for it")
	}
	on := o.Watch(&dataflow.App{Server: &dataflow.Server{Monitoring: true}}, "app")
	if on.Store(&dataflow.Database{}) != nil {
		t.Error("the statements of a database are counted that did not ask for it")
	}
	if next := o.Watch(&dataflow.App{Server: &dataflow.Server{Monitoring: true}}, "app"); next.Metrics() != on.Metrics() {
		t.Error("a reload counts from 0")
	}
}

func TestErrorsEndOneWayOrTheOther(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{&dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound}, "refused"},
		{&dataflow.Error{Code: "internal", Status: dataflow.StatusInternal}, "failed"},
		{&dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout}, "failed"},
		{&dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled}, "cancelled"},
	}
	for _, tt := range tests {
		if got := outcomes[outcome(tt.err)]; got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	m := New(Options{}).Metrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Request("rest", "/api/{model}/{id}", "GET", 200, time.Millisecond)
		m.Operation("rest", "Order", "read", 200, time.Millisecond)
	}
}
