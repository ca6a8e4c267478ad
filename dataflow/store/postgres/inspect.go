package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
)

// The catalog is read in one query per kind of thing, whatever the number of
// tables.
const (
	tablesQuery = `SELECT relname FROM (` + ours + `) AS t ORDER BY oid`

	columnsQuery = `SELECT t.relname, a.attname, format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull,
  a.atthasdef OR a.attidentity <> '' , coalesce(a.attnum = ANY (p.indkey), false), d.description, l.collname
FROM (` + ours + `) AS t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index p ON p.indrelid = t.oid AND p.indisprimary
LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
ORDER BY t.oid, a.attnum`

	constraintsQuery = `SELECT t.relname, a.attname, k.contype, f.relname, k.confdeltype, k.conname,
  CASE WHEN k.contype = 'c' AND k.conname LIKE 'ck\_%' THEN pg_get_expr(k.conbin, k.conrelid) END, k.convalidated, b.attname,
  f.relnamespace IS DISTINCT FROM (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
FROM (` + ours + `) AS t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('f', 'c') AND array_length(k.conkey, 1) = 1 AND k.conparentid = 0
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]`

	// A row for each column of each index; an index over expressions has null
	// for them. One that was cut short while it was built answers no query, but
	// may refuse rows; one that is being built is nobody's to judge.
	indexesQuery = `SELECT t.relname, c.relname, i.indisunique, a.attname, pg_get_expr(i.indpred, i.indrelid), pg_get_expr(i.indexprs, i.indrelid), i.indisvalid
FROM (` + ours + `) AS t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisprimary
  AND (i.indisvalid OR NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.relid = t.oid))
JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number AND k.number > 0
WHERE k.place <= i.indnkeyatts
ORDER BY t.oid, c.relname, k.place`
)

// inspect reads the schema that is there.
func inspect(ctx context.Context, c *conn) (*migrate.Schema, error) {
	s := &migrate.Schema{}
	if err := c.query(ctx, tablesQuery, nil, func(r [][]byte) {
		s.Tables = append(s.Tables, migrate.Table{Name: string(r[0])})
	}); err != nil {
		return nil, err
	}
	tables := make(map[string]*migrate.Table, len(s.Tables))
	for i := range s.Tables {
		tables[s.Tables[i].Name] = &s.Tables[i]
	}
	if err := c.query(ctx, columnsQuery, nil, func(r [][]byte) {
		if t := tables[string(r[0])]; t != nil {
			t.Columns = append(t.Columns, readColumn(r[1:]))
		}
	}); err != nil {
		return nil, err
	}
	if err := c.query(ctx, constraintsQuery, nil, func(r [][]byte) {
		if t := tables[string(r[0])]; t != nil {
			readConstraint(t, r[1:])
		}
	}); err != nil {
		return nil, err
	}
	skip := map[string]bool{} // indexes of another kind than ours
	if err := c.query(ctx, indexesQuery, nil, func(r [][]byte) {
		if t := tables[string(r[0])]; t != nil {
			readIndex(t, r[1:], skip)
		}
	}); err != nil {
		return nil, err
	}
	for i := range s.Tables {
		dropSkipped(&s.Tables[i], skip)
	}
	return s, nil
}

// kinds are the kinds of values that types of ours hold; text and json hold
// several.
var kinds = map[string]string{
	"bigint": "int", "boolean": "bool", "double precision": "float", "numeric": "decimal",
	"timestamp with time zone": "datetime", "date": "date", "time without time zone": "time",
	"uuid": "uuid", "json": "json", "bytea": "bytes", "text": "str",
}

// readColumn reads a row of columnsQuery behind the table's name.
func readColumn(r [][]byte) migrate.Column {
	c := migrate.Column{Name: string(r[0]), Storage: string(r[1]), Filled: isTrue(r[4]), ID: isTrue(r[5])}
	c.Optional = !isTrue(r[3]) && !c.ID
	c.Kind = kinds[c.Storage]
	switch c.Storage {
	case "text":
		if collation := string(r[7]); collation != "C" && collation != "POSIX" {
			c.Kind, c.Storage = "", "text in the order of "+collation
		}
	case "json":
		if note := string(r[6]); strings.HasPrefix(note, "list(") {
			c.Kind = note
		}
	case "numeric":
		mod, _ := strconv.Atoi(string(r[2])) // an int4
		if mod < 4 {
			c.Kind = "" // of any precision
			break
		}
		mod -= 4
		precision, scale := mod>>16, (mod&0x7ff^0x400)-0x400 // numeric(3,-2) counts in hundreds
		if precision > dataflow.MaxDecimalDigits || scale < 0 || scale > precision {
			c.Kind = ""
			break
		}
		c.Precision, c.Scale = precision, scale
	}
	return c
}

func isTrue(b []byte) bool { return string(b) == "t" }

// readConstraint reads a row of constraintsQuery behind the table's name.
func readConstraint(t *migrate.Table, r [][]byte) {
	c := t.Column(string(r[0]))
	if c == nil {
		return
	}
	if string(r[1]) == "f" {
		c.Ref = &migrate.Ref{Table: string(r[2]), OnDelete: readOnDelete(string(r[3])), Column: string(r[7]), Name: string(r[4]), Unchecked: !isTrue(r[6]), Elsewhere: isTrue(r[8])}
		return
	}
	if string(r[4]) == checkName(c.Name) && c.Kind == "str" {
		c.Kind, c.Values = "enum", readLiterals(string(r[5]))
	}
}

func readOnDelete(code string) string {
	switch code {
	case "c":
		return "cascade"
	case "n":
		return "set_null"
	}
	return "restrict" // NO ACTION refuses at the end of the statement, which is the same to us
}

// readLiterals reads the string literals of an expression as pg_get_expr
// writes it, in which names that need it are in double quotes.
func readLiterals(expr string) []string {
	var values []string
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '"':
			i++
			for i < len(expr) && expr[i] != '"' {
				i++
			}
		case '\'':
			value, end := readLiteral(expr, i+1, i > 0 && expr[i-1] == 'E')
			values = append(values, value)
			i = end
		}
	}
	return values
}

// readLiteral reads a literal from behind its first quote, and returns where
// its last one is.
func readLiteral(s string, i int, escapes bool) (string, int) {
	var b strings.Builder
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'', escapes && s[i] == '\\' && i+1 < len(s):
			i++
		case s[i] == '\'':
			return b.String(), i
		}
		b.WriteByte(s[i])
	}
	return b.String(), i
}

// readIndex adds a row of indexesQuery, behind the table's name, to the table.
func readIndex(t *migrate.Table, r [][]byte, skip map[string]bool) {
	name, broken := string(r[0]), !isTrue(r[5])
	if r[2] == nil && migrate.OwnSearch(name) {
		ix := readSearch(name, string(r[4]))
		ix.Broken = ix.Broken || broken
		t.Indexes = append(t.Indexes, ix)
		return
	}
	if broken && !migrate.Own(name) {
		skip[name] = true
	}
	if r[2] == nil { // an expression
		skip[name] = true
	}
	if n := len(t.Indexes); n > 0 && t.Indexes[n-1].Name == name {
		t.Indexes[n-1].Columns = append(t.Indexes[n-1].Columns, string(r[2]))
		return
	}
	ix := migrate.Index{Name: name, Unique: isTrue(r[1]), Columns: []string{string(r[2])}, Broken: broken}
	if r[3] != nil {
		ix.Where = readWhere(t, string(r[3]))
		if ix.Where.IsUnread() && !migrate.Own(name) {
			skip[name] = true
		}
	}
	t.Indexes = append(t.Indexes, ix)
}

// dropSkipped leaves out the indexes that are not to be looked at.
func dropSkipped(t *migrate.Table, skip map[string]bool) {
	var kept []migrate.Index
	for _, ix := range t.Indexes {
		if !skip[ix.Name] {
			kept = append(kept, ix)
		}
	}
	t.Indexes = kept
}

// rowData answers a plan's questions.
type rowData struct {
	ctx context.Context // of the migration, whose questions these are
	c   *conn
}

func (d rowData) count(sql string) (n int64, err error) {
	err = d.c.query(d.ctx, sql, nil, func(r [][]byte) { n, _ = strconv.ParseInt(string(r[0]), 10, 64) })
	return n, err
}

func (d rowData) Rows(table string) (int64, error) {
	return d.count("SELECT count(*) FROM " + ident(table))
}

func (d rowData) Nulls(table, column string) (int64, error) {
	return d.count("SELECT count(*) FROM " + ident(table) + " WHERE " + ident(column) + " IS NULL")
}

func (d rowData) Outside(table, column string, want *migrate.Column) (int64, error) {
	as := *want
	as.Name = column
	inside := checkOf(&as)
	if want.Kind == "decimal" {
		inside = "abs(" + ident(column) + ") < 1e" + strconv.Itoa(want.Precision-want.Scale)
	}
	return d.count("SELECT count(*) FROM " + ident(table) + " WHERE NOT (" + inside + ")")
}

func (d rowData) Matching(table string, c *query.Condition) (int64, error) {
	return d.count("SELECT count(*) FROM " + ident(table) + where(c))
}

func (d rowData) Duplicates(table string, columns []string, c *query.Condition) (int64, error) {
	where := make([]string, len(columns), len(columns)+1)
	for i, c := range columns {
		where[i] = ident(c) + " IS NOT NULL"
	}
	if c != nil {
		where = append(where, "("+c.String()+")")
	}
	return d.count("SELECT count(*) FROM (SELECT 1 FROM " + ident(table) + " WHERE " + strings.Join(where, " AND ") +
		" GROUP BY " + idents(columns) + " HAVING count(*) > 1) AS d")
}
