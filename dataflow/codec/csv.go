package codec

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// MaxCSVRows bounds what ReadCSV reads: its rows are in memory at once.
const MaxCSVRows = 100_000

// CSVDelimiter returns the one character that a text holds. It can't be one
// that has a meaning of its own.
func CSVDelimiter(s string) (rune, error) {
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) || r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError {
		return 0, fmt.Errorf("%q can't stand between values", s)
	}
	return r, nil
}

// ReadCSV reads CSV (RFC 4180) into rows, objects of texts by column. Without
// columns the first line names them. The error says which line it is about.
func ReadCSV(text string, delimiter rune, columns []string) (names []string, rows []any, err error) {
	if !utf8.ValidString(text) {
		return nil, nil, errors.New("is no text in UTF-8")
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))) // as spreadsheets begin
	r.Comma = delimiter
	rows = []any{}
	if columns == nil {
		if columns, err = r.Read(); err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, csvError(err)
		}
	}
	for i, name := range columns {
		if name == "" || slices.Contains(columns[:i], name) {
			return nil, nil, fmt.Errorf("column %d has no name of its own: %q", i+1, name)
		}
	}
	r.FieldsPerRecord = len(columns)
	shape := dataflow.NewShape(columns...)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return columns, rows, nil
		}
		if err != nil {
			return nil, nil, csvError(err)
		}
		if len(rows) == MaxCSVRows {
			return nil, nil, fmt.Errorf("has more than %d rows", MaxCSVRows)
		}
		vals := make([]any, len(record))
		for i, v := range record {
			vals[i] = v
		}
		rows = append(rows, dataflow.NewRecord(shape, vals))
	}
}

func csvError(err error) error {
	pe, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return errors.New("can't be read as CSV")
	}
	what := "the quotes are not closed, or stand within a value"
	if errors.Is(pe.Err, csv.ErrFieldCount) {
		what = "it has more or fewer values than there are columns"
	}
	return fmt.Errorf("line %d: %s", pe.StartLine, what)
}

// WriteCSV writes rows, which are objects, as CSV: null and what is not there
// as nothing, lists and objects as JSON. Without columns they are those of the
// first row.
func WriteCSV(rows []any, delimiter rune, columns []string, header bool) (string, error) {
	var b strings.Builder // which takes all there is, so that writing to it can't fail
	w := csv.NewWriter(&b)
	w.Comma = delimiter
	for i, row := range rows {
		o, ok := row.(*dataflow.Object)
		if !ok || o == nil {
			return "", fmt.Errorf("row %d is no object", i)
		}
		if columns == nil {
			columns = o.Names()
		}
		if i == 0 && header {
			_ = w.Write(columns)
		}
		line := make([]string, len(columns))
		for j, name := range columns {
			if v, ok := o.Get(name); ok && v != nil && v != dataflow.Absent {
				line[j] = csvText(v)
			}
		}
		_ = w.Write(line)
	}
	if len(rows) == 0 && header && columns != nil {
		_ = w.Write(columns)
	}
	w.Flush()
	return b.String(), nil
}

func csvText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any, *dataflow.Object, dataflow.RawJSON:
		return string(AppendValue(nil, v))
	}
	return strings.Trim(string(AppendValue(nil, v)), `"`)
}
