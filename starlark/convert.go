package starlark

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// converter turns what a file gives for a config or an output into an
// expression tree, and records the place of each part.
type converter struct {
	l     *loader
	src   *source
	spans dataflow.Spans
	depth int
	// declares is the place where the type of something stands; "": nowhere.
	declares string
}

// convert returns the expression for v, which e gives (nil where that is not
// known), at the JSON pointer ptr.
func (c *converter) convert(v sl.Value, e syntax.Expr, at dataflow.Span, ptr string) any {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > 64 {
		c.l.error("FC411", at, "the value nests deeper than 64 levels", "")
		return nil
	}
	c.spans[ptr] = at
	if ptr == c.declares && ptr != "" {
		return c.declared(v, e, at)
	}
	e = c.src.literal(e)
	switch v := v.(type) {
	case *placeholder:
		return dataflow.Ref{Root: dataflow.RootUnknown, Span: at}
	case sl.String:
		out, diags := dataflow.ParseTemplate(string(v), c.src.within(e, at))
		c.l.diags = append(c.l.diags, diags...)
		return out
	case *reference:
		ref := v.ref
		ref.Span = at
		return ref
	case *node:
		ref := v.ref().ref
		ref.Span = at
		return ref
	case value.Model:
		return v.M
	case value.Op:
		return v.O
	case value.Workflow:
		c.l.used(v.W)
		return v.W
	case *builder:
		c.l.error("FC401", at, "the workflow has not been built", "write .build() behind it")
		c.l.used(v.w)
		return v.finished().W
	case *sl.Function:
		return c.l.function(v)
	case *sl.Dict:
		return c.dict(v, e, at, ptr)
	case *value.Record:
		return c.dictItems(v, e, at, ptr)
	case *starlarkstruct.Struct:
		return c.structure(v, at, ptr)
	case *sl.List:
		return c.list(v, e, at, ptr)
	case sl.Tuple:
		return c.list(v, e, at, ptr)
	}
	if name := typeName(v); name != "" && typed(ptr) {
		return name
	}
	out, err := value.ToGo(v)
	if err != nil {
		c.l.error("FC411", at, fmt.Sprintf("%s can't stand here", describe(v)), c.hint(v, err))
		return nil
	}
	return out
}

// declared reads the type of what comes with a signal.
func (c *converter) declared(v sl.Value, e syntax.Expr, at dataflow.Span) any {
	if v == sl.None {
		return nil
	}
	if t := c.l.typeOf(c.src, arg{val: v, expr: e, at: at, key: at}, true); t != nil {
		return c.l.makeField("payload", t, at, false)
	}
	return dataflow.Ref{Root: dataflow.RootUnknown, Span: at} // which has been reported
}

// typed reports whether types may stand at a place of a config: where a
// SQLQueryNode says what its parameters and columns are.
func typed(ptr string) bool {
	return strings.HasPrefix(ptr, "/config/columns/") || strings.HasPrefix(ptr, "/config/types/")
}

// typeName is the name of a type without options, or "".
func typeName(v sl.Value) string {
	switch v := v.(type) {
	case *typeValue:
		if t := basicTypes[v.name]; t != nil {
			return t.String()
		}
	case *starlarkstruct.Module:
		if t := basicTypes[v.Name]; t != nil {
			return t.String()
		}
	case *fieldType:
		if v.ref == nil && len(v.opts) == 0 {
			return v.typ.String()
		}
	}
	return ""
}

func (c *converter) hint(v sl.Value, err error) string {
	switch v := v.(type) {
	case *sl.Builtin:
		return fmt.Sprintf("write a function around it: def f(x): return %s(x)", v.Name())
	case *typeValue, *fieldType:
		return "types stand in the fields of a model or the input of a workflow"
	case *database, *server:
		return ""
	}
	return err.Error()
}

func (c *converter) dict(v *sl.Dict, e syntax.Expr, at dataflow.Span, ptr string) any {
	return c.dictItems(v, e, at, ptr)
}

func (c *converter) dictItems(v sl.IterableMapping, e syntax.Expr, at dataflow.Span, ptr string) any {
	out := dataflow.NewObject()
	entries := c.src.entries(e)
	for _, kv := range v.Items() {
		name, ok := sl.AsString(kv[0])
		if !ok {
			c.l.error("FC411", at, fmt.Sprintf("a key is a string, not %s", describe(kv[0])), "write it in quotes")
			continue
		}
		p := ptr + "/" + value.Escape(name)
		item, itemAt := syntax.Expr(nil), at
		if en, ok := entries[name]; ok {
			item, itemAt = en.value, c.src.span(en.value)
			c.spans[p+dataflow.KeySuffix] = c.src.span(en.key)
		}
		out.Set(name, c.convert(kv[1], item, itemAt, p))
	}
	return out
}

func (c *converter) structure(v *starlarkstruct.Struct, at dataflow.Span, ptr string) any {
	out := dataflow.NewObject()
	for _, name := range v.AttrNames() { // sorted
		if item, err := v.Attr(name); err == nil {
			out.Set(name, c.convert(item, nil, at, ptr+"/"+value.Escape(name)))
		}
	}
	return out
}

func (c *converter) list(v sl.Indexable, e syntax.Expr, at dataflow.Span, ptr string) any {
	exprs := c.src.elements(e, v.Len())
	out := make([]any, v.Len())
	for i := range out {
		itemAt := at
		if exprs[i] != nil {
			itemAt = c.src.span(exprs[i])
		}
		out[i] = c.convert(v.Index(i), exprs[i], itemAt, ptr+"/"+strconv.Itoa(i))
	}
	return out
}
