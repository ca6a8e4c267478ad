package main

import (
	"errors"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/spf13/cobra"
)

func openapiCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "openapi app.star",
		Short: "Print the OpenAPI document of an app",
		Long: `openapi prints the document that the app serves at /openapi.json, without
opening a database.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			app, diags := a.load(cmd.Context(), w)
			var text []byte
			if !dataflow.HasErrors(diags) {
				var more []dataflow.Diagnostic
				text, more = nexus.Document(app, a.options(w, false))
				diags = append(diags, more...)
			}
			if err := a.reportPressing(w, w.err, diags); err != nil || text == nil {
				return errors.Join(err, exitError(exitFailed))
			}
			return printJSON(w, text)
		},
	}
}
