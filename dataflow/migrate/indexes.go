package migrate

import (
	"slices"
	"strings"
)

// indexesOf plans the indexes. Those that the runtime has not made are left
// alone, and do as well as its own.
func (t *tablePlan) indexesOf() {
	have := make([]Index, len(t.have.Indexes))
	for i, ix := range t.have.Indexes {
		have[i] = Index{Name: ix.Name, Unique: ix.Unique, Live: ix.Live}
		for _, c := range ix.Columns {
			if now := t.renamed[c]; now != "" {
				c = now
			}
			have[i].Columns = append(have[i].Columns, c)
		}
	}
	serves := func(ix, want Index) bool {
		return ix.Unique == want.Unique && ix.Live == want.Live && slices.Equal(ix.Columns, want.Columns) && (ix.Name == want.Name || !Own(ix.Name))
	}
	for _, ix := range have {
		wanted := slices.ContainsFunc(t.want.Indexes, func(want Index) bool { return serves(ix, want) })
		if Own(ix.Name) && !wanted {
			t.indexes = slices.Insert(t.indexes, 0, Step{Action: DropIndex, Table: t.want, Index: ix})
		}
	}
	for _, want := range t.want.Indexes {
		if slices.ContainsFunc(have, func(ix Index) bool { return serves(ix, want) }) {
			continue
		}
		if want.Unique && !t.unique(want) {
			continue
		}
		t.indexes = append(t.indexes, Step{Action: CreateIndex, Table: t.want, Index: want})
	}
}

// unique refuses a unique index that rows don't fit.
func (t *tablePlan) unique(want Index) bool {
	var columns []string
	for _, name := range want.Columns {
		for was, now := range t.renamed {
			if now == name {
				name = was
			}
		}
		if t.have.Column(name) == nil {
			return t.uniqueNew(want, name)
		}
		columns = append(columns, name)
	}
	live := want.Live
	if t.have.Column(live) == nil {
		live = "" // no row has been deleted yet
	}
	n := t.count(t.data.Duplicates(t.have.Name, columns, live))
	if n > 0 {
		t.refuse("FC612", t.want.Column(want.Columns[len(want.Columns)-1]), "/unique", "make those rows differ first",
			"%s of %s is to be unique, but in the table %s %s more than one row", strings.Join(want.Columns, ", "), t.want.Model, t.have.Name, shared(n))
	}
	return n == 0
}

// uniqueNew refuses a unique index on a new column that is filled with one
// value for all rows.
func (t *tablePlan) uniqueNew(want Index, name string) bool {
	c := t.want.Column(name)
	if c.Optional || len(want.Columns) > 1 {
		return true
	}
	if n := t.count(t.data.Rows(t.have.Name)); n > 1 {
		t.refuse("FC612", c, "/unique", "make it optional = True and unique, and give each row a value of its own", "%s is new and unique, but its default would be in all %s of the table %s", t.name(c), rows(n), t.have.Name)
		return false
	}
	return true
}

// Own reports whether the runtime has made the index of that name.
func Own(index string) bool {
	return (strings.HasPrefix(index, "ix_") || strings.HasPrefix(index, "ux_")) && strings.Contains(index, ".")
}
