package stdlib

import (
	"fmt"
	"regexp"

	sl "go.starlark.net/starlark"
)

func reMembers() sl.StringDict {
	return dict(
		// matches(pattern, s) reports whether pattern matches somewhere in s.
		onPattern("matches", func(re *regexp.Regexp, s string) sl.Value { return sl.Bool(re.MatchString(s)) }),
		// find(pattern, s) returns the first match, or None.
		onPattern("find", func(re *regexp.Regexp, s string) sl.Value {
			if loc := re.FindStringIndex(s); loc != nil {
				return sl.String(s[loc[0]:loc[1]])
			}
			return sl.None
		}),
		// find_all(pattern, s) returns every match that does not overlap an earlier one.
		onPattern("find_all", func(re *regexp.Regexp, s string) sl.Value { return stringList(re.FindAllString(s, -1)) }),
		// groups(pattern, s) returns the first match and its groups as a list, or
		// None. A group that took no part is None.
		onPattern("groups", groups),
		// split(pattern, s) cuts s at each match.
		onPattern("split", func(re *regexp.Regexp, s string) sl.Value { return stringList(re.Split(s, -1)) }),
		// replace(pattern, s, with) puts with, in which $1 stands for a group, for each match.
		builtin("replace", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var pattern, s, with string
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "s", &s, "with", &with); err != nil {
				return nil, err
			}
			re, err := compile(pattern)
			if err != nil {
				return nil, err
			}
			return sl.String(re.ReplaceAllString(s, with)), nil
		}),
	)
}

func onPattern(name string, f func(*regexp.Regexp, string) sl.Value) *sl.Builtin {
	return builtin(name, func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var pattern, s string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern, "s", &s); err != nil {
			return nil, err
		}
		re, err := compile(pattern)
		if err != nil {
			return nil, err
		}
		return f(re, s), nil
	})
}

func compile(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q can't be read: %w", pattern, err)
	}
	return re, nil
}

func groups(re *regexp.Regexp, s string) sl.Value {
	loc := re.FindStringSubmatchIndex(s)
	if loc == nil {
		return sl.None
	}
	list := make([]sl.Value, len(loc)/2)
	for i := range list {
		list[i] = sl.None
		if from := loc[2*i]; from >= 0 {
			list[i] = sl.String(s[from:loc[2*i+1]])
		}
	}
	return sl.NewList(list)
}

func stringList(ss []string) *sl.List {
	list := make([]sl.Value, len(ss))
	for i, s := range ss {
		list[i] = sl.String(s)
	}
	return sl.NewList(list)
}
