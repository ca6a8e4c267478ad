package migrate

import "slices"

// Found is a database as it was found, with what a Schema leaves out.
type Found struct {
	Schema *Schema
	Own    bool // the runtime has made it
	// Models names the models that tables were last migrated for, by table.
	Models  map[string]string
	Columns map[string]FoundColumn // by "table.column"
	Indexes map[string][]string    // every index but those of primary keys, by table
	Others  []string               // what is no table: "view late_orders"
	Parts   map[string]string      // tables that are parts of others, which have their rows
}

// FoundColumn is what a Column leaves out.
type FoundColumn struct {
	Type      string   // as the database declares it: "varchar(20)"; what is below it, of a domain
	Domain    string   // the domain that the column is of, or ""
	Default   string   // the expression, "" for none and for null
	Constant  *string  // what that is as a text, if it is no more than a value
	Generated bool     // the database works the value out itself
	Values    []string // what a CHECK lets it be: these texts, and nothing else
	RefTo     string   // the column a foreign key leads to
	RefAction string   // on delete, as the engine calls it
	RefWide   bool     // the foreign key is over several columns
	RefMore   bool     // it has another foreign key too
	Remark    string   // what to know of it beside its field, which is %s in it
}

// Limit notes that a CHECK lets the column be these texts, and nothing else.
func (c *FoundColumn) Limit(values []string) {
	if len(c.Values) > 0 { // by another CHECK too
		values = slices.DeleteFunc(values, func(v string) bool { return !slices.Contains(c.Values, v) })
	}
	c.Values = values
}

// NewFound collects what an engine finds.
func NewFound(s *Schema, snapshot *Schema) *Found {
	f := &Found{Schema: s, Models: map[string]string{}, Columns: map[string]FoundColumn{}, Indexes: map[string][]string{}, Parts: map[string]string{}}
	if snapshot != nil {
		for _, t := range snapshot.Tables {
			f.Models[t.Name] = t.Model
		}
	}
	return f
}

// Note lets change add to what is known of a column.
func (f *Found) Note(table, column string, change func(*FoundColumn)) {
	key := table + "." + column
	c := f.Columns[key]
	change(&c)
	f.Columns[key] = c
}
