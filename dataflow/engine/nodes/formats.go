package nodes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// document is a node that reads or writes one form of text. The table below
// lists them.
type document struct {
	spec  *dataflow.NodeSpec
	check func(*dataflow.Node) []dataflow.Diagnostic
	run   func(*engine.Call) (any, error)
}

// Spec implements engine.NodeType.
func (t *document) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *document) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	return t.check(node)
}

// Run implements engine.NodeType.
func (t *document) Run(ctx context.Context, call *engine.Call) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.run(call)
}

func documents() []engine.NodeType {
	text := &dataflow.Field{Name: "text", Type: dataflow.String, Optional: true, Doc: "the text itself, instead of a file"}
	delimiter := &dataflow.Field{Name: "delimiter", Type: dataflow.String, Default: ",", HasDefault: true, MinLength: ptr(1), MaxLength: ptr(1), Doc: "one character between values"}
	header := func(doc string) *dataflow.Field {
		return &dataflow.Field{Name: "header", Type: dataflow.Bool, Default: true, HasDefault: true, Doc: doc}
	}
	columns := func(doc string) *dataflow.Field {
		return &dataflow.Field{Name: "columns", Type: dataflow.ListOf(dataflow.String), Optional: true, Doc: doc}
	}
	object := &dataflow.Type{Kind: dataflow.KindObject}
	return []engine.NodeType{
		&document{check: checkCSVReader, run: readCSV, spec: &dataflow.NodeSpec{
			Name: "CSVReaderNode",
			Doc: "Reads CSV (RFC 4180) from a file or a text into rows, objects of texts by column. A row that has more or fewer values than " +
				"there are columns fails the node, with its line. At most 64 MiB and 100,000 rows.",
			Params: []*dataflow.Field{pathParam(readPath), text, delimiter, header("the first line names the columns"),
				columns("names of the columns, where no line has them")},
			EffectOf: byPath, Effect: dataflow.EffectOutside,
			Output: dataflow.ObjectType(
				&dataflow.Field{Name: "rows", Type: dataflow.ListOf(object)},
				&dataflow.Field{Name: "columns", Type: dataflow.ListOf(dataflow.String)},
				&dataflow.Field{Name: "count", Type: dataflow.Int},
			)}},
		&document{check: checkPath, run: writeCSV, spec: &dataflow.NodeSpec{
			Name: "CSVWriterNode",
			Doc:  "Writes rows, objects or records, as CSV. Null is an empty value; lists and objects are written as JSON.",
			Params: []*dataflow.Field{pathParam(writePath), {Name: "rows", Type: dataflow.ListOf(dataflow.Any), Doc: "the rows"},
				columns("which values, in which order; left out, those of the first row, and a row with another value is an error"), delimiter, header("the first line names the columns")},
			EffectOf: byPath, Effect: dataflow.EffectOutside, Output: writtenType()}},
		&document{check: checkSource, run: readJSON, spec: &dataflow.NodeSpec{
			Name:     "JSONReaderNode",
			Doc:      "Reads JSON from a file or a text. Numbers keep every digit.",
			Params:   []*dataflow.Field{pathParam(readPath), text},
			EffectOf: byPath, Effect: dataflow.EffectOutside,
			Output: dataflow.ObjectType(&dataflow.Field{Name: "value", Type: dataflow.Any})}},
		&document{check: checkPath, run: writeJSON, spec: &dataflow.NodeSpec{
			Name: "JSONWriterNode",
			Doc:  "Writes a value as JSON.",
			Params: []*dataflow.Field{pathParam(writePath), {Name: "value", Type: dataflow.Any, Doc: "the value"},
				{Name: "indent", Type: dataflow.Bool, Default: false, HasDefault: true, Doc: "laid out for reading"}},
			EffectOf: byPath, Effect: dataflow.EffectOutside, Output: writtenType()}},
		&document{check: checkSource, run: readText, spec: &dataflow.NodeSpec{
			Name:     "TextReaderNode",
			Doc:      "Reads a file of text in UTF-8.",
			Params:   []*dataflow.Field{pathParam(readPath), text},
			EffectOf: byPath, Effect: dataflow.EffectOutside,
			Output: dataflow.ObjectType(&dataflow.Field{Name: "text", Type: dataflow.String},
				&dataflow.Field{Name: "lines", Type: dataflow.ListOf(dataflow.String)})}},
		&document{check: checkPath, run: writeText, spec: &dataflow.NodeSpec{
			Name:   "TextWriterNode",
			Doc:    "Writes a text to a file.",
			Params: []*dataflow.Field{pathParam(textPath), {Name: "text", Type: dataflow.String, Doc: "the text"}},
			Effect: dataflow.EffectOutside, Output: writtenType()}},
	}
}

func checkCSVReader(node *dataflow.Node) []dataflow.Diagnostic {
	ds := checkSource(node)
	header, given := node.Config.Get("header")
	switch {
	case given && header == false && !node.Config.Has("columns"):
		ds = append(ds, problem("FC349", node, "/header", "nothing names the columns", `add "columns": ["sku", "qty"]`))
	case (!given || header == true) && node.Config.Has("columns"):
		ds = append(ds, problem("FC349", node, "/columns", "the first line names the columns already", `keep columns with "header": False`))
	}
	return ds
}

// comma returns the delimiter of a config.
func comma(call *engine.Call) (rune, error) {
	s, _ := stringOf(call.Config, "delimiter")
	r, err := codec.CSVDelimiter(s)
	if err != nil {
		return 0, invalid("/delimiter", err.Error())
	}
	return r, nil
}

func names(call *engine.Call, param string) []string {
	v, _ := call.Config.Get(param)
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, item.(string))
	}
	return out
}

func readCSV(call *engine.Call) (any, error) {
	delimiter, err := comma(call)
	if err != nil {
		return nil, err
	}
	text, err := sourceOf(call)
	if err != nil {
		return nil, err
	}
	columns, rows, err := codec.ReadCSV(text, delimiter, names(call, "columns"))
	if err != nil {
		return nil, invalid(sourcePart(call), err.Error())
	}
	list := make([]any, len(columns))
	for i, c := range columns {
		list[i] = c
	}
	return dataflow.ObjectOf("rows", rows, "columns", list, "count", int64(len(rows))), nil
}

// sourcePart is the parameter that a node's text came from.
func sourcePart(call *engine.Call) string {
	if call.Config.Has("text") {
		return "/text"
	}
	return "/path"
}

func writeCSV(call *engine.Call) (any, error) {
	delimiter, err := comma(call)
	if err != nil {
		return nil, err
	}
	v, _ := call.Config.Get("rows")
	list, _ := decoded(v).([]any)
	rows := make([]any, len(list))
	for i, row := range list {
		rows[i] = decoded(row)
	}
	header, _ := call.Config.Get("header")
	text, err := codec.WriteCSV(rows, delimiter, names(call, "columns"), header == true)
	if e, ok := errors.AsType[*codec.RowError](err); ok {
		p := dataflow.Problem{Code: "wrong_type", Pointer: "/rows/" + strconv.Itoa(e.Row), Detail: e.Error()}
		if e.Name != "" {
			p.Code, p.Pointer = "unknown_field", p.Pointer+"/"+codec.EscapePointer(e.Name)
		}
		return nil, dataflow.Invalid(p)
	}
	if err != nil {
		return nil, err
	}
	return writeOut(call, text)
}

func readJSON(call *engine.Call) (any, error) {
	text, err := sourceOf(call)
	if err != nil {
		return nil, err
	}
	v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
	if len(problems) > 0 {
		return nil, invalid(sourcePart(call), problems[0].Detail)
	}
	return dataflow.ObjectOf("value", v), nil
}

func writeJSON(call *engine.Call) (any, error) {
	v, _ := call.Config.Get("value")
	text := codec.AppendValue(nil, v)
	if indent, _ := call.Config.Get("indent"); indent == true {
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return nil, dataflow.Internal(fmt.Errorf("indent: %w", err))
		}
		text = b.Bytes()
	}
	return writeOut(call, string(text)+"\n")
}

func readText(call *engine.Call) (any, error) {
	text, err := sourceOf(call)
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(text) {
		return nil, invalid(sourcePart(call), "is no text in UTF-8")
	}
	lines := []any{}
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	return dataflow.ObjectOf("text", text, "lines", lines), nil
}

func writeText(call *engine.Call) (any, error) {
	text, _ := stringOf(call.Config, "text")
	return writeOut(call, text)
}
