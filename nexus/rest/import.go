package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// How a file of rows is imported.
const (
	maxImports    = 4       // of an app at a time
	maxImport     = 1 << 30 // bytes of a file, unpacked
	maxImportRow  = 16 << 20
	rowsAtOnce    = 500     // that are written together
	bytesAtOnce   = 1 << 20 // of the file, from which on they are written
	maxImportErrs = 1000    // lines that are told of
)

// importer brings the rows of a file into a model.
type importer struct {
	m      *model
	c      access.Caller
	form   string
	op     dataflow.OpKind
	keys   []any // conflict_on
	skip   bool  // lines that can't be imported, instead of all
	ignore []string
	limit  int64 // of rows that are written; -1: any number
	file   *spool

	// What has come of it so far.
	processed, inserted, updated, skipped int64
	problems                              []dataflow.Problem // if nothing is skipped
	codes                                 map[string]dataflow.Status
	errors                                []any // if lines are
	last                                  int   // the line behind which nothing was looked at; 0: all was
	chunk                                 []pending
	bytes                                 int
}

// pending is a row that is to be written.
type pending struct {
	line int
	row  *dataflow.Object
	// problems are those of its text. It is written all the same, which fails, so
	// that what else is wrong with the row comes along.
	problems []dataflow.Problem
}

// importRows serves POST /api/{model}/import.
func (h *Handler) importRows(x *front.Exchange) error {
	name := variable(x, "model")
	m, err := h.model(x.Caller, name)
	if err != nil {
		return err
	}
	if m.imports() == nil || x.Request.Method != http.MethodPost && x.Request.Method != http.MethodOptions {
		return h.item(x, name, importName) // a row may have that id
	}
	if x.Request.Method == http.MethodOptions {
		_, err := checkMethod(x, m.withItem(http.MethodPost))
		return err
	}
	return m.importFile(x)
}

// withItem adds a method to those of a row, where the row's id is a text and so
// may be the last part of a path that has another meaning too.
func (m *model) withItem(method string) []string {
	if m.decl.ID().Type.Kind != dataflow.KindString {
		return methods(method)
	}
	return inOrder(append(slices.DeleteFunc(slices.Clone(m.item), func(s string) bool { return s == http.MethodOptions || s == method }), method))
}

// imports lists the operations by which rows can be imported.
func (m *model) imports() []dataflow.OpKind {
	return slices.DeleteFunc([]dataflow.OpKind{dataflow.OpBulkCreate, dataflow.OpBulkUpsert}, func(op dataflow.OpKind) bool {
		_, ok := m.named[op.String()]
		return !ok
	})
}

// importFile takes a file, then does all of it in one transaction.
func (m *model) importFile(x *front.Exchange) error {
	w := mutation{caller: m.seeing(x.Caller), prefer: prefer{maxAffected: -1}}
	if len(x.Request.Header["Prefer"]) > 0 {
		w.prefer = preferences(x)
	}
	in, err := m.newImporter(x, w)
	if err != nil {
		return err
	}
	select {
	case m.importing <- struct{}{}:
		defer func() { <-m.importing }()
	default:
		return &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: "as many imports as are done at a time are under way", Hint: "try again in a moment"}
	}
	if in.file, err = m.take(x); err != nil {
		return err
	}
	defer in.file.close()
	if in.file.size == 0 {
		return dataflow.Invalid(dataflow.Problem{Code: "required", Detail: "the body has no rows", Hint: "send a file as the body"})
	}
	preferenceApplied(x, w.prefer.tx(), w.prefer.affected())
	// No deadline: however many rows there are, they are imported.
	w.ctx = front.WithRequestID(x.Request.Context(), x.ID())
	w.body = slices.Concat(in.file.sum[:], []byte(in.form+"?"+x.Request.URL.RawQuery))
	w.do = in.run
	w.render = func(context.Context) (answer, error) {
		x.Patiently(m.patience)
		x.Out = codec.AppendValue(x.Out[:0], in.report())
		return answer{status: http.StatusOK}, nil
	}
	err = m.write(x, w)
	if err != nil {
		x.Patiently(m.patience)
	}
	return err
}

// newImporter reads all there is of a request but its body.
func (m *model) newImporter(x *front.Exchange, w mutation) (*importer, error) {
	in := &importer{m: m, c: w.caller, op: dataflow.OpBulkCreate, limit: w.prefer.maxAffected}
	p := params{m: m.decl, sight: w.caller.Sight()}
	conflict := false
	p.each(x.Request.URL.RawQuery, func(name, value string) {
		switch name {
		case "mode":
			if p.oneOf(name, value, "insert", "upsert") && value == "upsert" {
				in.op = dataflow.OpBulkUpsert
			}
		case "on_error":
			in.skip = p.oneOf(name, value, "fail", "skip") && value == "skip"
		case "conflict_on":
			conflict = true
			for part := range strings.SplitSeq(value, ",") {
				in.keys = append(in.keys, part)
			}
		case "ignore":
			in.ignore = strings.Split(value, ",")
		default:
			p.unknown(name, importParams)
		}
	})
	upsert := in.op == dataflow.OpBulkUpsert
	switch {
	case !upsert && conflict:
		p.add("conflict_on", "unknown_parameter", "only an upsert looks for rows that are there already", "add mode=upsert")
	case upsert && !conflict && m.decl.ClientID:
		in.keys = []any{m.decl.ID().Name}
	case upsert && !conflict:
		p.add("conflict_on", "required", "an upsert needs to know which fields find a row that is there already", "name a unique field, or the fields of a unique index with commas between")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if !slices.Contains(m.imports(), in.op) {
		return nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.decl.Name,
			Message: "rows of " + m.decl.Name + " can't be imported in this way: " + in.op.String() + " is not served",
			Hint:    "add it to the operations of app.expose, or choose another mode"}
	}
	if err := m.asked(x, in.op); err != nil {
		return nil, err
	}
	x.Operation = importName
	if err := checkKey(x); err != nil {
		return nil, err
	}
	var err error
	if in.form, err = importForm(x); err != nil {
		return nil, err
	}
	// What does not depend on the rows is found out before they are sent.
	if err = m.store.Write(x.Context(), func(tx store.Tx) error {
		if _, err := m.ops.Do(x.Context(), tx, in.c, in.op, in.args(nil, "fail")); err != nil {
			return err
		}
		return errRollback
	}); !errors.Is(err, errRollback) {
		return nil, err
	}
	return in, nil
}

var importParams = []string{"mode", "on_error", "conflict_on", "ignore"}

// importForm is the form of the rows that are sent.
func importForm(x *front.Exchange) (string, error) {
	if types := x.Request.Header["Content-Type"]; len(types) == 1 {
		media, params, _ := strings.Cut(types[0], ";")
		media = strings.ToLower(strings.TrimSpace(media))
		noHeader := strings.Contains(strings.ToLower(strings.ReplaceAll(params, " ", "")), "header=absent")
		switch media {
		case csvType, ndjsonType, "application/ndjson", "application/jsonl":
			if utf8Only(params) && !noHeader {
				if media != csvType {
					media = ndjsonType
				}
				return media, nil
			}
		}
	}
	x.Header()["Accept-Post"] = []string{csvType + ", " + ndjsonType}
	return "", &dataflow.Error{Code: "unsupported_media_type", Status: dataflow.StatusInvalid,
		Message: "the body's Content-Type is neither text/csv, with the names of its columns, nor application/x-ndjson, in UTF-8",
		Hint:    "send Content-Type: text/csv or application/x-ndjson"}
}

// take takes the file.
func (m *model) take(x *front.Exchange) (*spool, error) {
	body, err := x.Stream(maxImport, m.patience, func() error {
		return &dataflow.Error{Code: "body_too_large", Status: dataflow.StatusInvalid,
			Message: "the file is larger than " + strconv.Itoa(maxImport) + " bytes", Hint: "import it in parts"}
	})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return newSpool(body)
}

// args are the arguments of the operation for rows.
func (in *importer) args(rows []any, onError string) *dataflow.Object {
	if rows == nil {
		rows = []any{}
	}
	args := dataflow.ObjectOf("data", rows, "on_error", onError)
	if in.op == dataflow.OpBulkUpsert {
		args.Set("conflict_on", in.keys)
	}
	return args
}

// run imports the file. It starts from the beginning if it is called again.
func (in *importer) run(ctx context.Context, tx store.Tx) error {
	in.processed, in.inserted, in.updated, in.skipped = 0, 0, 0, 0
	in.problems, in.errors, in.codes = nil, nil, make(map[string]dataflow.Status)
	in.chunk, in.bytes, in.last = in.chunk[:0], 0, 0
	next, err := in.rows(in.file.open())
	if err != nil {
		return err
	}
	for {
		row, size, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		in.processed++
		if row.row == nil {
			in.refuse(row.line, "invalid", "", row.problems)
		} else {
			in.chunk, in.bytes = append(in.chunk, row), in.bytes+size
		}
		if len(in.chunk) == rowsAtOnce || in.bytes >= bytesAtOnce {
			if err := in.flush(ctx, tx); err != nil {
				return err
			}
		}
		if len(in.problems) >= maxProblems {
			in.last = row.line
			break
		}
	}
	if err := in.flush(ctx, tx); err != nil {
		return err
	}
	if in.processed == 0 {
		return dataflow.Invalid(dataflow.Problem{Code: "required", Detail: "the file has no rows", Hint: "the lines behind the names of the columns are the rows"})
	}
	return in.refusal()
}

// flush writes the rows that are pending.
func (in *importer) flush(ctx context.Context, tx store.Tx) error {
	if len(in.chunk) == 0 {
		return nil
	}
	rows := make([]any, len(in.chunk))
	for i, p := range in.chunk {
		rows[i] = p.row
	}
	done, err := in.write(ctx, tx, rows)
	if err != nil {
		return err
	}
	in.inserted += number(done, "inserted")
	in.updated += number(done, "updated")
	list, _ := done.Get("errors")
	failed, _ := list.([]any)
	refused := make(map[int]bool, len(failed))
	for _, v := range failed {
		i := in.refused(v.(*dataflow.Object))
		refused[i] = true
	}
	for i, p := range in.chunk {
		if len(p.problems) > 0 && !refused[i] {
			return dataflow.Internal(fmt.Errorf("importing: line %d has been written, and its text is wrong: %v", p.line, p.problems))
		}
	}
	in.chunk, in.bytes = in.chunk[:0], 0
	if n := in.inserted + in.updated; in.limit >= 0 && n > in.limit {
		return tooManyAffected(in.m.decl.Name, n)
	}
	return nil
}

// write writes rows together, and if that fails those of them that can be
// written: of the others the result tells.
func (in *importer) write(ctx context.Context, tx store.Tx, rows []any) (done *dataflow.Object, err error) {
	do := func(onError string) error {
		v, err := in.m.ops.Do(ctx, tx, in.c, in.op, in.args(rows, onError))
		done, _ = v.(*dataflow.Object)
		return err
	}
	if in.op == dataflow.OpBulkUpsert && tx.Savepoint(ctx, func() error { return do("fail") }) == nil {
		return done, nil // without a savepoint for each
	}
	return done, do("skip")
}

func number(o *dataflow.Object, name string) int64 {
	v, _ := o.Get(name)
	n, _ := v.(int64)
	return n
}

// refused takes over what a bulk operation says of a row that it did not take,
// and returns which.
func (in *importer) refused(e *dataflow.Object) int {
	at := int(number(e, "index"))
	code, _ := e.Get("code")
	message, _ := e.Get("message")
	list, _ := e.Get("problems")
	p := in.chunk[at]
	problems := slices.Clone(p.problems)
	own := len(problems)
	prefix := "/data/" + strconv.Itoa(at)
	for _, v := range list.([]any) {
		pr := problemOf(v.(*dataflow.Object))
		pr.Pointer = strings.TrimPrefix(pr.Pointer, prefix)
		if !slices.ContainsFunc(problems[:own], func(o dataflow.Problem) bool {
			return pr.Pointer == o.Pointer || strings.HasPrefix(pr.Pointer, o.Pointer+"/")
		}) {
			problems = append(problems, pr)
		}
	}
	if own > 0 {
		code, message = "invalid", ""
	}
	in.refuse(p.line, code.(string), message.(string), problems)
	return at
}

func problemOf(o *dataflow.Object) (p dataflow.Problem) {
	for name, to := range map[string]*string{"code": &p.Code, "pointer": &p.Pointer, "detail": &p.Detail, "hint": &p.Hint} {
		v, _ := o.Get(name)
		*to, _ = v.(string)
	}
	return p
}

// refuse tells of a line that can't be imported.
func (in *importer) refuse(line int, code, message string, problems []dataflow.Problem) {
	in.skipped++
	if len(problems) == 0 {
		problems = []dataflow.Problem{{Code: code, Detail: message}}
	}
	for i := range problems {
		if p := &problems[i]; p.Code == "read_only" {
			p.Hint = "leave it out, or pass it over: " + ignoring(in.ignore, strings.TrimPrefix(p.Pointer, "/"))
		}
	}
	if in.skip {
		if len(in.errors) < maxImportErrs {
			in.errors = append(in.errors, errorOfLine(line, code, message, problems))
		}
		return
	}
	in.codes[code] = dataflow.StatusInvalid
	for _, c := range dataflow.ErrorCodes() {
		if c.Code == code {
			in.codes[code] = c.Status
		}
	}
	for _, p := range problems {
		p.Line = line
		in.problems = append(in.problems, p)
	}
}

// ignoring is the parameter that passes over columns besides those it does already.
func ignoring(already []string, more ...string) string {
	return "?ignore=" + strings.Join(slices.Concat(already, more), ",")
}

func errorOfLine(line int, code, message string, problems []dataflow.Problem) *dataflow.Object {
	if message == "" {
		message = dataflow.Invalid(problems...).Message
	}
	list := make([]any, len(problems))
	for i, p := range problems {
		o := dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer, "detail", p.Detail)
		if p.Hint != "" {
			o.Set("hint", p.Hint)
		}
		list[i] = o
	}
	return dataflow.ObjectOf("line", int64(line), "code", code, "message", message, "problems", list)
}

// refusal is the error of a file with lines that can't be imported, unless they
// are skipped. Where all have the same code, so has it.
func (in *importer) refusal() error {
	if in.skip || len(in.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(in.problems, func(a, b dataflow.Problem) int { return a.Line - b.Line })
	e := dataflow.Invalid(capped(in.problems)...)
	if len(in.codes) == 1 {
		for code, status := range in.codes {
			e.Code, e.Status = code, status
		}
	}
	e.Model = in.m.decl.Name
	e.Message, e.Hint = "a line of the file can't be imported, so nothing was", "mend it, or import the others: on_error=skip"
	if in.skipped > 1 {
		e.Message = strconv.FormatInt(in.skipped, 10) + " lines of the file can't be imported, so nothing was"
		e.Hint = "mend them, or import the others: on_error=skip"
	}
	if in.last > 0 {
		e.Message += "; what is behind line " + strconv.Itoa(in.last) + " was not looked at"
	}
	return e
}

// report is what is answered.
func (in *importer) report() *dataflow.Object {
	o := dataflow.ObjectOf("processed", in.processed, "inserted", in.inserted)
	if in.op == dataflow.OpBulkUpsert {
		o.Set("updated", in.updated)
	}
	if in.skip {
		if in.errors == nil {
			in.errors = []any{}
		}
		slices.SortStableFunc(in.errors, func(a, b any) int {
			return int(number(a.(*dataflow.Object), "line") - number(b.(*dataflow.Object), "line"))
		})
		o.Set("skipped", in.skipped)
		o.Set("errors", in.errors)
		if left := in.skipped - int64(len(in.errors)); left > 0 {
			o.Set("errors_left_off", left)
		}
	}
	return o
}
