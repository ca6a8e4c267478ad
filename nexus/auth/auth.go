// Package auth says who asks. It is the one place where the caller of a request
// is made; what a caller may do is decided by dataflow/access.
package auth

import (
	"fmt"
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// TenantHeader names the header that says on behalf of which tenant a call is
// made.
const TenantHeader = "X-Tenant-ID"

// Anyone identifies callers of an app that asks nobody who they are: they are
// of the tenant that they say they are of.
func Anyone(r *http.Request) (access.Caller, error) {
	tenants := r.Header["X-Tenant-Id"]
	switch {
	case len(tenants) == 0 || len(tenants) == 1 && tenants[0] == "":
		return access.Caller{}, nil
	case len(tenants) == 1 && access.ValidTenant(tenants[0]):
		return access.Caller{Tenant: tenants[0]}, nil
	}
	return access.Caller{}, &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "the header " + TenantHeader + " must name one tenant",
		Hint:    fmt.Sprintf("send it once, with 1 to %d bytes of text", access.MaxTenant)}
}
