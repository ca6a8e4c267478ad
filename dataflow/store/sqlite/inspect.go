package sqlite

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// query runs a statement and hands f each row.
func (c *conn) query(sql string, args []any, f func(*sqlite.Stmt)) error {
	stmt, err := c.stmts.get(sql)
	if err != nil {
		return err
	}
	defer c.stmts.put(stmt)
	for i, v := range args {
		bind(stmt, i+1, v)
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		f(stmt.Stmt)
	}
}

// The catalog is read in one query per kind of thing, whatever the number of
// tables. Tables that belong to an index of words are none, nor are virtual ones,
// which have no page of their own: their modules may not be there to ask.
const (
	tablesQuery = `SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage <> 0 AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'fx\_%.%' ESCAPE '\' ORDER BY rowid`

	columnsQuery = `SELECT t.name, c.name, c.type, c."notnull", c.pk, c.dflt_value IS NOT NULL OR c.hidden > 1
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type = 'table' AND t.rootpage <> 0 AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND t.name NOT LIKE 'fx\_%.%' ESCAPE '\' ORDER BY t.rowid, c.cid`

	refsQuery = `SELECT t.name, k."from", k."table", k.on_delete, k."to", k.seq
FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k
WHERE t.type = 'table' AND t.name NOT LIKE 'fx\_%.%' ESCAPE '\' ORDER BY t.rowid, k.id, k.seq`

	indexesQuery = `SELECT t.name, i.name, i."unique", c.name,
  CASE WHEN i.partial THEN (SELECT s.sql FROM sqlite_schema AS s WHERE s.type = 'index' AND s.name = i.name) END
FROM sqlite_schema AS t, pragma_index_list(t.name) AS i, pragma_index_info(i.name) AS c
WHERE t.type = 'table' AND t.name NOT LIKE 'fx\_%.%' ESCAPE '\' AND i.origin <> 'pk' ORDER BY t.rowid, i.name, c.seqno`
)

// inspect reads the schema that is there.
func inspect(c *conn) (*migrate.Schema, error) {
	s := &migrate.Schema{}
	texts := map[string]string{}
	err := c.query(tablesQuery, nil, func(r *sqlite.Stmt) {
		s.Tables = append(s.Tables, migrate.Table{Name: r.ColumnText(0)})
		texts[r.ColumnText(0)] = r.ColumnText(1)
	})
	if err != nil {
		return nil, err
	}
	tables := make(map[string]*migrate.Table, len(s.Tables))
	for i := range s.Tables {
		tables[s.Tables[i].Name] = &s.Tables[i]
	}
	if err := c.query(columnsQuery, nil, func(r *sqlite.Stmt) {
		t := tables[r.ColumnText(0)]
		t.Columns = append(t.Columns, readColumn(r, texts[t.Name]))
	}); err != nil {
		return nil, err
	}
	var keys []foreignKey
	if err := c.query(refsQuery, nil, func(r *sqlite.Stmt) { keys = readKey(keys, r) }); err != nil {
		return nil, err
	}
	if err := c.query(indexesQuery, nil, func(r *sqlite.Stmt) { readIndex(tables[r.ColumnText(0)], r) }); err != nil {
		return nil, err
	}
	for _, k := range keys {
		k.note(s, tables)
	}
	return s, inspectSearches(c, tables)
}

// readColumn reads a row of columnsQuery. sql is the text of its table.
func readColumn(r *sqlite.Stmt, sql string) migrate.Column {
	c := migrate.Column{Name: r.ColumnText(1), Storage: affinity(r.ColumnText(2)), Filled: r.ColumnBool(5)}
	c.ID = r.ColumnInt(4) > 0
	c.Optional = !r.ColumnBool(3) && !c.ID
	_, rest, ok := strings.Cut(sql, ident(c.Name)+" /* ")
	if !ok { // where earlier versions put it
		_, rest, ok = strings.Cut(sql, ident(c.Name)+" "+c.Storage+" /* ")
	}
	kind, _, closed := strings.Cut(rest, " */")
	if !ok || !closed {
		return c
	}
	c.Kind = kind
	_, check, checked := strings.Cut(sql, "CONSTRAINT "+ident(checkName(c.Name))+" CHECK ("+ident(c.Name)+" ")
	if digits, isDecimal := strings.CutPrefix(kind, "decimal("); isDecimal {
		readDecimal(&c, strings.TrimSuffix(digits, ")"), check)
	} else if checked && kind == "enum" {
		c.Values = readLiterals(strings.TrimPrefix(check, "IN ("))
	}
	return c
}

// readDecimal reads "*, 2" with the digits in a CHECK, or "30, 4".
func readDecimal(c *migrate.Column, digits, check string) {
	c.Kind = "decimal"
	precision, scale, _ := strings.Cut(digits, ", ")
	c.Scale, _ = strconv.Atoi(scale)
	if precision == "*" {
		_, most, _ := strings.Cut(check, " AND ")
		c.Precision = strings.IndexByte(most, ')')
		return
	}
	c.Precision, _ = strconv.Atoi(precision)
}

// readLiterals reads string literals with commas between them, up to the
// closing parenthesis.
func readLiterals(s string) []string {
	var values []string
	for strings.HasPrefix(s, "'") {
		var b strings.Builder
		s = s[1:]
		for {
			part, rest, ok := strings.Cut(s, "'")
			b.WriteString(part)
			s = rest
			if !ok || !strings.HasPrefix(s, "'") {
				break
			}
			b.WriteByte('\'')
			s = s[1:]
		}
		values = append(values, b.String())
		s = strings.TrimPrefix(s, ", ")
	}
	return values
}

func readOnDelete(s string) string {
	switch s {
	case "CASCADE":
		return "cascade"
	case "SET NULL":
		return "set_null"
	}
	return "restrict" // NO ACTION refuses at the end of the statement, which is the same to us
}

// readIndex adds a row of indexesQuery to its table. An index over
// expressions has no names and is left out, as is one of others over rows that
// can't be told.
func readIndex(t *migrate.Table, r *sqlite.Stmt) {
	name, column := r.ColumnText(1), r.ColumnText(3)
	if n := len(t.Indexes); n > 0 && t.Indexes[n-1].Name == name {
		t.Indexes[n-1].Columns = append(t.Indexes[n-1].Columns, column)
		return
	}
	ix := migrate.Index{Name: name, Unique: r.ColumnBool(2), Columns: []string{column}}
	if !r.ColumnIsNull(4) {
		ix.Where = readWhere(t, r.ColumnText(4))
		if ix.Where.IsUnread() && !migrate.Own(name) {
			return
		}
	}
	t.Indexes = append(t.Indexes, ix)
}

// moments are types that programs declare for text of a date or a time of day.
// To SQLite they are numeric, which text that is no number does not mind.
var moments = map[string]bool{"DATE": true, "DATETIME": true, "TIMESTAMP": true, "TIME": true,
	"TIMESTAMP WITH TIME ZONE": true, "TIMESTAMP WITHOUT TIME ZONE": true, "TIMESTAMPTZ": true,
	"DATETIME2": true, "DATETIMEOFFSET": true, "SMALLDATETIME": true}

// words are other types that programs declare for text, and SQLite takes for
// numeric: text that reads as a number becomes one.
var words = map[string]bool{"STRING": true, "GUID": true, "UNIQUEIDENTIFIER": true, "ENUM": true, "XML": true, "INET": true}

// declaredType is a declared type without its digits: DATETIME(6), as Rails has
// it.
func declaredType(declared string) string {
	d, _, _ := strings.Cut(strings.ToUpper(declared), "(")
	return strings.TrimSpace(d)
}

// affinity is the type of a STRICT table that a declared type comes to, by
// SQLite's own rules, so that tables that others have made can be read too.
// What is numeric keeps integers and floats, and is read as a float.
func affinity(declared string) string {
	d := strings.ToUpper(declared)
	name := declaredType(declared)
	switch {
	case strings.Contains(d, "INT"), d == "BOOLEAN", d == "BOOL":
		return "INTEGER"
	case strings.Contains(d, "CHAR"), strings.Contains(d, "CLOB"), strings.Contains(d, "TEXT"),
		moments[name], words[name], d == "JSON", d == "JSONB", d == "UUID":
		return "TEXT"
	case strings.Contains(d, "BLOB"), d == "", name == "BINARY", name == "VARBINARY", name == "IMAGE":
		return "BLOB"
	case d == "ANY":
		return "ANY"
	default:
		return "REAL"
	}
}

// rowData answers a plan's questions.
type rowData struct{ c *conn }

func (d rowData) count(sql string, args ...any) (n int64, err error) {
	err = d.c.query(sql, args, func(r *sqlite.Stmt) { n = r.ColumnInt64(0) })
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
	return d.count("SELECT count(*) FROM " + ident(table) + " WHERE NOT (" + checkOf(&as) + ")")
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
		" GROUP BY " + idents(columns) + " HAVING count(*) > 1)")
}
