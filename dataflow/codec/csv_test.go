package codec_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func TestReadCSV(t *testing.T) {
	for _, tt := range []struct {
		text    string
		columns []string
		want    string
	}{
		{"a,b\n1,\"x, \"\"y\"\"\nz\"\n", nil, `[{"a":"1","b":"x, \"y\"\nz"}]`},
		{"\ufeffa,b\r\n1,\r\n", nil, `[{"a":"1","b":""}]`},
		{"1,2\n3,4", []string{"x", "y"}, `[{"x":"1","y":"2"},{"x":"3","y":"4"}]`},
		{"", nil, "[]"},
		{"a,b\n", nil, "[]"},
		{"a,b\n1\n", nil, "line 2: it has more or fewer values than there are columns"},
		{"a,b\n1,2,3\n", nil, "line 2: it has more or fewer values than there are columns"},
		{"a\n\"x\ny", nil, "line 2: the quotes are not closed, or stand within a value"},
		{"a,a\n", nil, `column 2 has no name of its own: "a"`},
		{"a,\n", nil, `column 2 has no name of its own: ""`},
		{"a\n\xff\n", nil, "is no text in UTF-8"},
		{"a\r1\r", nil, `line 1: a carriage return stands by itself: lines end with \n or \r\n`},
		{"a,b\n1,2\r3,4\r\n", nil, `line 2: a carriage return stands by itself: lines end with \n or \r\n`},
		{"a\n\"1\r2\"\n", nil, `[{"a":"1\r2"}]`},
		{strings.Repeat("x\n", codec.MaxCSVRows+2), nil, "has more than 100000 rows"},
	} {
		_, rows, err := codec.ReadCSV(tt.text, ',', tt.columns)
		got := string(codec.AppendValue(nil, rows))
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%.20q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

// What is written is read again as it was, whatever texts are in it, and
// however few columns there are.
func FuzzCSV(f *testing.F) {
	f.Add("a", "b,\"c\n", ",")
	f.Add("\r\n", " ", ";")
	f.Add("", "\r", "\t")
	f.Add("x\r", "\\.", "é")
	f.Fuzz(func(t *testing.T, x, y, comma string) {
		x, y = strings.ToValidUTF8(x, "?"), strings.ToValidUTF8(y, "?")
		delimiter, err := codec.CSVDelimiter(comma)
		if err != nil {
			return
		}
		for _, row := range []*dataflow.Object{dataflow.ObjectOf("x", x, "y", y), dataflow.ObjectOf("x", x)} {
			want := []any{row, dataflow.ObjectOf("x", "last", "y", y), row}
			if row.Len() == 1 {
				want[1] = row
			}
			text, err := codec.WriteCSV(want, delimiter, nil, true)
			if err != nil {
				t.Fatal(err)
			}
			_, rows, err := codec.ReadCSV(text, delimiter, nil)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if a, b := codec.AppendValue(nil, want), codec.AppendValue(nil, rows); string(a) != string(b) {
				t.Errorf("%q:\ngot  %s\nwant %s", text, b, a)
			}
		}
	})
}

// FuzzReadCSV: whatever is read, it is read or refused, as encoding/csv does
// but for line ends in quotes.
func FuzzReadCSV(f *testing.F) {
	f.Add("a,b\n1,\"2\n\"\n")
	f.Add("a\r\n\"x\"y\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.Contains(text, "\r") {
			return
		}
		theirs := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
		theirs.FieldsPerRecord = 2
		records, failed := theirs.ReadAll()
		_, rows, err := codec.ReadCSV(text, ',', []string{"x", "y"})
		if (err == nil) != (failed == nil) || err == nil && len(rows) != len(records) {
			t.Fatalf("%q: %v (%v), and encoding/csv %v (%v)", text, rows, err, records, failed)
		}
		for i, row := range rows {
			x, _ := row.(*dataflow.Object).Get("x")
			y, _ := row.(*dataflow.Object).Get("y")
			if err == nil && (x != records[i][0] || y != records[i][1]) {
				t.Errorf("%q: %v, want %q", text, row, records[i])
			}
		}
	})
}

// What is exported is read again, with nothing told from an empty text, however
// it comes.
func TestCSVReaderReadsWhatIsAppended(t *testing.T) {
	rows := [][]any{
		{"a", "b", "c"},
		{"", nil, `say "hi", she`},
		{"\r\n", "x\ny\n", " "},
		{nil, nil, nil},
		{"=1+1", "\ufeff", `"`},
		{strings.Repeat("long\n", 20000), "é", "\r"},
	}
	var text []byte
	for _, row := range rows {
		text = codec.AppendCSV(text, row)
	}
	for name, in := range map[string]io.Reader{
		"at once":      bytes.NewReader(text),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(text)),
		"with a BOM":   io.MultiReader(strings.NewReader("\ufeff"), bytes.NewReader(text)),
		"blank lines":  io.MultiReader(strings.NewReader("\n\r\n"), bytes.NewReader(bytes.ReplaceAll(text, []byte("\"\"\"\"\r\n"), []byte("\"\"\"\"\n\n")))),
	} {
		r := codec.NewCSVReader(in, 1<<20)
		for i, row := range rows {
			cells, err := r.Read()
			if err != nil || len(cells) != len(row) {
				t.Fatalf("%s: row %d: %d values, %v", name, i, len(cells), err)
			}
			for j, cell := range cells {
				want, isText := row[j].(string)
				if cell.Text != want || isText && want == "" && !cell.Quoted || !isText && cell.Quoted {
					t.Errorf("%s: row %d, value %d: %.30q, want %.30q", name, i, j, cell.Text, want)
				}
			}
		}
		if _, err := r.Read(); err != io.EOF {
			t.Errorf("%s: at the end %v", name, err)
		}
	}
}

func TestCSVReaderSaysWhereItIsNoCSV(t *testing.T) {
	const max = 100 << 10 // more than is read at once
	for _, tt := range []struct{ text, want string }{
		{"a,b\n1,2\n\"x\ny\nz", "line 3: the quotes are not closed, or stand within a value"},
		{"a,b\n1,\"2\"x\n", "line 2: the quotes are not closed, or stand within a value"},
		{"a\n\"x\n1\"\nb\"c\n", "line 4: the quotes are not closed, or stand within a value"},
		{"a\n" + strings.Repeat("x", max+1) + "\n", "line 2: it is longer than a row may be"},
		{"a\n\"" + strings.Repeat("x\n", max) + "\"\n", "line 2: it is longer than a row may be"},
		{"a\n" + strings.Repeat(",", 16_384) + "\n", "line 2: it has more than 16384 values"},
		{"a\n\"x\n" + strings.Repeat("x", max+1), "line 2: the quotes are not closed, or stand within a value"},
	} {
		r := codec.NewCSVReader(strings.NewReader(tt.text), max)
		var err error
		for err == nil {
			_, err = r.Read()
		}
		if err.Error() != tt.want {
			t.Errorf("%.20q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// Blank lines are passed over where they are, and each has its number.
func TestBlankLinesAreCounted(t *testing.T) {
	const n = 20_000 // more than are at hand at once
	crlf, spaces := strings.Repeat("\r\n\n", n), strings.Repeat(" \t\r\n\n", n)
	for _, tt := range []struct{ text, csv, lines string }{
		{"\n\n1\n\n2", "3 1, 5 2", "3 1, 5 2"},
		{"\ufeff\n\ufeff1\n", "2 \ufeff1", "2 \ufeff1"},
		{crlf + "1\r\n" + crlf + "2\n" + crlf, "40001 1, 80002 2", "40001 1, 80002 2"},
		{"\n\r\r1\n", "", "2 1"},
		{"\n \n1\n", "2  , 3 1", "3 1"},
		{spaces + "1\n" + spaces, "", "40001 1"},
		{strings.Repeat("\r", 2*n) + "\n1", "2 1", "2 1"},
		{strings.Repeat(" ", 2*n) + "\n1", "", "2 1"},
	} {
		for name, in := range map[string]func() io.Reader{
			"at once":      func() io.Reader { return strings.NewReader(tt.text) },
			"byte by byte": func() io.Reader { return iotest.OneByteReader(strings.NewReader(tt.text)) },
		} {
			var got []string
			for r := codec.NewCSVReader(in(), 1<<20); tt.csv != ""; {
				cells, err := r.Read()
				if err != nil {
					break
				}
				got = append(got, fmt.Sprint(r.Line, " ", cells[0].Text))
			}
			if s := strings.Join(got, ", "); s != tt.csv {
				t.Errorf("%.20q %s, as CSV: %q, want %q", tt.text, name, s, tt.csv)
			}
			got = nil
			for r := codec.NewLineReader(in(), 1<<20); ; {
				r.SkipBlank()
				line, err := r.Read()
				if err != nil {
					break
				}
				if line = bytes.TrimSpace(line); len(line) > 0 {
					got = append(got, fmt.Sprint(r.Line, " ", string(line)))
				}
			}
			if s := strings.Join(got, ", "); s != tt.lines {
				t.Errorf("%.20q %s, as lines: %q, want %q", tt.text, name, s, tt.lines)
			}
		}
	}
}

// BenchmarkBlankLines is what a file of nothing costs for each byte.
func BenchmarkBlankLines(b *testing.B) {
	text := bytes.Repeat([]byte("\n"), 1<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := codec.NewCSVReader(bytes.NewReader(text), 1<<20).Read(); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func TestLineReader(t *testing.T) {
	const max = 100 << 10
	long := strings.Repeat("x", max)
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"\ufeffa\n\ufeffb", []string{"1 a\n", "2 \ufeffb"}},
		{"a\r\n\n", []string{"1 a\r\n", "2 \n"}},
		{long + "\nb", []string{"1 too long", "2 b"}}, // with its end
		{long, []string{"1 " + long}},
		{long + "x\n" + long + "xx", []string{"1 too long", "2 too long"}},
	} {
		r := codec.NewLineReader(strings.NewReader(tt.text), max)
		var got []string
		for {
			line, err := r.Read()
			if err == io.EOF {
				break
			}
			if errors.Is(err, codec.ErrLineTooLong) {
				line, err = []byte("too long"), nil
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(r.Line, " ", string(line)))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q: %.40q, want %.40q", tt.text, got, tt.want)
		}
	}
	lost := errors.New("lost")
	for _, before := range []string{"a\nb", "a\n" + long + long} {
		r := codec.NewLineReader(io.MultiReader(strings.NewReader(before), iotest.ErrReader(lost)), max)
		var err error
		for err == nil {
			_, err = r.Read()
		}
		if err != lost {
			t.Errorf("%.10q: %v, want %v", before, err, lost)
		}
	}
}
