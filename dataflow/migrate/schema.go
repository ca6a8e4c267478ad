// Package migrate owns what a database's schema should be, how it differs
// from what is there, and which differences can be made up for without losing
// anything. It speaks of tables, columns and kinds; how an engine stores and
// alters them is the engine's own, below store.
package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// Format is the version of what the runtime keeps in a database beside the
// app's rows. A database of a later format is left alone.
const Format = 2

// Schema is the tables of a database. Its JSON form is kept in the database.
type Schema struct {
	Tables []Table `json:"tables"`
	// Broken are the foreign keys that were found to lead nowhere.
	Broken []BrokenKey `json:"-"`
}

// Table is a table: that of a model, unless it was found in the database and
// no model has it.
type Table struct {
	Name    string   `json:"name"`
	Model   string   `json:"model,omitempty"`
	Columns []Column `json:"columns"`
	Indexes []Index  `json:"indexes,omitempty"`

	model *dataflow.Model
}

// Column is a column. Kind is "" if it was found in the database and does not
// say what it holds; Storage is always known.
type Column struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`                // of the value: "decimal", "list(str)"; a reference's is its id's
	Precision int      `json:"precision,omitempty"` // of a decimal
	Scale     int      `json:"scale,omitempty"`
	Values    []string `json:"values,omitempty"` // of an enum
	Optional  bool     `json:"optional,omitempty"`
	ID        bool     `json:"id,omitempty"` // the primary key
	Ref       *Ref     `json:"ref,omitempty"`

	// Storage is the engine's own type. Two columns with different Storage
	// can't hold the same values.
	Storage string `json:"-"`
	// Filled says that the database gives a row that leaves the column out a
	// value of its own.
	Filled bool `json:"-"`

	field *dataflow.Field
}

// Ref is a foreign key to another table's id.
type Ref struct {
	Table    string `json:"table"`
	OnDelete string `json:"on_delete"` // "restrict", "cascade" or "set_null"

	Column    string `json:"-"` // the other table's primary key
	Name      string `json:"-"` // of the constraint, where it was found with one
	Unchecked bool   `json:"-"` // rows that were there before it have not been looked at
	Elsewhere bool   `json:"-"` // the table is in another schema of the server
}

// Index is an index over columns of a table.
type Index struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Unique  bool     `json:"unique,omitempty"`
	// Search says that it is an index of the words in its columns.
	Search bool `json:"search,omitempty"`
	// Where says which rows the index is over; nil is all. In a model with soft
	// delete uniqueness is among live rows.
	Where *query.Condition `json:"where,omitempty"`

	// Broken says that it was found, but is not what its name says: cut short
	// while it was built, or altered since. It serves nobody, and is in the way.
	Broken bool `json:"-"`

	span dataflow.Span // of the declaration, if it is one of its own
}

// Field returns the field the column is for; nil in a schema that was found.
func (c *Column) Field() *dataflow.Field { return c.field }

// Fill returns the value that rows take which have none in a column that asks
// for one.
func (c *Column) Fill() (v any, ok bool) {
	switch f := c.field; {
	case f == nil:
		return nil, false
	case f.Backfill != nil:
		return f.Backfill, true
	case f.System == dataflow.RoleVersion:
		return int64(1), true
	default:
		return f.Default, f.HasDefault && f.Default != nil
	}
}

// Declared returns the model the table is for; nil in a schema that was found.
func (t *Table) Declared() *dataflow.Model { return t.model }

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// id is the name of the primary key, "" if there is none.
func (t *Table) id() string {
	for i := range t.Columns {
		if t.Columns[i].ID {
			return t.Columns[i].Name
		}
	}
	return ""
}

// Table returns the table of that name, or nil.
func (s *Schema) Table(name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// Storage maps a field's type to the engine's own.
type Storage func(*dataflow.Type) string

// Literal writes a canonical value of a type as the engine's SQL does.
type Literal func(t *dataflow.Type, v any) string

// Engine is how an engine keeps what models ask for.
type Engine struct {
	Storage   Storage
	Literal   Literal
	IndexName func(string) string // shortened, where the engine does not keep it whole; nil is as it is
}

// Desired returns the schema that models ask for.
func Desired(models []*dataflow.Model, e Engine) *Schema {
	s := &Schema{Tables: make([]Table, len(models))}
	for i, m := range models {
		s.Tables[i].desire(m, e)
	}
	return s
}

// desire makes t the table of a model, in the room that it has.
func (t *Table) desire(m *dataflow.Model, e Engine) {
	*t = Table{Name: m.Table, Model: m.Name, model: m, Columns: slices.Grow(t.Columns[:0], len(m.Fields)), Indexes: t.Indexes[:0]}
	for _, f := range m.Fields {
		t.Columns = append(t.Columns, Column{})
		t.Columns[len(t.Columns)-1].desire(f, e.Storage)
	}
	t.Indexes = desiredIndexes(t.Indexes, m, e.Literal)
	if e.IndexName != nil {
		for i := range t.Indexes {
			t.Indexes[i].Name = e.IndexName(t.Indexes[i].Name)
		}
	}
}

func (c *Column) desire(f *dataflow.Field, storage Storage) {
	typ := f.Type.Scalar()
	*c = Column{
		Name: f.ColumnName(), Kind: KindName(typ), Optional: f.Optional, ID: f.System == dataflow.RoleID,
		Precision: typ.Precision, Scale: typ.Scale, Storage: storage(f.Type), field: f,
	}
	if typ.Kind == dataflow.KindEnum {
		c.Values = typ.Values
	}
	if f.Type.Kind == dataflow.KindRef {
		c.Ref = &Ref{Table: f.Type.Model.Table, OnDelete: OnDelete(f), Column: f.Type.Model.ID().ColumnName()}
	}
}

// OnDelete returns what becomes of a row when the one it refers to is deleted.
func OnDelete(f *dataflow.Field) string {
	if f.OnDelete == "" {
		return "restrict"
	}
	return f.OnDelete
}

// KindName names what a column of type t holds, without what is kept beside
// it: an enum's values, a decimal's digits.
func KindName(t *dataflow.Type) string {
	switch t = t.Scalar(); t.Kind {
	case dataflow.KindList:
		return "list(" + KindName(t.Elem) + ")"
	default:
		return t.Kind.String()
	}
}

// desiredIndexes adds the indexes of a model to a list, once each: those it
// declares, those of fields marked unique or index, and one for each reference.
// In a multi-tenant model uniqueness is within a tenant: another tenant's rows
// must not show through a refusal. With soft delete it is among live rows, so
// that the value of a deleted one can be used again; a foreign key or a filter
// needs an index over all rows, so such a one does not do for it.
func desiredIndexes(list []Index, m *dataflow.Model, literal Literal) []Index {
	most := len(m.Indexes) + 1
	for _, f := range m.Fields {
		if f.Unique || f.Index || f.Type.Kind == dataflow.KindRef {
			most++
		}
	}
	list = slices.Grow(list, most)
	add := func(unique bool, where *query.Condition, span dataflow.Span, columns ...string) {
		if t := m.RoleIndex(dataflow.RoleTenant); unique && t >= 0 && !slices.Contains(columns, m.Fields[t].ColumnName()) {
			columns = append([]string{m.Fields[t].ColumnName()}, columns...)
		}
		ix := Index{Name: indexName(m.Table, unique, columns, where), Columns: columns, Unique: unique, Where: where, span: span}
		if d := m.RoleIndex(dataflow.RoleDeletedAt); unique && d >= 0 {
			ix.Where = query.Both(where, query.IsNull(m, d))
		}
		if !slices.ContainsFunc(list, func(x Index) bool { return x.Name == ix.Name }) {
			list = append(list, ix)
		}
	}
	for _, f := range m.Fields {
		if f.Unique && f.System != dataflow.RoleID {
			add(true, nil, dataflow.Span{}, f.ColumnName())
		}
	}
	for _, ix := range m.Indexes {
		if ix.Unique && len(ix.Fields) == 1 && ix.Fields[0] == m.ID().Name {
			continue // the primary key is unique already
		}
		add(ix.Unique, condition(m, ix, literal), ix.Span, columnsOf(m, ix.Fields)...)
	}
	for _, f := range m.Fields {
		if (f.Index || f.Type.Kind == dataflow.KindRef) && f.System != dataflow.RoleID && !beginsWith(list, f.ColumnName()) {
			add(false, nil, dataflow.Span{}, f.ColumnName())
		}
	}
	if names := searched(m); len(names) > 0 {
		list = append(list, Index{Name: SearchIndex(m), Columns: names, Search: true})
	}
	return list
}

// beginsWith reports whether an index over all rows has the column first.
func beginsWith(list []Index, column string) bool {
	for i := range list {
		if ix := &list[i]; ix.Columns[0] == column && ix.Where == nil {
			return true
		}
	}
	return false
}

// columnsOf are the columns of fields, which have been checked.
func columnsOf(m *dataflow.Model, fields []string) []string {
	columns := make([]string, len(fields))
	for i, name := range fields {
		columns[i] = m.Field(name).ColumnName()
	}
	return columns
}

// SearchIndex is the name of the index of a model's words.
func SearchIndex(m *dataflow.Model) string {
	return searchPrefix + m.Table + "." + strings.Join(searched(m), ".")
}

const searchPrefix = "fx_"

func searched(m *dataflow.Model) (names []string) {
	for _, i := range m.Searchable() {
		names = append(names, m.Fields[i].ColumnName())
	}
	return names
}

// condition is that of an index, which has been checked.
func condition(m *dataflow.Model, ix dataflow.Index, literal Literal) *query.Condition {
	if ix.Where == nil {
		return nil
	}
	where, problems := query.ParseIndex(m, ix.Where, "")
	if len(problems) > 0 {
		panic("migrate: an index of " + m.Name + " was not checked: " + problems[0].Detail)
	}
	return query.NewCondition(where, literal)
}

// indexName is unambiguous: no table or column has a point in its name. That
// of an index over some rows ends in a hash of its condition.
func indexName(table string, unique bool, columns []string, where *query.Condition) string {
	name := "ix_"
	if unique {
		name = "ux_"
	}
	name += table + "." + strings.Join(columns, ".")
	if where != nil {
		sum := sha256.Sum256([]byte(where.String()))
		name += "~" + hex.EncodeToString(sum[:4])
	}
	return name
}

// Fingerprint identifies the schema that models ask for: a change to any table
// alters it. It is of the JSON form, of which no more than a table is there at a
// time: memory that is touched first is most of what a start would pay for it.
func Fingerprint(models []*dataflow.Model, e Engine) string {
	h := sha256.New()
	h.Write([]byte{Format})
	h.Write([]byte(`{"tables":[`))
	var t Table
	var text []byte
	for i, m := range models {
		t.desire(m, e)
		text = t.appendTo(comma(text[:0], i))
		h.Write(text)
	}
	h.Write([]byte("]}"))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// FingerprintOf is Fingerprint, once it is asked for.
func FingerprintOf(models []*dataflow.Model, e Engine) func() string {
	return sync.OnceValue(func() string { return Fingerprint(models, e) })
}
