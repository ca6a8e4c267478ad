package client

import (
	"strings"
	"unicode"
)

// namer gives things names that are not taken: each thing the same name each
// time.
type namer struct {
	taken map[string]bool
	given map[any]string
}

func newNamer(taken string) *namer {
	return &namer{taken: names(taken), given: make(map[any]string)}
}

// of returns the name of a thing, which is what is wanted if that is free.
func (n *namer) of(thing any, want string) string {
	name, ok := n.given[thing]
	if !ok {
		name = unique(want, n.taken)
		n.given[thing] = name
	}
	return name
}

// part is a thing that belongs to a model or a workflow.
type part struct {
	of     any
	suffix string
}

// unique makes a name one that is not taken, and takes it.
func unique(name string, taken map[string]bool) string {
	for taken[name] {
		name += "_"
	}
	taken[name] = true
	return name
}

// names is a set of names that are taken from the start.
func names(list string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}

// words splits a name at underscores, dashes and where capitals begin.
func words(name string) []string {
	var all []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
		}
		word.Reset()
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			end()
		}
		lower = !unicode.IsUpper(r)
		word.WriteRune(r)
	}
	end()
	return all
}

// pascal writes a name as OrderLine.
func pascal(name string) string {
	var b strings.Builder
	for _, w := range words(name) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return leading(b.String(), "N")
}

// camel writes a name as orderLine.
func camel(name string) string {
	p := pascal(name)
	return strings.ToLower(p[:1]) + p[1:]
}

// snake writes a name as order_line.
func snake(name string) string {
	all := words(name)
	for i, w := range all {
		all[i] = strings.ToLower(w)
	}
	return leading(strings.Join(all, "_"), "n_")
}

// leading puts a letter before a name that begins with none.
func leading(name, letter string) string {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return letter + name
	}
	return name
}

// isName reports whether text is a name in all of the languages, if it is not
// a word of theirs.
func isName(text string) bool {
	for i, r := range text {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}
