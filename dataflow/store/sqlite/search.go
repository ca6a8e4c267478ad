package sqlite

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// The words of a model's searchable fields are in a table of FTS5 that keeps no
// texts, named as the index it is. Triggers of plain SQL keep it in step,
// whoever writes: in the same transaction, for bulk writes and for what a
// foreign key deletes. Its rows go by numbers: that of an INTEGER id is the id;
// other ids get one in a table of their own, because VACUUM may give a table's
// implicit rowids anew.
//
// FTS5 narrows the search. What it finds is then held to what query says a
// search means.

// searchFunction is search(text of the search, text, …).
const searchFunction = "flow_search"

func registerSearch(c *sqlite.Conn) error {
	return c.CreateFunction(searchFunction, &sqlite.FunctionImpl{NArgs: -1, Deterministic: true,
		Scalar: func(ctx sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			terms, ok := ctx.AuxData(0).([]query.Term)
			if !ok {
				terms = query.ParseTerms(args[0].Text())
				ctx.SetAuxData(0, terms) // kept while the search stays the same
			}
			var texts []string
			for _, a := range args[1:] {
				if a.Type() != sqlite.TypeNull {
					texts = append(texts, a.Text())
				}
			}
			if query.Matches(terms, texts) {
				return sqlite.IntegerValue(1), nil
			}
			return sqlite.IntegerValue(0), nil
		}})
}

// Search narrows by the index, if there is one, and holds what is left to the
// meaning of the search.
func (dialect) Search(b *query.Builder, s *query.Search) {
	b.Raw("(")
	id := s.Model.ID()
	if match := ftsQuery(s.Terms); match != "" && !(s.Model.Database != nil && s.Model.Database.Options.ExistingSchemaMode) {
		index := migrate.SearchIndex(s.Model)
		b.Ident(id.ColumnName()).Raw(" IN (SELECT ")
		if storage(id.Type) != "INTEGER" {
			b.Raw(`"id" FROM `).Ident(index + numbersSuffix).Raw(` WHERE "number" IN (SELECT `)
		}
		b.Raw("rowid FROM ").Ident(index).Raw(" WHERE ").Ident(index).Raw(" MATCH ").Arg(match).Raw(")")
		if storage(id.Type) != "INTEGER" {
			b.Raw(")")
		}
		b.Raw(" AND ")
	}
	b.Raw(searchFunction + "(").Arg(s.Text)
	for _, i := range s.Fields {
		b.Raw(", ").Ident(s.Model.Fields[i].ColumnName())
	}
	b.Raw("))")
}

// maxMatched bounds the words that FTS5 is asked for, whose queries can nest
// only so deep.
const maxMatched = 32

// ftsQuery asks for the words that must be there, as far as FTS5 takes them for
// the same words; "" is nothing to ask for.
func ftsQuery(terms []query.Term) string {
	var parts []string
	for _, t := range terms {
		for i, w := range t.Words {
			if t.Exclude || !known(w) || len(parts) == maxMatched {
				continue
			}
			part := `"` + w + `"`
			if t.Prefix && i == len(t.Words)-1 {
				part += " *"
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " AND ")
}

// known reports whether FTS5, whose Unicode is an older one, takes all of a
// word for parts of words and does not tell apart what query does not.
func known(word string) bool {
	for _, r := range word {
		if r >= utf8.RuneSelf && !(r <= 0x0525 || r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FA || r >= 0x4E00 && r <= 0x9FCB || r >= 0xAC00 && r <= 0xD7A3) {
			return false
		}
	}
	return true
}

// ftsTokenizer makes words of the same characters as query does, as far as
// FTS5 knows them.
func ftsTokenizer() string {
	var separators strings.Builder
	for _, span := range youngBreaks {
		for r := span[0]; r <= span[1]; r++ {
			separators.WriteRune(r)
		}
	}
	return "unicode61 remove_diacritics 0 categories ''L* N* Mn Mc Me'' separators ''" + separators.String() + "''"
}

const numbersSuffix = "/ids"

// searchParts are the statements that make an index of words, by the name of
// what they make; what is filled in is none of them.
type searchPart struct{ name, sql string }

// searchIndex says how the index of a table's words is made. id is the table's
// id.
func searchIndex(table string, id *migrate.Column, ix migrate.Index) (parts []searchPart, fill []string) {
	t, fts, key := ident(table), ident(ix.Name), ident(id.Name)
	words := func(row string) string {
		texts := make([]string, len(ix.Columns))
		for i, c := range ix.Columns {
			texts[i] = "coalesce(" + row + ident(c) + ", '')"
		}
		return strings.Join(texts, " || char(10) || ")
	}
	add := func(name, format string, args ...any) {
		parts = append(parts, searchPart{name, fmt.Sprintf(format, args...)})
	}
	trigger := func(event, when, of string, body ...string) {
		name := ix.Name + "/" + event
		add(name, "CREATE TRIGGER %s AFTER %s%s ON %s%s BEGIN %s; END", ident(name), strings.ToUpper(event), of, t, when, strings.Join(body, "; "))
	}
	add(ix.Name, `CREATE VIRTUAL TABLE %s USING fts5("words", content = '', contentless_delete = 1, detail = none, tokenize = '%s')`, fts, ftsTokenizer())
	number := func(row string) string { return row + key }
	enter, leave := []string{}, []string{}
	if id.Kind != "int" && id.Storage != "INTEGER" {
		ids := ident(ix.Name + numbersSuffix)
		add(ix.Name+numbersSuffix, `CREATE TABLE %s ("number" INTEGER PRIMARY KEY, "id" TEXT NOT NULL UNIQUE) STRICT`, ids)
		number = func(row string) string { return `(SELECT "number" FROM ` + ids + ` WHERE "id" = ` + row + key + `)` }
		enter = append(enter, `INSERT INTO `+ids+` ("id") VALUES (new.`+key+`)`)
		leave = append(leave, `DELETE FROM `+ids+` WHERE "id" = old.`+key)
		fill = append(fill, `INSERT INTO `+ids+` ("id") SELECT `+key+` FROM `+t)
	}
	enter = append(enter, `INSERT INTO `+fts+` (rowid, "words") VALUES (`+number("new.")+`, `+words("new.")+`)`)
	leave = append([]string{`DELETE FROM ` + fts + ` WHERE rowid = ` + number("old.")}, leave...)
	fill = append(fill, `INSERT INTO `+fts+` (rowid, "words") SELECT `+number(t+".")+`, `+words("")+` FROM `+t)
	trigger("insert", "", "", enter...)
	trigger("delete", "", "", leave...)
	changed := make([]string, 0, len(ix.Columns)+1)
	for _, c := range append([]string{id.Name}, ix.Columns...) {
		changed = append(changed, "old."+ident(c)+" IS NOT new."+ident(c))
	}
	trigger("update", " WHEN "+strings.Join(changed, " OR "), " OF "+idents(append([]string{id.Name}, ix.Columns...)), append(leave, enter...)...)
	return parts, fill
}

// createSearch makes the index of a table's words and fills it. What is left of
// one that lost its triggers is in the way.
func createSearch(t *migrate.Table, ix migrate.Index) []string {
	parts, fill := searchIndex(t.Name, idColumn(t), ix)
	sql := dropSearches([]migrate.Index{ix})
	for _, p := range parts {
		sql = append(sql, p.sql)
	}
	return append(sql, fill...)
}

func idColumn(t *migrate.Table) *migrate.Column {
	for i := range t.Columns {
		if t.Columns[i].ID {
			return &t.Columns[i]
		}
	}
	return &migrate.Column{Name: "id"}
}

// dropSearches removes what there is of the indexes of words among a list.
func dropSearches(list []migrate.Index) []string {
	var sql []string
	for _, ix := range list {
		if !ix.Search {
			continue
		}
		for _, event := range []string{"insert", "update", "delete"} {
			sql = append(sql, "DROP TRIGGER IF EXISTS "+ident(ix.Name+"/"+event))
		}
		sql = append(sql, "DROP TABLE IF EXISTS "+ident(ix.Name), "DROP TABLE IF EXISTS "+ident(ix.Name+numbersSuffix))
	}
	return sql
}

// searchesQuery finds what belongs to indexes of words: the triggers say which
// table each is of.
const searchesQuery = `SELECT name, tbl_name, sql FROM sqlite_schema
WHERE name LIKE 'fx\_%.%' ESCAPE '\' AND type IN ('trigger', 'table') AND sql IS NOT NULL ORDER BY rowid`

// inspectSearches adds the indexes of words to their tables. One that is not
// made as it should be, or lacks a part, is broken.
func inspectSearches(c *conn, tables map[string]*migrate.Table) error {
	made := map[string]string{}
	var names []string
	owner := map[string]string{}
	err := c.query(searchesQuery, nil, func(r *sqlite.Stmt) {
		name, of := r.ColumnText(0), r.ColumnText(1)
		made[name] = r.ColumnText(2)
		index, _, part := strings.Cut(name, "/")
		if part && of != name {
			if owner[index] == "" {
				names = append(names, index)
			}
			owner[index] = of
		}
	})
	for _, name := range names {
		t := tables[owner[name]]
		if t == nil {
			continue
		}
		ix := migrate.Index{Name: name, Search: true, Columns: strings.Split(name, ".")[1:]}
		parts, _ := searchIndex(t.Name, idColumn(t), ix)
		for _, p := range parts {
			ix.Broken = ix.Broken || made[p.name] != p.sql
		}
		t.Indexes = append(t.Indexes, ix)
	}
	return err
}
