package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
)

// Types that tables of other programs have and ours do not: enum types, domains,
// citext, char(n).

// typesQuery looks through the types of columns that are domains, enum types or
// citext: the type below all domains, its digits, what the domains ask for, and
// the values of an enum type.
const typesQuery = `WITH RECURSIVE d (oid, base, mod, required, filled) AS (
  SELECT oid, typbasetype, typtypmod, typnotnull, typdefault IS NOT NULL FROM pg_type WHERE typtype = 'd'
  UNION ALL
  SELECT d.oid, t.typbasetype, greatest(d.mod, t.typtypmod), d.required OR t.typnotnull, d.filled OR t.typdefault IS NOT NULL
  FROM d JOIN pg_type t ON t.oid = d.base WHERE t.typtype = 'd'
)
SELECT t.relname, a.attname, CASE WHEN y.typname = 'citext' THEN 'citext' ELSE format_type(y.oid, NULL) END,
  coalesce(d.mod, -1), a.attnotnull OR coalesce(d.required, false), a.atthasdef OR a.attidentity <> '' OR coalesce(d.filled, false),
  coalesce(a.attnum = ANY (p.indkey), false), NULL, l.collname,
  format_type(y.oid, coalesce(d.mod, a.atttypmod)),
  CASE WHEN y.typtype = 'e' THEN (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid) END,
  y.typtype = 'e', CASE WHEN d.oid IS NOT NULL THEN format_type(a.atttypid, NULL) END
FROM (` + ours + `) AS t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN (d JOIN pg_type b ON b.oid = d.base AND b.typtype <> 'd') ON d.oid = a.atttypid
JOIN pg_type y ON y.oid = coalesce(d.base, a.atttypid)
LEFT JOIN pg_index p ON p.indrelid = t.oid AND p.indisprimary
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE d.oid IS NOT NULL OR y.typtype = 'e' OR y.typname = 'citext' ORDER BY t.oid, a.attnum`

// What a trigger before each row, of a table or one of its partitions, or a rule
// may do in silence: put a row that is added elsewhere or nowhere, and leave one
// as it is that is to be changed or deleted. A question has the bits of the
// events in pg_trigger.tgtype, and the events of pg_rewrite.
const (
	swallowsQuery = `WITH t AS (SELECT to_regclass(quote_ident($1)) AS oid)
SELECT EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgtype & 3 = 3 AND g.tgtype & %d <> 0 AND NOT g.tgisinternal
    AND g.tgrelid IN (SELECT oid FROM t UNION ALL SELECT p.relid FROM t, pg_partition_tree(t.oid) AS p))
  OR EXISTS (SELECT 1 FROM pg_rewrite r JOIN t ON r.ev_class = t.oid WHERE r.ev_type IN (%s))`
)

var (
	divertsQuery = fmt.Sprintf(swallowsQuery, 4, "'3'")
	quietQuery   = fmt.Sprintf(swallowsQuery, 8|16, "'2', '4'")
)

// Quiet implements store.Tx: RETURN NULL, DO INSTEAD NOTHING. It is asked anew
// each time, in the round trip that begins the transaction as a rule: of a change
// that leaves some rows as they are nothing else tells.
func (t *tx) Quiet(ctx context.Context, m *dataflow.Model) (quiet bool, err error) {
	if err := t.ready(ctx); err != nil {
		return false, err
	}
	err = t.c.query(ctx, quietQuery, []any{m.Table}, func(r [][]byte) { quiet = isTrue(r[0]) })
	return quiet, t.broken(t.c.toError(ctx, err))
}

// divertsFor is how long it is taken for true what divertsQuery was answered, so
// that to add a row is one round trip. A trigger is a rare thing to make, and
// one that is made meanwhile is told of all the same.
const divertsFor = time.Minute

// diversion is what divertsQuery was answered, until when.
type diversion struct {
	diverts bool
	until   time.Time
}

// diverts reports whether a row that is added to the model's table may be put
// elsewhere, so that it takes a transaction to undo that.
func (s *Store) diverts(ctx context.Context, m *dataflow.Model) (diverts bool, err error) {
	if v, ok := s.diversions.Load(m.Table); ok && time.Now().Before(v.(diversion).until) {
		return v.(diversion).diverts, nil
	}
	err = s.read(ctx, func(r session) error {
		return r.c.toError(ctx, r.c.query(ctx, divertsQuery, []any{m.Table}, func(v [][]byte) { diverts = isTrue(v[0]) }))
	})
	if err == nil {
		s.noteDiversion(m, diverts)
	}
	return diverts, err
}

func (s *Store) noteDiversion(m *dataflow.Model, diverts bool) {
	s.diversions.Store(m.Table, diversion{diverts, time.Now().Add(divertsFor)})
}

// foreignType is what is known of a column of such a type.
type foreignType struct {
	migrate.Column        // its Storage is the type's below all domains
	table          string // of the column
	declared       string // that type with its digits: "character varying(40)"
	enum           bool
	domain         string // as the column is declared, or ""
}

// enumStorage marks a column of an enum type; behind it stands the type's name.
const enumStorage = "enum type "

func foreignTypes(ctx context.Context, c *conn) (list []foreignType, err error) {
	err = c.query(ctx, typesQuery, nil, func(r [][]byte) {
		t := foreignType{Column: readColumn(r[1:]), table: string(r[0]), declared: string(r[9]), enum: isTrue(r[11]), domain: string(r[12])}
		if t.enum {
			t.Kind, t.Storage = "", enumStorage+t.Storage
			_ = json.Unmarshal(r[10], &t.Values) // the server's own; null for a type without values
		}
		list = append(list, t)
	})
	return list, err
}

// lookThrough gives the columns of a schema the types that are below theirs.
func lookThrough(s *migrate.Schema, types []foreignType) {
	for _, f := range types {
		t := s.Table(f.table)
		if t == nil {
			continue
		}
		if c := t.Column(f.Name); c != nil {
			c.Kind, c.Storage, c.Precision, c.Scale, c.Values = f.Kind, f.Storage, f.Precision, f.Scale, f.Values
			c.Optional, c.Filled = f.Optional, f.Filled
		}
	}
}

// castsOf are what text is cast to before it is put in a column of an enum type,
// by table and column. A statement over arrays has to say; others need not.
func castsOf(types []foreignType) map[[2]string]string {
	casts := map[[2]string]string{}
	for _, f := range types {
		if f.enum {
			casts[[2]string{f.table, f.Name}] = "::" + strings.TrimPrefix(f.Storage, enumStorage)
		}
	}
	return casts
}

// oidPadded is char(n), which fills what is shorter up with blanks.
const oidPadded = 1042

// unpadded takes the blanks off that a char(n) has put behind its values. They
// are none of the value to PostgreSQL either: 'a' and 'a ' are the same there.
func (r *row) unpadded() {
	for i := range r.vals {
		if r.descriptions[i].DataTypeOID == oidPadded && r.vals[i] != nil {
			if v := bytes.TrimRight(r.vals[i], " "); len(v) > 0 {
				r.vals[i] = v
			} else {
				r.vals[i] = []byte{}
			}
		}
	}
}

// widen takes for the same what can be read and written alike where the
// tables are not of our making: text of any collation or length, ints of any
// size, json in either form, and times without a zone, which are taken for UTC.
func widen(s *migrate.Schema) {
	for i := range s.Tables {
		for j := range s.Tables[i].Columns {
			c := &s.Tables[i].Columns[j]
			if strings.HasPrefix(c.Storage, enumStorage) {
				c.Kind, c.Storage = "enum", "text"
				continue
			}
			if c.Kind != "decimal" {
				c.Kind = ""
			}
			c.Values = nil
			c.Storage = alike(c.Storage)
		}
	}
}

// same are the types that are read and written as those of ours.
var same = map[string]string{
	"character varying": "text", "character": "text", "citext": "text",
	"integer": "bigint", "smallint": "bigint", "real": "double precision",
	"timestamp without time zone": "timestamp with time zone", // sessions are in UTC
	"jsonb":                       "json",
}

func alike(storage string) string {
	if as := same[storage]; as != "" {
		return as
	}
	if strings.HasPrefix(storage, "text ") { // in some order
		return "text"
	}
	return storage
}
