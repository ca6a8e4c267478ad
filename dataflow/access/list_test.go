package access_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// goods has rows whose rank repeats and whose label is sometimes null.
func goods(t *testing.T) *app {
	a := open(t, model("Good", "goods", field("rank", dataflow.Int), field("label", dataflow.String, opt)))
	for i := range 23 {
		label := "null"
		if i%3 > 0 {
			label = fmt.Sprintf(`"l%d"`, i%5)
		}
		a.do("Good.create", fmt.Sprintf(`{"rank": %d, "label": %s}`, i%4, label))
	}
	return a
}

// get returns a part of a result.
func get(v any, name string) any {
	out, _ := v.(*dataflow.Object).Get(name)
	return out
}

func ids(v any) []int64 {
	var out []int64
	for _, r := range get(v, "records").([]any) {
		out = append(out, get(r, "id").(int64))
	}
	return out
}

func TestCursorsWalkTheWholeListOnce(t *testing.T) {
	a := goods(t)
	for _, sort := range []string{`null`, `"rank"`, `"-rank"`, `"label"`, `["-label", "rank"]`, `"rank,-label,id"`, `"-id"`} {
		all, err := a.try("Good.list", `{"sort": `+sort+`}`)
		if err != nil {
			t.Fatal(err)
		}
		var walked []int64
		cursor := "null"
		for pages := 0; ; pages++ {
			if pages > 5 {
				t.Fatalf("sort %s: the list does not end: %v", sort, walked)
			}
			page, err := a.try("Good.list", `{"sort": `+sort+`, "limit": 4, "cursor": `+cursor+`, "fields": ["id"]}`)
			if err != nil {
				t.Fatalf("sort %s: %v", sort, err)
			}
			walked = append(walked, ids(page)...)
			if get(page, "has_more") == false {
				if get(page, "next_cursor") != nil || pages != 5 {
					t.Errorf("sort %s: the last page is the %dth, with the cursor %v", sort, pages+1, get(page, "next_cursor"))
				}
				break
			}
			cursor = fmt.Sprintf("%q", get(page, "next_cursor"))
		}
		if want := ids(all); !slices.Equal(walked, want) {
			t.Errorf("sort %s:\ngot  %v\nwant %v", sort, walked, want)
		}
	}
}

func TestCursorsOfAnotherListAreRefused(t *testing.T) {
	a := goods(t)
	page, err := a.try("Good.list", `{"sort": "rank", "limit": 4}`)
	if err != nil {
		t.Fatal(err)
	}
	good := get(page, "next_cursor").(string)
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	text := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	const broken = `/cursor cursor: is not a cursor that a list returned [start again from the first page]`
	const other = `/cursor cursor: belongs to another model or sort [start again from the first page]`
	for cursor, want := range map[string]string{
		"x":                                  broken,
		"!!!":                                broken,
		good + "A":                           broken,
		text("\x02" + string(raw[1:])):       broken,
		text(string(raw[:5]) + `[1]`):        broken,
		text(string(raw[:5]) + `["x",1]`):    broken,
		text(string(raw[:5]) + `[null,1]`):   broken,
		text(string(raw[:5]) + `{}`):         broken,
		text("\x01zzzz" + string(raw[5:])):   other,
		strings.Repeat("A", 20000):           broken,
		text(string(raw[:5]) + `[1,1] true`): broken,
	} {
		a.fails("Good.list", fmt.Sprintf(`{"sort": "rank", "cursor": %q}`, cursor), "invalid", want)
	}
	a.fails("Good.list", fmt.Sprintf(`{"sort": "-rank", "cursor": %q}`, good), "invalid", other)
	a.fails("Good.list", fmt.Sprintf(`{"sort": "rank", "cursor": %q, "offset": 4}`, good), "invalid",
		`/cursor cursor: can't go with an offset [leave the offset out]`)
}

func TestAKeyThatIsTooLongForACursorGivesNone(t *testing.T) {
	a := open(t, model("Note", "notes", field("text", dataflow.String)))
	for _, start := range []string{"a", "b"} {
		a.do("Note.create", fmt.Sprintf(`{"text": %q}`, start+strings.Repeat("x", 10_000)))
	}
	page, err := a.try("Note.list", `{"sort": "text", "limit": 1}`)
	if err != nil || get(page, "has_more") != true || get(page, "next_cursor") != nil {
		t.Errorf("%v, more: %v, cursor: %.20v", err, get(page, "has_more"), get(page, "next_cursor"))
	}
}

func TestListPages(t *testing.T) {
	a := goods(t)
	a.want("Good.list", `{"limit": 2, "offset": 1, "fields": ["rank"], "count": true, "filter": {"rank": 1}}`,
		`{"records":[{"id":6,"rank":1},{"id":10,"rank":1}],"count":2,"total":6,"limit":2,"offset":1,"next_cursor":"`+
			get(must(a.try("Good.list", `{"limit": 2, "offset": 1, "filter": {"rank": 1}}`)), "next_cursor").(string)+`","has_more":true}`)
	a.want("Good.list", `{"filter": {"rank": 9}, "count": true}`,
		`{"records":[],"count":0,"total":0,"limit":100,"offset":0,"next_cursor":null,"has_more":false}`)
	a.want("Good.list", `{"offset": 50, "count": true, "limit": 1000}`,
		`{"records":[],"count":0,"total":23,"limit":1000,"offset":50,"next_cursor":null,"has_more":false}`)
	a.fails("Good.list", `{"limit": 1001, "offset": -1, "sort": "rnk", "fields": ["x"], "filter": {"rank": {"$gtt": 1}}, "count": 1}`, "invalid",
		`/limit too_large: must be at most 1000`,
		`/offset too_small: must be at least 0`,
		`/count wrong_type: must be true or false, not a number`,
		`/filter/rank/$gtt unknown_operator: there is no operator "$gtt" [did you mean "$gt"?]`,
		`/fields/0 unknown_field: Good has no field "x" [there are id, rank, label, created_at, updated_at]`,
		`/sort unknown_field: Good has no field "rnk" [did you mean "rank"?]`)
	a.fails("Good.list", `{"limit": 0}`, "invalid", `/limit too_small: must be at least 1`)
}

func must(v any, err error) any {
	if err != nil {
		panic(err)
	}
	return v
}
