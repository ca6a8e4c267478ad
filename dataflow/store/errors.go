package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// What engines have to say alike is worded here.

// Busy is the error for what is worth trying again soon.
func Busy(message string, cause error) *dataflow.Error {
	return &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: message,
		Hint: "try again in a moment", Err: cause}
}

// Outdated is the error for an app that another process has migrated the
// database away from.
func Outdated(what string, cause error) *dataflow.Error {
	return &dataflow.Error{Code: "schema_changed", Status: dataflow.StatusBusy, Err: cause,
		Message: "the database was migrated for another version of the app: " + what,
		Hint:    "restart the app with the file that the database was migrated for"}
}

// Gone is what Outdated is told of where the database lacks what a statement of
// ours asks for.
const Gone = "a table or a column that this one knows is gone"

// Crowded is the error for a caller who has waited in vain for a connection,
// however long that was: nothing has been begun.
func Crowded(cause error) *dataflow.Error {
	return Busy("every connection to the database is in use", cause)
}

// Closed is the error for a store that is shutting down.
func Closed() *dataflow.Error { return Busy("the database is closing", nil) }

// Interrupted is the error for a context that is done. cause is its error.
func Interrupted(cause error) *dataflow.Error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout,
			Message: "the database did not answer in the time there was", Err: cause}
	}
	return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled,
		Message: "the request was cancelled", Err: cause}
}

// Taken is the error for a row whose values in these columns another row has.
// In a multi-tenant model the tenant goes without saying. prefix is the pointer
// to the row among those of the statement.
func Taken(m *dataflow.Model, columns []string, prefix string, cause error) *dataflow.Error {
	var names []string
	for _, name := range columns {
		if f := m.ColumnField(name); f != nil && f.System != dataflow.RoleTenant {
			names = append(names, f.Name)
		}
	}
	e := &dataflow.Error{Code: "unique_violation", Status: dataflow.StatusConflict, Model: m.Name, Err: cause}
	switch n := len(names); n {
	case 0:
		e.Message = "another " + m.Name + " has the same values"
	case 1:
		e.Message = fmt.Sprintf("another %s has this %s", m.Name, names[0])
	default:
		e.Message = fmt.Sprintf("another %s has this combination of %s and %s", m.Name, strings.Join(names[:n-1], ", "), names[n-1])
	}
	for _, name := range names {
		e.Problems = append(e.Problems, dataflow.Problem{Code: "unique", Pointer: prefix + "/" + name, Detail: e.Message})
	}
	return e
}

// Refused is the error for a row that breaks a rule which the table has and the
// app does not know of: a CHECK or a trigger of another program. rule is its
// name, or "". What a trigger says is for nobody: it may hold a row's values.
func Refused(m *dataflow.Model, rule, prefix string, cause error) *dataflow.Error {
	e := &dataflow.Error{Code: "table_rule", Status: dataflow.StatusRejected, Model: m.Name, Err: cause,
		Message: fmt.Sprintf("the table %s has rules of its own, and refuses this %s", m.Table, m.Name)}
	if rule != "" {
		e.Message = fmt.Sprintf("this %s breaks a rule of the table %s: %s", m.Name, m.Table, rule)
	}
	e.Problems = []dataflow.Problem{{Code: "table_rule", Pointer: prefix, Detail: e.Message}}
	return e
}

// Misfit is the error for a row with a value that its field can't be, which
// another program has written. found names what is there. An aggregate's groups
// are rows of no table.
func Misfit(m *dataflow.Model, f *dataflow.Field, found, hint string) *dataflow.Error {
	e := &dataflow.Error{Code: "stored_misfit", Status: dataflow.StatusInternal, Hint: hint}
	if m.Table == "" {
		e.Message = fmt.Sprintf("rows that are aggregated have %s where %s is %s, which it can't be", found, f.Name, f.Type.Scalar())
	} else {
		e.Model = m.Name
		e.Message = fmt.Sprintf("a row of the table %s has %s in the column %s, which %s.%s can't be", m.Table, found, f.ColumnName(), m.Name, f.Name)
	}
	e.Err = errors.New(e.Message) // for the log
	return e
}

// LastGiven is how the hint for a table begins that has given the last id an int
// can be; what follows is the statement that lets its ids go on.
const LastGiven = "a row has had the greatest id there is; delete it or give it a lesser one, then run "

// UsedUp is the error for a row that the database has no id left for.
func UsedUp(m *dataflow.Model, prefix, hint string, cause error) *dataflow.Error {
	return Unworkable(m, prefix+"/"+m.ID().Name, "its ids are used up", hint, cause)
}

// Failing is the error for a write that has failed within the database, in what
// that works out for a table of another program's: a trigger, a CHECK, an index
// over an expression. said is what it says of that, where this holds no value of a
// row, and more where else to look.
func Failing(m *dataflow.Model, prefix, said, more string, cause error) *dataflow.Error {
	why := "a trigger, a CHECK or an index of it fails"
	if said != "" {
		why += ": " + said
	}
	return Unworkable(m, prefix, why, "another value may do; where none does, let the program that made the table mend it"+more, cause)
}

// Unworkable is the error for a write that no row could make, because of what
// another program has left of the table: a foreign key or a trigger that asks
// for what is not there. pointer is to the field concerned, or to the row.
func Unworkable(m *dataflow.Model, pointer, why, hint string, cause error) *dataflow.Error {
	e := &dataflow.Error{Code: "table_broken", Status: dataflow.StatusRejected, Model: m.Name, Err: cause, Hint: hint,
		Message: fmt.Sprintf("the table %s takes no such write", m.Table)}
	if why != "" {
		e.Message += ": " + why
	}
	e.Problems = []dataflow.Problem{{Code: "table_broken", Pointer: pointer, Detail: e.Message}}
	return e
}
