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
	live := want.Live
	if t.have.Column(live) == nil {
		live = "" // no row has been deleted yet
	}
	if len(columns) == 0 {
		return t.uniqueFill(fresh, live)
	}
	n := t.count(t.data.Duplicates(t.have.Name, columns, live))
	if n > 0 {
		t.refuse("FC612", t.want.Column(want.Columns[len(want.Columns)-1]), "/unique", "make those rows differ first",
			"%s of %s is to be unique, but in the table %s %s more than one row", strings.Join(want.Columns, ", "), t.want.Model, t.have.Name, shared(n))
	}
	return n == 0
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
func (t *tablePlan) uniqueFill(c *Column, live string) bool {
	var n int64
	if live == "" {
		n = t.count(t.data.Rows(t.have.Name))
	} else {
		n = t.count(t.data.Nulls(t.have.Name, live))
	}
	if n > 1 {
		t.refuse("FC612", c, "/unique", "leave out the default, make it optional = True, and give each row a value of its own", "%s is new and unique, but its default would be in all %s of the table %s", t.name(c), rows(n), t.have.Name)
	}
	return n <= 1
}

// Own reports whether the runtime has made the index of that name.
func Own(index string) bool {
	return (strings.HasPrefix(index, "ix_") || strings.HasPrefix(index, "ux_")) && strings.Contains(index, ".")
}
