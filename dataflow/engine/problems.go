package engine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// place finds where a problem with a node's config came from. If the caller
// gave that part as it is, through "${input.x}", the problem points to the
// caller's input. Otherwise the file made it: the pointer is "", the whole
// input, the detail names the part of the node, and the span says where that
// is written.
func (f *frame) place(n *nodePlan, p dataflow.Problem) (dataflow.Problem, dataflow.Span) {
	span := n.spanOf(p.Pointer)
	parts := splitPointer(p.Pointer)
	var v any = n.raw
	for i := 0; ; i++ {
		if ref, ok := v.(dataflow.Ref); ok {
			if ref.Root == dataflow.RootInput {
				p.Pointer = refPointer(ref) + joinPointer(parts[i:])
				return p, span
			}
			break
		}
		if i == len(parts) {
			break
		}
		next, ok := childOf(v, parts[i])
		if !ok {
			break
		}
		v = next
	}
	p.Detail = n.node.ID + partName("", p.Pointer) + ": " + p.Detail
	p.Pointer = ""
	return p, span
}

func childOf(v any, part string) (any, bool) {
	switch v := v.(type) {
	case *dataflow.Object:
		return v.Get(part)
	case []any:
		i, err := strconv.Atoi(part)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}

func refPointer(ref dataflow.Ref) string {
	var b strings.Builder
	for _, st := range ref.Path {
		b.WriteByte('/')
		if st.Name == "" {
			b.WriteString(strconv.Itoa(st.Index))
		} else {
			b.WriteString(escape(st.Name))
		}
	}
	return b.String()
}

func splitPointer(p string) []string {
	if p == "" {
		return nil
	}
	parts := strings.Split(p[1:], "/")
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	return parts
}

func joinPointer(parts []string) string { return pointer(slices.Clone(parts)) }
