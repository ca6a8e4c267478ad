package query

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/google/go-cmp/cmp"
)

func TestParseTerms(t *testing.T) {
	for search, want := range map[string]string{
		"":                        "",
		"red kettle":              "[red] [kettle]",
		`"Red  kettle!"`:          "[red kettle]",
		`"red ket"*`:              "[red ket]*",
		"ket*":                    "[ket]*",
		"re*d":                    "[re d]",
		"*red":                    "[red]",
		"-red":                    "-[red]",
		`-"red kettle"`:           "-[red kettle]",
		"--red":                   "-[red]",
		"- red":                   "[red]",
		"wi-fi":                   "[wi fi]",
		"a.b@c.org":               "[a b c org]",
		`red"kettle pot`:          "[red] [kettle pot]",
		`"`:                       "",
		`""* -"" - * "`:           "",
		"red\u00a0kettle\tpot":    "[red] [kettle] [pot]",
		"red AND (kettle OR pot)": "[red] [and] [kettle] [or] [pot]",
	} {
		var terms []string
		for _, term := range ParseTerms(search) {
			text := fmt.Sprint(term.Words)
			if term.Exclude {
				text = "-" + text
			}
			if term.Prefix {
				text += "*"
			}
			terms = append(terms, text)
		}
		if got := strings.Join(terms, " "); got != want {
			t.Errorf("%q: %s, want %s", search, got, want)
		}
	}
}

func TestParseSearchRefuses(t *testing.T) {
	m := order()
	_, problems := ParseSearch(m, "x", "/search")
	want := []string{`/search not_filterable: Order has no searchable field (write field(str, searchable = True) for what is to be searched, or use a filter: {"note": {"$ilike": "%red%"}})`}
	if diff := cmp.Diff(want, said(problems)); diff != "" {
		t.Error(diff)
	}
	m.Field("note").Searchable = true
	m.Seal()
	for search, want := range map[string]string{
		"":                            "/search required: there is no word in it to look for (leave it out to get every row)",
		"?! -":                        "/search required: there is no word in it to look for (leave it out to get every row)",
		strings.Repeat("x", 1001):     "/search too_long: a search has at most 1000 bytes",
		strings.Repeat("x ", 33):      "/search too_large: a search has at most 32 terms",
		strings.Repeat("-x ", 32)[1:]: "",
	} {
		_, problems := ParseSearch(m, search, "/search")
		if got := strings.Join(said(problems), "; "); got != want {
			t.Errorf("%q: %s, want %s", search, got, want)
		}
	}
	if problems := ParseSearchStatic(m, dataflow.Ref{}, ""); problems != nil {
		t.Error(problems)
	}
}

// FuzzSearch: whatever is searched, its words are words, and a text of nothing
// but the search is found by it, unless that excludes something.
func FuzzSearch(f *testing.F) {
	f.Add(`red "kettle pot"* -steel`)
	f.Add("É\xff\"日本*-\u200d🤖")
	f.Fuzz(func(t *testing.T, search string) {
		terms := ParseTerms(search)
		for _, term := range terms {
			for _, w := range term.Words {
				if again := Words(w); !slices.Equal(again, []string{w}) {
					t.Fatalf("%q is no word: %q", w, again)
				}
			}
		}
		if utf8.ValidString(search) && !slices.ContainsFunc(terms, func(t Term) bool { return t.Exclude }) && !Matches(terms, []string{search}) {
			t.Fatalf("%q does not find itself", search)
		}
	})
}
