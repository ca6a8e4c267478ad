package codec

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// collector gathers problems and knows the place in the value at which the
// work is. The place is kept as steps and written out only for a problem.
type collector struct {
	base     string
	depth    int     // of the place
	steps    [8]step // the first of it, which most values don't go beyond
	deeper   []step
	problems []dataflow.Problem
	found    int // problems so far, those past maxProblems among them
}

// maxProblems is how many problems one input is told about. A caller with
// more than that is not reading them.
const maxProblems = 100

// step is a name in an object, or an index in a list unless that is -1.
type step struct {
	name  string
	index int // -1: a name
}

func (c *collector) push(name string) { c.descend(step{name, -1}) }
func (c *collector) pushIndex(i int)  { c.descend(step{"", i}) }
func (c *collector) pop()             { c.depth-- }
func (c *collector) setIndex(i int)   { c.step(c.depth - 1).index = i }
func (c *collector) setName(n string) { c.step(c.depth - 1).name = n }

func (c *collector) descend(s step) {
	if c.depth >= len(c.steps)+len(c.deeper) {
		c.deeper = append(c.deeper, step{})
	}
	c.depth++
	*c.step(c.depth - 1) = s
}

// step returns the i-th step of the place.
func (c *collector) step(i int) *step {
	if i < len(c.steps) {
		return &c.steps[i]
	}
	return &c.deeper[i-len(c.steps)]
}

func (c *collector) addAt(name, code, detail, hint string) {
	c.push(name)
	c.add(code, detail, hint)
	c.pop()
}

// add records a problem at the present place. It returns false, for callers
// to return in turn.
func (c *collector) add(code, detail, hint string) bool {
	if c.found++; c.found <= maxProblems {
		c.problems = append(c.problems, dataflow.Problem{Code: code, Pointer: c.pointer(), Detail: detail, Hint: hint})
	}
	return false
}

// forget drops the problems after the first found.
func (c *collector) forget(found int) {
	c.found = found
	c.problems = c.problems[:min(found, maxProblems)]
}

func (c *collector) pointer() string {
	if c.depth == 0 {
		return c.base
	}
	b := []byte(c.base)
	for i := range c.depth {
		s := c.step(i)
		b = append(b, '/')
		if s.index >= 0 {
			b = strconv.AppendInt(b, int64(s.index), 10)
		} else {
			b = append(b, EscapePointer(s.name)...)
		}
	}
	return string(b)
}

// EscapePointer writes a name as one token of a JSON pointer (RFC 6901).
func EscapePointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// unknown records that the present object has no field of this name. Those that
// are hidden, by position, are not spoken of.
func (c *collector) unknown(name string, fields []*dataflow.Field, hidden []bool) {
	if c.found >= maxProblems { // spare the search for a suggestion
		c.found++
		return
	}
	names := make([]string, 0, len(fields))
	for i, f := range fields {
		if (f.System == dataflow.RoleNone || f.System == dataflow.RoleID) && (hidden == nil || !hidden[i]) {
			names = append(names, f.Name)
		}
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" && len(names) > 0 && len(names) <= 12 {
		hint = dataflow.ThereAre(names)
	}
	c.addAt(name, "unknown_field", "there is no field "+quote(name), hint)
}

func (c *collector) computed(name string) {
	c.addAt(name, "read_only", quote(name)+" is worked out by the app and can't be set", "leave it out")
}

// expected says what a type takes, as in "must be …".
func expected(t *dataflow.Type) string {
	t = t.Scalar()
	switch t.Kind {
	case dataflow.KindString:
		return "a string"
	case dataflow.KindInt:
		return "a whole number"
	case dataflow.KindFloat:
		return "a number"
	case dataflow.KindBool:
		return "true or false"
	case dataflow.KindDecimal:
		return "a decimal number"
	case dataflow.KindDateTime:
		return `a datetime with an offset, as "2026-01-31T12:00:00Z"`
	case dataflow.KindDate:
		return `a date, as "2026-01-31"`
	case dataflow.KindTime:
		return `a time, as "15:04:05"`
	case dataflow.KindUUID:
		return `a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`
	case dataflow.KindBytes:
		return "bytes, written in base64"
	case dataflow.KindEnum:
		return "one of " + quoteAll(t.Values)
	case dataflow.KindList:
		return "a list"
	case dataflow.KindObject, dataflow.KindRecord:
		return "an object"
	}
	return "a value"
}

// kindOf names the kind of a canonical value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a bool"
	case int64, float64, dataflow.Decimal:
		return "a number"
	case string:
		return "a string"
	case []byte:
		return "bytes"
	case []any:
		return "a list"
	case *dataflow.Object:
		return "an object"
	case dataflow.Date:
		return "a date"
	case dataflow.TimeOfDay:
		return "a time"
	case dataflow.RawJSON:
		return "json"
	}
	return "a value of another kind"
}

func quote(s string) string {
	const longest = 60
	if len(s) > longest {
		cut := longest
		for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a character
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}

func quoteAll(ss []string) string {
	var b strings.Builder
	for i, s := range ss {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(s))
	}
	return b.String()
}
