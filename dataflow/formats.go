package dataflow

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// Format is a named form of text that a field can ask for.
type Format struct {
	Name  string
	Doc   string // what a value must be, as in "must be …"
	Match func(string) bool
}

// Formats is the table of formats, for field(str, format = …).
func Formats() []Format { return formats }

var formats = []Format{
	{"email", "an email address, as name@example.com", isEmail},
	{"url", "an absolute http or https URL", isURL},
	{"uri", "an absolute URI", isURI},
	{"hostname", "a host name, as example.com", isHostname},
	{"ipv4", "an IPv4 address", isIPv4},
	{"ipv6", "an IPv6 address", isIPv6},
	{"cidr", "a network, as 10.0.0.0/8", isCIDR},
	{"phone", "a phone number in international form, as +442071838750", isPhone},
	{"slug", "a slug: lower-case letters, digits and single hyphens", isSlug},
	{"identifier", "an identifier: letters, digits and _, not starting with a digit", isIdentifier},
	{"country", "a country code of two capital letters, as DE", func(s string) bool { return isCapitals(s, 2) }},
	{"currency", "a currency code of three capital letters, as EUR", func(s string) bool { return isCapitals(s, 3) }},
	{"color", "a colour, as #1a2b3c", isColor},
}

// FormatNames lists the names of the formats, for suggestions.
func FormatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// MatchFormat reports whether s has the format of that name. No text has a
// format that does not exist.
func MatchFormat(name, s string) bool {
	for _, f := range formats {
		if f.Name == name {
			return f.Match(s)
		}
	}
	return false
}

// FormatDoc says what a value of the format must be, as in "must be …".
func FormatDoc(name string) string {
	for _, f := range formats {
		if f.Name == name {
			return f.Doc
		}
	}
	return "in the format " + name
}

// isEmail takes the addresses that people have: no comments, no quoted local
// parts, a domain with a dot in it, at most 254 bytes in all (RFC 5321).
func isEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if local[0] == '.' || local[at-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		if r <= ' ' || strings.ContainsRune("()<>[]:;@\\,\"\x7f", r) || unicode.IsSpace(r) {
			return false
		}
	}
	return strings.Contains(domain, ".") && isDomain(domain)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && noSpace(s)
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Path != "" || u.Opaque != "") && noSpace(s)
}

func noSpace(s string) bool { return strings.IndexFunc(s, unicode.IsSpace) < 0 }

// isHostname takes names of ASCII labels (RFC 1123).
func isHostname(s string) bool {
	return isDomain(s) && strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// isDomain takes internationalised names too.
func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return false
			}
		}
	}
	return true
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

func isCIDR(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// isPhone takes E.164: a plus and 7 to 15 digits, the first not zero.
func isPhone(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && all(digits, isDigit)
}

func isSlug(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' || strings.Contains(s, "--") {
		return false
	}
	return all(s, func(b byte) bool { return b == '-' || isDigit(b) || b >= 'a' && b <= 'z' })
}

func isIdentifier(s string) bool {
	return s != "" && !isDigit(s[0]) && all(s, func(b byte) bool {
		return b == '_' || isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'z'
	})
}

func isCapitals(s string, n int) bool {
	return len(s) == n && all(s, func(b byte) bool { return b >= 'A' && b <= 'Z' })
}

func isColor(s string) bool {
	digits, ok := strings.CutPrefix(s, "#")
	return ok && len(digits) == 6 && all(digits, func(b byte) bool {
		return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f'
	})
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
