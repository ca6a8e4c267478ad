package main

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

func checkCommand(w *world) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "check app.star",
		Short: "Find what is wrong with an app, without running it",
		Long: `check loads the app and reports everything that can be found without touching
a database or a network.

Exit code 0: nothing wrong (there may be warnings). 1: errors. 2: the command
or the file could not be read.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return &usageError{fmt.Sprintf("unknown format %q", format), "the formats are text and json"}
			}
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			app, diags := a.load(cmd.Context(), w)
			if app != nil {
				diags = append(diags, nexus.Check(app, a.options(w, false))...)
			}
			return a.reportCheck(w, app, dataflow.SortDiagnostics(diags), format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// reportCheck writes what check was asked for.
func (a *appFile) reportCheck(w *world, app *dataflow.App, diags []dataflow.Diagnostic, format string) error {
	if format == "json" {
		if err := report.JSON(w.out, diags); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	} else {
		if err := a.report(w, w.out, diags); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if !dataflow.HasErrors(diags) {
			fmt.Fprintf(w.out, "%s: no errors in %s\n", a.display+a.base, inventory(app))
		}
	}
	if dataflow.HasErrors(diags) {
		return exitError(exitFailed)
	}
	return nil
}

// inventory counts what an app declares, so that a check of an empty file is
// not taken for one of an app.
func inventory(app *dataflow.App) string {
	return fmt.Sprintf("%s, %s, %s",
		plural(len(app.Databases), "database"), plural(len(app.Models()), "model"), plural(len(app.Workflows), "workflow"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
