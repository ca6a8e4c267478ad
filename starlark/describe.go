package starlark

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// matches reports whether v is of one of the sorts.
func matches(a spec.Accept, v sl.Value) bool {
	if a.Has(spec.Any) {
		return true
	}
	switch v := v.(type) {
	case sl.NoneType:
		return a.Has(spec.None)
	case sl.String:
		return a.Has(spec.Str | spec.Duration | spec.StrList | spec.Node)
	case sl.Bool:
		return a.Has(spec.Bool)
	case sl.Int:
		return a.Has(spec.Int | spec.Number | spec.Duration)
	case sl.Float, value.Decimal:
		return a.Has(spec.Number)
	case value.Duration:
		return a.Has(spec.Duration)
	case *sl.List:
		return a.Has(spec.List) || a.Has(spec.StrList) && allStrings(v)
	case sl.Tuple:
		return a.Has(spec.List) || a.Has(spec.StrList) && allStrings(v)
	case *sl.Dict:
		return a.Has(spec.Dict)
	case *sl.Function:
		return a.Has(spec.Func)
	case *typeValue, *fieldType:
		return a.Has(spec.Type)
	case *starlarkstruct.Module:
		return a.Has(spec.Type) && basicTypes[v.Name] != nil
	case value.Model:
		return a.Has(spec.Model)
	case value.Op:
		return a.Has(spec.Op)
	case value.Workflow:
		return a.Has(spec.Workflow)
	case *node:
		return a.Has(spec.Node)
	case *retryValue:
		return a.Has(spec.Retry)
	case *indexValue:
		return a.Has(spec.Index)
	case *ruleValue:
		return a.Has(spec.Rule)
	}
	return false
}

func allStrings(v sl.Indexable) bool {
	for i := range v.Len() {
		if _, ok := v.Index(i).(sl.String); !ok {
			return false
		}
	}
	return true
}

// given names an argument that does not fit its parameter.
func given(p *spec.Param, v sl.Value) string {
	if _, isText := v.(sl.String); p.Accept.Has(spec.StrList) && !isText {
		if _, isList := v.(sl.Indexable); isList {
			return "a list of other things"
		}
	}
	return describe(v)
}

// describe names a value in a message.
func describe(v sl.Value) string {
	switch v := v.(type) {
	case sl.NoneType:
		return "None"
	case sl.Bool:
		return v.String()
	case sl.String, sl.Int, sl.Float:
		if s := v.String(); len(s) <= 40 {
			return s
		}
	case *sl.Function:
		return "the function " + v.Name()
	case *sl.Builtin:
		return "the builtin " + v.Name()
	case value.Model:
		return "the model " + v.String()
	case value.Op:
		return "the operation " + v.String()
	case *typeValue:
		return "the type " + v.name
	case *node:
		return "the node " + v.id
	case *builder:
		return "an unfinished workflow"
	}
	name := v.Type()
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// typeHint says how to write what was probably meant.
func typeHint(a spec.Accept, v sl.Value) string {
	switch v := v.(type) {
	case sl.String:
		switch {
		case a.Has(spec.Bool) && strings.EqualFold(string(v), "true"):
			return "write True without quotes"
		case a.Has(spec.Bool) && strings.EqualFold(string(v), "false"):
			return "write False without quotes"
		case a.Has(spec.Int | spec.Number):
			return "write the number without quotes, or int(env(…)) for one from the environment"
		case a.Has(spec.Rule):
			if name := strings.TrimSpace(string(v)); servedName.Fits(name) {
				return fmt.Sprintf("write role(%q)", name)
			}
			return `name the roles: role("clerk"); a condition is for the rows of a model, in its access`
		case a.Has(spec.Func | spec.Model | spec.Type | spec.Workflow):
			return fmt.Sprintf("write %s without quotes", string(v))
		}
	case sl.Int:
		if a.Has(spec.Bool) {
			return "write True or False"
		}
	case sl.NoneType:
		return "leave it out for its default"
	case value.Model:
		switch {
		case a.Has(spec.Type):
			return fmt.Sprintf("write ref(%s)", v)
		case a.Has(spec.Op):
			return fmt.Sprintf("name an operation of it: %s.create", v)
		}
	case value.Op:
		if a.Has(spec.Model) {
			return "write " + v.O.Model.Name
		}
	case value.Workflow:
		if a == spec.Str {
			return `the name comes first: app.register("name", wf.build())`
		}
	case *sl.List:
		if a == spec.Str {
			return `write the strings themselves: "a", "b"`
		}
	case *sl.Builtin:
		if a.Has(spec.Func) {
			return fmt.Sprintf("write a function around it: def f(x): return %s(x)", v.Name())
		}
	}
	return ""
}
