package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// foreignKey is a foreign key as a table declares it, which need not lead
// anywhere: SQLite looks no sooner than a statement has to follow it.
type foreignKey struct {
	table, to   string
	onDelete    string
	from, names []string // columns; names is empty where the primary key is meant
}

// readKey reads a row of refsQuery, of which a key over several columns has as
// many.
func readKey(keys []foreignKey, r *sqlite.Stmt) []foreignKey {
	if r.ColumnInt64(5) == 0 {
		keys = append(keys, foreignKey{table: r.ColumnText(0), to: r.ColumnText(2), onDelete: readOnDelete(r.ColumnText(3))})
	}
	k := &keys[len(keys)-1]
	k.from = append(k.from, r.ColumnText(1))
	if !r.ColumnIsNull(4) {
		k.names = append(k.names, r.ColumnText(4))
	}
	return keys
}

// note adds a key to the schema it is of. What it refers to may be written in
// capitals or small letters, whatever its name is.
func (k foreignKey) note(s *migrate.Schema, tables map[string]*migrate.Table) {
	to := tables[k.to]
	if to == nil {
		for name, t := range tables {
			if strings.EqualFold(name, k.to) {
				k.to, to = name, t
			}
		}
	}
	for i, name := range k.names {
		if to == nil || to.Column(name) != nil {
			continue
		}
		for j := range to.Columns {
			if strings.EqualFold(to.Columns[j].Name, name) {
				k.names[i] = to.Columns[j].Name
			}
		}
	}
	if !k.leads(to) {
		s.Broken = append(s.Broken, migrate.BrokenKey{Table: k.table, Columns: k.from, To: k.to, Gone: to == nil})
	}
	if len(k.from) > 1 {
		return
	}
	if c := tables[k.table].Column(k.from[0]); c != nil {
		c.Ref = &migrate.Ref{Table: k.to, OnDelete: k.onDelete, Column: strings.Join(k.names, "")}
	}
}

// leads reports whether a table has what the key refers to: a primary key, or
// columns with a unique index over every row.
func (k foreignKey) leads(to *migrate.Table) bool {
	if to == nil {
		return false
	}
	var id []string
	for i := range to.Columns {
		if to.Columns[i].ID {
			id = append(id, to.Columns[i].Name)
		}
	}
	if len(k.names) == 0 {
		return len(id) == len(k.from)
	}
	return sameSet(id, k.names) || slices.ContainsFunc(to.Indexes, func(ix migrate.Index) bool {
		return ix.Unique && ix.Where == nil && sameSet(ix.Columns, k.names)
	})
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// What SQLite says of a statement that would have to follow a key which leads
// nowhere, or has a trigger that asks for a table which is not there.
const (
	saidNoTable  = "no such table: main."
	saidMismatch = `foreign key mismatch - "`
)

// And of an expression of the table's, a CHECK or what an index is over: one that
// can't be worked out says so when the statement is run, one with a function that
// the other program has and SQLite has not before.
const (
	saidAtWork     = "sqlite: step: "
	saidNoFunction = "unknown function: "
)

// valueless are what SQLite says of functions that holds no value they were given.
var valueless = []string{"malformed JSON", "integer overflow", "JSON cannot hold BLOB values"}

// unworkable is the error for a write that failed for what another program has
// left of a foreign key or of a trigger, and not for what is in the row; nil if it
// did not.
func (t *tx) unworkable(tab *table, c change, cause error) error {
	said := cause.Error()
	_, gone, lacking := strings.Cut(said, saidNoTable)
	_, pair, mismatch := strings.Cut(said, saidMismatch)
	if lacking || mismatch {
		from, to, _ := strings.Cut(strings.TrimSuffix(pair, `"`), `" referencing "`)
		if k := t.keyTo(tab, from, cmp.Or(gone, to)); k != nil {
			b := migrate.BrokenKey{Table: k.table, Columns: k.from, To: k.to, Gone: lacking}
			return store.Unworkable(tab.model, pointerTo(tab, c, b), b.String(), b.Hint(), cause)
		}
	}
	triggers := false
	err := t.c.query(triggersQuery, []any{tab.model.Table}, func(*sqlite.Stmt) { triggers = true })
	switch {
	case err != nil || lacking && (!triggers || strings.EqualFold(gone, tab.model.Table)):
		return nil
	case lacking:
		return store.Unworkable(tab.model, c.prefix, fmt.Sprintf("a trigger asks for %s, which is no table of the database", gone), mendTrigger, cause)
	case triggers || strings.HasPrefix(said, saidAtWork) || strings.Contains(said, saidNoFunction):
		return store.Failing(tab.model, c.prefix, worded(said), "", errLogic)
	}
	return nil
}

// worded is what SQLite says of an expression that has failed, "" where that may
// hold a value.
func worded(said string) string {
	if _, name, ok := strings.Cut(said, saidNoFunction); ok {
		return saidNoFunction + name
	}
	said = strings.TrimPrefix(strings.TrimPrefix(said, saidAtWork), "SQL logic error: ")
	if slices.Contains(valueless, said) {
		return said
	}
	return ""
}

const (
	triggersQuery = `SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?) AND name NOT LIKE 'fx\_%.%/%' ESCAPE '\' LIMIT 1`

	quietQuery = `SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?) AND sql LIKE '%raise%ignore%' LIMIT 1`

	mendTrigger = "let the program that made the trigger mend it"
)

// Quiet implements store.Tx: RAISE (IGNORE).
func (t *tx) Quiet(ctx context.Context, m *dataflow.Model) (quiet bool, err error) {
	if err := t.ready(ctx); err != nil {
		return false, err
	}
	err = t.c.query(quietQuery, []any{m.Table}, func(*sqlite.Stmt) { quiet = true })
	return quiet, toError(ctx, err)
}

// foreignKeys are those of all tables. Where they can't be read there is an error
// to tell of already.
func (t *tx) foreignKeys() []foreignKey {
	if t.keys == nil {
		if err := t.c.query(refsQuery, nil, func(r *sqlite.Stmt) { t.keys = readKey(t.keys, r) }); err != nil {
			return nil
		}
	}
	return t.keys
}

// holds reports whether it is the database that keeps a reference from leading
// nowhere. A column of a table of another's making may have no foreign key, or one
// to another table or column.
func (t *tx) holds(tab *table, field *dataflow.Field) bool {
	if tab == nil || !tab.foreign {
		return true
	}
	to := field.Type.Model
	return slices.ContainsFunc(t.foreignKeys(), func(k foreignKey) bool {
		return k.table == tab.model.Table && strings.EqualFold(k.to, to.Table) && len(k.from) == 1 && k.from[0] == field.ColumnName() &&
			(len(k.names) == 0 || strings.EqualFold(k.names[0], to.ID().ColumnName()))
	})
}

// keyTo finds the foreign key that a table has to another, the written table's own
// if it is one of several; from is "" for any.
func (t *tx) keyTo(tab *table, from, to string) (found *foreignKey) {
	for i, k := range t.foreignKeys() {
		if strings.EqualFold(k.to, to) && (from == "" || k.table == from) && (found == nil || k.table == tab.model.Table) {
			found = &t.keys[i]
		}
	}
	return found
}

// pointerTo is the pointer to the field of a row that a key is of, or to the row.
func pointerTo(tab *table, c change, k migrate.BrokenKey) string {
	if k.Table == tab.model.Table && len(k.Columns) == 1 {
		if f := tab.model.ColumnField(k.Columns[0]); f != nil {
			return c.prefix + "/" + f.Name
		}
	}
	return c.prefix
}

// lastID is the greatest id there is.
const lastID int64 = math.MaxInt64

// has notes an id that a row of the table has.
func (t *table) has(id any) {
	if id == lastID {
		t.roomy.Store(false)
	}
}

// usedUp reports whether a table has given its last id. It is looked for before
// the first row without one, and again where a row was seen to have that id.
func (t *tx) usedUp(tab *table) bool {
	if !tab.roomy.Load() {
		tab.roomy.Store(t.lastGiven(tab) == "")
	}
	return !tab.roomy.Load()
}

// lastGiven is what sqlite_sequence calls a table that has given its last id, or "".
func (t *tx) lastGiven(tab *table) (name string) {
	err := t.c.query("SELECT name FROM sqlite_sequence WHERE lower(name) = lower(?) AND seq = ?", []any{tab.model.Table, lastID},
		func(r *sqlite.Stmt) { name = r.ColumnText(0) })
	if err != nil { // no table of the database has AUTOINCREMENT
		return ""
	}
	return name
}

// ended is the error for a row of a table that has given its last id.
func (t *tx) ended(tab *table, c change) error {
	return store.UsedUp(tab.model, c.prefix, store.LastGiven+fmt.Sprintf("UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(%s), 0) FROM %s) WHERE name = %s",
		ident(tab.model.ID().ColumnName()), ident(tab.model.Table), text(t.lastGiven(tab))), errUsedUp)
}
