package migrate

import (
	"encoding/json"
	"strings"
)

// AppliedRow is an entry of the history as its table has it, beside its id,
// time and state: the steps in a line each and all the statements, for people
// who look at the table; and what is needed to undo them.
type AppliedRow struct{ Steps, SQL, Done, Before string }

// EncodeApplied returns the row of an entry.
func EncodeApplied(a *Applied) (row AppliedRow, err error) {
	lines, sql := make([]string, len(a.Steps)), []string{}
	for i, s := range a.Steps {
		lines[i] = s.Step
		sql = append(sql, s.SQL...)
	}
	text := func(v any) string {
		b, e := json.Marshal(v)
		if e != nil {
			err = e
		}
		return string(b)
	}
	row = AppliedRow{Steps: text(lines), Done: text(a.Steps)}
	if len(sql) > 0 {
		row.SQL = strings.Join(sql, ";\n") + ";"
	}
	if a.Before != nil {
		row.Before = text(a.Before)
	}
	return row, err
}

// DecodeApplied reads a row. One of an earlier format knows no statements.
func DecodeApplied(row AppliedRow) (a Applied) {
	if json.Unmarshal([]byte(row.Done), &a.Steps) != nil {
		var lines []string
		_ = json.Unmarshal([]byte(row.Steps), &lines) // what can't be read is not shown
		for _, line := range lines {
			a.Steps = append(a.Steps, Done{Step: line})
		}
	}
	before := new(Schema)
	if json.Unmarshal([]byte(row.Before), before) == nil && row.Before != "" {
		a.Before = before
	}
	return a
}

// EncodeSchema writes a schema as it is kept; "" for none.
func EncodeSchema(s *Schema) (string, error) {
	if s == nil {
		return "", nil
	}
	text, err := json.Marshal(s)
	return string(text), err
}
