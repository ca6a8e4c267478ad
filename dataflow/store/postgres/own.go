package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// What an app writes in SQL itself. A statement that does not say that it
// writes is run where the server lets nothing be written.

// style is how PostgreSQL's parameters are written. A list is an array.
func (dialect) style() rawsql.Style {
	arg := func(dst []byte, n int, t *dataflow.Type, suffix string) []byte {
		dst = strconv.AppendInt(append(dst, '$'), int64(n), 10)
		if t == nil {
			return dst // the server knows from where it stands
		}
		return append(append(append(dst, "::"...), storage(t)...), suffix...)
	}
	return rawsql.Style{
		One: func(dst []byte, n int, t *dataflow.Type) []byte { return arg(dst, n, t, "") },
		In: func(dst []byte, n int, t *dataflow.Type) []byte {
			return append(arg(append(dst, "= ANY ("...), n, t, "[]"), ')')
		},
		NotIn: func(dst []byte, n int, t *dataflow.Type) []byte {
			return append(arg(append(dst, "<> ALL ("...), n, t, "[]"), ')')
		},
	}
}

// Inspect implements store.Store. The server looks at the statement and does
// not run it.
func (s *Store) Inspect(ctx context.Context, q *rawsql.Statement) (flaws []rawsql.Flaw, err error) {
	text, back := q.For(dialect{}.style())
	err = s.read(ctx, func(r session) error {
		seen, err := r.c.Prepare(ctx, "", text, nil)
		if said, ok := errors.AsType[*pgconn.PgError](err); ok && aboutText(said.Code) {
			flaw := rawsql.Flaw{Offset: -1, Message: "PostgreSQL: " + said.Message, Hint: said.Hint}
			if said.Position > 0 {
				flaw.Offset = back(byteOffset(text, int(said.Position)-1))
			}
			flaws = []rawsql.Flaw{flaw}
			return nil
		}
		if err != nil {
			return r.c.toError(ctx, err)
		}
		flaws = columnFlaws(seen.Fields, q)
		return nil
	})
	return flaws, err
}

// aboutText reports whether a SQLSTATE is about what a statement says: its
// syntax, its names and types, and what the server does not do.
func aboutText(state string) bool {
	return strings.HasPrefix(state, "42") && state != noPrivilege || state == featureNotSupported || strings.HasPrefix(state, "22")
}

// byteOffset returns where the n-th character of a text begins.
func byteOffset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

func columnFlaws(fields []pgconn.FieldDescription, q *rawsql.Statement) []rawsql.Flaw {
	var names []string
	var flaws []rawsql.Flaw
	for _, f := range fields {
		names = append(names, f.Name)
		if _, ok := formOfOID[f.DataTypeOID]; !ok {
			flaws = append(flaws, rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("the column %s of the result has a type that no value has here", f.Name),
				Hint: "make it one that has, as " + f.Name + "::text"})
		}
	}
	return append(flaws, store.ColumnFlaws(names, q)...)
}

// Query implements store.Reader.
func (s *Store) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	c, err := s.begin(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
	if err != nil {
		return nil, err
	}
	defer c.put()
	defer c.rollback()
	return session{s, c}.Query(ctx, q, args)
}

// Query implements store.Reader, for a transaction that can't write.
func (r session) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	if q.Write {
		return nil, dataflow.Internal(fmt.Errorf("a statement that writes needs a transaction"))
	}
	return r.ask(ctx, q, args)
}

// Query implements store.Reader. One that only reads is run in a savepoint in
// which nothing can be written.
func (t *tx) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	if q.Write {
		a, err := t.session.ask(ctx, q, args)
		if err != nil {
			return nil, t.spoil(err)
		}
		return a, nil
	}
	if err := t.c.exec(ctx, "SAVEPOINT own; SET LOCAL transaction_read_only = on"); err != nil {
		return nil, t.spoil(t.c.toError(ctx, err))
	}
	a, err := t.session.ask(ctx, q, args)
	if t.c.lost() {
		return nil, t.spoil(err)
	}
	if failed := t.c.exec(ctx, "ROLLBACK TO own; RELEASE own"); failed != nil {
		return nil, t.spoil(t.c.toError(ctx, failed))
	}
	return a, err
}

// ask runs a statement.
func (r session) ask(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	bound := make([]any, len(args))
	for i, p := range q.Params {
		v, err := ownArg(p, args[i])
		if err != nil {
			return nil, err
		}
		bound[i] = v
	}
	text, _ := q.For(dialect{}.style())
	began := r.s.started(ctx, []byte(text))
	reader, err := r.c.run(ctx, []byte(text), bound)
	if err != nil {
		return nil, r.c.ownError(ctx, err)
	}
	ended := false
	defer func() {
		if !ended {
			_, _ = reader.Close()
		}
	}()
	a, failed := r.gather(q, reader)
	ended = true
	tag, err := reader.Close()
	r.s.ended(ctx, []byte(text), store.Statement{Kind: store.KindOwn}, began)
	if err != nil {
		return nil, r.c.ownError(ctx, err)
	}
	if failed != nil {
		return nil, failed
	}
	if q.Write {
		a.Affected = tag.RowsAffected()
	}
	return a, nil
}

// gather reads the rows of an answer.
func (r session) gather(q *rawsql.Statement, reader answer) (*store.Answer, error) {
	fields := reader.FieldDescriptions()
	a := &store.Answer{}
	cols := make([]ownColumn, len(fields))
	for i, f := range fields {
		a.Columns = append(a.Columns, f.Name)
		cols[i] = ownColumn{name: f.Name, typ: q.Column(f.Name), computed: f.TypeModifier == -1}
		cols[i].form = formOfOID[f.DataTypeOID]
	}
	if err := store.Flawed(columnFlaws(fields, q)); err != nil {
		return nil, err
	}
	rows := store.NewGathering(q, a)
	for reader.NextRow() {
		r.c.shown = true
		vals := make([]any, len(cols))
		for i, raw := range reader.Values() {
			var err error
			if vals[i], err = cols[i].value(raw); err != nil {
				return nil, err
			}
		}
		if err := rows.Add(vals); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// formOfOID says how values of PostgreSQL's own types come over the wire.
var formOfOID = map[uint32]ownForm{
	16: {formBool, 0}, 17: {formBytes, 0}, 20: {formInt, 0}, 21: {formInt, 0}, 23: {formInt, 0}, 26: {formInt, 0},
	18: {formText, 0}, 19: {formText, 0}, 25: {formText, 0}, 1042: {formText, 0}, 1043: {formText, 0}, 705: {formText, 0},
	114: {formJSON, 0}, 3802: {formJSON, 1}, 700: {formFloat, 0}, 701: {formFloat, 0}, 1700: {formNumeric, 0},
	1114: {formMoment, 0}, 1184: {formMoment, 0}, 1082: {formDate, 0}, 1083: {formTime, 0}, 2950: {formUUID, 0},
}

// ownForm is a form, and how many bytes stand before it.
type ownForm struct {
	form form
	skip int
}

// ownColumn is a column of an answer.
type ownColumn struct {
	name     string
	typ      *dataflow.Type // what it is said to be, or nil
	form     ownForm
	computed bool // it has no digits of its own
}

func (c *ownColumn) value(raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	plain := column{typ: dataflow.Any, form: c.form.form}
	v := plain.value(raw[c.form.skip:])
	if v == nil { // NaN, an infinity
		return nil, store.Unread(c.name, dataflow.Any)
	}
	if f, ok := v.(float64); ok && f-f != 0 {
		return nil, store.Unread(c.name, dataflow.Float)
	}
	if c.typ == nil {
		if d, ok := v.(dataflow.Decimal); ok && c.computed && d.Exponent() == 0 && d.Coefficient().IsInt64() {
			return d.Coefficient().Int64(), nil // as the sum of ints
		}
		return v, nil
	}
	if out, ok := said(c.typ.Scalar(), v); ok {
		return out, nil
	}
	return nil, store.Unread(c.name, c.typ)
}

// said is a value as one of the type that its column is said to be.
func said(t *dataflow.Type, v any) (any, bool) {
	switch d, isDecimal := v.(dataflow.Decimal); {
	case isDecimal && t.Kind == dataflow.KindDecimal:
		d = d.Round(int32(t.Scale))
		_, fits := dataflow.FitDecimal(d, dataflow.MaxDecimalDigits, t.Scale)
		return d, fits
	case isDecimal && t.Kind == dataflow.KindFloat:
		return d.InexactFloat64(), true
	}
	if raw, ok := v.(dataflow.RawJSON); ok && t.Kind == dataflow.KindList {
		parsed, problems := codec.ParseJSON([]byte(raw), codec.MaxDepth)
		if len(problems) > 0 {
			return nil, false
		}
		v = parsed
	}
	out, problems := codec.CoerceType(t, v, "")
	return out, len(problems) == 0
}

// ownArg is what is sent for a value.
func ownArg(p *rawsql.Param, v any) (any, error) {
	if !p.List {
		return ownValue(p.Type, v), nil
	}
	items, _ := v.([]any)
	var b bytes.Buffer
	b.WriteByte('{')
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		switch item := ownValue(p.Type, item).(type) {
		case nil:
			b.WriteString("NULL")
		case []byte:
			return nil, store.Unfit(p.Name, "bytes can't be items of a list", nil)
		case string:
			b.WriteByte('"')
			b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(item))
			b.WriteByte('"')
		default:
			fmt.Fprint(&b, item)
		}
	}
	b.WriteByte('}')
	return b.String(), nil
}

func ownValue(t *dataflow.Type, v any) any {
	if v == nil {
		return nil
	}
	if t == nil {
		t = store.TypeOf(v)
		if _, ok := v.(dataflow.Decimal); ok {
			t = &dataflow.Type{Kind: dataflow.KindDecimal}
		}
	}
	return dialect{}.Encode(t.Scalar(), v)
}

// ownError says what an error of a statement of the app's means. What the
// server says of its text is for the author; what it says of values, which it
// may repeat, is for nobody.
func (c *conn) ownError(ctx context.Context, err error) error {
	state := sqlState(err)
	said, _ := errors.AsType[*pgconn.PgError](err)
	err = withoutValues(err)
	switch {
	case ctx.Err() != nil:
		return store.Interrupted(ctx.Err())
	case said != nil && said.Routine == raised: // it is not about the text, whatever its state
		return c.toError(ctx, err)
	case state == readOnlyTransaction:
		return store.Flawed([]rawsql.Flaw{{Message: "it writes", Hint: "say so: write = True"}})
	case state == uniqueViolation, state == foreignKeyViolation, state == restrictViolation, strings.HasPrefix(state, "23"):
		return store.Constrained(state == uniqueViolation, state == foreignKeyViolation || state == restrictViolation, err)
	case strings.HasPrefix(state, "22"):
		return store.Unfit("", "a value does not fit the statement", err)
	case aboutText(state) && !outdatedPlan(err):
		return store.Flawed([]rawsql.Flaw{{Message: "PostgreSQL: " + said.Message, Hint: said.Hint}})
	}
	return c.toError(ctx, err)
}
