package main

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark/lsp"
	"github.com/flowctl/flowctl/stdlib"
	"github.com/spf13/cobra"
)

func lspCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "lsp",
		Short: "Talk to an editor on standard input and output",
		Long: `lsp speaks the Language Server Protocol on standard input and output. Editors
start it themselves: docs/editors.md says how to tell yours.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lsp.Serve(cmd.Context(), w.in, w.out, lsp.Options{
				Version: thisBuild().Version,
				Env:     w.env,
				Modules: stdlib.Modules(), Library: library(),
				Outline: func(app *dataflow.App, ws []*dataflow.Workflow) *dataflow.Outline {
					return engine.NewOutline(app, nodes.Types(), ws)
				},
				Plan: func(app *dataflow.App, dir string) []dataflow.Diagnostic {
					return nexus.Check(app, nexus.Options{Version: thisBuild().Version, Dir: dir, Env: w.env, Logger: w.logger(false)})
				},
			})
			if err != nil {
				return fmt.Errorf("serve the editor: %w", err)
			}
			return nil
		},
	}
}

// library is what an editor shows of the modules.
func library() []lsp.Module {
	var out []lsp.Module
	for _, m := range stdlib.Table() {
		module := lsp.Module{Name: m.LoadName(), Doc: m.Doc}
		for _, f := range m.Public() {
			shown := lsp.Function{Name: f.Name, Params: f.Params, Value: f.IsConstant(), Doc: f.Doc}
			if len(f.Examples) > 0 {
				shown.Example = f.Examples[0].Expr + "  # " + f.Examples[0].Result
			}
			module.Functions = append(module.Functions, shown)
		}
		out = append(out, module)
	}
	return out
}
