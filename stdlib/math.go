package stdlib

import (
	slmath "go.starlark.net/lib/math"
	sl "go.starlark.net/starlark"
)

// mathMembers is the math module that the Starlark project keeps.
func mathMembers() sl.StringDict {
	members := make(sl.StringDict, len(slmath.Module.Members))
	for name, v := range slmath.Module.Members {
		members[name] = v
	}
	return members
}
