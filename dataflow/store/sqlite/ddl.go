package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
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
	def := ident(c.Name) + " " + kindComment(c) + " " + c.Storage
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
		def += " REFERENCES " + ident(c.Ref.Table)
		if c.Ref.Column != "" { // the primary key by name, for programs that want to be told
			def += " (" + ident(c.Ref.Column) + ")"
		}
		def += " ON DELETE " + onDelete(c.Ref.OnDelete)
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

// kindComment says what a column holds: "/* decimal(*, 2) */". It stands before
// the type: behind it, SQLite would take it out with a NOT NULL or a CHECK that
// is dropped.
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
	return fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)%s", unique, ident(ix.Name), ident(table), idents(ix.Columns), where(ix.Where))
}

// where is the clause of a condition, or "".
func where(c *query.Condition) string {
	if c == nil {
		return ""
	}
	return " WHERE " + c.String()
}

const isNull = " IS NULL"

// literal writes a value as it is stored.
func literal(t *dataflow.Type, v any) string {
	switch v := (dialect{}).Encode(t, v).(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return realText(v)
	case string:
		return text(v)
	case []byte:
		return fmt.Sprintf("X'%x'", v)
	default:
		panic(fmt.Sprintf("sqlite: a %s that is stored as %T", t, v))
	}
}

func realText(f float64) string { return strconv.FormatFloat(f, 'e', -1, 64) }

// storedLiteral writes what stands in a condition as literal does, for a column
// of a storage type.
func storedLiteral(storage, raw string) (string, bool) {
	switch storage {
	case "TEXT":
		return text(raw), true
	case "INTEGER":
		_, err := strconv.ParseInt(raw, 10, 64)
		return raw, err == nil
	case "REAL":
		f, err := strconv.ParseFloat(raw, 64)
		return realText(f), err == nil
	}
	return "", false
}

// readWhere reads the condition in the text of an index.
func readWhere(t *migrate.Table, sql string) *query.Condition {
	where, _ := query.IndexWhere(sql)
	c, ok := query.ReadCondition(where, func(column, raw string) (string, bool) {
		if c := t.Column(column); c != nil {
			return storedLiteral(c.Storage, raw)
		}
		return "", false
	})
	if !ok {
		return query.Unread()
	}
	return c
}
