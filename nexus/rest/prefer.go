package rest

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/nexus/front"
)

// prefer is what a Prefer header asks for (RFC 7240). Preferences we don't know
// are passed over, as the RFC has it; those honoured are named in
// Preference-Applied.
type prefer struct {
	minimal, representation bool
	count                   bool
	rollback                bool  // do everything but keep nothing
	maxAffected             int64 // -1: any number
}

func preferences(x *front.Exchange) prefer {
	p := prefer{maxAffected: -1}
	for _, line := range x.Request.Header["Prefer"] {
		for part := range strings.SplitSeq(line, ",") {
			part, _, _ = strings.Cut(part, ";") // parameters of a preference: none is known
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			p.set(strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return p
}

func (p *prefer) set(name, value string) {
	switch name {
	case "return": // the first of one name counts
		if !p.minimal && !p.representation {
			p.minimal, p.representation = value == "minimal", value == "representation"
		}
	case "count":
		p.count = value == "exact"
	case "tx":
		p.rollback = value == "rollback"
	case "max-affected":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			p.maxAffected = n
		}
	}
}

// applied words a Preference-Applied header. Each kind of request names what
// it looks at.
func applied(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

func (p prefer) returned() string {
	switch {
	case p.minimal:
		return "return=minimal"
	case p.representation:
		return "return=representation"
	}
	return ""
}

func (p prefer) tx() string {
	if p.rollback {
		return "tx=rollback"
	}
	return ""
}

func (p prefer) affected() string {
	if p.maxAffected >= 0 {
		return "max-affected=" + strconv.FormatInt(p.maxAffected, 10)
	}
	return ""
}

// respondAsync is the preference for an answer before the work is done (RFC
// 7240, 4.1).
const respondAsync = "respond-async"

// prefersAsync reports whether a Prefer header has it.
func prefersAsync(line string) bool {
	for part := range strings.SplitSeq(line, ",") {
		name, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), respondAsync) {
			return true
		}
	}
	return false
}
