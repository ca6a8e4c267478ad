package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/shopspring/decimal"
	"zombiezen.com/go/sqlite"
)

// What an app writes in SQL itself. SQLite's authorizer says, while such a
// statement is prepared, what it reads and does: it can't do what it does not
// say, nor touch what is not the app's.

// style is how SQLite's parameters are written. A list is one parameter, the
// text of a JSON array.
func (dialect) style() rawsql.Style {
	list := func(dst []byte, n int) []byte {
		return append(strconv.AppendInt(append(dst, "IN (SELECT value FROM json_each(?"...), int64(n), 10), "))"...)
	}
	return rawsql.Style{
		One: func(dst []byte, n int, _ *dataflow.Type) []byte {
			return strconv.AppendInt(append(dst, '?'), int64(n), 10)
		},
		In:    func(dst []byte, n int, _ *dataflow.Type) []byte { return list(dst, n) },
		NotIn: func(dst []byte, n int, _ *dataflow.Type) []byte { return list(append(dst, "NOT "...), n) },
	}
}

// own is a prepared statement of the app's.
type own struct {
	*sqlite.Stmt
	columns []string
	types   []*dataflow.Type // of the columns; nil: as SQLite has the value
	money   *dataflow.Field  // a decimal that it is about, or nil
}

// maxOwn bounds how many statements of the app's a connection keeps.
const maxOwn = 64

// Inspect implements store.Store.
func (s *Store) Inspect(ctx context.Context, q *rawsql.Statement) (flaws []rawsql.Flaw, err error) {
	err = s.read(ctx, func(r session) error {
		_, flaws, err = r.own(q)
		return toError(ctx, err)
	})
	return flaws, err
}

// Query implements store.Reader.
func (s *Store) Query(ctx context.Context, q *rawsql.Statement, args []any) (a *store.Answer, err error) {
	err = s.read(ctx, func(r session) error {
		a, err = r.Query(ctx, q, args)
		return err
	})
	return a, err
}

// Query implements store.Reader.
func (t *tx) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	if q.Write && !t.first {
		// It may have to be interrupted, which takes the whole group with it: so
		// it is not run among others.
		t.alone = true
		return nil, t.spoil(errAlone)
	}
	a, err := t.session.ask(ctx, q, args)
	if err != nil && q.Write {
		return nil, t.spoil(err)
	}
	return a, err
}

// errAlone ends a turn that is to be run again, in a transaction of its own.
var errAlone error = &dataflow.Error{Code: "internal", Status: dataflow.StatusInternal, Message: "the transaction starts again on its own"}

// Query implements store.Reader.
func (r session) Query(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	if q.Write {
		return nil, dataflow.Internal(fmt.Errorf("a statement that writes needs a transaction"))
	}
	return r.ask(ctx, q, args)
}

// ask runs a statement.
func (r session) ask(ctx context.Context, q *rawsql.Statement, args []any) (*store.Answer, error) {
	st, flaws, err := r.own(q)
	if err != nil {
		return nil, toError(ctx, err)
	}
	if err := store.Flawed(flaws); err != nil {
		return nil, err
	}
	defer r.c.within(ctx)()
	defer func() {
		_ = st.Reset() // it repeats the last step's error
		_ = st.ClearBindings()
	}()
	named := &statement{Stmt: st.Stmt, sql: q.Text}
	for i, p := range q.Params {
		if st.money != nil && p.Type == nil && !p.Rows && numeric(args[i]) {
			return nil, store.Unfit(p.Name, fmt.Sprintf(`what it counts is not known: the statement is about the decimal %[1]s, which SQLite keeps as a whole number of its smallest unit; say it: types = {%[2]q: "decimal(%[3]d, %[4]d)"}, or "int", or "str"`,
				st.money.Name, p.Name, st.money.Type.Precision, st.money.Type.Scale), nil)
		}
		v, err := bound(p, args[i])
		if err != nil {
			return nil, err
		}
		bind(named, i+1, v)
	}
	began := r.s.watch.Begin(ctx, q.Text)
	defer func() { r.s.watch.End(ctx, store.Statement{Kind: store.KindOwn, SQL: q.Text}, began) }()
	a := &store.Answer{Columns: st.columns}
	gather := store.NewGathering(q, a)
	for {
		more, err := st.Step()
		if err != nil {
			return nil, ownError(ctx, err)
		}
		if !more {
			break
		}
		vals := make([]any, len(st.columns))
		for i := range vals {
			if vals[i], err = st.value(i); err != nil {
				return nil, err
			}
		}
		if err := gather.Add(vals); err != nil {
			return nil, err
		}
	}
	if q.Write {
		a.Affected = int64(r.c.Changes())
	}
	return a, nil
}

// numeric reports whether a value is a number, or may be taken for one.
func numeric(v any) bool {
	switch v := v.(type) {
	case int64, float64:
		return true
	case string:
		_, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return err == nil
	case []any:
		return slices.ContainsFunc(v, numeric)
	}
	return false
}

// bound is what is bound for a value.
func bound(p *rawsql.Param, v any) (any, error) {
	if p.List {
		items, _ := v.([]any)
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = ownValue(p.Type, item)
			if b, ok := out[i].([]byte); ok && b != nil {
				return nil, store.Unfit(p.Name, "bytes can't be items of a list", nil)
			}
		}
		text, err := json.Marshal(out)
		if err != nil {
			return nil, dataflow.Internal(err)
		}
		return string(text), nil
	}
	return ownValue(p.Type, v), nil
}

// ownValue is a value as its column has it.
func ownValue(t *dataflow.Type, v any) any {
	if v == nil {
		return nil
	}
	if t == nil {
		t = store.TypeOf(v)
	}
	return dialect{}.Encode(t.Scalar(), v)
}

// ownError says what an error of a statement of the app's means.
func ownError(ctx context.Context, err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultConstraint:
		return store.Constrained(sqlite.ErrCode(err) == sqlite.ResultConstraintUnique || sqlite.ErrCode(err) == sqlite.ResultConstraintPrimaryKey,
			sqlite.ErrCode(err) == sqlite.ResultConstraintForeignKey, err)
	case sqlite.ResultMismatch, sqlite.ResultError, sqlite.ResultRange:
		return store.Unfit("", "a value does not fit the statement", err)
	}
	return toError(ctx, err)
}

// value is the value of a column of the current row.
func (o *own) value(i int) (any, error) {
	raw := o.raw(i)
	t := o.types[i]
	if raw == nil || t == nil {
		if f, ok := raw.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
			return nil, store.Unread(o.columns[i], dataflow.Float)
		}
		return raw, nil
	}
	if v, ok := shown(t.Scalar(), raw); ok {
		return v, nil
	}
	return nil, store.Unread(o.columns[i], t)
}

// raw is the value as SQLite has it.
func (o *own) raw(i int) any {
	switch o.ColumnType(i) {
	case sqlite.TypeInteger:
		return o.ColumnInt64(i)
	case sqlite.TypeFloat:
		return o.ColumnFloat(i)
	case sqlite.TypeText:
		return o.ColumnText(i)
	case sqlite.TypeBlob:
		return columnBytes(o.Stmt, i)
	}
	return nil
}

// shown is a stored value as one of type t.
func shown(t *dataflow.Type, raw any) (any, bool) {
	switch t.Kind {
	case dataflow.KindAny:
		return raw, true
	case dataflow.KindBool:
		n, ok := raw.(int64)
		return n != 0, ok
	case dataflow.KindDecimal:
		return shownDecimal(t, raw)
	case dataflow.KindJSON:
		text, ok := raw.(string)
		if ok && json.Valid([]byte(text)) {
			return dataflow.RawJSON(text), true
		}
		return raw, true // a part of a document, as json_extract gives it
	case dataflow.KindList:
		text, _ := raw.(string)
		v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
		if len(problems) > 0 {
			return nil, false
		}
		raw = v
	case dataflow.KindBytes:
		b, ok := raw.([]byte)
		return b, ok
	case dataflow.KindInt:
		if f, ok := raw.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 { // as avg and round give it
			return int64(f), true
		}
	}
	v, problems := codec.CoerceType(t, raw, "")
	return v, len(problems) == 0
}

// shownDecimal reads what SQLite works out of decimals as they are stored:
// numbers of their smallest unit.
func shownDecimal(t *dataflow.Type, raw any) (any, bool) {
	if t.Precision > maxScaledDigits {
		key, ok := raw.(string)
		if !ok || len(key) != t.Precision+1 {
			return nil, false
		}
		return parseDecimalKey([]byte(key), t.Scale), true
	}
	d := decimal.Decimal{}
	switch raw := raw.(type) {
	case int64:
		d = decimal.New(raw, -int32(t.Scale))
	case float64: // of avg and the like
		if math.IsInf(raw, 0) {
			return nil, false
		}
		d = decimal.NewFromFloat(raw).Shift(-int32(t.Scale)).Round(int32(t.Scale))
	default:
		return nil, false
	}
	_, fits := dataflow.FitDecimal(d, dataflow.MaxDecimalDigits, t.Scale)
	return d, fits
}

// own returns a statement of the app's, prepared, or what is wrong with it.
func (r session) own(q *rawsql.Statement) (*own, []rawsql.Flaw, error) {
	key := ownKey{q.Text, q}
	if o := r.c.owns[key]; o != nil {
		return o, nil, nil
	}
	seen := &witness{write: q.Write}
	text, back := q.For(dialect{}.style())
	stmt, err := r.c.authorized(text, seen)
	if err != nil {
		if seen.refused != "" {
			return nil, []rawsql.Flaw{{Offset: -1, Message: seen.refused, Hint: seen.hint}}, nil
		}
		if code := sqlite.ErrCode(err); code.ToPrimary() != sqlite.ResultError {
			return nil, nil, err
		}
		flaw := rawsql.Flaw{Offset: -1, Message: said(err)}
		if at, ok := sqlite.ErrorOffset(err); ok {
			flaw.Offset = back(at)
		} else if _, name, ok := strings.Cut(flaw.Message, "no such table: "); ok {
			flaw.Offset = q.Find(name)
		}
		return nil, []rawsql.Flaw{flaw}, nil
	}
	o := &own{Stmt: stmt}
	flaws := r.describe(o, q, seen)
	if slices.ContainsFunc(flaws, func(f rawsql.Flaw) bool { return !f.Warning }) {
		_ = stmt.Finalize()
		return nil, flaws, nil
	}
	r.c.keep(key, o)
	return o, flaws, nil
}

// ownKey is a statement of the app's: what its columns are said to be belongs
// to it.
type ownKey struct {
	text string
	of   *rawsql.Statement
}

func (c *conn) keep(key ownKey, o *own) {
	if len(c.owns) >= maxOwn {
		for old, o := range c.owns { // any of them
			_ = o.Finalize()
			delete(c.owns, old)
			break
		}
	}
	if c.owns == nil {
		c.owns = map[ownKey]*own{}
	}
	c.owns[key] = o
}

// authorized prepares a statement under the eyes of a witness.
func (c *conn) authorized(text string, seen *witness) (*sqlite.Stmt, error) {
	if err := c.SetAuthorizer(seen); err != nil {
		return nil, err
	}
	stmt, _, err := c.PrepareTransient(text)
	if failed := c.SetAuthorizer(nil); failed != nil && err == nil {
		_ = stmt.Finalize()
		return nil, failed
	}
	return stmt, err
}

// said is what SQLite says of a statement.
func said(err error) string {
	text := err.Error()
	const before = "SQL logic error: "
	if i := strings.LastIndex(text, before); i >= 0 {
		text = text[i+len(before):]
	}
	return "SQLite: " + text
}

// witness sees what a statement reads and does while it is prepared.
type witness struct {
	write   bool
	refused string // why it can't be run
	hint    string
	reads   []readOf
	writes  []readOf
}

type readOf struct{ table, column string }

// Authorize implements sqlite.Authorizer.
func (w *witness) Authorize(a sqlite.Action) sqlite.AuthResult {
	if a.Accessor() != "" && a.Type() != sqlite.OpRead {
		return sqlite.AuthResultOK // a trigger's doing, which the schema answers for
	}
	switch a.Type() {
	case sqlite.OpSelect, sqlite.OpFunction, sqlite.OpRecursive:
		return sqlite.AuthResultOK
	case sqlite.OpRead:
		w.reads = append(w.reads, readOf{a.Table(), a.Column()})
		return sqlite.AuthResultOK
	case sqlite.OpInsert, sqlite.OpUpdate, sqlite.OpDelete:
		w.writes = append(w.writes, readOf{a.Table(), a.Column()}) // an insert's column is ""
		switch {
		case !w.write:
			return w.refuse("the statement writes to "+a.Table(), "say so: write = True")
		case strings.HasPrefix(a.Table(), "sqlite_"):
			return w.refuse(a.Table()+" is SQLite's own", "")
		}
		return sqlite.AuthResultOK
	}
	return w.refuse("the statement does what a statement of an app may not: "+a.Type().String(), "it may read rows, and with write = True change them")
}

func (w *witness) refuse(why, hint string) sqlite.AuthResult {
	if w.refused == "" {
		w.refused, w.hint = why, hint
	}
	return sqlite.AuthResultDeny
}

// describe works out what the columns of the result are, and what is wrong
// with them.
func (r session) describe(o *own, q *rawsql.Statement, seen *witness) []rawsql.Flaw {
	flaws := ownParams(o, q)
	about := r.decimals(seen)
	if len(about) > 0 {
		o.money = about[0]
	}
	flaws = append(flaws, scaled(q, about)...)
	money := o.money
	for i := range o.ColumnCount() {
		name := o.ColumnName(i)
		o.columns = append(o.columns, name)
		o.types = append(o.types, q.Column(name))
		if o.types[i] != nil {
			continue
		}
		if t := r.origin(o, q, i); t != nil {
			o.types[i] = t
			continue
		}
		if money != nil {
			flaws = append(flaws, rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("what %s is must be said: the statement reads the decimal %s, which SQLite keeps as a whole number of its smallest unit", name, money.Name),
				Hint: fmt.Sprintf(`columns = {%q: "decimal(%d, %d)"}, or what else it is, as "int"`, name, money.Type.Precision, money.Type.Scale)})
		}
	}
	flaws = append(flaws, store.ColumnFlaws(o.columns, q)...)
	if at, ok := q.HasNumber(); ok && money != nil {
		flaws = append(flaws, rawsql.Flaw{Offset: at, Warning: true,
			Message: fmt.Sprintf("a number next to the decimal %s means so many of its smallest unit in SQLite", money.Name),
			Hint:    fmt.Sprintf(`bind it: :amount, with types = {"amount": "decimal(%d, %d)"}`, money.Type.Precision, money.Type.Scale)})
	}
	return flaws
}

// ownParams reports a "?" that SQLite takes for a parameter and the statement
// does not.
func ownParams(o *own, q *rawsql.Statement) []rawsql.Flaw {
	if o.BindParamCount() == len(q.Params) {
		return nil
	}
	return []rawsql.Flaw{{Offset: -1, Message: "the statement has parameters of two kinds", Hint: "write all of them as :name"}}
}

// column finds the model's field behind a column of a table.
func (r session) column(table, name string) *dataflow.Field {
	for m := range r.s.tables {
		if strings.EqualFold(m.Table, table) {
			for _, f := range m.Fields {
				if strings.EqualFold(f.ColumnName(), name) {
					return f
				}
			}
		}
	}
	return nil
}

// decimals lists the decimals that a statement reads or writes.
func (r session) decimals(seen *witness) []*dataflow.Field {
	var out []*dataflow.Field
	add := func(f *dataflow.Field) {
		if f != nil && f.Type.Kind == dataflow.KindDecimal && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, c := range slices.Concat(seen.reads, seen.writes) {
		if c.column != "" {
			add(r.column(c.table, c.column))
			continue
		}
		for m := range r.s.tables {
			if !slices.Contains(seen.writes, c) || !strings.EqualFold(m.Table, c.table) {
				continue
			}
			for _, f := range m.Fields {
				add(f)
			}
		}
	}
	return out
}

// scaled reports parameters whose smallest unit is not that of the decimals
// that the statement is about.
func scaled(q *rawsql.Statement, about []*dataflow.Field) []rawsql.Flaw {
	var flaws []rawsql.Flaw
	for _, p := range q.Params {
		if p.Type == nil || p.Type.Kind != dataflow.KindDecimal || len(about) == 0 {
			continue
		}
		other := func(f *dataflow.Field) bool { return f.Type.Scale != p.Type.Scale || formOf(f.Type) != formOf(p.Type) }
		i := slices.IndexFunc(about, other)
		if i < 0 || !p.Taken && slices.ContainsFunc(about, func(f *dataflow.Field) bool { return !other(f) }) {
			continue
		}
		f := about[i]
		flaws = append(flaws, rawsql.Flaw{Offset: p.At, Message: fmt.Sprintf("%s is a %s, and the statement is about the %s %s: SQLite compares them as whole numbers of different units", p.Name, p.Type, f.Type, f.Name),
			Hint: fmt.Sprintf(`say of which column it is: types = {%q: "%s"}`, p.Name, f.Type)})
	}
	return flaws
}

// origin returns the type of the field that a column of the result is, nil
// where that is not certain: SQLite tells the table it comes from, and not the
// column.
func (r session) origin(o *own, q *rawsql.Statement, i int) *dataflow.Type {
	table := o.ColumnTableName(i)
	if table == "" || q.Renames(o.columns[i]) {
		return nil
	}
	if f := r.column(table, o.columns[i]); f != nil {
		return f.Type.Scalar()
	}
	return nil
}
