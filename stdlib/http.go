package stdlib

import (
	"fmt"

	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func httpModule() Module {
	verb := func(name, doc string) Function {
		return Function{Name: name, Params: "ctx, url, **options", Doc: doc}
	}
	return Module{Name: "http", Capability: network, Doc: "Calls over HTTP, in handlers: the first argument is the handler's `ctx`. " +
		"Each is an `HTTPRequestNode`, with its limits, its Idempotency-Key and its options: `headers`, `query`, `json`, `body`, `timeout` (as `\"10s\"`), `expect`. " +
		"The result has `status`, `headers`, `body`, `json` and, where the body is no text of UTF-8, `bytes`. A status other than 2xx fails the run, unless `expect` lists it. " +
		"A handler is one transaction: call out before the first write, which other writers wait for.", Functions: []Function{
		verb("get", "Asks."), verb("head", "Asks for the headers alone."), verb("post", "Sends something new."),
		verb("put", "Replaces something."), verb("patch", "Changes a part of something."), verb("delete", "Deletes something."),
		{Name: "request", Params: "ctx, method, url, **options", Doc: "Any of them, and `OPTIONS`."},
		{Name: "_handler", Params: "ctx", Doc: "The ctx of a handler, and nothing else.", call: handlerOnly},
	}}
}

// handlerOnly refuses what is no ctx: only a handler has the right to call out.
func handlerOnly(_ *sl.Thread, _ *sl.Builtin, args sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	if c, ok := args[0].(*value.Ctx); ok {
		return c, nil
	}
	return nil, fmt.Errorf("http: the first argument is the ctx of a handler, not a %s: nothing else calls out", args[0].Type())
}
