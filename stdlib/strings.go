package stdlib

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	sl "go.starlark.net/starlark"
	"golang.org/x/text/unicode/norm"
)

// maxPad bounds the text that padding builds.
const maxPad = 1 << 16

func stringsMembers() sl.StringDict {
	return dict(
		builtin("pad", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var s, fill string
			var width int
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s, "width", &width, "fill", &fill); err != nil {
				return nil, err
			}
			if utf8.RuneCountInString(fill) != 1 {
				return nil, fmt.Errorf("fill is one character, not %q", fill)
			}
			if width > maxPad {
				return nil, fmt.Errorf("width is at most %d, not %d", maxPad, width)
			}
			return sl.String(strings.Repeat(fill, max(0, width-utf8.RuneCountInString(s)))), nil
		}),
		builtin("length", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var s string
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
				return nil, err
			}
			return sl.MakeInt(utf8.RuneCountInString(s)), nil
		}),
		builtin("first", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var s string
			var n int
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s, "n", &n); err != nil {
				return nil, err
			}
			end := 0
			for ; n > 0 && end < len(s); n-- {
				_, size := utf8.DecodeRuneInString(s[end:])
				end += size
			}
			return sl.String(s[:end]), nil
		}),
		builtin("slug", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var s string
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
				return nil, err
			}
			return sl.String(slug(s)), nil
		}),
	)
}

// slug writes s in lower-case ASCII letters and digits joined by single
// hyphens: "Crème brûlée!" is "creme-brulee". Accents go by the canonical
// decomposition (Unicode UAX #15); letters without one are dropped.
func slug(s string) string {
	var out strings.Builder
	gap := false
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && out.Len() > 0 {
				out.WriteByte('-')
			}
			gap = false
			out.WriteRune(r)
		case !unicode.Is(unicode.Mn, r):
			gap = true
		}
	}
	return out.String()
}
