package durable

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// What a run has worked out is read back as it was: a decimal as a decimal, a
// datetime as a datetime. JSON has no such types, so where it would lose one
// there stands an object with one name that begins with "$"; a name of the
// value's own that begins so gets another "$".

// maxValue bounds what is kept of one step, in bytes.
const maxValue = 8 << 20

// maxDepth bounds how deep it nests: deeper it would not be read again.
const maxDepth = 4 * codec.MaxDepth

// deeper reports whether a value nests deeper than left.
func deeper(v any, left int) bool {
	switch v := v.(type) {
	case []any:
		return left == 0 || slices.ContainsFunc(v, func(item any) bool { return deeper(item, left-1) })
	case *dataflow.Object:
		return v != nil && (left == 0 || slices.ContainsFunc(v.Vals(), func(item any) bool { return deeper(item, left-1) }))
	}
	return false
}

func encode(v any) (string, error) {
	if deeper(v, maxDepth-1) { // a tag is one more
		return "", &dataflow.Error{Code: "too_large", Status: dataflow.StatusRejected,
			Message: fmt.Sprintf("a result that nests deeper than %d can't be kept with a durable run", maxDepth-1)}
	}
	b := appendTyped(nil, v)
	if len(b) > maxValue {
		return "", &dataflow.Error{Code: "too_large", Status: dataflow.StatusRejected,
			Message: fmt.Sprintf("a result of %d bytes is too large to be kept with a durable run: %d is the limit", len(b), maxValue),
			Hint:    "keep large data in a model, and pass on its id"}
	}
	return string(b), nil
}

func appendTyped(dst []byte, v any) []byte {
	tagged := func(tag, text string) []byte {
		dst = append(append(append(dst, `{"$`...), tag...), `":`...)
		return append(codec.AppendString(dst, text), '}')
	}
	switch v := v.(type) {
	case float64:
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0) || v == math.Trunc(v) && math.Abs(v) < 1e21: // looks like an int, or like nothing
			return tagged("float", strconv.FormatFloat(v, 'g', -1, 64))
		}
		return codec.AppendFloat(dst, v)
	case dataflow.Decimal:
		return tagged("decimal", string(dataflow.AppendDecimal(nil, v)))
	case time.Time:
		return tagged("datetime", string(codec.AppendDateTime(nil, v)))
	case dataflow.Date:
		return tagged("date", string(v))
	case dataflow.TimeOfDay:
		return tagged("time", string(v))
	case []byte:
		return tagged("bytes", base64.StdEncoding.EncodeToString(v))
	case dataflow.RawJSON:
		return tagged("json", string(v))
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendTyped(dst, item)
		}
		return append(dst, ']')
	case *dataflow.Object:
		if v == nil {
			return append(dst, "null"...)
		}
		dst = append(dst, '{')
		first := true
		for name, item := range v.All {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if strings.HasPrefix(name, "$") {
				name = "$" + name
			}
			dst = append(codec.AppendString(dst, name), ':')
			dst = appendTyped(dst, item)
		}
		return append(dst, '}')
	}
	return codec.AppendValue(dst, v)
}

// decode reads what encode wrote.
func decode(s string) (any, error) {
	v, problems := codec.ParseJSON([]byte(s), maxDepth)
	if len(problems) > 0 {
		return nil, fmt.Errorf("what was kept of a run can't be read: %s", problems[0].Detail)
	}
	return typed(v)
}

func typed(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			out, err := typed(item)
			if err != nil {
				return nil, err
			}
			v[i] = out
		}
		return v, nil
	case *dataflow.Object:
		if v.Len() == 1 {
			name := v.Names()[0]
			if tag, ok := strings.CutPrefix(name, "$"); ok && !strings.HasPrefix(tag, "$") {
				inner, _ := v.Get(name)
				text, _ := inner.(string)
				return untag(tag, text)
			}
		}
		out := dataflow.NewObject()
		for name, item := range v.All {
			item, err := typed(item)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(name, "$$") {
				name = name[1:]
			}
			out.Set(name, item)
		}
		return out, nil
	}
	return v, nil
}

func untag(tag, text string) (any, error) {
	switch tag {
	case "float":
		return strconv.ParseFloat(text, 64)
	case "decimal":
		return dataflow.ParseDecimal(text)
	case "datetime":
		return time.Parse(time.RFC3339Nano, text)
	case "date":
		return dataflow.Date(text), nil
	case "time":
		return dataflow.TimeOfDay(text), nil
	case "bytes":
		return base64.StdEncoding.DecodeString(text)
	case "json":
		return dataflow.RawJSON(text), nil
	}
	return nil, fmt.Errorf("what was kept of a run can't be read: unknown tag %q", tag)
}
