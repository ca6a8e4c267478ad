package nexus_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// An export has every row, in order; one that fails on the way is seen not to be
// whole.
func TestAnExportIsWholeOrBrokenOff(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		const rows = 5000
		app := apptest.Shop(url)
		var bad atomic.Int64 // the n of which the function fails; none has 0
		odd := apptest.Model(app.Databases[0], "Odd", "odds", func(m *dataflow.Model) {
			m.Computed = []dataflow.Computed{{Name: "twice", Func: &apptest.Func{ID: "twice", Args: []dataflow.Param{{Name: "row"}},
				Run: func(_ context.Context, pos []any, _ *dataflow.Object) (any, error) {
					n, _ := pos[0].(*dataflow.Object).Get("n")
					if bad.Load() == n.(int64) {
						return nil, errors.New("no")
					}
					return 2 * n.(int64), nil
				}}}}
		}, apptest.Field("n", dataflow.Int), apptest.Field("text", dataflow.String))
		app.Exposures = append(app.Exposures, apptest.Expose(odd))
		s := serveSite(t, app)
		var data strings.Builder
		for n := 1; n <= rows; n++ {
			fmt.Fprintf(&data, `,{"n":%d,"text":"a, \"b\"\n%d"}`, n, n)
		}
		if got := s.ask("POST", "/api/odds/bulk_create", `{"data":[`+data.String()[1:]+`]}`); !strings.HasPrefix(got, "200") {
			t.Fatal(got)
		}
		export := func(accept string) (string, error) {
			req, _ := http.NewRequest("GET", s.http.URL+"/api/odds?sort=-n&fields=n,text,twice", nil)
			req.Header.Set("Accept", accept)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			return string(text), err
		}
		text, err := export("text/csv")
		records, err2 := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || err2 != nil || len(records) != rows+1 {
			t.Fatalf("%v, %v: %d records", err, err2, len(records))
		}
		for i, r := range records[1:] {
			n := rows - i
			if want := fmt.Sprintf("[%d %d a, \"b\"\n%d %d]", n, n, n, 2*n); fmt.Sprint(r) != want {
				t.Fatalf("record %d: %q, want %q", i, fmt.Sprint(r), want)
			}
		}
		if text, err := export("application/x-ndjson"); err != nil || strings.Count(text, "\n") != rows {
			t.Errorf("%v: %d lines", err, strings.Count(text, "\n"))
		}
		bad.Store(3)
		for _, accept := range []string{"text/csv", "application/x-ndjson"} {
			if text, err := export(accept); err == nil {
				t.Errorf("%s: an export that failed on the way ends as if it were whole, with %d bytes", accept, len(text))
			}
		}
	})
}
