package migrate

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
)

// Whatever a table is made of, what it is known by is its JSON form: a field that
// is added and forgotten there would be a change of the schema that no start sees.
func TestATableIsWrittenAsItsJSONForm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var table Table
		fill(r, reflect.ValueOf(&table).Elem(), 4)
		want, err := json.Marshal(&table)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.appendTo(nil); string(got) != string(want) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	}
}

// fill sets every exported field, at random, to nothing or to something.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"name", "", "a b", `"`, `\`, "<&>", "é", "\u2028", "\x01\n", "\x7f", "\xff"}[r.IntN(11)])
	case reflect.Int:
		v.SetInt(r.Int64N(40) - 1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth-1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(r, v.Field(i), depth)
			}
		}
	default:
		panic("a field of a kind that is not filled: " + v.Kind().String())
	}
}
