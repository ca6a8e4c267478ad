package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

// goNode is a node type written in Go, as an embedding program's.
type goNode struct {
	spec *dataflow.NodeSpec
	run  func(context.Context, *engine.Call) (any, error)
}

func (n *goNode) Spec() *dataflow.NodeSpec { return n.spec }
func (n *goNode) Run(ctx context.Context, c *engine.Call) (any, error) {
	return n.run(ctx, c)
}

func newNode(name string, effect dataflow.Effect, run func(context.Context, *engine.Call) (any, error)) *goNode {
	return &goNode{&dataflow.NodeSpec{Name: name, Effect: effect, Output: dataflow.Any, Rest: dataflow.Any}, run}
}

// engineOf plans workflows without a database, with further node types.
func engineOf(t testing.TB, o engine.Options, wfs []*dataflow.Workflow, types ...engine.NodeType) *engine.Engine {
	t.Helper()
	p, ds := engine.NewPlan(&dataflow.App{Workflows: wfs}, append(nodes.Types(), types...))
	if p == nil {
		t.Fatalf("the app is refused:\n%s", ft.Render(ds))
	}
	e, err := engine.New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func run(t testing.TB, e *engine.Engine, name string, inputs *dataflow.Object) (string, *dataflow.Error) {
	t.Helper()
	res, err := e.Run(context.Background(), engine.Request{Workflow: name, Inputs: inputs})
	if err != nil {
		out, ok := errors.AsType[*dataflow.Error](err)
		if !ok {
			t.Fatalf("the error is a %T", err)
		}
		return "", out
	}
	return asJSON(res.Outputs), nil
}

func TestTemplatesKeepTypesAloneAndFormatInText(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	all := ft.Fn("all", "**v", func(a *dataflow.Object) (any, error) { return a, nil })
	wf := ft.Workflow("w",
		ft.In("n", dataflow.Int), ft.In("d", ft.Decimal(12, 2)), ft.In("at", dataflow.DateTime), ft.In("o", dataflow.JSON), ft.In("j", dataflow.JSON),
		ft.In("day", &dataflow.Type{Kind: dataflow.KindDate}), ft.In("l", dataflow.ListOf(dataflow.String)),
		ft.Node("StarlarkNode", "a", ft.Obj("fn", all, "n", "${input.n}", "d", "${input.d}", "deep", "${input.o.x[1].y}",
			"json", "${input.o.x} ${input.j}", "text", "${input.n}/${input.d}/${input.at}/${input.day}/${input.l}/$${x}", "env", "${env.HOME}", "who", "${ctx.user.name}",
			"nested", ft.List(ft.Obj("l", "${input.l[0]}"), 1))))
	e := engineOf(t, engine.Options{Env: func(string) (string, bool) { return "/root", true }}, []*dataflow.Workflow{wf})
	res, err := e.Run(context.Background(), engine.Request{Workflow: "w", Caller: access.Caller{User: ft.Obj("name", "Ann")},
		Inputs: ft.Obj("n", int64(3), "d", "1.5", "at", at, "o", ft.Obj("x", ft.List(int64(1), ft.Obj("y", true))), "day", "2026-02-01", "j", `said "hi"`, "l", ft.List("p"))})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":{"n":3,"d":"1.50","deep":true,"json":"[1,{\"y\":true}] said \"hi\"","text":"3/1.50/2026-01-31T12:00:00.000000Z/2026-02-01/[\"p\"]/${x}",` +
		`"env":"/root","who":"Ann","nested":[{"l":"p"},1]}}`
	if got := asJSON(res.Outputs); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReferencesThatLeadNowhere(t *testing.T) {
	wf := func(ref string) *dataflow.Workflow {
		in := ft.In("note", dataflow.String)
		in.Optional = true
		return ft.Workflow("w", ft.In("o", dataflow.JSON), in, ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", ref)))
	}
	in := ft.Obj("o", ft.Obj("name", "x", "list", ft.List(int64(1)), "null", nil))
	for _, test := range []struct{ ref, code, message, hint string }{
		{"${input.o.nmae}", "reference_failed", `${input.o} has no "nmae"`, `did you mean "name"?`},
		{"${input.o.list[1]}", "reference_failed", `${input.o.list} has no [1]: its length is 1`, ""},
		{"${input.o.list.x}", "reference_failed", `${input.o.list} is a list, so it has no "x"`, `take one of its items first, as ${input.o.list[0].x}`},
		{"${input.o.null.x}", "reference_failed", `${input.o.null} is null, so it has no "x"`, ""},
		{"${input.o.name.x}", "reference_failed", `${input.o.name} is a str, so it has no "x"`, ""},
		{"note: ${input.note}", "null_in_text", `${input.note} is null, so it can't be part of a text`, "give it a default, or build the text in a StarlarkNode"},
	} {
		_, err := run(t, engineOf(t, engine.Options{}, []*dataflow.Workflow{wf(test.ref)}), "w", in)
		if err == nil {
			t.Errorf("%s: no error", test.ref)
			continue
		}
		if err.Code != test.code || err.Message != test.message || err.Hint != test.hint || err.Node != "a" || err.Span.File != "a/config/x" {
			t.Errorf("%s: %+v", test.ref, err)
		}
	}
}

func TestWhatTheFileFixedCantBeOverridden(t *testing.T) {
	// An input that the workflow does not declare reaches no node, whatever
	// its name: neither a parameter's, nor a node's, nor "inputs" itself.
	wf := ft.Workflow("w", ft.In("n", dataflow.Int), ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", "fixed")))
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{wf})
	for _, name := range []string{"x", "a", "a.x", "config", "fn", "ctx", "env", "input"} {
		_, err := run(t, e, "w", ft.Obj("n", int64(1), name, "mine"))
		if err == nil || len(err.Problems) != 1 || err.Problems[0].Code != "unknown_field" || err.Problems[0].Pointer != "/"+name {
			t.Errorf("%s: %+v", name, err)
		}
	}
	if got, err := run(t, e, "w", ft.Obj("n", int64(1))); err != nil || got != `{"a":{"result":"fixed"}}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestRetries(t *testing.T) {
	fail := func(status dataflow.Status, code string, times int32) (*goNode, *atomic.Int32) {
		var calls atomic.Int32
		return newNode("FlakyNode", dataflow.EffectPure, func(context.Context, *engine.Call) (any, error) {
			if calls.Add(1) <= times {
				return nil, &dataflow.Error{Code: code, Status: status, Message: "down"}
			}
			return "up", nil
		}), &calls
	}
	for _, test := range []struct {
		name   string
		status dataflow.Status
		code   string
		times  int32
		retry  func(*dataflow.Node)
		calls  int32
		ok     bool
	}{
		{"upstream is tried again", dataflow.StatusUpstream, "upstream", 2, ft.Retry(3), 3, true},
		{"busy is tried again", dataflow.StatusBusy, "busy", 1, ft.Retry(1), 2, true},
		{"at most max times", dataflow.StatusUpstream, "upstream", 9, ft.Retry(3), 4, false},
		{"not by default", dataflow.StatusUpstream, "upstream", 1, func(*dataflow.Node) {}, 1, false},
		{"a rejection is final", dataflow.StatusRejected, "rejected", 1, ft.Retry(3), 1, false},
		{"unless it is named", dataflow.StatusRejected, "rejected", 1, ft.Retry(3, "rejected"), 2, true},
		{"and then nothing else is", dataflow.StatusUpstream, "upstream", 1, ft.Retry(3, "rejected"), 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			typ, calls := fail(test.status, test.code, test.times)
			e := engineOf(t, engine.Options{}, []*dataflow.Workflow{ft.Workflow("w", ft.Node("FlakyNode", "a", nil, test.retry))}, typ)
			_, err := run(t, e, "w", nil)
			if calls.Load() != test.calls || (err == nil) != test.ok {
				t.Errorf("%d calls, error %v", calls.Load(), err)
			}
		})
	}
}

func TestRetriesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		typ := newNode("FlakyNode", dataflow.EffectPure, func(context.Context, *engine.Call) (any, error) {
			at = append(at, time.Since(start))
			return nil, &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy}
		})
		node := ft.Node("FlakyNode", "a", nil, func(n *dataflow.Node) { n.Retry = &dataflow.Retry{Max: 3, Backoff: time.Second} })
		_, err := run(t, engineOf(t, engine.Options{}, []*dataflow.Workflow{ft.Workflow("w", node)}, typ), "w", nil)
		if err == nil || len(at) != 4 {
			t.Fatalf("attempts at %v, error %v", at, err)
		}
		for i, longest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if pause := at[i+1] - at[i]; pause < longest/2 || pause > longest {
				t.Errorf("attempt %d came after %v, want %v at most and half of it at least", i+1, pause, longest)
			}
		}
	})
}

func TestTimeouts(t *testing.T) {
	wait := newNode("SlowNode", dataflow.EffectPure, func(ctx context.Context, _ *engine.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for _, test := range []struct {
		name    string
		wf      *dataflow.Workflow
		code    string
		message string
	}{
		{"of a node", ft.Workflow("w", ft.Node("SlowNode", "a", nil, ft.Timeout(time.Second))), "timeout", "the node a took longer than its 1s"},
		{"of a workflow", ft.Workflow("w", 2*time.Second, ft.Node("SlowNode", "a", nil)), "timeout", "the workflow w took longer than its 2s"},
		{"whichever is first", ft.Workflow("w", 2*time.Second, ft.Node("SlowNode", "a", nil, ft.Timeout(3*time.Second))), "timeout", "the workflow w took longer than its 2s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := run(t, engineOf(t, engine.Options{}, []*dataflow.Workflow{test.wf}, wait), "w", nil)
				if err == nil || err.Code != test.code || err.Message != test.message || err.Status != dataflow.StatusTimeout || err.Workflow != "w" {
					t.Errorf("%+v", err)
				}
			})
		})
	}
}

func TestACallerThatGoesAwayEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	typ := newNode("LeaveNode", dataflow.EffectPure, func(context.Context, *engine.Call) (any, error) { cancel(); return nil, nil })
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{ft.Workflow("w",
		ft.Node("LeaveNode", "a", nil), ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "x", "${a}")))}, typ)
	_, err := e.Run(ctx, engine.Request{Workflow: "w"})
	if got := dataflow.AsError(err); got.Code != "cancelled" || got.Status != dataflow.StatusCancelled || got.Node != "b" {
		t.Errorf("%+v", got)
	}
}

func TestAPanicTellsItsCallerNothing(t *testing.T) {
	var log strings.Builder
	typ := newNode("BadNode", dataflow.EffectPure, func(context.Context, *engine.Call) (any, error) { panic("secret 42") })
	bad := ft.HandlerFn(func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { panic("secret 43") })
	e := engineOf(t, engine.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		[]*dataflow.Workflow{ft.Workflow("w", ft.Node("BadNode", "a", nil)), ft.Handler("h", true, bad)}, typ)
	for _, test := range []struct{ wf, node, secret string }{{"w", "a", "secret 42"}, {"h", "", "secret 43"}} {
		_, err := run(t, e, test.wf, nil)
		if err == nil || err.Status != dataflow.StatusInternal || err.Workflow != test.wf || err.Node != test.node || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %+v", test.wf, err)
		}
		if !strings.Contains(log.String(), test.secret) || !strings.Contains(log.String(), "run_test.go") {
			t.Errorf("%s: the log lacks the panic or its stack:\n%s", test.wf, log.String())
		}
	}
}

func TestOutsideCallsThatDontDependOnEachOtherRunSideBySide(t *testing.T) {
	// Each of the three waits for the others: run one by one, they would wait
	// for ever.
	arrived := make(chan struct{}, 3)
	meet := newNode("MeetNode", dataflow.EffectOutside, func(ctx context.Context, c *engine.Call) (any, error) {
		arrived <- struct{}{}
		for len(arrived) < 3 {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		return c.Node.ID, nil
	})
	wf := ft.Workflow("w", time.Minute, ft.Node("MeetNode", "a", nil), ft.Node("MeetNode", "b", nil), ft.Node("MeetNode", "c", nil),
		ft.Node("StarlarkNode", "d", ft.Obj("fn", identity, "x", "${a}${b}${c}")), ft.Output{V: "${d.result}"})
	got, err := run(t, engineOf(t, engine.Options{}, []*dataflow.Workflow{wf}, meet), "w", nil)
	if err != nil || got != `"abc"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestTheFirstFailureOfParallelCallsIsReported(t *testing.T) {
	typ := newNode("CallNode", dataflow.EffectOutside, func(ctx context.Context, c *engine.Call) (any, error) {
		if c.Node.ID == "b" {
			return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "down"}
		}
		<-ctx.Done() // ended by b's failure
		return nil, ctx.Err()
	})
	wf := ft.Workflow("w", ft.Node("CallNode", "a", nil), ft.Node("CallNode", "b", nil), ft.Node("CallNode", "c", nil))
	_, err := run(t, engineOf(t, engine.Options{}, []*dataflow.Workflow{wf}, typ), "w", nil)
	if err == nil || err.Code != "upstream" || err.Node != "b" {
		t.Errorf("%+v", err)
	}
}

func TestUnsetEnvironmentIsAnErrorOfTheEngine(t *testing.T) {
	wf := ft.Workflow("w", ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", "${env.UNSET}")))
	p, ds := engine.NewPlan(&dataflow.App{Workflows: []*dataflow.Workflow{wf}}, nodes.Types())
	if p == nil {
		t.Fatal(ft.Render(ds))
	}
	want := "a/config/x: error FC352: the environment variable UNSET is not set\n" +
		"  hint: set it, or take it with env(\"UNSET\", default = …) and pass on its value\n"
	if got := ft.Render(p.Unset(func(string) (string, bool) { return "", false })); got != want {
		t.Errorf("got\n%s", got)
	}
	if _, err := engine.New(p, engine.Options{}); err == nil || !strings.Contains(err.Error(), "UNSET is not set") {
		t.Errorf("New says %v", err)
	}
}

func TestAnUnknownWorkflow(t *testing.T) {
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{ft.Workflow("place_order")})
	_, err := run(t, e, "place_ordr", nil)
	if err == nil || err.Code != "not_found" || err.Status != dataflow.StatusNotFound || err.Hint != `did you mean "place_order"?` {
		t.Errorf("%+v", err)
	}
}
