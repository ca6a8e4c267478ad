package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
)

// What a column holds beyond what a STRICT table's types tell apart is kept in
// the table's own text, where the inspector finds it again: its kind in a
// comment, an enum's values and a decimal's digits in a named CHECK, which
// ALTER TABLE can replace. There are no DEFAULTs: rows always come with all
// their values.

func ident(name string) string { return string(query.AppendIdent(nil, name)) }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

// text writes a string literal.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func createTable(t *migrate.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (\n", ident(t.Name))
	for i := range t.Columns {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString("  " + columnDef(&t.Columns[i], true))
	}
	b.WriteString("\n) STRICT")
	return b.String()
}

// columnDef writes a column's definition; required columns are made so only if
// notNull is set.
func columnDef(c *migrate.Column, notNull bool) string {
	def := ident(c.Name) + " " + c.Storage + " " + kindComment(c)
	switch {
	case c.ID && c.Storage == "INTEGER":
		def += " PRIMARY KEY AUTOINCREMENT"
	case c.ID:
		def += " NOT NULL PRIMARY KEY"
	case notNull && !c.Optional:
		def += " NOT NULL"
	}
	if check := checkOf(c); check != "" {
		def += " CONSTRAINT " + ident(checkName(c.Name)) + " CHECK (" + check + ")"
	}
	if c.Ref != nil {
		def += " REFERENCES " + ident(c.Ref.Table) + " ON DELETE " + onDelete(c.Ref.OnDelete)
	}
	return def
}

func onDelete(what string) string { return strings.ToUpper(strings.ReplaceAll(what, "_", " ")) }

func checkName(column string) string { return "ck_" + column }

// checkOf is the condition on a column's values that the database holds to,
// whoever writes; "" is none.
func checkOf(c *migrate.Column) string {
	name := ident(c.Name)
	switch {
	case c.Kind == "bool":
		return name + " IN (0, 1)"
	case c.Kind == "enum":
		quoted := make([]string, len(c.Values))
		for i, v := range c.Values {
			quoted[i] = text(v)
		}
		return name + " IN (" + strings.Join(quoted, ", ") + ")"
	case c.Kind == "decimal" && c.Storage == "INTEGER":
		most := strings.Repeat("9", c.Precision)
		return name + " BETWEEN -" + most + " AND " + most
	}
	return ""
}

// kindComment says what a column holds: "/* decimal(*, 2) */".
func kindComment(c *migrate.Column) string { return "/* " + kindText(c) + " */" }

func kindText(c *migrate.Column) string {
	if c.Kind != "decimal" {
		return c.Kind
	}
	digits := "*" // in the CHECK, so that they can change
	if c.Storage != "INTEGER" {
		digits = strconv.Itoa(c.Precision)
	}
	return fmt.Sprintf("decimal(%s, %d)", digits, c.Scale)
}

func createIndex(table string, ix migrate.Index) string {
	unique := ""
	if ix.Unique {
		unique = "UNIQUE "
	}
	return fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)%s", unique, ident(ix.Name), ident(table), idents(ix.Columns), whereLive(ix.Live))
}

// whereLive is the condition of an index over the rows in which a column is
// null.
func whereLive(column string) string {
	if column == "" {
		return ""
	}
	return " WHERE " + ident(column) + isNull
}

const isNull = " IS NULL"

// readLive reads the column that whereLive wrote from the text of an index.
func readLive(sql string) (column string, ok bool) {
	name, ok := strings.CutSuffix(sql, isNull)
	if !ok {
		return "", false
	}
	column = strings.Trim(name[strings.LastIndexByte(name, ' ')+1:], `"`)
	return column, strings.HasSuffix(sql, whereLive(column))
}
