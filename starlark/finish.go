package starlark

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// finish turns what was recorded into the app: names databases, links
// references, freezes every function, and looks for what does nothing.
func (l *loader) finish(main *module) {
	l.nameDatabases(main)
	l.unregistered()
	l.linkRefs()
	l.linkAccess()
	l.linkLimits()
	for _, m := range slices.SortedFunc(maps.Values(l.files), func(a, b *module) int { return strings.Compare(a.key, b.key) }) {
		if m.src != nil && m.src.file != nil && !strings.HasPrefix(m.key, "@") {
			l.checkBodies(m)
		}
	}
	l.lookForIdle()
	if l.o.Begun != nil {
		for _, b := range l.builders {
			l.o.Begun(b.w)
		}
	}
	if s := l.app.Server; s != nil && s.Name == "" {
		s.Name = defaultName(l.app.Path)
	}
	if s := l.app.Server; s != nil && s.EnableAuth {
		l.app.AskWho()
	}
	for fn := range l.funcs {
		fn.Freeze() // one in a dict or a default is reachable from no global
	}
	l.env.Locate = l.locator()
	l.release()
}

// defaultName names the app by its folder, or by its file.
func defaultName(p string) string {
	dir := path.Base(path.Dir(strings.ReplaceAll(p, "\\", "/")))
	if dir == "." || dir == "/" || dir == ".." {
		return strings.TrimSuffix(path.Base(p), ".star")
	}
	return dir
}

// nameDatabases names each database by the global that holds it.
func (l *loader) nameDatabases(main *module) {
	taken := map[string]bool{}
	files := append([]*module{main}, slices.Collect(maps.Values(l.files))...)
	slices.SortStableFunc(files[1:], func(a, b *module) int { return strings.Compare(a.key, b.key) })
	for _, m := range files {
		for _, name := range m.exports.Keys() {
			if d, ok := m.exports[name].(*database); ok && d.db.Name == "" && !taken[name] {
				d.db.Name = name
				taken[name] = true
			}
		}
	}
	for i, d := range l.databases {
		for n := i + 1; d.db.Name == ""; n++ {
			name := "db"
			if n > 1 {
				name = fmt.Sprintf("db%d", n)
			}
			if !taken[name] {
				d.db.Name = name
				taken[name] = true
			}
		}
	}
}

// unregistered has workflows looked at that an error may have kept from being
// registered. Where there is none, they are only told to be of no use.
func (l *loader) unregistered() {
	if !dataflow.HasErrors(l.diags) {
		return
	}
	for _, b := range l.builders {
		if !b.used {
			w := b.finished().W
			w.Name = l.standInName(w.Name)
			l.app.Workflows = append(l.app.Workflows, w)
		}
	}
}

// lookForIdle warns of what was declared and does nothing.
func (l *loader) lookForIdle() {
	for _, b := range l.builders {
		switch {
		case b.used || dataflow.HasErrors(l.diags): // an error may be why it is not used
		case !b.built:
			l.warn("FC412", b.w.Span, b.title()+" is never built", `write app.register("name", wf.build())`)
		default:
			l.warn("FC412", b.w.Span, b.title()+" is never registered", `write app.register("name", …)`)
		}
	}
	if l.server != nil && !l.server.s.Started {
		l.warn("FC407", l.server.s.Span, "the app never says that it is to be served", "write app.start() at the end of the file")
	}
	if len(l.app.Databases) == 0 && len(l.app.Workflows) == 0 && l.server == nil && len(l.diags) == 0 {
		l.warn("FC118", dataflow.Span{File: l.app.Path}, "the file declares nothing", "begin with db = DataFlow(database_url = \"sqlite:app.db\")")
	}
}

// locator returns what finds spans once the syntax trees are gone: the ends
// of the calls, by their "(".
func (l *loader) locator() func(syntax.Position) dataflow.Span {
	type ends map[place]dataflow.Span
	calls := make(map[string]ends, len(l.sources))
	for name, src := range l.sources {
		calls[name] = ends{}
		if len(l.funcs) == 0 {
			continue
		}
		for at, call := range src.calls {
			calls[name][at] = src.span(call)
		}
	}
	return func(p syntax.Position) dataflow.Span {
		if span, ok := calls[p.Filename()][placeOf(p)]; ok {
			return span
		}
		end := pos(p)
		end.Col++
		return dataflow.Span{File: p.Filename(), Start: pos(p), End: end}
	}
}

// release lets go of all that only loading needs: functions of the app keep
// the loader reachable through the names they see.
func (l *loader) release() {
	l.sources, l.files, l.funcs, l.stack = nil, nil, nil, nil
	l.thread, l.databases, l.builders, l.pending, l.rules = nil, nil, nil, nil, nil
	l.refused, l.served, l.paths, l.globals = nil, nil, nil, sl.StringDict{}
}
