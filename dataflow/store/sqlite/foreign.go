package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// A column of a table that is not STRICT takes any value, whatever its type
// says: text in an INTEGER would be read as 0. So each value of a table that is
// not of our making is looked at before it is read. Of our own tables, which are
// STRICT, it is those that SQLite has no type for: lists, and decimals kept as
// text; and infinity, which no float of ours is.

// foreignTables is what there is to know of tables that another program has
// made.
type foreignTables struct {
	all bool // every table is
	// adopted are those that were taken on without existing_schema_mode.
	adopted map[string]bool
	// keyed are those whose primary key is not the number that SQLite gives each
	// row: INT PRIMARY KEY. It takes null there, in each row.
	keyed map[string]bool
	// silent are those that say ON CONFLICT, as UNIQUE ON CONFLICT REPLACE, by which
	// a row would go, or not come, without a word. What a statement says goes before
	// that, but also before what triggers say, which is none of ours.
	silent map[string]bool
}

const keyedQuery = `SELECT DISTINCT t.name FROM sqlite_schema AS t, pragma_index_list(t.name) AS i WHERE t.type = 'table' AND i.origin = 'pk'`

const silentQuery = `SELECT t.name FROM sqlite_schema AS t WHERE t.type = 'table' AND t.sql LIKE '%ON%CONFLICT%'
AND NOT EXISTS (SELECT 1 FROM sqlite_schema AS r WHERE r.type = 'trigger' AND lower(r.tbl_name) = lower(t.name) AND r.name NOT LIKE 'fx\_%.%/%' ESCAPE '\')`

// is reports whether a table is of another program's making: its columns may
// hold what is no value of their fields.
func (f *foreignTables) is(table string) bool { return f.all || f.adopted[table] }

func findForeign(c *conn, db *dataflow.Database) (*foreignTables, error) {
	f := &foreignTables{all: db.Options.ExistingSchemaMode, keyed: map[string]bool{}, silent: map[string]bool{}}
	var err error
	if f.adopted, err = adoptedTables(c); err != nil {
		return nil, err
	}
	if f.all || len(f.adopted) > 0 {
		if err = c.query(keyedQuery, nil, func(r *sqlite.Stmt) { f.keyed[r.ColumnText(0)] = true }); err == nil {
			err = c.query(silentQuery, nil, func(r *sqlite.Stmt) { f.silent[r.ColumnText(0)] = true })
		}
	}
	return f, err
}

// errIgnored stands for a row that a trigger has left out: RAISE (IGNORE).
var errIgnored = errors.New("a trigger has left the row out")

// errUsedUp stands for a row that SQLite has no id left for. What it says of that
// itself is that the disk is full, and undoes the whole transaction.
var errUsedUp = errors.New("the ids of the table are used up")

// errUnpicked stands for a row without an id that SQLite would not pick.
var errUnpicked = errors.New("NOT NULL constraint failed")

// adoptedTables finds the tables that are not of our making. Ours are STRICT,
// and say of each column what it holds.
func adoptedTables(c *conn) (map[string]bool, error) {
	adopted := map[string]bool{}
	err := c.query(tablesQuery, nil, func(r *sqlite.Stmt) {
		sql := r.ColumnText(1)
		_, columns, _ := strings.Cut(sql, "(")
		first, _, _ := strings.Cut(columns, ",")
		if !strings.HasSuffix(sql, "STRICT") || !strings.Contains(first, " /* ") {
			adopted[r.ColumnText(0)] = true
		}
	})
	return adopted, err
}

// legible refuses a row with a value that is none of its field's type.
func (r *row) legible() error {
	if !r.table.watched {
		return nil
	}
	for i, f := range r.fields {
		c := &r.table.columns[f]
		if !c.watched || r.fits(c, i) {
			continue
		}
		m, hint := r.table.model, ""
		if m.Table != "" {
			hint = fmt.Sprintf("the field is %s; SELECT DISTINCT typeof(%s) FROM %s shows what there is: change those rows, or the field", c.typ,
				ident(c.field.ColumnName()), ident(m.Table))
		}
		return store.Misfit(m, c.field, c.found(r.stmt.Stmt, i), hint)
	}
	return nil
}

// fits reports whether what is stored in a column is a value of its field.
func (r *row) fits(c *column, i int) bool {
	stmt := r.stmt.Stmt
	stored := stmt.ColumnType(i)
	switch {
	case stored == sqlite.TypeNull:
		return c.field.Optional
	case c.form == formInt, c.form == formBool, c.form == formScaled:
		return stored == sqlite.TypeInteger
	case c.form == formFloat:
		return stored == sqlite.TypeInteger || stored == sqlite.TypeFloat && !math.IsInf(stmt.ColumnFloat(i), 0)
	case c.form == formBytes:
		return stored == sqlite.TypeBlob || stored == sqlite.TypeText
	case stored == sqlite.TypeBlob:
		return false
	}
	switch c.typ.Kind {
	case dataflow.KindDateTime, dataflow.KindDate, dataflow.KindTime:
		text := stmt.ColumnText(i)
		v, problems := codec.CoerceType(c.typ, text, "")
		return len(problems) == 0 && string(codec.AppendValue(nil, v)) == `"`+text+`"`
	case dataflow.KindDecimal:
		return stored == sqlite.TypeText && isDecimalKey(r.bytes(i))
	case dataflow.KindList:
		return stored == sqlite.TypeText && isList(r.bytes(i))
	}
	return true // a number in a column of text reads as it is written
}

// bytes are those of a column, until they are asked for again.
func (r *row) bytes(i int) []byte {
	n := r.stmt.ColumnLen(i)
	r.room = slices.Grow(r.room[:0], n)[:n]
	r.stmt.ColumnBytes(i, r.room)
	return r.room
}

// isList reports whether text is that of a list.
func isList(text []byte) bool {
	return codec.Valid(text) && bytes.TrimLeft(text, " \t\r\n")[0] == '['
}

// found names what is stored, without the value.
func (c *column) found(stmt *sqlite.Stmt, i int) string {
	switch stmt.ColumnType(i) {
	case sqlite.TypeNull:
		return "null"
	case sqlite.TypeInteger:
		return "a whole number"
	case sqlite.TypeFloat:
		if math.IsInf(stmt.ColumnFloat(i), 0) {
			return "infinity"
		}
		return "a number"
	case sqlite.TypeBlob:
		return "bytes"
	}
	switch c.typ.Kind {
	case dataflow.KindDateTime, dataflow.KindDate, dataflow.KindTime:
		return "text of another form"
	case dataflow.KindList:
		return "text that is no list"
	case dataflow.KindDecimal:
		if c.form == formDecimal {
			return "text of another form"
		}
	}
	return "text"
}
