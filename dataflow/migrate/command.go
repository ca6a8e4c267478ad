package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// What commands ask of a database: to show what would be done, to do it, to
// tell what was done and to undo it.

// Preview is a plan with what it takes, unapplied.
type Preview struct {
	Steps  []Done `json:"steps"`
	Losses []Loss `json:"loses,omitempty"`
	Kept   []Loss `json:"kept,omitempty"`
}

// Preview plans, and changes nothing. An error among the diagnostics is what
// keeps the plan from being applied. For a schema that is another tool's there
// is never anything to do: the diagnostics are where it does not fit the models.
func (r *Runner) Preview(ctx context.Context) (*Preview, []dataflow.Diagnostic) {
	if ds := r.DB.Check(r.models()); len(ds) > 0 {
		return nil, ds
	}
	if r.Database.Options.ExistingSchemaMode {
		return r.compare(ctx)
	}
	r.want = Desired(r.models(), r.DB.Engine())
	m, err := r.DB.Meta(ctx)
	if err != nil {
		return nil, []dataflow.Diagnostic{r.DB.Failure(ctx, err)}
	}
	if ds := r.newer(m); ds != nil {
		return nil, ds
	}
	p, _, err := r.plan(ctx, m, &Result{})
	if err != nil && ctx.Err() == nil { // nobody is kept from altering a table between the look at it and at its rows
		p, _, err = r.plan(ctx, m, &Result{})
	}
	if err != nil {
		return nil, []dataflow.Diagnostic{r.DB.Failure(ctx, err)}
	}
	return &Preview{Steps: Show(r.DB, p.Steps), Losses: p.Losses, Kept: p.Kept}, p.Diagnostics
}

// compare is the Preview of a schema that is another tool's.
func (r *Runner) compare(ctx context.Context) (*Preview, []dataflow.Diagnostic) {
	_, ds, err := r.fit(ctx)
	if err != nil {
		return nil, r.orFailure(ctx, ds, err)
	}
	for _, word := range r.Allow {
		ds = append(ds, dataflow.Diagnostic{Code: "FC624", Severity: dataflow.SeverityError,
			Message: fmt.Sprintf("--allow %s allows nothing that is to be done", word),
			Hint:    "with existing_schema_mode = True nothing is ever done to the tables"})
	}
	return &Preview{Steps: []Done{}}, ds
}

// Managed refuses to change a schema that is another tool's.
func (r *Runner) Managed() []dataflow.Diagnostic {
	if r.Database.Options.ExistingSchemaMode {
		return []dataflow.Diagnostic{{Code: "FC626", Severity: dataflow.SeverityError, Span: r.Database.Spans.At("/existing_schema_mode"),
			Message: fmt.Sprintf("the database %s is not flowctl's to migrate: existing_schema_mode is on", r.DB.Name()),
			Hint:    "migrate it with the tool that made its tables; flowctl migrate plan says how they stand to the models"}}
	}
	return nil
}

// unmanaged refuses what commands can't change, whatever is there.
func (r *Runner) unmanaged() []dataflow.Diagnostic {
	return append(r.DB.Check(r.models()), r.Managed()...)
}

// Apply applies the plan, what was allowed to be lost with it, whatever
// auto_migrate says.
func (r *Runner) Apply(ctx context.Context) (*Result, []dataflow.Diagnostic) {
	if ds := r.unmanaged(); ds != nil {
		return nil, ds
	}
	options := r.Database.Options
	defer func() { r.Database.Options = options }()
	r.Database.Options.AutoMigrate = true
	return r.Open(ctx)
}

// Status is how a database stands to its app.
type Status struct {
	New bool `json:"new,omitempty"` // nothing has been made yet
	// Behind says that the next start has something to do, or refuses it.
	Behind bool `json:"behind,omitempty"`
	// Refused says that it refuses: an error among the diagnostics says why.
	Refused bool `json:"refused,omitempty"`
	// Pending are the steps that takes, but for those about the runtime's own
	// tables.
	Pending []string `json:"pending,omitempty"`
	// Drift is what somebody else has changed since the last migration.
	Drift []string `json:"drift,omitempty"`
	// Unfinished is an entry of the history that was cut short.
	Unfinished *Applied `json:"unfinished,omitempty"`
	Kept       []Loss   `json:"kept,omitempty"`
}

// Status looks, and changes nothing.
func (r *Runner) Status(ctx context.Context) (*Status, []dataflow.Diagnostic) {
	p, ds := r.Preview(ctx)
	if p == nil {
		return nil, ds
	}
	st := &Status{Kept: p.Kept, Refused: dataflow.HasErrors(ds)}
	for _, s := range p.Steps {
		if !Internal(s.Table) {
			st.Pending = append(st.Pending, s.Step)
		}
	}
	st.Behind = len(p.Steps) > 0 || st.Refused
	if r.Database.Options.ExistingSchemaMode {
		return st, ds // nothing is kept of it to compare with
	}
	if err := r.look(ctx, st); err != nil {
		return nil, append(ds, r.DB.Failure(ctx, err))
	}
	return st, ds
}

func (r *Runner) look(ctx context.Context, st *Status) error {
	m, err := r.DB.Meta(ctx)
	if err != nil {
		return err
	}
	if st.New = !m.There; st.New {
		return nil
	}
	have, err := r.DB.Inspect(ctx)
	if err != nil {
		return err
	}
	before, err := r.DB.Snapshot(ctx)
	if err != nil {
		return err
	}
	if before != nil {
		before.takeStorage(r.want)
		st.Drift = Drift(have, before)
	}
	history, err := r.DB.History(ctx)
	if err != nil {
		return err
	}
	for i := range history {
		if history[i].State == StateUnfinished {
			st.Unfinished = &history[i]
			st.Drift = nil // what is not there yet was not taken away
		}
	}
	return nil
}

// takeStorage notes how the columns of a schema that was kept are stored, where
// those of the models still hold the same.
func (s *Schema) takeStorage(of *Schema) {
	for i := range s.Tables {
		t := of.Table(s.Tables[i].Name)
		if t == nil {
			continue
		}
		for j := range s.Tables[i].Columns {
			c := &s.Tables[i].Columns[j]
			if now := t.Column(c.Name); now != nil && now.Kind == c.Kind && now.Scale == c.Scale {
				c.Storage = now.Storage
			}
		}
	}
}

// Drift lists what has changed in a database since the schema was last brought
// up to date, other than by flowctl.
func Drift(have, before *Schema) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i := range before.Tables {
		was := &before.Tables[i]
		is := have.Table(was.Name)
		if is == nil {
			add("the table %s is gone", was.Name)
			continue
		}
		for j := range was.Columns {
			w := &was.Columns[j]
			c := is.Column(w.Name)
			switch {
			case c == nil:
				add("the column %s.%s is gone", was.Name, w.Name)
			case c.Kind == "" && c.Storage == w.Storage: // another program's, that was taken on as it is
			case c.Kind != w.Kind || c.Precision != w.Precision && w.Kind == "decimal" || c.Scale != w.Scale || !slices.Equal(c.Values, w.Values):
				add("the column %s.%s is %s, and was %s", was.Name, w.Name, describeAll(c), describeAll(w))
			case c.Optional != w.Optional && !w.ID:
				add("the column %s.%s %s", was.Name, w.Name, map[bool]string{true: "may be null now", false: "may not be null any more"}[c.Optional])
			case !sameReference(c.Ref, w.Ref):
				add("the column %s.%s refers to something else", was.Name, w.Name)
			}
		}
		for j := range is.Columns {
			if c := &is.Columns[j]; was.Column(c.Name) == nil {
				add("the column %s.%s is new", was.Name, c.Name)
			}
		}
		for _, w := range was.Indexes {
			if !slices.ContainsFunc(is.Indexes, func(ix Index) bool { return ix.serves(w) }) {
				add("the index %s of %s is gone, or is another", w.Name, was.Name)
			}
		}
	}
	return out
}

func describeAll(c *Column) string {
	if c.Kind == "enum" {
		return "one of " + strings.Join(c.Values, ", ")
	}
	return describe(c)
}

func sameReference(a, b *Ref) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Table == b.Table && a.OnDelete == b.OnDelete
}

// History lists what was done, the latest last, and changes nothing.
func (r *Runner) History(ctx context.Context) ([]Applied, []dataflow.Diagnostic) {
	m, err := r.DB.Meta(ctx)
	if err == nil {
		if ds := r.newer(m); ds != nil {
			return nil, ds
		}
		if !m.There {
			return nil, nil
		}
		var list []Applied
		if list, err = r.DB.History(ctx); err == nil {
			return list, nil
		}
	}
	return nil, []dataflow.Diagnostic{r.DB.Failure(ctx, err)}
}

// Latest is the "to" of a Rollback of one migration.
const Latest = -1

// Rollback undoes all migrations that came after the one with the id to, or
// the Latest alone, the last one first, and returns them in that order: all of
// them, in one transaction, or none. What that would throw away must be allowed
// by name. With dry set they are only listed, with what they would throw away of
// what is there now.
func (r *Runner) Rollback(ctx context.Context, to int64, dry bool) ([]Applied, []dataflow.Diagnostic) {
	if ds := r.unmanaged(); ds != nil {
		return nil, ds
	}
	if dry {
		undone, ds, err := r.wouldUndo(ctx, to)
		return undone, r.orFailure(ctx, ds, err)
	}
	release, err := r.DB.Alone(ctx, r.timeout())
	if err != nil {
		return nil, r.orFailure(ctx, nil, err)
	}
	defer release()
	if err := r.DB.Begin(ctx); err != nil {
		return nil, r.orFailure(ctx, nil, err)
	}
	defer r.DB.Rollback()
	undone, ds, err := r.undo(ctx, to)
	if ds = r.orFailure(ctx, ds, err); dataflow.HasErrors(ds) {
		return nil, ds
	}
	return undone, r.orFailure(ctx, ds, r.DB.Commit(ctx))
}

func (r *Runner) orFailure(ctx context.Context, ds []dataflow.Diagnostic, err error) []dataflow.Diagnostic {
	if err != nil {
		return append(ds, r.DB.Failure(ctx, err))
	}
	return ds
}

// undoable lists what there is to undo, the latest first.
func (r *Runner) undoable(ctx context.Context, to int64) ([]Applied, []dataflow.Diagnostic, error) {
	list, ds := r.History(ctx)
	if ds != nil {
		return nil, ds, nil
	}
	if to > 0 && !slices.ContainsFunc(list, func(a Applied) bool { return a.ID == to && a.State != StateRolledBack }) {
		return nil, []dataflow.Diagnostic{{Code: "FC625", Severity: dataflow.SeverityError, Span: r.Database.URLSpan(),
			Message: fmt.Sprintf("the database %s has no migration %d to go back to", r.DB.Name(), to),
			Hint:    "flowctl migrate history lists them"}}, nil
	}
	var undo []Applied
	for _, a := range slices.Backward(list) {
		if a.State == StateRolledBack || a.ID <= to {
			continue
		}
		if undo = append(undo, a); to == Latest {
			break
		}
	}
	if len(undo) == 0 {
		return nil, []dataflow.Diagnostic{{Code: "FC625", Severity: dataflow.SeverityError, Span: r.Database.URLSpan(),
			Message: fmt.Sprintf("the database %s has no migration to undo", r.DB.Name())}}, nil
	}
	return undo, nil, nil
}

// wouldUndo looks at what undo would do, under the names that tables and
// columns have now.
func (r *Runner) wouldUndo(ctx context.Context, to int64) ([]Applied, []dataflow.Diagnostic, error) {
	list, ds, err := r.undoable(ctx, to)
	if ds != nil || err != nil {
		return list, ds, err
	}
	have, err := r.DB.Inspect(ctx)
	if err != nil {
		return nil, nil, err
	}
	u := newUndoing(r, list)
	seen := map[string]bool{}    // what an entry has thrown away is not there for an earlier one
	touched := map[string]bool{} // tables whose rows may be others by then
	for i := range list {
		err := u.losses(ctx, &list[i], func(l Loss) (Loss, bool) {
			l = today(l, list[:i])
			t := have.Table(l.Table)
			place := l.Table + "." + l.Column
			there := t != nil && (l.Column == "" || t.Column(l.Column) != nil) && !seen[place]
			seen[place] = true
			return l, there
		})
		if err != nil {
			return nil, nil, err
		}
		a := list[i]
		a.Steps = slices.DeleteFunc(slices.Clone(a.Steps), func(s Done) bool { return s.Needs == nil || touched[s.Needs.Table] })
		if _, err := u.demands(ctx, &a, have); err != nil {
			return nil, nil, err
		}
		for _, s := range list[i].Steps {
			touched[s.Table] = true
			if s.Renamed != nil {
				touched[s.Renamed.Was] = true
			}
		}
	}
	return list, u.finish(), nil
}

// today is a loss under the names it has after later entries, the latest of
// them first.
func today(l Loss, later []Applied) Loss {
	for _, a := range slices.Backward(later) {
		for _, s := range a.Steps {
			switch n := s.Renamed; {
			case n == nil:
			case n.Column == "" && l.Table == n.Was:
				l.Table = n.Table
			case n.Column != "" && l.Table == n.Table && l.Column == n.Was:
				l.Column = n.Column
			}
		}
	}
	return l
}

func (r *Runner) undo(ctx context.Context, to int64) ([]Applied, []dataflow.Diagnostic, error) {
	list, ds, err := r.undoable(ctx, to)
	if ds != nil || err != nil {
		return nil, ds, err
	}
	u := newUndoing(r, list)
	now := func(l Loss) (Loss, bool) { return l, true } // the later entries have been undone
	for i := range list {
		if err := u.losses(ctx, &list[i], now); err != nil {
			return nil, nil, err
		}
		have, err := r.DB.Inspect(ctx)
		if err != nil {
			return nil, nil, err
		}
		if refused, err := u.demands(ctx, &list[i], have); refused || err != nil {
			return nil, u.finish(), err
		}
		if ds, err := r.reverse(ctx, &list[i]); ds != nil || err != nil {
			return nil, append(u.refused, ds...), err
		}
	}
	return list, u.finish(), nil
}

// undoing watches over what is thrown away where migrations are undone.
type undoing struct {
	*Runner
	words   []string // that could be allowed
	used    map[string]bool
	refused []dataflow.Diagnostic
}

func newUndoing(r *Runner, list []Applied) *undoing {
	u := &undoing{Runner: r, used: map[string]bool{}}
	for i := range list {
		u.name(&list[i])
	}
	return u
}

// name takes note of the words that are about an entry.
func (u *undoing) name(a *Applied) {
	for _, s := range a.Steps {
		if s.Loses != nil && !Internal(s.Table) {
			u.words = append(u.words, s.Loses.Allow)
			u.used[s.Loses.Allow] = slices.Contains(u.Allow, s.Loses.Allow)
		}
		if d := s.Needs; d != nil && d.Allow != "" && !Internal(s.Table) {
			u.words = append(u.words, d.Allow)
			u.used[d.Allow] = slices.Contains(u.Allow, d.Allow)
		}
	}
}

// losses refuses to throw away what was not allowed. now says where it is, and
// whether it is there at all.
func (u *undoing) losses(ctx context.Context, a *Applied, now func(Loss) (Loss, bool)) error {
	data := u.DB.Data(ctx)
	for _, s := range a.Steps {
		if s.Loses == nil || Internal(s.Table) {
			continue
		}
		l, there := now(*s.Loses)
		if !there || u.used[s.Loses.Allow] {
			continue
		}
		n, err := data.Rows(l.Table)
		if err == nil && l.Column != "" && n > 0 {
			var nulls int64
			nulls, err = data.Nulls(l.Table, l.Column)
			n -= nulls
		}
		if err != nil {
			return err
		}
		if n > 0 {
			u.refused = append(u.refused, dataflow.Diagnostic{Code: "FC625", Severity: dataflow.SeverityError, Span: u.Database.URLSpan(),
				Message: fmt.Sprintf("undoing %q throws away the values of %s", s.Step, rows(n)),
				Hint:    "if that is meant: --allow " + s.Loses.Allow})
		}
	}
	return nil
}

// finish returns what was refused, and the words that allow nothing.
func (u *undoing) finish() []dataflow.Diagnostic {
	ds := u.refused
	for _, word := range u.Allow {
		if !u.used[word] {
			ds = append(ds, dataflow.Diagnostic{Code: "FC624", Severity: dataflow.SeverityError,
				Message: fmt.Sprintf("--allow %s allows nothing that is to be undone", word), Hint: dataflow.NearOrAll(word, u.words)})
		}
	}
	return ds
}

// reverse runs the reverse of an entry, the last step first.
func (r *Runner) reverse(ctx context.Context, a *Applied) ([]dataflow.Diagnostic, error) {
	for _, s := range slices.Backward(a.Steps) {
		if Internal(s.Table) {
			continue // the runtime's own tables stay: this is written into one
		}
		for _, sql := range s.Reverse {
			if err := r.DB.Exec(ctx, sql); err != nil {
				d := r.DB.Failure(ctx, err)
				_, why, _ := strings.Cut(d.Message, " can't be made as the models ask: ") // it is not what the models ask
				d.Message = fmt.Sprintf("%q can't be undone with the rows that are there: %s", s.Step, cmp.Or(why, d.Message))
				return []dataflow.Diagnostic{d}, nil
			}
		}
	}
	a.State = StateRolledBack
	if err := r.DB.Record(ctx, a); err != nil {
		return nil, err
	}
	return nil, r.DB.Note(ctx, a.Before, "")
}
