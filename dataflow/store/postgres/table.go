package postgres

import (
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
	getAll    string // … WHERE id = $1, live rows only
	getTail   string // FROM table WHERE id = $1, live rows only
	getMany   string // WHERE id = ANY ($1), live rows only; "" where reads are not gathered
	idElement uint32 // the type of $1's elements
	id        int
	autoID    bool // the database picks ids
	referrers []referrer

	gathering gathering
}

// referrer is a field that refers to a table.
type referrer struct {
	model *dataflow.Model
	field *dataflow.Field
}

// column is how one field's values are read.
type column struct {
	field  *dataflow.Field
	typ    *dataflow.Type // a reference's is its id's
	key    string         // "name":
	form   form
	summed bool // a figure that adds up
}

// form is how a column's values come over the wire.
type form uint8

const (
	formText form = iota
	formInt
	formBool
	formFloat // these five can be what no field can
	formNumeric
	formMoment
	formDate
	formTime
	formUUID
	formJSON
	formList
	formBytes
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
		return formNumeric
	case dataflow.KindDateTime:
		return formMoment
	case dataflow.KindDate:
		return formDate
	case dataflow.KindTime:
		return formTime
	case dataflow.KindUUID:
		return formUUID
	case dataflow.KindJSON:
		return formJSON
	case dataflow.KindList:
		return formList
	case dataflow.KindBytes:
		return formBytes
	}
	return formText
}

func newTable(m *dataflow.Model) *table {
	t := &table{model: m, id: m.RoleIndex(dataflow.RoleID)}
	t.autoID = m.ID().Type.Kind == dataflow.KindInt
	for _, f := range m.Fields {
		t.addColumn(f)
	}
	b := query.Builder{Dialect: dialect{}}
	b.Raw("SELECT ").Columns(m, nil).Raw(" FROM ").Ident(m.Table)
	t.selectAll = string(b.SQL)
	b.Reset()
	b.Raw(" FROM ").Ident(m.Table).Raw(" WHERE ").Ident(m.ID().ColumnName()).Raw(" = $1")
	t.live(&b)
	t.getTail = string(b.SQL)
	b.Reset()
	b.Raw("SELECT ").Columns(m, nil).Raw(t.getTail)
	t.getAll = string(b.SQL)
	return t
}

// live leaves out the rows that are deleted softly.
func (t *table) live(b *query.Builder) {
	if i := t.model.RoleIndex(dataflow.RoleDeletedAt); i >= 0 {
		b.Raw(" AND ").Ident(t.model.Fields[i].ColumnName()).Raw(" IS NULL")
	}
}

// addColumn adds the column of the next field.
func (t *table) addColumn(f *dataflow.Field) {
	typ := f.Type.Scalar()
	key := append(codec.AppendString(nil, f.Name), ':')
	t.all = append(t.all, len(t.columns))
	t.columns = append(t.columns, column{field: f, typ: typ, key: string(key), form: formOf(typ)})
}

// newTables works out the tables of models and who refers to whom.
func newTables(models []*dataflow.Model) map[*dataflow.Model]*table {
	tables := make(map[*dataflow.Model]*table, len(models))
	for _, m := range models {
		tables[m] = newTable(m)
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
