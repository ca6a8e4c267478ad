package starlark

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// flowFiles is which files beside an app are found by auto_discovery.
const flowFiles = "*.flow.star"

// discover evaluates the files of workflows beside the app, once it has been
// evaluated itself, in order of their names: those that it has loaded are not
// evaluated again. What they build and nobody has registered is registered
// under the name that it was begun with.
func (l *loader) discover(main string) {
	if l.server == nil || !l.server.discovers {
		return
	}
	names, err := fs.Glob(l.o.FS, path.Join(path.Dir(main), flowFiles))
	if err != nil { // the folder's name has signs that a pattern gives a meaning
		l.error("FC110", l.server.s.Spans.At("/auto_discovery"), "the files beside the app can't be listed", "give its folder a name without * ? [ ] and \\")
		return
	}
	slices.Sort(names)
	found := map[string]bool{}
	for _, name := range names {
		if name == main {
			continue
		}
		l.loadFile(name, l.server.s.Spans.At("/auto_discovery"))
		found[displayName(l.o.Display, name)] = true
	}
	for _, b := range l.builders {
		if found[b.w.Span.File] && b.built && !b.used {
			l.registerFound(b)
		}
	}
}

// registerFound registers a workflow that a file beside the app has built.
func (l *loader) registerFound(b *builder) {
	b.used = true
	at := b.w.Spans.At("/name")
	if at.IsZero() {
		at = b.w.Span
	}
	if !l.checkServedName("workflow", b.w.Name, at) {
		return
	}
	if first, ok := l.served[b.w.Name]; ok {
		l.error("FC403", at, fmt.Sprintf("two workflows are registered as %q", b.w.Name), "give one of them another name")
		l.related("first registered here", first)
		return
	}
	l.served[b.w.Name] = at
	l.app.Workflows = append(l.app.Workflows, b.w)
}
