package value

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Runner runs what an app offers.
type Runner interface {
	// Run runs an operation in a transaction of its own.
	Run(ctx context.Context, op dataflow.Op, args *dataflow.Object) (any, error)
	// Workflow runs a registered workflow.
	Workflow(ctx context.Context, name string, inputs *dataflow.Object) (any, error)
}

// Tester is the app that a test runs against.
type Tester interface {
	Runner // which no access rule holds back
	// As runs as somebody who calls from outside: the access rules are for them.
	// A user of nil has not said who they are.
	As(user *dataflow.Object, tenant string) (Runner, error)
	// Now is the app's clock, which SetNow sets.
	Now() time.Time
	SetNow(time.Time)
	// Caller says who asks from here on.
	Caller(user *dataflow.Object, tenant string)
	// MockHTTP declares an answer: the arguments of t.mock_http.
	MockHTTP(answer *dataflow.Object) error
	// HTTPCalls are those made so far.
	HTTPCalls() []any
	// Finish says what is wrong once the test has ended otherwise well, or "".
	Finish() string
}

// test is the parameter of a test.
type test struct {
	ctx context.Context
	of  Tester
	env *Env
}

var _ sl.HasAttrs = (*test)(nil)

// String returns "t".
func (t *test) String() string { return "t" }

// Type returns "test".
func (t *test) Type() string { return "test" }

// Freeze does nothing: a test has no parts that change.
func (t *test) Freeze() {}

// Truth is always true.
func (t *test) Truth() sl.Bool { return true }

// Hash fails: t belongs to one test.
func (t *test) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: test") }

type testMethod func(t *test, thread *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error)

// testMethods is what t offers; spec.TestBuiltins says the same for people.
var testMethods = []struct {
	name string
	call testMethod
}{
	{"advance", (*test).advance},
	{"as_caller", (*test).asCaller},
	{"caller", (*test).caller},
	{"equal", (*test).equal},
	{"fails", (*test).fails},
	{"has", (*test).has},
	{"http_calls", (*test).httpCalls},
	{"mock_http", (*test).mockHTTP},
	{"now", (*test).now},
	{"run", (*test).run},
	{"set_now", (*test).setNow},
	{"true", (*test).isTrue},
	{"workflow", (*test).workflow},
}

// Attr returns a method.
func (t *test) Attr(name string) (sl.Value, error) {
	for _, m := range testMethods {
		if m.name == name {
			return sl.NewBuiltin("t."+name, func(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
				return m.call(t, thread, b.Name(), args, kwargs)
			}), nil
		}
	}
	return nil, noMethod("test", name, t.AttrNames())
}

// noMethod is an attribute that is not there. Starlark's own words suggest
// nothing for a short name.
func noMethod(of, name string, names []string) error {
	if near := dataflow.Suggest(name, names); near != "" {
		return fmt.Errorf("%s has no .%s field or method (did you mean .%s?)", of, name, near)
	}
	return nil
}

// AttrNames lists the methods.
func (t *test) AttrNames() []string { return TestNames() }

// TestNames lists what the parameter of a test has.
func TestNames() []string {
	names := make([]string, len(testMethods))
	for i, m := range testMethods {
		names[i] = m.name
	}
	return names
}

// unpack is sl.UnpackArgs, which suggests a name for one that is misspelt only
// where no parameter that is required comes after it.
func unpack(fn string, args sl.Tuple, kwargs []sl.Tuple, pairs ...any) error {
	var names []string
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, strings.Trim(pairs[i].(string), "?"))
	}
	for _, kw := range kwargs {
		name, _ := sl.AsString(kw[0])
		if near := dataflow.Suggest(name, names); near != "" && !slices.Contains(names, name) {
			return fmt.Errorf("%s: unexpected keyword argument %q (did you mean %s?)", fn, name, near)
		}
	}
	return sl.UnpackArgs(fn, args, kwargs, pairs...)
}

// unmet is an assertion that does not hold.
type unmet struct {
	message string
	details []string
}

func (u *unmet) Error() string { return u.message }

// Test runs the function as a test. It returns nil if the test passes.
func (f *Func) Test(ctx context.Context, of Tester) *dataflow.Diagnostic {
	g := guard{ctx: ctx, env: f.env}
	thread := &sl.Thread{Name: f.fn.Name(), Print: f.env.print}
	g.watch(thread)
	_, err := sl.Call(thread, f.fn, sl.Tuple{&test{ctx, of, f.env}}, nil)
	problem := of.Finish()
	switch {
	case err != nil:
		d := f.testFailed(&g, err)
		if problem != "" { // which may be why
			d.Related = append(d.Related, dataflow.Related{Message: problem})
		}
		return d
	case problem != "":
		return &dataflow.Diagnostic{Message: problem, Span: f.span}
	}
	return nil
}

// testFailed words the failure of a test: what went wrong, where in the test,
// and from where that was called.
func (f *Func) testFailed(g *guard, err error) *dataflow.Diagnostic {
	evalErr, _ := errors.AsType[*sl.EvalError](err)
	d := &dataflow.Diagnostic{Span: f.place(evalErr), Message: strings.TrimPrefix(err.Error(), "Starlark computation cancelled: ")}
	u, isUnmet := errors.AsType[*unmet](err)
	e, isRun := errors.AsType[*dataflow.Error](err)
	switch {
	case errors.Is(g.ctx.Err(), context.DeadlineExceeded):
		d.Message, d.Hint = "the test ran out of time", "give it more with --timeout"
	case isUnmet:
		d.Message = u.message
		for _, text := range u.details {
			d.Related = append(d.Related, dataflow.Related{Message: text})
		}
	case isRun:
		f.runFailed(d, e)
	case g.broken != "":
		d.Message = g.broken
	default:
		d.Hint = Tip(d.Message)
	}
	if evalErr != nil {
		d.Related = append(d.Related, f.callers(evalErr, d.Span)...)
	}
	return d
}

// runFailed words that something of the app failed, which the test did not
// expect.
func (f *Func) runFailed(d *dataflow.Diagnostic, e *dataflow.Error) {
	d.Message, d.Hint = e.Message, e.Hint
	if e.Code != "" {
		d.Message = e.Code + ": " + e.Message
	}
	if !e.Span.IsZero() && e.Span != d.Span {
		d.Related = append(d.Related, dataflow.Related{Message: "it failed here", Span: e.Span})
	}
	if e.Private != "" {
		d.Related = append(d.Related, dataflow.Related{Message: e.Private})
	}
	for _, p := range e.Problems {
		text := p.Detail
		if p.Pointer != "" {
			text = p.Pointer + ": " + text
		}
		d.Related = append(d.Related, dataflow.Related{Message: text})
	}
}

// callers are the places that led to an error, but for its own.
func (f *Func) callers(err *sl.EvalError, own dataflow.Span) []dataflow.Related {
	return slices.DeleteFunc(Calls(err, f.env.Locate), func(r dataflow.Related) bool { return r.Span == own })
}

// Calls are the places that an error went through, innermost first, but for that
// of FailingPos.
func Calls(err *sl.EvalError, locate func(syntax.Position) dataflow.Span) []dataflow.Related {
	var out []dataflow.Related
	own, _ := FailingPos(err)
	message := "it failed here" // in the library, which was called from the error's own place
	for i := range err.CallStack {
		switch pos := err.CallStack.At(i).Pos; {
		case pos.Line == 0:
		case pos == own:
			own, message = syntax.Position{}, "called from here"
		default:
			out = append(out, dataflow.Related{Message: message, Span: locate(pos)})
			message = "called from here"
		}
	}
	return out
}

func (t *test) run(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return runOperation(t.ctx, t.of, name, args, kwargs)
}

func (t *test) workflow(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return runWorkflow(t.ctx, t.of, name, args, kwargs)
}

// run is what t and who calls share: two ways to run something.
type run func(ctx context.Context, of Runner, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error)

func runOperation(ctx context.Context, of Runner, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("%s: say what to run, as %[1]s(Order.create, total = …)", name)
	}
	op, ok := args[0].(Op)
	if !ok {
		return nil, fmt.Errorf("%s: want an operation, as Order.create, not %s; a workflow is run by %sworkflow", name, args[0].Type(), strings.TrimSuffix(name, "run"))
	}
	in, err := arguments(name, args[1:], kwargs)
	if err != nil {
		return nil, err
	}
	return answerOf(of.Run(ctx, op.O, in))
}

func runWorkflow(ctx context.Context, of Runner, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	wf := workflowName(args)
	if wf == "" {
		return nil, fmt.Errorf(`%s: name a registered workflow, as %[1]s("place_order", {…})`, name)
	}
	in, err := arguments(name, args[1:], kwargs)
	if err != nil {
		return nil, err
	}
	return answerOf(of.Workflow(ctx, wf, in))
}

func answerOf(v any, err error) (sl.Value, error) {
	if err != nil {
		return nil, dataflow.AsError(err)
	}
	return FromGo(v), nil
}

func (t *test) equal(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var got, want sl.Value
	var message string
	if err := unpack(name, args, kwargs, "got", &got, "want", &want, "message?", &message); err != nil {
		return nil, err
	}
	return held(differences("", got, want, false), message, "the values are not equal")
}

func (t *test) has(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var got sl.Value
	var want *sl.Dict
	var message string
	if err := unpack(name, args, kwargs, "got", &got, "want", &want, "message?", &message); err != nil {
		return nil, err
	}
	return held(differences("", got, want, true), message, "the value has not what it ought to")
}

func held(differ []string, message, otherwise string) (sl.Value, error) {
	if len(differ) == 0 {
		return sl.None, nil
	}
	if message == "" {
		message = otherwise
	}
	return nil, &unmet{message, differ}
}

func (t *test) isTrue(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	var message string
	if err := unpack(name, args, kwargs, "value", &v, "message?", &message); err != nil {
		return nil, err
	}
	if v.Truth() {
		return sl.None, nil
	}
	if message == "" {
		message = "the value is not true: " + shown(v)
	}
	return nil, &unmet{message: message}
}

func (t *test) fails(thread *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var fn sl.Callable
	var code, message string
	if err := unpack(name, args, kwargs, "fn", &fn, "code?", &code, "message?", &message); err != nil {
		return nil, err
	}
	v, err := sl.Call(thread, fn, nil, nil)
	if err == nil {
		return nil, &unmet{"it did not fail", []string{"it gave " + shown(v)}}
	}
	e, ok := errors.AsType[*dataflow.Error](err)
	if !ok || code == "" && e.Status == dataflow.StatusInternal {
		return nil, err // a mistake of the test, or of the app
	}
	switch {
	case code != "" && e.Code != code:
		return nil, &unmet{"it failed in another way", []string{"got the code " + e.Code + ": " + e.Message, "want the code " + code}}
	case !strings.Contains(e.Message, message):
		return nil, &unmet{"it failed with another message", []string{"got  " + e.Message, "want " + message}}
	}
	var problems []any
	for _, p := range e.Problems {
		problems = append(problems, dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer, "detail", p.Detail))
	}
	return FromGo(dataflow.ObjectOf("code", e.Code, "message", e.Message, "problems", problems)), nil
}

func (t *test) mockHTTP(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if len(args) == 1 {
		args, kwargs = nil, append([]sl.Tuple{{sl.String("url"), args[0]}}, kwargs...)
	}
	var url, method, body string
	var answer, headers sl.Value
	status, times, breaks := 200, 0, false
	if err := unpack(name, args, kwargs, "url", &url, "method?", &method, "status?", &status, "json?", &answer, "body?", &body,
		"headers?", &headers, "fails?", &breaks, "times?", &times); err != nil {
		return nil, err
	}
	o, err := arguments(name, nil, kwargs)
	if err != nil {
		return nil, err
	}
	return sl.None, t.of.MockHTTP(o)
}

func (t *test) httpCalls(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if err := unpack(name, args, kwargs); err != nil {
		return nil, err
	}
	return FromGo(t.of.HTTPCalls()), nil
}

func (t *test) now(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if err := unpack(name, args, kwargs); err != nil {
		return nil, err
	}
	return NewDateTime(t.of.Now())
}

func (t *test) setNow(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	if err := unpack(name, args, kwargs, "moment", &v); err != nil {
		return nil, err
	}
	moment, ok := v.(DateTime)
	if !ok {
		return nil, fmt.Errorf(`t.set_now: want a datetime, as datetime("2026-01-31T09:30:00Z"), not a %s`, v.Type())
	}
	t.of.SetNow(moment.T)
	return sl.None, nil
}

func (t *test) advance(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var v sl.Value
	if err := unpack(name, args, kwargs, "duration", &v); err != nil {
		return nil, err
	}
	var d time.Duration
	var err error
	switch v := v.(type) {
	case Duration:
		d = v.D
	case sl.String:
		d, err = ParseDuration(string(v))
	default:
		err = fmt.Errorf("not a %s", v.Type())
	}
	if err != nil || d < 0 {
		return nil, fmt.Errorf(`t.advance: want a duration, as "90s" or "2h": %s`, shown(v))
	}
	t.of.SetNow(t.of.Now().Add(d))
	return sl.None, nil
}

func (t *test) caller(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var tenant, user sl.Value = sl.None, sl.None
	if err := unpack(name, args, kwargs, "tenant?", &tenant, "user?", &user); err != nil {
		return nil, err
	}
	o, who, err := whoAsks(name, user, tenant)
	if err != nil {
		return nil, err
	}
	t.of.Caller(o, who)
	return sl.None, nil
}

func (t *test) asCaller(_ *sl.Thread, name string, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var tenant, user sl.Value = sl.None, sl.None
	if err := unpack(name, args, kwargs, "user?", &user, "tenant?", &tenant); err != nil {
		return nil, err
	}
	o, who, err := whoAsks(name, user, tenant)
	if err != nil {
		return nil, err
	}
	of, err := t.of.As(o, who)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &caller{t.ctx, of}, nil
}

// whoAsks reads a user and a tenant.
func whoAsks(name string, user, tenant sl.Value) (*dataflow.Object, string, error) {
	who := ""
	if tenant != sl.None {
		s, ok := sl.AsString(tenant)
		if !ok {
			return nil, "", fmt.Errorf("%s: tenant is a string, not a %s", name, tenant.Type())
		}
		who = s
	}
	v, err := ToGo(user)
	if err != nil {
		return nil, "", err
	}
	o, ok := v.(*dataflow.Object)
	if !ok && v != nil {
		return nil, "", fmt.Errorf("%s: user is a dict, not a %s", name, user.Type())
	}
	return o, who, nil
}

// caller is somebody who calls the app, in a test.
type caller struct {
	ctx context.Context
	of  Runner
}

var _ sl.HasAttrs = (*caller)(nil)

// callerMethods is what a caller can do.
var callerMethods = []struct {
	name string
	call run
}{{"run", runOperation}, {"workflow", runWorkflow}}

// String returns "caller".
func (c *caller) String() string { return "caller" }

// Type returns "caller".
func (c *caller) Type() string { return "caller" }

// Freeze does nothing: a caller has no parts that change.
func (c *caller) Freeze() {}

// Truth is always true.
func (c *caller) Truth() sl.Bool { return true }

// Hash fails: a caller belongs to one test.
func (c *caller) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: caller") }

// Attr returns a method.
func (c *caller) Attr(name string) (sl.Value, error) {
	for _, m := range callerMethods {
		if m.name == name {
			return sl.NewBuiltin("caller."+name, func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
				return m.call(c.ctx, c.of, b.Name(), args, kwargs)
			}), nil
		}
	}
	return nil, noMethod("caller", name, c.AttrNames())
}

// AttrNames lists the methods.
func (c *caller) AttrNames() []string { return []string{"run", "workflow"} }

// differences lists where a value is not what it ought to be. With part, what
// is asked for must be there, and more may be.
func differences(path string, got, want sl.Value, part bool) []string {
	if g, w := items(got), items(want); g != nil && w != nil {
		return mapDifferences(path, g, w, part)
	}
	g, gok := got.(sl.Indexable)
	w, wok := want.(sl.Indexable)
	if _, isText := got.(sl.String); gok && wok && !isText {
		var out []string
		if g.Len() != w.Len() {
			out = append(out, fmt.Sprintf("%sgot %d items, want %d", at(path), g.Len(), w.Len()))
		}
		for i := range min(g.Len(), w.Len()) {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), g.Index(i), w.Index(i), part)...)
		}
		return out
	}
	if same, err := Compare(syntax.EQL, got, want); err == nil && same {
		return nil
	}
	return []string{fmt.Sprintf("%sgot  %s", at(path), typed(got, want)), fmt.Sprintf("%swant %s", at(path), typed(want, got))}
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return strings.TrimPrefix(path, ".") + ": "
}

// items are the pairs of a dict or a record; nil of anything else.
func items(v sl.Value) map[string]sl.Value {
	m, ok := v.(sl.IterableMapping)
	if !ok {
		return nil
	}
	out := map[string]sl.Value{}
	for _, kv := range m.Items() {
		name, ok := sl.AsString(kv[0])
		if !ok {
			name = kv[0].String()
		}
		out[name] = kv[1]
	}
	return out
}

func mapDifferences(path string, got, want map[string]sl.Value, part bool) []string {
	var out []string
	for _, name := range sortedNames(got, want) {
		here := path + "." + name
		g, has := got[name]
		w, asked := want[name]
		switch {
		case !asked && part:
		case !asked:
			out = append(out, fmt.Sprintf("%sgot  %s, which is not wanted", at(here), shown(g)))
		case !has:
			said := fmt.Sprintf("%swant %s, and it is not there", at(here), shown(w))
			if near := dataflow.DidYouMean(name, slices.Sorted(maps.Keys(got))); near != "" {
				said += "; " + near
			}
			out = append(out, said)
		default:
			out = append(out, differences(here, g, w, part)...)
		}
	}
	return out
}

func sortedNames(maps ...map[string]sl.Value) []string {
	var names []string
	for _, m := range maps {
		for name := range m {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// typed shows a value, with its type where another of the same looks differs.
func typed(v, other sl.Value) string {
	text := shown(v)
	if v.Type() != other.Type() {
		text += " (" + v.Type() + ")"
	}
	return text
}

// shown is a value in a failure: not all of a long one.
func shown(v sl.Value) string {
	const most = 300
	text := v.String()
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}
