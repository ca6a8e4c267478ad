package dataflow

import (
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Format is a named shape of text: field(str, format = "email").
type Format struct {
	Name  string
	Doc   string // what it accepts, for people; also "must be " + Doc in problems
	Check func(string) bool
}

// Formats is the table of formats.
func Formats() []Format { return slices.Clone(formats) }

// FormatNamed returns the format of that name.
func FormatNamed(name string) (Format, bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Each check accepts one spelling only where there are several, so that equal
// values are equal text: "unique" depends on it.
var formats = []Format{
	{"email", "an email address, as ada@example.org", isEmail},
	{"url", "an http or https address, as https://example.org/a", isURL},
	{"uri", "an absolute URI, as urn:isbn:0451450523", isURI},
	{"hostname", "a host name, as api.example.org", isHostname},
	{"ipv4", "an IPv4 address, as 192.0.2.1", func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() }},
	{"ipv6", "an IPv6 address without a zone, as 2001:db8::1", func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is6() && a.Zone() == ""
	}},
	{"phone", "a telephone number in E.164 form, as +442079460000", isPhone},
	{"slug", "lower-case letters, digits and single hyphens, as blue-shirt", isSlug},
	{"country", "a two-letter country code in capitals (ISO 3166-1), as NL", func(s string) bool { return isCapitals(s, 2) }},
	{"currency", "a three-letter currency code in capitals (ISO 4217), as EUR", func(s string) bool { return isCapitals(s, 3) }},
	{"color", "a colour as #rrggbb", isColor},
}

func isEmail(s string) bool {
	if len(s) > 254 || strings.ContainsAny(s, " <>\"()\\,;:") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	local, domain, _ := strings.Cut(s, "@")
	return len(local) <= 64 && strings.Contains(domain, ".") && isHostname(domain)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.ContainsAny(s, " \t\n")
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && !strings.ContainsAny(s, " \t\n")
}

// isHostname follows RFC 1123; letters beyond ASCII belong in punycode.
func isHostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !isAlnum(r) && r != '-' }) {
			return false
		}
	}
	return true
}

func isPhone(s string) bool {
	return len(s) >= 3 && len(s) <= 16 && s[0] == '+' && s[1] != '0' &&
		!strings.ContainsFunc(s[1:], func(r rune) bool { return r < '0' || r > '9' })
}

func isSlug(s string) bool {
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && !strings.Contains(s, "--") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r != '-' && (!isAlnum(r) || r >= 'A' && r <= 'Z') })
}

func isCapitals(s string, n int) bool {
	return len(s) == n && !strings.ContainsFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' })
}

func isColor(s string) bool {
	return len(s) == 7 && s[0] == '#' && !strings.ContainsFunc(s[1:], func(r rune) bool {
		return (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'f')
	})
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
