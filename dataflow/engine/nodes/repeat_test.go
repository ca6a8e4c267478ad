package nodes_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

func numbers(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = int64(i)
	}
	return list
}

// Items run at the same time, and their results are in their order: item 0
// waits for the one that is as far behind it as items run at a time.
func TestMapKeepsOrder(t *testing.T) {
	third := make(chan struct{})
	var now, most atomic.Int64
	fn := ft.Fn("f", "x", func(a *dataflow.Object) (any, error) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		switch v, _ := a.Get("x"); v {
		case int64(0):
			<-third
		case int64(2):
			close(third)
		}
		v, _ := a.Get("x")
		return v, nil
	})
	got, err := run(t, nil, ft.Node("MapNode", "m", ft.Obj("items", numbers(9), "fn", fn, "as", "x", "parallel", 3)),
		ft.Output{V: "${m.results}"})
	if err != nil || got != "[0,1,2,3,4,5,6,7,8]" {
		t.Errorf("%s, %v", got, err)
	}
	if most.Load() > 3 {
		t.Errorf("%d at a time", most.Load())
	}
}

func TestMapErrors(t *testing.T) {
	odd := ft.Fn("f", "x", func(a *dataflow.Object) (any, error) {
		if v, _ := a.Get("x"); v.(int64)%2 == 1 {
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "odd"}
		}
		return "even", nil
	})
	broken := ft.Fn("f", "x", func(*dataflow.Object) (any, error) { panic("oops") })
	tests := []struct {
		policy string
		fn     *ft.Func
		want   string
	}{
		{"fail", odd, "rejected: item 1: odd"},
		{"skip", odd, `{"results":["even","even"],"count":2,"errors":[{"index":1,"code":"rejected","message":"item 1: odd"}]}`},
		{"collect", odd, `{"results":["even",null,"even"],"count":2,"errors":[{"index":1,"code":"rejected","message":"item 1: odd"}]}`},
		{"skip", broken, "internal: something went wrong inside the server"},
	}
	for _, tt := range tests {
		got, err := run(t, nil, ft.Node("MapNode", "m", ft.Obj("items", numbers(3), "fn", tt.fn, "as", "x", "on_error", tt.policy, "parallel", 1)),
			ft.Output{V: "${m}"})
		if err != nil {
			got = err.Code + ": " + err.Message
		}
		if got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.policy, got, tt.want)
		}
	}
	_, err := run(t, nil, ft.Node("MapNode", "m", ft.Obj("items", numbers(10_001), "fn", odd, "as", "x")))
	if err == nil || len(err.Problems) != 1 || err.Problems[0].Code != "too_long" {
		t.Errorf("a list beyond the bound: %v", err)
	}
	_, err = run(t, nil, ft.Node("MapNode", "m", ft.Obj("items", numbers(1), "fn", odd)))
	if err == nil || !strings.Contains(err.Problems[0].Detail, "item 0: is no object") {
		t.Errorf("an item without a name: %v", err)
	}
}

func TestLoop(t *testing.T) {
	grow := ft.Fn("grow", "n", func(a *dataflow.Object) (any, error) {
		v, _ := a.Get("n")
		return ft.Obj("n", v.(int64)*2, "big", v.(int64) > 10), nil
	})
	tests := []struct {
		name, want string
		config     *dataflow.Object
	}{
		{"done", `{"state":{"n":32,"kept":"x","big":true},"rounds":5,"done":true}`, ft.Obj("until", "big", "max", 9)},
		{"stopped", `{"state":{"n":4,"kept":"x","big":false},"rounds":2,"done":false}`, ft.Obj("until", "big", "max", 2, "on_max", "stop")},
		{"bound", "loop_bound", ft.Obj("until", "big", "max", 2)},
		{"unknown", "invalid", ft.Obj("until", "bog", "max", 2)},
		{"no bool", "invalid", ft.Obj("until", "n", "max", 2)},
	}
	for _, tt := range tests {
		tt.config.Set("fn", grow)
		tt.config.Set("state", ft.Obj("n", 1, "kept", "x"))
		got, err := run(t, nil, ft.Node("LoopNode", "l", tt.config), ft.Output{V: "${l}"})
		if err != nil {
			got = err.Code
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCache(t *testing.T) {
	now := time.Unix(0, 0)
	calls := 0
	fn := ft.Fn("f", "x", func(a *dataflow.Object) (any, error) {
		calls++
		if v, _ := a.Get("x"); v == "bad" {
			return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "down"}
		}
		return int64(calls), nil
	})
	wf := ft.Workflow("w", ft.In("key", dataflow.String),
		ft.Node("CacheNode", "c", ft.Obj("fn", fn, "key", ft.List("k", "${input.key}"), "ttl", "1m", "with", ft.Obj("x", "${input.key}"))),
		ft.Output{V: ft.List("${c.value}", "${c.hit}")})
	e := newEngine(t, engine.Options{Now: func() time.Time { return now }}, wf)
	ask := func(key, tenant string) string {
		req := engine.Request{Workflow: "w", Inputs: ft.Obj("key", key)}
		req.Caller.Tenant = tenant
		res, err := e.Run(context.Background(), req)
		if err != nil {
			return dataflow.AsError(err).Code
		}
		return string(codec.AppendValue(nil, res.Outputs))
	}
	for i, step := range []struct {
		key, tenant string
		wait        time.Duration
		want        string
	}{
		{"a", "", 0, "[1,false]"}, {"a", "", 59 * time.Second, "[1,true]"}, {"b", "", 0, "[2,false]"},
		{"a", "t", 0, "[3,false]"}, // each tenant has its own
		{"a", "", time.Second, "[4,false]"},
		{"bad", "", 0, "upstream"}, {"bad", "", 0, "upstream"}, // not kept
		{"c", "", 0, "[7,false]"},
		{"c", "", -24 * time.Hour, "[8,false]"}, // the clock was set back: it is not kept for a day more
		{"c", "", 0, "[8,true]"},
	} {
		now = now.Add(step.wait)
		if got := ask(step.key, step.tenant); got != step.want {
			t.Errorf("step %d: got %s, want %s", i, got, step.want)
		}
	}
}

func TestSortAndFilter(t *testing.T) {
	items := ft.List(ft.Obj("n", 2, "s", "a"), ft.Obj("n", nil), ft.Obj("n", 1, "s", "b"), ft.Obj("n", 2, "s", "c"))
	tests := []struct {
		typ    string
		config *dataflow.Object
		want   string
	}{
		{"SortNode", ft.Obj("items", items, "by", ft.List("n")), `[{"n":1,"s":"b"},{"n":2,"s":"a"},{"n":2,"s":"c"},{"n":null}]`},
		{"SortNode", ft.Obj("items", items, "by", ft.List("-n", "-s")), `[{"n":2,"s":"c"},{"n":2,"s":"a"},{"n":1,"s":"b"},{"n":null}]`},
		{"SortNode", ft.Obj("items", ft.List("b", "a", "c"), "reverse", true), `["c","b","a"]`},
		{"SortNode", ft.Obj("items", ft.List("b", 1)), "invalid"},
		{"FilterNode", ft.Obj("items", items, "field", "n", "operator", ">", "value", 1), `[{"n":2,"s":"a"},{"n":2,"s":"c"}]`},
		{"FilterNode", ft.Obj("items", items, "field", "s", "operator", "exists"), `[{"n":2,"s":"a"},{"n":1,"s":"b"},{"n":2,"s":"c"}]`},
		{"FilterNode", ft.Obj("items", ft.List("a", "b"), "value", "b"), `["b"]`},
		{"FilterNode", ft.Obj("items", items, "field", "n", "operator", ">", "value", "x"), "invalid"},
	}
	for _, tt := range tests {
		got, err := run(t, nil, ft.Node(tt.typ, "x", tt.config), ft.Output{V: "${x.items}"})
		if err != nil {
			got = err.Code
		}
		if got != tt.want {
			t.Errorf("%s %s: got  %s\nwant %s", tt.typ, codec.AppendValue(nil, tt.config), got, tt.want)
		}
	}
}
