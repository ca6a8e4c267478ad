package value

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxDepth is how deep a value coming out of Starlark may nest. It also ends
// the walk through a list that holds itself.
const maxDepth = codec.MaxDepth

// FromGo returns the Starlark form of a canonical value, or of a function, model,
// operation or workflow of the app. Objects are not copied: see Record. Lists
// are frozen.
func FromGo(v any) sl.Value {
	switch v := v.(type) {
	case nil:
		return sl.None
	case bool:
		return sl.Bool(v)
	case int64:
		return sl.MakeInt64(v)
	case int:
		return sl.MakeInt(v)
	case float64:
		return sl.Float(v)
	case string:
		return sl.String(v)
	case dataflow.Decimal:
		return Decimal{v}
	case time.Time:
		return DateTime{v}
	case dataflow.Date:
		return Date{v}
	case dataflow.TimeOfDay:
		return TimeOfDay{v}
	case []byte:
		return sl.Bytes(v)
	case []any:
		elems := make([]sl.Value, len(v))
		for i, e := range v {
			elems[i] = FromGo(e)
		}
		l := sl.NewList(elems)
		l.Freeze()
		return l
	case *dataflow.Object:
		return &Record{v}
	case dataflow.RawJSON:
		parsed, problems := codec.ParseJSON([]byte(v), maxDepth)
		if len(problems) > 0 { // the database held no JSON: show what it held
			return sl.String(v)
		}
		return FromGo(parsed)
	case *Func: // what a config may hold besides values
		return v.fn
	case *dataflow.Model:
		return Model{M: v}
	case dataflow.Op:
		return Op{v}
	case *dataflow.Workflow:
		return Workflow{v}
	case sl.Value:
		return v
	}
	panic(fmt.Sprintf("value: %T is not canonical", v))
}

// A problem says why a Starlark value has no canonical form, and where in it.
type problem struct{ dataflow.Problem }

func (p *problem) Error() string {
	if p.Pointer == "" {
		return p.Detail
	}
	return p.Pointer + ": " + p.Detail
}

// ToGo returns the canonical form of a Starlark value: dicts, structs and
// records become objects, lists and tuples lists.
func ToGo(v sl.Value) (any, error) {
	out, p := toGo(v, 0)
	if p != nil {
		return nil, p
	}
	return out, nil
}

func refuse(code, format string, args ...any) *problem {
	return &problem{dataflow.Problem{Code: code, Detail: fmt.Sprintf(format, args...)}}
}

func (p *problem) in(name string) *problem {
	p.Pointer = "/" + Escape(name) + p.Pointer
	return p
}

// Escape writes a name as a part of a JSON pointer (RFC 6901).
func Escape(name string) string { return codec.EscapePointer(name) }

func toGo(v sl.Value, depth int) (any, *problem) {
	if depth > maxDepth {
		return nil, refuse("too_deep", "nests deeper than %d levels", maxDepth)
	}
	if depth == 0 && Weigh(v, MaxWritten) > MaxWritten {
		return nil, refuse("too_large", "it is larger than %d MiB when it is written out", MaxWritten>>20)
	}
	switch v := v.(type) {
	case sl.NoneType:
		return nil, nil
	case sl.Bool:
		return bool(v), nil
	case sl.Int:
		i, ok := v.Int64()
		if !ok {
			return nil, refuse("too_large", "%s does not fit into 64 bits", shorten(v.String()))
		}
		return i, nil
	case sl.Float:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, refuse("wrong_type", "%s is not a number that can be stored or sent", v)
		}
		return float64(v), nil
	case sl.String:
		return string(v), nil
	case sl.Bytes:
		return []byte(v), nil
	case Decimal:
		return v.D, nil
	case DateTime:
		return v.T, nil
	case Date:
		return v.D, nil
	case TimeOfDay:
		return v.T, nil
	case *Record:
		return v.obj, nil
	case *sl.List:
		return listToGo(v, depth)
	case sl.Tuple:
		return listToGo(v, depth)
	case *sl.Dict:
		return dictToGo(v, depth)
	case *starlarkstruct.Struct:
		return structToGo(v, depth)
	case Duration:
		return nil, refuse("wrong_type", "a duration can't be stored or sent; use its .seconds or .milliseconds")
	case *sl.Set:
		return nil, refuse("wrong_type", "a set has no order; write sorted(…) to make a list of it")
	}
	return nil, refuse("wrong_type", "a %s can't be stored or sent", v.Type())
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:37] + "…"
	}
	return s
}

func listToGo(v sl.Indexable, depth int) (any, *problem) {
	out := make([]any, v.Len())
	for i := range out {
		e, p := toGo(v.Index(i), depth+1)
		if p != nil {
			return nil, p.in(strconv.Itoa(i))
		}
		out[i] = e
	}
	return out, nil
}

func dictToGo(v *sl.Dict, depth int) (any, *problem) {
	out := dataflow.NewObject()
	for k, e := range sl.Entries(v) {
		name, ok := k.(sl.String)
		if !ok {
			return nil, refuse("wrong_type", "the key %s is no string", shorten(k.String()))
		}
		g, p := toGo(e, depth+1)
		if p != nil {
			return nil, p.in(string(name))
		}
		out.Set(string(name), g)
	}
	return out, nil
}

func structToGo(v *starlarkstruct.Struct, depth int) (any, *problem) {
	names := v.AttrNames()
	slices.Sort(names)
	out := dataflow.NewObject()
	for _, name := range names {
		e, err := v.Attr(name)
		if err != nil {
			return nil, refuse("wrong_type", "%s", err).in(name)
		}
		g, p := toGo(e, depth+1)
		if p != nil {
			return nil, p.in(name)
		}
		out.Set(name, g)
	}
	return out, nil
}
