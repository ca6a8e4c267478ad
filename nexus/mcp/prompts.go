package mcp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// prompt is a text that agents can ask for: of the app, or of an Extension.
type prompt struct {
	name, title, doc string
	args             []promptArg
	get              func(ctx context.Context, q *request, args *dataflow.Object) ([]Message, error)
}

// promptArg is an argument of a prompt. The protocol has text alone for it.
type promptArg struct {
	name, doc string
	required  bool
	complete  completer // nil: nothing is known
}

// completer names values that begin with what has been typed.
type completer func(ctx context.Context, q *request, typed string) (completion, error)

// completion is values that there are, and whether there may be others.
type completion struct {
	values []string
	more   bool
}

func startingWith(values []string, typed string) completion {
	var out []string
	for _, v := range values {
		if len(v) >= len(typed) && strings.EqualFold(v[:len(typed)], typed) {
			out = append(out, v)
		}
	}
	return completion{values: out}
}

func (s *Server) buildPrompts() []*prompt {
	var all []*prompt
	for _, p := range s.engine.App().Prompts {
		all = append(all, s.appPrompt(p))
	}
	for i := range s.o.Extension.Prompts {
		all = append(all, extensionPrompt(&s.o.Extension.Prompts[i]))
	}
	return all
}

// appPrompt is a prompt that the app declares.
func (s *Server) appPrompt(p *dataflow.Prompt) *prompt {
	out := &prompt{name: p.Name, title: p.Title, doc: p.Doc}
	for _, f := range p.Args {
		doc := f.Doc
		if words := typeWords(f); words != "str" {
			doc = strings.TrimSpace(strings.TrimSuffix(sentence(doc), ".") + " (" + words + ")")
		}
		out.args = append(out.args, promptArg{name: f.Name, doc: doc, required: f.Required(), complete: s.completeField(f)})
	}
	out.get = func(ctx context.Context, _ *request, args *dataflow.Object) ([]Message, error) {
		values, err := promptValues(p, args)
		if err != nil {
			return nil, err
		}
		if p.Fn == nil {
			return []Message{{"user", Text(render(p.Text, values))}}, nil
		}
		v, err := p.Fn.Call(ctx, nil, values)
		if err != nil {
			return nil, err
		}
		return promptMessages(p, v)
	}
	return out
}

// render returns a prompt's text with the values of its arguments.
func render(t any, values *dataflow.Object) string {
	switch t := t.(type) {
	case string:
		return t
	case dataflow.Ref:
		v, _ := values.Get(t.Path[0].Name)
		return plain(v)
	case *dataflow.Template:
		var b strings.Builder
		for _, part := range t.Parts {
			b.WriteString(render(part, values))
		}
		return b.String()
	}
	return ""
}

// plain is a value in the midst of text.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return strings.Trim(string(codec.AppendValue(nil, v)), `"`)
}

// promptValues reads a prompt's arguments, which come as text, as what they are.
func promptValues(p *dataflow.Prompt, args *dataflow.Object) (*dataflow.Object, error) {
	values := dataflow.NewObject()
	var problems []dataflow.Problem
	var names []string
	for _, f := range p.Args {
		names = append(names, f.Name)
		pointer := "/arguments/" + codec.EscapePointer(f.Name)
		v, given := args.Get(f.Name)
		s, isText := v.(string)
		switch {
		case !given && f.Required():
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: pointer, Detail: f.Name + " is required"})
		case !given:
			values.Set(f.Name, f.Default)
		case !isText:
			problems = append(problems, dataflow.Problem{Code: "wrong_type", Pointer: pointer, Detail: "the arguments of a prompt are text"})
		default:
			v, ps := codec.ParseText(f.Type, s, pointer)
			if len(ps) == 0 {
				v, ps = codec.Coerce(f, v, pointer)
			}
			problems = append(problems, ps...)
			values.Set(f.Name, v)
		}
	}
	for name := range args.All {
		if !slices.Contains(names, name) {
			problems = append(problems, dataflow.Problem{Code: "unknown_field", Pointer: "/arguments/" + codec.EscapePointer(name),
				Detail: "the prompt has no argument " + quoted(name), Hint: dataflow.DidYouMean(name, names)})
		}
	}
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	return values, nil
}

// promptMessages reads what a prompt's function returned: a text, or a list of
// texts and of {"role": …, "text": …}.
func promptMessages(p *dataflow.Prompt, v any) ([]Message, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []Message
	for _, e := range list {
		switch e := e.(type) {
		case string:
			out = append(out, Message{"user", Text(e)})
			continue
		case *dataflow.Object:
			if m, ok := promptMessage(e); ok {
				out = append(out, m)
				continue
			}
		}
		return nil, &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Span: p.Fn.Span(),
			Message: fmt.Sprintf("the function of the prompt %s returned no text", p.Name),
			Hint:    `it returns a text, or a list of {"role": "user", "text": "…"}; in place of text there can be "image" or "audio", bytes with their "type"`}
	}
	return out, nil
}

// promptMessage reads {"role": …, "text": …}, or with bytes in the place of text.
func promptMessage(o *dataflow.Object) (Message, bool) {
	m := Message{Role: "user"}
	if role, given := o.Get("role"); given {
		m.Role, _ = role.(string)
	}
	if m.Role != "user" && m.Role != "assistant" {
		return m, false
	}
	for _, what := range []string{"image", "audio"} {
		if data, ok := o.Get(what); ok {
			b, isBytes := data.([]byte)
			m.Content = media(what, b, text(o, "type"))
			return m, isBytes && text(o, "type") != ""
		}
	}
	v, _ := o.Get("text")
	s, ok := v.(string)
	m.Content = Text(s)
	return m, ok
}

func extensionPrompt(x *Prompt) *prompt {
	out := &prompt{name: x.Name, title: x.Title, doc: x.Description}
	for _, a := range x.Args {
		arg := promptArg{name: a.Name, doc: a.Description, required: a.Required}
		if a.Complete != nil {
			arg.complete = func(ctx context.Context, _ *request, typed string) (completion, error) {
				return completion{values: a.Complete(ctx, typed)}, nil
			}
		}
		out.args = append(out.args, arg)
	}
	out.get = func(ctx context.Context, q *request, args *dataflow.Object) (messages []Message, err error) {
		got, err := q.given()
		if err != nil {
			return nil, err
		}
		err = q.rounds(ctx, got, func() (err error) {
			messages, err = x.Get(ctx, &Call{Caller: q.caller, Arguments: args, q: q, got: got})
			return err
		})
		return messages, err
	}
	return out
}

func (s *Server) encodePrompts() []byte {
	list := make([]any, len(s.prompts))
	for i, p := range s.prompts {
		o := dataflow.ObjectOf("name", p.name)
		if p.title != "" {
			o.Set("title", p.title)
		}
		doc := p.doc
		if doc == "" {
			doc = "The prompt " + p.name + "."
		}
		o.Set("description", doc)
		args := make([]any, len(p.args))
		for j, a := range p.args {
			arg := dataflow.ObjectOf("name", a.name)
			if a.doc != "" {
				arg.Set("description", a.doc)
			}
			arg.Set("required", a.required)
			args[j] = arg
		}
		o.Set("arguments", args)
		list[i] = o
	}
	return members(dataflow.ObjectOf("prompts", list))
}

func listPrompts(_ context.Context, q *request) (*reply, error) {
	return &reply{body: q.server.promptList()}, nil
}

func (q *request) prompt(name string) (*prompt, *fault) {
	var names []string
	for _, p := range q.server.prompts {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" {
		hint = "prompts/list names those there are"
	}
	return nil, faultf(codeInvalidParams, "there is no prompt %s; %s", quoted(name), hint)
}

func getPrompt(ctx context.Context, q *request) (*reply, error) {
	p, f := q.prompt(text(q.msg.params, "name"))
	if f != nil {
		return nil, f
	}
	args := object(q.msg.params, "arguments")
	if args == nil {
		args = dataflow.NewObject()
	}
	ctx, done := q.reading(ctx)
	defer done()
	messages, err := p.get(ctx, q, args)
	if need := (*needed)(nil); errors.As(err, &need) {
		return need.reply, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = dataflow.ObjectOf("role", m.Role, "content", m.Content.o)
	}
	o := dataflow.NewObject()
	if p.doc != "" {
		o.Set("description", p.doc)
	}
	o.Set("messages", list)
	return replyOf(o), nil
}

// completeField returns what completes values of a field: those of an enum, and
// the ids of rows that the caller may read.
func (s *Server) completeField(f *dataflow.Field) completer {
	fixed := func(values []string) completer {
		return func(_ context.Context, _ *request, typed string) (completion, error) {
			return startingWith(values, typed), nil
		}
	}
	switch f.Type.Kind {
	case dataflow.KindEnum:
		return fixed(f.Type.Values)
	case dataflow.KindBool:
		return fixed([]string{"true", "false"})
	case dataflow.KindRef:
		return func(ctx context.Context, q *request, typed string) (completion, error) {
			return s.completeID(ctx, q, f.Type.Model, typed)
		}
	}
	return nil
}

// mostCompletions is how many values a completion names; the protocol has no
// place for more.
const mostCompletions = 100

// completeID lists ids of a model that is served, as the caller sees it.
func (s *Server) completeID(ctx context.Context, q *request, m *dataflow.Model, typed string) (completion, error) {
	exp := s.exposureOf(m)
	if exp == nil || !s.may(q.caller, exp, dataflow.OpList) {
		return completion{}, nil
	}
	id := m.ID()
	args := dataflow.ObjectOf("fields", []any{id.Name}, "sort", id.Name, "limit", int64(mostCompletions))
	where, ok := idsLike(id, typed)
	if !ok {
		return completion{}, nil
	}
	if where != nil {
		args.Set("filter", where)
	}
	a, err := s.read(ctx, m, dataflow.OpList, s.asking(q.caller), args)
	if err != nil {
		return completion{}, err
	}
	v, _ := codec.ParseJSON(a.text, codec.MaxDepth)
	page, _ := v.(*dataflow.Object)
	rows, _ := page.Get("records")
	var ids []string
	for _, row := range rows.([]any) {
		v, _ := row.(*dataflow.Object).Get(id.Name)
		ids = append(ids, strings.Trim(string(codec.AppendValue(nil, v)), `"`))
	}
	c := startingWith(ids, typed)
	more, _ := page.Get("has_more")
	c.more = more == true && len(c.values) == len(ids)
	return c, nil
}

// idsLike is a filter for ids that begin with a text, or of a kind whose order is
// that of its text for those from there on; nil for all of them. It is not ok if
// no id can.
func idsLike(id *dataflow.Field, typed string) (where *dataflow.Object, ok bool) {
	is := func(op string, v any) *dataflow.Object { return dataflow.ObjectOf(id.Name, dataflow.ObjectOf(op, v)) }
	switch {
	case typed == "":
		return nil, true
	case id.Type.Kind == dataflow.KindString:
		return is("$startswith", typed), true
	case id.Type.Kind == dataflow.KindUUID && len(typed) < len(lowestUUID):
		typed += lowestUUID[len(typed):]
	}
	v, problems := codec.ParseText(id.Type, typed, "")
	n, isInt := v.(int64)
	if len(problems) > 0 || !isInt || n <= 0 {
		return is("$gte", v), len(problems) == 0
	}
	var ranges []any
	for width := int64(1); ; n, width = n*10, width*10 { // 12, 120 to 129, 1200 to 1299, …
		ranges = append(ranges, is("$between", []any{n, n + width - 1}))
		if n > math.MaxInt64/10-width {
			return dataflow.ObjectOf("$or", ranges), true
		}
	}
}

// lowestUUID is what the part of a UUID that has been typed is made a whole one
// with.
const lowestUUID = "00000000-0000-0000-0000-000000000000"

func (s *Server) exposureOf(m *dataflow.Model) *dataflow.Exposure {
	for _, exp := range s.engine.App().Exposures {
		if exp.Model == m {
			return exp
		}
	}
	return nil
}

// complete names values that an argument of a prompt or of a resource may have.
func complete(ctx context.Context, q *request) (*reply, error) {
	ref, arg := object(q.msg.params, "ref"), object(q.msg.params, "argument")
	if ref == nil || arg == nil {
		return nil, faultf(codeInvalidParams, `completion/complete says what to complete: {"ref": {"type": "ref/prompt", "name": "…"}, "argument": {"name": "…", "value": "…"}}`)
	}
	ctx, done := q.reading(ctx)
	defer done()
	var found completion
	var err error
	switch kind := text(ref, "type"); kind {
	case "ref/prompt":
		p, f := q.prompt(text(ref, "name"))
		if f != nil {
			return nil, f
		}
		a, f := p.arg(text(arg, "name"))
		if f != nil {
			return nil, f
		}
		if a.complete != nil {
			found, err = a.complete(ctx, q, text(arg, "value"))
		}
	case "ref/resource":
		found, err = q.server.completeURI(ctx, q, text(ref, "uri"), text(arg, "name"), text(arg, "value"), object(object(q.msg.params, "context"), "arguments"))
	default:
		return nil, faultf(codeInvalidParams, "there is nothing to complete in a %s; ref/prompt and ref/resource there are", quoted(kind))
	}
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, v := range found.values[:min(len(found.values), mostCompletions)] {
		list = append(list, v)
	}
	o := dataflow.ObjectOf("values", list)
	if !found.more { // else nobody has counted them
		o.Set("total", int64(len(found.values)))
	}
	o.Set("hasMore", found.more || len(found.values) > mostCompletions)
	return replyOf(dataflow.ObjectOf("completion", o)), nil
}

// arg finds an argument of the prompt.
func (p *prompt) arg(name string) (promptArg, *fault) {
	names := make([]string, len(p.args))
	for i, a := range p.args {
		if a.name == name {
			return a, nil
		}
		names[i] = a.name
	}
	f := faultf(codeInvalidParams, "the prompt %s has no argument %s", p.name, quoted(name))
	if hint := dataflow.DidYouMean(name, names); hint != "" {
		f.message += "; " + hint
	}
	return promptArg{}, f
}

// scopeLacked is why a key or token is not good for an operation of a model that
// is served; nil if that is not what stands in its way.
func (s *Server) scopeLacked(c access.Caller, exp *dataflow.Exposure, op dataflow.OpKind) error {
	c.Ruled = true
	if e, ok := errors.AsType[*dataflow.Error](access.May(c, exp.Model, op)); ok && exp.Allows(op) && access.ScopeOf(e) != "" {
		return e
	}
	return nil
}

// mayAny reports whether a caller may do anything with an exposed model.
func (s *Server) mayAny(c access.Caller, exp *dataflow.Exposure) bool {
	return slices.ContainsFunc(exp.Served(), func(op dataflow.OpKind) bool { return s.may(c, exp, op) })
}

// may reports whether a caller may do an operation of an exposed model.
func (s *Server) may(c access.Caller, exp *dataflow.Exposure, op dataflow.OpKind) bool {
	c.Ruled = true
	return exp.Allows(op) && access.May(c, exp.Model, op) == nil
}
