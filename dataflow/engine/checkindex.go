package engine

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// checkIndexes checks which rows the indexes of a model are over.
func (p *planner) checkIndexes(m *dataflow.Model) {
	for _, ix := range m.Indexes {
		if ix.Where == nil {
			continue
		}
		_, problems := query.ParseIndex(m, ix.Where, "")
		for _, problem := range problems {
			at := ix.Spans.Key(problem.Pointer)
			if at.IsZero() {
				at = ix.Span
			}
			p.diags = append(p.diags, dataflow.Diagnostic{Code: "FC264", Severity: dataflow.SeverityError, Span: at,
				Message: fmt.Sprintf("where of an index of %s: %s", m.Name, problem.Detail), Hint: problem.Hint})
		}
	}
}
