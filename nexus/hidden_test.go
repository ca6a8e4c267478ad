package nexus_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// A model that is not served is not shown by way of another.
func TestRowsOfModelsNotServedAreNotShown(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		app.Exposures = slices.DeleteFunc(app.Exposures, func(e *dataflow.Exposure) bool { return e.Model.Name == "Customer" })
	})
	for request, want := range map[string]string{
		"GET /api/orders?expand=customer":                                       `"errors":[{"code":"unknown_field","pointer":"/expand","detail":"Order has no relation \"customer\"","hint":"there is nothing to expand"}]`,
		"GET /api/orders/1?expand=customer":                                     `"errors":[{"code":"unknown_field","pointer":"/expand","detail":"Order has no relation \"customer\"","hint":"there is nothing to expand"}]`,
		"POST /api/orders/aggregate\n\n" + `{"group_by":"customer.name"}`:       `"errors":[{"code":"unknown_field","pointer":"/group_by","detail":"Order has no field \"customer.name\""}]`,
		"GET /api/orders?customer.name[$startswith]=a":                          `"code":"unknown_parameter","pointer":"/customer.name[$startswith]"`,
		"GET /api/orders?filter=%7B%22customer.name%22:%22a%22%7D":              `{"code":"unknown_field","pointer":"/filter/customer.name","detail":"Order has no field \"customer.name\""}`,
		"POST /api/orders/count\n\n" + `{"filter":{"customer.name":"a"}}`:       `{"code":"unknown_field","pointer":"/filter/customer.name","detail":"Order has no field \"customer.name\""}`,
		"POST /api/orders/bulk_delete\n\n" + `{"filter":{"customer.name":"a"}}`: `{"code":"unknown_field","pointer":"/filter/customer.name","detail":"Order has no field \"customer.name\""}`,
	} {
		if got := s.ask(request); !strings.HasPrefix(got, "422\n") || !strings.Contains(got, want) {
			t.Errorf("%s\n%s\nwant %s", request, got, want)
		}
	}
	if got := s.ask("GET /openapi.json"); strings.Contains(got, "with expand: a reference's row") {
		t.Error("OpenAPI describes an expansion that is not served")
	}
}
