package codec

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
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
		first, err := r.record()
		if err != nil {
			return nil, nil, err
		}
		for _, cell := range first {
			columns = append(columns, cell.Text)
		}
	}
	known := make(map[string]bool, len(columns))
	for i, name := range columns {
		if name == "" || known[name] {
			return nil, nil, fmt.Errorf("column %d has no name of its own: %q", i+1, name)
		}
		known[name] = true
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
		for i, cell := range record {
			vals[i] = cell.Text
		}
		rows = append(rows, dataflow.NewRecord(shape, vals))
	}
}

// CSVCell is a value of a record. Quoted tells an empty text from nothing.
type CSVCell struct {
	Text   string
	Quoted bool
}

// CSVReader reads CSV (RFC 4180) record by record. It holds one at a time.
type CSVReader struct {
	lines *LineReader
	Line  int // on which the last record began
}

// NewCSVReader reads records of at most max bytes from r.
func NewCSVReader(r io.Reader, max int) *CSVReader {
	return &CSVReader{lines: NewLineReader(r, max)}
}

// Read returns the next record, io.EOF behind the last. Empty lines are passed
// over. Other errors are those of the reader, or a *CSVError, behind which there
// is nothing to be read.
func (r *CSVReader) Read() ([]CSVCell, error) {
	var text []byte
	for open := false; ; {
		if !open {
			r.lines.skip("\r\n")
		}
		line, err := r.lines.Read()
		switch {
		case err == io.EOF && open:
			return nil, &CSVError{r.Line, errMisquoted}
		case errors.Is(err, ErrLineTooLong) && !open:
			r.Line = r.lines.Line
			return nil, &CSVError{r.Line, ErrLineTooLong}
		case errors.Is(err, ErrLineTooLong):
			return nil, &CSVError{r.Line, errMisquoted}
		case err != nil:
			return nil, err
		}
		if !open {
			r.Line = r.lines.Line
			if len(bytes.TrimRight(line, "\r\n")) == 0 {
				continue
			}
		}
		// Of a whole record the quotes are even in number: odd is one that goes on.
		open = open != (bytes.Count(line, []byte{'"'})%2 == 1)
		if len(text)+len(line) > r.lines.max {
			return nil, &CSVError{r.Line, ErrLineTooLong}
		}
		text = append(text, line...)
		if !open {
			break
		}
	}
	one := csvReader{rest: string(text), comma: ',', line: r.Line}
	record, err := one.record()
	if err != nil {
		return nil, err
	}
	if one.rest != "" {
		return nil, &CSVError{r.Line, errMisquoted}
	}
	return record, nil
}

// CSVError says on which line of a file there is no CSV.
type CSVError struct {
	Line int
	Err  error
}

// Error says where, and why.
func (e *CSVError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns why.
func (e *CSVError) Unwrap() error { return e.Err }

// maxCells bounds the values of a record: as many as spreadsheets have columns.
// Each takes more room here than the comma that makes it.
const maxCells = 16_384

// ErrManyCells is a record that has more values than it may have.
var ErrManyCells = errors.New("it has more than " + strconv.Itoa(maxCells) + " values")

// ErrLineTooLong is a line, or a record, that is longer than it may be.
var ErrLineTooLong = errors.New("it is longer than a row may be")

// ErrReturn is a carriage return without a line feed, outside of quotes: what is
// one line here was many to whoever wrote it, or a value ends in what is no part of
// it.
var ErrReturn = errors.New("a carriage return stands by itself: lines end with \\n or \\r\\n")

var errMisquoted = errors.New("the quotes are not closed, or stand within a value")

// LineReader reads text line by line. It holds one at a time.
type LineReader struct {
	r    *bufio.Reader
	max  int
	long []byte
	Line int // the number of the last line, from 1
}

// NewLineReader reads lines of at most max bytes from r.
func NewLineReader(r io.Reader, max int) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, 32<<10), max: max}
}

// Read returns the next line with its end, valid until the next call; io.EOF
// behind the last. A line that is too long is passed over, and ErrLineTooLong.
func (r *LineReader) Read() ([]byte, error) {
	r.Line++
	line, err := r.r.ReadSlice('\n')
	r.long = r.long[:0]
	for size := len(line); err == bufio.ErrBufferFull; size += len(line) {
		if size <= r.max {
			r.long = append(r.long, line...)
		}
		line, err = r.r.ReadSlice('\n')
		if err != bufio.ErrBufferFull {
			if size+len(line) > r.max {
				return nil, cmp.Or(notEOF(err), ErrLineTooLong)
			}
			r.long = append(r.long, line...)
			line = r.long
		}
	}
	switch {
	case notEOF(err) != nil:
		return nil, err
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case len(line) > r.max:
		return nil, ErrLineTooLong
	case r.Line == 1:
		line = bytes.TrimPrefix(line, []byte("\ufeff")) // as spreadsheets begin
	}
	return line, nil
}

// SkipBlank passes over lines of white space, as far as they are at hand; Read may
// give one all the same. Of a file that is nothing else there are more than any
// work of each is to be spent on.
func (r *LineReader) SkipBlank() { r.skip(" \t\r\n") }

// skip passes over lines that hold nothing but these, as far as they are at hand.
func (r *LineReader) skip(blank string) {
	for {
		if _, err := r.r.Peek(1); err != nil {
			return
		}
		text, _ := r.r.Peek(r.r.Buffered()) // which is there
		run := text[:len(text)-len(bytes.TrimLeft(text, blank))]
		n := bytes.LastIndexByte(run, '\n') + 1
		r.Line += bytes.Count(run[:n], []byte{'\n'})
		_, _ = r.r.Discard(n) // which is there
		if n == 0 || n < len(text) {
			return
		}
	}
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
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
func (r *csvReader) record() ([]CSVCell, error) {
	for r.newline() {
	}
	if r.rest == "" {
		return nil, nil
	}
	r.began = r.line
	var record []CSVCell
	for {
		quoted := strings.HasPrefix(r.rest, `"`)
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		if len(record) == maxCells {
			return nil, &CSVError{r.began, ErrManyCells}
		}
		record = append(record, CSVCell{value, quoted})
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
	if strings.Contains(value, "\r") {
		return "", &CSVError{r.began, ErrReturn}
	}
	r.rest = r.rest[end:]
	return value, nil
}

func (r *csvReader) misquoted() error {
	return &CSVError{r.began, errMisquoted}
}

// RowError says which row can't be written as CSV: it is no object, or it has a
// value under a name for which there is no column.
type RowError struct {
	Row  int
	Name string // "": it is no object
}

// Error implements error.
func (e *RowError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("row %d is no object", e.Row)
	}
	return fmt.Sprintf("row %d has a value for %q, and the first row, which the columns are of, has not: give the columns", e.Row, e.Name)
}

// WriteCSV writes rows, which are objects, as CSV: null and what is not there
// as nothing, lists and objects as JSON. Without columns they are those of the
// first row, and a row with a value for another is refused. An error is a
// *RowError.
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
	given := columns != nil
	for i, row := range rows {
		o, ok := row.(*dataflow.Object)
		if !ok || o == nil {
			return "", &RowError{Row: i}
		}
		if columns == nil {
			columns = o.Names()
		}
		left := 0 // values that have yet to find their column
		for _, v := range o.All {
			if v != nil && v != dataflow.Absent {
				left++
			}
		}
		if i == 0 && header {
			write(columns)
		}
		line := make([]string, len(columns))
		for j, name := range columns {
			if v, ok := o.Get(name); ok && v != nil && v != dataflow.Absent {
				line[j] = csvText(v)
				left--
			}
		}
		if left > 0 && !given {
			return "", &RowError{Row: i, Name: beyond(o, columns)}
		}
		write(line)
	}
	if len(rows) == 0 && header && columns != nil {
		write(columns)
	}
	w.Flush()
	return b.String(), nil
}

// beyond is the first of an object's names that has a value and is not among others.
func beyond(o *dataflow.Object, names []string) string {
	for name, v := range o.All {
		if v != nil && v != dataflow.Absent && !slices.Contains(names, name) {
			return name
		}
	}
	return ""
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
