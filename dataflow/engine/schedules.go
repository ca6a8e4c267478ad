package engine

import (
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/crontab"
)

// Timed is a workflow that runs at certain times.
type Timed struct {
	Name     string
	Workflow string
	Inputs   *dataflow.Object // checked
	Spec     string           // tells schedules apart that have the name
	Home     *dataflow.Database
	times    *crontab.Times
	at       *time.Location
}

// Next is the first time after t, by the clock of its place. What it makes of a
// clock that is set forward in spring and back in autumn, package crontab says.
func (t *Timed) Next(after time.Time) time.Time {
	return t.times.Next(after, t.at).UTC()
}

// Passing reports whether the times follow the time that passes, as those of
// every hour do; others are times of the day.
func (t *Timed) Passing() bool { return t.times.Passing() }

// Timetable lists the app's schedules.
func (p *Plan) Timetable() []*Timed { return p.timetable }

func (p *planner) schedules() {
	taken := map[string]dataflow.Span{}
	for _, s := range p.plan.app.Schedules {
		before := len(p.diags)
		wp := p.started(s.Workflow, s.WorkflowName, s.Spans)
		t := &Timed{Name: s.Name, Spec: s.Cron + " " + s.TZ, at: p.placeOf(s), times: p.timesOf(s)}
		if wp != nil && t.Name == "" {
			t.Name = wp.wf.Name
		}
		if first, there := taken[t.Name]; there && t.Name != "" {
			d := p.errorf("FC383", s.Span, "two schedules are called %q", t.Name)
			d.Hint = `give one a name of its own: app.schedule(…, name = "…")`
			d.Related = []dataflow.Related{{Message: "the first is here", Span: first}}
		}
		taken[t.Name] = s.Span
		var inputs []any
		if wp != nil && !s.Spans.Refused("/input") {
			inputs = p.inputsOf(s, wp.wf)
		}
		if len(p.diags) > before || wp == nil || t.times == nil {
			continue
		}
		t.Workflow, t.Inputs, t.Home = wp.wf.Name, dataflow.NewRecord(wp.wf.InputShape, inputs), p.plan.home(wp)
		p.plan.timetable = append(p.plan.timetable, t)
	}
}

// placeOf is the place whose clock a schedule goes by.
func (p *planner) placeOf(s *dataflow.Schedule) *time.Location {
	if s.TZ == "" {
		return time.UTC
	}
	at, err := time.LoadLocation(s.TZ)
	if err != nil || s.TZ == "Local" {
		p.errorf("FC383", s.Spans.At("/tz"), "%q is no time zone", s.TZ).Hint = `write the name of the IANA database, as "Europe/Berlin"; without tz it is UTC`
		return time.UTC
	}
	return at
}

// timesOf are the times of a schedule; nil if they are none.
func (p *planner) timesOf(s *dataflow.Schedule) *crontab.Times {
	at := s.Spans.At("/cron")
	if s.Spans.Refused("/cron") {
		return nil
	}
	if strings.Contains(s.Cron, "TZ=") {
		p.errorf("FC383", at, "the time zone is no part of the times").Hint = `write tz = "Europe/Berlin"`
		return nil
	}
	times, err := crontab.Parse(s.Cron)
	switch {
	case err != nil:
		p.errorf("FC383", at, "%q is no times: %s", s.Cron, err).
			Hint = `five fields, as "0 6 * * mon-fri": minute, hour, day of month, month, day of week; or "@daily", "@every 10m"`
	case times.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC).IsZero():
		p.errorf("FC383", at, "%q never comes", s.Cron).Hint = "there is no such day"
	}
	return times
}

// inputsOf are the inputs that a schedule gives its workflow.
func (p *planner) inputsOf(s *dataflow.Schedule, wf *dataflow.Workflow) []any {
	inputs, err := checkInputs(wf, s.Input)
	if err != nil {
		var slips map[string]bool
		if s.Input != nil {
			slips = misspelt(s.Input, inputNames(wf))
		}
		for _, pr := range dataflow.AsError(err).Problems {
			if pr.Code == "required" && slips[strings.TrimPrefix(pr.Pointer, "/")] {
				continue // it stands under another name
			}
			p.errorf("FC383", s.Spans.At("/input"+pr.Pointer), "the input of %s: %s: %s", wf.Name, partName("input", pr.Pointer), pr.Detail).Hint = pr.Hint
		}
	}
	return inputs
}
