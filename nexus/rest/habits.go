package rest

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow/query"
)

// habit tells what to write for a parameter that is none here, and is elsewhere:
// select, order, page, or a comparison as others have it. It is "" for others.
func (p *params) habit(name, value string) string {
	switch strings.ToLower(strings.TrimLeft(name, "$_")) {
	case "select", "field", "columns", "attributes":
		return "fields=… picks what is shown"
	case "order", "order_by", "orderby", "ordering", "sort_by", "sortby":
		return "sort=-created_at,id sorts"
	case "per_page", "perpage", "page_size", "pagesize", "size", "top", "first":
		return "limit=… is the length of a page"
	case "page", "skip", "start", "after", "page_token":
		return "cursor=… goes on from next_cursor of the page before; offset=… passes over rows"
	case "include", "embed", "populate", "with", "relations":
		return "expand=… returns other rows along"
	case "q", "query":
		if p.sight.Searches(p.m) {
			return "search=… looks for words"
		}
	case "where":
		return "filter={…} takes conditions as JSON"
	}
	return p.comparison(name, value)
}

// comparison tells how one is written that came as other servers have it:
// total=gt.9, total.gt=9, total__gt=9, total_gt=9, total>9, filter[total][_gt]=9. It is ""
// for what is none.
func (p *params) comparison(name, value string) string {
	for _, form := range comparisons(name, value) {
		path, op, operand := form[0], "$"+strings.TrimLeft(form[1], "$_"), form[2]
		f := p.fieldAt(path)
		if f == nil || len(operand) > 40 {
			continue
		}
		if slices.ContainsFunc(query.Ops(f.Type), func(o query.Op) bool { return o.String() == op }) {
			return "write " + path + "[" + op + "]=" + operand
		}
	}
	return ""
}

// comparisons lists what a parameter may mean, as path, operator and operand.
func comparisons(name, value string) (forms [][3]string) {
	for _, sep := range []string{"__", "_", "."} {
		if i := strings.LastIndex(name, sep); i > 0 {
			forms = append(forms, [3]string{name[:i], name[i+len(sep):], value})
		}
	}
	if inner, ok := strings.CutPrefix(name, "filter["); ok {
		if path, op, ok := strings.Cut(strings.TrimSuffix(inner, "]"), "]["); ok {
			forms = append(forms, [3]string{path, op, value})
		}
	}
	for _, sep := range []string{".", ":"} {
		if op, operand, ok := strings.Cut(value, sep); ok {
			forms = append(forms, [3]string{name, op, operand})
		}
	}
	for _, sign := range [][3]string{{">", "gte", "gt"}, {"<", "lte", "lt"}, {"!", "ne", ""}} {
		path, operand, ok := strings.Cut(name, sign[0])
		switch {
		case ok && operand == "": // total>=9: the sign of equality parted the two
			forms = append(forms, [3]string{path, sign[1], value})
		case ok && value == "":
			forms = append(forms, [3]string{path, sign[2], operand})
		}
	}
	return forms
}
