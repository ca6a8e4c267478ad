package rest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// The forms that all rows of a list can be had in.
const (
	csvType    = "text/csv"
	ndjsonType = "application/x-ndjson"
)

// How an export is sent.
const (
	exportAtOnce = 32 << 10 // bytes that are gathered before they are sent
	maxExports   = 4        // of an app at a time: each holds a connection to the database
)

// exportOf returns the form of an export that a request prefers to JSON; "" for
// JSON.
func exportOf(r *http.Request) string {
	accepts := r.Header["Accept"]
	if len(accepts) == 0 || len(accepts) == 1 && (accepts[0] == "*/*" || accepts[0] == "application/json") {
		return ""
	}
	best, form := 0.0, ""
	for part := range strings.SplitSeq(strings.Join(accepts, ","), ",") {
		kind, params, _ := strings.Cut(part, ";")
		q := quality(params)
		switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
		case csvType, ndjsonType:
			if q > best {
				best, form = q, kind
			}
		case "application/json", "application/*", "*/*":
			if q > best || q == best && kind == "application/json" { // where both are as welcome, the first
				best, form = q, ""
			}
		}
	}
	return form
}

// quality is the q of a media range.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(p)), "q="); ok {
			q, err := strconv.ParseFloat(v, 64)
			if err != nil || q < 0 || q > 1 {
				return 0
			}
			return q
		}
	}
	return 1
}

// export sends every row that matches, of one state of the database, as they are
// read. Once it has begun, what fails breaks the connection off: the client sees
// that it has not got all.
func (m *model) export(x *front.Exchange, form string) error {
	x.Operation = "export"
	c := m.seeing(x.Caller)
	q, err := m.listQuery(c, x.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := m.exportable(x.Request.URL.RawQuery); err != nil {
		return err
	}
	if err := m.ops.May(c, dataflow.OpList); err != nil {
		return err
	}
	select {
	case m.exports <- struct{}{}:
		defer func() { <-m.exports }()
	default:
		return &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: "as many exports as are served at a time are under way", Hint: "try again in a moment"}
	}
	header := x.Header()
	header["Cache-Control"] = noCache
	x.Vary("Accept")
	header["Content-Type"] = []string{form + "; charset=utf-8"}
	if form == csvType {
		header["Content-Type"] = []string{form + "; charset=utf-8; header=present"}
		header["Content-Disposition"] = []string{`attachment; filename="` + m.exp.Path + `.csv"`}
	}
	e := &exporter{x: x, m: m, form: form, to: x.Packing()}
	if x.Request.Method == http.MethodHead {
		x.WriteHeader(http.StatusOK)
		return nil
	}
	// No deadline: however many rows there are, a client that takes them gets them.
	ctx := x.Request.Context()
	err = m.store.Snapshot(ctx, func(r store.Reader) error { return e.rows(ctx, r, c, q) })
	if err == nil {
		err = e.send()
	}
	if err == nil {
		err = e.to.Close()
	}
	switch {
	case err == nil:
		return nil
	case !e.begun:
		header.Del("Content-Disposition")
		header.Del("Content-Encoding")
		return err
	}
	x.LogFault(err)
	panic(http.ErrAbortHandler)
}

// exportable refuses what makes a page of a list.
func (m *model) exportable(raw string) error {
	p := params{m: m.decl}
	p.each(raw, func(name, value string) {
		switch name {
		case "fields":
			if strings.Contains(value, ".") {
				p.add(name, "unknown_field", "an export has rows of "+m.decl.Name+", and no others in them", "name fields of "+m.decl.Name+" itself, or ask for JSON")
			}
		case "limit", "offset", "cursor", "count", "expand":
			if m.decl.Field(name) == nil {
				p.add(name, "unknown_parameter", "an export has every row, and no others in them", "leave "+name+" out, or ask for JSON")
			}
		}
	})
	return p.err()
}

// exporter writes rows in a form.
type exporter struct {
	x     *front.Exchange
	m     *model
	form  string
	out   []byte
	to    io.WriteCloser
	begun bool // something has been sent
}

func (e *exporter) rows(ctx context.Context, r store.Reader, c access.Caller, q access.ListQuery) error {
	if e.form == ndjsonType {
		return e.m.ops.Each(ctx, r, c, q, false, func(text []byte, _ *dataflow.Object) error {
			e.out = append(append(e.out, text...), '\n')
			return e.sendSome()
		})
	}
	show := e.m.ops.Shown(c, q.Fields)
	cells := make([]any, len(show))
	for i, at := range show {
		cells[i] = e.m.decl.Shape().Name(at)
	}
	e.out = codec.AppendCSV(e.out, cells)
	return e.m.ops.Each(ctx, r, c, q, true, func(_ []byte, row *dataflow.Object) error {
		for i, at := range show {
			cells[i] = row.Vals()[at]
		}
		e.out = codec.AppendCSV(e.out, cells)
		return e.sendSome()
	})
}

func (e *exporter) sendSome() error {
	if len(e.out) < exportAtOnce {
		return nil
	}
	return e.send()
}

func (e *exporter) send() error {
	if !e.begun {
		e.begun = true
		e.x.WriteHeader(http.StatusOK)
	}
	e.x.Patiently(e.m.patience)
	_, err := e.to.Write(e.out)
	e.out = e.out[:0]
	return err
}
