package check

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// A comment that all but suppresses something does nothing, and looks as if it
// did: another case, another bracket, no colon, a slip, another tool's word.

var (
	// perhaps finds texts that may hold a comment to flowctl at all.
	perhaps = lazyregexp.New(`(?i)#[^\n]*(?:flow|fc\d)`)
	// again is where a comment to flowctl may begin within another.
	again = lazyregexp.New(`(?i)#+\s*(?:flow\w*|ignore|noqa|nolint|disable|suppress)\b`)
	// nearly is a word to somebody, a word that suppresses, codes, and the reason.
	nearly = lazyregexp.New(`(?i)^#[#\s]*(?:([a-z]+(?:[-_ ]?ctl)?)\b[\s:;,.=-]*)??([a-z]+(?:-(?:next-)?line)?)\s*[:=]?\s*[\[({<]?\s*(fc\d+(?:[\s,;|/]+fc\d+)*)\s*[\])}>]?[\s:,;.-]*(.*)$`)
	// bracketed is the form without a code that there is.
	bracketed = lazyregexp.New(`(?i)^#[#\s]*([a-z]+)\b[\s:;,.=-]*([a-z]+)\[`)
	oneCode   = lazyregexp.New(`(?i)fc\d+`)
)

// suppressing are words that suppress, here or in other tools.
var suppressing = []string{"ignore", "ignored", "ignores", "disable", "suppress", "noqa", "nolint", "allow", "skip", "off"}

// nearMiss reports a comment that is almost one that suppresses, or nothing.
func nearMiss(at dataflow.Span, comment string) []dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC902", Severity: dataflow.SeverityWarning, Span: at,
		Message: "the comment to flowctl can't be read, and does nothing", Hint: "write # flowctl: ignore[FC230] why"}
	m := nearly.FindStringSubmatch(comment)
	if m == nil {
		b := bracketed.FindStringSubmatch(comment)
		if b == nil || !meansFlowctl(b[1]) || !suppresses(b[2]) {
			return nil
		}
		return []dataflow.Diagnostic{d}
	}
	if m[1] != "" && !meansFlowctl(m[1]) || !suppresses(m[2]) {
		return nil
	}
	var list []string
	for _, c := range oneCode.FindAllStringSubmatch(m[3], -1) {
		list = append(list, strings.ToUpper(c[0]))
	}
	said := strings.TrimRight(fmt.Sprintf("# flowctl: ignore[%s] %s", strings.Join(list, ", "), m[4]), " ")
	d.Hint = "write " + said
	if !slices.ContainsFunc(list, func(c string) bool { return !known(c) }) {
		d.Fixes = []dataflow.Fix{{Message: "write it so that it is read", Safe: true, Edits: []dataflow.Edit{{Span: at, New: said}}}}
	}
	return []dataflow.Diagnostic{d}
}

func meansFlowctl(word string) bool {
	word = strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(word))
	return word == "flowctl" || dataflow.Suggest(word, []string{"flowctl"}) != ""
}

func suppresses(word string) bool {
	word, _, _ = strings.Cut(strings.ToLower(word), "-")
	return slices.Contains(suppressing, word) || dataflow.Suggest(word, suppressing[:1]) != ""
}

// unknownCode reports a code of a suppression that there is none of. What is
// reported of the line is most likely what was meant.
func unknownCode(at dataflow.Span, code string, reported []string) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC902", Severity: dataflow.SeverityWarning, Span: at, Message: fmt.Sprintf("there is no code %q", code)}
	meant := dataflow.Suggest(code, reported)
	if meant == "" {
		meant = dataflow.Suggest(code, codes())
	}
	if meant == "" {
		return d
	}
	hint, fixes := didYouMean(at, meant)
	if d.Hint = hint; slices.Contains(reported, meant) {
		d.Fixes = fixes
	}
	return d
}

func didYouMean(at dataflow.Span, meant string) (string, []dataflow.Fix) {
	return fmt.Sprintf("did you mean %q?", meant),
		[]dataflow.Fix{{Message: "write " + meant, Safe: true, Edits: []dataflow.Edit{{Span: at, New: meant}}}}
}

// within is the place of the bytes from and to of a text that begins at a place
// and is of one line.
func within(at dataflow.Span, text string, from, to int) dataflow.Span {
	start := at.Start.Col
	at.Start.Col = start + utf8.RuneCountInString(text[:from])
	at.End.Line, at.End.Col = at.Start.Line, start+utf8.RuneCountInString(text[:to])
	return at
}
