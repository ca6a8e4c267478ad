package starlark

import (
	"os"
	"testing"

	"github.com/flowctl/flowctl/starlark/internal/scan"
)

// The parser's verdict decides whether a file is searched for habits at all;
// the search must find nothing in a good file even so.
func TestHabitsAreNotSeenWhereThereAreNone(t *testing.T) {
	for _, file := range []string{"not_habits.star", "models.star", "served.star", "arguments.star"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range findHabits(&source{name: file, text: string(text)}, scan.Text(string(text)).Tokens) {
			t.Errorf("%s: %s %s", d.Span, d.Code, d.Message)
		}
	}
}

func TestNothingMakesTheScanPanicOrLoop(t *testing.T) {
	for _, text := range []string{"", "\\", "'", "\"\"\"", "f'", "rb\"\\", "(((", ")))", "é = ü", "\x00", "a\\\nb", "1_", "0x_", "@", ":=", "lambda", "def", "def f(", "else", "else if", "x:", "/", "//", "!", "is", "is is", "class", "async"} {
		s := &source{name: "x", text: text}
		findHabits(s, scan.Text(text).Tokens)
	}
}
