package mcp

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/nexus/schema"
)

// own is a tool of flowctl's own, for all models or for runs.
type own struct {
	name, title, doc string
	params           func(a audience) []*dataflow.Field
	reach            reach
	run              func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error)
}

func (s *Server) ownTool(o own, k kind) *tool {
	t := &tool{name: o.name, title: o.title, kind: k, readOnly: o.reach.readOnly}
	t.define = func() definition {
		return definition{description: o.doc, input: schema.Input(o.params(audience{Server: s})), reach: o.reach}
	}
	t.run = func(ctx context.Context, q *request, args *dataflow.Object) (answer, error) {
		fields := o.params(audience{Server: s, caller: &q.caller, args: args})
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.Name
		}
		in, problems := codec.CoerceObject(dataflow.NewShape(names...), fields, args, "")
		for _, f := range fields {
			if f.Required() && !args.Has(f.Name) {
				problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/" + f.Name, Detail: f.Name + " is required: " + f.Doc})
			}
		}
		if len(problems) > 0 {
			return answer{}, codec.Error(problems)
		}
		return o.run(ctx, s, q, in)
	}
	return t
}

func param(name string, t *dataflow.Type, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: t, Doc: doc}
}

func optionalParam(name string, t *dataflow.Type, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: t, Optional: true, HasDefault: true, Default: dataflow.Absent, Doc: doc}
}

// runTools are the tools for durable runs, if the app has any.
func (s *Server) runTools() []*tool {
	if s.o.Runs == nil || len((audience{Server: s}).startable()) == 0 {
		return nil
	}
	var tools []*tool
	for _, o := range runTable() {
		tools = append(tools, s.ownTool(o, kindRuns))
	}
	return tools
}

// startable names the durable workflows, those that the caller may start.
func (a audience) startable() []string {
	var names []string
	for _, wf := range a.engine.App().Workflows {
		if a.engine.Plan().Durable(wf.Name) && (a.caller == nil || access.MayStart(*a.caller, wf) == nil) {
			names = append(names, wf.Name)
		}
	}
	return names
}

func runID(audience) []*dataflow.Field {
	return []*dataflow.Field{param("run_id", dataflow.String, "the id of the run")}
}

func runTable() []own {
	enum := func(values []string) *dataflow.Type { return &dataflow.Type{Kind: dataflow.KindEnum, Values: values} }
	return []own{
		{name: "list_runs", title: "List runs", reach: reach{readOnly: true, idempotent: true},
			doc: "Lists runs of durable workflows, the latest first.\nReturns {runs, count, has_more, next_cursor}.",
			params: func(a audience) []*dataflow.Field {
				limit := optionalParam("limit", dataflow.Int, fmt.Sprintf("the most runs to return; %d if left out", listLimit))
				limit.Ge, limit.Le = int64(1), int64(100)
				workflow := dataflow.String
				if names := a.startable(); len(names) > 0 {
					workflow = enum(names)
				}
				return []*dataflow.Field{optionalParam("workflow", workflow, "runs of this workflow"),
					optionalParam("status", enum(durable.Statuses()), "runs in this state"), limit,
					optionalParam("cursor", dataflow.String, "next_cursor of the page before")}
			},
			run: func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
				f := durable.Filter{Workflow: text(args, "workflow"), Status: durable.Status(text(args, "status")), Before: text(args, "cursor"), Limit: listLimit}
				if v, _ := args.Get("limit"); v != nil && v != dataflow.Absent {
					f.Limit = int(v.(int64))
				}
				list, more, err := s.o.Runs.List(ctx, q.ruled(), f)
				if err != nil {
					return answer{}, err
				}
				o := durable.Page(list, more)
				o.Set("truncated", false)
				return answer{value: o}, nil
			}},
		{name: "get_run", title: "Show a run", reach: reach{readOnly: true, idempotent: true}, params: runID,
			doc: "Shows a run with its steps: their states, attempts, inputs, outputs and times.",
			run: func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
				o, err := s.o.Runs.Show(ctx, q.ruled(), text(args, "run_id"))
				return answer{value: o, runID: text(args, "run_id")}, err
			}},
		{name: "signal_run", title: "Signal a run", reach: reach{destructive: true, openWorld: true},
			doc: "Sends a run a signal that it waits for, as an approval; waits_for of the run says which, and the workflow's tool what has to come with it. A run that failed for what it was sent " +
				"is sent it again, and then tried again.",
			params: func(a audience) []*dataflow.Field {
				name := param("name", dataflow.String, "of the signal")
				one, most := 1, 100
				name.MinLength, name.MaxLength = &one, &most
				return append(runID(a), name, optionalParam("payload", dataflow.Any, "what the run gets with it"))
			},
			run: func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
				payload, _ := args.Get("payload")
				if payload == dataflow.Absent {
					payload = nil
				}
				return summaryOf(s.o.Runs.Signal(ctx, q.ruled(), text(args, "run_id"), text(args, "name"), payload))
			}},
		{name: "cancel_run", title: "Cancel a run", reach: reach{destructive: true, openWorld: true}, params: runID,
			doc: "Ends a run that goes on or waits; what it has done is compensated where the workflow says how.",
			run: func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
				return summaryOf(s.o.Runs.Cancel(ctx, q.ruled(), text(args, "run_id")))
			}},
		{name: "retry_run", title: "Retry a run", reach: reach{destructive: true, openWorld: true}, params: runID,
			doc: "Goes on with a run that has failed, from the step that did.",
			run: func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
				return summaryOf(s.o.Runs.Retry(ctx, q.ruled(), text(args, "run_id")))
			}},
	}
}

func summaryOf(r *durable.Run, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{value: r.Summary(), runID: r.ID}, nil
}
