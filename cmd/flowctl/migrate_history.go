package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/spf13/cobra"
)

func statusCommand(w *world) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "status app.star",
		Short: "Say how an app's databases stand to its models",
		Long: `status says of each database whether it is up to date, what is pending, what
others have changed since the last migration, and which migration was cut short,
as by a crash: the next run or apply ends it. It changes nothing. Where run would
refuse the database it says so, and why.

With --exit-code, exit code 3 means that a database is not up to date.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			behind := false
			err := migrating(cmd, w, args[0], &f, look, func(ctx context.Context, m *migration) error {
				for _, r := range m.dbs {
					st, diags := r.Status(ctx)
					m.note(r, diags)
					if st != nil {
						d := m.about(r)
						d.Status, d.State = st, standing(st)
						behind = behind || d.State != "up to date"
					}
				}
				return nil
			}, func(d *databaseReply) { writeStatus(w.out, d) })
			if err == nil && behind && f.exitCode {
				return exitError(exitPending)
			}
			return err
		},
	}
	f.add(cmd, false)
	f.addExitCode(cmd)
	return cmd
}

// standing is a database's state in a word.
func standing(st *migrate.Status) string {
	switch {
	case st.Unfinished != nil:
		return "unfinished"
	case len(st.Drift) > 0:
		return "drifted"
	case !st.Behind:
		return "up to date"
	case st.Refused:
		return "refused"
	case st.New:
		return "new"
	}
	return "pending"
}

func writeStatus(w io.Writer, d *databaseReply) {
	fmt.Fprintf(w, "database    %s (%s)\n", d.Database, d.State)
	if u := d.Unfinished; u != nil {
		fmt.Fprintf(w, "unfinished  migration %d of %s; the next start ends it\n", u.ID, moment(u.At))
	}
	for _, s := range d.Drift {
		fmt.Fprintf(w, "drift       %s\n", s)
	}
	for _, s := range d.Pending {
		fmt.Fprintf(w, "pending     %s\n", s)
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func historyCommand(w *world) *cobra.Command {
	var f migrateFlags
	var id string
	var only int64
	var all bool
	cmd := &cobra.Command{
		Use:   "history app.star",
		Short: "List what was done to an app's databases, and when",
		Long: `history lists the migrations of each database, the latest last. With --id it
shows one of them whole: its statements, and those that undo it.`,
		Args: takes("app.star"),
		PreRunE: func(*cobra.Command, []string) (err error) {
			only, err = parseID(id)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrating(cmd, w, args[0], &f, look, func(ctx context.Context, m *migration) error {
				return m.history(ctx, only)
			}, func(d *databaseReply) { writeHistory(w.out, d, id != "", all) })
		},
	}
	f.add(cmd, false)
	cmd.Flags().StringVar(&id, "id", "", "show this migration whole")
	addAll(cmd, &all)
	return cmd
}

// parseID reads the number of a migration; "" is none, migrate.Latest.
func parseID(text string) (int64, error) {
	if text == "" {
		return migrate.Latest, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 0 {
		return 0, &usageError{fmt.Sprintf("%q is no number of a migration", text), "flowctl migrate history lists them"}
	}
	return id, nil
}

func (m *migration) history(ctx context.Context, only int64) error {
	for _, r := range m.dbs {
		list, diags := r.History(ctx)
		if !m.note(r, diags) {
			continue
		}
		if only >= 0 {
			i := slices.IndexFunc(list, func(a migrate.Applied) bool { return a.ID == only })
			if i < 0 {
				return noMigration(r, list, only)
			}
			list = list[i : i+1]
		}
		m.about(r).History = list
	}
	return nil
}

func noMigration(r *migrate.Runner, list []migrate.Applied, id int64) error {
	ids := make([]string, len(list))
	for i, a := range list {
		ids[i] = strconv.FormatInt(a.ID, 10)
	}
	hint := "there has been none yet"
	if len(ids) > 0 {
		hint = dataflow.ThereAre(ids)
	}
	return &usageError{fmt.Sprintf("the database %s has no migration %d", r.DB.Name(), id), hint}
}

func writeHistory(w io.Writer, d *databaseReply, whole, all bool) {
	fmt.Fprintf(w, "database  %s\n", d.Database)
	if len(d.History) == 0 {
		fmt.Fprintln(w, "          nothing has been done to it")
	}
	for _, a := range d.History {
		fmt.Fprintf(w, "\n%8d  %s  %s\n", a.ID, moment(a.At), stateText(a.State))
		writeSteps(w, a.Steps, all || whole, func(s migrate.Done) {
			if !whole {
				fmt.Fprintf(w, "          %s\n", s.Step)
				return
			}
			fmt.Fprintf(w, "          %s%s\n", s.Step, aside(s))
			writeSQL(w, "            ", s.SQL)
			writeReverse(w, s)
		})
	}
}

func stateText(s migrate.State) string {
	if s == migrate.StateRolledBack {
		return "undone"
	}
	return string(s)
}

func writeReverse(w io.Writer, s migrate.Done) {
	if len(s.Reverse) == 0 {
		return
	}
	fmt.Fprintln(w, "            undone by")
	writeSQL(w, "              ", s.Reverse)
}

func rollbackCommand(w *world) *cobra.Command {
	var f migrateFlags
	var to string
	var last int64
	var dry bool
	cmd := &cobra.Command{
		Use:   "rollback app.star",
		Short: "Undo the latest migration of a database, or several",
		Long: `rollback undoes the latest migration that was not undone, or with --to all that
came after one: all of them, in one transaction, or none. --to 0 undoes everything.
What that would throw away is refused unless it is allowed by name.

The next run of the same app.star would migrate again: put the file back as it
was, too.`,
		Args: takes("app.star"),
		PreRunE: func(*cobra.Command, []string) (err error) {
			last, err = parseID(to)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			connect := change
			if dry {
				connect = look
			}
			return migrating(cmd, w, args[0], &f, connect, func(ctx context.Context, m *migration) error {
				if len(m.dbs) > 1 {
					var names []string
					for _, r := range m.dbs {
						names = append(names, r.Database.Name)
					}
					return &usageError{"the app has several databases", "say which one with --database: " + join(names)}
				}
				m.rollback(ctx, m.dbs[0], last, dry)
				return nil
			}, func(d *databaseReply) { writeUndone(w.out, d, dry) })
		},
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&to, "to", "", "undo all that came after this migration")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be undone, and do nothing")
	return cmd
}

func (m *migration) rollback(ctx context.Context, r *migrate.Runner, to int64, dry bool) {
	r.Allow = m.f.allow
	undone, diags := r.Rollback(ctx, to, dry)
	if !m.note(r, diags) && !dry {
		return
	}
	d := m.about(r)
	d.Undone = undone
	if d.State = "undone"; dry {
		d.State = "would be undone"
	}
}

func writeUndone(w io.Writer, d *databaseReply, dry bool) {
	fmt.Fprintf(w, "database  %s (%s)\n", d.Database, d.State)
	for _, a := range d.Undone {
		fmt.Fprintf(w, "\n%8d  %s\n", a.ID, moment(a.At))
		for _, s := range slices.Backward(a.Steps) {
			if migrate.Internal(s.Table) {
				continue // the runtime's own tables stay
			}
			switch {
			case len(s.Reverse) == 0:
				fmt.Fprintf(w, "          nothing to undo: %s\n", s.Step)
			case s.Final:
				fmt.Fprintf(w, "          undo, without the values: %s\n", s.Step)
			default:
				fmt.Fprintf(w, "          undo: %s\n", s.Step)
			}
			if dry {
				writeSQL(w, "            ", s.Reverse)
			}
		}
	}
}
