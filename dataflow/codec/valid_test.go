package codec

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

var validSeeds = []string{"", " ", "null", "nul", "true ", "\tfalse", "0", "-0", "01", "1.", "1.5", ".5", "-", "1e9", "1E+9", "1e", "1e-", "+1",
	`""`, `"a`, `"12345678"`, `"1234567`, `"\u00e9"`, `"\u00e"`, `"\x"`, `"\`, "\"\n\"", "\"1234567\x01\"", `"é😀"`, "\"\xff\"",
	"[]", "[ ]", "[1,]", "[1 2]", "[,]", "[1,[2,{}]]", "[", "]", "{}", `{"a":1}`, `{"a":1,}`, `{"a" : [1 , 2] , "b":{}}`, `{"a"}`, `{a:1}`, `{"a":1`,
	"null null", "nojson", "NaN", "\x00", `{"a":1}` + "\x00", `"a"b"`, `[1}`, `{"a":1]`}

// TestValidIsWhatEncodingJSONTakes holds Valid to the library's own, but for text
// that is not UTF-8, which that lets pass.
func TestValidIsWhatEncodingJSONTakes(t *testing.T) {
	for _, s := range validSeeds {
		checkValid(t, []byte(s))
	}
	for _, depth := range []int{maxNesting, maxNesting + 1, 1_000_000} {
		s := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if got := Valid([]byte(s)); got != (depth <= maxNesting) {
			t.Errorf("%d levels: %t", depth, got)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range validSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkValid(t, b) })
}

func checkValid(t *testing.T, b []byte) {
	t.Helper()
	if got, want := Valid(b), json.Valid(b) && utf8.Valid(b); got != want {
		t.Errorf("%q: %t, want %t", b, got, want)
	}
}

func BenchmarkValid(b *testing.B) {
	text := []byte(`{"color":"red","sizes":[1,2,3.5],"tags":["new","sale"],"maker":{"name":"Ada & Co","country":"GB"},"note":"a text of some length that has nothing to escape"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !Valid(text) {
			b.Fatal()
		}
	}
}
