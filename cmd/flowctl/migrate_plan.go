package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/spf13/cobra"
)

func planCommand(w *world) *cobra.Command {
	var f migrateFlags
	var sql, all bool
	cmd := &cobra.Command{
		Use:   "plan app.star",
		Short: "Show what apply would do, and change nothing",
		Long: `plan compares the databases of an app with its models and shows the steps from
one to the other: what they throw away, what is refused and how to allow it.
It changes nothing, and makes no file. With existing_schema_mode = True there
is never a step: what does not fit the models is refused.

Exit code 0: nothing is refused. 1: something is. 2: the command or the file
could not be read. With --exit-code, 3: nothing is refused, and there are steps.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pending := false
			err := migrating(cmd, w, args[0], &f, look, func(ctx context.Context, m *migration) error {
				for i, p := range m.plan(ctx) {
					if p.preview == nil {
						continue // why has been noted
					}
					d := m.about(m.dbs[i])
					d.Preview, d.State = p.preview, p.state()
					pending = pending || d.State == "pending"
				}
				return nil
			}, func(d *databaseReply) { writePlan(w.out, d, sql, all || sql) })
			if err == nil && pending && f.exitCode {
				return exitError(exitPending)
			}
			return err
		},
	}
	f.add(cmd, true)
	f.addExitCode(cmd)
	cmd.Flags().BoolVar(&sql, "sql", false, "show the statements of each step")
	addAll(cmd, &all)
	return cmd
}

func applyCommand(w *world) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "apply app.star",
		Short: "Bring an app's databases up to what its models ask for",
		Long: `apply does what plan shows, and says what it did. If anything is refused,
nothing is done. What run does when it starts is the same with nothing allowed;
apply does it with auto_migrate = False too.`,
		Args: takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrating(cmd, w, args[0], &f, change, func(ctx context.Context, m *migration) error {
				if !m.managed() {
					return nil
				}
				before := len(m.diags)
				m.plan(ctx)
				if dataflow.HasErrors(m.diags) {
					return nil // in none of the databases
				}
				m.diags = m.diags[:before] // which apply finds again
				for _, r := range m.dbs {
					m.apply(ctx, r)
				}
				return nil
			}, func(d *databaseReply) { writeDone(w.out, d.Database, d.State, d.Did) })
		},
	}
	f.add(cmd, true)
	return cmd
}

// planned is what came of planning for a database. Its preview is nil if the
// database could not be looked at.
type planned struct {
	preview *migrate.Preview
	refused bool
}

func (p planned) state() string {
	switch {
	case p.refused:
		return "refused"
	case len(p.preview.Steps) > 0:
		return "pending"
	}
	return "up to date"
}

// managed refuses to change databases that are another tool's.
func (m *migration) managed() bool {
	for _, r := range m.dbs {
		m.note(r, r.Managed())
	}
	return !dataflow.HasErrors(m.diags)
}

// plan plans every database. Each gets those of the words that are about it.
func (m *migration) plan(ctx context.Context) []planned {
	m.share(ctx)
	plans := make([]planned, len(m.dbs))
	for i, r := range m.dbs {
		p, diags := r.Preview(ctx)
		plans[i] = planned{p, !m.note(r, diags)}
	}
	return plans
}

// share deals out the words of what is allowed. One that is about none of the
// databases is refused by the first.
func (m *migration) share(ctx context.Context) {
	if len(m.dbs) == 1 {
		m.dbs[0].Allow = m.f.allow
		return
	}
	for _, word := range m.f.allow {
		i := slices.IndexFunc(m.dbs, func(r *migrate.Runner) bool {
			before := r.Allow
			r.Allow = []string{word}
			_, diags := r.Preview(ctx)
			r.Allow = before
			return !slices.ContainsFunc(diags, func(d dataflow.Diagnostic) bool { return d.Code == "FC624" })
		})
		r := m.dbs[max(i, 0)]
		r.Allow = append(r.Allow, word)
	}
}

func (m *migration) apply(ctx context.Context, r *migrate.Runner) {
	res, diags := r.Apply(ctx)
	if !m.note(r, diags) || res == nil {
		return
	}
	d := m.about(r)
	d.Did = res.Steps
	switch {
	case res.Created && len(res.Steps) > 0:
		d.State = "new"
	case len(res.Steps) > 0:
		d.State = "changed"
	default:
		d.State = "up to date"
	}
}

// writeDone says what was done to a database, as run does too.
func writeDone(w io.Writer, database, state string, steps []string) {
	fmt.Fprintf(w, "database  %s (%s)\n", database, state)
	for _, s := range steps {
		fmt.Fprintf(w, "          %s\n", s)
	}
}

func addAll(cmd *cobra.Command, all *bool) {
	cmd.Flags().BoolVar(all, "all", false, "show each step for the runtime's own tables too")
}

// writeSteps writes steps in order; without all those for the runtime's own
// tables as one line, for nobody has a choice about them.
func writeSteps(w io.Writer, steps []migrate.Done, all bool, write func(migrate.Done)) {
	own := 0
	for _, s := range steps {
		if !all && migrate.Internal(s.Table) {
			own++
			continue
		}
		write(s)
	}
	if own > 0 {
		fmt.Fprintf(w, "          %s for the runtime's own tables\n", plural(own, "step"))
	}
}

func writePlan(w io.Writer, d *databaseReply, sql, all bool) {
	if d.State != "pending" {
		fmt.Fprintf(w, "database  %s (%s)\n", d.Database, d.State)
		return
	}
	fmt.Fprintf(w, "database  %s (%s)\n", d.Database, plural(len(d.Preview.Steps), "step"))
	writeSteps(w, d.Preview.Steps, all, func(s migrate.Done) {
		fmt.Fprintf(w, "          %s%s\n", s.Step, aside(s))
		if sql {
			writeSQL(w, "            ", s.SQL)
		}
	})
	for _, l := range d.Losses {
		fmt.Fprintf(w, "loses     %s\n", lossText(l))
	}
}

func aside(s migrate.Done) string {
	if s.Aside {
		return ", outside the transaction"
	}
	return ""
}

// lossText says what is thrown away, and by which word.
func lossText(l migrate.Loss) string {
	what := "the table " + l.Table + " with " + plural(int(l.Rows), "row")
	if l.Column != "" {
		what = "what " + l.Table + "." + l.Column + " has in " + plural(int(l.Rows), "row")
	}
	return what + " (--allow " + l.Allow + ")"
}

func writeSQL(w io.Writer, indent string, statements []string) {
	for _, sql := range statements {
		fmt.Fprintf(w, "%s%s;\n", indent, strings.ReplaceAll(shortened(sql), "\n", "\n"+indent))
	}
}

// maxText is how many characters of a text within a statement are shown.
const maxText = 200

// shortened leaves out the rest of long texts within a statement: FTS5 is told of
// thousands of characters in one.
func shortened(sql string) string {
	parts := strings.Split(sql, "'") // every other one is a text, or what is in it between two quotation marks
	for i, part := range parts {
		if letters := []rune(part); i > 0 && i < len(parts)-1 && len(letters) > maxText {
			parts[i] = fmt.Sprintf("%s… (%d characters more: --json)", string(letters[:maxText/4]), len(letters)-maxText/4)
		}
	}
	return strings.Join(parts, "'")
}
