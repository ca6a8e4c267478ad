package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Fit checks that the tables that are there can serve the models as they are:
// what existing_schema_mode asks for. Each difference is a diagnostic.
func Fit(have, want *Schema) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for i := range want.Tables {
		w := &want.Tables[i]
		h := have.Table(w.Name)
		if h == nil {
			ds = append(ds, unfit(w, nil, dataflow.SeverityError, "the database has no table %s for %s", w.Name, w.Model))
			continue
		}
		ds = append(ds, fitTable(h, w)...)
	}
	return append(ds, broken(have.Broken, want)...)
}

func unfit(t *Table, c *Column, severity dataflow.Severity, format string, args ...any) dataflow.Diagnostic {
	span := t.model.Span
	if c != nil && c.field != nil && !c.field.Span.IsZero() {
		span = c.field.Span
	}
	return dataflow.Diagnostic{Code: "FC617", Severity: severity, Span: span, Message: fmt.Sprintf(format, args...),
		Hint: "make the model fit the table, or the table the model: with existing_schema_mode = True nothing is altered"}
}

func fitTable(have, want *Table) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	add := func(c *Column, severity dataflow.Severity, format string, args ...any) {
		ds = append(ds, unfit(want, c, severity, format, args...))
	}
	for i := range want.Columns {
		w := &want.Columns[i]
		h := have.Column(w.Name)
		column := want.Name + "." + w.Name
		switch {
		case h == nil:
			add(w, dataflow.SeverityError, "the table %s has no column %s", want.Name, w.Name)
			continue
		case h.Storage != w.Storage || h.Kind != "" && (h.Kind != w.Kind || h.Scale != w.Scale):
			add(w, dataflow.SeverityError, "the column %s is %s, but the field is %s, kept as %s", column, describe(h), describe(w), w.Storage)
		case h.ID != w.ID:
			add(w, dataflow.SeverityError, "the primary key of %s is not the field %s", want.Name, want.model.ID().Name)
		case h.Optional && !w.Optional && !w.ID:
			add(w, dataflow.SeverityError, "the column %s can be null, but the field is required", column)
		case !h.Optional && w.Optional:
			add(w, dataflow.SeverityError, "the column %s can't be null, but the field is optional", column)
		}
		if w.Kind == "enum" && h.Kind == "enum" {
			for _, v := range without(w.Values, h.Values) {
				add(w, dataflow.SeverityError, "the column %s can't be %q: its type has %s", column, v, strings.Join(h.Values, ", "))
			}
			for _, v := range without(h.Values, w.Values) {
				add(w, dataflow.SeverityWarning, "the column %s can be %q, which the field can't", column, v)
			}
		}
		switch {
		case w.Ref == nil:
		case h.Ref == nil:
			add(w, dataflow.SeverityWarning, "the column %s has no foreign key, so nothing keeps it from referring to rows that do not exist", column)
		case h.Ref.Table != w.Ref.Table || h.Ref.Elsewhere:
			add(w, dataflow.SeverityWarning, "the foreign key of the column %s leads to %s, and not to %s", column, h.Ref.Table, w.Ref.Table)
		case h.Ref.Column != "" && h.Ref.Column != w.Ref.Column:
			add(w, dataflow.SeverityWarning, "the foreign key of the column %s leads to %s.%s, and not to its %s", column, h.Ref.Table, h.Ref.Column, w.Ref.Column)
		case w.field.Type.Model.SoftDelete: // whose rows are never deleted
		case h.Ref.OnDelete != w.Ref.OnDelete:
			add(w, dataflow.SeverityWarning, "the foreign key of the column %s says on_delete = %q, and that is what the database does, but the field says %q", column, h.Ref.OnDelete, w.Ref.OnDelete)
		}
	}
	for _, h := range have.Columns {
		if want.Column(h.Name) == nil && !h.Optional && !h.Filled && !h.ID {
			add(nil, dataflow.SeverityError, "the column %s.%s must have a value, but %s has no field for it", want.Name, h.Name, want.Model)
		}
	}
	for _, ix := range want.Indexes {
		there := slices.ContainsFunc(have.Indexes, func(h Index) bool {
			return h.Unique && !h.Broken && slices.Equal(h.Columns, ix.Columns) && (h.Where == nil || h.Where.Equal(ix.Where))
		})
		if ix.Unique && !there {
			add(want.Column(ix.Columns[len(ix.Columns)-1]), dataflow.SeverityError, "the table %s has no unique index on %s%s", want.Name, strings.Join(ix.Columns, ", "), want.among(ix.Where))
		}
	}
	return ds
}

// without lists what of a is not in b.
func without(a, b []string) (rest []string) {
	for _, v := range a {
		if !slices.Contains(b, v) {
			rest = append(rest, v)
		}
	}
	return rest
}
