package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
)

// What engines have to say alike of statements of an app's own.

// Gathering puts the rows of an answer together, as far as that goes.
type Gathering struct {
	answer *Answer
	shape  *dataflow.Shape
	most   int
	size   int
}

// maxAnswer bounds the texts and bytes of an answer.
const maxAnswer = 64 << 20

// NewGathering returns one for the answer to a statement.
func NewGathering(q *rawsql.Statement, a *Answer) *Gathering {
	return &Gathering{answer: a, shape: dataflow.NewShape(a.Columns...), most: q.MaxRows}
}

// Add adds a row.
func (g *Gathering) Add(vals []any) error {
	if len(g.answer.Rows) >= g.most {
		return &dataflow.Error{Code: "too_many_rows", Status: dataflow.StatusRejected,
			Message: fmt.Sprintf("the statement gives more than %d rows", g.most), Hint: "write a LIMIT, or raise max_rows"}
	}
	for _, v := range vals {
		switch v := v.(type) {
		case string:
			g.size += len(v)
		case dataflow.RawJSON:
			g.size += len(v)
		case []byte:
			g.size += len(v)
		}
	}
	if g.size > maxAnswer {
		return &dataflow.Error{Code: "too_many_rows", Status: dataflow.StatusRejected,
			Message: fmt.Sprintf("the statement gives more than %d MiB", maxAnswer>>20), Hint: "write a LIMIT, or name fewer columns"}
	}
	g.answer.Rows = append(g.answer.Rows, dataflow.NewRecord(g.shape, vals))
	return nil
}

// Flawed is the error of a statement that can't be run, or nil.
func Flawed(flaws []rawsql.Flaw) error {
	for _, f := range flaws {
		if !f.Warning {
			return &dataflow.Error{Code: "statement", Status: dataflow.StatusInternal, Message: "the statement can't be run: " + f.Message, Hint: f.Hint}
		}
	}
	return nil
}

// ColumnFlaws reports columns of a result that nothing can refer to.
func ColumnFlaws(columns []string, q *rawsql.Statement) []rawsql.Flaw {
	var flaws []rawsql.Flaw
	seen := map[string]bool{}
	for _, name := range columns {
		switch {
		case seen[name]:
			flaws = append(flaws, rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("two columns of the result are called %q", name), Hint: "name one of them with AS"})
		case !plainName(name):
			flaws = append(flaws, rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("the column %s of the result has no name of its own", name), Hint: "give it one: " + name + " AS total"})
		}
		seen[name] = true
	}
	for _, c := range q.Columns {
		if !seen[c.Name] {
			flaws = append(flaws, rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("the result has no column %q", c.Name), Hint: dataflow.NearOrAll(c.Name, columns)})
		}
	}
	return flaws
}

func plainName(s string) bool {
	return s != "" && !strings.ContainsAny(s, "()?*+-/|'\" \t\n")
}

// Unfit is the error of a value that a statement can't take. The cause may hold
// values, and is for the log alone.
func Unfit(param, why string, cause error) error {
	e := &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid, Message: why, Err: cause}
	if param != "" {
		e.Problems = []dataflow.Problem{{Code: "wrong_type", Pointer: "/params/" + param, Detail: param + ": " + why}}
	}
	return e
}

// Unread is the error of a value in a column that is not what the column is
// said to be.
func Unread(column string, t *dataflow.Type) error {
	return &dataflow.Error{Code: "statement", Status: dataflow.StatusInternal,
		Message: fmt.Sprintf("the column %s has a value that is no %s", column, t), Hint: "say in columns what it is"}
}

// Constrained is the error of a constraint that a statement of the app's hits.
func Constrained(unique, reference bool, cause error) error {
	e := &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid, Message: "the statement breaks a rule of its table", Err: cause}
	switch {
	case unique:
		e.Code, e.Status, e.Message = "unique_violation", dataflow.StatusConflict, "another row has the same values"
	case reference:
		e.Code, e.Status, e.Message = "reference_violation", dataflow.StatusConflict, "a row refers to one that is not there"
	}
	return e
}

// TypeOf is the type that a value has by itself.
func TypeOf(v any) *dataflow.Type {
	switch v.(type) {
	case bool:
		return dataflow.Bool
	case int64:
		return dataflow.Int
	case float64:
		return dataflow.Float
	case time.Time:
		return dataflow.DateTime
	case dataflow.Date:
		return &dataflow.Type{Kind: dataflow.KindDate}
	case dataflow.TimeOfDay:
		return &dataflow.Type{Kind: dataflow.KindTime}
	case []byte:
		return &dataflow.Type{Kind: dataflow.KindBytes}
	case string:
		return dataflow.String
	}
	return dataflow.JSON
}
