package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

func execCommand(w *world) *cobra.Command {
	var inputs []string
	var tenant string
	cmd := &cobra.Command{
		Use:   "exec app.star WORKFLOW",
		Short: "Run one workflow of an app",
		Long: `exec runs a workflow to its end and prints its outputs as JSON.

  --input qty=2              a value, read by the input's type
  --input note=@note.txt     the content of a file; @- is standard input
  --input @order.json        a JSON object with several inputs
  --input name=@@home        a value that begins with an @

An input by name goes before one in a file.`,
		Args: takes("app.star", "WORKFLOW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			return a.exec(cmd.Context(), w, args[1], inputs, tenant)
		},
	}
	cmd.Flags().StringArrayVar(&inputs, "input", nil, "an input, as name=value, name=@file or @file.json; may be repeated")
	cmd.Flags().StringVar(&tenant, "tenant", "", "on behalf of this tenant")
	return cmd
}

func (a *appFile) exec(ctx context.Context, w *world, name string, inputs []string, tenant string) error {
	ctx, stop := interruptible(ctx, w, "stopping: the run is called off; press Ctrl+C again to stop at once")
	defer stop()
	var values *dataflow.Object
	gen, err := a.build(ctx, w, false, func(app *dataflow.App) error {
		wf, err := findWorkflow(app, a, name)
		if err != nil {
			return err
		}
		values, err = readInputs(w, wf, inputs)
		return a.explain(w, err)
	})
	if err != nil {
		return err
	}
	res, err := gen.Engine().Run(ctx, engine.Request{Workflow: name, Inputs: values, Caller: access.Caller{Tenant: tenant}})
	if cerr := gen.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		if ctx.Err() != nil {
			return exitError(exitInterrupted)
		}
		return a.explain(w, err)
	}
	return printJSON(w, codec.AppendValue(nil, res.Outputs))
}

func findWorkflow(app *dataflow.App, a *appFile, name string) (*dataflow.Workflow, error) {
	names := make([]string, len(app.Workflows))
	for i, wf := range app.Workflows {
		if wf.Name == name {
			return wf, nil
		}
		names[i] = wf.Name
	}
	hint := dataflow.DidYouMean(name, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = "register one with: app.register(\"" + name + "\", workflow.build())"
	case len(names) <= shownAtMost:
		hint = "its workflows are " + join(names)
	default:
		hint = "see its workflows with: flowctl openapi " + a.display + a.base
	}
	return nil, &usageError{fmt.Sprintf("%s has no workflow %q", a.display+a.base, name), hint}
}

// explain tells the user of a failed run, with the place that caused it.
func (a *appFile) explain(w *world, err error) error {
	e, ok := asDataflowError(err)
	if !ok {
		return err
	}
	if e.Code == "internal" && e.Err != nil { // which says nothing of itself
		w.logger(false).Error("the run failed", "cause", e.Err.Error())
	}
	if err := report.Failure(w.err, e, a.source, report.Color(w.err, w.env)); err != nil {
		return err
	}
	return exitError(exitFailed)
}

func printJSON(w *world, text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return fmt.Errorf("format the outputs: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.out.Write(b.Bytes())
	return err
}
