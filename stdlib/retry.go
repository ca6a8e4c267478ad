package stdlib

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func retryModule() Module {
	return Module{Name: "retry", Capability: pure, Doc: "What to make of a service that fails. To have a node tried again write `retry(…)`, which needs no module.", Functions: []Function{
		{Name: "worth", Params: "status", Doc: "Whether a call that was answered with this status is worth trying again: 408, 425, 429, 500, 502, 503 and 504.", call: worthTrying, Examples: []Example{
			{`worth(503)`, "True"}, {`worth(404)`, "False"}}},
		{Name: "after", Params: "headers, now", Doc: "How long the Retry-After of an answer's headers asks to wait, as a duration; None if it does not. `now` is a datetime, as of `ctx.now()`.", call: retryAfter, Examples: []Example{
			{`after({"retry-after": "90"}, datetime("2026-01-31T09:30:00Z")).seconds`, "90"},
			{`after({"retry-after": "Sat, 31 Jan 2026 09:31:00 GMT"}, datetime("2026-01-31T09:30:00Z")).seconds`, "60"},
			{`after({}, datetime("2026-01-31T09:30:00Z"))`, "None"}}},
		{Name: "delays", Params: "n, backoff = \"100ms\", limit = \"1m\"", Doc: "The waits before n further attempts, as durations: the first is the backoff, each is twice the one before, and none is longer than the limit.", call: delays, Examples: []Example{
			{`[d.milliseconds for d in delays(4, "100ms", "500ms")]`, "[100, 200, 400, 500]"}}},
	}}
}

var worthStatuses = []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

func worthTrying(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var status int
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "status", &status); err != nil {
		return nil, err
	}
	return sl.Bool(slices.Contains(worthStatuses, status)), nil
}

func retryAfter(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var of, at sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "headers", &of, "now", &at); err != nil {
		return nil, err
	}
	headers, ok := of.(sl.IterableMapping)
	if !ok {
		return nil, fmt.Errorf("%s: headers is a dict or a record, not %s", b.Name(), of.Type())
	}
	now, ok := at.(value.DateTime)
	if !ok {
		return nil, fmt.Errorf("%s: now is a datetime, not %s", b.Name(), at.Type())
	}
	for _, kv := range headers.Items() {
		name, _ := sl.AsString(kv[0])
		text, _ := sl.AsString(kv[1])
		if !strings.EqualFold(name, "Retry-After") {
			continue
		}
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			return value.Duration{D: time.Duration(n) * time.Second}, nil
		}
		if t, err := http.ParseTime(text); err == nil {
			return value.Duration{D: max(t.Sub(now.T), 0)}, nil
		}
	}
	return sl.None, nil
}

// maxDelays bounds a list of waits.
const maxDelays = 100

func delays(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var n int
	backoff, limit := "100ms", "1m"
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "n", &n, "backoff?", &backoff, "limit?", &limit); err != nil {
		return nil, err
	}
	first, err := value.ParseDuration(backoff)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	most, err := value.ParseDuration(limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	if n < 0 || n > maxDelays || first < 0 || most < 0 {
		return nil, fmt.Errorf("%s: n is from 0 to %d, and no duration is negative", b.Name(), maxDelays)
	}
	out := make([]sl.Value, n)
	for i := range out {
		first = min(first, most)
		out[i] = value.Duration{D: first}
		first *= 2
	}
	return sl.NewList(out), nil
}
