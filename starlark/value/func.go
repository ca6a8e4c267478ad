package value

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Env is what the functions of one app share. It must not change once a
// function is called.
type Env struct {
	MaxSteps uint64        // of one call
	Timeout  time.Duration // of one call of a function that is not a handler
	MaxDepth int           // of calls within calls
	// Locate turns a place in Starlark into a span.
	Locate func(syntax.Position) dataflow.Span
	// Print receives what print() is given; nil discards it.
	Print func(at dataflow.Span, text string)
}

// Func is a frozen function of the app.
type Func struct {
	fn     *sl.Function
	env    *Env
	params []dataflow.Param
	span   dataflow.Span
}

var _ dataflow.Func = (*Func)(nil)

// NewFunc makes fn callable from Go. fn and the globals it sees must be
// frozen before the first call.
func NewFunc(fn *sl.Function, env *Env, span dataflow.Span) *Func {
	return &Func{fn: fn, env: env, params: paramsOf(fn), span: span}
}

func paramsOf(fn *sl.Function) []dataflow.Param {
	n := fn.NumParams()
	if fn.HasKwargs() {
		n--
	}
	if fn.HasVarargs() {
		n--
	}
	params := make([]dataflow.Param, 0, n+1)
	for i := range n {
		name, _ := fn.Param(i)
		params = append(params, dataflow.Param{Name: name, Required: fn.ParamDefault(i) == nil})
	}
	if fn.HasKwargs() {
		name, _ := fn.Param(fn.NumParams() - 1)
		params = append(params, dataflow.Param{Name: name, Rest: true})
	}
	return params
}

// Name returns the function's name; "lambda" for one without.
func (f *Func) Name() string { return f.fn.Name() }

// Params lists the parameters, *args not among them.
func (f *Func) Params() []dataflow.Param { return f.params }

// Span returns the place of the definition.
func (f *Func) Span() dataflow.Span { return f.span }

// Doc returns the function's docstring, without the space around it.
func (f *Func) Doc() string { return strings.TrimSpace(f.fn.Doc()) }

// Call implements dataflow.Func.
func (f *Func) Call(ctx context.Context, pos []any, named *dataflow.Object) (result any, err error) {
	g := guard{ctx: ctx, env: f.env}
	defer func() {
		if p := recover(); p != nil { // a bug in a builtin must not end the server
			e := f.failed("panic: "+fmt.Sprint(p), nil)
			e.Err = fmt.Errorf("panic: %v\n%s", p, debug.Stack()) // for the log: the fault is ours
			result, err = nil, e
		}
	}()
	args, isHandler := f.args(ctx, pos)
	if !isHandler && f.env.Timeout > 0 {
		g.deadline = time.Now().Add(f.env.Timeout)
	}
	thread := &sl.Thread{Name: f.fn.Name(), Print: f.env.print}
	g.watch(thread)
	v, err := sl.Call(thread, f.fn, args, kwargs(named))
	if err != nil {
		return nil, f.failure(&g, err)
	}
	out, prob := toGo(v, 0)
	if prob != nil {
		return nil, f.badResult(prob)
	}
	return out, nil
}

func (f *Func) args(ctx context.Context, pos []any) (args sl.Tuple, isHandler bool) {
	if len(pos) == 0 {
		return nil, false
	}
	args = make(sl.Tuple, len(pos))
	for i, v := range pos {
		if h, ok := v.(dataflow.Handler); ok {
			args[i], isHandler = &Ctx{ctx: ctx, handler: h, env: f.env}, true
			continue
		}
		args[i] = FromGo(v)
	}
	return args, isHandler
}

func kwargs(named *dataflow.Object) []sl.Tuple {
	if named == nil {
		return nil
	}
	n := named.Len()
	flat := make([]sl.Value, 0, 2*n) // one allocation for all the pairs
	out := make([]sl.Tuple, 0, n)
	for name, v := range named.All {
		flat = append(flat, sl.String(name), FromGo(v))
		out = append(out, sl.Tuple(flat[len(flat)-2:len(flat):len(flat)]))
	}
	return out
}

func (e *Env) print(thread *sl.Thread, text string) {
	if e.Print != nil {
		e.Print(e.Locate(thread.CallFrame(1).Pos), text)
	}
}

// checkEvery is how many steps a function runs between looks at its limits.
// It bounds what a call can do past one of them.
const checkEvery = 1000

// guard holds a thread to its limits. It needs neither timer nor goroutine:
// the interpreter calls it every checkEvery steps.
type guard struct {
	ctx      context.Context
	env      *Env
	deadline time.Time // zero: none
	broken   string    // the limit that was passed
}

func (g *guard) watch(thread *sl.Thread) {
	thread.SetMaxExecutionSteps(min(checkEvery, max(g.env.MaxSteps, 1)))
	thread.OnMaxSteps = g.check
}

func (g *guard) check(thread *sl.Thread) {
	switch {
	case g.ctx.Err() != nil:
		g.broken = g.ctx.Err().Error()
	case g.env.MaxSteps > 0 && thread.Steps >= g.env.MaxSteps:
		g.broken = fmt.Sprintf("it took more than %d steps", g.env.MaxSteps)
	case !g.deadline.IsZero() && time.Now().After(g.deadline):
		g.broken = fmt.Sprintf("it took longer than %s", g.env.Timeout)
	case g.env.MaxDepth > 0 && thread.CallStackDepth() > g.env.MaxDepth:
		g.broken = fmt.Sprintf("its calls nest deeper than %d", g.env.MaxDepth)
	default:
		next := thread.Steps + checkEvery
		if g.env.MaxSteps > 0 {
			next = min(next, g.env.MaxSteps)
		}
		thread.SetMaxExecutionSteps(next)
		return
	}
	thread.Cancel(g.broken)
}

// failure turns an error of the interpreter into one for the caller.
func (f *Func) failure(g *guard, err error) error {
	evalErr, _ := errors.AsType[*sl.EvalError](err)
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		out := *e
		if out.Span.IsZero() {
			out.Span = f.place(evalErr)
		}
		return &out
	}
	switch {
	case g.broken == "":
		return f.failed(err.Error(), evalErr)
	case errors.Is(g.ctx.Err(), context.DeadlineExceeded):
		return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout, Span: f.place(evalErr),
			Message: fmt.Sprintf("%s ran out of time", f.title()), Err: g.ctx.Err()}
	case g.ctx.Err() != nil:
		return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled, Span: f.place(evalErr),
			Message: "the caller went away", Err: g.ctx.Err()}
	}
	return f.failed(g.broken, evalErr)
}

// failed is the error for a function that broke, rather than refused. What the
// interpreter says often holds a value, as int("…") does, which may be of a row
// that the caller may not see: only words known to hold none are passed on, and
// there is no cause for the log. The place tells an author as much.
func (f *Func) failed(msg string, evalErr *sl.EvalError) *dataflow.Error {
	place := f.place(evalErr)
	msg = strings.TrimPrefix(msg, "Starlark computation cancelled: ")
	e := &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Span: place,
		Message: fmt.Sprintf("%s failed at %s", f.title(), place)}
	if holdsNoValue(msg, evalErr) {
		e.Message += ": " + msg
	} else {
		e.Private = msg
	}
	hints := []string{}
	if t := Tip(msg); t != "" {
		hints = append(hints, t)
	}
	if evalErr != nil {
		if stack := stackText(evalErr, f.env); stack != "" {
			hints = append(hints, stack)
		}
	}
	e.Hint = strings.Join(hints, "\n")
	return e
}

func (f *Func) badResult(p *problem) error {
	return &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Span: f.span,
		Message:  fmt.Sprintf("%s returned a value that can't be used: %s", f.title(), p.Error()),
		Problems: []dataflow.Problem{p.Problem}}
}

func (f *Func) title() string {
	if f.fn.Name() == "lambda" {
		return "the lambda"
	}
	return f.fn.Name() + "()"
}

// place is the innermost place of the app in the call stack.
func (f *Func) place(evalErr *sl.EvalError) dataflow.Span {
	if pos, ok := FailingPos(evalErr); ok {
		return f.env.Locate(pos)
	}
	return f.span
}

// FailingPos returns the innermost place of an error in a file of the app: who
// calls a function of the library can mend the call, and not the library. Where
// no file of the app led to it, it is a place of the library.
func FailingPos(err *sl.EvalError) (syntax.Position, bool) {
	if err == nil {
		return syntax.Position{}, false
	}
	return innermost(len(err.CallStack), err.CallStack.At)
}

// innermost returns the place of the first of n frames that is in a file of the
// app, or else in Starlark code at all.
func innermost(n int, frame func(int) sl.CallFrame) (at syntax.Position, ok bool) {
	for i := range n {
		switch pos := frame(i).Pos; {
		case pos.Line == 0: // a builtin
		case !strings.HasPrefix(pos.Filename(), "@"): // as @stdlib//money.star
			return pos, true
		case !ok:
			at, ok = pos, true
		}
	}
	return at, ok
}

// stackText lists the calls that led to an error, or is "" where the error's
// own place says it all.
func stackText(err *sl.EvalError, env *Env) string {
	lines := []string{"called from, innermost first:"}
	for i := range err.CallStack {
		if fr := err.CallStack.At(i); fr.Pos.Line > 0 {
			lines = append(lines, fmt.Sprintf("  %s in %s", env.Locate(fr.Pos), fr.Name))
		}
	}
	if len(lines) < 3 {
		return ""
	}
	return strings.Join(lines, "\n")
}

// tips say what to write instead, for errors of the interpreter that people
// used to Python don't expect.
var tips = []struct{ fragment, tip string }{
	{"called recursively", "a function can't call itself, directly or through others; write a for loop over range(…)"},
	{"referenced before assignment", "a name is set before it is used"},
	{"unknown binary op: int + string", `make a number of the text with int(…) or decimal(…), or text of the number with str(…)`},
	{"unknown binary op: int * decimal", `write both numbers as decimals`},
	{"unknown binary op: string + int", `make text of the number with str(…), or a number of the text with int(…)`},
	{"unknown binary op: string + decimal", `make text of the number with str(…), or a number of the text with decimal(…)`},
	{"cannot insert into frozen", "what a file declares can't change afterwards; copy it first, as dict(x) or list(x)"},
	{"cannot append to frozen", "what a file declares can't change afterwards; copy it first, as list(x)"},
	{"frozen", "what a file declares, and what a caller sends, can't change; copy it first, as dict(x) or list(x)"},
	{"NoneType has no", "the value is None here; test it first: if x != None"},
	{"unknown binary op: NoneType", "the value is None here; test it first: if x != None"},
}

// Tip returns advice on an error of the interpreter, or "".
func Tip(message string) string {
	for _, t := range tips {
		if strings.Contains(message, t.fragment) {
			return t.tip
		}
	}
	return ""
}

// Fail is the builtin fail(): it refuses what the caller asked for.
func Fail(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	sep := " "
	if err := sl.UnpackArgs(b.Name(), nil, kwargs, "sep?", &sep); err != nil {
		return nil, err
	}
	const most = 64 << 10
	if Weigh(args, most) > most {
		return nil, TooLarge(b.Name(), most)
	}
	parts := make([]string, len(args))
	for i, a := range args {
		if s, ok := sl.AsString(a); ok {
			parts[i] = s
		} else {
			parts[i] = a.String()
		}
	}
	return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: strings.Join(parts, sep)}
}
