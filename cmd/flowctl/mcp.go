package main

import (
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/spf13/cobra"
)

func mcpCommand(w *world) *cobra.Command {
	var tenant, toolset string
	var verbose, hold bool
	cmd := &cobra.Command{
		Use:   "mcp app.star",
		Short: "Serve an app to an agent on standard input and output",
		Long: `mcp speaks the Model Context Protocol on standard input and output, for an
agent that starts its servers itself. Nothing else is written to standard
output; the log goes to standard error.

Whoever runs the command is trusted. Where the app asks who calls, the key or
token in FLOWCTL_API_KEY says who it is instead, for as long as it is good.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			// Who stops reading must not end what is under way: that it can't be told
			// is an error of the write.
			signal.Ignore(syscall.SIGPIPE)
			ctx, stop := interruptible(cmd.Context(), w, "stopping: what is under way is finished first; press Ctrl+C again to stop at once")
			defer stop()
			o := a.options(w, verbose)
			o.HoldRuns = hold
			gen, err := a.build(ctx, w, o)
			if err != nil {
				return err
			}
			caller, err := callerOf(ctx, w, gen, tenant, nil)
			if err != nil {
				return errors.Join(a.explain(w, err), gen.Close())
			}
			ctx, done := w.whileGood(ctx, gen, caller, tenant)
			err = gen.ServeStdio(mcp.WithToolset(mcp.WithCaller(ctx, caller), toolset), w.in, w.out)
			if why := done(); err == nil {
				err = why
			}
			if cerr := gen.Close(); err == nil {
				err = cerr
			}
			if e, ok := errors.AsType[*dataflow.Error](err); ok { // of the flags: nothing has been served
				return &usageError{e.Message, e.Hint}
			}
			if err != nil {
				return fmt.Errorf("serve MCP: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "on behalf of this tenant")
	cmd.Flags().StringVar(&toolset, "toolset", "", `the tools of this toolset alone: "readonly", "all", "generic", "workflows", or the path of a model`)
	addHold(cmd.Flags(), &hold)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every request")
	return cmd
}
