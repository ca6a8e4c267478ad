package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// Whole is Preview of a database in which there is nothing yet. It needs no
// connection.
func (r *Runner) Whole() (*Preview, []dataflow.Diagnostic) {
	if ds := r.unmanaged(); ds != nil {
		return nil, ds
	}
	p, err := NewPlan(&Schema{}, Desired(r.models(), r.DB.Engine()), nil, nil, noRows{}, nil)
	if err != nil {
		return nil, []dataflow.Diagnostic{r.DB.Failure(context.Background(), err)}
	}
	return &Preview{Steps: Show(r.DB, p.Steps)}, p.Diagnostics
}

// OwnFunction is a function that an engine adds to the connection that
// migrates: statements with it are for flowctl alone.
const OwnFunction = "flow_convert"

// Portable finds the steps that another program can't run.
func (r *Runner) Portable(p *Preview) (ds []dataflow.Diagnostic) {
	for _, s := range p.Steps {
		own := func(sql string) bool { return strings.Contains(sql, OwnFunction+"(") }
		if slices.ContainsFunc(s.SQL, own) || slices.ContainsFunc(s.Reverse, own) {
			ds = append(ds, dataflow.Diagnostic{Code: "FC627", Severity: dataflow.SeverityError, Span: r.Database.URLSpan(),
				Message: fmt.Sprintf("%q takes a function that only flowctl has", s.Step),
				Hint:    "apply it with: flowctl migrate apply"})
		}
	}
	return ds
}

// noRows is the Data of a database without tables.
type noRows struct{}

func (noRows) Rows(string) (int64, error)                                   { return 0, nil }
func (noRows) Nulls(_, _ string) (int64, error)                             { return 0, nil }
func (noRows) Outside(_, _ string, _ *Column) (int64, error)                { return 0, nil }
func (noRows) Matching(string, *query.Condition) (int64, error)             { return 0, nil }
func (noRows) Dangling(_, _, _, _ string) (int64, error)                    { return 0, nil }
func (noRows) Values(string, *Column, func(v any)) error                    { return nil }
func (noRows) Duplicates(string, []string, *query.Condition) (int64, error) { return 0, nil }
