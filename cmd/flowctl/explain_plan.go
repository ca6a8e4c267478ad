package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/spf13/cobra"
)

// planFormats are the forms that a plan is shown in.
var planFormats = map[string]func(*engine.Description) string{
	"text": (*engine.Description).Text, "mermaid": (*engine.Description).Mermaid, "dot": (*engine.Description).DOT,
}

func explainPlanCommand(w *world) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "explain-plan app.star WORKFLOW",
		Short: "Show how a workflow will run",
		Long: `explain-plan shows the plan of a workflow, without opening a database: what
runs before the transaction and side by side, what shares it, and in which
order; whether its runs are durable, why, and in which parts they are kept. As a
diagram it is for Mermaid or Graphviz:

  flowctl explain-plan app.star place_order --format dot | dot -Tsvg > plan.svg`,
		Args: takes("app.star", "WORKFLOW"),
		PreRunE: func(*cobra.Command, []string) error {
			if planFormats[format] == nil {
				return unknown("format", format, []string{"text", "mermaid", "dot"})
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			app, diags := a.load(cmd.Context(), w)
			var plan *engine.Plan
			if !dataflow.HasErrors(diags) {
				var more []dataflow.Diagnostic
				plan, more = engine.NewPlan(app, nodes.Types())
				diags = append(diags, more...)
			}
			if err := a.reportPressing(w, w.err, diags); err != nil || plan == nil {
				return errors.Join(err, exitError(exitFailed))
			}
			d := plan.Describe(args[1])
			if d == nil {
				return unknownWorkflow(app, args[1])
			}
			if _, err := io.WriteString(w.out, planFormats[format](d)); err != nil {
				return fmt.Errorf("write the plan: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, mermaid or dot")
	return cmd
}

func unknownWorkflow(app *dataflow.App, name string) error {
	var names []string
	for _, wf := range app.Workflows {
		names = append(names, wf.Name)
	}
	slices.Sort(names)
	hint := dataflow.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = "the app has " + strings.Join(names, ", ")
	}
	return &usageError{fmt.Sprintf("there is no workflow %q", name), hint}
}
