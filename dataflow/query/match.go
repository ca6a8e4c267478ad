package query

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Match reports whether a row matches a filter. value returns what the row
// has at a path, in canonical form: null if a reference on the way is. It is
// the meaning that every engine's SQL must have.
func Match(e Expr, value func(Path) any) bool {
	switch e := e.(type) {
	case And:
		for _, part := range e {
			if !Match(part, value) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range e {
			if Match(part, value) {
				return true
			}
		}
		return false
	case Not:
		return !Match(e.Expr, value)
	case *Cmp:
		return e.matches(value(e.Path))
	case *Through:
		here := Path{Model: e.Model, Field: e.Field}
		return value(here) != nil && Match(e.Expr, func(p Path) any { return value(p.behind(here)) })
	case *Search:
		return e.matches(value)
	}
	panic(fmt.Sprintf("query: unknown expression %T", e))
}

func (c *Cmp) matches(v any) bool {
	switch c.Op {
	case Exists:
		return (v != nil) == c.Value.(bool)
	case Null:
		return (v == nil) == c.Value.(bool)
	}
	if v == nil {
		return false
	}
	switch c.Op {
	case In:
		return slices.ContainsFunc(c.Value.([]any), func(x any) bool { return Compare(v, x) == 0 })
	case Nin:
		return !slices.ContainsFunc(c.Value.([]any), func(x any) bool { return Compare(v, x) == 0 })
	case Between:
		bounds := c.Value.([]any)
		return Compare(v, bounds[0]) >= 0 && Compare(v, bounds[1]) <= 0
	case Contains:
		if list, ok := v.([]any); ok {
			return slices.ContainsFunc(list, func(x any) bool { return x != nil && Compare(x, c.Value) == 0 })
		}
		return strings.Contains(v.(string), c.Value.(string))
	case Like, Ilike, StartsWith, EndsWith, Regex:
		return c.matchesText(v.(string), c.Value.(string))
	}
	return c.Op.holds(Compare(v, c.Value))
}

// holds reports whether an order between two values satisfies a comparison.
func (op Op) holds(order int) bool {
	switch op {
	case Eq:
		return order == 0
	case Ne:
		return order != 0
	case Gt:
		return order > 0
	case Gte:
		return order >= 0
	case Lt:
		return order < 0
	}
	return order <= 0
}

func (c *Cmp) matchesText(s, arg string) bool {
	switch c.Op {
	case Like:
		return LikeMatch(arg, s)
	case Ilike:
		return LikeMatch(FoldCase(arg), FoldCase(s))
	case StartsWith:
		return strings.HasPrefix(s, arg)
	case EndsWith:
		return strings.HasSuffix(s, arg)
	}
	re := c.regex
	if re == nil { // built by a Go program, not parsed
		re = regexp.MustCompile(arg)
	}
	return re.MatchString(s)
}

// Compare orders two canonical values of one type, neither of them null: text
// by bytes (UTF-8), false before true.
func Compare(a, b any) int {
	switch x := a.(type) {
	case string:
		return strings.Compare(x, b.(string))
	case int64:
		return compareNumbers(x, b.(int64))
	case float64:
		return compareNumbers(x, b.(float64))
	case dataflow.Decimal:
		return x.Cmp(b.(dataflow.Decimal))
	case time.Time:
		return x.Compare(b.(time.Time))
	case dataflow.Date:
		return strings.Compare(string(x), string(b.(dataflow.Date)))
	case dataflow.TimeOfDay:
		return strings.Compare(string(x), string(b.(dataflow.TimeOfDay)))
	case bool:
		return compareBools(x, b.(bool))
	case []byte:
		return bytes.Compare(x, b.([]byte))
	}
	panic(fmt.Sprintf("query: values of type %T have no order", a))
}

func compareNumbers[N int64 | float64](a, b N) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
