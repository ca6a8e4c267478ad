package codec

import (
	"encoding/csv"
	"errors"
	"fmt"
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
	if n != len(s) || r == 0 || r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError {
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
	r := csvReader{rest: strings.TrimPrefix(text, "\ufeff"), comma: delimiter, line: 1} // as spreadsheets begin
	rows = []any{}
	if columns == nil {
		if columns, err = r.record(); err != nil {
			return nil, nil, err
		}
	}
	for i, name := range columns {
		if name == "" || slices.Contains(columns[:i], name) {
			return nil, nil, fmt.Errorf("column %d has no name of its own: %q", i+1, name)
		}
	}
	shape := dataflow.NewShape(columns...)
	for {
		record, err := r.record()
		switch {
		case err != nil:
			return nil, nil, err
		case record == nil:
			return columns, rows, nil
		case len(record) != len(columns):
			return nil, nil, fmt.Errorf("line %d: it has more or fewer values than there are columns", r.began)
		case len(rows) == MaxCSVRows:
			return nil, nil, fmt.Errorf("has more than %d rows", MaxCSVRows)
		}
		vals := make([]any, len(record))
		for i, v := range record {
			vals[i] = v
		}
		rows = append(rows, dataflow.NewRecord(shape, vals))
	}
}

// csvReader reads records. Unlike encoding/csv it leaves what stands in quotes
// as it is: that makes \n of \r\n.
type csvReader struct {
	rest  string
	comma rune
	line  int
	began int // the line of the record
}

// record returns the next record, nil at the end. Empty lines are passed over.
func (r *csvReader) record() ([]string, error) {
	for r.newline() {
	}
	if r.rest == "" {
		return nil, nil
	}
	r.began = r.line
	var record []string
	for {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		record = append(record, value)
		switch {
		case strings.HasPrefix(r.rest, string(r.comma)):
			r.rest = r.rest[utf8.RuneLen(r.comma):]
		case r.rest == "" || r.newline():
			return record, nil
		default: // behind a closing quote
			return nil, r.misquoted()
		}
	}
}

// newline takes the end of a line, if it comes next.
func (r *csvReader) newline() bool {
	for _, end := range []string{"\n", "\r\n"} {
		if rest, ok := strings.CutPrefix(r.rest, end); ok {
			r.rest, r.line = rest, r.line+1
			return true
		}
	}
	return false
}

func (r *csvReader) value() (string, error) {
	if !strings.HasPrefix(r.rest, `"`) {
		return r.bare()
	}
	var b strings.Builder
	rest := r.rest[1:]
	for {
		inside, after, closed := strings.Cut(rest, `"`)
		if !closed {
			return "", r.misquoted()
		}
		r.line += strings.Count(inside, "\n")
		b.WriteString(inside)
		if !strings.HasPrefix(after, `"`) {
			r.rest = after
			return b.String(), nil
		}
		b.WriteByte('"')
		rest = after[1:]
	}
}

// bare takes a value without quotes.
func (r *csvReader) bare() (string, error) {
	end := strings.IndexFunc(r.rest, func(c rune) bool { return c == r.comma || c == '\n' })
	if end < 0 {
		end = len(r.rest)
	} else if r.rest[end] == '\n' && end > 0 && r.rest[end-1] == '\r' {
		end--
	}
	value := r.rest[:end]
	if strings.Contains(value, `"`) {
		return "", r.misquoted()
	}
	r.rest = r.rest[end:]
	return value, nil
}

func (r *csvReader) misquoted() error {
	return fmt.Errorf("line %d: the quotes are not closed, or stand within a value", r.began)
}

// WriteCSV writes rows, which are objects, as CSV: null and what is not there
// as nothing, lists and objects as JSON. Without columns they are those of the
// first row.
func WriteCSV(rows []any, delimiter rune, columns []string, header bool) (string, error) {
	var b strings.Builder // which takes all there is, so that writing to it can't fail
	w := csv.NewWriter(&b)
	w.Comma = delimiter
	write := func(line []string) {
		if len(line) == 1 && line[0] == "" { // an empty line would be none
			w.Flush()
			b.WriteString("\"\"\n")
			return
		}
		_ = w.Write(line)
	}
	for i, row := range rows {
		o, ok := row.(*dataflow.Object)
		if !ok || o == nil {
			return "", fmt.Errorf("row %d is no object", i)
		}
		if columns == nil {
			columns = o.Names()
		}
		if i == 0 && header {
			write(columns)
		}
		line := make([]string, len(columns))
		for j, name := range columns {
			if v, ok := o.Get(name); ok && v != nil && v != dataflow.Absent {
				line[j] = csvText(v)
			}
		}
		write(line)
	}
	if len(rows) == 0 && header && columns != nil {
		write(columns)
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

// AppendCSV appends one record of values, with its line end. Null is nothing,
// and an empty text a pair of quotes, so that each can be told from the other.
// Nothing is altered: of what a spreadsheet takes for a formula, too.
func AppendCSV(dst []byte, values []any) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v == nil || v == dataflow.Absent {
			continue
		}
		text := csvText(v)
		if text != "" && !strings.ContainsAny(text, ",\"\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
			dst = append(dst, text...)
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, strings.ReplaceAll(text, `"`, `""`)...)
		dst = append(dst, '"')
	}
	return append(dst, "\r\n"...)
}
