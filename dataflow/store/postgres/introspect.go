package postgres

import (
	"context"
	"log/slog"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

const (
	foundColumnsQuery = `SELECT t.relname, a.attname, format_type(a.atttypid, a.atttypmod), 
  coalesce(CASE WHEN a.attidentity <> '' THEN 'the next of its sequence' END, pg_get_expr(d.adbin, d.adrelid), pg_get_expr(y.typdefaultbin, 0), ''),
  a.attgenerated <> '' OR a.attidentity = 'a' AND NOT coalesce(a.attnum = ANY (p.indkey), false)
FROM (` + ours + `) AS t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index p ON p.indrelid = t.oid AND p.indisprimary
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum LEFT JOIN pg_type y ON y.oid = a.atttypid`

	foundRefsQuery = `SELECT t.relname, a.attname, f.attname, CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END, array_length(k.conkey, 1) > 1
FROM (` + ours + `) AS t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS c (here, there)
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.here
JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = c.there`

	foundChecksQuery = `SELECT t.relname, a.attname, pg_get_expr(k.conbin, k.conrelid)
FROM (` + ours + `) AS t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'c' AND array_length(k.conkey, 1) = 1
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]`

	foundIndexesQuery = `SELECT t.relname, c.relname FROM (` + ours + `) AS t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisprimary
JOIN pg_class c ON c.oid = i.indexrelid ORDER BY c.relname`

	// A part of a partitioned table is no table of its own: its rows are the
	// whole's.
	foundPartsQuery = `SELECT c.relname, p.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
JOIN pg_class p ON p.oid = i.inhparent WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`

	foundOthersQuery = `SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'foreign table ' END || relname
FROM pg_class WHERE relkind IN ('v', 'm', 'f') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) ORDER BY relname`
)

// secondDigits are those of a moment that are fewer than ours.
var secondDigits = lazyregexp.New(`^time[a-z ]*\(([0-5])\)`)

// listCheck is how pg_get_expr writes a CHECK that a column has one of some
// texts, and no other.
var listCheck = lazyregexp.New(`^\(+(?:"(?:[^"]|"")+"|\w+)\)?(?:::text)? = ANY \(+ARRAY\[((?:'(?:[^']|'')*'::[a-z ]+(?:, )?)+)\]\)?(?:::text\[\])?\)+$`)

// readListCheck returns the texts, or nil if the CHECK asks for something else.
func readListCheck(expr string) []string {
	m := listCheck.FindStringSubmatch(expr)
	if m == nil {
		return nil
	}
	return readLiterals(m[1])
}

var (
	// constant is how pg_get_expr writes a value: 0, true, 'a text'::text, (1)::numeric.
	constant = lazyregexp.New(`^(?:E?'((?:[^']|'')*)'|\(?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|NULL)\)?)(?:::((?:"(?:[^"]|"")*"|[\w .])+(?:\(\d+(?:,-?\d+)?\))?))?$`)
	moment   = lazyregexp.New(`^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?$`)
)

// readDefault takes the default of a column apart. Anything but a value is worked
// out anew for each row. Sessions are in UTC.
func readDefault(expr string) (text string, value *string) {
	m := constant.FindStringSubmatch(expr)
	if m == nil {
		return expr, nil
	}
	said := m[2]
	switch {
	case said == "NULL":
		return "", nil
	case said == "":
		if said = strings.ReplaceAll(m[1], "''", "'"); strings.HasPrefix(expr, "E") {
			said = strings.ReplaceAll(said, `\\`, `\`)
		}
	}
	if at := moment.FindStringSubmatch(said); at != nil && strings.HasPrefix(m[3], "timestamp") {
		said = at[1] + "T" + at[2] + "Z"
	}
	return expr, &said
}

// Inspect reads the schema of a database, in a transaction that can't write.
func (o Opener) Inspect(ctx context.Context, db *dataflow.Database, _ string) (*migrate.Found, []dataflow.Diagnostic) {
	config, _, diags := parseURLs(db)
	if len(diags) > 0 {
		return nil, diags
	}
	c, failure := o.way("database_url", config).connect(ctx, db, slog.New(slog.DiscardHandler))
	if failure != nil {
		return nil, []dataflow.Diagnostic{*failure}
	}
	defer c.Close(context.WithoutCancel(ctx))
	f, err := found(ctx, c)
	if err != nil {
		return nil, []dataflow.Diagnostic{openFailure(db, displayName(config), err)}
	}
	return f, nil
}

func found(ctx context.Context, c *conn) (*migrate.Found, error) {
	if err := c.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	defer c.rollback()
	s, err := inspect(ctx, c)
	if err != nil {
		return nil, err
	}
	m, err := readMeta(ctx, c)
	if err != nil {
		return nil, err
	}
	var before *migrate.Schema
	if m.there {
		if before, err = readSnapshot(ctx, c); err != nil {
			return nil, err
		}
	}
	f := migrate.NewFound(s, before)
	f.Own = m.there
	var foreign []foreignType
	if !f.Own {
		if foreign, err = foreignTypes(ctx, c); err != nil {
			return nil, err
		}
		lookThrough(s, foreign)
	}
	for _, q := range []struct {
		sql string
		row func([][]byte)
	}{
		{foundColumnsQuery, func(r [][]byte) {
			f.Note(string(r[0]), string(r[1]), func(c *migrate.FoundColumn) {
				c.Type, c.Generated = string(r[2]), isTrue(r[4])
				c.Default, c.Constant = readDefault(string(r[3]))
				if n := secondDigits.FindStringSubmatch(c.Type); n != nil {
					c.Remark = "%s keeps " + n[1] + " digits of a second, and rounds others off"
				}
			})
		}},
		{foundRefsQuery, func(r [][]byte) {
			f.Note(string(r[0]), string(r[1]), func(c *migrate.FoundColumn) {
				c.RefMore = c.RefTo != ""
				c.RefTo, c.RefAction, c.RefWide = string(r[2]), string(r[3]), isTrue(r[4])
			})
		}},
		{foundChecksQuery, func(r [][]byte) {
			if values := readListCheck(string(r[2])); values != nil {
				f.Note(string(r[0]), string(r[1]), func(c *migrate.FoundColumn) { c.Limit(values) })
			}
		}},
		{foundIndexesQuery, func(r [][]byte) { f.Indexes[string(r[0])] = append(f.Indexes[string(r[0])], string(r[1])) }},
		{foundPartsQuery, func(r [][]byte) { f.Parts[string(r[0])] = string(r[1]) }},
		{foundOthersQuery, func(r [][]byte) { f.Others = append(f.Others, string(r[0])) }},
	} {
		if err := c.query(ctx, q.sql, nil, q.row); err != nil {
			return nil, err
		}
	}
	for _, t := range foreign {
		f.Note(t.table, t.Name, func(c *migrate.FoundColumn) { c.Type, c.Domain = t.declared, t.domain })
	}
	return f, nil
}
