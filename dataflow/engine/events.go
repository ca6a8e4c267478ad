package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// What happens to rows starts runs in the transaction that did it: the queued
// run is the message, so that none is lost and none tells of what was undone.

// subscription is a workflow that listens.
type subscription struct {
	event string
	model *dataflow.Model // nil: the event is told by an EmitNode
	kind  string          // "created", "updated" or "deleted"
	where query.Expr
	wp    *workflowPlan
	fill  []int // of each input of the workflow: a field of the row, or one of the below
}

// What an input can be filled with beside a field of the row.
const (
	fillNothing = -1 - iota // its default
	fillRecord
	fillBefore
	fillEvent
)

// Inputs that are filled with more than a field.
var fillNames = map[string]int{"record": fillRecord, "before": fillBefore, "event": fillEvent}

var eventKinds = []string{"created", "updated", "deleted"}

func (p *planner) subscriptions() {
	for _, s := range p.plan.app.Subscriptions {
		wp := p.started(s.Workflow, s.Name, s.Spans)
		sub := &subscription{event: s.Event, wp: wp}
		known := p.eventOf(s, sub)
		if sub.model == nil {
			if known && s.Where != nil {
				p.errorf("FC381", s.Spans.At("/where"), "where is for events of models, and %q is told by an EmitNode", s.Event).
					Hint = "tell it only when it is to be heard"
			}
			p.plan.events[s.Event] = append(p.plan.events[s.Event], sub)
			continue
		}
		if wp != nil {
			p.fillInputs(s, sub)
		}
		if wp != nil && p.plan.home(wp) != sub.model.Database {
			p.errorf("FC351", s.Span, "%s writes to another database than %s is in, and is started with its changes", wp.wf.Name, sub.model.Name).
				Hint = "listen with a workflow that writes to the database of the model"
		}
		if s.Where != nil {
			expr, problems := query.Parse(sub.model, s.Where, "")
			for _, pr := range problems {
				p.errorf("FC381", s.Spans.At("/where"+pr.Pointer), "%s: %s", partName("where", pr.Pointer), pr.Detail).Hint = pr.Hint
			}
			if expr != nil && len(problems) == 0 && query.Leads(expr) {
				p.errorf("FC381", s.Spans.At("/where"), "where looks at the row that changed, and not through references").
					Hint = "look further in the workflow, with a SwitchNode"
			}
			sub.where = expr
		}
		if sub.kind == "deleted" && p.removedAlong(sub.model) {
			p.diags = append(p.diags, dataflow.Diagnostic{Code: "FC382", Severity: dataflow.SeverityWarning, Span: s.Spans.At("/event"),
				Message: fmt.Sprintf("rows of %s that go along with others (on_delete = \"cascade\") are removed by the database, which tells nobody", sub.model.Name),
				Hint:    "delete them in the workflow that deletes the others, or listen to the others' event"})
		}
		p.plan.rows[sub.model] = append(p.plan.rows[sub.model], sub)
	}
}

// started is the plan of a workflow that an event or a clock starts.
func (p *planner) started(wf *dataflow.Workflow, name string, spans dataflow.Spans) *workflowPlan {
	at := spans.At("/workflow")
	if spans.Refused("/workflow") {
		return nil
	}
	if wf != nil {
		name = wf.Name
	}
	wp, ok := p.plan.workflows[name]
	switch {
	case !ok || wf != nil && wp.wf != wf:
		var names []string
		for _, wf := range p.plan.app.Workflows {
			names = append(names, wf.Name)
		}
		d := p.errorf("FC330", at, "there is no registered workflow %q", name)
		if d.Hint = dataflow.NearOrAll(name, names); wf != nil || d.Hint == "" || len(names) == 0 {
			d.Hint = `register it first: app.register("name", workflow)`
		}
		return nil
	case len(p.plan.databases) == 0:
		p.errorf("FC356", at, "a run that nobody asks for is kept, and the app has no database to keep it in").
			Hint = `declare one: db = DataFlow(database_url = "sqlite:app.db")`
		return nil
	}
	return wp
}

// eventOf reads the name of an event, and reports whether it is right. The model
// is found also where what happens to it is not.
func (p *planner) eventOf(s *dataflow.Subscription, sub *subscription) bool {
	model, kind, dotted := strings.Cut(s.Event, ".")
	at := s.Spans.At("/event")
	if s.Spans.Refused("/event") {
		return false
	}
	if !dotted {
		if !nodeID.Fits(s.Event) {
			p.errorf("FC381", at, "%q is no name of an event", s.Event).Hint = `"Order.created", or a name of letters, digits, _ and - that an EmitNode tells`
			return false
		}
		return true
	}
	found := p.plan.byName[model]
	switch {
	case len(found) == 0:
		var names []string
		for _, m := range p.plan.models {
			names = append(names, m.Name)
		}
		p.errorf("FC381", at, "there is no model %q", model).Hint = dataflow.NearOrAll(model, names)
		return false
	case len(found) > 1:
		p.errorf("FC381", at, "%d models are called %s", len(found), model).Hint = "an event names a model of which there is one"
		return false
	}
	sub.model, sub.kind = found[0], kind
	if !slices.Contains(eventKinds, kind) {
		d := p.errorf("FC381", at, "nothing is %q of a model", kind)
		if d.Hint = dataflow.DidYouMean(kind, eventKinds); d.Hint == "" {
			d.Hint = fmt.Sprintf("%s.created, %s.updated or %s.deleted", model, model, model)
		}
		return false
	}
	return true
}

// fillInputs finds for each input of the workflow what it is filled with.
func (p *planner) fillInputs(s *dataflow.Subscription, sub *subscription) {
	m := sub.model
	for _, in := range sub.wp.wf.Input {
		fill, special := fillNames[in.Name]
		i := slices.IndexFunc(m.Fields, func(f *dataflow.Field) bool { return f.Name == in.Name })
		switch {
		case i >= 0:
			fill = i
			p.takes(s, sub, in, in.Name, m.Fields[i])
		case special && fill == fillEvent:
			p.fits(s, sub, in, in.Name, dataflow.String)
		case special:
			p.takesRow(s, sub, in)
		case in.Required():
			p.unfilled(s, sub, in, in.Name, append([]string{"record", "before", "event"}, fieldNames(m)...),
				"inputs are filled by name: record (the row), before, event, and else the row's field of that name")
			continue
		default:
			fill = fillNothing
		}
		sub.fill = append(sub.fill, fill)
	}
}

// takesRow holds an input against the row that fills it. An object with fields
// is given those of them that the row has, so that their types are the file's
// and what the model gets later is of no matter to it.
func (p *planner) takesRow(s *dataflow.Subscription, sub *subscription, in *dataflow.Field) {
	if in.Name == "before" && sub.kind == "created" && !takesNull(in) {
		d := p.errorf("FC382", s.Spans.At("/workflow"), "before is null when a row is created, and the input of %s must have a value", sub.wp.wf.Name)
		d.Hint = "leave it out, or let it be null: field(json, optional = True)"
		d.Related = []dataflow.Related{{Message: "the input", Span: in.Span}}
	}
	if in.Type.Kind != dataflow.KindObject {
		p.fits(s, sub, in, in.Name, dataflow.RecordOf(sub.model))
		return
	}
	for _, f := range in.Type.Fields {
		name := in.Name + "." + f.Name
		if from := sub.model.Field(f.Name); from != nil {
			p.takes(s, sub, f, name, from)
		} else if sub.model.ComputedField(f.Name) != nil {
			p.unfilled(s, sub, f, name, nil, "a computed value is worked out when a row is read, and an event has none: work it out of the fields")
		} else if f.Required() {
			p.unfilled(s, sub, f, name, fieldNames(sub.model), "the row has "+strings.Join(fieldNames(sub.model), ", "))
		}
	}
}

// takes holds an input, or a field of one, against the row's field that fills it.
func (p *planner) takes(s *dataflow.Subscription, sub *subscription, in *dataflow.Field, name string, from *dataflow.Field) {
	if !p.fits(s, sub, in, name, from.Type) || !from.Optional || takesNull(in) || asksOf(s.Where, from.Name) {
		return
	}
	p.diags = append(p.diags, dataflow.Diagnostic{Code: "FC382", Severity: dataflow.SeverityWarning, Span: s.Spans.At("/workflow"),
		Message: fmt.Sprintf("the input %q of %s must have a value, and %s.%s may be null: whoever writes such a row is refused", name, sub.wp.wf.Name, sub.model.Name, from.Name),
		Hint:    fmt.Sprintf(`make the input optional, or listen to other rows only: where = {%q: {"$null": False}}`, from.Name),
		Related: []dataflow.Related{{Message: "the input", Span: in.Span}}})
}

func (p *planner) fits(s *dataflow.Subscription, sub *subscription, in *dataflow.Field, name string, typ *dataflow.Type) bool {
	if assignable(typ, in.Type) != fitsNever {
		return true
	}
	p.errorf("FC382", s.Spans.At("/workflow"), "the input %q of %s is %s, and the event has %s", name, sub.wp.wf.Name, in.Type, typ).
		Related = []dataflow.Related{{Message: "the input", Span: in.Span}}
	return false
}

// unfilled says that nothing fills an input, or a field of one. The hint is the
// nearest of the names, or else the one that is given.
func (p *planner) unfilled(s *dataflow.Subscription, sub *subscription, in *dataflow.Field, name string, names []string, hint string) {
	d := p.errorf("FC382", s.Spans.At("/workflow"), "nothing of the event fills the input %q of %s", name, sub.wp.wf.Name)
	if d.Hint = dataflow.DidYouMean(in.Name, names); d.Hint == "" {
		d.Hint = hint
	}
	d.Related = []dataflow.Related{{Message: "the input", Span: in.Span}}
}

func takesNull(f *dataflow.Field) bool { return f.Optional || f.Type.Kind == dataflow.KindAny }

// asksOf reports whether a filter says anything of a field: which rows it lets
// through is then the file's own business.
func asksOf(filter any, field string) bool {
	switch x := filter.(type) {
	case *dataflow.Object:
		for name, v := range x.All {
			if name == field || asksOf(v, field) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, func(v any) bool { return asksOf(v, field) })
	}
	return false
}

func fieldNames(m *dataflow.Model) []string {
	names := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		names[i] = f.Name
	}
	return names
}

// removedAlong reports whether rows of a model go along with others.
func (p *planner) removedAlong(m *dataflow.Model) bool {
	return slices.ContainsFunc(m.Fields, func(f *dataflow.Field) bool {
		return f.Type.Kind == dataflow.KindRef && f.OnDelete == "cascade"
	})
}

// maxChain bounds how many events may lead from one to the next: a workflow
// that changes what it listens to would go on for ever.
const maxChain = 16

func tooLong(event string) error {
	return &dataflow.Error{Code: "event_loop", Status: dataflow.StatusRejected,
		Message: fmt.Sprintf("%s follows from itself: %d events led to it, one by what the other started", event, maxChain),
		Hint:    "a workflow that changes what it listens to needs a where that ends it"}
}

// changed returns what hears of changes to a model's rows; nil if nobody does.
func (e *Engine) changed(m *dataflow.Model) func(context.Context, store.Tx, access.Caller, []access.Change) error {
	subs := e.plan.rows[m]
	if len(subs) == 0 {
		return nil
	}
	deletedAt := m.RoleIndex(dataflow.RoleDeletedAt)
	return func(ctx context.Context, tx store.Tx, c access.Caller, changes []access.Change) error {
		for _, s := range subs {
			var runs []*Spawned
			for _, ch := range changes {
				row := ch.After
				kind := "updated"
				switch {
				case ch.Before == nil:
					kind = "created"
				case ch.After == nil:
					kind, row = "deleted", ch.Before
				case deletedAt >= 0 && ch.After.Vals()[deletedAt] != nil && ch.Before.Vals()[deletedAt] == nil:
					kind = "deleted"
				}
				if kind != s.kind || s.where != nil && !query.Match(s.where, func(p query.Path) any { return row.Vals()[p.Field] }) {
					continue
				}
				inputs, err := checkInputs(s.wp.wf, s.inputs(row, ch.Before))
				if err != nil {
					return named(err, s.wp.wf)
				}
				runs = append(runs, &Spawned{Workflow: s.wp.wf.Name, Inputs: dataflow.NewRecord(s.wp.wf.InputShape, inputs)})
			}
			if err := e.startAll(ctx, tx, m.Database, s.event, runs, c); err != nil {
				return err
			}
		}
		return nil
	}
}

// inputs are the inputs of a workflow that hears of a row.
func (s *subscription) inputs(row, before *dataflow.Object) *dataflow.Object {
	in := dataflow.NewObject()
	for i, f := range s.wp.wf.Input {
		switch fill := s.fill[i]; fill {
		case fillNothing:
		case fillRecord:
			in.Set(f.Name, plain(row, f.Type))
		case fillBefore:
			in.Set(f.Name, plain(before, f.Type))
		case fillEvent:
			in.Set(f.Name, s.event)
		default:
			if v := row.Vals()[fill]; v != dataflow.Absent {
				in.Set(f.Name, v)
			}
		}
	}
	return in
}

// plain is a row as a value of its own: of an object with fields those that
// it has, else all of the row.
func plain(row *dataflow.Object, t *dataflow.Type) any {
	if row == nil {
		return nil
	}
	some := t.Kind == dataflow.KindObject && t.Fields != nil
	o := dataflow.NewObject()
	for name, v := range row.All {
		if _, _, has := t.Attr(name); has || !some {
			o.Set(name, v)
		}
	}
	return o
}

func (e *Engine) startAll(ctx context.Context, tx store.Tx, db *dataflow.Database, event string, runs []*Spawned, c access.Caller) error {
	if len(runs) == 0 {
		return nil
	}
	if c.Chain >= maxChain {
		return tooLong(event)
	}
	if e.start == nil {
		return &dataflow.Error{Code: "not_available", Status: dataflow.StatusRejected, Message: "nobody keeps the runs that " + event + " starts"}
	}
	c.Chain++
	return e.start.Start(ctx, tx, db, runs, c, "event "+event)
}

// Emit implements Runtime.
func (rt *runtime) Emit(ctx context.Context, event string, data *dataflow.Object) (int, error) {
	r := rt.run
	if r.tx == nil {
		if r.probing && len(r.engine.plan.databases) > 0 {
			r.wanted = r.engine.plan.databases[0]
			return 0, errRestart
		}
		return 0, &dataflow.Error{Code: "undeclared_write", Status: dataflow.StatusInternal, Message: "an event is told within a transaction"}
	}
	var runs []*Spawned
	for _, s := range r.engine.plan.events[event] {
		in := dataflow.NewObject()
		for _, f := range s.wp.wf.Input {
			if f.Name == "event" {
				in.Set("event", event)
			} else if v, ok := data.Get(f.Name); ok {
				in.Set(f.Name, v)
			}
		}
		inputs, err := checkInputs(s.wp.wf, in)
		if err != nil {
			return 0, reroot(err, "/data")
		}
		if r.engine.plan.home(s.wp) != r.txDB {
			return 0, &dataflow.Error{Code: "second_database", Status: dataflow.StatusInternal,
				Message: fmt.Sprintf("%s, which listens to %s, keeps its runs in another database than this run writes to", s.wp.wf.Name, event)}
		}
		runs = append(runs, &Spawned{Workflow: s.wp.wf.Name, Inputs: dataflow.NewRecord(s.wp.wf.InputShape, inputs)})
	}
	return len(runs), r.engine.startAll(ctx, r.tx, r.txDB, event, runs, r.caller)
}

// Heard reports whether a workflow listens to an event that is told.
func (p *Plan) Heard(event string) bool { return len(p.events[event]) > 0 }
