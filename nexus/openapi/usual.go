package openapi

import (
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// usual are values that fields of some names mostly have. A name is looked for
// whole, and then by its words from the last on: billing_city is a city.
var usual = [...]struct {
	names  string
	values []any // the first that fits
}{
	{"email mail recipient sender to", []any{"ada@example.org"}},
	{"first_name given_name firstname forename", []any{"Ada"}},
	{"last_name family_name lastname surname", []any{"Lovelace"}},
	{"full_name person author customer contact", []any{"Ada Lovelace"}},
	{"owner user username login by assignee", []any{"ada"}},
	{"company organisation organization supplier vendor brand employer", []any{"Acme Ltd"}},
	{"title headline", []any{"How to get started", "Hello"}},
	{"subject topic", []any{"A question about my order", "Hello"}},
	{"text body content", []any{"Most orders arrive within three days.", "Hello"}},
	{"message comment answer reply", []any{"Thank you, that was quick.", "Thank you"}},
	{"description summary about bio", []any{"Made by hand, of stoneware.", "Made by hand"}},
	{"note notes remark internal", []any{"Please ring twice.", "Ring twice"}},
	{"reason", []any{"Changed my mind"}},
	{"question", []any{"How long does delivery take?"}},
	{"sku", []any{"MUG-01", "MUG01", "mug-01", "mug01"}},
	{"code reference", []any{"AB-1001", "AB1001", "ab-1001", "ab1001"}},
	{"slug handle", []any{"getting-started", "started"}},
	{"url link website homepage site", []any{"https://example.org/"}},
	{"phone telephone mobile fax", []any{"+442079460000"}},
	{"street address", []any{"1 Mill Lane"}},
	{"city town place location", []any{"Delft"}},
	{"zip postcode", []any{"2611 AB", "2611AB", "26110"}},
	{"country", []any{"NL", "Netherlands"}},
	{"region state province", []any{"South Holland"}},
	{"currency", []any{"EUR"}},
	{"language lang locale", []any{"en"}},
	{"timezone", []any{"Europe/Amsterdam"}},
	{"color colour", []any{"blue", "#336699"}},
	{"tag label keyword", []any{"new"}},
	{"category kind type", []any{"standard"}},
	{"role", []any{"editor"}},
	{"unit", []any{"kg"}},
	{"file filename", []any{"orders.csv"}},
	{"search query term", []any{"mug"}},
	{"qty quantity pieces", []any{int64(2)}},
	{"stock", []any{int64(25)}},
	{"price cost fee amount", []any{"19.90", int64(20), 19.9}},
	{"total net subtotal sum revenue balance", []any{"39.80", int64(40), 39.8}},
	{"vat tax", []any{"8.36", int64(8), 8.36}},
	{"rate discount share", []any{"0.2", 0.2, int64(1)}},
	{"percent percentage", []any{int64(20), 20.0}},
	{"weight length width height", []any{"1.5", 1.5, int64(2)}},
	{"rating stars score", []any{int64(4), 4.5}},
	{"age", []any{int64(36)}},
	{"year", []any{int64(2026)}},
	{"limit", []any{int64(20)}},
	{"latitude lat", []any{52.01, "52.01"}},
	{"longitude lon lng", []any{4.36, "4.36"}},
	{"birthday birthdate born", []any{dataflow.Date("1990-12-10")}},
	{"due deadline until end ends expires expiry", []any{dataflow.Date("2026-02-28"), time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)}},
}

// people are models, and the words of their names, whose rows are persons.
const people = "customer user person member contact employee author patient student client buyer lead guest teacher driver agent colleague friend participant subscriber applicant"

// things are names of rows of models that are not persons.
var things = [...]struct{ models, name string }{
	{"product item article good part", "Coffee mug"},
	{"company organisation organization supplier vendor brand account", "Acme Ltd"},
	{"city town place location", "Delft"},
	{"country", "Netherlands"},
	{"category tag label", "Kitchen"},
	{"project", "New website"},
	{"team group department", "Support"},
	{"event meeting", "Spring fair"},
	{"room", "Room 12"},
	{"file document", "orders.csv"},
}

// usually is what a field of this name usually holds, the likeliest first. Owner
// is what the field belongs to.
func usually(owner, name string) []any {
	if strings.EqualFold(name, "name") {
		return []any{nameOf(owner), "Ada"}
	}
	whole := strings.ToLower(name)
	if v := ofName(whole); v != nil {
		return v
	}
	words := strings.Split(whole, "_")
	for i := len(words) - 1; i >= 0; i-- {
		if v := ofName(words[i]); v != nil {
			return v
		}
		if v := ofName(strings.TrimSuffix(words[i], "s")); v != nil { // an element of tags is a tag
			return v
		}
	}
	return nil
}

func ofName(name string) []any {
	for _, u := range usual {
		if hasWord(u.names, name) {
			return u.values
		}
	}
	return nil
}

// nameOf is the name of something.
func nameOf(owner string) string {
	words := strings.Fields(spaced(owner))
	for i := len(words) - 1; i >= 0; i-- {
		if hasWord(people, words[i]) {
			return "Ada Lovelace"
		}
		for _, t := range things {
			if hasWord(t.models, words[i]) {
				return t.name
			}
		}
	}
	if len(words) == 0 {
		return "Ada Lovelace"
	}
	return "First " + strings.Join(words, " ")
}

// spaced is a name as words of small letters: OrderLine and order_line are
// "order line".
func spaced(name string) string {
	var b strings.Builder
	small := false
	for _, r := range name {
		if big := r >= 'A' && r <= 'Z'; big && small || r == '_' {
			b.WriteByte(' ')
		}
		if small = r >= 'a' && r <= 'z' || r >= '0' && r <= '9'; r != '_' {
			b.WriteRune(r)
		}
	}
	return strings.ToLower(b.String())
}

func hasWord(words, word string) bool {
	return word != "" && strings.Contains(" "+words+" ", " "+word+" ")
}
