package engine

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
)

// checkOp checks what an operation's spec can't say of its config: filters,
// sorts and names of fields, and which parameters go together.
func (w *wfPlanner) checkOp(n *nodePlan) {
	m := n.op.op.Model
	if n.op.op.Kind == dataflow.OpAggregate {
		w.checkAggregate(n)
		w.checkSearch(n)
		if filter, ok := n.raw.Get("filter"); ok {
			w.filterRefs(n, m, filter, "/filter")
		}
		return
	}
	for _, part := range []struct {
		name  string
		check func(*dataflow.Model, any, string) []dataflow.Problem
	}{
		{"filter", query.ParseStatic},
		{"sort", query.ParseSortStatic},
		{"conflict_on", query.ParseFieldsStatic},
		{"fields", access.CheckFields},
		{"expand", access.CheckExpand},
	} {
		v, given := n.raw.Get(part.name)
		if !given || n.spec.Param(part.name) == nil || part.name == "fields" && n.op.op.Kind.Writes() {
			continue
		}
		for _, p := range part.check(m, v, "/"+part.name) {
			w.errorf("FC306", n.keySpanOf(p.Pointer), "%s: %s", part.name, p.Detail).Hint = p.Hint
		}
	}
	w.checkSearch(n)
	if filter, ok := n.raw.Get("filter"); ok && n.spec.Param("filter") != nil {
		w.filterRefs(n, m, filter, "/filter")
	}
	switch n.op.op.Kind {
	case dataflow.OpRead, dataflow.OpUpdate, dataflow.OpDelete:
		w.oneTarget(n)
	case dataflow.OpBulkUpdate, dataflow.OpBulkDelete:
		w.bulkTarget(n)
	case dataflow.OpUpsert:
		w.checkWhere(n, m)
	}
	for _, changes := range []string{"fields", "update"} {
		if n.op.op.Kind.Writes() {
			w.checkImmutable(n, m, changes)
		}
	}
}

// checkSearch checks a search that is written out.
func (w *wfPlanner) checkSearch(n *nodePlan) {
	v, given := n.raw.Get("search")
	if !given || n.spec.Param("search") == nil {
		return
	}
	for _, p := range query.ParseSearchStatic(n.op.op.Model, v, "/search") {
		w.errorf("FC306", n.spanOf(p.Pointer), "search: %s", p.Detail).Hint = p.Hint
	}
}

// oneTarget checks that the row is named, one way.
func (w *wfPlanner) oneTarget(n *nodePlan) {
	id, filter := n.raw.Has("id"), n.raw.Has("filter")
	switch {
	case n.node.Spans.Refused("/config"):
	case id && filter:
		w.errorf("FC305", n.keySpanOf("/filter"), "%s takes an id or a filter, not both", n.spec.Name).Hint = "keep one of them"
	case !id && !filter:
		w.errorf("FC304", partSpan(n.node, "/config"), `%s needs "id" or "filter"`, n.spec.Name).
			Hint = fmt.Sprintf(`say which row: {"id": "${input.id}"} in the config of %s`, n.node.ID)
	}
}

func (w *wfPlanner) bulkTarget(n *nodePlan) {
	for _, name := range []string{"filter", "ids", "data", "confirm_all"} {
		if n.raw.Has(name) || n.node.Spans.Refused("/config") {
			return
		}
	}
	w.errorf("FC304", partSpan(n.node, "/config"), "%s says of no rows which they are", n.spec.Name).
		Hint = `give it a filter or ids, or {"confirm_all": True} if it is really every row`
}

// checkWhere checks the values that an upsert finds its row by.
func (w *wfPlanner) checkWhere(n *nodePlan, m *dataflow.Model) {
	v, _ := n.raw.Get("where")
	where, ok := v.(*dataflow.Object)
	if !ok {
		return
	}
	for name, v := range where.All {
		ptr := "/where/" + escape(name)
		f := m.Field(name)
		if f == nil {
			w.errorf("FC306", n.keySpanOf(ptr), "where: %s has no field %q", m.Name, name).
				Hint = dataflow.NearOrAll(name, dataflow.RecordOf(m).AttrNames())
			continue
		}
		w.checkPart(n, f, v, ptr)
	}
	if where.Len() == 0 {
		w.errorf("FC304", n.spanOf("/where"), "where names no field").Hint = `write {"where": {"email": "${input.email}"}, …}`
	}
}

// checkImmutable reports changes to fields that are fixed once a row exists.
func (w *wfPlanner) checkImmutable(n *nodePlan, m *dataflow.Model, param string) {
	v, _ := n.raw.Get(param)
	changes, ok := v.(*dataflow.Object)
	if !ok {
		return
	}
	for name := range changes.All {
		if f := m.Field(name); f != nil && f.Immutable {
			d := w.errorf("FC305", n.keySpanOf("/"+param+"/"+escape(name)), "%s.%s is immutable: it is given when the row is created", m.Name, name)
			d.Hint = "leave it out, or drop immutable from the field"
			d.Related = []dataflow.Related{{Message: "the field", Span: f.Span}}
		}
	}
}

// filterRefs checks the types of references that a filter compares fields
// with. Names and operators have been checked; what is wrong with them is
// passed over here.
func (w *wfPlanner) filterRefs(n *nodePlan, m *dataflow.Model, v any, ptr string) {
	o, ok := v.(*dataflow.Object)
	if !ok {
		return
	}
	for name, v := range o.All {
		at := ptr + "/" + escape(name)
		switch name {
		case "$and", "$or":
			list, _ := v.([]any)
			for i, part := range list {
				w.filterRefs(n, m, part, at+"/"+itoa(i))
			}
		case "$not":
			w.filterRefs(n, m, v, at)
		default:
			if f := fieldAt(m, name); f != nil {
				w.comparedRefs(n, f, v, at)
			}
		}
	}
}

// fieldAt follows a path of references to a field; nil if there is none.
func fieldAt(m *dataflow.Model, path string) *dataflow.Field {
	for {
		name, rest, more := strings.Cut(path, ".")
		f := m.Field(name)
		if f == nil || !more {
			return f
		}
		if f.Type.Kind != dataflow.KindRef {
			return nil
		}
		m, path = f.Type.Model, rest
	}
}

// comparedRefs checks what stands below a field of a filter.
func (w *wfPlanner) comparedRefs(n *nodePlan, f *dataflow.Field, v any, ptr string) {
	o, ok := v.(*dataflow.Object)
	if !ok {
		w.checkRefPart(n, f, v, ptr)
		return
	}
	for op, v := range o.All {
		at := ptr + "/" + escape(op)
		if op == "$not" {
			w.comparedRefs(n, f, v, at)
			continue
		}
		want := &dataflow.Field{Name: f.Name + " " + op, Type: operandType(f.Type, op)}
		list, ok := v.([]any)
		if !ok {
			w.checkRefPart(n, want, v, at)
			continue
		}
		for i, item := range list {
			w.checkRefPart(n, f, item, at+"/"+itoa(i))
		}
	}
}

// operandType returns what an operator compares a field of type t with.
func operandType(t *dataflow.Type, op string) *dataflow.Type {
	switch op {
	case "$in", "$nin", "$between":
		return dataflow.ListOf(t)
	case "$exists", "$null":
		return dataflow.Bool
	case "$contains":
		if t.Kind == dataflow.KindList {
			return t.Elem
		}
		return dataflow.String
	case "$like", "$ilike", "$startswith", "$endswith", "$regex":
		return dataflow.String
	}
	return t
}

// checkRefPart is checkPart for a reference; constants have been checked.
func (w *wfPlanner) checkRefPart(n *nodePlan, f *dataflow.Field, v any, ptr string) {
	if ref, ok := v.(dataflow.Ref); ok {
		w.checkPart(n, f, ref, ptr)
	}
}
