package stdlib

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func reModule() Module {
	c := &patterns{compiled: map[string]*regexp.Regexp{}}
	return Module{Name: "re", Capability: pure, Doc: "Regular expressions (RE2: linear in time, without look-around and back-references). Write patterns as raw strings: `r\"\\d+\"`.", Functions: []Function{
		{Name: "matches", Params: "pattern, s", Doc: "Whether the pattern matches all of the text.", call: c.matchAll, Examples: []Example{{`matches(r"\d+", "12")`, "True"}, {`matches(r"\d+", "12a")`, "False"}}},
		{Name: "contains", Params: "pattern, s", Doc: "Whether the pattern matches somewhere in the text.", call: c.function(func(re *regexp.Regexp, s string) (sl.Value, error) { return sl.Bool(re.MatchString(s)), nil }), Examples: []Example{{`contains(r"\d", "a1")`, "True"}}},
		{Name: "find", Params: "pattern, s", Doc: "The first match, or None.", call: c.function(find), Examples: []Example{{`find(r"\d+", "a 12 b 3")`, "12"}, {`find("x", "a")`, "None"}}},
		{Name: "find_all", Params: "pattern, s", Doc: "Every match.", call: c.function(findAll), Examples: []Example{{`find_all(r"\d+", "a 12 b 3")`, `["12", "3"]`}}},
		{Name: "groups", Params: "pattern, s", Doc: "The groups of the first match: a record of them if they have names, else a list; or None.", call: c.function(groups), Examples: []Example{{`groups(r"(\w+)@(\w+)", "ada@home")`, `["ada", "home"]`}, {`groups(r"(?P<user>\w+)@", "ada@home").user`, "ada"}}},
		{Name: "split", Params: "pattern, s", Doc: "The text between matches.", call: c.function(func(re *regexp.Regexp, s string) (sl.Value, error) { return split(re, s) }), Examples: []Example{{`split(r",\s*", "a, b,c")`, `["a", "b", "c"]`}}},
		{Name: "replace", Params: "pattern, replacement, s", Doc: "The text with every match replaced; `$1` or `${name}` in the replacement is a group.", call: c.replace, Examples: []Example{{`replace(r"(\w+)@(\w+)", "$2 at $1", "ada@home")`, "home at ada"}}},
		{Name: "escape", Params: "s", Doc: "A pattern that matches the text itself.", call: oneString(regexp.QuoteMeta), Examples: []Example{{`escape("a.b")`, `a\.b`}}},
	}}
}

// patterns keeps compiled patterns: a function of the app compiles the same
// few again and again.
type patterns struct {
	mu       sync.RWMutex
	compiled map[string]*regexp.Regexp
}

// maxPattern bounds a pattern: compiled it takes many times its length.
const maxPattern = 10_000

// maxPatterns bounds what patterns built from input can keep.
const maxPatterns = 1000

func (c *patterns) compile(text string) (*regexp.Regexp, error) {
	c.mu.RLock()
	re := c.compiled[text]
	c.mu.RUnlock()
	if re != nil {
		return re, nil
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the pattern can't be read: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) >= maxPatterns {
		clear(c.compiled)
	}
	c.compiled[text] = re
	return re, nil
}

func (c *patterns) function(f func(*regexp.Regexp, string) (sl.Value, error)) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var pattern, s string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "s", &s); err != nil {
			return nil, err
		}
		re, err := c.compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		return f(re, s)
	}
}

// matchAll anchors the pattern at both ends.
func (c *patterns) matchAll(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var pattern, s string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "s", &s); err != nil {
		return nil, err
	}
	re, err := c.compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return sl.Bool(re.MatchString(s)), nil
}

func (c *patterns) replace(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var pattern, replacement, s string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "replacement", &replacement, "s", &s); err != nil {
		return nil, err
	}
	re, err := c.compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	out, err := replaceAll(re, replacement, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	value.Charge(thread, len(out))
	return sl.String(out), nil
}

// maxReplaced bounds the text that replace makes, as that of string methods is.
const maxReplaced = 10_000_000

// replaceAll is re.ReplaceAllString of what does not become too long.
func replaceAll(re *regexp.Regexp, replacement, s string) (string, error) {
	var out []byte
	copied := 0
	for _, loc := range re.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, s[copied:loc[0]]...)
		out = re.ExpandString(out, replacement, s, loc)
		copied = loc[1]
		if len(out) > maxReplaced {
			return "", fmt.Errorf("the result has more than %d bytes", maxReplaced)
		}
	}
	return string(append(out, s[copied:]...)), nil
}

func find(re *regexp.Regexp, s string) (sl.Value, error) {
	loc := re.FindStringIndex(s)
	if loc == nil {
		return sl.None, nil
	}
	return sl.String(s[loc[0]:loc[1]]), nil
}

func findAll(re *regexp.Regexp, s string) (sl.Value, error) {
	list := re.FindAllString(s, maxMatches+1)
	if len(list) > maxMatches {
		return nil, fmt.Errorf("re.find_all: more than %d matches", maxMatches)
	}
	return texts(list), nil
}

func split(re *regexp.Regexp, s string) (sl.Value, error) {
	list := re.Split(s, maxMatches+1)
	if len(list) > maxMatches {
		return nil, fmt.Errorf("re.split: more than %d parts", maxMatches)
	}
	return texts(list), nil
}

func groups(re *regexp.Regexp, s string) (sl.Value, error) {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return sl.None, nil
	}
	named := dataflow.NewObject()
	for i, name := range re.SubexpNames() {
		if name != "" {
			named.Set(name, m[i])
		}
	}
	if named.Len() > 0 {
		return value.NewRecord(named), nil
	}
	return texts(m[1:]), nil
}

// maxMatches bounds the items of a list of matches.
const maxMatches = 1_000_000

func texts(list []string) sl.Value {
	out := make([]sl.Value, len(list))
	for i, s := range list {
		out[i] = sl.String(s)
	}
	return sl.NewList(out)
}
