package access

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func (m *Model) notFound(id any) error {
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.m.Name,
		Message: fmt.Sprintf("there is no %s with the id %s", m.m.Name, codec.AppendValue(nil, id))}
}

func (m *Model) noMatch() error {
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.m.Name,
		Message: "no " + m.m.Name + " matches the filter"}
}

func (m *Model) ambiguous(hint string) error {
	return &dataflow.Error{Code: "ambiguous", Status: dataflow.StatusInvalid, Model: m.m.Name,
		Message: "the filter matches more than one " + m.m.Name, Hint: hint}
}

func (m *Model) tenantRequired(c Caller) error {
	e := &dataflow.Error{Code: "tenant_required", Status: dataflow.StatusForbidden, Model: m.m.Name,
		Message: m.m.Name + " keeps each tenant's rows apart, and the request names no tenant",
		Hint:    "send the header X-Tenant-ID, or --tenant on the command line"}
	if c.ruled() && m.m.Access != nil && c.User == nil { // an app that asks who calls lets nobody else name a tenant
		e.Message = m.m.Name + " keeps each tenant's rows apart, and who has not said who they are is of none"
		e.Hint = "call with a key or token that is of a tenant"
	}
	if c.User != nil { // whose tenant is said by what they call with
		e.Message = m.m.Name + " keeps each tenant's rows apart, and the caller is of none"
		e.Hint = "call with a key or token that is of a tenant, or with a key for any tenant and the header X-Tenant-ID; on the command line, say --tenant"
	}
	return e
}

func (m *Model) versionMismatch(asked, actual int64) error {
	return &dataflow.Error{Code: "version_mismatch", Status: dataflow.StatusPrecondition, Model: m.m.Name,
		Message: fmt.Sprintf("the %s has changed: it is at version %d, not %d", m.m.Name, actual, asked),
		Hint:    "read it again, then repeat the change"}
}

func (m *Model) confirmRequired(verb string) error {
	return &dataflow.Error{Code: "confirm_required", Status: dataflow.StatusInvalid, Model: m.m.Name,
		Message: fmt.Sprintf("this would %s every %s", verb, m.m.Name),
		Hint:    "give a filter or ids, or confirm_all = true if every row is meant"}
}

// invalid returns the error for problems of the caller's input, or nil if
// there are none.
func (m *Model) invalid(problems []dataflow.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	e := codec.Error(problems)
	e.Model = m.m.Name
	return e
}

// misbehaved is the failure of one of the app's functions to return what it
// should.
func (m *Model) misbehaved(fn dataflow.Func, role, why string) error {
	return &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Model: m.m.Name, Span: fn.Span(),
		Message: fmt.Sprintf("%s of %s (%s) %s", role, m.m.Name, fn.Name(), why)}
}

func problem(code, pointer, detail, hint string) dataflow.Problem {
	return dataflow.Problem{Code: code, Pointer: pointer, Detail: detail, Hint: hint}
}

// at returns the pointer to a named part of the value at a pointer.
func at(pointer, name string) string { return pointer + "/" + codec.EscapePointer(name) }

// without drops the problems of the part at a pointer.
func without(problems []dataflow.Problem, pointer string) []dataflow.Problem {
	kept := problems[:0:0]
	for _, p := range problems {
		if p.Pointer != pointer && !strings.HasPrefix(p.Pointer, pointer+"/") {
			kept = append(kept, p)
		}
	}
	return kept
}

// below moves problems of a part to where the part is.
func below(pointer string, problems []dataflow.Problem) []dataflow.Problem {
	moved := make([]dataflow.Problem, len(problems))
	for i, p := range problems {
		p.Pointer = pointer + p.Pointer
		moved[i] = p
	}
	return moved
}
