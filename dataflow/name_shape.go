package dataflow

// NameShape says how names of a kind are written: in which characters they
// begin and go on. Where a program starts, a table of them costs nothing,
// which can't be said of regular expressions.
type NameShape struct {
	First Chars
	Rest  Chars
	Most  int // characters; 0: as many as there are
}

// Chars are classes of characters that a name may have.
type Chars uint8

// The classes, all of ASCII.
const (
	Capitals Chars = 1 << iota
	Smalls
	Digits
	Underscore
	Dash
	Dollar
	Space

	Letters = Capitals | Smalls
	Word    = Letters | Digits | Underscore
)

// Fits reports whether a name has the shape. "" never has.
func (n NameShape) Fits(name string) bool {
	if name == "" || n.Most > 0 && len(name) > n.Most {
		return false
	}
	allowed := n.First
	for i := range len(name) {
		if allowed&classOf(name[i]) == 0 {
			return false
		}
		allowed = n.Rest
	}
	return true
}

func classOf(c byte) Chars {
	switch {
	case 'a' <= c && c <= 'z':
		return Smalls
	case 'A' <= c && c <= 'Z':
		return Capitals
	case '0' <= c && c <= '9':
		return Digits
	case c == '_':
		return Underscore
	case c == '-':
		return Dash
	case c == '$':
		return Dollar
	case c == ' ':
		return Space
	}
	return 0
}
