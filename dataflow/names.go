package dataflow

import (
	"strconv"
	"strings"
	"unicode"
)

// TableName returns the table of a model that names none: the plural of its
// name in snake case, "OrderLine" in "order_lines".
func TableName(model string) string {
	snake := SnakeCase(model)
	i := strings.LastIndexByte(snake, '_') + 1
	return snake[:i] + plural(snake[i:])
}

// SnakeCase writes "OrderLine" as "order_line" and "HTTPLog" as "http_log".
func SnakeCase(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		startsWord := i > 0 && unicode.IsUpper(r) && runes[i-1] != '_' &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if startsWord {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// irregular are the plurals that models are likely to meet.
var irregular = map[string]string{
	"person": "people", "child": "children", "man": "men", "woman": "women",
	"data": "data", "news": "news", "series": "series", "species": "species", "equipment": "equipment",
	"information": "information", "staff": "staff", "sheep": "sheep", "fish": "fish",
	"datum": "data", "medium": "media", "index": "indexes", "quiz": "quizzes", "leaf": "leaves", "shelf": "shelves", "life": "lives", "half": "halves",
}

func plural(noun string) string {
	if p, ok := irregular[noun]; ok {
		return p
	}
	switch {
	case noun == "":
		return noun
	case strings.HasSuffix(noun, "sis"): // analysis
		return strings.TrimSuffix(noun, "is") + "es"
	case hasAnySuffix(noun, "s", "x", "z", "ch", "sh"):
		return noun + "es"
	case strings.HasSuffix(noun, "y") && len(noun) > 1 && !strings.ContainsRune("aeiou", rune(noun[len(noun)-2])):
		return strings.TrimSuffix(noun, "y") + "ies"
	}
	return noun + "s"
}

// Counted says how many there are of what a noun names: "1 row", "2 rows".
func Counted(n int64, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return strconv.FormatInt(n, 10) + " " + noun
}

func hasAnySuffix(s string, suffixes ...string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}
