package migrate

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow/query"
)

// indexesOf plans the indexes. Those that the runtime has not made are left
// alone, and do as well as its own.
func (t *tablePlan) indexesOf() {
	now := func(column string) string {
		if name := t.renamed[column]; name != "" {
			return name
		}
		return column
	}
	have := make([]Index, len(t.have.Indexes))
	for i, ix := range t.have.Indexes {
		have[i] = Index{Name: ix.Name, Unique: ix.Unique, Search: ix.Search, Where: ix.Where.Renamed(now), Broken: ix.Broken}
		for _, c := range ix.Columns {
			have[i].Columns = append(have[i].Columns, now(c))
		}
	}
	for _, ix := range have {
		wanted := slices.ContainsFunc(t.want.Indexes, func(want Index) bool { return ix.serves(want) })
		if Own(ix.Name) && !wanted {
			t.indexDrops = append(t.indexDrops, Step{Action: DropIndex, Table: t.want, Index: ix})
		}
	}
	t.covers(have)
	for _, want := range t.want.Indexes {
		if slices.ContainsFunc(have, func(ix Index) bool { return ix.serves(want) }) {
			continue
		}
		if want.Unique && !t.unique(want) {
			continue
		}
		t.indexes = append(t.indexes, Step{Action: CreateIndex, Table: t.want, Index: want, Busy: t.busy(t.have.Name)})
	}
}

// covers tells the steps that change or drop a column which indexes stand over
// it, those that are dropped before not among them.
func (t *tablePlan) covers(have []Index) {
	for _, steps := range [][]Step{t.changes, t.drops} {
		for i := range steps {
			s := &steps[i]
			if s.Table != t.want || s.Action != ChangeColumn && s.Action != DropColumn {
				continue
			}
			for _, ix := range have {
				dropped := slices.ContainsFunc(t.indexDrops, func(d Step) bool { return d.Index.Name == ix.Name })
				over := slices.Contains(ix.Columns, s.Column.Name) || slices.Contains(ix.Where.Columns(), s.Column.Name)
				if over && !dropped {
					s.Covers = append(s.Covers, ix)
				}
			}
		}
	}
}

// serves reports whether an index that is there is the one wanted. The name of
// one of our own tells its condition, should that not be read.
func (ix Index) serves(want Index) bool {
	if ix.Broken || ix.Unique != want.Unique || ix.Search != want.Search || !slices.Equal(ix.Columns, want.Columns) || Own(ix.Name) && ix.Name != want.Name {
		return false
	}
	return ix.Where.Equal(want.Where) || Own(ix.Name) && ix.Where.IsUnread() && want.Where != nil
}

// unique refuses a unique index that rows don't fit.
func (t *tablePlan) unique(want Index) bool {
	var columns []string // those that are there, by the names they have now
	var fresh *Column    // a new one, which gets the same value in every row
	for _, name := range want.Columns {
		if was := t.nameNow(name); t.have.Column(was) != nil {
			columns = append(columns, was)
			continue
		}
		fresh = t.want.Column(name)
		if _, filled := fresh.Fill(); !filled {
			return true // it is null in every row, and null is equal to none
		}
	}
	where, always := want.Where.Without(t.sameInAll)
	if where == nil && !always {
		return true // no row is concerned
	}
	where = where.Renamed(t.nameNow)
	if len(columns) == 0 {
		return t.uniqueFill(fresh, where)
	}
	n := t.count(t.data.Duplicates(t.have.Name, columns, where))
	if n > 0 {
		t.refuse("FC612", t.want.Column(want.Columns[len(want.Columns)-1]), "/unique", "make those rows differ first",
			"%s of %s is to be unique%s, but in the table %s %s more than one row", strings.Join(want.Columns, ", "), t.want.Model,
			t.want.among(want.Where), t.have.Name, shared(n))
		if last := &t.plan.Diagnostics[len(t.plan.Diagnostics)-1]; !want.span.IsZero() {
			last.Span = want.span
		}
	}
	return n == 0
}

// sameInAll returns the value that a new column gets in every row.
func (t *tablePlan) sameInAll(column string) (v any, same bool) {
	if t.have.Column(t.nameNow(column)) != nil {
		return nil, false
	}
	v, _ = t.want.Column(column).Fill()
	return v, true
}

// nameNow is the name that the column of a field has in the database.
func (t *tablePlan) nameNow(name string) string {
	for was, now := range t.renamed {
		if now == name {
			return was
		}
	}
	return name
}

// uniqueFill refuses a unique index on nothing but new columns that are filled
// with one value for all rows.
func (t *tablePlan) uniqueFill(c *Column, where *query.Condition) bool {
	var n int64
	if where == nil {
		n = t.count(t.data.Rows(t.have.Name))
	} else {
		n = t.count(t.data.Matching(t.have.Name, where))
	}
	if n > 1 {
		t.refuse("FC612", c, "/unique", "leave out the default, make it optional = True, and give each row a value of its own", "%s is new and unique, but its default would be in all %s of the table %s", t.name(c), rows(n), t.have.Name)
	}
	return n <= 1
}

// Own reports whether the runtime has made the index of that name.
func Own(index string) bool {
	return (strings.HasPrefix(index, "ix_") || strings.HasPrefix(index, "ux_")) && strings.Contains(index, ".") || OwnSearch(index)
}

// OwnSearch reports whether the runtime has made the index of words of that
// name.
func OwnSearch(index string) bool {
	return strings.HasPrefix(index, searchPrefix) && strings.Contains(index, ".")
}
