package migrate

import (
	"encoding/json"
	"strconv"
)

// appendTo appends the JSON form of a table, as json.Marshal writes it: every
// start writes that of all of them, and so has no time to look at what a table
// is made of.
func (t *Table) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), t.Name)
	if t.Model != "" {
		b = appendString(append(b, `,"model":`...), t.Model)
	}
	b = append(b, `,"columns":`...)
	if t.Columns == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, '[')
		for i := range t.Columns {
			b = t.Columns[i].appendTo(comma(b, i))
		}
		b = append(b, ']')
	}
	if len(t.Indexes) > 0 {
		b = append(b, `,"indexes":[`...)
		for i := range t.Indexes {
			b = t.Indexes[i].appendTo(comma(b, i))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (c *Column) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), c.Name)
	b = appendString(append(b, `,"kind":`...), c.Kind)
	if c.Precision != 0 {
		b = strconv.AppendInt(append(b, `,"precision":`...), int64(c.Precision), 10)
	}
	if c.Scale != 0 {
		b = strconv.AppendInt(append(b, `,"scale":`...), int64(c.Scale), 10)
	}
	if len(c.Values) > 0 {
		b = appendStrings(append(b, `,"values":`...), c.Values)
	}
	if c.Optional {
		b = append(b, `,"optional":true`...)
	}
	if c.ID {
		b = append(b, `,"id":true`...)
	}
	if c.Ref != nil {
		b = appendString(append(b, `,"ref":{"table":`...), c.Ref.Table)
		b = append(appendString(append(b, `,"on_delete":`...), c.Ref.OnDelete), '}')
	}
	return append(b, '}')
}

func (ix *Index) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), ix.Name)
	b = appendStrings(append(b, `,"columns":`...), ix.Columns)
	if ix.Unique {
		b = append(b, `,"unique":true`...)
	}
	if ix.Search {
		b = append(b, `,"search":true`...)
	}
	if ix.Where != nil {
		b = append(append(b, `,"where":`...), marshal(ix.Where)...)
	}
	return append(b, '}')
}

func appendStrings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		b = appendString(comma(b, i), s)
	}
	return append(b, ']')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, marshal(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("migrate: a table is plain data: " + err.Error())
	}
	return text
}
