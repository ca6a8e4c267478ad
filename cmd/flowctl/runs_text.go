package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
)

// table lines columns up, which tabs separate.
func table(out io.Writer, fill func(w io.Writer)) error {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(tw)
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(out, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// instant is a time to the millisecond, always as wide; "-" is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func writeRuns(out io.Writer, list []*durable.Run) error {
	return table(out, func(w io.Writer) {
		fmt.Fprint(w, "RUN\tWORKFLOW\tSTATUS\tSTARTED\tABOUT\n")
		for _, r := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Workflow, r.Status, instant(r.Created), about(r))
		}
	})
}

// about is what there is to know of a run's status.
func about(r *durable.Run) string {
	switch {
	case r.Cancelling():
		return "is being cancelled"
	case r.Status == durable.Waiting && r.WaitsFor() != "" && !r.WakeAt.IsZero():
		return "waits for " + r.Reason + ", at most until " + instant(r.WakeAt)
	case r.WaitsFor() != "":
		return "waits for " + r.WaitsFor()
	case r.Error != nil:
		return errorLine(r.Error)
	}
	return ""
}

func errorLine(e *dataflow.Error) string {
	message, _, _ := strings.Cut(e.Message, "\n")
	return e.Code + ": " + message
}

func jsonText(v any) string { return string(codec.AppendValue(nil, v)) }

// writeRun writes a run whole.
func writeRun(out io.Writer, r *durable.Run, steps []*engine.Step) error {
	err := table(out, func(w io.Writer) {
		status := string(r.Status)
		if s := about(r); s != "" {
			status += "; " + s
		}
		fmt.Fprintf(w, "run\t%s\nworkflow\t%s\nstatus\t%s\n", r.ID, r.Workflow, status)
		for _, part := range []struct {
			name, v string
		}{{"tenant", r.Caller.Tenant}, {"started by", r.Origin}, {"part of", r.Parent}} {
			if part.v != "" {
				fmt.Fprintf(w, "%s\t%s\n", part.name, part.v)
			}
		}
		fmt.Fprintf(w, "started\t%s\n", instant(r.Created))
		if r.Status.Ended() {
			fmt.Fprintf(w, "ended\t%s\n", instant(r.Ended))
		}
		fmt.Fprintf(w, "inputs\t%s\n", jsonText(r.Input))
		if r.Status == durable.Completed {
			fmt.Fprintf(w, "outputs\t%s\n", jsonText(r.Output))
		}
		if r.Error != nil && r.Error.Hint != "" {
			fmt.Fprintf(w, "hint\t%s\n", r.Error.Hint)
		}
		if r.Error != nil {
			for _, p := range r.Error.Problems {
				wrong := p.Detail
				if p.Pointer != "" {
					wrong = p.Pointer + ": " + wrong
				}
				if p.Hint != "" {
					wrong += "; " + p.Hint
				}
				fmt.Fprintf(w, "wrong\t%s\n", wrong)
			}
		}
	})
	if err != nil || len(steps) == 0 {
		return err
	}
	if _, err := io.WriteString(out, "\n"); err != nil {
		return err
	}
	var b bytes.Buffer
	err = table(&b, func(w io.Writer) {
		fmt.Fprint(w, "STEP\tSTATE\tATTEMPTS\tSTARTED\tENDED\n")
		for _, s := range steps {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", s.Key, s.State, s.Attempts, instant(s.Started), instant(s.Ended))
		}
	})
	if err != nil {
		return err
	}
	// What a step was given and gave stands below its line.
	head, lines, _ := strings.Cut(b.String(), "\n")
	fmt.Fprintln(out, head)
	for i, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		fmt.Fprintln(out, line)
		if err := writeStep(out, steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func writeStep(out io.Writer, s *engine.Step) error {
	for _, part := range []struct {
		name, v string
		set     bool
	}{
		{"input", jsonText(s.Input), s.Input != nil},
		{"waits", jsonText(s.Result), s.Result != nil && s.State == engine.StepWaiting},
		{"output", jsonText(s.Result), s.Result != nil && s.State != engine.StepWaiting},
	} {
		if part.set {
			if _, err := fmt.Fprintf(out, "    %-7s %s\n", part.name, part.v); err != nil {
				return err
			}
		}
	}
	if s.Error == nil {
		return nil
	}
	_, err := fmt.Fprintf(out, "    error   %s\n", errorLine(s.Error))
	return err
}

// followed is what has been told of a run.
type followed struct {
	out    io.Writer
	states map[string]engine.StepState
	status string
}

func newFollowed(out io.Writer) *followed {
	return &followed{out: out, states: map[string]engine.StepState{}}
}

// tell writes what is new of a run. That it is queued or in progress is not:
// its steps say more.
func (f *followed) tell(r *durable.Run, steps []*engine.Step) {
	for _, s := range steps {
		if f.states[s.Key] == s.State || s.State == engine.StepWaiting { // the run says what it waits for
			continue
		}
		f.states[s.Key] = s.State
		at := s.Ended
		if at.IsZero() {
			at = s.Started
		}
		f.line(at, s.Key, string(s.State), s.Error)
	}
	status := string(r.Status)
	switch {
	case r.Status.Ended():
		f.line(r.Ended, "the run", status, r.Error)
	case r.Status == durable.Waiting && !r.Cancelling() && f.status != status+about(r):
		f.status = status + about(r)
		f.line(r.Updated, "the run", about(r), nil)
	}
}

func (f *followed) line(at time.Time, what, how string, err *dataflow.Error) {
	if err != nil {
		how += "; " + errorLine(err)
	}
	fmt.Fprintf(f.out, "%s  %s: %s\n", instant(at), what, how)
}
