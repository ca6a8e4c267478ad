package starlark

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// load implements the load statement. It never fails: what can't be loaded is
// reported, and its names stand for anything.
func (l *loader) load(thread *sl.Thread, name string) (sl.StringDict, error) {
	src := l.sources[thread.CallFrame(0).Pos.Filename()]
	stmts := src.loads[name]
	at := src.span(stmts[0].Module)
	m := l.find(src, name, at)
	var exports sl.StringDict
	if m != nil {
		exports = m.exports
		if m.busy {
			l.cycle(m, at)
			m = nil
		}
	}
	out := make(sl.StringDict, len(exports))
	for k, v := range exports {
		out[k] = v
	}
	for _, st := range stmts {
		for i, from := range st.From {
			if v, ok := out[from.Name]; ok {
				src.bring(st.To[i].Name, v)
				continue
			}
			out[from.Name] = &placeholder{}
			if m == nil || m.failed {
				continue // reported already
			}
			l.noSuchExport(src, st, i, name, exports)
		}
	}
	return out, nil
}

func (l *loader) noSuchExport(src *source, st *syntax.LoadStmt, i int, module string, exports sl.StringDict) {
	from := st.From[i]
	var names []string
	for _, n := range exports.Keys() {
		if !strings.HasPrefix(n, "_") {
			names = append(names, n)
		}
	}
	hint := dataflow.DidYouMean(from.Name, names)
	if hint == "" && len(names) > 0 && len(names) <= 30 {
		hint = "it has " + strings.Join(names, ", ")
	}
	l.error("FC112", src.span(from), fmt.Sprintf("%s has no %q", module, from.Name), hint)
}

func (l *loader) cycle(m *module, at dataflow.Span) {
	var chain []string
	for _, b := range l.stack {
		if len(chain) > 0 || b == m {
			chain = append(chain, b.key)
		}
	}
	l.error("FC111", at, "files load each other in a circle: "+strings.Join(append(chain, m.key), " → "),
		"move what both need into a third file")
}

// find returns the module of that name, evaluated, or nil after reporting why not.
func (l *loader) find(src *source, name string, at dataflow.Span) *module {
	if strings.HasPrefix(name, "@") {
		return l.findModule(name, at)
	}
	if strings.HasPrefix(src.key, "@") {
		l.error("FC110", at, fmt.Sprintf("the module %s can't load the app's file %q", src.key, name), "")
		return nil
	}
	key := path.Join(path.Dir(src.key), name)
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		key = path.Clean(rest)
	}
	if strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "//") || !fs.ValidPath(key) || key == "." {
		l.error("FC110", at, fmt.Sprintf("%q is no path within the app's folder", name),
			`write a path beside this file, as "lib/prices.star", or from the app's folder, as "//lib/prices.star"`)
		return nil
	}
	return l.loadFile(key, at)
}

func (l *loader) findModule(name string, at dataflow.Span) *module {
	if m := l.files[name]; m != nil {
		return m
	}
	for _, mod := range l.o.Modules {
		if mod.Name == name {
			return l.openModule(mod)
		}
	}
	var names []string
	for _, mod := range l.o.Modules {
		names = append(names, mod.Name)
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = dataflow.ThereAre(names)
	}
	l.error("FC110", at, fmt.Sprintf("there is no module %s", name), hint)
	return nil
}

// openModule evaluates a module of Options.Modules. Besides its names a module
// exports itself, under its own: load("@stdlib//money.star", "money").
func (l *loader) openModule(mod Module) *module {
	m := &module{key: mod.Name}
	l.files[mod.Name] = m
	l.app.Files = append(l.app.Files, dataflow.File{Path: mod.Name, Hash: sha256.Sum256([]byte(mod.Source))})
	mod.Members.Freeze()
	if mod.Source != "" {
		m.src = &source{key: mod.Name, name: mod.Name, text: mod.Source}
		m.failed = true
		l.evaluate(m, merge(l.globals, mod.Members))
	}
	exports := make(sl.StringDict, len(mod.Members)+len(m.exports))
	for name, v := range mod.Members {
		if !strings.HasPrefix(name, "_") {
			exports[name] = v
		}
	}
	m.exports = merge(exports, m.exports)
	base := strings.TrimSuffix(path.Base(mod.Name), ".star")
	if !m.exports.Has(base) {
		whole := &starlarkstruct.Module{Name: base, Members: merge(m.exports, nil)}
		whole.Freeze()
		m.exports[base] = whole
	}
	return m
}

func merge(a, b sl.StringDict) sl.StringDict {
	out := make(sl.StringDict, len(a)+len(b))
	for _, d := range []sl.StringDict{a, b} {
		for k, v := range d {
			out[k] = v
		}
	}
	return out
}
