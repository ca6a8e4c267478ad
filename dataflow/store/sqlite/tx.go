package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// tx is a turn on the writer. A statement that fails spoils it, as it does on
// PostgreSQL: what follows fails too, up to the end of the innermost Savepoint.
type tx struct {
	session
	failed error           // of the statement that spoilt it
	depth  int             // of savepoints
	over   bool            // the function it was handed to has returned
	first  bool            // of its group: it may be interrupted
	alone  bool            // is to be run again, not in a group
	strict bool            // no statement may leave a reference that leads nowhere
	ends   <-chan struct{} // of the Write's own context
	keys   []foreignKey    // of all tables, once they were asked for
}

// narrowed interrupts a statement that reads when ctx is done, if that is less
// than the time of the transaction: that of a node with a timeout. Nothing is
// undone by that, so the transaction may go on. A statement that writes is let
// come to its end: interrupted it would take the transaction with it.
func (t *tx) narrowed(ctx context.Context) (end func()) {
	if done := ctx.Done(); done == nil || done == t.ends {
		return func() {}
	}
	return t.c.within(ctx)
}

// ready reports why a statement can't be run.
func (t *tx) ready(ctx context.Context) error {
	switch {
	case t.over:
		return dataflow.Internal(fmt.Errorf("a transaction is used after its end"))
	case t.alone:
		return errAlone
	case t.failed != nil:
		return t.failed
	case ctx.Err() != nil:
		return store.Interrupted(ctx.Err())
	}
	return nil
}

// spoil notes the error of a statement.
func (t *tx) spoil(err error) error {
	t.failed = err
	return err
}

// Get implements store.Reader.
func (t *tx) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	if err := t.ready(ctx); err != nil {
		return false, err
	}
	return t.session.Get(ctx, m, id, fields, f)
}

// Select implements store.Reader.
func (t *tx) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	defer t.narrowed(ctx)()
	return t.session.Select(ctx, q, f)
}

// Count implements store.Reader.
func (t *tx) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	defer t.narrowed(ctx)()
	return t.session.Count(ctx, m, where)
}

// Aggregate implements store.Reader.
func (t *tx) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	defer t.narrowed(ctx)()
	return t.session.Aggregate(ctx, q, f)
}

// Insert implements store.Tx.
func (t *tx) Insert(ctx context.Context, m *dataflow.Model, fields []int, rows [][]any) ([]any, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	tab, err := t.s.table(m)
	if err != nil {
		return nil, err
	}
	ids, err := t.insertLinked(ctx, tab, fields, rows)
	if ids == nil && err == nil {
		ids, err = t.insertEach(ctx, tab, fields, rows)
	}
	if err != nil {
		return nil, t.spoil(err)
	}
	if t.strict { // once all are there: they may refer to one another
		for i, vals := range rows {
			c := change{fields: fields, vals: vals}
			if len(rows) > 1 {
				c.prefix = "/" + strconv.Itoa(i)
			}
			if err := t.grounded(ctx, tab, c); err != nil {
				return nil, t.spoil(err)
			}
		}
	}
	return ids, nil
}

// insertEach adds rows one by one, and so finds the one that can't be added.
func (t *tx) insertEach(ctx context.Context, tab *table, fields []int, rows [][]any) (ids []any, err error) {
	stmt, err := t.insertStatement(tab, fields)
	if err != nil {
		return nil, t.explain(ctx, tab, change{adds: true}, err)
	}
	began := t.s.watch.Begin(ctx, stmt.sql)
	defer t.done(ctx, stmt, store.Statement{Kind: store.KindInsert, Model: tab.model}, began)
	ids = make([]any, len(rows))
	for i, vals := range rows {
		if ids[i], err = t.insertRow(ctx, tab, stmt, fields, vals); err != nil {
			prefix := ""
			if len(rows) > 1 {
				prefix = "/" + strconv.Itoa(i)
			}
			return nil, t.explain(ctx, tab, change{fields: fields, vals: vals, prefix: prefix, adds: true}, err)
		}
	}
	return ids, nil
}

// maxArgs is how many values SQLite takes with one statement.
const maxArgs = 32766

// insertLinked adds rows of which one refers to one behind it with one statement:
// SQLite looks at references when a statement ends. It returns no ids where there
// is no such row.
func (t *tx) insertLinked(ctx context.Context, tab *table, fields []int, rows [][]any) (ids []any, err error) {
	if len(rows)*len(fields) > maxArgs || !tab.linked(fields, rows) {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, store.Interrupted(err)
	}
	b := &t.c.b
	b.Reset()
	b.Raw(tab.verb("INSERT ")).Raw("INTO ").Ident(tab.model.Table).Raw(" (").Columns(tab.model, fields).Raw(") VALUES ")
	for i, vals := range rows {
		for j, f := range fields {
			b.Raw(opening(i, j))
			if vals[j] == nil {
				b.Arg(nil)
			} else {
				b.Arg(dialect{}.Encode(tab.columns[f].typ, vals[j]))
			}
		}
		b.Raw(")")
	}
	n, err := t.change(ctx, b, store.Statement{Kind: store.KindInsert, Model: tab.model})
	switch {
	case sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint:
		return nil, t.linkedFault(ctx, tab, fields, rows) // nothing was added
	case err == nil && n < int64(len(rows)):
		err = errIgnored
	}
	if err != nil {
		return nil, t.explain(ctx, tab, change{adds: true}, err)
	}
	at := slices.Index(fields, tab.id)
	ids = make([]any, len(rows))
	for i, vals := range rows {
		ids[i] = vals[at]
		tab.has(ids[i])
	}
	return ids, nil
}

// linkedFault finds which of some linked rows can't be added: they are added one by
// one, and what they refer to is looked at when all are there.
func (t *tx) linkedFault(ctx context.Context, tab *table, fields []int, rows [][]any) error {
	if err := t.c.exec("PRAGMA defer_foreign_keys = ON"); err != nil {
		return toError(ctx, err)
	}
	_, err := t.insertEach(ctx, tab, fields, rows)
	for i := 0; i < len(rows) && err == nil; i++ {
		err = t.grounded(ctx, tab, change{fields: fields, vals: rows[i], prefix: "/" + strconv.Itoa(i)})
	}
	// What is left open goes with the rows, which are undone; nothing else is.
	if off := t.c.exec("PRAGMA defer_foreign_keys = OFF"); off != nil {
		return toError(ctx, off)
	}
	if err == nil { // a trigger's doing
		err = t.missingReference(ctx, tab, change{adds: true}, errDeferred)
	}
	return err
}

// opening is what stands before the j-th value of the i-th row.
func opening(i, j int) string {
	switch {
	case j > 0:
		return ", "
	case i > 0:
		return ", ("
	}
	return "("
}

// linked reports whether one of some rows, which all give their ids, refers to one
// that comes after it.
func (t *table) linked(fields []int, rows [][]any) bool {
	at := slices.Index(fields, t.id)
	if len(rows) < 2 || at < 0 {
		return false
	}
	var self []int // positions in fields
	for j, f := range fields {
		if typ := t.model.Fields[f].Type; typ.Kind == dataflow.KindRef && typ.Model == t.model {
			self = append(self, j)
		}
	}
	if self == nil {
		return false
	}
	found := false
	after := make(map[any]bool, len(rows))
	for _, vals := range slices.Backward(rows) {
		if vals[at] == nil {
			return false
		}
		found = found || slices.ContainsFunc(self, func(j int) bool { return vals[j] != nil && after[vals[j]] })
		after[vals[at]] = true
	}
	return found
}

// grounded finds a reference of a row that leads nowhere.
func (t *tx) grounded(ctx context.Context, tab *table, c change) error {
	e, err := t.missing(tab, c, errDeferred)
	switch {
	case err != nil:
		return toError(ctx, err)
	case e == nil:
		return nil
	}
	return e
}

func (t *tx) insertStatement(tab *table, fields []int) (*statement, error) {
	b := &t.c.b
	b.Reset()
	m := tab.model
	b.Raw(tab.verb("INSERT ")).Raw("INTO ").Ident(m.Table)
	if len(fields) == 0 {
		b.Raw(" DEFAULT VALUES")
		return t.c.stmts.getBytes(b.SQL)
	}
	b.Raw(" (").Columns(m, fields).Raw(") VALUES (?")
	for range fields[1:] {
		b.Raw(", ?")
	}
	b.Raw(")")
	return t.c.stmts.getBytes(b.SQL)
}

// insertRow adds one row and returns its id.
func (t *tx) insertRow(ctx context.Context, tab *table, stmt *statement, fields []int, vals []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Interrupted(err)
	}
	var id any
	for i, f := range fields {
		if vals[i] == nil {
			stmt.BindNull(i + 1)
			continue
		}
		bind(stmt, i+1, dialect{}.Encode(tab.columns[f].typ, vals[i]))
		if f == tab.id {
			id = vals[i]
		}
	}
	switch {
	case id == nil && !tab.autoID:
		return nil, errUnpicked
	case id == nil && t.usedUp(tab):
		return nil, errUsedUp
	}
	if _, err := stmt.Step(); err != nil {
		return nil, err
	}
	if err := stmt.Reset(); err != nil {
		return nil, err
	}
	if t.c.Changes() == 0 {
		return nil, errIgnored
	}
	if id == nil {
		id = t.c.LastInsertRowID()
	}
	tab.has(id)
	return id, nil
}

// Update implements store.Tx.
func (t *tx) Update(ctx context.Context, u *query.Update) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	tab, err := t.s.table(u.Model)
	if err != nil {
		return 0, err
	}
	if len(u.Set) == 0 && u.Bump < 0 {
		return t.session.Count(ctx, u.Model, u.Where)
	}
	b := &t.c.b
	b.Reset()
	b.Raw(tab.verb("UPDATE ")).Changes(u)
	n, err := t.change(ctx, b, store.Statement{Kind: store.KindUpdate, Model: u.Model, Where: u.Where})
	if err == nil && (n == 0 || !t.strict) {
		return n, nil
	}
	c := change{where: u.Where}
	for _, a := range u.Set {
		c.fields = append(c.fields, a.Field)
		c.vals = append(c.vals, a.Value)
	}
	if err != nil {
		return 0, t.spoil(t.explain(ctx, tab, c, err))
	}
	if err := t.grounded(ctx, tab, c); err != nil {
		return 0, t.spoil(err)
	}
	return n, nil
}

// Batch implements store.Tx. There is no round trip to spare.
func (t *tx) Batch(ctx context.Context, changes []store.Change) ([]int64, error) {
	return store.OneByOne(ctx, t, changes)
}

// Last implements store.Tx.
func (t *tx) Last(ctx context.Context, first *query.Update, rest []store.Change) error {
	return store.LastNow(ctx, t, first, rest)
}

// Delete implements store.Tx.
func (t *tx) Delete(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	tab, err := t.s.table(m)
	if err != nil {
		return 0, err
	}
	if t.strict {
		if r := t.referrer(tab, where, true); r != nil {
			return 0, t.spoil(r.refuses(tab, errDeferred))
		}
	}
	loops, err := t.loops(ctx, m)
	if err != nil {
		return 0, err
	}
	meant := int64(0)
	if loops {
		if meant, err = t.session.Count(ctx, m, where); err != nil {
			return 0, err
		}
	}
	b := &t.c.b
	b.Reset()
	b.Raw("DELETE FROM ").Ident(m.Table).Where(where)
	n, err := t.change(ctx, b, store.Statement{Kind: store.KindDelete, Model: m, Where: where})
	if err != nil {
		return 0, t.spoil(t.explain(ctx, tab, change{where: where, deletes: true}, err))
	}
	if n < meant {
		return t.gone(ctx, m, where, meant)
	}
	return n, nil
}

// change runs the statement that b has written.
func (t *tx) change(ctx context.Context, b *query.Builder, s store.Statement) (int64, error) {
	stmt, err := t.prepared(b)
	if err != nil {
		return 0, err
	}
	began := t.s.watch.Begin(ctx, stmt.sql)
	defer t.done(ctx, stmt, s, began)
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	return int64(t.c.Changes()), nil
}

// Savepoint implements store.Tx.
func (t *tx) Savepoint(ctx context.Context, f func() error) (err error) {
	if err := t.ready(ctx); err != nil {
		return err
	}
	t.depth++
	defer func() { t.depth-- }()
	name := "s" + strconv.Itoa(t.depth)
	if err := t.c.run("SAVEPOINT " + name); err != nil {
		return t.spoil(toError(ctx, err))
	}
	if err = f(); err == nil {
		err = t.failed
	}
	if t.alone {
		return errAlone
	}
	if t.c.AutocommitEnabled() { // SQLite has undone everything: there is nothing to go back to
		if t.failed == nil {
			t.failed = dataflow.Internal(fmt.Errorf("SQLite has undone the transaction"))
		}
		return t.failed
	}
	end := "RELEASE " + name
	if err != nil {
		if failed := t.c.run("ROLLBACK TO " + name); failed != nil {
			return t.spoil(toError(ctx, failed))
		}
		t.failed = nil
	}
	if failed := t.c.run(end); failed != nil {
		return t.spoil(toError(ctx, failed))
	}
	return err
}

// change is what a statement was to do, to explain why it could not.
type change struct {
	fields  []int
	vals    []any
	prefix  string // of pointers into the row
	where   query.Expr
	adds    bool
	deletes bool
}

// explain turns the error of a statement into what its caller is told.
func (t *tx) explain(ctx context.Context, tab *table, c change, err error) error {
	if err == errUnpicked {
		return store.Refused(tab.model, "NOT NULL of "+tab.model.ID().ColumnName(), c.prefix, err)
	}
	if err == errIgnored {
		return store.Refused(tab.model, "", c.prefix, err)
	}
	if err == errUsedUp {
		return t.ended(tab, c)
	}
	switch sqlite.ErrCode(err) {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintRowID:
		return t.taken(ctx, tab, c, err)
	case sqlite.ResultConstraintCheck, sqlite.ResultConstraintNotNull, sqlite.ResultConstraintTrigger:
		if !restricted(err) {
			return broken(tab, c, err)
		}
		err = errTrigger
		fallthrough
	case sqlite.ResultConstraintForeignKey:
		if c.deletes {
			return t.stillReferred(tab, c, err)
		}
		return t.missingReference(ctx, tab, c, err)
	case sqlite.ResultFull:
		if tab.roomy.Store(false); c.adds && tab.autoID && t.usedUp(tab) { // by another program
			return t.ended(tab, c)
		}
	case sqlite.ResultError:
		if e := t.unworkable(tab, c, err); e != nil {
			return e
		}
	}
	return toError(ctx, err)
}

// restricted reports whether it was a foreign key that refused a deletion: with
// RESTRICT that is a trigger of SQLite's own.
func restricted(err error) bool {
	return sqlite.ErrCode(err) == sqlite.ResultConstraintTrigger && strings.Contains(err.Error(), "FOREIGN KEY constraint failed")
}

// broken is the error for a row that a rule of its table refuses. SQLite tells
// a rule by its name, or what it says: "CHECK constraint failed: price > 0".
func broken(tab *table, c change, err error) error {
	if sqlite.ErrCode(err) == sqlite.ResultConstraintTrigger {
		return store.Refused(tab.model, "", c.prefix, errTrigger)
	}
	_, rule, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sqlite: step: constraint failed: "), " constraint failed: ")
	if sqlite.ErrCode(err) == sqlite.ResultConstraintNotNull {
		rule = "NOT NULL of " + strings.TrimPrefix(rule, tab.model.Table+".")
	}
	return store.Refused(tab.model, rule, c.prefix, err)
}

// missingReference finds which references of a row lead nowhere: SQLite does
// not say. If none does, it is one that is no field of the model.
func (t *tx) missingReference(ctx context.Context, tab *table, c change, cause error) error {
	e, err := t.missing(tab, c, cause)
	switch {
	case err != nil:
		return toError(ctx, err)
	case e != nil:
		return e
	}
	e = &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: cause,
		Message: "a row that this one refers to does not exist"}
	if !c.adds {
		if r := t.referrer(tab, c.where, false); r != nil {
			return r.refuses(tab, cause)
		}
		e.Message += ", or others still refer to this " + tab.model.Name + " by what it was"
	}
	return e
}

// errDeferred is what SQLite would say at the commit.
var errDeferred = errors.New("FOREIGN KEY constraint failed")

// missing is the error for the references of a row that lead nowhere; nil if
// none does.
func (t *tx) missing(tab *table, c change, cause error) (*dataflow.Error, error) {
	e := &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: cause}
	for i, f := range c.fields {
		field := tab.model.Fields[f]
		if field.Type.Kind != dataflow.KindRef || c.vals[i] == nil || !t.holds(tab, field) {
			continue
		}
		to := field.Type.Model
		if own := slices.Index(c.fields, tab.id); to == tab.model && own >= 0 && c.vals[own] == c.vals[i] {
			continue // the row itself
		}
		b := &t.c.b
		b.Reset()
		b.Raw("SELECT 1 FROM ").Ident(to.Table).Raw(" WHERE ").Ident(to.ID().ColumnName()).Raw(" = ").
			Arg(dialect{}.Encode(tab.columns[f].typ, c.vals[i]))
		found, err := t.any(b)
		if err != nil {
			return nil, err
		}
		if !found {
			e.Problems = append(e.Problems, dataflow.Problem{Code: "reference", Pointer: c.prefix + "/" + field.Name,
				Detail: fmt.Sprintf("there is no %s with this id", to.Name)})
		}
	}
	switch len(e.Problems) {
	case 0:
		return nil, nil
	case 1:
		e.Message = e.Problems[0].Detail
	default:
		e.Message = "rows that this one refers to do not exist"
	}
	return e, nil
}

// stillReferred finds which model's rows keep others from being deleted.
func (t *tx) stillReferred(tab *table, c change, cause error) error {
	if r := t.referrer(tab, c.where, false); r != nil {
		return r.refuses(tab, cause)
	}
	return &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: cause,
		Message: "other rows still refer to this " + tab.model.Name}
}

// referrer finds one whose rows refer to those that a condition holds for.
// others leaves out rows that it holds for themselves.
func (t *tx) referrer(tab *table, where query.Expr, others bool) *referrer {
	for i := range tab.referrers {
		r := &tab.referrers[i]
		if !restricts(r.field) || !t.holds(t.s.tables[r.model], r.field) {
			continue
		}
		b := &t.c.b
		b.Reset()
		b.Raw("SELECT 1 FROM ").Ident(r.model.Table).Raw(" WHERE ").Ident(r.field.ColumnName()).Raw(" IN (SELECT ").
			Ident(tab.model.ID().ColumnName()).Raw(" FROM ").Ident(tab.model.Table).Where(where)
		b.Raw(")")
		if others && r.model == tab.model {
			b.Raw(" AND ").Ident(tab.model.ID().ColumnName()).Raw(" NOT IN (SELECT ").
				Ident(tab.model.ID().ColumnName()).Raw(" FROM ").Ident(tab.model.Table).Where(where)
			b.Raw(")")
		}
		b.Raw(" LIMIT 1")
		if found, err := t.any(b); err == nil && found {
			return r
		}
	}
	return nil
}

// refuses is the error for a row of a table that the referrer's refer to.
func (r *referrer) refuses(tab *table, cause error) error {
	return &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: cause,
		Message: fmt.Sprintf("%s rows still refer to this %s by their %s", r.model.Name, tab.model.Name, r.field.Name),
		Hint:    fmt.Sprintf("delete them first, or point their %s elsewhere", r.field.Name)}
}

func restricts(f *dataflow.Field) bool { return f.OnDelete == "" || f.OnDelete == "restrict" }

// any reports whether what b has written finds a row.
func (t *tx) any(b *query.Builder) (bool, error) {
	stmt, err := t.prepared(b)
	if err != nil {
		return false, err
	}
	defer t.c.stmts.put(stmt)
	return stmt.Step()
}
