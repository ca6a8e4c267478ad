package nodes

import (
	"bytes"
	"cmp"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
)

// decoded looks inside the text of a json field, which is valid by contract.
func decoded(v any) any {
	if raw, ok := v.(dataflow.RawJSON); ok {
		v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	return v
}

// orderOf compares two values. ok is false if they are not of one sort;
// numbers of all kinds are, and so are texts and what is written as text.
func orderOf(a, b any) (order int, ok bool) {
	if x, ok := number(a); ok {
		y, ok := number(b)
		if !ok {
			return 0, false
		}
		return x.Cmp(y), true
	}
	if x, ok := written(a); ok {
		y, ok := written(b)
		return strings.Compare(x, y), ok
	}
	switch x := a.(type) {
	case bool:
		y, ok := b.(bool)
		return cmp.Compare(bit(x), bit(y)), ok
	case time.Time:
		y, ok := moment(b)
		return x.Compare(y), ok
	case []byte:
		y, ok := b.([]byte)
		return bytes.Compare(x, y), ok
	case []any:
		y, ok := b.([]any)
		return 0, ok && len(x) == len(y) && allEqual(x, y)
	case *dataflow.Object:
		y, ok := b.(*dataflow.Object)
		return 0, ok && sameObject(x, y)
	}
	return 0, false
}

func number(v any) (dataflow.Decimal, bool) {
	switch v := v.(type) {
	case int64:
		return decimal.NewFromInt(v), true
	case float64:
		return decimal.NewFromFloat(v), true
	case dataflow.Decimal:
		return v, true
	}
	return dataflow.Decimal{}, false
}

func written(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case dataflow.Date:
		return string(v), true
	case dataflow.TimeOfDay:
		return string(v), true
	}
	return "", false
}

// moment reads a datetime, which a file can only write as text.
func moment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t, err == nil
	}
	return time.Time{}, false
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func allEqual(x, y []any) bool {
	for i := range x {
		if !equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

func sameObject(x, y *dataflow.Object) bool {
	if x.Len() != y.Len() {
		return false
	}
	for name, v := range x.All {
		w, ok := y.Get(name)
		if !ok || !equal(v, w) {
			return false
		}
	}
	return true
}
