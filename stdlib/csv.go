package stdlib

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func csvModule() Module {
	return Module{Name: "csv", Capability: pure, Doc: "CSV (RFC 4180), as the nodes for it read and write it.", Functions: []Function{
		{Name: "parse", Params: "text, columns = None, delimiter = \",\"", Doc: "The rows, records of texts by column. The first line names the columns, unless they are given. " +
			"A line with more or fewer values is an error. At most 100,000 rows.", call: parseCSV, Examples: []Example{
			{`[row.sku for row in parse("sku,qty\nb-1,2\n")]`, `["b-1"]`}, {`parse("1;2", ["x", "y"], ";")[0].y`, "2"}}},
		{Name: "format", Params: "rows, columns = None, delimiter = \",\", header = True", Doc: "Rows, dicts or records, as CSV. The columns are those of the first row unless they are given; a row with a value for another is an error then. None is an empty value.", call: formatCSV, Examples: []Example{
			{`format([{"sku": "b-1", "qty": 2}, {"sku": None}])`, "sku,qty\nb-1,2\n,\n"}}},
	}}
}

func parseCSV(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var text string
	var columns *sl.List
	delimiter := ","
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text, "columns??", &columns, "delimiter?", &delimiter); err != nil {
		return nil, err
	}
	comma, names, err := csvOptions(delimiter, columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	_, rows, err := codec.ReadCSV(text, comma, names)
	if err != nil {
		return nil, fmt.Errorf("%s: the text: %w", b.Name(), err)
	}
	return value.FromGo(rows), nil
}

func formatCSV(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var rows sl.Value
	var columns *sl.List
	delimiter, header := ",", true
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "rows", &rows, "columns??", &columns, "delimiter?", &delimiter, "header?", &header); err != nil {
		return nil, err
	}
	comma, names, err := csvOptions(delimiter, columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	v, err := value.ToGo(rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: want a list of rows, not %s", b.Name(), rows.Type())
	}
	text, err := codec.WriteCSV(list, comma, names, header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return sl.String(text), nil
}

func csvOptions(delimiter string, columns *sl.List) (rune, []string, error) {
	comma, err := codec.CSVDelimiter(delimiter)
	if err != nil || columns == nil {
		return comma, nil, err
	}
	names := []string{}
	for v := range columns.Elements() {
		name, ok := sl.AsString(v)
		if !ok {
			return 0, nil, fmt.Errorf("a column is a string, not %s", v.Type())
		}
		names = append(names, name)
	}
	return comma, names, nil
}
