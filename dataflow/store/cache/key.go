package cache

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// question is what was asked: its text, which no other question has, and the
// models whose rows the answer is made of.
type question struct {
	b      query.Builder
	models []*dataflow.Model
}

var questions = sync.Pool{New: func() any {
	q := &question{}
	q.b.Dialect = dialect{}
	q.b.Reads = func(m *dataflow.Model) { q.models = append(q.models, m) }
	return q
}}

func newQuestion(kind string) *question {
	q := questions.Get().(*question)
	q.b.Reset()
	q.models = q.models[:0]
	q.b.Raw(kind)
	return q
}

func (q *question) done() { questions.Put(q) }

// of says which model and which of its fields are asked for.
func (q *question) of(m *dataflow.Model, fields []int) {
	q.models = append(q.models, m)
	q.b.Ident(m.Table).Columns(m, fields)
}

// value adds a value to what is asked.
func (q *question) value(v any) { q.b.Arg(v) }

// key is the text. Parameters are told by their types and lengths, so that two
// lists of them have never the same text.
func (q *question) key() string {
	text := q.b.SQL
	for _, v := range q.b.Args {
		text = append(text, 0)
		text = fmt.Appendf(text, "%T", v)
		start := len(text)
		text = codec.AppendValue(text, v)
		text = strconv.AppendInt(append(text, 0), int64(len(text)-start), 10)
	}
	q.b.SQL = text[:len(q.b.SQL)] // with the room that was made
	return string(text)
}

// dialect writes questions, which nothing runs.
type dialect struct{}

func (dialect) Placeholder(dst []byte, _ int) []byte { return append(dst, '?') }

func (dialect) Encode(_ *dataflow.Type, v any) any { return v }

func (dialect) Text(b *query.Builder, column string, op query.Op, arg string) {
	b.Ident(column).Raw(" text " + strconv.Itoa(int(op)) + " ").Arg(arg)
}

func (dialect) Element(b *query.Builder, column string, _ *dataflow.Type, v any) {
	b.Ident(column).Raw(" has ").Arg(v)
}

func (dialect) Search(b *query.Builder, s *query.Search) {
	b.Raw("search ").Columns(s.Model, s.Fields).Raw(" ").Arg(s.Text)
}

func (dialect) Figure(b *query.Builder, f query.Func, column string, _ *dataflow.Type, shift int) {
	b.Raw(f.String() + " " + strconv.Itoa(shift) + " ").Ident(column)
}
