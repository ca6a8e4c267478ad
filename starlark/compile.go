package starlark

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/resolve"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// compile parses and resolves a file. Names that mean nothing are reported and
// stand for placeholders, so that the rest of the file can be looked at too.
func (l *loader) compile(src *source, predeclared sl.StringDict) (*sl.Program, sl.StringDict, bool) {
	if !l.isText(src) {
		return nil, nil, false
	}
	file, err := tree.Options().Parse(src.name, src.text, 0)
	if err != nil {
		l.syntaxErrors(src, err)
		return nil, nil, false
	}
	src.file = file
	src.index()
	restore := rewriteOperators(file.Stmts)
	undefined := map[string]bool{}
	prog, err := sl.FileProgram(file, func(name string) bool {
		if predeclared.Has(name) {
			return true
		}
		if sl.Universe.Has(name) {
			return false
		}
		undefined[name] = true
		return true
	})
	restore()
	if len(undefined) > 0 {
		predeclared = merge(predeclared, nil)
		for name := range undefined {
			predeclared[name] = &placeholder{}
		}
		l.undefinedNames(src, predeclared, undefined)
	}
	if err != nil {
		l.resolveErrors(src, err)
		return nil, nil, false
	}
	if l.o.Read != nil && !strings.HasPrefix(src.key, "@") {
		l.o.Read(src.name, src.text, file)
	}
	return prog, predeclared, true
}

// isText refuses what is no text, or has lines that not everybody counts. The
// parser would take a NUL for the end of the file, and not look at what follows.
func (l *loader) isText(src *source) bool {
	if i := strings.IndexByte(src.text, 0); i >= 0 {
		at := tree.Advance(dataflow.Pos{Line: 1, Col: 1}, src.text[:i])
		l.error("FC001", dataflow.Span{File: src.name, Start: at, End: at}, "a NUL character stands in the file", "remove it, and save the file as UTF-8; in a string write \\0")
		return false
	}
	if i := loneReturn(src.text); i >= 0 {
		at := tree.Advance(dataflow.Pos{Line: 1, Col: 1}, src.text[:i])
		l.error("FC001", dataflow.Span{File: src.name, Start: at, End: at}, "a carriage return stands in the file without a line feed", "save it with lines that end in a line feed")
		return false
	}
	if !utf8.ValidString(src.text) {
		valid := 0
		for i, r := range src.text {
			if _, n := utf8.DecodeRuneInString(src.text[i:]); r == utf8.RuneError && n == 1 {
				valid = i
				break
			}
		}
		at := tree.Advance(dataflow.Pos{Line: 1, Col: 1}, src.text[:valid])
		l.error("FC001", dataflow.Span{File: src.name, Start: at, End: at}, "the file is not UTF-8 text", "save it as UTF-8")
		return false
	}
	return true
}

// loneReturn finds a carriage return that ends a line by itself: the parser
// counts such a line, editors and reports do not, and every place behind it
// would be another's. It is -1 where there is none.
func loneReturn(text string) int {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '\r')
		if i < 0 {
			return -1
		}
		if i += from; !strings.HasPrefix(text[i+1:], "\n") {
			return i
		}
		from = i + 1
	}
}

// undefinedNames reports every use of a name that means nothing.
func (l *loader) undefinedNames(src *source, predeclared sl.StringDict, undefined map[string]bool) {
	others := slices.Concat(spec.Globals(), universeNames())
	for name := range predeclared {
		if !undefined[name] && !slices.Contains(hiddenNames, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	sp := newSpeller(src, slices.Compact(others))
	sp.walk(func(n syntax.Node) {
		id, ok := n.(*syntax.Ident)
		if !ok || !undefined[id.Name] {
			return
		}
		if b, ok := id.Binding.(*resolve.Binding); !ok || b.Scope != resolve.Predeclared {
			return // a parameter or an argument's name
		}
		l.undefinedName(src, sp, id)
	})
}

func (l *loader) undefinedName(src *source, sp *speller, id *syntax.Ident) {
	message := fmt.Sprintf("%q is not defined", id.Name)
	if hint, ok := foreignNames[id.Name]; ok {
		l.error("FC101", src.span(id), message, hint)
		return
	}
	near, bound := sp.suggest(id.Name)
	if near == "" {
		l.error("FC101", src.span(id), message, "")
		return
	}
	l.error("FC101", src.span(id), message, fmt.Sprintf("did you mean %q?", near))
	l.related(fmt.Sprintf("%q is set here, and used nowhere", near), bound)
	l.fix(fmt.Sprintf("change it to %q", near), false, dataflow.Edit{Span: src.span(id), New: near})
}

func universeNames() []string {
	var names []string
	for name := range sl.Universe {
		names = append(names, name)
	}
	return names
}

// foreignNames are names that people bring from elsewhere.
var foreignNames = map[string]string{
	"true":       "write True",
	"false":      "write False",
	"null":       "write None",
	"nil":        "write None",
	"undefined":  "write None",
	"self":       "there are no classes; a function takes what it needs as parameters",
	"isinstance": `write type(x) == "int"`,
	"issubclass": "there are no classes",
	"super":      "there are no classes",
	"object":     "there are no classes",
	"Exception":  `there are no exceptions; a function refuses with fail("why")`,
	"ValueError": `there are no exceptions; a function refuses with fail("why")`,
	"sum":        `write load("@stdlib//math.star", "sum")`,
	"round":      `write load("@stdlib//math.star", "round"); money is rounded by "@stdlib//money.star"`,
	"pow":        `write load("@stdlib//math.star", "pow")`,
	"map":        "write a comprehension: [f(x) for x in xs]",
	"filter":     "write a comprehension: [x for x in xs if wanted(x)]",
	"reduce":     "write a for loop in a function",
	"open":       "a file can't read other files; load(\"lib.star\", \"name\") reads Starlark",
	"input":      `an input of a workflow is wf.input.name or "${input.name}"; a handler takes it as a parameter`,
	"os":         `write env("NAME") to read the environment`,
	"format":     `write "{} {}".format(a, b) or "%s" % a`,
	"Decimal":    `write decimal("0.2") for a number, decimal(12, 2) for a type`,
	"string":     "write str",
	"String":     "write str",
	"text":       "write str",
	"integer":    "write int",
	"Integer":    "write int",
	"boolean":    "write bool",
	"Boolean":    "write bool",
	"double":     "write float",
	"timestamp":  "write datetime",
	"array":      "write list(str)",
	"List":       "write list(str)",
	"Optional":   "write field(str, optional = True)",
	"ForeignKey": "write ref(Model)",
	"assert":     `write if not condition: fail("why")`,
	"eval":       "there is no eval",
	"exec":       "there is no exec",
	"frozenset":  "write set(…)",
	"iter":       "a for loop goes through any list, dict or string",
	"next":       "a for loop goes through any list, dict or string",
	"now":        "in a handler write ctx.now()",
	"uuid4":      "ids are made by the database; declare \"id\": uuid in the model",

	"LocalRuntime":      "the file runs nothing itself: register the workflow, and write flowctl exec app.star NAME",
	"AsyncLocalRuntime": "the file runs nothing itself: register the workflow, and write flowctl exec app.star NAME",
}

var reassigned = lazyregexp.New(`^cannot reassign (\S+) (\S+) declared at .*:(\d+):(\d+)$`)

// resolverHints say what to write instead, by a part of the resolver's message.
var resolverHints = []struct{ fragment, code, message, hint string }{
	{"while loop", "FC014", "there is no while loop", "write a bounded loop in a function: for _ in range(1000): … break"},
	{"support while", "FC014", "there is no while loop", "write a bounded loop in a function: for _ in range(1000): … break"},
	{"if statement not within", "FC031", "an if statement stands in a function only", "write x = a if condition else b, or put the statement into a def and call it"},
	{"for loop not within", "FC031", "a for loop stands in a function only", "write a comprehension, [f(x) for x in xs], or put the loop into a def and call it"},
	{"return statement not within", "FC031", "return stands in a function only", "put the code into a def"},
	{"can't assign to", "FC001", "what stands before = can't be set", "a name stands there, an element (x[\"key\"]) or a field of what can change"},
	{"load statement within", "FC031", "load(…) stands at the top level only", "move it to the top of the file"},
	{"cannot reassign top-level", "FC033", "a name that load(…) brings can't be set again", "use another name"},
	{"not exported", "FC112", "names that start with an underscore can't be loaded", "rename it in the file that defines it"},
}

func (l *loader) resolveErrors(src *source, err error) {
	list, ok := errors.AsType[resolve.ErrorList](err)
	if !ok {
		l.error("FC001", dataflow.Span{File: src.name}, "the file can't be resolved", "")
		return
	}
	for _, e := range list {
		l.resolveError(src, e)
	}
}

func (l *loader) resolveError(src *source, e resolve.Error) {
	at := src.word(e.Pos)
	if m := reassigned.FindStringSubmatch(e.Msg); m != nil {
		l.error("FC033", at, fmt.Sprintf("%q is set twice", m[2]), "a name of the file keeps its first value; use another name")
		var first dataflow.Pos
		if _, err := fmt.Sscan(m[3], &first.Line); err == nil {
			if _, err := fmt.Sscan(m[4], &first.Col); err == nil {
				end := first
				end.Col += utf8.RuneCountInString(m[2])
				l.related("first set here", dataflow.Span{File: src.name, Start: first, End: end})
			}
		}
		return
	}
	for _, h := range resolverHints {
		if strings.Contains(e.Msg, h.fragment) {
			l.error(h.code, at, h.message, h.hint)
			return
		}
	}
	l.error("FC001", at, e.Msg, "")
}

// word returns the span of the name or keyword that starts at p.
func (s *source) word(p syntax.Position) dataflow.Span {
	line := s.line(int(p.Line))
	n := 0
	for i, r := range []rune(line) {
		if i < int(p.Col)-1 {
			continue
		}
		if !scan.IsNameRune(r) {
			break
		}
		n++
	}
	return s.point(p, max(n, 1))
}

func (s *source) line(n int) string {
	for i, line := range strings.Split(s.text, "\n") {
		if i == n-1 {
			return line
		}
	}
	return ""
}
