package starlark

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

// rateLimits keeps rate_limit_config until all that it may name is known.
func (s *server) rateLimits(a *args) {
	g, ok := a.given["rate_limit_config"]
	if !ok {
		return
	}
	s.limits = func() {
		r := &limitReader{l: s.l, s: s.s, src: a.site.src}
		r.read(g)
		s.s.Limits = r.limits
	}
}

// linkLimits reads what has been kept.
func (l *loader) linkLimits() {
	if l.server != nil && l.server.limits != nil {
		l.server.limits()
	}
}

// limitReader reads rate_limit_config.
type limitReader struct {
	l      *loader
	s      *dataflow.Server
	src    *source
	limits []dataflow.Limit
}

const badLimit = "FC731"

// limitKeys are the names in rate_limit_config.
var limitKeys = []string{"per_address", "per_key", "workflows", "models"}

// otherLimits are names that others give what is called otherwise here, or needs
// no saying.
var otherLimits = map[string]string{
	"requests_per_minute": `write "per_address" and, for those who are signed in, "per_key"`,
	"default_rate_limit":  `write "per_address" and, for those who are signed in, "per_key"`,
	"per_ip":              `write "per_address"`,
	"per_user":            `write "per_key": it is for API keys and for users`,
	"burst_size":          `write it with the limit that it is of: {"rate": 600, "burst": 20}`,
	"burst_limit":         `write it with the limit that it is of: {"rate": 600, "burst": 20}`,
	"burst":               `write it with the limit that it is of: {"rate": 600, "burst": 20}`,
	"route_limits":        `write "workflows" and "models", which hold over MCP too`,
	"endpoint_limits":     `write "workflows" and "models", which hold over MCP too`,
	"per_endpoint_limits": `write "workflows" and "models", which hold over MCP too`,
	"backend":             "leave it out: each process counts for itself, and needs nothing for that",
	"redis_url":           "leave it out: each process counts for itself, and needs nothing for that",
	"include_headers":     "leave it out: answers always say what is left",
	"fail_open":           "leave it out: a process counts in its own memory, and nothing can fail",
}

func (r *limitReader) fail(at dataflow.Span, message, hint string) {
	r.l.error(badLimit, at, message, hint)
}

func (r *limitReader) read(g arg) {
	for _, e := range r.items(g, "the name of a limit") {
		switch e.name {
		case "per_address":
			if s := r.s.Spans.At("/rate_limit"); r.s.RateLimit > 0 {
				r.fail(e.keyAt, "rate_limit says how often an address may ask already", "leave out one of them")
				r.l.related("it is here", s)
			}
			r.add(e, dataflow.Limit{Policy: "address", Scope: dataflow.LimitAddress})
		case "per_key":
			if !r.s.EnableAuth && !r.s.Spans.Refused("/enable_auth") {
				r.fail(e.keyAt, "per_key is for API keys and users, and nobody is asked who they are", `write Nexus(enable_auth = True), or "per_address"`)
			}
			r.add(e, dataflow.Limit{Policy: "key", Scope: dataflow.LimitKey})
		case "workflows":
			r.workflows(e)
		case "models":
			r.models(e)
		default:
			hint := otherLimits[e.name]
			if hint == "" {
				hint = orElse(dataflow.DidYouMean(e.name, limitKeys), "there are "+strings.Join(limitKeys, ", "))
			}
			r.fail(e.keyAt, fmt.Sprintf("rate_limit_config has no %q", e.name), hint)
		}
	}
}

func (r *limitReader) items(g arg, what string) []dictItem {
	return r.l.dictItems(r.src, g.val.(*sl.Dict), g, badLimit, what)
}

// inner returns the items of a dict within.
func (r *limitReader) inner(e dictItem, what, example string) []dictItem {
	if _, ok := e.val.(*sl.Dict); !ok {
		if !isPlaceholder(e.val) {
			r.fail(e.at, fmt.Sprintf("%q is a dict, not %s", e.name, describe(e.val)), "write "+example)
		}
		return nil
	}
	items := r.items(arg{val: e.val, expr: e.expr, at: e.at}, what)
	if len(items) == 0 && e.val.(*sl.Dict).Len() == 0 {
		r.fail(e.at, fmt.Sprintf("%q has no limit", e.name), "write "+example+", or leave it out")
	}
	return items
}

func (r *limitReader) workflows(e dictItem) {
	var names []string
	for _, w := range r.l.app.Workflows {
		names = append(names, w.Name)
	}
	for _, w := range r.inner(e, "the name of a workflow", `"workflows": {"place_order": "10/s"}`) {
		if !slices.Contains(names, w.name) {
			r.fail(w.keyAt, fmt.Sprintf("no workflow is registered as %q", w.name), dataflow.NearOrAll(w.name, names))
		}
		r.add(w, dataflow.Limit{Policy: "workflow:" + w.name, Scope: dataflow.LimitWorkflow, Workflow: w.name})
	}
}

func (r *limitReader) models(e dictItem) {
	var declared, served []string
	for _, m := range r.l.app.Models() {
		declared = append(declared, m.Name)
	}
	for _, exp := range r.l.app.Exposures {
		served = append(served, exp.Model.Name)
	}
	for _, m := range r.inner(e, "the name of a model", `"models": {"Order": 100}`) {
		switch {
		case slices.Contains(served, m.name):
		case slices.Contains(declared, m.name):
			r.fail(m.keyAt, m.name+" is not served, so that nobody can ask for it", "write app.expose("+m.name+")")
		default:
			r.fail(m.keyAt, fmt.Sprintf("there is no model %q", m.name), dataflow.NearOrAll(m.name, served))
		}
		r.model(m)
	}
}

// model reads the limits of a model: one of all operations, or of each its own.
func (r *limitReader) model(e dictItem) {
	limit := dataflow.Limit{Policy: "model:" + e.name, Scope: dataflow.LimitModel, EveryOp: true}
	d, ok := e.val.(*sl.Dict)
	if !ok || isLimitDict(d) {
		r.addModel(e, e.name, limit)
		return
	}
	var ops []string
	served := false
	for _, exp := range r.l.app.Exposures {
		if exp.Model.Name == e.name {
			served = true
			for _, op := range exp.Served() {
				ops = append(ops, op.String())
			}
		}
	}
	for _, o := range r.inner(e, "the name of an operation", `{"create": "10/s"}`) {
		if served && !slices.Contains(ops, o.name) {
			r.fail(o.keyAt, fmt.Sprintf("%s has no operation %q that is served", e.name, o.name), dataflow.NearOrAll(o.name, ops))
		}
		limit := dataflow.Limit{Policy: "model:" + e.name + "." + o.name, Scope: dataflow.LimitModel}
		for _, op := range dataflow.AllOps() {
			if op.String() == o.name {
				limit.Op = op
			}
		}
		r.addModel(o, e.name, limit)
	}
}

// limitParts are the names in a limit that is a dict.
var limitParts = []string{"rate", "burst", "shared"}

// otherParts are those that others give them.
var otherParts = map[string]string{"requests_per_minute": "rate", "requests": "rate", "limit": "rate", "burst_size": "burst", "burst_limit": "burst", "together": "shared"}

// isLimitDict tells {"rate": …} from the limits of operations.
func isLimitDict(d *sl.Dict) bool {
	for k := range sl.Entries(d) {
		if name, ok := sl.AsString(k); ok && (slices.Contains(limitParts, name) || otherParts[name] != "") {
			return true
		}
	}
	return false
}

// addModel adds a limit of every model of a name.
func (r *limitReader) addModel(e dictItem, name string, l dataflow.Limit) {
	n := len(r.limits)
	r.add(e, l)
	if len(r.limits) == n {
		return
	}
	r.limits, l = r.limits[:n], r.limits[n]
	for _, exp := range r.l.app.Exposures {
		if exp.Model.Name == name {
			l.Model = exp.Model
			r.limits = append(r.limits, l)
		}
	}
}

// add reads a limit: a number, a text, or {"rate": …, "burst": …, "shared": …}.
func (r *limitReader) add(e dictItem, l dataflow.Limit) {
	d, ok := e.val.(*sl.Dict)
	if !ok {
		if r.rate(e, &l) {
			l.Burst = l.Count
			r.limits = append(r.limits, l)
		}
		return
	}
	good, rated, unknown := true, false, false
	for _, part := range r.items(arg{val: d, expr: e.expr, at: e.at}, "a part of a limit") {
		switch part.name {
		case "rate":
			rated = true
			good = r.rate(part, &l) && good
		case "burst":
			good = r.burst(part, &l) && good
		case "shared":
			good = r.shared(part, &l) && good
		default:
			hint := orElse(dataflow.DidYouMean(part.name, limitParts), "there are "+strings.Join(limitParts, ", "))
			if other := otherParts[part.name]; other != "" {
				hint = fmt.Sprintf("write %q", other)
			}
			r.fail(part.keyAt, fmt.Sprintf("a limit has no %q", part.name), hint)
			good, unknown = false, true
		}
	}
	if !rated && !unknown { // else it may stand under that name
		r.fail(e.at, "the limit has no rate", `write {"rate": "10/s", "burst": 20}`)
		good = false
	}
	if l.Burst == 0 {
		l.Burst = l.Count
	}
	if good {
		r.limits = append(r.limits, l)
	}
}

// Bounds of limits.
const (
	maxLimit = 1_000_000_000
	maxPer   = 31 * 24 * time.Hour
)

// rate reads how many requests are allowed in which time.
func (r *limitReader) rate(e dictItem, l *dataflow.Limit) bool {
	const hint = `write how many requests, as 600 for those in a minute, or with the time: "10/s", "1000/hour", "5/10m"`
	switch v := e.val.(type) {
	case *placeholder:
		return false
	case sl.Int:
		n, ok := v.Int64()
		if !ok || n < 1 || n > maxLimit {
			r.fail(e.at, fmt.Sprintf("%s requests a minute are no limit", v), `write a whole number from 1 on, or a time: "1/10m"`)
			return false
		}
		l.Count, l.Per = int(n), time.Minute
		return true
	case sl.String:
		count, per, ok := parseRate(string(v))
		if !ok {
			r.fail(e.at, fmt.Sprintf("%q is no rate", string(v)), hint)
			return false
		}
		if per < time.Second || per > maxPer || per%time.Second != 0 {
			r.fail(e.at, fmt.Sprintf("the time of %q is not of whole seconds, up to 31 days", string(v)), hint)
			return false
		}
		l.Count, l.Per = count, per
		return true
	}
	r.fail(e.at, "a limit is a number, a text or a dict, not "+describe(e.val), hint)
	return false
}

// rateUnits are times that have a name of their own.
var rateUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hour": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour,
}

func parseRate(text string) (count int, per time.Duration, ok bool) {
	n, unit, ok := strings.Cut(text, "/")
	if !ok {
		return 0, 0, false
	}
	count, err := strconv.Atoi(strings.TrimSpace(n))
	if err != nil || count < 1 || count > maxLimit {
		return 0, 0, false
	}
	unit = strings.TrimSpace(unit)
	if per, ok = rateUnits[unit]; ok {
		return count, per, true
	}
	per, err = value.ParseDuration(unit)
	return count, per, err == nil
}

func (r *limitReader) burst(e dictItem, l *dataflow.Limit) bool {
	if v, ok := e.val.(sl.Int); ok {
		if n, ok := v.Int64(); ok && n >= 1 && n <= maxLimit {
			l.Burst = int(n)
			return true
		}
	}
	if !isPlaceholder(e.val) {
		r.fail(e.at, fmt.Sprintf("burst is how many requests may come at once, a whole number from 1 on, not %s", e.val), "leave it out to let all of them come at once")
	}
	return false
}

func (r *limitReader) shared(e dictItem, l *dataflow.Limit) bool {
	v, ok := e.val.(sl.Bool)
	switch {
	case isPlaceholder(e.val):
		return false
	case !ok:
		r.fail(e.at, "shared is True or False, not "+describe(e.val), "")
		return false
	case bool(v) && l.Scope == dataflow.LimitKey || bool(v) && l.Scope == dataflow.LimitAddress:
		r.fail(e.at, "a limit of each address or key can't be shared by all", "leave shared out; limits of workflows and models may have it")
		return false
	}
	l.Together = bool(v)
	return true
}
