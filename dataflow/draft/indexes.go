package draft

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
)

// indexes sorts the indexes of a model into those of single fields, those
// that index(…) says, and sets of fields that are unique together.
func (w *writer) indexes(m *model, single map[string]string, indexes, sets *[]string) {
	for _, name := range w.Found.Indexes[m.Name] {
		if !slices.ContainsFunc(m.Indexes, func(ix migrate.Index) bool { return ix.Name == name }) {
			w.comment("the index %s is not in this file: it is over expressions, or over some rows by a condition that index(…) can't say", name)
		}
	}
	defer m.searchable(single)
	for _, ix := range m.Indexes {
		if ix.Broken {
			w.comment("the index %s is not in this file: it is not what its name says, or was cut short while it was built", ix.Name)
			continue
		}
		if ix.Search {
			continue
		}
		columns, where := ix.Columns, ix.Where
		if m.tenants && ix.Unique && columns[0] == "tenant_id" {
			columns = columns[1:]
		}
		if m.soft && ix.Unique {
			where = withoutDeleted(where)
		}
		var fields []string
		for _, c := range columns {
			if f := m.fields[c]; f != "" && !strings.Contains(w.typeOf(m.Table, m.Column(c)), "json") {
				fields = append(fields, f)
			}
		}
		condition, ok := w.where(m, where)
		switch {
		case len(fields) < len(columns) || len(fields) == 0 || !ok:
			w.comment("the index %s is not in this file: it is over what is no field, or rows that index(…) can't name", ix.Name)
		case len(columns) == 1 && columns[0] == m.id.Name:
		case where != nil:
			unique := ""
			if ix.Unique {
				unique = ", unique = True"
			}
			*indexes = append(*indexes, "index("+quoted(fields)+unique+", where = "+condition+")")
		case len(columns) == 1 && m.system()[columns[0]]:
			*indexes = append(*indexes, "index("+quoted(fields)+")")
		case len(columns) == 1 && ix.Unique:
			single[columns[0]] = "unique = True"
		case len(columns) == 1:
			if single[columns[0]] == "" {
				single[columns[0]] = "index = True"
			}
		case ix.Unique:
			*sets = append(*sets, "["+quoted(fields)+"]")
		default:
			*indexes = append(*indexes, "index("+quoted(fields)+")")
		}
	}
}

// searchable marks the columns that an index of words is over.
func (m *model) searchable(single map[string]string) {
	for _, ix := range m.Indexes {
		if !ix.Search || ix.Broken {
			continue
		}
		for _, c := range ix.Columns {
			if single[c] != "" {
				single[c] += ", "
			}
			single[c] += "searchable = True"
		}
	}
}

// among reports whether a condition asks for a column to be null.
func among(c *query.Condition, column string) bool {
	return c.Op == "IS NULL" && c.Column == column ||
		c.Op == "AND" && slices.ContainsFunc(c.Parts, func(p *query.Condition) bool { return among(p, column) })
}

// withoutDeleted is the condition that the file gave, before soft_delete added
// its own.
func withoutDeleted(c *query.Condition) *query.Condition {
	switch {
	case c == nil || c.Op != "AND":
		return nil
	case len(c.Parts) == 2:
		return c.Parts[0]
	}
	return &query.Condition{Op: "AND", Parts: c.Parts[:len(c.Parts)-1]}
}

var operators = map[string]string{"=": "$eq", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "IN": "$in", "NOT IN": "$nin"}

// where writes a condition as a filter.
func (w *writer) where(m *model, c *query.Condition) (string, bool) {
	if c == nil {
		return "", true
	}
	switch c.Op {
	case "AND", "OR":
		parts := make([]string, len(c.Parts))
		for i, p := range c.Parts {
			var ok bool
			if parts[i], ok = w.where(m, p); !ok {
				return "", false
			}
		}
		return "{" + quote("$"+strings.ToLower(c.Op)) + ": [" + strings.Join(parts, ", ") + "]}", true
	}
	field := m.fields[c.Column]
	if field == "" {
		return "", false
	}
	switch c.Op {
	case "IS NULL", "IS NOT NULL":
		return "{" + quote(field) + `: {"$null": ` + either(c.Op == "IS NULL", "True", "False") + "}}", true
	}
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = w.value(m.Table, m.Column(c.Column), v)
	}
	list := strings.Join(values, ", ")
	if strings.HasSuffix(c.Op, "IN") {
		list = "[" + list + "]"
	}
	op, ok := operators[c.Op]
	return "{" + quote(field) + ": {" + quote(op) + ": " + list + "}}", ok
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// value writes what an engine wrote as a literal.
func (w *writer) value(t *migrate.Table, c *migrate.Column, literal string) string {
	raw := strings.TrimSpace(literal)
	if s, ok := strings.CutPrefix(raw, "E'"); ok {
		raw = "'" + strings.ReplaceAll(s, `\\`, `\`)
	}
	if strings.HasPrefix(raw, "'") {
		raw = strings.ReplaceAll(raw[1:len(raw)-1], "''", "'")
	}
	switch typ := w.typeOf(t, c); {
	case typ == "int" || typ == "float":
		return raw
	case typ == "bool":
		return either(raw == "1" || raw == "true", "True", "False")
	case c.Kind == "decimal" && c.Storage == "INTEGER":
		digits, sign := strings.TrimPrefix(raw, "-"), either(strings.HasPrefix(raw, "-"), "-", "")
		if short := c.Scale + 1 - len(digits); short > 0 {
			digits = strings.Repeat("0", short) + digits
		}
		return quote(sign + digits[:len(digits)-c.Scale] + either(c.Scale > 0, ".", "") + digits[len(digits)-c.Scale:])
	}
	return quote(raw)
}

func quote(s string) string { return strconv.Quote(s) }

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return strings.Join(out, ", ")
}
