package codec_test

import (
	"encoding/csv"
	"strings"
	"testing"
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
