package dataflow

import (
	"fmt"
	"regexp"
	"testing"
)

func TestNameShapesAreWhatTheirExpressionsWouldBe(t *testing.T) {
	shapes := map[string]NameShape{
		`^[A-Z][A-Za-z0-9_]*$`:             {First: Capitals, Rest: Word},
		`^[A-Za-z][A-Za-z0-9_]{0,59}$`:     {First: Letters, Rest: Word, Most: 60},
		`^[A-Za-z_][A-Za-z0-9_-]{0,59}$`:   {First: Letters | Underscore, Rest: Word | Dash, Most: 60},
		`^[a-z][a-z0-9_-]*$`:               {First: Smalls, Rest: Smalls | Digits | Underscore | Dash},
		`^[A-Za-z_][A-Za-z0-9_$ -]{0,59}$`: {First: Letters | Underscore, Rest: Word | Dollar | Space | Dash, Most: 60},
	}
	names := []string{"", "a\n", "é", "aé", fmt.Sprintf("a%059d", 0), fmt.Sprintf("a%060d", 0)}
	for c := range rune(256) { // as text, so bytes that are no characters too
		names = append(names, string([]byte{byte(c)}), string([]byte{'a', byte(c)}), string([]byte{'Z', byte(c), 'z'}))
	}
	for text, shape := range shapes {
		re := regexp.MustCompile(text)
		for _, name := range names {
			if got, want := shape.Fits(name), re.MatchString(name); got != want {
				t.Errorf("%s: Fits(%q) = %t, want %t", text, name, got, want)
			}
		}
	}
}
