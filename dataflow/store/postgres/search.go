package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// PostgreSQL's own parser of texts keeps addresses and hyphenated words whole,
// and its lower case depends on the server's locale. So the words are made by
// functions of ours, in plain PL/pgSQL, that do what query does: one gives a
// text's words with a space around each, and is what a search is decided by;
// the other gives them as a tsvector, which a GIN index is over. The index
// narrows the search only, so that it may leave out the order of words, cut
// long ones short, and know of very long texts no more than that they are.

const (
	maxLexeme    = 255     // characters of a word that are indexed
	maxIndexed   = 1 << 18 // bytes of a text that is indexed
	tooMuch      = "*"     // stands for the words of a longer one
	functionMark = "_flow_words_"
	textMark     = "_flow_text_"
)

// dropUnusedFunctions drops the functions of words that no index is by. That of
// the text is known by its namesake: an index is not by it.
const dropUnusedFunctions = `DO $flow$DECLARE f record; BEGIN
FOR f IN SELECT w.oid::regprocedure AS words, t.oid::regprocedure AS text
  FROM pg_proc w LEFT JOIN pg_proc t ON t.pronamespace = w.pronamespace AND t.proname = '` + textMark + `' || substr(w.proname, length('` + functionMark + `') + 1)
  WHERE w.proname ~ '^` + functionMark + `[0-9a-f]{8}$' AND w.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = w.oid)
LOOP
  EXECUTE 'DROP FUNCTION ' || f.words;
  IF f.text IS NOT NULL THEN EXECUTE 'DROP FUNCTION ' || f.text; END IF;
END LOOP; END$flow$`

// wordFunctions are the functions of words. Their names say what they do by a
// hash, so that a database has those that its indexes were made with.
type wordFunctions struct {
	text, words string   // names
	create      []string // the statements that make them
}

func newWordFunctions() wordFunctions {
	text := wordsOf("t", `E'`+escapedBreaks()+`'`)
	body := func(returns string) string {
		return " RETURNS " + returns + " LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $flow$BEGIN "
	}
	textBody := body("text") + "RETURN " + text + "; END$flow$"
	wordsBody := body("tsvector") + fmt.Sprintf(`IF octet_length(t) > %d THEN RETURN array_to_tsvector(ARRAY['%s']); END IF;
RETURN (SELECT coalesce(array_to_tsvector(array_agg(DISTINCT left(w, %d))), ''::tsvector) FROM unnest(string_to_array(%s, ' ')) AS w WHERE w <> ''); END$flow$`,
		maxIndexed, tooMuch, maxLexeme, text)
	sum := sha256.Sum256([]byte(textBody + wordsBody))
	hash := hex.EncodeToString(sum[:4])
	f := wordFunctions{text: textMark + hash, words: functionMark + hash}
	f.create = []string{
		"CREATE OR REPLACE FUNCTION " + ident(f.text) + "(t text)" + textBody,
		"CREATE OR REPLACE FUNCTION " + ident(f.words) + "(t text)" + wordsBody,
	}
	return f
}

// wordsOf writes the words of a text, each with a space around it. breaks is a
// literal of the pattern of what separates them.
func wordsOf(t, breaks string) string {
	from, to := query.WordFolds()
	low := "lower(" + t + ` COLLATE "C")` // of ASCII alone
	return `' ' || regexp_replace(CASE WHEN octet_length(` + t + `) = char_length(` + t + `) THEN ` + low +
		` ELSE translate(` + low + `, '` + string(from) + `', '` + string(to) + `') END, ` + breaks + `, ' ', 'g') || ' '`
}

// escapedBreaks is the pattern of what separates words, for E'…'.
func escapedBreaks() string {
	var b strings.Builder
	b.WriteString("[")
	for _, span := range query.WordBreaks() {
		first := max(span[0], 1)
		fmt.Fprintf(&b, `\\U%08X-\\U%08X`, first, span[1])
	}
	b.WriteString("]+")
	return b.String()
}

// textsOf writes the texts of an index one below the other.
func textsOf(columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = "coalesce(" + ident(c) + ", '')"
	}
	return strings.Join(parts, ` || E'\n' || `)
}

// Search narrows by the index, if there is one, and decides by the words of
// each field.
func (d dialect) Search(b *query.Builder, s *query.Search) {
	columns, indexed := columnsOf(s.Model, s.Fields), columnsOf(s.Model, s.Model.Searchable())
	b.Raw("(")
	if match := tsquery(s.Terms); match != "" && !d.foreign {
		b.Ident(d.words.words).Raw("(" + textsOf(indexed) + ") @@ ").Arg(match).Raw("::tsquery AND ")
	}
	for i, t := range s.Terms {
		if i > 0 {
			b.Raw(" AND ")
		}
		if t.Exclude {
			b.Raw("NOT ")
		}
		b.Raw("(")
		for j, c := range columns {
			if j > 0 {
				b.Raw(" OR ")
			}
			b.Raw("strpos(")
			if d.foreign {
				b.Raw(wordsOf("coalesce("+ident(c)+"::text, '')", `E'`+escapedBreaks()+`'`))
			} else {
				b.Ident(d.words.text).Raw("(coalesce(").Ident(c).Raw(", ''))")
			}
			b.Raw(", ").Arg(needle(t)).Raw(") > 0")
		}
		b.Raw(")")
	}
	b.Raw(")")
}

func columnsOf(m *dataflow.Model, fields []int) []string {
	columns := make([]string, len(fields))
	for i, f := range fields {
		columns[i] = m.Fields[f].ColumnName()
	}
	return columns
}

// needle is a term as it stands among the words of a text.
func needle(t query.Term) string {
	n := " " + strings.Join(t.Words, " ")
	if !t.Prefix {
		n += " "
	}
	return n
}

// tsquery asks for the words that must be there; "" is nothing to ask for. A
// word has no character that would have to be quoted.
func tsquery(terms []query.Term) string {
	var parts []string
	for _, t := range terms {
		for i, w := range t.Words {
			if t.Exclude {
				continue
			}
			runes := []rune(w)
			part := "'" + string(runes[:min(len(runes), maxLexeme)]) + "'"
			if t.Prefix && i == len(t.Words)-1 {
				part += ":*"
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, " & ") + ") | '" + tooMuch + "'"
}

// functionsOf are the statements that make what an index is by.
func functionsOf(ix migrate.Index) []string {
	if !ix.Search {
		return nil
	}
	return newWordFunctions().create
}

// over is what an index is over.
func over(ix migrate.Index) string {
	if !ix.Search {
		return "(" + idents(ix.Columns) + ")"
	}
	return "USING gin (" + ident(newWordFunctions().words) + "(" + textsOf(ix.Columns) + "))"
}

// searchedColumn is a column in the expression of an index of words.
var searchedColumn = lazyregexp.New(`COALESCE\(("(?:[^"]|"")*"|[a-z_][a-z0-9_$]*), ''::text\)`)

// readSearch reads the index of a table's words from its expression. One that
// is by other functions is broken.
func readSearch(name, expr string) migrate.Index {
	ix := migrate.Index{Name: name, Search: true}
	ix.Broken = !strings.HasPrefix(expr, newWordFunctions().words+"(")
	for _, m := range searchedColumn.FindAllStringSubmatch(expr, -1) {
		column := m[1]
		if strings.HasPrefix(column, `"`) {
			column = strings.ReplaceAll(column[1:len(column)-1], `""`, `"`)
		}
		ix.Columns = append(ix.Columns, column)
	}
	return ix
}

// wordsFor returns the functions that searches of models are by; nil if there
// can be none.
func wordsFor(models []*dataflow.Model) *wordFunctions {
	for _, m := range models {
		if len(m.Searchable()) > 0 {
			f := newWordFunctions()
			return &f
		}
	}
	return nil
}
