package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// doubled is a workflow that doubles a number until it is more than a hundred,
// in a loop of its own.
func doubled() *dataflow.Workflow {
	double := ft.Fn("double", "n", func(a *dataflow.Object) (any, error) {
		v, _ := a.Get("n")
		n := v.(int64)
		if n == 13 {
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "unlucky"}
		}
		return ft.Obj("n", 2*n, "large", 2*n > 100), nil
	})
	return ft.Workflow("doubled", ft.In("n", dataflow.Int),
		ft.Node("LoopNode", "loop", ft.Obj("fn", double, "state", ft.Obj("n", "${input.n}"), "until", "large", "max", 10)),
		ft.Output{V: "${loop.state.n}"})
}

func TestALoopInAMapInAMap(t *testing.T) {
	wf := doubled()
	row := ft.Workflow("row", ft.In("ns", dataflow.ListOf(dataflow.Int)),
		ft.Node("MapNode", "m", ft.Obj("items", "${input.ns}", "workflow", wf, "as", "n")), ft.Output{V: "${m.results}"})
	for policy, want := range map[string]map[string]string{
		"fail": {
			"[]":              `{"results":[],"count":0,"errors":[]}`,
			"[[]]":            `{"results":[[]],"count":1,"errors":[]}`,
			"[[1],[7,90],[]]": `{"results":[[128],[112,180],[]],"count":3,"errors":[]}`,
			"[[1],[7,13]]":    "rejected: item 1: item 1: round 1: unlucky",
			"[[0]]":           "loop_bound: item 0: item 0: ",
		},
		"skip": {
			"[[13]]":         `{"results":[],"count":0,"errors":[{"index":0,"code":"rejected","message":"item 0: item 0: round 1: unlucky"}]}`,
			"[[1],[13],[2]]": `{"results":[[128],[128]],"count":2,"errors":[{"index":1,`,
		},
		"collect": {"[[13],[2]]": `{"results":[null,[128]],"count":1,"errors":[{"index":0,`},
	} {
		table := ft.Workflow("table", ft.In("rows", dataflow.JSON),
			ft.Node("MapNode", "m", ft.Obj("items", "${input.rows}", "workflow", row, "as", "ns", "on_error", policy)), ft.Output{V: "${m}"})
		e := engineOf(t, engine.Options{}, []*dataflow.Workflow{table})
		for in, want := range want {
			got, err := run(t, e, "table", ft.Obj("rows", dataflow.RawJSON(in)))
			if err != nil {
				got = err.Code + ": " + err.Message
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", policy, in, got, want)
			}
		}
	}
}

// TestTimeWithinAMap: what runs out of its own time is an item that failed;
// what runs out of the run's, or is left by its caller, ends the run, whatever
// the map makes of failures.
func TestTimeWithinAMap(t *testing.T) {
	slow := newNode("SlowNode", dataflow.EffectPure, func(ctx context.Context, c *engine.Call) (any, error) {
		v, _ := c.Config.Get("seconds")
		timer := time.NewTimer(time.Duration(v.(int64)) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
			return dataflow.ObjectOf("slept", v), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	one := ft.Workflow("one", ft.In("seconds", dataflow.Int),
		ft.Node("SlowNode", "n", ft.Obj("seconds", "${input.seconds}"), ft.Timeout(3*time.Second)), ft.Output{V: "${n.slept}"})
	all := ft.Workflow("all", 10*time.Second, ft.In("items", dataflow.ListOf(dataflow.Int)),
		ft.Node("MapNode", "m", ft.Obj("items", "${input.items}", "workflow", one, "as", "seconds", "on_error", "skip", "parallel", 1)),
		ft.Output{V: "${m}"})
	for _, c := range []struct {
		items  []any
		cancel time.Duration
		want   string
	}{
		{[]any{int64(1), int64(5), int64(2)}, 0, `{"results":[1,2],"count":2,"errors":[{"index":1,"code":"timeout","message":"item 1: the node n took longer than its 3s"}]}`},
		{[]any{int64(2), int64(2), int64(2), int64(2), int64(2), int64(2)}, 0, "timeout: the workflow all took longer than its 10s"},
		{[]any{int64(1), int64(2), int64(2)}, 2 * time.Second, "cancelled: the caller went away"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := engineOf(t, engine.Options{}, []*dataflow.Workflow{all}, slow)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if c.cancel > 0 {
				defer time.AfterFunc(c.cancel, cancel).Stop()
			}
			res, err := e.Run(ctx, engine.Request{Workflow: "all", Inputs: ft.Obj("items", c.items)})
			got := ""
			if err != nil {
				got = fmt.Sprintf("%s: %s", dataflow.AsError(err).Code, dataflow.AsError(err).Message)
			} else {
				got = asJSON(res.Outputs)
			}
			if got != c.want {
				t.Errorf("%v:\ngot  %s\nwant %s", c.items, got, c.want)
			}
		})
	}
}

// The names of a function's arguments that data gives are checked as those of a
// workflow's inputs are: it is no fault of the function if they are wrong.
func TestAFunctionIsGivenOtherNames(t *testing.T) {
	fn := ft.Fn("double", "n of?", func(a *dataflow.Object) (any, error) {
		v, _ := a.Get("n")
		n, _ := v.(int64)
		return ft.Obj("n", 2*n, "done", true), nil
	})
	given := ft.In("given", dataflow.JSON)
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{
		ft.Workflow("each", given, ft.Node("MapNode", "m", ft.Obj("items", "${input.given}", "fn", fn)), ft.Output{V: "${m.results}"}),
		ft.Workflow("skip", given, ft.Node("MapNode", "m", ft.Obj("items", "${input.given}", "fn", fn, "on_error", "skip")), ft.Output{V: "${m}"}),
		ft.Workflow("again", given, ft.Node("LoopNode", "l", ft.Obj("fn", fn, "state", "${input.given}", "until", "done", "max", 3)), ft.Output{V: "${l.state.n}"}),
		ft.Workflow("cache", given, ft.Node("CacheNode", "c", ft.Obj("fn", fn, "key", "k", "ttl", "5m", "with", "${input.given}")), ft.Output{V: "${c.value.n}"}),
	})
	for _, c := range []struct{ workflow, given, want string }{
		{"each", `[{"n":1},{"n":2,"of":3}]`, `[{"n":2,"done":true},{"n":4,"done":true}]`},
		{"each", `[{"n":1},{"m":2}]`, `invalid: item 1: /n n is required; /m double takes no "m"`},
		{"skip", `[{"m":1},{"n":2}]`, `{"results":[{"n":4,"done":true}],"count":1,"errors":[{"index":0,"code":"invalid",`},
		{"again", `{"m":1}`, `invalid: round 1: /n n is required`},
		{"cache", `{"n":1,"on":2}`, `invalid: the cached call: /on double takes no "on"`},
	} {
		got, err := run(t, e, c.workflow, ft.Obj("given", dataflow.RawJSON(c.given)))
		if err != nil {
			got = err.Code + ": " + err.Message
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s of %s:\ngot  %s\nwant %s", c.workflow, c.given, got, c.want)
		}
	}
}

// What could not be undone is said by where it is, and the rest is undone.
func TestWhatCouldNotBeUndoneIsNamed(t *testing.T) {
	var back []string
	call := newNode("CallNode", dataflow.EffectOutside, func(_ context.Context, c *engine.Call) (any, error) { return dataflow.ObjectOf("id", c.Key), nil })
	undo := newNode("BackNode", dataflow.EffectOutside, func(_ context.Context, c *engine.Call) (any, error) {
		if !strings.Contains(c.Key, "all#0") {
			return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "not now"}
		}
		back = append(back, c.Key)
		return nil, nil
	})
	pays := func() []any {
		return []any{ft.Node("CallNode", "pay", ft.Obj(), ft.Compensate("back")), ft.Node("BackNode", "back", ft.Obj())}
	}
	one := ft.Workflow("one", append(pays(), ft.In("n", dataflow.Int), ft.In("after", dataflow.String))...)
	fail := ft.Fn("fail", "after", func(*dataflow.Object) (any, error) {
		return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "unlucky"}
	})
	wf := ft.Workflow("w", append(pays(),
		ft.Node("MapNode", "all", ft.Obj("workflow", one, "items", ft.List(1, 2), "as", "n", "parallel", 1, "with", ft.Obj("after", "${pay.id}"))),
		ft.Node("StarlarkNode", "bad", ft.Obj("fn", fail, "after", "${all.count}")))...)
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{wf}, call, undo)
	_, err := run(t, e, "w", nil)
	if want := "unlucky; what these nodes did could not be undone: all#1/pay, pay"; err == nil || err.Message != want {
		t.Errorf("%v, want %s", err, want)
	}
	if len(back) != 1 {
		t.Errorf("undone: %q", back)
	}
}

// What a MergeNode is given that hangs on no node is there when all that it
// refers to is skipped.
func TestAMergeFallsBackOnAValueOfItsOwn(t *testing.T) {
	give := ft.Fn("give", "", func(*dataflow.Object) (any, error) { return ft.Obj("v", "given"), nil })
	wf := ft.Workflow("w", ft.In("yes", dataflow.Bool),
		ft.Node("StarlarkNode", "a", ft.Obj("fn", give), ft.When("${input.yes}")),
		ft.Node("MergeNode", "list", ft.Obj("inputs", ft.List("${a.v}", "own"))),
		ft.Node("MergeNode", "named", ft.Obj("strategy", "object", "inputs", ft.Obj("a", "${a.v}", "own", "${input.yes}"))),
		ft.Node("MergeNode", "rest", ft.Obj("strategy", "all", "x", "${a.v}", "y", "own")),
		ft.Node("MergeNode", "none", ft.Obj("inputs", ft.List("${a.v}"))),
		ft.Output{V: ft.List("${list.result}", "${named.result}", "${rest.result}", "${none.result}")})
	e := engineOf(t, engine.Options{}, []*dataflow.Workflow{wf})
	for yes, want := range map[bool]string{
		true:  `["given",{"a":"given","own":true},["given","own"],"given"]`,
		false: `["own",{"own":false},["own"],null]`,
	} {
		if got, err := run(t, e, "w", ft.Obj("yes", yes)); err != nil || got != want {
			t.Errorf("%v: %s, %v; want %s", yes, got, err, want)
		}
	}
}
