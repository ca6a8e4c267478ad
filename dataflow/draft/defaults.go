package draft

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
)

// plainTypes are those of fields that take no arguments, by how the file calls them.
var plainTypes = map[string]*dataflow.Type{
	"str": dataflow.String, "int": dataflow.Int, "float": dataflow.Float, "bool": dataflow.Bool, "json": dataflow.JSON,
	"datetime": dataflow.DateTime, "date": {Kind: dataflow.KindDate}, "time": {Kind: dataflow.KindTime},
	"uuid": {Kind: dataflow.KindUUID}, "bytes": {Kind: dataflow.KindBytes},
}

// fallback writes what a field has where nothing is given, as the column has it;
// where it can't be said it is "", and why is for a remark. f is the field as it
// is written, with its bounds.
func (w *writer) fallback(m *model, c *migrate.Column, f *dataflow.Field, unique bool) (text, why string) {
	n := w.Columns[m.Name+"."+c.Name]
	switch {
	case n.Default == "" || m.system()[c.Name] || c.ID && f.Type != dataflow.String: // the runtime picks those
		return "", ""
	case c.ID:
		return "", "is not that of an id here"
	case w.target(m, c) != "":
		return "", "can't be said of a reference"
	case n.Constant == nil:
		return "", "is worked out by the database"
	case unique:
		return "", "can be that of one row only"
	}
	if text = w.constant(c, f, *n.Constant); text == "" {
		return "", "is none that the field can have"
	}
	return text, ""
}

// constant writes a value as the file does, "" for one that the field can't have.
func (w *writer) constant(c *migrate.Column, f *dataflow.Field, text string) string {
	if f.Type == nil || !utf8.ValidString(text) {
		return ""
	}
	switch kind := f.Type.Kind; {
	case kind == dataflow.KindBool && c.Storage != "boolean" && text != "0" && text != "1", // SQLite keeps the word
		kind == dataflow.KindDecimal && !strings.HasPrefix(c.Storage, "numeric"): // in digits of its own
		return ""
	case kind == dataflow.KindBytes:
		raw, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
		if err != nil {
			return ""
		}
		text = base64.StdEncoding.EncodeToString(raw)
	case c.Storage == padded:
		text = strings.TrimRight(text, " ")
	}
	v, problems := codec.ParseText(f.Type, text, "")
	if len(problems) > 0 {
		return ""
	}
	if f.Type.Kind == dataflow.KindJSON {
		v, problems = codec.ParseJSON([]byte(text), codec.MaxDepth)
		if v == nil || len(problems) > 0 { // None is no default
			return ""
		}
		return literal(v)
	}
	if v, problems = codec.Coerce(f, v, ""); len(problems) > 0 {
		return ""
	}
	switch v := v.(type) {
	case int64, float64, bool:
		return literal(v)
	}
	var s string
	if err := json.Unmarshal(codec.AppendValue(nil, v), &s); err != nil {
		return ""
	}
	return quote(s)
}

// literal writes a value of JSON as Starlark has it, "" for one that it has not.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return either(v, "True", "False")
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return string(codec.AppendFloat(nil, v))
	case string:
		return quote(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = literal(item)
		}
		return enclosed("[", items, "]")
	case *dataflow.Object:
		var items []string
		for _, name := range v.Names() {
			item, _ := v.Get(name)
			text := literal(item)
			if text != "" {
				text = quote(name) + ": " + text
			}
			items = append(items, text)
		}
		return enclosed("{", items, "}")
	}
	return ""
}

func enclosed(open string, items []string, end string) string {
	if slices.Contains(items, "") {
		return ""
	}
	return open + strings.Join(items, ", ") + end
}

// shown is an expression of the database in a remark.
func shown(expr string) string {
	text := []rune(strings.Join(strings.Fields(expr), " "))
	if len(text) > longest {
		return string(text[:longest]) + "…"
	}
	return string(text)
}
