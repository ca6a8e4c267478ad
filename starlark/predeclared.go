package starlark

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// builtinFunc is the body of a builtin that declares something.
type builtinFunc func(l *loader, a *args) sl.Value

// predeclared is what every file sees besides Starlark's own names.
func (l *loader) predeclared() sl.StringDict {
	d := sl.StringDict{
		"env":             l.builtin("env", (*loader).env_),
		"DataFlow":        l.builtin("DataFlow", (*loader).dataFlow),
		"WorkflowBuilder": l.builtin("WorkflowBuilder", (*loader).workflowBuilder),
		"Nexus":           l.builtin("Nexus", (*loader).nexus),
		"field":           l.builtin("field", (*loader).field),
		"index":           l.builtin("index", (*loader).indexOf),
		"retry":           l.builtin("retry", (*loader).retry),
		"jwt":             l.builtin("jwt", (*loader).jwt),
		"fail":            sl.NewBuiltin("fail", value.Fail),
		"struct":          sl.NewBuiltin("struct", starlarkstruct.Make),
		"abs":             sl.NewBuiltin("abs", abs),
		"min":             sl.NewBuiltin("min", extreme(syntax.LT)),
		"max":             sl.NewBuiltin("max", extreme(syntax.GT)),
		"print":           sl.NewBuiltin("print", printed),
		"range":           sl.NewBuiltin("range", rangeOf),
		"repr":            sl.NewBuiltin("repr", writtenOut("repr")),
		compareName:       sl.NewBuiltin("comparison", l.compare),
		timesName:         sl.NewBuiltin("multiplication", times),
		plusName:          sl.NewBuiltin("addition", plus),
		formatName:        sl.NewBuiltin("formatting", formatted),
		methodName:        sl.NewBuiltin("method", method),
		extendName:        sl.NewBuiltin("addition", extended),
	}
	for name := range ruleBuiltins {
		d[name] = l.builtin(name, (*loader).ruleOf)
	}
	for _, t := range spec.Types() {
		d[t.Name] = &typeValue{l: l, name: t.Name}
	}
	return d
}

// builtin makes a builtin that declares: it binds its arguments by the table,
// and exists only while the app is loaded.
func (l *loader) builtin(name string, body builtinFunc) *sl.Builtin {
	b := spec.Lookup(name)
	return sl.NewBuiltin(name, func(thread *sl.Thread, _ *sl.Builtin, pos sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		if l.done {
			return nil, fmt.Errorf("%s declares a part of the app; it can't be called while a request runs", name)
		}
		return body(l, l.bind(thread, b, pos, kwargs)), nil
	})
}

// env_ implements env().
func (l *loader) env_(a *args) sl.Value {
	name := a.str("name", "")
	if !a.has("name") {
		return &placeholder{}
	}
	v, found := l.o.Env(name)
	l.app.Env = append(l.app.Env, dataflow.EnvRead{Name: name, Found: found, Span: a.site.at})
	if found {
		l.outside[v] = true
		return sl.String(v)
	}
	if dflt, ok := a.given["default"]; ok {
		return dflt.val
	}
	if a.ok {
		a.fail("FC113", a.site.at, fmt.Sprintf("the environment variable %s is not set", name),
			fmt.Sprintf(`set it, or write env(%q, default = "…")`, name))
	}
	return &placeholder{}
}

// compare is what comparisons are compiled to.
func (l *loader) compare(_ *sl.Thread, _ *sl.Builtin, a sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	n, _ := a[0].(sl.Int).Int64()
	op, x, y := syntax.Token(n), a[1], a[2]
	for _, v := range []sl.Value{x, y} {
		switch v := v.(type) {
		case *placeholder:
			return sl.False, nil
		case *reference:
			if !l.done {
				l.noValueYet(v)
				return sl.False, nil
			}
			return nil, fmt.Errorf("%s has no value in a function; pass it as an argument", v)
		}
	}
	ok, err := value.Compare(op, x, y)
	return sl.Bool(ok), err
}

func (l *loader) noValueYet(r *reference) {
	l.error("FC115", l.here(), fmt.Sprintf("%s has no value while the file is loaded", r),
		"decide in a SwitchNode, with when = …, or in a function that a StarlarkNode runs")
}

// abs is Starlark's abs that also takes decimals.
func abs(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if len(args) == 1 {
		if d, ok := args[0].(value.Decimal); ok {
			return value.Decimal{D: d.D.Abs()}, nil
		}
	}
	return sl.Universe["abs"].(*sl.Builtin).CallInternal(thread, args, kwargs)
}

// extreme is Starlark's min or max that also compares decimals with ints.
func extreme(better syntax.Token) func(*sl.Thread, *sl.Builtin, sl.Tuple, []sl.Tuple) (sl.Value, error) {
	return func(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var key sl.Callable
		if err := sl.UnpackArgs(b.Name(), nil, kwargs, "key?", &key); err != nil {
			return nil, err
		}
		var items sl.Iterable = args
		if len(args) == 1 {
			it, ok := args[0].(sl.Iterable)
			if !ok {
				return nil, fmt.Errorf("%s: %s is not iterable", b.Name(), args[0].Type())
			}
			items = it
		}
		var best, bestKey sl.Value
		it := items.Iterate()
		defer it.Done()
		for x := sl.Value(nil); it.Next(&x); {
			k := x
			if key != nil {
				var err error
				if k, err = sl.Call(thread, key, sl.Tuple{x}, nil); err != nil {
					return nil, err
				}
			}
			if best == nil {
				best, bestKey = x, k
				continue
			}
			ok, err := value.Compare(better, k, bestKey)
			if err != nil {
				return nil, err
			}
			if ok {
				best, bestKey = x, k
			}
		}
		if best == nil {
			return nil, fmt.Errorf("%s: no items", b.Name())
		}
		return best, nil
	}
}
