package migrate

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// AuditTable is the table of the runtime's audit log, and AuditKey the column
// that it has got last.
const (
	AuditTable = "_flow_audit"
	AuditKey   = "key"
)

// Newer refuses a database that a newer flowctl has made. name is what people
// call it, without secrets.
func Newer(db *dataflow.Database, name string, format int64) dataflow.Diagnostic {
	return dataflow.Diagnostic{Code: "FC605", Span: db.URLSpan(),
		Message: fmt.Sprintf("the database %s was made by a newer flowctl: its format is %d, and this one knows formats up to %d", name, format, Format),
		Hint:    "use that version of flowctl, or a copy of the database from before"}
}

// Pending lists what auto_migrate = False keeps from being done.
func Pending(db *dataflow.Database, name string, steps []Step) dataflow.Diagnostic {
	lines := make([]string, len(steps))
	for i, s := range steps {
		lines[i] = s.String()
	}
	span := db.Spans.At("/auto_migrate")
	if span.IsZero() {
		span = db.URLSpan()
	}
	return dataflow.Diagnostic{Code: "FC616", Span: span,
		Message: fmt.Sprintf("the database %s is not as the models ask, and auto_migrate is off; it would take: %s", name, strings.Join(lines, "; ")),
		Hint:    "run once with auto_migrate = True, or make these changes by hand"}
}

// Unaudited refuses models that keep an audit log in a database of others that
// has no table for it, or one that an earlier flowctl has made.
func Unaudited(have *Schema, models []*dataflow.Model) []dataflow.Diagnostic {
	what := "no table " + AuditTable
	if t := have.Table(AuditTable); t != nil {
		if t.Column(AuditKey) != nil {
			return nil
		}
		what = "no column " + AuditKey + " in its table " + AuditTable
	}
	var diags []dataflow.Diagnostic
	for _, m := range models {
		if !m.AuditLog {
			continue
		}
		span, ok := m.Spans["/audit_log"]
		if !ok {
			span = m.Span
		}
		diags = append(diags, dataflow.Diagnostic{Code: "FC617", Span: span,
			Message: fmt.Sprintf("%s keeps an audit log, but the database has %s", m.Name, what),
			Hint:    "with existing_schema_mode = True no table is made or changed: leave audit_log out, or let the database be migrated once without that mode"})
	}
	return diags
}
