package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

func execCommand(w *world) *cobra.Command {
	var inputs []string
	var tenant string
	var roles []string
	cmd := &cobra.Command{
		Use:   "exec app.star WORKFLOW",
		Short: "Run one workflow of an app",
		Long: `exec runs a workflow to its end and prints its outputs as JSON.

  --input qty=2              a value, read by the input's type
  --input note=@note.txt     the content of a file; @- is standard input
  --input @order.json        a JSON object with several inputs
  --input name=@@home        a value that begins with an @

An input by name goes before one in a file.

Whoever runs the command is trusted. Where the app asks who calls, the key or
token in FLOWCTL_API_KEY says who it is instead, and --as tries out what access
rules let somebody do.`,
		Args: takes("app.star", "WORKFLOW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			return a.exec(cmd.Context(), w, args[1], inputs, tenant, roles)
		},
	}
	cmd.Flags().StringArrayVar(&inputs, "input", nil, "an input, as name=value, name=@file or @file.json; may be repeated")
	cmd.Flags().StringVar(&tenant, "tenant", "", "on behalf of this tenant")
	cmd.Flags().StringSliceVar(&roles, "as", nil, "as somebody who has these roles and no others, where the app asks who calls")
	return cmd
}

func (a *appFile) exec(ctx context.Context, w *world, name string, inputs []string, tenant string, roles []string) error {
	ctx, stop := interruptible(ctx, w, "stopping: the run is called off; press Ctrl+C again to stop at once")
	defer stop()
	var values *dataflow.Object
	gen, err := a.open(ctx, w, func(app *dataflow.App) error {
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
	caller, err := callerOf(ctx, w, gen, tenant, roles)
	if err == nil && !caller.Operator {
		err = access.MayStart(caller, gen.Engine().Plan().Workflow(name))
	}
	if err != nil {
		return errors.Join(a.explain(w, err), gen.Close())
	}
	if gen.Engine().Plan().Durable(name) {
		return a.execDurable(ctx, w, gen, durable.Begin{Workflow: name, Inputs: values, Caller: caller})
	}
	res, err := gen.Engine().Run(ctx, engine.Request{Workflow: name, Inputs: values, Caller: caller})
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

// execDurable runs a durable workflow as far as it goes: one that comes to rest
// is gone on with by a process that serves the app.
func (a *appFile) execDurable(ctx context.Context, w *world, gen *nexus.Generation, b durable.Begin) error {
	r, _, err := gen.Runs().Begin(ctx, b)
	if cerr := gen.Close(); err == nil && cerr != nil {
		err = cerr
	}
	switch {
	case err != nil:
		return a.explain(w, err)
	case r.Status == durable.Completed:
		return printJSON(w, codec.AppendValue(nil, r.Output))
	case r.Error != nil && r.Status.Ended():
		err := a.explain(w, r.Error)
		fmt.Fprintf(w.err, "\nthe run %s is kept; see what it did with: flowctl runs show %s%s %s\n", r.ID, a.display, a.base, r.ID)
		return err
	}
	fmt.Fprintf(w.err, "the run %s is %s", r.ID, r.Status)
	if r.Reason != "" {
		fmt.Fprintf(w.err, " for %s", r.Reason)
	}
	fmt.Fprintf(w.err, "; see it with: flowctl runs show %s%s %s\n", a.display, a.base, r.ID)
	if ctx.Err() != nil {
		return exitError(exitInterrupted)
	}
	return nil
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
