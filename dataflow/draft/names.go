package draft

import (
	"strings"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
)

var plain = dataflow.NameShape{First: dataflow.Letters, Rest: dataflow.Word}

// fieldName makes a name of a column's. asIs keeps one that can be.
func fieldName(column string, asIs bool) string {
	if asIs && plain.Fits(column) {
		return column
	}
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '_' {
			return r
		}
		return '_'
	}, column)
	if strings.ToUpper(name) == name {
		name = strings.ToLower(name)
	}
	name = strings.Trim(dataflow.SnakeCase(name), "_")
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	if !plain.Fits(name) {
		name = "f_" + name
	}
	return name
}

// modelName makes the name of a row from that of its table.
func modelName(table string) string {
	words := strings.Split(fieldName(table, false), "_")
	words[len(words)-1] = singular(words[len(words)-1])
	var b strings.Builder
	for _, word := range words {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	name := b.String()
	if strings.HasSuffix(name, "Bulk") || fixed[name] { // its nodes would be another model's; its variable would hide what the file needs
		name += "Row"
	}
	return name
}

// fixed are the names of the language that begin as those of models do.
var fixed = map[string]bool{"DataFlow": true, "Nexus": true, "WorkflowBuilder": true, "True": true, "False": true, "None": true}

var singulars = map[string]string{"people": "person", "children": "child", "men": "man", "women": "woman", "leaves": "leaf", "shelves": "shelf",
	"lives": "life", "halves": "half", "media": "medium", "quizzes": "quiz", "indexes": "index", "movies": "movie", "cookies": "cookie"}

// singular is the inverse of the plural that tables have, where there is one.
func singular(noun string) string {
	if dataflow.TableName(noun) == noun { // news
		return noun
	}
	candidates := []string{singulars[noun]}
	if stem, ok := strings.CutSuffix(noun, "ies"); ok {
		candidates = append(candidates, stem+"y")
	}
	if stem, ok := strings.CutSuffix(noun, "ses"); ok && strings.HasSuffix(stem, "y") { // analyses
		candidates = append(candidates, stem+"sis")
	}
	for _, end := range []string{"x", "z", "ch", "sh", "ss", "tus", "rus", "nus", "bus", "cus", "ius"} {
		if stem, ok := strings.CutSuffix(noun, "es"); ok && strings.HasSuffix(stem, end) {
			candidates = append(candidates, stem)
		}
	}
	candidates = append(candidates, strings.TrimSuffix(noun, "s"))
	for _, c := range candidates {
		if c != "" && c != noun && dataflow.TableName(c) == noun {
			return c
		}
	}
	return noun
}
