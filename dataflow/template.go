package dataflow

import (
	"strconv"
	"strings"
)

// ParseTemplate reads the references in a string. It returns the string
// itself if there are none ("$${" stands for a literal "${"), a Ref if the
// whole string is one, else a *Template. at gives the place of the string's
// bytes [from, to), for the spans of references and problems.
func ParseTemplate(s string, at func(from, to int) Span) (any, []Diagnostic) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var parts []any
	var diags []Diagnostic
	var text strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			text.WriteString("${")
			i += 3
		case strings.HasPrefix(s[i:], "${"):
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return s, append(diags, Diagnostic{Code: "FC310", Severity: SeverityError, Span: at(i, len(s)),
					Message: `a reference that starts with "${" has no closing "}"`,
					Hint:    `close it, as "${input.name}", or write "$${" for the characters themselves`})
			}
			if text.Len() > 0 {
				parts = append(parts, text.String())
				text.Reset()
			}
			span := at(i, i+end+1)
			ref, diag := ParseRef(s[i+2:i+end], span)
			if diag != nil {
				diags = append(diags, *diag)
			}
			parts = append(parts, ref)
			i += end + 1
		default:
			text.WriteByte(s[i])
			i++
		}
	}
	if text.Len() > 0 {
		parts = append(parts, text.String())
	}
	if len(parts) == 1 {
		return parts[0], diags // one reference, or text whose "${" were all escaped
	}
	return &Template{Parts: parts, Span: at(0, len(s))}, diags
}

// ParseRef reads the inside of "${…}": a root, then names and [indexes].
func ParseRef(s string, span Span) (Ref, *Diagnostic) {
	ref := Ref{Span: span}
	bad := func(why string) (Ref, *Diagnostic) {
		return Ref{Root: RootUnknown, Span: span}, &Diagnostic{Code: "FC310", Severity: SeverityError, Span: span,
			Message: "the reference ${" + s + "} can't be read: " + why,
			Hint:    `write "${input.name}", "${node.output}", "${node.list[0].name}", "${env.NAME}" or "${ctx.user.id}"`}
	}
	root, rest, _ := cutName(strings.TrimSpace(s))
	if root == "" {
		return bad("it does not start with a name")
	}
	switch root {
	case "input":
		ref.Root = RootInput
	case "env":
		ref.Root = RootEnv
	case "ctx":
		ref.Root = RootCtx
	default:
		ref.Root, ref.Node = RootNode, root
	}
	for rest != "" {
		if rest[0] == '[' {
			end := strings.IndexByte(rest, ']')
			n, err := strconv.Atoi(rest[1:max(end, 1)])
			if end < 0 || err != nil || n < 0 {
				return bad("an index is a whole number in brackets")
			}
			ref.Path = append(ref.Path, Step{Index: n})
			rest = rest[end+1:]
			continue
		}
		if rest[0] != '.' {
			return bad("a name or an index must follow a point or a bracket")
		}
		name, after, ok := cutName(rest[1:])
		if !ok {
			return bad("a point must be followed by a name")
		}
		ref.Path = append(ref.Path, Step{Name: name})
		rest = after
	}
	if ref.Root != RootNode && ref.Root != RootInput && len(ref.Path) == 0 {
		return bad(root + " needs a name behind it")
	}
	return ref, nil
}

// cutName splits off a leading name: letters, digits, "_" and "-".
func cutName(s string) (name, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i] == '-' || s[i] >= '0' && s[i] <= '9' ||
		s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= 0x80) {
		i++
	}
	return s[:i], s[i:], i > 0
}

// String renders the reference as app.star writes it.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString("${")
	switch r.Root {
	case RootInput:
		b.WriteString("input")
	case RootEnv:
		b.WriteString("env")
	case RootCtx:
		b.WriteString("ctx")
	case RootNode:
		b.WriteString(r.Node)
	}
	for _, st := range r.Path {
		if st.Name == "" {
			b.WriteString("[" + strconv.Itoa(st.Index) + "]")
		} else {
			b.WriteString("." + st.Name)
		}
	}
	b.WriteString("}")
	return b.String()
}
