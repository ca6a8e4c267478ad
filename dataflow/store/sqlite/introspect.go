package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"zombiezen.com/go/sqlite"
)

const (
	foundColumnsQuery = `SELECT t.name, c.name, c.type, coalesce(c.dflt_value, ''), c.hidden > 1
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c WHERE t.type = 'table' AND t.rootpage <> 0 AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'`

	foundRefsQuery = `SELECT t.name, k."from", coalesce(k."to", ''), k.on_delete,
  (SELECT count(*) FROM pragma_foreign_key_list(t.name) AS o WHERE o.id = k.id) > 1
FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k WHERE t.type = 'table'`

	foundIndexesQuery = `SELECT t.name, i.name FROM sqlite_schema AS t, pragma_index_list(t.name) AS i WHERE t.type = 'table' AND i.origin <> 'pk' ORDER BY i.name`

	// A virtual table is none: its columns hold what its module makes of them. It
	// keeps its own rows in tables beside it, which are for nobody else.
	foundVirtualQuery = `SELECT name, type = 'virtual' FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow') AND name NOT LIKE 'fx\_%.%' ESCAPE '\' ORDER BY name`

	// Those of modules that this SQLite has not are known by their names.
	foundBesideQuery = `SELECT t.name FROM sqlite_schema AS v, sqlite_schema AS t WHERE t.type = 'table' AND (v.sql LIKE 'CREATE VIRTUAL TABLE%USING fts3%' OR v.sql LIKE 'CREATE VIRTUAL TABLE%USING fts4%')
AND lower(t.name) IN (lower(v.name) || '_content', lower(v.name) || '_segments', lower(v.name) || '_segdir', lower(v.name) || '_docsize', lower(v.name) || '_stat')`

	foundOthersQuery = `SELECT type || ' ' || name FROM sqlite_schema WHERE type IN ('view', 'trigger') AND name NOT LIKE 'fx\_%.%/%' ESCAPE '\' ORDER BY name`
)

// Inspect reads the schema of a database, and writes nothing: not even the log
// that every other reader of a database in WAL mode makes.
func (Opener) Inspect(ctx context.Context, db *dataflow.Database, dir string) (*migrate.Found, []dataflow.Diagnostic) {
	p, diag := parseURL(db, dir)
	if diag != nil {
		return nil, []dataflow.Diagnostic{*diag}
	}
	c, err := openUntouched(p)
	if err != nil {
		return nil, []dataflow.Diagnostic{openFailure(db, p, err)}
	}
	defer c.close()
	stop := c.watch(ctx)
	defer c.unwatch(stop)
	f, err := found(c)
	if err != nil {
		return nil, []dataflow.Diagnostic{openFailure(db, p, err)}
	}
	return f, nil
}

// openUntouched opens a database that is there to read it.
func openUntouched(p place) (*conn, error) {
	if why := cmp.Or(absent(p), unusable(p)); why != nil {
		return nil, why
	}
	path, flags := untouched(p.path)
	return openConn(path, flags, busyTimeout)
}

// listCheck is a CHECK that a column has one of some texts, and no other, as
// people write it.
var listCheck = lazyregexp.New(`(?i)\bCHECK\s*\(\s*(\w+|"[^"]+"|\[[^\]]+\]|` + "`[^`]+`" + `)\s+IN\s*\(\s*((?:'(?:[^']|'')*'\s*,?\s*)+)\)\s*\)`)

var literalText = lazyregexp.New(`'((?:[^']|'')*)'`)

// readChecks finds what CHECKs let columns be, in the text of a table.
func readChecks(sql string, note func(column string, values []string)) {
	for _, m := range listCheck.FindAllStringSubmatch(sql, -1) {
		var values []string
		for _, v := range literalText.FindAllStringSubmatch(m[2], -1) {
			values = append(values, strings.ReplaceAll(v[1], "''", "'"))
		}
		note(strings.Trim(m[1], "\"[]`"), values)
	}
}

// remark says what SQLite makes of a declared type that does not show in the
// field; %s is the field.
func remark(declared string) string {
	d := strings.ToUpper(declared)
	switch name := declaredType(declared); {
	case words[name]:
		return "%s is a " + name + ", which SQLite takes for a number: text that reads as one becomes that number, 007 becomes 7"
	case affinity(declared) == "REAL" && !strings.Contains(d, "REAL") && !strings.Contains(d, "FLOA") && !strings.Contains(d, "DOUB"):
		return "%s is a NUMERIC of SQLite, which keeps a binary fraction: 0.1 is not exact"
	}
	return ""
}

var (
	number  = lazyregexp.New(`^[+-]?\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	hexed   = lazyregexp.New(`^0[xX][0-9a-fA-F]+$`)
	textual = lazyregexp.New(`^(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|([A-Za-z_]\w*))$`)
	blob    = lazyregexp.New(`^[xX]'((?:[0-9a-fA-F]{2})*)'$`)
)

// readDefault takes the default of a column of some affinity apart. Anything but a
// value is worked out anew for each row.
func readDefault(expr, affinity string) (text string, constant *string) {
	bare := strings.TrimSpace(expr)
	for strings.HasPrefix(bare, "(") && strings.HasSuffix(bare, ")") {
		bare = strings.TrimSpace(bare[1 : len(bare)-1])
	}
	word := strings.ToUpper(bare)
	switch {
	case word == "NULL" || word == "":
		return "", nil
	case word == "CURRENT_TIMESTAMP" || word == "CURRENT_DATE" || word == "CURRENT_TIME":
		return expr, nil
	case word == "TRUE":
		bare = "1"
	case word == "FALSE":
		bare = "0"
	}
	if m := blob.FindStringSubmatch(bare); m != nil {
		bare = `\x` + m[1]
		return expr, keptAs(affinity == "BLOB", bare)
	}
	if m := textual.FindStringSubmatch(bare); m != nil {
		bare = strings.ReplaceAll(m[1], "''", "'") + strings.ReplaceAll(m[2], `""`, `"`) + m[3] // a word is a text
		return expr, keptAs(affinity != "BLOB", bare)
	}
	if hexed.MatchString(bare) {
		n, err := strconv.ParseUint(bare[2:], 16, 64)
		return expr, keptAs(err == nil && affinity != "BLOB", strconv.FormatInt(int64(n), 10))
	}
	if !number.MatchString(bare) || affinity == "BLOB" {
		return expr, nil
	}
	bare = strings.Join(strings.Fields(strings.TrimPrefix(bare, "+")), "")
	if n, err := strconv.ParseInt(bare, 10, 64); err == nil {
		return expr, keptAs(true, strconv.FormatInt(n, 10))
	}
	f, err := strconv.ParseFloat(bare, 64)
	return expr, keptAs(err == nil && affinity != "TEXT", strconv.FormatFloat(f, 'f', -1, 64)) // how a text is made of a fraction is SQLite's to say
}

func keptAs(ok bool, text string) *string {
	if !ok {
		return nil
	}
	return &text
}

func found(c *conn) (*migrate.Found, error) {
	s, err := inspect(c)
	if err != nil {
		return nil, err
	}
	m, err := readMeta(c)
	if err != nil {
		return nil, err
	}
	var before *migrate.Schema
	if m.there {
		if before, err = readSnapshot(c); err != nil {
			return nil, err
		}
	}
	f := migrate.NewFound(s, before)
	f.Own = m.there
	virtual := map[string]bool{}
	if err := c.query(foundVirtualQuery, nil, func(r *sqlite.Stmt) {
		virtual[r.ColumnText(0)] = true
		if r.ColumnBool(1) {
			f.Others = append(f.Others, "virtual table "+r.ColumnText(0))
		}
	}); err != nil {
		return nil, err
	}
	if err := c.query(foundBesideQuery, nil, func(r *sqlite.Stmt) { virtual[r.ColumnText(0)] = true }); err != nil {
		return nil, err
	}
	s.Tables = slices.DeleteFunc(s.Tables, func(t migrate.Table) bool { return virtual[t.Name] })
	if err := c.query(tablesQuery, nil, func(r *sqlite.Stmt) {
		table := r.ColumnText(0)
		readChecks(r.ColumnText(1), func(column string, values []string) {
			f.Note(table, column, func(c *migrate.FoundColumn) { c.Limit(values) })
		})
	}); err != nil {
		return nil, err
	}
	for _, q := range []struct {
		sql string
		row func(*sqlite.Stmt)
	}{
		{foundColumnsQuery, func(r *sqlite.Stmt) {
			f.Note(r.ColumnText(0), r.ColumnText(1), func(c *migrate.FoundColumn) {
				c.Type, c.Generated = r.ColumnText(2), r.ColumnBool(4)
				c.Default, c.Constant = readDefault(r.ColumnText(3), affinity(c.Type))
				c.Remark = remark(c.Type)
			})
		}},
		{foundRefsQuery, func(r *sqlite.Stmt) {
			f.Note(r.ColumnText(0), r.ColumnText(1), func(c *migrate.FoundColumn) {
				c.RefMore = c.RefAction != ""
				c.RefTo, c.RefAction, c.RefWide = r.ColumnText(2), r.ColumnText(3), r.ColumnBool(4)
				if t := s.Table(r.ColumnText(0)); t != nil && !c.RefWide {
					if col := t.Column(r.ColumnText(1)); col != nil && col.Ref != nil {
						c.RefTo = col.Ref.Column // as it is called
					}
				}
			})
		}},
		{foundIndexesQuery, func(r *sqlite.Stmt) {
			f.Indexes[r.ColumnText(0)] = append(f.Indexes[r.ColumnText(0)], r.ColumnText(1))
		}},
		{foundOthersQuery, func(r *sqlite.Stmt) { f.Others = append(f.Others, r.ColumnText(0)) }},
	} {
		if err := c.query(q.sql, nil, q.row); err != nil {
			return nil, err
		}
	}
	return f, nil
}
