package openapi

import (
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// imports adds the route by which a file of rows is brought in.
func (d *document) imports(exp *dataflow.Exposure) {
	m := exp.Model
	var modes []any
	for _, op := range exp.Served() {
		switch op {
		case dataflow.OpBulkCreate:
			modes = append(modes, "insert")
		case dataflow.OpBulkUpsert:
			modes = append(modes, "upsert")
		}
	}
	if len(modes) == 0 {
		return
	}
	list := func() *dataflow.Object { return typed("string") }
	params := []any{
		parameter("mode", "query", "insert adds every row; upsert changes those that are there already.",
			dataflow.ObjectOf("type", "string", "enum", modes, "default", "insert")),
		parameter("on_error", "query", "fail: nothing is imported if a line can't be. skip: the others are, and the answer tells of each line that was not.",
			dataflow.ObjectOf("type", "string", "enum", []any{"fail", "skip"}, "default", "fail")),
		parameter("conflict_on", "query", "The fields by which an upsert finds a row that is there already, with commas between: a unique one, or those of a unique index.", list()),
		parameter("ignore", "query", "Columns to pass over, with commas between.", list()),
		refTo("parameters", "PreferBulk"), refTo("parameters", "IdempotencyKey"),
		parameter("Content-Encoding", "header", "gzip, if the file is packed.", dataflow.ObjectOf("type", "string", "enum", []any{"gzip", "identity"})),
	}
	if m.MultiTenant {
		params = append(params, refTo("parameters", "Tenant"))
	}
	d.operation("/api/"+exp.Path+"/import", http.MethodPost, operation{
		id: []string{"import", exp.Path}, tag: exp.Path, summary: "Import rows of " + m.Name + " from a file",
		doc: "CSV (RFC 4180) whose first line names the columns, or lines of JSON, of any length, in one transaction. " +
			"In CSV nothing is null, and a pair of quotes an empty text, as in what the list exports. Each problem names its line.",
		params:  params,
		body:    dataflow.ObjectOf("required", true, "content", d.exampleFile(m)),
		answers: []answer{{200, response("imported", jsonContent(refTo("schemas", "Imported")), "PreferenceApplied", "Replayed")}},
		fails:   []int{400, 409, 413, 415, 422},
	})
}

// exampleFile is what a file of rows may be, with one row if that can be guessed.
func (d *document) exampleFile(m *dataflow.Model) *dataflow.Object {
	content := textContent("text/csv", "application/x-ndjson")
	row := d.creation(m)
	if row == nil {
		return content
	}
	var names, values []any
	for name, v := range row.All {
		names, values = append(names, name), append(values, v)
	}
	for media, text := range map[string][]byte{
		"text/csv":             codec.AppendCSV(codec.AppendCSV(nil, names), values),
		"application/x-ndjson": append(codec.AppendValue(nil, row), '\n'),
	} {
		of, _ := content.Get(media)
		of.(*dataflow.Object).Set("example", string(text))
	}
	return content
}

// importSchemas are the schemas of what has come of an import.
func importSchemas() *dataflow.Object {
	line := properties(dataflow.ObjectOf(
		"line", described(integer(), "of the file, from 1"),
		"code", typed("string"),
		"message", typed("string"),
		"problems", arrayOf(refTo("schemas", "ProblemPart"))))
	return dataflow.ObjectOf(
		"Imported", described(properties(dataflow.ObjectOf(
			"processed", described(integer(), "rows of the file"),
			"inserted", integer(),
			"updated", described(integer(), "of an upsert"),
			"skipped", described(integer(), "rows that could not be imported, with on_error=skip"),
			"errors", described(arrayOf(refTo("schemas", "ImportError")), "why, for the first thousand of them"),
			"errors_left_off", described(integer(), "how many more there are")),
			"updated", "skipped", "errors", "errors_left_off"), "What has come of an import."),
		"ImportError", described(line, "A line of a file that could not be imported."))
}
