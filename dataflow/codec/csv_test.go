package codec_test

import (
	"strings"
	"testing"

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

// What is written is read again as it was, whatever texts are in it.
func FuzzCSV(f *testing.F) {
	f.Add("a", "b,\"c\n")
	f.Add("\r\n", " ")
	f.Fuzz(func(t *testing.T, x, y string) {
		valid := func(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\r", ""), "?") } // a reader takes \r\n for \n
		x, y = valid(x), valid(y)
		text, err := codec.WriteCSV([]any{dataflow.ObjectOf("x", x, "y", y)}, ';', nil, true)
		if err != nil {
			t.Fatal(err)
		}
		_, rows, err := codec.ReadCSV(text, ';', nil)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%q: %v, %v", text, rows, err)
		}
		a, _ := rows[0].(*dataflow.Object).Get("x")
		b, _ := rows[0].(*dataflow.Object).Get("y")
		if a != x || b != y {
			t.Errorf("%q became %q and %q", text, a, b)
		}
	})
}
