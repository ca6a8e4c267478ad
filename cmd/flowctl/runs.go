package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/nexus"
	"github.com/spf13/cobra"
)

func runsCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show and change an app's durable runs",
		Long: `runs looks after the durable runs of an app, in its databases. It goes on with
none itself: a process that serves the app sees what was changed within a
second.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0], "to see its runs", "list")
			}
			cmd.SetOut(w.err)
			if err := cmd.Help(); err != nil {
				return err
			}
			return &usageError{} // help was shown, and nothing done
		},
	}
	cmd.AddCommand(runsListCommand(w), runsShowCommand(w), runsFollowCommand(w), runsSignalCommand(w),
		runsCancelCommand(w), runsRetryCommand(w), runsPurgeCommand(w))
	return cmd
}

// runsFlags are those of all commands about runs.
type runsFlags struct {
	tenant string
	json   bool
}

func (f *runsFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tenant, "tenant", "", "only those of this tenant")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON, as REST does")
}

func (f *runsFlags) caller() access.Caller {
	return access.Caller{Operator: f.tenant == "", Tenant: f.tenant}
}

// withRuns opens an app's databases for what do does with its runs.
func withRuns(ctx context.Context, w *world, path string, do func(ctx context.Context, a *appFile, gen *nexus.Generation) error) error {
	a, err := findApp(path)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx, w, "stopping; press Ctrl+C again to stop at once")
	defer stop()
	gen, err := a.open(ctx, w, unchanged)
	if err != nil {
		return err
	}
	err = do(ctx, a, gen)
	if cerr := gen.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil && ctx.Err() != nil {
		return exitError(exitInterrupted)
	}
	return a.explain(w, err)
}

func runsListCommand(w *world) *cobra.Command {
	var f runsFlags
	var filter durable.Filter
	var status string
	cmd := &cobra.Command{
		Use:   "list app.star",
		Short: "List durable runs, the latest first",
		Args:  takes("app.star"),
		PreRunE: func(*cobra.Command, []string) error {
			var wrong usageErrors
			wrong.add(oneOfWords("--status", status, durable.Statuses()))
			if filter.Limit < 1 || filter.Limit > maxRuns {
				wrong.add(&usageError{fmt.Sprintf("--limit can't be %d", filter.Limit), fmt.Sprintf("give it a number from 1 to %d", maxRuns)})
			}
			return wrong.orNil()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			filter.Status = durable.Status(status)
			return withRuns(cmd.Context(), w, args[0], func(ctx context.Context, a *appFile, gen *nexus.Generation) error {
				list, more, err := gen.Runs().List(ctx, f.caller(), filter)
				switch {
				case err != nil:
					return noSuchRuns(gen.Engine().App(), a, filter.Workflow, err)
				case f.json:
					return printJSON(w, codec.AppendValue(nil, durable.Page(list, more)))
				case len(list) == 0:
					fmt.Fprintln(w.err, "there are no such runs")
					return nil
				}
				if err := writeRuns(w.out, list); err != nil {
					return err
				}
				if more {
					fmt.Fprintf(w.err, "there are more: flowctl runs list %s --before %s\n", a.display+a.base, list[len(list)-1].ID)
				}
				return nil
			})
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&status, "status", "", "only those that are queued, running, waiting, completed, failed or cancelled")
	fl.StringVar(&filter.Workflow, "workflow", "", "only those of this workflow")
	fl.StringVar(&filter.Parent, "parent", "", "only those that this run started")
	fl.StringVar(&filter.Before, "before", "", "only those before this run in the list")
	fl.IntVar(&filter.Limit, "limit", 20, "the most runs to list")
	return cmd
}

// noSuchRuns words the refusal to list runs of a workflow that there is not as
// other commands do.
func noSuchRuns(app *dataflow.App, a *appFile, workflow string, err error) error {
	if e, ok := asDataflowError(err); ok && len(e.Problems) > 0 && e.Problems[0].Pointer == "/workflow" {
		if _, unknown := findWorkflow(app, a, workflow); unknown != nil {
			return unknown
		}
	}
	return err
}

// maxRuns bounds a page of runs.
const maxRuns = 1000

// oneOfWords refuses the value of a flag that is none of those known.
func oneOfWords(flag, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return unlisted(fmt.Sprintf("%s can't be %q", flag, value), value, known, "it is one of")
}

// unknown refuses a word of which there are only those known.
func unknown(what, word string, known []string) error {
	return unlisted(fmt.Sprintf("unknown %s %q", what, word), word, known, "the "+what+"s are")
}

// unlisted is a word that is none of those known: with the nearest of them, or
// else with all.
func unlisted(message, word string, known []string, list string) error {
	hint := dataflow.DidYouMean(word, known)
	if hint == "" {
		hint = list + " " + join(known)
	}
	return &usageError{message, hint}
}

func runsShowCommand(w *world) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "show app.star RUN",
		Short: "Show a durable run with its steps",
		Args:  takes("app.star", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRuns(cmd.Context(), w, args[0], func(ctx context.Context, _ *appFile, gen *nexus.Generation) error {
				rs := gen.Runs()
				if f.json {
					o, err := rs.Show(ctx, f.caller(), args[1])
					if err != nil {
						return err
					}
					return printJSON(w, codec.AppendValue(nil, o))
				}
				r, err := rs.Get(ctx, f.caller(), args[1])
				if err != nil {
					return err
				}
				steps, err := rs.Steps(ctx, r)
				if err != nil {
					return err
				}
				return writeRun(w.out, r, steps)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func runsSignalCommand(w *world) *cobra.Command {
	var f runsFlags
	var payload string
	cmd := &cobra.Command{
		Use:   "signal app.star RUN NAME",
		Short: "Send a durable run a signal",
		Long: `signal sends a run the signal that it waits for, or will: one that comes early
is kept for it. One that failed for what it was sent last takes the new one
instead when it is tried again.

  --payload '{"approved": true}'   what goes with it, as JSON
  --payload @answer.json           the same from a file; @- is standard input`,
		Args: takes("app.star", "RUN", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := readPayload(w, payload)
			if err != nil {
				return err
			}
			return changeRun(cmd.Context(), w, &f, args[0], "sent "+args[2]+" to", func(ctx context.Context, rs *durable.Runs) (*durable.Run, error) {
				return rs.Signal(ctx, f.caller(), args[1], args[2], v)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&payload, "payload", "", "what goes with the signal, as JSON or @file")
	return cmd
}

// readPayload reads the value of --payload; null if there is none.
func readPayload(w *world, text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	what := "--payload"
	if text[0] == '@' {
		what = text[1:]
		content, err := readFile(w, "--payload", what)
		if err != nil {
			return nil, err
		}
		text = string(content)
	}
	v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
	if len(problems) > 0 {
		return nil, &usageError{fmt.Sprintf("%s is no JSON: %s", what, problems[0].Detail), `text is written in quotes: --payload '"yes"'`}
	}
	return v, nil
}

func runsCancelCommand(w *world) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "cancel app.star RUN",
		Short: "End a durable run, and undo what it did where its nodes say how",
		Args:  takes("app.star", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRun(cmd.Context(), w, &f, args[0], "cancelled", func(ctx context.Context, rs *durable.Runs) (*durable.Run, error) {
				return rs.Cancel(ctx, f.caller(), args[1])
			})
		},
	}
	f.add(cmd)
	return cmd
}

func runsRetryCommand(w *world) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "retry app.star RUN",
		Short: "Have a durable run that failed go on from where it did",
		Args:  takes("app.star", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRun(cmd.Context(), w, &f, args[0], "queued", func(ctx context.Context, rs *durable.Runs) (*durable.Run, error) {
				return rs.Retry(ctx, f.caller(), args[1])
			})
		},
	}
	f.add(cmd)
	return cmd
}

// changeRun changes a run and says what was done to it, in a word.
func changeRun(ctx context.Context, w *world, f *runsFlags, path, done string, change func(context.Context, *durable.Runs) (*durable.Run, error)) error {
	return withRuns(ctx, w, path, func(ctx context.Context, a *appFile, gen *nexus.Generation) error {
		r, err := change(ctx, gen.Runs())
		if err != nil {
			return err
		}
		if f.json {
			return printJSON(w, codec.AppendValue(nil, r.Summary()))
		}
		next := "a process that serves the app goes on with it"
		if r.Status == durable.Failed { // it was sent another signal than the one that it failed for
			next = fmt.Sprintf("it takes that when it is tried again: flowctl runs retry %s %s", a.display+a.base, r.ID)
		}
		fmt.Fprintf(w.out, "%s the run %s; %s\n", done, r.ID, next)
		return nil
	})
}

func runsPurgeCommand(w *world) *cobra.Command {
	var olderThan, status string
	var age time.Duration
	cmd := &cobra.Command{
		Use:   "purge app.star",
		Short: "Forget durable runs that ended long ago",
		Long: `purge forgets runs that ended before a time, with their steps. Those that
another run waits for stay, and those of one that failed and stays. To have it
done all the time, give the app run_retention = "30d".`,
		Args: takes("app.star"),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			var wrong usageErrors
			var err error
			if !cmd.Flags().Changed("older-than") {
				wrong.add(&usageError{"--older-than is missing", "say how long runs are kept: --older-than 30d"})
			} else if age, err = codec.ParseDuration(olderThan); olderThan != "" && (err != nil || age < 0) {
				wrong.add(&usageError{fmt.Sprintf("--older-than can't be %q", olderThan), `write "30d", "12h" or "0s"`})
			}
			wrong.add(oneOfWords("--status", status, []string{string(durable.Completed), string(durable.Failed), string(durable.Cancelled)}))
			return wrong.orNil()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRuns(cmd.Context(), w, args[0], func(ctx context.Context, _ *appFile, gen *nexus.Generation) error {
				n, err := gen.Runs().Purge(ctx, age, durable.Status(status))
				if err == nil || n > 0 {
					fmt.Fprintf(w.out, "%s forgotten\n", plural(n, "run"))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&olderThan, "older-than", "", "those that ended this long ago, as 30d")
	cmd.Flags().StringVar(&status, "status", "", "only those that are completed, failed or cancelled")
	return cmd
}

// followEvery is how often a run is looked at that another process has in hand.
const followEvery = 250 * time.Millisecond

func runsFollowCommand(w *world) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "follow app.star RUN",
		Short: "Watch a durable run until it ends",
		Long: `follow tells what a run has done, and goes on until it ends. The exit code is 0
if it completes, and 1 if it fails or is cancelled.`,
		Args: takes("app.star", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRuns(cmd.Context(), w, args[0], func(ctx context.Context, _ *appFile, gen *nexus.Generation) error {
				r, err := followRun(ctx, w, gen.Runs(), access.Caller{Operator: tenant == "", Tenant: tenant}, args[1])
				if err != nil {
					return err
				}
				if r.Error != nil {
					return r.Error
				}
				if r.Status != durable.Completed {
					return exitError(exitFailed)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only those of this tenant")
	return cmd
}

// followRun writes what changes of a run until it has ended.
func followRun(ctx context.Context, w *world, rs *durable.Runs, c access.Caller, id string) (*durable.Run, error) {
	look := time.NewTicker(followEvery)
	defer look.Stop()
	seen := newFollowed(w.out)
	for {
		r, err := rs.Get(ctx, c, id) // before its steps: an ended run has all of them
		if err != nil {
			return nil, err
		}
		steps, err := rs.Steps(ctx, r)
		if err != nil {
			return nil, err
		}
		seen.tell(r, steps)
		if r.Status.Ended() {
			return r, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
