package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Select keeps of ds what only and without ask for: codes, or the beginnings
// of codes ("FC2"). An empty only is everything. Errors are always kept.
func Select(ds []dataflow.Diagnostic, only, without []string) []dataflow.Diagnostic {
	begins := func(code string, prefixes []string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(code, p) })
	}
	var out []dataflow.Diagnostic
	for _, d := range ds {
		if d.Severity == dataflow.SeverityError || (len(only) == 0 || begins(d.Code, only)) && !begins(d.Code, without) {
			out = append(out, d)
		}
	}
	return out
}

// UnknownCode returns the first of prefixes that no code begins with, and what
// was probably meant.
func UnknownCode(prefixes []string) (code, hint string) {
	if len(prefixes) == 0 {
		return "", ""
	}
	all := codes()
	for _, p := range prefixes {
		if p == "" || !slices.ContainsFunc(all, func(c string) bool { return strings.HasPrefix(c, p) }) {
			return p, dataflow.DidYouMean(p, all)
		}
	}
	return "", ""
}
