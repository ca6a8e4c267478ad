package migrate

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// BrokenKey is a foreign key that leads to no table, or to columns that are no
// key of one. SQLite takes it as it is declared, and then refuses every
// statement that would have to follow it.
type BrokenKey struct {
	Table   string
	Columns []string
	To      string
	Gone    bool // To is no table of the database
}

func (k BrokenKey) String() string {
	what := fmt.Sprintf("the foreign key of %s.%s leads to ", k.Table, strings.Join(k.Columns, ", "))
	if k.Gone {
		return what + fmt.Sprintf("%s, which is no table of the database", k.To)
	}
	return what + fmt.Sprintf("what is no key of %s", k.To)
}

// Hint says what to do about it.
func (k BrokenKey) Hint() string {
	if k.Gone {
		return fmt.Sprintf("let the program that made the tables make %s, or %s anew without the foreign key", k.To, k.Table)
	}
	return fmt.Sprintf("let the program that made the tables give %s a unique index over what it leads to, or make %s anew without the foreign key", k.To, k.Table)
}

// broken warns of foreign keys that keep rows of models from being written.
func broken(keys []BrokenKey, want *Schema) (ds []dataflow.Diagnostic) {
	for _, k := range keys {
		t, refused := want.Table(k.Table), fmt.Sprintf("no row of %s can be added or deleted", k.Table)
		if t == nil {
			if t, refused = want.Table(k.To), fmt.Sprintf("no row of %s can be deleted", k.To); t == nil {
				continue
			}
		}
		span := t.model.Span
		if c := t.Column(k.Columns[0]); t.Name == k.Table && c != nil && c.field != nil && !c.field.Span.IsZero() {
			span = c.field.Span
		}
		ds = append(ds, dataflow.Diagnostic{Code: "FC617", Severity: dataflow.SeverityWarning, Span: span,
			Message: fmt.Sprintf("%s: %s", k, refused), Hint: k.Hint()})
	}
	return ds
}
