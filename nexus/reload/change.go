package reload

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"reflect"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Changes is how an app differs from another.
type Changes struct {
	Models, Workflows, Routes Change
}

// Change is how things of one kind differ, by name.
type Change struct{ Added, Removed, Changed []string }

// Words says in short what has changed, a line for each kind: "models +Order
// ~Customer". What a function does is not looked into beyond its own text.
func (c Changes) Words() []string {
	var out []string
	for _, kind := range []struct {
		name string
		c    Change
	}{{"models", c.Models}, {"workflows", c.Workflows}, {"routes", c.Routes}} {
		var words []string
		for _, list := range []struct {
			sign  string
			names []string
		}{{"+", kind.c.Added}, {"-", kind.c.Removed}, {"~", kind.c.Changed}} {
			for i, name := range list.names {
				if i == shownAtMost {
					words = append(words, fmt.Sprintf("%s%d more", list.sign, len(list.names)-i))
					break
				}
				words = append(words, list.sign+name)
			}
		}
		if len(words) > 0 {
			out = append(out, kind.name+" "+strings.Join(words, " "))
		}
	}
	return out
}

// shownAtMost is how many names of a kind are shown.
const shownAtMost = 8

// changesOf compares an app with the one before it.
func changesOf(before, after *dataflow.App) Changes {
	return Changes{
		Models: compare(before, after, func(a *dataflow.App, add func(string, any)) {
			for _, m := range a.Models() {
				add(m.Name, m)
			}
		}),
		Workflows: compare(before, after, func(a *dataflow.App, add func(string, any)) {
			for _, w := range a.Workflows {
				add(w.Name, w)
			}
		}),
		Routes: compare(before, after, func(a *dataflow.App, add func(string, any)) {
			for _, e := range a.Exposures {
				add("/api/"+e.Path, []any{e.Model.Name, e.Ops})
			}
		}),
	}
}

func compare(before, after *dataflow.App, list func(*dataflow.App, func(string, any))) Change {
	collect := func(a *dataflow.App) (names []string, digests map[string]string) {
		digests = map[string]string{}
		list(a, func(name string, v any) {
			if _, ok := digests[name]; !ok {
				names = append(names, name)
			}
			digests[name] += digest(v) // of the same name in another database, too
		})
		return names, digests
	}
	was, wasDigest := collect(before)
	is, isDigest := collect(after)
	var c Change
	for _, name := range is {
		switch d, ok := wasDigest[name]; {
		case !ok:
			c.Added = append(c.Added, name)
		case d != isDigest[name]:
			c.Changed = append(c.Changed, name)
		}
	}
	for _, name := range was {
		if _, ok := isDigest[name]; !ok {
			c.Removed = append(c.Removed, name)
		}
	}
	return c
}

// digest identifies what the file says of something, wherever it says it.
func digest(v any) string {
	d := digester{sha256.New()}
	d.value(reflect.ValueOf(v), 0)
	return string(d.Sum(nil))
}

type digester struct{ hash.Hash }

// maxDepth bounds how deep is looked.
const maxDepth = 64

// texted is a function that knows its own text.
type texted interface{ Text() string }

func (d digester) value(v reflect.Value, depth int) {
	if !v.IsValid() || depth > maxDepth {
		io.WriteString(d, "nil;")
		return
	}
	if v.CanInterface() && d.known(v.Interface(), depth) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			io.WriteString(d, "nil;")
			return
		}
		d.value(v.Elem(), depth+1)
	case reflect.Struct:
		fmt.Fprintf(d, "%s{", v.Type())
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() { // the rest is worked out of these
				d.value(v.Field(i), depth+1)
			}
		}
		io.WriteString(d, "}")
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(d, "[%d:", v.Len())
		for i := range v.Len() {
			d.value(v.Index(i), depth+1)
		}
		io.WriteString(d, "]")
	case reflect.Map, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		// a file's values are ordered, and its functions Funcs
	default:
		fmt.Fprintf(d, "%v;", v)
	}
}

// known writes what is not looked into: places, which move with every line
// above, and what has a name of its own.
func (d digester) known(v any, depth int) bool {
	switch v := v.(type) {
	case dataflow.Span, dataflow.Spans:
	case *dataflow.Database:
		if v != nil {
			fmt.Fprintf(d, "database %s;", v.Name)
		}
	case *dataflow.Model:
		if v == nil || depth == 0 {
			return false
		}
		fmt.Fprintf(d, "model %s;", v.Name)
	case *dataflow.Object:
		if v == nil {
			return false
		}
		for name, value := range v.All {
			fmt.Fprintf(d, "%q:", name)
			d.value(reflect.ValueOf(value), depth+1)
		}
	case dataflow.Func:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			return false
		}
		fmt.Fprintf(d, "def %s %v;", v.Name(), v.Params())
		if t, ok := v.(texted); ok {
			io.WriteString(d, t.Text())
		}
	case fmt.Stringer: // a decimal, a moment: what it holds is its own
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			return false
		}
		fmt.Fprintf(d, "%s;", v)
	default:
		return false
	}
	return true
}
