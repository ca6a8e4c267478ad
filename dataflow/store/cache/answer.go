package cache

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// answer is what a question was answered with. Nobody changes it.
type answer struct {
	states []state // of the tables, from before it was asked
	rows   []row
	count  int64
}

// What an answer, a row and a value take beside their texts, in bytes.
const (
	answerSize = 200
	rowSize    = 120
	valueSize  = 40
)

// shows reports whether an answer is of these states.
func (a *answer) shows(states []state) bool { return slices.Equal(a.states, states) }

// form is what the rows of an answer look like.
type form struct {
	shape  *dataflow.Shape
	fields []int // positions in it
}

func rowsOf(m *dataflow.Model, fields []int) form {
	if fields == nil {
		fields = make([]int, len(m.Fields))
		for i := range fields {
			fields[i] = i
		}
	}
	return form{m.Shape(), fields}
}

// keep copies a row.
func (f form) keep(r store.Row) row {
	vals := make([]any, len(f.fields))
	for i := range vals {
		vals[i] = r.Value(i)
	}
	return row{form: f, text: r.AppendJSON(nil), vals: vals}
}

// row is a store.Row that stays valid.
type row struct {
	form form
	text []byte
	vals []any // of form's fields
}

// size is what it takes, in bytes: a value is at most as long as its text.
func (r *row) size() int { return rowSize + 2*len(r.text) + valueSize*len(r.vals) }

// AppendJSON implements store.Row.
func (r *row) AppendJSON(dst []byte) []byte { return append(dst, r.text...) }

// Value implements store.Row.
func (r *row) Value(i int) any { return r.vals[i] }

// Object implements store.Row. Each caller has one of its own.
func (r *row) Object() *dataflow.Object {
	vals := make([]any, r.form.shape.Len())
	for i := range vals {
		vals[i] = dataflow.Absent
	}
	for i, f := range r.form.fields {
		vals[f] = r.vals[i]
	}
	return dataflow.NewRecord(r.form.shape, vals)
}
