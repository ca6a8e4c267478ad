package value

import (
	"strings"

	"github.com/flowctl/flowctl/internal/lazyregexp"
	sl "go.starlark.net/starlark"
)

var (
	// quoting matches what an operation of the interpreter says with a value in it.
	quoting = lazyregexp.New(`^(?:key .* not in |panic: )`)
	// aboutTheCall matches what a builtin says of how it was called, in words
	// that come from the program and not from its data.
	aboutTheCall = lazyregexp.New(`^(?:` +
		`[\w.]+: (?:missing argument|unexpected (?:keyword argument|positional)|got \d+ arguments?|multiple values).*` +
		`|[\w.]+: for parameter \w+: got \w+, want [\w ,]+` +
		`|[\w.*+ ]+: (?:the result has )?more than \d+ .*` +
		`|.*can't be called while a request runs` +
		`|it took (?:more|longer) than .*|its calls nest deeper than \d+` +
		`)$`)
)

// holdsNoValue reports whether what the interpreter says of a failure can be
// passed on. An operator speaks of types and names; a builtin may quote what
// it was given, which may be a value of a row that the caller may not see.
func holdsNoValue(msg string, err *sl.EvalError) bool {
	if quoting.MatchString(msg) {
		return false
	}
	if aboutTheCall.MatchString(msg) || err == nil || len(err.CallStack) == 0 {
		return true
	}
	frame := err.CallStack.At(0)
	builtin := frame.Pos.Line == 0
	// The names of the language's own parts are qualified, as ctx.run and
	// Order.create, or hidden, as those that operators are compiled to.
	return !builtin || strings.ContainsAny(frame.Name, ".<")
}
