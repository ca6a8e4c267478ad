package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// taken says which values of a row are another's already. SQLite names the
// last of the unique indexes that is in the way, PostgreSQL the first: so those
// that come before the one named are asked too.
func (t *tx) taken(ctx context.Context, tab *table, c change, err error) error {
	named := violated(tab.model, err)
	for _, columns := range uniques(tab) {
		if slices.Equal(columns, named) {
			break
		}
		there, failed := t.conflicts(tab, c, columns)
		if failed != nil {
			return toError(ctx, failed)
		}
		if there {
			named = columns
			break
		}
	}
	return store.Taken(tab.model, named, c.prefix, err)
}

// violated reads which columns a message "UNIQUE constraint failed: orders.a,
// orders.b" names.
func violated(m *dataflow.Model, err error) (columns []string) {
	if _, list, ok := strings.Cut(err.Error(), "UNIQUE constraint failed: "); ok {
		for part := range strings.SplitSeq(list, ", ") {
			columns = append(columns, strings.TrimPrefix(part, m.Table+"."))
		}
	}
	return columns
}

// uniques are the columns that are unique together in each of a table's live
// rows, in the order in which they were declared. Of a table of another's
// making there is no telling.
func uniques(tab *table) [][]string {
	if tab.foreign {
		return nil
	}
	m := tab.model
	list := [][]string{{m.ID().ColumnName()}}
	var live *query.Condition
	if d := m.RoleIndex(dataflow.RoleDeletedAt); d >= 0 {
		live = query.IsNull(m, d)
	}
	for _, ix := range migrate.Desired([]*dataflow.Model{m}, engine).Tables[0].Indexes {
		if ix.Unique && (ix.Where == nil || ix.Where.Equal(live)) {
			list = append(list, ix.Columns)
		}
	}
	return list
}

// conflicts reports whether a row that the change leaves alone has its values
// in columns. It does not know of one that the change does not set.
func (t *tx) conflicts(tab *table, c change, columns []string) (bool, error) {
	m := tab.model
	b := &t.c.b
	b.Reset()
	b.Raw("SELECT 1 FROM ").Ident(m.Table).Raw(" WHERE ")
	for i, column := range columns {
		at := slices.IndexFunc(c.fields, func(f int) bool { return tab.columns[f].field.ColumnName() == column })
		if at < 0 || c.vals[at] == nil {
			return false, nil
		}
		if i > 0 {
			b.Raw(" AND ")
		}
		b.Ident(column).Raw(" = ").Arg(dialect{}.Encode(tab.columns[c.fields[at]].typ, c.vals[at]))
	}
	if d := m.RoleIndex(dataflow.RoleDeletedAt); d >= 0 && columns[0] != m.ID().ColumnName() {
		b.Raw(" AND ").Ident(m.Fields[d].ColumnName()).Raw(" IS NULL")
	}
	if c.where != nil {
		b.Raw(" AND ").Ident(m.ID().ColumnName()).Raw(" NOT IN (SELECT ").Ident(m.ID().ColumnName()).Raw(" FROM ").Ident(m.Table).Where(c.where)
		b.Raw(")")
	}
	b.Raw(" LIMIT 1")
	return t.any(b)
}
