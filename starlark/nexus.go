package starlark

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

// server is what Nexus(…) returns.
type server struct {
	l         *loader
	s         *dataflow.Server
	discovers bool   // files beside the app
	limits    func() // reads rate_limit_config; nil: there is none
}

var _ sl.HasAttrs = (*server)(nil)

func (s *server) String() string        { return "Nexus" }
func (s *server) Type() string          { return "Nexus" }
func (s *server) Freeze()               {}
func (s *server) Truth() sl.Bool        { return true }
func (s *server) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: Nexus") }
func (s *server) AttrNames() []string   { return spec.Methods("app") }

// Attr returns the methods.
func (s *server) Attr(name string) (sl.Value, error) {
	switch name {
	case "register":
		return s.l.builtin("app.register", s.register), nil
	case "handler":
		return s.l.builtin("app.handler", s.handler), nil
	case "expose":
		return s.l.builtin("app.expose", s.expose), nil
	case "on":
		return s.l.builtin("app.on", s.on), nil
	case "schedule":
		return s.l.builtin("app.schedule", s.schedule), nil
	case "prompt":
		return s.l.builtin("app.prompt", s.prompt), nil
	case "start":
		return s.l.builtin("app.start", s.start), nil
	}
	return s.l.noAttr("a server", name, s.AttrNames())
}

// nexus implements Nexus(…).
func (l *loader) nexus(a *args) sl.Value {
	s := &server{l: l, s: &dataflow.Server{
		Name: a.str("name", ""), Host: a.str("host", "127.0.0.1"),
		APIPort: a.int("api_port", 8000), MCPPort: a.int("mcp_port", 3001),
		MCPStdioOnly: !a.bool("enable_http_transport", true),
		MCPOverSSE:   a.bool("enable_sse_transport", false), MCPCard: a.bool("enable_discovery", false),
		CORSOrigins: a.strings("cors_origins"),
		MaxBody:     int64(a.int("max_body", 1<<20)), RequestTimeout: a.duration("request_timeout", 30*time.Second),
		Monitoring: a.bool("enable_monitoring", false),
		Files:      a.str("files", ""), RunRetention: a.duration("run_retention", 0), NotDurable: !a.bool("enable_durability", true),
		EnableAuth: a.bool("enable_auth", false),
		Span:       a.site.at, Spans: a.spans(),
	}}
	s.discovers = a.bool("auto_discovery", false)
	if a.has("host") && !dataflow.IsHost(s.s.Host) {
		a.fail("FC105", a.at("host"), fmt.Sprintf("host can't be %q", s.s.Host), dataflow.HostForm)
		s.s.Host = "127.0.0.1"
	}
	s.rateLimit(a)
	s.rateLimits(a)
	s.timeout(a)
	s.origins(a)
	s.auth(a)
	s.files(a)
	if l.server != nil {
		a.fail("FC406", a.site.at, "the app has two servers", "keep one Nexus(…) and register everything with it")
		l.related("the first is here", l.server.s.Span)
		return s
	}
	l.server, l.app.Server = s, s.s
	return s
}

func (s *server) rateLimit(a *args) {
	var rate float64
	switch v := a.value("rate_limit").(type) {
	case sl.Int:
		rate = float64(v.Float())
	case sl.Float:
		rate = float64(v)
	case value.Decimal:
		rate, _ = v.D.Float64()
	}
	if a.has("rate_limit") && a.value("rate_limit") != sl.None && !(rate > 0 && rate <= 1e9) {
		a.fail("FC105", a.at("rate_limit"), "rate_limit is a number of requests per minute, more than 0", "leave it out for no limit")
		return
	}
	s.s.RateLimit = rate
}

// files refuses a folder that is not below the app's: nodes could write over
// the app and its databases.
func (s *server) files(a *args) {
	if a.has("files") && (!fs.ValidPath(s.s.Files) || s.s.Files == ".") {
		a.fail("FC105", a.at("files"), fmt.Sprintf("%q is no folder below the app's", s.s.Files), `write files = "files", and make the folder`)
	}
}

// timeout refuses a request_timeout that no request could keep, and a
// run_retention of nothing, which is how long runs are kept by default: for ever.
func (s *server) timeout(a *args) {
	if a.has("request_timeout") && s.s.RequestTimeout <= 0 {
		a.fail("FC105", a.at("request_timeout"), "request_timeout is more than 0", `write a duration such as "30s"`)
	}
	if a.has("run_retention") && a.duration("run_retention", 1) == 0 {
		a.fail("FC105", a.at("run_retention"), "run_retention is more than 0", `write a duration such as "1m", or leave it out to keep runs`)
	}
}

// origins checks cors_origins: each is "*" or scheme://host[:port].
func (s *server) origins(a *args) {
	g, ok := a.given["cors_origins"]
	if !ok {
		return
	}
	for _, item := range listOf(g) {
		text := string(item.val.(sl.String))
		if text == "*" && len(listOf(g)) > 1 {
			a.fail("FC105", a.site.src.element(item, g), `"*" lets every page call, so that the others say nothing`, `leave out "*", or the others`)
		}
		if text == "*" || isOrigin(text) {
			continue
		}
		a.fail("FC105", a.site.src.element(item, g), fmt.Sprintf("%q is no origin", text), `write it as "https://shop.example.org", without a path, or "*"`)
	}
}

// isOrigin reports whether a text is scheme://host[:port].
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == ""
}

var servedName = dataflow.NameShape{First: dataflow.Letters, Rest: dataflow.Word | dataflow.Dash}

// checkServedName reports a name under which nothing, a workflow or what else it
// is, can be served.
func (l *loader) checkServedName(what, name string, at dataflow.Span) bool {
	switch {
	case len(name) > 60:
		l.error("FC402", at, "the name is longer than 60 characters", "")
	case !servedName.Fits(name):
		hint := "a name has letters, digits, _ and -, and begins with a letter"
		if what == "workflow" {
			hint += ": it is part of a path"
		}
		if s := cleanName(name); s != "" {
			hint += fmt.Sprintf("; write %q", s)
		}
		l.error("FC402", at, fmt.Sprintf("%q is no name for a %s", name, what), hint)
	default:
		return true
	}
	return false
}

func cleanName(name string) string {
	s := strings.Trim(strings.Map(func(r rune) rune {
		if r < 128 && scan.IsNameRune(r) || r == '-' {
			return r
		}
		if r == ' ' || r == '/' || r == '.' {
			return '_'
		}
		return -1
	}, name), "_-")
	if servedName.Fits(s) {
		return s
	}
	return ""
}

// claim takes a name for a workflow and reports whether it was free.
func (s *server) claim(name string, a *args) bool {
	at := a.at("name")
	if !a.has("name") || !s.l.checkServedName("workflow", name, at) {
		return false
	}
	if first, ok := s.l.served[name]; ok {
		a.fail("FC403", at, fmt.Sprintf("two workflows are registered as %q", name), "give one of them another name")
		s.l.related("first registered here", first)
		return false
	}
	s.l.served[name] = at
	return true
}

// standInName is a name for a workflow that can't have its own.
func (l *loader) standInName(name string) string {
	return standIn(cmp.Or(cleanName(name), "workflow"), func(name string) bool {
		return slices.ContainsFunc(l.app.Workflows, func(other *dataflow.Workflow) bool { return other.Name == name })
	})
}

// register implements app.register(…).
func (s *server) register(l *loader, a *args) sl.Value {
	name := a.str("name", "")
	free := s.claim(name, a)
	built, ok := a.value("workflow").(value.Workflow)
	w := built.W
	if !ok { // what else is said of it is looked at
		w = &dataflow.Workflow{Span: a.site.at}
	} else if l.used(w) { // under a second name: the first must keep its own
		twin := *w
		w = &twin
	}
	// One whose name is refused is looked at all the same.
	if w.Name = name; !free {
		w.Name = s.l.standInName(name)
	}
	if d := a.str("doc", ""); d != "" {
		w.Doc = d
	}
	a.limits(w)
	l.access(a, l.readStart(w))
	if ok {
		l.app.Workflows = append(l.app.Workflows, w)
	}
	return sl.None
}

// limits reads what bounds a workflow's durable runs.
func (a *args) limits(w *dataflow.Workflow) {
	w.Priority = a.int("priority", 0)
	limit := &dataflow.RunLimit{Concurrency: a.int("concurrency", 0), By: a.str("limit_by", "")}
	if a.has("rate") {
		n, per, ok := strings.Cut(a.str("rate", ""), "/")
		count, err := strconv.Atoi(strings.TrimSpace(n))
		d, err2 := value.ParseDuration(strings.TrimSpace(per))
		if !ok || err != nil || err2 != nil || count < 1 || count > 10_000 || d <= 0 {
			a.fail("FC105", a.at("rate"), fmt.Sprintf("%q is no rate", a.str("rate", "")), `write how many runs, from 1 to 10,000, and in which time: "100/1m"`)
			count, d = 1, time.Minute // some rate: what it asks for is asked for all the same
		}
		limit.Rate, limit.Per = count, d
	}
	bounded := limit.Concurrency > 0 || limit.Rate > 0 || a.lost["concurrency"] || a.lost["rate"]
	if limit.By != "" && !bounded {
		a.fail("FC105", a.at("limit_by"), "limit_by bounds nothing by itself", `write concurrency = 5 or rate = "100/1m" too`)
		return
	}
	if bounded {
		w.Limit = limit
	}
	if a.has("limit_by") {
		if w.Spans == nil {
			w.Spans = dataflow.Spans{}
		}
		w.Spans["/limit_by"] = a.at("limit_by")
	}
}

// used notes that a built workflow is of use, and reports whether that was
// known: it is registered already.
func (l *loader) used(w *dataflow.Workflow) bool {
	registered := false
	for _, other := range l.app.Workflows {
		registered = registered || other == w
	}
	for _, b := range l.builders {
		if b.w == w {
			b.used = true
		}
	}
	return registered
}

// handler implements app.handler(…).
func (s *server) handler(l *loader, a *args) sl.Value {
	name := a.str("name", "")
	free := s.claim(name, a)
	w := &dataflow.Workflow{Name: name, Doc: a.str("doc", ""), ReadOnly: a.bool("read_only", false),
		Timeout: a.duration("timeout", 0), Durable: a.choice("durable"), Span: a.site.at, Spans: a.spans()}
	if w.ReadOnly && w.Durable != nil && *w.Durable {
		a.fail("FC105", a.at("durable"), "a handler that only reads has nothing to keep", "leave out durable or read_only")
	}
	if g, ok := a.given["input"]; ok {
		w.Input = l.inputFields(a.site.src, g)
		l.inputSpans(w, a.site.src, g)
	}
	w.SealInput()
	if g, ok := a.given["signals"]; ok {
		w.Signals = l.signals(w, a.site.src, g)
	}
	a.limits(w)
	l.access(a, l.readStart(w))
	fn := a.fn("fn")
	if fn == nil {
		return sl.None
	}
	f := l.function(fn)
	w.Handler = f
	if w.Doc == "" {
		w.Doc = f.Doc()
	}
	l.checkHandler(w, f, a)
	if !free {
		w.Name = l.standInName(name)
	}
	l.app.Workflows = append(l.app.Workflows, w)
	return sl.None
}

// signals reads what has to come with the signals of a handler. They are nil where
// they can't be known.
func (l *loader) signals(w *dataflow.Workflow, src *source, g arg) []dataflow.Signal {
	d, ok := g.val.(*sl.Dict)
	if !ok {
		return nil
	}
	list := []dataflow.Signal{}
	for _, e := range l.dictItems(src, d, g, "FC105", "the name of a signal") {
		if !dataflow.NamesSignal(e.name) {
			l.error("FC105", e.keyAt, fmt.Sprintf("%q is no name for a signal", e.name), fmt.Sprintf("a name has 1 to %d bytes, of UTF-8 and without the character NUL", dataflow.MaxSignal))
			continue
		}
		p := "/signals/" + value.Escape(e.name)
		w.Spans[p], w.Spans[p+dataflow.KeySuffix] = e.at, e.keyAt
		s := dataflow.Signal{Name: e.name}
		if e.val != sl.None {
			s.Payload = l.makeField("payload", l.inputType(src, e), e.keyAt, false)
		}
		list = append(list, s)
	}
	return list
}

// checkHandler compares the function's parameters with the inputs.
func (l *loader) checkHandler(w *dataflow.Workflow, f *value.Func, a *args) {
	params := f.Params()
	if len(params) == 0 || params[0].Rest {
		a.fail("FC404", a.at("fn"), fmt.Sprintf("the first parameter of a handler is ctx, and %s has none", f.Name()), fmt.Sprintf("write def %s(ctx, …)", f.Name()))
		l.related("defined here", f.Span())
		return
	}
	if w.InputShape != nil {
		if _, isInput := w.InputShape.Index(params[0].Name); isInput {
			a.fail("FC404", a.at("fn"), fmt.Sprintf("the first parameter of a handler is ctx, and that of %s is the input %q", f.Name(), params[0].Name), fmt.Sprintf("write def %s(ctx, %s, …)", f.Name(), params[0].Name))
			l.related("defined here", f.Span())
			return
		}
	}
	var names, inputs []string
	rest := false
	for _, p := range params[1:] {
		if p.Rest {
			rest = true
			continue
		}
		names = append(names, p.Name)
	}
	for _, in := range w.Input {
		inputs = append(inputs, in.Name)
	}
	if a.lost["input"] {
		return // they stand under a name that has been reported
	}
	if g, ok := a.given["input"]; ok && len(inputs) < g.val.(*sl.Dict).Len() {
		return // some inputs were refused: the comparison would mislead
	}
	for _, p := range params[1:] {
		if !p.Rest && p.Required && !slices.Contains(inputs, p.Name) {
			l.error("FC404", a.at("fn"), fmt.Sprintf("%s needs %q, and no input has that name", f.Name(), p.Name), orElse(dataflow.DidYouMean(p.Name, inputs), fmt.Sprintf("add it to input: {%q: str}", p.Name)))
			l.related("defined here", f.Span())
		}
	}
	for _, in := range w.Input {
		if !rest && !slices.Contains(names, in.Name) {
			l.error("FC404", in.Span, fmt.Sprintf("%s has no parameter for the input %q", f.Name(), in.Name), orElse(dataflow.DidYouMean(in.Name, names), fmt.Sprintf("write def %s(ctx, %s)", f.Name(), strings.Join(append(names, in.Name), ", "))))
			l.related("defined here", f.Span())
		}
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

var exposedPath = dataflow.NameShape{First: dataflow.Smalls, Rest: dataflow.Smalls | dataflow.Digits | dataflow.Underscore | dataflow.Dash}

// expose implements app.expose(…).
func (s *server) expose(l *loader, a *args) sl.Value {
	if len(a.rest) == 0 {
		if a.ok {
			a.fail("FC405", a.site.at, "app.expose needs a model", "as "+a.b.Example)
		}
		if a.has("path") { // else each model claims it
			s.claimPath(a.str("path", ""), a.at("path"), a)
		}
	}
	ops := dataflow.Ops()
	if a.has("operations") {
		ops = nil
		for _, name := range a.strings("operations") {
			for _, k := range dataflow.Ops() {
				if k.String() == name && !slices.Contains(ops, k) {
					ops = append(ops, k)
				}
			}
		}
		if len(ops) == 0 {
			a.fail("FC405", a.at("operations"), "operations is empty", "leave app.expose out to serve none")
		}
	}
	if a.has("path") && len(a.rest) > 1 {
		a.fail("FC405", a.at("path"), "one path can't serve several models", "call app.expose for each")
		return sl.None
	}
	for _, w := range a.rest {
		m := w.val.(value.Model).M
		s.exposeOne(m, w.at, a, ops)
	}
	return sl.None
}

func (s *server) exposeOne(m *dataflow.Model, at dataflow.Span, a *args, ops []dataflow.OpKind) {
	if a.bool("events", false) && m.Database.Options.ExistingSchemaMode {
		a.fail("FC740", a.at("events"), "events are kept in tables of flowctl's own, and with existing_schema_mode = True it makes none", "leave events out, or let flowctl keep the tables")
	}
	path := a.str("path", strings.ToLower(m.Table))
	if a.has("path") {
		s.claimPath(path, a.at("path"), a)
	} else if !s.l.refused[m] { // else it goes by a name that is refused
		s.claimPath(path, at, a)
	}
	s.l.app.Exposures = append(s.l.app.Exposures, &dataflow.Exposure{Model: m, Path: path, Ops: ops, Events: a.bool("events", false), Span: a.site.at, Spans: a.spans()})
}

// claimPath takes a path to serve a model at, or says why it can't be had.
func (s *server) claimPath(path string, at dataflow.Span, a *args) {
	first, taken := s.l.paths[path]
	switch {
	case !exposedPath.Fits(path) || len(path) > 60:
		a.fail("FC405", at, fmt.Sprintf("%q is no path", path), `write one segment: lower-case letters, digits, _ and -, as "order-lines"`)
	case path == dataflow.BatchPath:
		a.fail("FC405", at, "/api/batch is where several operations are done in one transaction", `write another path = "…"`)
	case taken:
		a.fail("FC405", at, fmt.Sprintf("two models are served at /api/%s", path), `write path = "…" for one of them`)
		s.l.related("first served here", first)
	default:
		s.l.paths[path] = at
	}
}

// on implements app.on(…).
func (s *server) on(l *loader, a *args) sl.Value {
	sub := &dataflow.Subscription{Event: a.str("event", ""), Span: a.site.at, Spans: a.spans()}
	sub.Workflow, sub.Name = a.workflow(l)
	if g, ok := a.given["where"]; ok && g.val != nil {
		c := &converter{l: l, src: a.site.src, spans: sub.Spans}
		sub.Where = c.convert(g.val, g.expr, g.at, "/where")
		if refersTo(sub.Where) {
			a.fail("FC381", g.at, "where is compared with the row, and can't refer to what a run has", "write the values out")
			sub.Where = nil
		}
	}
	l.app.Subscriptions = append(l.app.Subscriptions, sub)
	return sl.None
}

// schedule implements app.schedule(…).
func (s *server) schedule(l *loader, a *args) sl.Value {
	t := &dataflow.Schedule{Name: a.str("name", ""), Cron: a.str("cron", ""), TZ: a.str("tz", ""), Span: a.site.at, Spans: a.spans()}
	t.Workflow, t.WorkflowName = a.workflow(l)
	if g, ok := a.given["input"]; ok && g.val != nil {
		c := &converter{l: l, src: a.site.src, spans: t.Spans}
		v := c.convert(g.val, g.expr, g.at, "/input")
		t.Input, _ = v.(*dataflow.Object)
		if refersTo(v) {
			a.fail("FC383", g.at, "the inputs of a schedule are fixed, and can't refer to what a run has", "write the values out")
			t.Spans.Refuse("/input")
		}
	}
	if a.has("name") && !l.checkServedName("schedule", t.Name, a.at("name")) {
		t.Spans.Refuse("/name")
	}
	l.app.Schedules = append(l.app.Schedules, t)
	return sl.None
}

// refersTo reports whether a tree has a reference or a template in it.
func refersTo(v any) bool {
	switch v := v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return true
	case []any:
		return slices.ContainsFunc(v, refersTo)
	case *dataflow.Object:
		for _, item := range v.All {
			if refersTo(item) {
				return true
			}
		}
	}
	return false
}

// workflow reads the argument of that name: a built workflow, or the name of a
// registered one.
func (a *args) workflow(l *loader) (*dataflow.Workflow, string) {
	if w, ok := a.value("workflow").(value.Workflow); ok {
		l.used(w.W)
		return w.W, ""
	}
	return nil, a.str("workflow", "")
}

// start implements app.start().
func (s *server) start(l *loader, a *args) sl.Value {
	s.s.Started = true
	return sl.None
}
