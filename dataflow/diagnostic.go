package dataflow

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Severity says how bad a Diagnostic is.
type Severity uint8

// The severities. An app with an Error is not served.
const (
	SeverityError Severity = iota
	SeverityWarning
	SeverityInfo
)

// String returns "error", "warning" or "info".
func (s Severity) String() string {
	return [...]string{"error", "warning", "info"}[s]
}

// MarshalJSON writes the severity's name.
func (s Severity) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Diagnostic is one thing to tell the author of an app about it, found before
// or while it is loaded, linked, migrated or started.
type Diagnostic struct {
	Code     string    `json:"code"` // a row of Codes, as "FC201"
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"` // what is wrong, one sentence, no full stop
	Span     Span      `json:"span"`
	Related  []Related `json:"related,omitempty"` // other places that matter
	Hint     string    `json:"hint,omitempty"`    // what to write instead
	Fixes    []Fix     `json:"fixes,omitempty"`
}

// Related is another place that a Diagnostic speaks of.
type Related struct {
	Message string `json:"message"`
	Span    Span   `json:"span"`
}

// Fix is a change to the source that mends a Diagnostic. A safe fix keeps the
// meaning of the app.
type Fix struct {
	Message string `json:"message"`
	Safe    bool   `json:"safe"`
	Edits   []Edit `json:"edits"`
}

// Edit replaces the text at Span.
type Edit struct {
	Span Span   `json:"span"`
	New  string `json:"new"`
}

// HasErrors reports whether any of ds is an error.
func HasErrors(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == SeverityError })
}

// SortDiagnostics orders ds by file, then place, then code, and drops exact
// repetitions. It returns the shortened slice.
func SortDiagnostics(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Span.File, b.Span.File),
			cmp.Compare(a.Span.Start.Line, b.Span.Start.Line),
			cmp.Compare(a.Span.Start.Col, b.Span.Start.Col),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Code == b.Code && a.Span == b.Span && a.Message == b.Message
	})
}
