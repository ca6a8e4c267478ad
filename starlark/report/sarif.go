package report

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// The parts of SARIF 2.1.0 (OASIS) that a scan of one tool has.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Full  sarifText `json:"fullDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
		Fixes     []sarifFix      `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
)

// SARIF writes diags as a log of SARIF 2.1.0 with one run.
func SARIF(w io.Writer, diags []dataflow.Diagnostic) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "flowctl", Rules: []sarifRule{}}
	used := map[string]bool{}
	for i := range diags {
		used[diags[i].Code] = true
		run.Results = append(run.Results, sarifOf(&diags[i]))
	}
	for _, c := range dataflow.Codes() {
		if used[c.Code] {
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{c.Code, sarifText{c.Title}, sarifText{c.Doc}})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifOf(d *dataflow.Diagnostic) sarifResult {
	level := map[dataflow.Severity]string{dataflow.SeverityError: "error", dataflow.SeverityWarning: "warning", dataflow.SeverityInfo: "note"}[d.Severity]
	r := sarifResult{RuleID: d.Code, Level: level, Message: sarifText{d.Message}}
	if d.Hint != "" {
		r.Message.Text += "; " + d.Hint
	}
	if !d.Span.IsZero() {
		r.Locations = []sarifLocation{sarifPlace(d.Span, "")}
	}
	for _, rel := range d.Related {
		if !rel.Span.IsZero() {
			r.Related = append(r.Related, sarifPlace(rel.Span, rel.Message))
		}
	}
	for _, fix := range d.Fixes {
		r.Fixes = append(r.Fixes, sarifMend(fix))
	}
	return r
}

func sarifPlace(s dataflow.Span, message string) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{Artifact: artifact(s.File)}}
	if s.Start.Line > 0 {
		region := regionOf(s)
		l.Physical.Region = &region
	}
	if message != "" {
		l.Message = &sarifText{message}
	}
	return l
}

func regionOf(s dataflow.Span) sarifRegion {
	r := sarifRegion{s.Start.Line, max(s.Start.Col, 1), s.End.Line, s.End.Col}
	if r.EndLine < r.StartLine || r.EndLine == r.StartLine && r.EndColumn < r.StartColumn {
		r.EndLine, r.EndColumn = r.StartLine, r.StartColumn
	}
	return r
}

func artifact(path string) sarifArtifact {
	return sarifArtifact{(&url.URL{Path: strings.TrimPrefix(path, "./")}).EscapedPath()}
}

func sarifMend(fix dataflow.Fix) sarifFix {
	out := sarifFix{Description: sarifText{fix.Message}}
	for _, e := range fix.Edits {
		out.Changes = append(out.Changes, sarifChange{artifact(e.Span.File), []sarifReplacement{{regionOf(e.Span), sarifText{e.New}}}})
	}
	return out
}
