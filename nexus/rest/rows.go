package rest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// rows returns a function that gives the rows of a file, one after the other, with
// how long each is; io.EOF behind the last. A row that can't be made is nil, with
// the problems that say why.
func (in *importer) rows(r io.Reader) (next func() (pending, int, error), err error) {
	if in.form == ndjsonType {
		lines := codec.NewLineReader(r, maxImportRow)
		return func() (pending, int, error) { return in.lineRow(lines) }, nil
	}
	records := codec.NewCSVReader(r, maxImportRow)
	columns, err := in.columns(records)
	if err != nil {
		return nil, err
	}
	return func() (pending, int, error) { return columns.row(records) }, nil
}

// lineRow reads a row that is a line of JSON. Empty lines are passed over.
func (in *importer) lineRow(lines *codec.LineReader) (p pending, size int, err error) {
	for {
		lines.SkipBlank()
		line, err := lines.Read()
		p.line = lines.Line
		switch {
		case errors.Is(err, codec.ErrLineTooLong):
			p.problems = []dataflow.Problem{{Code: "too_long", Detail: tooLongRow}}
			return p, 0, nil
		case err != nil:
			return p, 0, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		v, problems := codec.ParseJSON(line, codec.MaxDepth)
		o, ok := v.(*dataflow.Object)
		switch {
		case len(problems) > 0:
			for i := range problems { // which count lines within the line
				problems[i].Detail = strings.Replace(problems[i].Detail, "(line 1, column", "(column", 1)
			}
			p.problems = problems
		case !ok:
			p.problems = []dataflow.Problem{{Code: "wrong_type", Detail: "a line must be a JSON object"}}
		default:
			p.row = without(o, in.ignore)
		}
		return p, len(line), nil
	}
}

const tooLongRow = "it is longer than a row may be"

// without is an object but for some names.
func without(o *dataflow.Object, names []string) *dataflow.Object {
	if !slices.ContainsFunc(names, o.Has) {
		return o
	}
	out := dataflow.NewObject()
	for name, v := range o.All {
		if !slices.Contains(names, name) {
			out.Set(name, v)
		}
	}
	return out
}

// columns are those of a CSV file.
type columns struct {
	in     *importer
	shape  *dataflow.Shape
	fields []*dataflow.Field // nil: passed over
	at     []int             // in the shape
}

// columns reads the first line of a CSV file.
func (in *importer) columns(r *codec.CSVReader) (*columns, error) {
	cells, err := r.Read()
	if err == io.EOF {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "required", Detail: "the first line must name the columns", Line: 1})
	}
	if err != nil {
		return nil, in.noCSV(err)
	}
	var problems []dataflow.Problem
	add := func(name, code, detail, hint string) {
		problems = append(problems, dataflow.Problem{Code: code, Pointer: pointer(name), Detail: detail, Hint: hint, Line: r.Line})
	}
	cols := &columns{in: in}
	var names, refused []string
	sight := in.c.Sight()
	known := make(map[string]bool, len(cells))
	for i, cell := range cells {
		if len(problems)+len(refused) >= maxProblems {
			break // what a column is taken for costs more than the comma that makes it
		}
		name := cell.Text
		f := sight.FieldOf(in.m.decl, name)
		var own *dataflow.Field // one that may be given, though it may not be seen
		if at, ok := in.m.decl.FieldIndex(name); ok && (f != nil || in.m.ops.Sets(in.c, at)) {
			own = in.m.decl.Fields[at]
		}
		switch {
		case known[name]:
			add(name, "duplicate_key", "the column "+quote(name)+" is there twice", "")
		case slices.Contains(in.ignore, name):
			f = nil
		case name == "":
			add(name, "required", "column "+strconv.Itoa(i+1)+" has no name", "the first line names the columns")
		case own != nil && access.CanWrite(in.m.decl, own):
			f = own
		case f != nil || slices.Contains(sight.Names(in.m.decl), name):
			refused = append(refused, name)
			f = nil
		default:
			hint := dataflow.DidYouMean(name, sight.Names(in.m.decl))
			if hint == "" && len(cells) == 1 && strings.ContainsAny(name, ";\t|") {
				hint = "names and values stand with commas between them"
			}
			add(name, "unknown_field", "there is no field "+quote(name), hint)
		}
		known[name] = true
		cols.fields = append(cols.fields, f)
		cols.at = append(cols.at, len(names))
		if f != nil {
			names = append(names, f.Name)
		}
	}
	for _, name := range refused {
		add(name, "read_only", "the app sets "+quote(name)+" itself", "leave the column out, or pass it over: "+ignoring(in.ignore, refused...))
	}
	for _, name := range in.ignore {
		if !known[name] && len(problems) < maxProblems {
			problems = append(problems, dataflow.Problem{Code: "unknown_field", Pointer: "/ignore", Detail: "there is no column " + quote(name)})
		}
	}
	if len(problems) > 0 {
		e := dataflow.Invalid(capped(problems)...)
		e.Model = in.m.decl.Name
		return nil, e
	}
	cols.shape = dataflow.NewShape(names...)
	return cols, nil
}

// row reads a row that is a record of CSV.
func (c *columns) row(r *codec.CSVReader) (p pending, size int, err error) {
	cells, err := r.Read()
	p.line = r.Line
	switch {
	case err == io.EOF:
		return p, 0, err
	case err != nil:
		return p, 0, c.in.noCSV(err)
	case len(cells) != len(c.fields):
		p.problems = []dataflow.Problem{{Code: "format", Detail: "the line has " + dataflow.Counted(int64(len(cells)), "value") + ", and the first one names " + dataflow.Counted(int64(len(c.fields)), "column"),
			Hint: "a value that holds a comma, a quote or a line end stands in quotes"}}
		return p, 0, nil
	}
	vals := make([]any, c.shape.Len())
	lost := false
	for i, cell := range cells {
		f := c.fields[i]
		if f == nil {
			continue
		}
		size += len(cell.Text)
		v, problems := cellValue(f, cell)
		if len(problems) > 0 {
			// As text it is refused again, when the row is written; but any text is
			// JSON.
			v, lost = cell.Text, lost || f.Type.Kind == dataflow.KindJSON
			p.problems = append(p.problems, problems...)
		}
		vals[c.at[i]] = v
	}
	if !lost {
		p.row = dataflow.NewRecord(c.shape, vals)
	}
	return p, size, nil
}

// cellValue is the value that a cell of a field's column says. Nothing is null
// where the field can be, and else as if the column were not there.
func cellValue(f *dataflow.Field, cell codec.CSVCell) (any, []dataflow.Problem) {
	switch {
	case cell.Text != "" || cell.Quoted:
		return codec.ParseText(f.Type, cell.Text, pointer(f.Name))
	case f.Optional:
		return nil, nil
	}
	return dataflow.Absent, nil
}

// noCSV is the error of a file that from some line on is no CSV: where the next
// row begins can't be told.
func (in *importer) noCSV(err error) error {
	e, ok := errors.AsType[*codec.CSVError](err)
	if !ok {
		return err
	}
	hint := `a value with a quote in it stands in quotes, and the quote twice: "say ""hi"""`
	switch {
	case errors.Is(err, codec.ErrManyCells):
		hint = "leave out the columns that are no fields"
	case errors.Is(err, codec.ErrReturn):
		hint = "save the file with such line ends; a value that holds one stands in quotes"
	case errors.Is(err, codec.ErrLineTooLong):
		hint = "a row may have " + strconv.Itoa(maxImportRow) + " bytes; a quote that is not closed makes the rest of the file one value"
	}
	return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid, Model: in.m.decl.Name,
		Message:  "the file is no CSV (RFC 4180), so nothing was imported",
		Problems: []dataflow.Problem{{Code: "format", Line: e.Line, Detail: e.Err.Error(), Hint: hint}}}
}
