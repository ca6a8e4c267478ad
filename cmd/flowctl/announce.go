package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
)

// shownAtMost is how many models or workflows the start-up output names.
const shownAtMost = 25

// announce says what was opened, what was changed in it, and what is served
// where.
func announce(w io.Writer, a *appFile, gen *nexus.Generation, srv *nexus.Server, held bool, took time.Duration) {
	app := gen.Engine().App()
	fmt.Fprintf(w, "%s\n\n", a.display+a.base)
	for _, m := range gen.Migrations() {
		state := "up to date"
		switch {
		case m.Created:
			state = "new"
		case len(m.Steps) > 0:
			state = "changed"
		}
		writeDone(w, m.Database, state, m.Steps)
	}
	api, mcp := srv.URLs()
	fmt.Fprintf(w, "REST      %s\n", api)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	listModels(tw, app.Exposures)
	listWorkflows(tw, app.Workflows)
	tw.Flush()
	if mcp != "" {
		fmt.Fprintf(w, "MCP       %s\n", mcp)
	}
	if asksWho(app) {
		fmt.Fprintf(w, "callers   %s\n", credentials(a, app))
	}
	if held {
		fmt.Fprintln(w, "runs      held: none that waits or is queued goes on, and none begins that is scheduled")
	}
	if len(app.Exposures) == 0 && len(app.Workflows) == 0 {
		fmt.Fprint(w, "\nnothing is served yet: add app.expose(Model) or app.register(name, workflow)\n")
	}
	fmt.Fprintf(w, "\nready in %d ms; press Ctrl+C to stop\n", took.Milliseconds())
}

// credentials says what callers of an app are known by.
func credentials(a *appFile, app *dataflow.App) string {
	var by []string
	if a.hasKeys(app) == nil {
		by = append(by, "API keys (flowctl keys create "+a.display+a.base+" NAME)")
	}
	for _, i := range app.Server.Auth.Issuers {
		name := i.Issuer
		if name == "" {
			name = "whoever has the secret"
		}
		by = append(by, "tokens of "+name)
	}
	return strings.Join(by, ", ")
}

func listModels(w io.Writer, exposures []*dataflow.Exposure) {
	for i, exp := range exposures {
		if i == shownAtMost {
			fmt.Fprintf(w, "          … and %s\n", plural(len(exposures)-i, "more model"))
			return
		}
		what := "every operation"
		if len(exp.Ops) < len(dataflow.Ops()) {
			ops := make([]string, len(exp.Ops))
			for i, op := range exp.Ops {
				ops[i] = op.String()
			}
			what = strings.Join(ops, ", ")
		}
		fmt.Fprintf(w, "          /api/%s\t%s: %s\n", exp.Path, exp.Model.Name, what)
	}
}

func listWorkflows(w io.Writer, workflows []*dataflow.Workflow) {
	for i, wf := range workflows {
		if i == shownAtMost {
			fmt.Fprintf(w, "          … and %s\n", plural(len(workflows)-i, "more workflow"))
			return
		}
		inputs := make([]string, len(wf.Input))
		for i, f := range wf.Input {
			inputs[i] = f.Name
			if !f.Required() {
				inputs[i] += "?"
			}
		}
		fmt.Fprintf(w, "          /workflows/%s\t(%s)\n", wf.Name, strings.Join(inputs, ", "))
	}
}
