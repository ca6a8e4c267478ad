package codec

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// parseText reads the text form of a type that is no reference.
func (c *collector) parseText(t *dataflow.Type, s string) (any, bool) {
	switch t.Kind {
	case dataflow.KindAny:
		if v, problems := ParseJSON([]byte(s), MaxDepth); len(problems) == 0 {
			return v, true
		}
		return s, c.noNUL(s)
	case dataflow.KindBool:
		switch strings.ToLower(s) {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	case dataflow.KindInt, dataflow.KindFloat:
		return c.numberText(t, s)
	case dataflow.KindJSON, dataflow.KindList, dataflow.KindObject, dataflow.KindRecord:
		return c.jsonText(t, s)
	default:
		return c.text(t, s)
	}
	return nil, c.add("wrong_type", "must be "+expected(t)+", not "+quote(s), "")
}

// numberText reads a whole number or a float written as JSON writes numbers.
func (c *collector) numberText(t *dataflow.Type, s string) (any, bool) {
	p := parser{s: s}
	raw, whole, ok := p.number()
	if !ok || raw != s {
		return nil, c.add("wrong_type", "must be "+expected(t)+", not "+quote(s), "")
	}
	return c.numeral(t, raw, whole)
}

func (c *collector) jsonText(t *dataflow.Type, s string) (any, bool) {
	v, problems := ParseJSON([]byte(s), MaxDepth)
	if len(problems) > 0 {
		return nil, c.add("wrong_type", "must be "+expected(t)+" written as JSON: "+problems[0].Detail, "")
	}
	if v == nil {
		if t.Kind == dataflow.KindJSON {
			return nil, true
		}
		return nil, c.wrong(t, v)
	}
	return c.value(t, v)
}

// decimalOfFloat returns the decimal that the shortest text of x says.
func decimalOfFloat(x float64) (dataflow.Decimal, bool) {
	d, err := dataflow.ParseDecimal(strconv.FormatFloat(x, 'g', -1, 64))
	return d, err == nil
}
