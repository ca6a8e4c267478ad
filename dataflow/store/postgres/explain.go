package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// change is what a statement was to do, to explain why it could not.
type change struct {
	fields  []int
	vals    []any
	prefix  string // of pointers into the row
	where   query.Expr
	deletes bool
}

// explain turns the error of a statement into what its caller is told. The
// server takes no questions in a transaction that failed, so it is undone
// first, as it has to be anyway, up to the innermost savepoint.
func (t *tx) explain(ctx context.Context, tab *table, c change, err error) error {
	if err == errDiverted {
		return store.Refused(tab.model, "", c.prefix, err)
	}
	cause, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || t.c.lost() || ctx.Err() != nil {
		return t.c.toError(ctx, err)
	}
	switch cause.Code {
	case sequenceAtEnd: // whose it is has to be asked
	case uniqueViolation, foreignKeyViolation, restrictViolation:
		if cause.Routine == raised && cause.Code != uniqueViolation { // there is no key to name
			return store.Refused(tab.model, "", c.prefix, withoutValues(cause))
		}
	case checkViolation, exclusionViolation, notNullViolation, raisedException, generatedAlways:
		if name := cause.ColumnName; cause.Code == notNullViolation && name != "" && cause.TableName == tab.model.Table && !tab.has(name) {
			// Such a column is refused at the start: it has been added since.
			return store.Outdated(fmt.Sprintf("the column %s.%s must have a value, but %s has no field for it", tab.model.Table, name, tab.model.Name), withoutValues(cause))
		}
		return store.Refused(tab.model, ruleOf(cause), c.prefix, withoutValues(cause))
	default:
		switch {
		case refusedWithin(cause):
			return store.Refused(tab.model, ruleOf(cause), c.prefix, withoutValues(cause))
		case failedWithin(cause):
			return store.Failing(tab.model, c.prefix, "SQLSTATE "+cause.Code, "; PostgreSQL's own log says what failed", withoutValues(cause))
		}
		return t.c.toError(ctx, err)
	}
	undo := "ROLLBACK"
	if t.depth > 0 {
		undo = "ROLLBACK TO s" + strconv.Itoa(t.depth)
	}
	if t.c.TxStatus() != 'I' { // 'I' is after a statement that was its own transaction
		if err := t.c.exec(ctx, undo); err != nil {
			return t.c.toError(ctx, err)
		}
	}
	if cause.Code == sequenceAtEnd {
		return t.usedUp(ctx, tab, c, cause)
	}
	k, err := t.constraint(ctx, cause)
	if err != nil {
		return t.c.toError(ctx, err)
	}
	switch {
	case cause.Code == uniqueViolation:
		return store.Taken(tab.model, k.columns, c.prefix, withoutValues(cause))
	case c.deletes || cause.Code == restrictViolation || cause.TableName != tab.model.Table || !c.sets(tab, k.columns):
		return t.stillReferred(ctx, tab, c, k, cause)
	}
	return t.missingReference(ctx, tab, c, k, cause)
}

// passing are the classes of SQLSTATEs that are about the moment, and say
// nothing of a row, whoever raises them.
var passing = []string{"08", "40", "53", "55", "57", "58", "XX"}

// refusedWithin reports whether a rule of the table has refused a statement, in
// words of its own: a trigger, by whatever SQLSTATE, a policy for its rows, or a RULE
// that does something else instead, and so tells nothing of the row.
func refusedWithin(e *pgconn.PgError) bool {
	return e.Code == assertFailure || e.Routine == policed || e.Routine == rewritten && e.Code == featureNotSupported ||
		e.Routine == raised && !slices.Contains(passing, e.Code[:min(2, len(e.Code))])
}

// failedWithin reports whether a statement that writes has failed in a function
// that the database calls for it, of a trigger most likely, or in an expression of
// the table's: no value that is written is one of another type.
func failedWithin(e *pgconn.PgError) bool {
	return (e.Where != "" || e.InternalQuery != "" || strings.HasPrefix(e.Code, dataException)) && stated(e.Code, e) == nil
}

// has reports whether the model knows a column.
func (t *table) has(name string) bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.field.ColumnName() == name })
}

// ruleOf names the rule that a row has broken, "" for what a trigger raised.
func ruleOf(cause *pgconn.PgError) string {
	switch {
	case cause.Routine == raised, cause.Routine == rewritten, cause.Code == assertFailure:
		return ""
	case cause.Routine == policed:
		return "its row-level security"
	case cause.Code == generatedAlways:
		return "its ids are GENERATED ALWAYS, so none can be given"
	case cause.Code == notNullViolation:
		return "NOT NULL of " + cmp.Or(cause.ColumnName, cause.DataTypeName)
	}
	return cause.ConstraintName
}

// sets reports whether the change gives one of the columns a value.
func (c change) sets(tab *table, columns []string) bool {
	return slices.ContainsFunc(c.fields, func(f int) bool {
		return slices.Contains(columns, tab.columns[f].field.ColumnName())
	})
}

// sequenceQuery finds the sequence that a column's default takes from, where that is
// at its end: its name, whether that is at the last id there is, and whether the
// column takes greater ones than an integer.
const sequenceQuery = `SELECT s.seqrelid::regclass::text, s.seqmax = 9223372036854775807, a.atttypid = 'bigint'::regtype
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_depend p ON p.deptype = 'i' AND p.classid = 'pg_class'::regclass AND p.refclassid = p.classid AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum
  OR p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
JOIN pg_sequence s ON s.seqrelid IN (p.objid, p.refobjid)
WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attname = $2 AND s.seqincrement > 0
AND CASE WHEN has_sequence_privilege(s.seqrelid, 'USAGE, SELECT') THEN pg_sequence_last_value(s.seqrelid) > s.seqmax - s.seqincrement END`

// usedUp is the error for a row that a sequence has no number left for: that of its
// id, or another's, which a default of the table or a trigger takes from.
func (t *tx) usedUp(ctx context.Context, tab *table, c change, cause *pgconn.PgError) error {
	var sequence string
	var last, wide bool
	name, column := tab.model.Table, tab.model.ID().ColumnName()
	err := t.c.query(ctx, sequenceQuery, []any{name, column}, func(r [][]byte) {
		sequence, last, wide = string(r[0]), string(r[1]) == "t", string(r[2]) == "t"
	})
	if err != nil {
		return t.c.toError(ctx, err)
	}
	hint := "let there be greater ones; run "
	switch {
	case sequence == "":
		return store.Failing(tab.model, c.prefix, "a sequence is at its end", "; PostgreSQL's own log says which", withoutValues(cause))
	case last:
		hint = store.LastGiven + fmt.Sprintf("SELECT setval(%s, (SELECT greatest(max(%s), 1) FROM %s))", text(sequence), ident(column), ident(name))
	case !wide:
		hint += fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE bigint; ", ident(name), ident(column))
		fallthrough
	default:
		hint += fmt.Sprintf("ALTER SEQUENCE %s AS bigint NO MAXVALUE", sequence)
	}
	return store.UsedUp(tab.model, c.prefix, hint, withoutValues(cause))
}

// is reports whether the row that is added has the value for a field.
func (c change) is(field int, v any) bool {
	at := slices.Index(c.fields, field)
	return at >= 0 && c.vals[at] == v
}

// constraint is what is known of a constraint that was violated.
type constraint struct {
	table   string
	columns []string
}

// constraintQuery finds the columns of a unique index or a foreign key. Names
// are not enough: tables and columns may have been renamed since.
const constraintQuery = `SELECT a.attname FROM (
  SELECT i.indrelid AS rel, i.indkey::int2[] AS keys FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE c.relname = $1 AND c.relnamespace = to_regnamespace(quote_ident($2)) AND i.indisunique
  UNION ALL
  SELECT conrelid, conkey FROM pg_constraint
  WHERE conname = $1 AND contype = 'f' AND conrelid = to_regclass(quote_ident($2) || '.' || quote_ident($3))
) AS k, unnest(k.keys) WITH ORDINALITY AS key (number, place)
JOIN pg_attribute a ON a.attnum = key.number WHERE a.attrelid = k.rel ORDER BY key.place`

func (t *tx) constraint(ctx context.Context, cause *pgconn.PgError) (constraint, error) {
	k := constraint{table: cause.TableName}
	err := t.c.query(ctx, constraintQuery, []any{cause.ConstraintName, cause.SchemaName, cause.TableName}, func(row [][]byte) {
		k.columns = append(k.columns, string(row[0]))
	})
	return k, err
}

// keysQuery finds the foreign keys to ids that are of a table, or lead to it.
const keysQuery = `SELECT f.relname, a.attname, t.relname FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] JOIN pg_index p ON p.indrelid = k.confrelid AND p.indisprimary AND k.confkey[1] = p.indkey[0]
WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND to_regclass(quote_ident($1)) IN (k.conrelid, k.confrelid)`

// keyed is a reference that the database itself holds.
type keyed struct{ table, column, to string }

// held tells which references of a table, and to it, the database holds. Of tables
// of the runtime's own it is all of them.
func (t *tx) held(ctx context.Context, tab *table) (held func(keyed) bool, err error) {
	if !t.s.dialect.foreign {
		return func(keyed) bool { return true }, nil
	}
	keys := map[keyed]bool{}
	err = t.c.query(ctx, keysQuery, []any{tab.model.Table}, func(r [][]byte) {
		keys[keyed{string(r[0]), string(r[1]), string(r[2])}] = true
	})
	return func(k keyed) bool { return keys[k] }, err
}

// missingReference finds which references of a row lead nowhere. The server
// names one; the others are looked for, unless rows that this transaction
// added, which are undone by now, might be what they refer to.
func (t *tx) missingReference(ctx context.Context, tab *table, c change, k constraint, cause error) error {
	e := &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: withoutValues(cause)}
	held, err := t.held(ctx, tab)
	if err != nil {
		return t.c.toError(ctx, err)
	}
	for i, f := range c.fields {
		field := tab.model.Fields[f]
		if field.Type.Kind != dataflow.KindRef || c.vals[i] == nil || !held(keyed{tab.model.Table, field.ColumnName(), field.Type.Model.Table}) {
			continue
		}
		to := field.Type.Model
		missing := slices.Contains(k.columns, field.ColumnName())
		if !missing && !(to == tab.model && c.is(tab.id, c.vals[i])) && !slices.Contains(t.added, to) {
			b := t.builder()
			b.Raw("SELECT 1 FROM ").Ident(to.Table).Raw(" WHERE ").Ident(to.ID().ColumnName()).Raw(" = ").
				Arg(t.s.dialect.Encode(tab.columns[f].typ, c.vals[i]))
			found, err := t.c.any(ctx, b)
			if err != nil {
				return t.c.toError(ctx, err)
			}
			missing = !found
		}
		if missing {
			e.Problems = append(e.Problems, dataflow.Problem{Code: "reference", Pointer: c.prefix + "/" + field.Name,
				Detail: fmt.Sprintf("there is no %s with this id", to.Name)})
		}
	}
	switch len(e.Problems) {
	case 0:
		e.Message = "a row that this one refers to does not exist"
	case 1:
		e.Message = e.Problems[0].Detail
	default:
		e.Message = "rows that this one refers to do not exist"
	}
	return e
}

// stillReferred finds which model's rows keep others from being deleted: the
// first declared of those that do, as on every engine.
func (t *tx) stillReferred(ctx context.Context, tab *table, c change, k constraint, cause error) error {
	e := &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: tab.model.Name, Err: withoutValues(cause),
		Message: "other rows still refer to this " + tab.model.Name}
	blame := func(r referrer) {
		e.Message = fmt.Sprintf("%s rows still refer to this %s by their %s", r.model.Name, tab.model.Name, r.field.Name)
		e.Hint = fmt.Sprintf("delete them first, or point their %s elsewhere", r.field.Name)
	}
	held, err := t.held(ctx, tab)
	if err != nil {
		return t.c.toError(ctx, err)
	}
	for _, r := range tab.referrers {
		if !restricts(r.field) || !held(keyed{r.model.Table, r.field.ColumnName(), tab.model.Table}) {
			continue
		}
		b := t.builder()
		b.Raw("SELECT 1 FROM ").Ident(r.model.Table).Raw(" WHERE ").Ident(r.field.ColumnName()).Raw(" IN (SELECT ").
			Ident(tab.model.ID().ColumnName()).Raw(" FROM ").Ident(tab.model.Table).Where(c.where)
		b.Raw(") LIMIT 1")
		found, err := t.c.any(ctx, b)
		if err != nil {
			return t.c.toError(ctx, err)
		}
		if found {
			blame(r)
			return e
		}
	}
	for _, r := range tab.referrers { // the row it is about was added by this transaction
		if restricts(r.field) && r.model.Table == k.table && slices.Contains(k.columns, r.field.ColumnName()) {
			blame(r)
		}
	}
	return e
}

func restricts(f *dataflow.Field) bool { return f.OnDelete == "" || f.OnDelete == "restrict" }
