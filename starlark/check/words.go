package check

import "strings"

// Names of fields, parameters and variables are told by their words, which
// stand apart by a line or a dash. Case does not count.

// endsIn reports whether a name ends in one of the endings, as words of their
// own: "smtp_password", not "nopassword".
func endsIn(name string, endings ...string) bool {
	for _, e := range endings {
		if at := len(name) - len(e); at >= 0 && (at == 0 || isBetween(name[at-1])) && sameWords(name[at:], e) {
			return true
		}
	}
	return false
}

// hasWord reports whether one of the words, or its plural, stands in a name.
func hasWord(name string, words ...string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '_' }) {
		for _, w := range words {
			if strings.EqualFold(part, w) || strings.EqualFold(part, w+"s") {
				return true
			}
		}
	}
	return false
}

func isBetween(c byte) bool { return c == '_' || c == '-' }

// sameWords is strings.EqualFold for names, of which "api-key" is "api_key".
func sameWords(a, b string) bool {
	return strings.EqualFold(a, b) || strings.EqualFold(strings.ReplaceAll(a, "-", "_"), b)
}
