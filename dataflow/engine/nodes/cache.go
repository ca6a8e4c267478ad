package nodes

import (
	"context"
	"net/http"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/internal/lru"
)

// cacheNode keeps what something gave, for a while.
type cacheNode struct {
	spec *dataflow.NodeSpec
	kept *lru.Cache[cacheKey, any]
}

func newCache() *cacheNode {
	return &cacheNode{kept: lru.New[cacheKey, any](maxCached, maxCachedBytes), spec: &dataflow.NodeSpec{
		Name: "CacheNode",
		Doc: "Gives what a workflow, a node type or a function gave before for the same `key`, for as long as `ttl`; else it runs it and keeps the result. " +
			"It keeps answers of services and results of long computations. What uses a database is refused: a kept value would hide what was written since. " +
			"Failures are not kept. Each node has values of its own, and each tenant; of users it knows nothing, so put into the key what the result depends on. " +
			"Values are kept in the memory of the process, and gone when the app is loaded anew: at most 10,000 and 64 MiB, those used longest ago go first; " +
			"one larger than 1 MiB is not kept.",
		Params: append(targetParams(),
			&dataflow.Field{Name: "key", Type: dataflow.Any, Doc: "a text, number or list that tells the results apart"},
			&dataflow.Field{Name: "ttl", Type: dataflow.Any, Doc: "how long a value is good, written out: \"5m\", or milliseconds"},
			&dataflow.Field{Name: "with", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "the arguments, by name"},
		),
		Effect: dataflow.EffectPure, // the plan takes that of what it runs
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "value", Type: dataflow.Any},
			&dataflow.Field{Name: "hit", Type: dataflow.Bool, Doc: "it was there"},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *cacheNode) Spec() *dataflow.NodeSpec { return t.spec }

// Target implements engine.Repeater.
func (t *cacheNode) Target(config *dataflow.Object) engine.Target {
	out := targetFrom(config)
	out.NoData = true
	addNames(&out, config, "with")
	return out
}

// Check implements engine.Checker.
func (t *cacheNode) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	ds := checkTarget(node)
	if v, given := node.Config.Get("ttl"); given {
		if _, ok := ttlOf(v); !ok {
			ds = append(ds, problem("FC347", node, "/ttl", "ttl is a duration of more than 0, written out", `write "ttl": "5m"`))
		}
	}
	with, _ := node.Config.Get("with")
	args, _ := with.(*dataflow.Object)
	if typ, _ := stringOf(node.Config, "node"); typ == "HTTPRequestNode" && args != nil {
		if method, ok := stringOf(args, "method"); ok && method != http.MethodGet && method != http.MethodHead {
			ds = append(ds, problem("FC347", node, "/with/method", "a "+method+" is to have an effect each time: its answer can't stand for it",
				"cache calls that only ask, GET and HEAD"))
		}
	}
	return ds
}

func ttlOf(v any) (time.Duration, bool) {
	switch v := v.(type) {
	case int64:
		return time.Duration(v) * time.Millisecond, v > 0 && v < 1<<40
	case string:
		d, err := codec.ParseDuration(v)
		return d, err == nil && d > 0
	}
	return 0, false
}

// Run implements engine.NodeType.
func (t *cacheNode) Run(ctx context.Context, call *engine.Call) (any, error) {
	v, _ := call.Config.Get("key")
	key := cacheKey{call.Node, call.Runtime.Info().Tenant, string(codec.AppendValue(nil, v))}
	now := call.Runtime.Now()
	if v, ok := t.kept.Get(key, now); ok {
		return dataflow.ObjectOf("value", v, "hit", true), nil
	}
	out, err := call.Target(ctx, 0, withOf(call))
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, inside(err, "the cached call")
	}
	ttl, _ := call.Config.Get("ttl")
	d, _ := ttlOf(ttl)
	out = present(out)
	if size := len(codec.AppendValue(nil, out)) + len(key.key) + len(key.tenant); size <= maxCachedValue {
		t.kept.Put(key, out, size, now, d) // values are canonical, so nobody changes them
	}
	return dataflow.ObjectOf("value", out, "hit", false), nil
}

// Bounds of a cache, in values and bytes of their JSON.
const (
	maxCached      = 10_000
	maxCachedBytes = 64 << 20
	maxCachedValue = 1 << 20
)

type cacheKey struct {
	node        *dataflow.Node
	tenant, key string
}
