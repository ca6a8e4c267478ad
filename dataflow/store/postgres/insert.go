package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// Insert implements store.Tx.
func (t *tx) Insert(ctx context.Context, m *dataflow.Model, fields []int, rows [][]any) ([]any, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	tab, err := t.s.table(m)
	if err != nil {
		return nil, err
	}
	in := inserting{tx: t, tab: tab, fields: fields, rows: rows, ids: make([]any, 0, len(rows))}
	if err := in.run(ctx); err != nil {
		return nil, t.raced(m, err)
	}
	if !slices.Contains(t.added, m) {
		t.added = append(t.added, m)
	}
	return in.ids, nil
}

// inserting is one Insert under way.
type inserting struct {
	*tx
	tab    *table
	fields []int
	rows   [][]any
	ids    []any
	alone  bool // the statement is its own transaction: what it did stays
}

// errDiverted stands for a row that a trigger or a rule of another program's
// table has put elsewhere, or nowhere.
var errDiverted = errors.New("the row is not where it was to be")

// run adds the rows in runs: those next to each other that all give their id,
// or all leave it to the database, are one statement.
func (in *inserting) run(ctx context.Context) error {
	at := slices.Index(in.fields, in.tab.id)
	given := func(row []any) bool { return at >= 0 && row[at] != nil }
	for from := 0; from < len(in.rows); {
		to := from + 1
		for to < len(in.rows) && given(in.rows[to]) == given(in.rows[from]) {
			to++
		}
		if err := in.part(ctx, from, to, at, given(in.rows[from])); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// part adds the rows in [from, to). at is where among fields the id is.
func (in *inserting) part(ctx context.Context, from, to, at int, given bool) error {
	rows := in.rows[from:to]
	cols := make([]int, 0, len(in.fields)) // positions in fields that are sent
	for i, f := range in.fields {
		if f != in.tab.id || given {
			cols = append(cols, i)
		}
	}
	if given && in.tab.autoID {
		if err := in.advance(ctx, rows, at); err != nil {
			return err
		}
	}
	if len(cols) == 0 {
		return in.empty(ctx, len(rows))
	}
	if len(rows) == 1 {
		return in.single(ctx, from, cols, at, given)
	}
	return in.many(ctx, from, to, cols, at, given)
}

// empty adds rows of which nothing is given.
func (in *inserting) empty(ctx context.Context, n int) error {
	for range n {
		b := in.builder()
		b.Raw("INSERT INTO ").Ident(in.tab.model.Table).Raw(" DEFAULT VALUES")
		in.returning(b)
		if err := in.collect(ctx, b); err != nil {
			return in.explain(ctx, in.tab, change{}, err)
		}
	}
	return nil
}

func (in *inserting) single(ctx context.Context, at int, cols []int, idAt int, given bool) error {
	row := in.rows[at]
	err := in.statement(ctx, in.oneRow(cols, row), in.rows[at:at+1], idAt, given)
	if err == nil {
		return nil
	}
	prefix := ""
	if len(in.rows) > 1 {
		prefix = "/" + strconv.Itoa(at)
	}
	return in.explain(ctx, in.tab, change{fields: in.fields, vals: row, prefix: prefix}, err)
}

// oneRow writes the statement that adds a row.
func (in *inserting) oneRow(cols []int, row []any) *query.Builder {
	b := in.into(cols)
	b.Raw(" VALUES (")
	for i, c := range cols {
		if i > 0 {
			b.Raw(", ")
		}
		b.Arg(in.encode(c, row[c]))
	}
	return b.Raw(")")
}

// many adds rows with one statement. It goes back to before the
// statement if that fails, to find the row it failed on.
func (in *inserting) many(ctx context.Context, from, to int, cols []int, idAt int, given bool) error {
	if err := in.c.exec(ctx, "SAVEPOINT bulk"); err != nil {
		return in.c.toError(ctx, err)
	}
	err := in.statement(ctx, in.allRows(cols, in.rows[from:to]), in.rows[from:to], idAt, given)
	if err == nil {
		return in.c.toError(ctx, in.c.exec(ctx, "RELEASE bulk"))
	}
	return in.failedAmong(ctx, from, to, err)
}

// whole writes the statement that adds rows which give all of fields.
func (in *inserting) whole(rows [][]any) *query.Builder {
	cols := make([]int, len(in.fields))
	for i := range cols {
		cols[i] = i
	}
	if len(rows) == 1 {
		return in.oneRow(cols, rows[0])
	}
	return in.allRows(cols, rows)
}

// allRows writes the statement that adds rows, over an array for each column.
func (in *inserting) allRows(cols []int, rows [][]any) *query.Builder {
	b := in.into(cols)
	b.Raw(" SELECT ")
	for i, c := range cols {
		if i > 0 {
			b.Raw(", ")
		}
		_, _, cast := elements(in.typ(c))
		b.Raw("c" + strconv.Itoa(i) + cast + in.s.casts[[2]string{in.tab.model.Table, in.field(c).ColumnName()}])
	}
	b.Raw(" FROM unnest(")
	for i, c := range cols {
		if i > 0 {
			b.Raw(", ")
		}
		oid, name, _ := elements(in.typ(c))
		a := newArray(oid, len(rows))
		for _, row := range rows {
			a = a.add(in.encode(c, row[c]))
		}
		b.Arg(a).Raw("::" + name + "[]")
	}
	b.Raw(") AS u(")
	for i := range cols {
		if i > 0 {
			b.Raw(", ")
		}
		b.Raw("c" + strconv.Itoa(i))
	}
	return b.Raw(")")
}

// statement runs what b has written and notes the ids of its rows.
func (in *inserting) statement(ctx context.Context, b *query.Builder, rows [][]any, idAt int, given bool) error {
	if !given {
		in.returning(b)
		before := len(in.ids)
		if err := in.collect(ctx, b); err != nil {
			return err
		}
		if len(in.ids) < before+len(rows) && !in.alone {
			in.ids = in.ids[:before]
			return errDiverted
		}
		return nil
	}
	n, err := in.change(ctx, b, store.Statement{Kind: store.KindInsert, Model: in.tab.model})
	if err != nil {
		return err
	}
	if n < int64(len(rows)) {
		return errDiverted
	}
	for _, row := range rows {
		in.ids = append(in.ids, row[idAt])
	}
	return nil
}

func (in *inserting) into(cols []int) *query.Builder {
	b := in.builder()
	b.Raw("INSERT INTO ").Ident(in.tab.model.Table).Raw(" (")
	for i, c := range cols {
		if i > 0 {
			b.Raw(", ")
		}
		b.Ident(in.field(c).ColumnName())
	}
	return b.Raw(")")
}

func (in *inserting) field(c int) *dataflow.Field { return in.tab.columns[in.fields[c]].field }

func (in *inserting) typ(c int) *dataflow.Type { return in.tab.columns[in.fields[c]].typ }

func (in *inserting) encode(c int, v any) any {
	if v == nil {
		return nil
	}
	return in.s.dialect.Encode(in.typ(c), v)
}

func (in *inserting) returning(b *query.Builder) {
	b.Raw(" RETURNING ").Ident(in.tab.columns[in.tab.id].field.ColumnName())
}

// collect runs what b has written and notes the ids it returns: they come in
// the order of the rows.
func (in *inserting) collect(ctx context.Context, b *query.Builder) error {
	began := in.s.started(ctx, b.SQL)
	r, err := in.c.run(ctx, b.SQL, b.Args)
	if err != nil {
		return err
	}
	id := &in.tab.columns[in.tab.id]
	n := len(in.ids)
	for r.NextRow() {
		in.c.shown = true
		in.ids = append(in.ids, id.value(r.Values()[0]))
	}
	_, err = r.Close()
	in.s.ended(ctx, b.SQL, store.Statement{Kind: store.KindInsert, Model: in.tab.model}, began)
	if err != nil {
		in.ids = in.ids[:n]
	}
	return err
}

// advance moves the table's sequence beyond the ids that are given, so that no
// id is used twice. Whoever takes ids from it holds a lock on the table
// meanwhile, and nobody else may while it is moved. Who may not move it leaves it
// where it is, as any other program would.
func (in *inserting) advance(ctx context.Context, rows [][]any, at int) error {
	most := int64(0)
	for _, row := range rows {
		if id, ok := row[at].(int64); ok {
			most = max(most, id)
		}
	}
	if most < 1 {
		return nil
	}
	table, column := ident(in.tab.model.Table), in.tab.columns[in.tab.id].field.ColumnName()
	const sequence = "pg_get_serial_sequence($1, $2)::regclass"
	behind := false
	err := in.c.query(ctx, "SELECT 1 FROM (SELECT "+sequence+" AS seq) AS s WHERE CASE WHEN has_sequence_privilege(seq, 'UPDATE') THEN coalesce(pg_sequence_last_value(seq), 0) < $3::bigint END",
		[]any{table, column, most}, func([][]byte) { behind = true })
	if err != nil || !behind {
		return in.c.toError(ctx, err)
	}
	if err := in.c.exec(ctx, "LOCK TABLE "+table+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		return in.c.toError(ctx, err)
	}
	err = in.c.query(ctx, "SELECT setval(seq, greatest(coalesce(pg_sequence_last_value(seq), 0), $3::bigint)) FROM (SELECT "+sequence+" AS seq) AS s",
		[]any{table, column, most}, func([][]byte) {})
	return in.c.toError(ctx, err)
}

// failedAmong finds the row that kept [from, to) from being added, by adding
// each half by itself.
func (in *inserting) failedAmong(ctx context.Context, from, to int, cause error) error {
	switch sqlState(cause) {
	case uniqueViolation, foreignKeyViolation, checkViolation, exclusionViolation, notNullViolation, raisedException, generatedAlways, sequenceAtEnd:
	default:
		said, _ := errors.AsType[*pgconn.PgError](cause)
		if cause != errDiverted && (said == nil || !refusedWithin(said) && !failedWithin(said)) {
			return in.c.toError(ctx, cause)
		}
	}
	if err := in.c.exec(ctx, "ROLLBACK TO bulk; RELEASE bulk"); err != nil {
		return in.c.toError(ctx, err)
	}
	at := slices.Index(in.fields, in.tab.id)
	given := at >= 0 && in.rows[from][at] != nil
	apart := given && in.takeApart(from, to, at)
	middle := (from + to) / 2
	if err := in.part(ctx, from, middle, at, given); err != nil {
		return err
	}
	if err := in.part(ctx, middle, to, at, given); err != nil || !apart {
		return err
	}
	return in.explain(ctx, in.tab, change{}, cause) // no row fails by itself
}

// takeApart has no row in [from, to) refer to another of them, so that each can be
// added without the others: to none, or to itself where it must refer to one. It
// reports whether one did; then they are only added to find the one that can't be.
func (in *inserting) takeApart(from, to, at int) bool {
	var self []int // positions in fields
	for i, f := range in.fields {
		if typ := in.tab.model.Fields[f].Type; typ.Kind == dataflow.KindRef && typ.Model == in.tab.model {
			self = append(self, i)
		}
	}
	if self == nil {
		return false
	}
	among := make(map[any]bool, to-from)
	for _, row := range in.rows[from:to] {
		among[row[at]] = true
	}
	rows, apart := slices.Clone(in.rows), false
	for r := from; r < to; r++ {
		for _, i := range self {
			if v := rows[r][i]; v == nil || v == rows[r][at] || !among[v] {
				continue
			}
			if &rows[r][0] == &in.rows[r][0] {
				rows[r] = slices.Clone(rows[r])
			}
			if rows[r][i] = nil; !in.field(i).Optional {
				rows[r][i] = rows[r][at]
			}
			apart = true
		}
	}
	if apart {
		in.rows = rows
	}
	return apart
}
