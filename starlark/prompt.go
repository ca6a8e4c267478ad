package starlark

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
)

// prompt implements app.prompt(…).
func (s *server) prompt(l *loader, a *args) sl.Value {
	p := &dataflow.Prompt{Name: a.str("name", ""), Title: a.str("title", ""), Doc: a.str("doc", ""), Span: a.site.at}
	if !a.has("name") || !l.checkServedName("prompt", p.Name, a.at("name")) {
		return sl.None
	}
	for _, other := range l.app.Prompts {
		if other.Name == p.Name {
			a.fail("FC746", a.at("name"), fmt.Sprintf("two prompts are called %q", p.Name), "give one of them another name")
			l.related("the first is here", other.Span)
			return sl.None
		}
	}
	if g, ok := a.given["args"]; ok {
		p.Args = l.inputFields(a.site.src, g)
	}
	if g, ok := a.given["text"]; ok {
		if _, isText := g.val.(sl.String); isText {
			c := &converter{l: l, src: a.site.src, spans: dataflow.Spans{}}
			p.Text = c.convert(g.val, g.expr, g.at, "/text")
			l.checkPromptText(p, p.Text)
		} else if fn := a.fn("text"); fn != nil {
			f := l.function(fn)
			p.Fn = f
			if p.Doc == "" {
				p.Doc = f.Doc()
			}
			l.checkPromptFunc(p, a)
		}
	}
	if a.ok {
		l.app.Prompts = append(l.app.Prompts, p)
	}
	return sl.None
}

// checkPromptText sees to it that a prompt's text refers to its arguments alone.
func (l *loader) checkPromptText(p *dataflow.Prompt, text any) {
	switch t := text.(type) {
	case *dataflow.Template:
		for _, part := range t.Parts {
			l.checkPromptText(p, part)
		}
	case dataflow.Ref:
		names := promptArgs(p)
		if t.Root == dataflow.RootInput && len(t.Path) == 1 && slices.Contains(names, t.Path[0].Name) {
			return
		}
		hint := "a prompt's text can show its own arguments, as ${input.order}"
		if t.Root == dataflow.RootInput && len(t.Path) > 0 {
			hint = orElse(dataflow.DidYouMean(t.Path[0].Name, names), fmt.Sprintf("add it to args: {%q: str}", t.Path[0].Name))
		}
		l.error("FC746", t.Span, fmt.Sprintf("the prompt %s has no %s", p.Name, t), hint)
	}
}

func promptArgs(p *dataflow.Prompt) []string {
	names := make([]string, len(p.Args))
	for i, f := range p.Args {
		names[i] = f.Name
	}
	return names
}

// checkPromptFunc compares a function's parameters with the prompt's arguments.
func (l *loader) checkPromptFunc(p *dataflow.Prompt, a *args) {
	names, params, rest := promptArgs(p), []string{}, false
	for _, param := range p.Fn.Params() {
		if param.Rest {
			rest = true
			continue
		}
		params = append(params, param.Name)
		if param.Required && !slices.Contains(names, param.Name) {
			a.fail("FC746", a.at("text"), fmt.Sprintf("%s needs %q, and the prompt has no argument of that name", p.Fn.Name(), param.Name),
				orElse(dataflow.DidYouMean(param.Name, names), fmt.Sprintf("add it to args: {%q: str}", param.Name)))
			l.related("defined here", p.Fn.Span())
		}
	}
	for _, name := range names {
		if !rest && !slices.Contains(params, name) {
			a.fail("FC746", a.at("text"), fmt.Sprintf("%s has no parameter for the argument %q", p.Fn.Name(), name),
				orElse(dataflow.DidYouMean(name, params), fmt.Sprintf("write def %s(%s)", p.Fn.Name(), name)))
			l.related("defined here", p.Fn.Span())
		}
	}
}
