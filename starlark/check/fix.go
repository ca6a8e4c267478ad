package check

import (
	"cmp"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// Fix applies the first fix of each of ds to the texts of sources, those that
// are not safe only if unsafe is set, and returns the texts that changed, by
// path, and how many findings were mended. Of fixes that overlap the first is
// applied; another run mends the rest.
func Fix(sources []Source, ds []dataflow.Diagnostic, unsafe bool) (changed map[string]string, mended int) {
	changed = map[string]string{}
	taken := map[string][]change{}
	texts := map[string]string{}
	for _, s := range sources {
		texts[s.Path] = s.Text
	}
	for i := range ds {
		for _, fix := range ds[i].Fixes {
			if !fix.Safe && !unsafe {
				continue
			}
			if changes, ok := locate(texts, fix.Edits); ok && !overlap(taken, changes) {
				for _, c := range changes {
					taken[c.path] = append(taken[c.path], c)
				}
				mended++
			}
			break
		}
	}
	for path, list := range taken {
		slices.SortStableFunc(list, func(a, b change) int { return cmp.Compare(b.from, a.from) })
		text := texts[path]
		for _, c := range list {
			text = text[:c.from] + c.text + text[c.to:]
		}
		changed[path] = text
	}
	return changed, mended
}

// change replaces the bytes from and to of a file.
type change struct {
	path     string
	from, to int
	text     string
}

// locate finds the edits in the texts; not ok if one lies outside.
func locate(texts map[string]string, edits []dataflow.Edit) ([]change, bool) {
	var out []change
	for _, e := range edits {
		text, ok := texts[e.Span.File]
		from, to := offset(text, e.Span.Start), offset(text, e.Span.End)
		if !ok || from < 0 || to < from {
			return nil, false
		}
		out = append(out, change{e.Span.File, from, to, e.New})
	}
	return out, len(out) > 0
}

func overlap(taken map[string][]change, changes []change) bool {
	return slices.ContainsFunc(changes, func(c change) bool {
		return slices.ContainsFunc(taken[c.path], func(t change) bool {
			return c.from < t.to && t.from < c.to || c.from == t.from
		})
	})
}
