package sqlite

import (
	"sync/atomic"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// table is what is worked out once for a model.
type table struct {
	model     *dataflow.Model
	columns   []column
	all       []int  // every position
	selectAll string // SELECT all columns FROM table
	getAll    string // … WHERE id = ?, live rows only
	getTail   string // FROM table WHERE id = ?, live rows only
	id        int
	autoID    bool        // the database picks ids
	roomy     atomic.Bool // there is known to be an id left
	foreign   bool        // it is not of our making
	silent    bool        // it says ON CONFLICT, and would drop a row for another without a word
	watched   bool        // one of its columns is
	refs      []int
	referrers []referrer
}

// referrer is a field that refers to a table.
type referrer struct {
	model *dataflow.Model
	field *dataflow.Field
}

// column is how one field's values are read.
type column struct {
	field *dataflow.Field
	typ   *dataflow.Type // a reference's is its id's
	key   string         // "name":
	form  form
	// watched says that what is in it is not known to be of its type: the table is
	// not of our making, or SQLite lets another program write anything of the kind.
	watched bool
}

// form is how a column's values are stored and written.
type form uint8

const (
	formText    form = iota // any text
	formMoment              // datetime
	formJSON                // JSON text, as it is
	formList                // JSON text of a list
	formInt                 // INTEGER
	formBool                // INTEGER, 0 or 1
	formFloat               // REAL
	formScaled              // INTEGER, a decimal's coefficient
	formDecimal             // TEXT, a decimal's key
	formBytes               // BLOB
)

func formOf(t *dataflow.Type) form {
	switch t.Kind {
	case dataflow.KindInt:
		return formInt
	case dataflow.KindBool:
		return formBool
	case dataflow.KindFloat:
		return formFloat
	case dataflow.KindDecimal:
		if t.Precision <= maxScaledDigits {
			return formScaled
		}
		return formDecimal
	case dataflow.KindDateTime:
		return formMoment
	case dataflow.KindJSON:
		return formJSON
	case dataflow.KindList:
		return formList
	case dataflow.KindBytes:
		return formBytes
	}
	return formText
}

// verb is INSERT or UPDATE as it is said of the table: a row is refused that can't
// be beside those that are there, whatever the table itself has for that.
func (t *table) verb(plain string) string {
	if t.silent {
		return plain + "OR ABORT "
	}
	return plain
}

func newTable(m *dataflow.Model, foreign bool) *table {
	t := &table{model: m, id: m.RoleIndex(dataflow.RoleID), foreign: foreign}
	t.autoID = m.ID().Type.Kind == dataflow.KindInt
	for i, f := range m.Fields {
		t.addColumn(f, foreign)
		if f.Type.Kind == dataflow.KindRef {
			t.refs = append(t.refs, i)
		}
	}
	b := query.Builder{Dialect: dialect{}}
	b.Raw("SELECT ").Columns(m, nil).Raw(" FROM ").Ident(m.Table)
	t.selectAll = string(b.SQL)
	b.Reset()
	b.Raw(" FROM ").Ident(m.Table).Raw(" WHERE ").Ident(m.ID().ColumnName()).Raw(" = ?")
	if i := m.RoleIndex(dataflow.RoleDeletedAt); i >= 0 {
		b.Raw(" AND ").Ident(m.Fields[i].ColumnName()).Raw(" IS NULL")
	}
	t.getTail = string(b.SQL)
	b.Reset()
	b.Raw("SELECT ").Columns(m, nil).Raw(t.getTail)
	t.getAll = string(b.SQL)
	return t
}

// addColumn adds the column of the next field.
func (t *table) addColumn(f *dataflow.Field, foreign bool) {
	typ := f.Type.Scalar()
	key := append(codec.AppendString(nil, f.Name), ':')
	t.all = append(t.all, len(t.columns))
	form := formOf(typ)
	watched := foreign || form == formList || form == formFloat || form == formDecimal
	t.columns = append(t.columns, column{field: f, typ: typ, key: string(key), form: form, watched: watched})
	t.watched = t.watched || watched
}

// newTables works out the tables of models and who refers to whom.
func newTables(models []*dataflow.Model, foreign *foreignTables) map[*dataflow.Model]*table {
	tables := make(map[*dataflow.Model]*table, len(models))
	for _, m := range models {
		tables[m] = newTable(m, foreign.is(m.Table))
		if tables[m].foreign {
			tables[m].autoID = tables[m].autoID && !foreign.keyed[m.Table]
			tables[m].silent = foreign.silent[m.Table]
		}
	}
	for _, m := range models {
		for _, f := range m.Fields {
			if f.Type.Kind != dataflow.KindRef {
				continue
			}
			if to := tables[f.Type.Model]; to != nil {
				to.referrers = append(to.referrers, referrer{m, f})
			}
		}
	}
	return tables
}
