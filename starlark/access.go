package starlark

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	sl "go.starlark.net/starlark"
)

// ruleValue is what role(…), anyone(), signed_in() and nobody() return.
type ruleValue struct {
	name  string
	grant dataflow.Grant // but for its condition, which is read once it is known of what
	where *arg           // that condition, in src
	src   *source
}

func (r *ruleValue) String() string        { return r.name + "(…)" }
func (r *ruleValue) Type() string          { return "rule" }
func (r *ruleValue) Freeze()               {}
func (r *ruleValue) Truth() sl.Bool        { return true }
func (r *ruleValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: rule") }

// nobody is the name of the rule that has no grant.
const nobody = "nobody"

// ruleBuiltins are the sorts of caller by the names of the builtins that say
// them.
var ruleBuiltins = map[string]dataflow.Who{
	"role": dataflow.WhoRole, "anyone": dataflow.WhoAnyone, "signed_in": dataflow.WhoSignedIn, nobody: dataflow.WhoSignedIn,
}

func isRuleBuiltin(name string) bool {
	_, ok := ruleBuiltins[name]
	return ok
}

// ruleOf implements role(…) and the others.
func (l *loader) ruleOf(a *args) sl.Value {
	r := &ruleValue{name: a.b.Name, src: a.site.src, grant: dataflow.Grant{Who: ruleBuiltins[a.b.Name], Span: a.site.at}}
	for _, w := range a.rest {
		name := string(w.val.(sl.String))
		if strings.TrimSpace(name) != name || name == "" {
			a.fail("FC267", w.at, fmt.Sprintf("%q is no name of a role", name), `write role("editor")`)
			continue
		}
		if slices.Contains(r.grant.Roles, name) {
			a.fail("FC267", w.at, fmt.Sprintf("the role %q is named twice", name), "name it once")
			continue
		}
		r.grant.Roles = append(r.grant.Roles, name)
	}
	if r.grant.Who == dataflow.WhoRole && len(r.grant.Roles) == 0 {
		if a.ok {
			a.fail("FC106", a.site.at, "role needs the name of a role", `write role("editor"), or signed_in() for whoever is signed in`)
		}
		return &placeholder{}
	}
	if g, ok := a.given["where"]; ok {
		r.where = &g
	}
	return r
}

// access keeps what a model or a workflow says of who may do what, until
// references are linked: conditions follow them.
func (l *loader) access(a *args, read func(*ruleReader, arg)) {
	g, ok := a.given["access"]
	if !ok {
		return
	}
	l.rules = append(l.rules, func() {
		if l.server == nil || !l.server.s.EnableAuth && !l.server.s.Spans.Refused("/enable_auth") {
			l.error("FC265", g.key, "access says who may do what, and nobody is asked who they are", "write Nexus(enable_auth = True)")
			if l.server != nil {
				l.related("the server is here", l.server.s.Span)
			}
		}
		read(&ruleReader{l: l, src: a.site.src}, g)
	})
}

// linkAccess reads what has been kept.
func (l *loader) linkAccess() {
	for _, read := range l.rules {
		read()
	}
}

// ruleReader reads rules.
type ruleReader struct {
	l   *loader
	src *source         // of what it reads
	m   *dataflow.Model // whose rows the rules are of; nil: there are none
	why string          // nil m: why there are none
}

// accessKeys are the names in access = {…}.
var accessKeys = []string{"read", "create", "update", "delete", "fields"}

// broader are the operations that come under one of those names.
var broader = map[string]string{
	"list": "read", "get": "read", "count": "read", "search": "read", "aggregate": "read", "expand": "read", "events": "read", "select": "read", "view": "read",
	"insert": "create", "add": "create", "bulk_create": "create", "edit": "update", "change": "update", "bulk_update": "update", "patch": "update",
	"remove": "delete", "bulk_delete": "delete",
}

// readAccess reads access = {…} of a model.
func (l *loader) readAccess(m *dataflow.Model) func(*ruleReader, arg) {
	return func(r *ruleReader, g arg) {
		r.m = m
		m.Access = &dataflow.Access{Span: g.at, Spans: dataflow.Spans{"": g.at}}
		rules := map[string]**dataflow.Rule{"read": &m.Access.Read, "create": &m.Access.Create, "update": &m.Access.Update, "delete": &m.Access.Delete}
		for _, e := range l.dictItems(r.src, g.val.(*sl.Dict), g, "FC267", "what access is about") {
			m.Access.Spans["/"+e.name] = e.at
			m.Access.Spans["/"+e.name+dataflow.KeySuffix] = e.keyAt
			switch to, ok := rules[e.name]; {
			case ok:
				*to = r.rule(arg{val: e.val, expr: e.expr, at: e.at, key: e.keyAt})
			case e.name == "fields":
				r.fields(e)
			default:
				l.error("FC267", e.keyAt, fmt.Sprintf("access has no %q", e.name), accessHint(e.name))
			}
		}
	}
}

func accessHint(name string) string {
	switch {
	case name == "upsert" || name == "bulk_upsert":
		return `an upsert needs what "create" and "update" let`
	case name == "write":
		return `write "create", "update" and "delete"`
	case broader[name] != "":
		return fmt.Sprintf("it comes under %q", broader[name])
	}
	return orElse(dataflow.DidYouMean(name, accessKeys), "there are "+strings.Join(accessKeys, ", "))
}

// readStart reads access = … of a workflow.
func (l *loader) readStart(w *dataflow.Workflow) func(*ruleReader, arg) {
	return func(r *ruleReader, g arg) {
		r.why = "a workflow is started or not: there is no row yet"
		w.Access = r.rule(g)
	}
}

// fields reads "fields": {"salary": {"read": …, "write": …}}.
func (r *ruleReader) fields(e dictItem) {
	l, m := r.l, r.m
	d, ok := e.val.(*sl.Dict)
	if !ok {
		if !isPlaceholder(e.val) {
			l.error("FC271", e.at, fmt.Sprintf(`"fields" is a dict of fields, not %s`, describe(e.val)), `write {"salary": {"read": role("hr"), "write": role("hr")}}`)
		}
		return
	}
	if d.Len() == 0 {
		l.error("FC271", e.at, `"fields" names no field`, `write {"salary": {"read": role("hr"), "write": role("hr")}}, or leave it out`)
	}
	inner := &ruleReader{l: l, src: r.src, why: "a field is shown to somebody or not, in every row alike"}
	for _, f := range l.dictItems(r.src, d, arg{val: e.val, expr: e.expr, at: e.at}, "FC271", "the name of a field") {
		i, known := m.Shape().Index(f.name)
		parts, isDict := f.val.(*sl.Dict)
		switch {
		case !known:
			l.error("FC271", f.keyAt, fmt.Sprintf("%s has no field %q", m.Name, f.name), dataflow.NearOrAll(f.name, shapeNames(m)))
			if isDict {
				r.field(inner, f, unknownField, parts)
			}
		case isPlaceholder(f.val):
		case !isDict:
			l.error("FC271", f.at, fmt.Sprintf("access of %s is a dict, not %s", f.name, describe(f.val)), `write {"read": role("hr"), "write": role("hr")}`)
		case i < len(m.Fields) && alwaysShown(m.Fields[i].System):
			l.error("FC271", f.keyAt, fmt.Sprintf("%s can't be kept from who reads the row", f.name), "answers, addresses and entity tags are made of it")
		default:
			r.field(inner, f, i, parts)
		}
	}
}

// alwaysShown reports whether what the runtime uses a field for shows it.
func alwaysShown(role dataflow.Role) bool {
	return role == dataflow.RoleID || role == dataflow.RoleVersion || role == dataflow.RoleTenant
}

// unknownField is the position of a field that there is not, of which no more is
// said than what is wrong with its rules.
const unknownField = -1

// field reads what is said of one field.
func (r *ruleReader) field(inner *ruleReader, f dictItem, position int, parts *sl.Dict) {
	l, m := r.l, r.m
	fa := dataflow.FieldAccess{Field: position}
	pointer := "/fields/" + f.name
	if parts.Len() == 0 {
		l.error("FC271", f.at, fmt.Sprintf("access of %s says nothing", f.name), `write {"read": role("hr"), "write": role("hr")}, or leave it out`)
	}
	m.Access.Spans[pointer], m.Access.Spans[pointer+dataflow.KeySuffix] = f.at, f.keyAt
	for _, e := range l.dictItems(r.src, parts, arg{val: f.val, expr: f.expr, at: f.at}, "FC271", `"read" or "write"`) {
		w := arg{val: e.val, expr: e.expr, at: e.at, key: e.keyAt}
		m.Access.Spans[pointer+"/"+e.name] = e.at
		switch {
		case e.name == "read":
			fa.Read = inner.rule(w)
		case e.name != "write":
			hint := orElse(dataflow.DidYouMean(e.name, []string{"read", "write"}), `there are "read" and "write"`)
			if e.name == "create" || e.name == "update" {
				hint = `"write" is for both, creating a row and changing it`
			}
			l.error("FC271", e.keyAt, fmt.Sprintf("access of a field has no %q", e.name), hint)
		case position == unknownField:
			inner.rule(w)
		case position >= len(m.Fields) || m.Fields[position].System != dataflow.RoleNone:
			l.error("FC271", e.keyAt, fmt.Sprintf("nobody writes %s: it is the runtime's to", f.name), `leave "write" out`)
		default:
			fa.Write = inner.rule(w)
		}
	}
	if position != unknownField && (fa.Read != nil || fa.Write != nil) {
		m.Access.Fields = append(m.Access.Fields, fa)
	}
}

func shapeNames(m *dataflow.Model) []string {
	names := make([]string, m.Shape().Len())
	for i := range names {
		names[i] = m.Shape().Name(i)
	}
	return names
}

// rule reads one rule: role(…) or its like, a condition, or a list of these.
func (r *ruleReader) rule(w arg) *dataflow.Rule {
	out := &dataflow.Rule{Span: w.at}
	list, isList := w.val.(sl.Indexable)
	if _, isText := w.val.(sl.String); !isList || isText {
		r.grant(out, w)
		return out
	}
	if list.Len() == 0 {
		r.l.error("FC266", w.at, "the list names nobody", "write nobody() if that is meant")
	}
	for _, item := range listOf(arg{val: w.val, expr: r.src.literal(w.expr), at: w.at}) {
		item.at = r.src.element(item, w)
		r.grant(out, item)
	}
	r.pointless(out)
	return out
}

// grant adds what one value says to a rule.
func (r *ruleReader) grant(to *dataflow.Rule, w arg) {
	switch v := w.val.(type) {
	case *placeholder:
	case sl.String:
		if where := r.condition(r.src, w); where != nil {
			to.Grants = append(to.Grants, dataflow.Grant{Who: dataflow.WhoSignedIn, Where: where, Span: w.at})
		}
	case *ruleValue:
		if v.name == nobody {
			return
		}
		g := v.grant
		if v.where != nil {
			if g.Where = r.condition(v.src, *v.where); g.Where == nil {
				return
			}
		}
		if g.Who == dataflow.WhoAnyone && r.m != nil && r.m.MultiTenant {
			r.l.warn("FC269", g.Span, fmt.Sprintf("this lets nobody in who has not said who they are: rows of %s belong to tenants, and such a caller is of none", r.m.Name),
				"write signed_in(), or keep what everybody may see in a model with multi_tenant = False")
		}
		to.Grants = append(to.Grants, g)
	case *sl.Builtin:
		if isRuleBuiltin(v.Name()) {
			r.l.error("FC266", w.at, fmt.Sprintf("%s is called to make a rule", v.Name()), "as "+spec.Lookup(v.Name()).Example)
			return
		}
		r.notARule(w)
	default:
		r.notARule(w)
	}
}

func (r *ruleReader) notARule(w arg) {
	hint := `write role("editor"), signed_in(), anyone(), nobody(), or a list of these`
	if r.m != nil {
		hint = `write role("editor"), signed_in(), anyone(), nobody(), a condition such as "owner == ctx.user.id", or a list of these`
	}
	r.l.error("FC266", w.at, fmt.Sprintf("%s is no rule", describe(w.val)), hint)
}

// pointless reports grants that add nothing to others of the rule.
func (r *ruleReader) pointless(rule *dataflow.Rule) {
	for i, g := range rule.Grants {
		for j, other := range rule.Grants {
			if i == j || other.Where != nil || !covers(other, g) || j > i && covers(g, other) && g.Where == nil {
				continue
			}
			r.l.warn("FC269", g.Span, "this lets nobody in whom the rule does not let in already", "leave it out, or what lets all of them in")
			r.l.related("this does", other.Span)
			break
		}
	}
}

// covers reports whether everybody whom b is for a is for as well.
func covers(a, b dataflow.Grant) bool {
	switch a.Who {
	case dataflow.WhoAnyone:
		return true
	case dataflow.WhoSignedIn:
		return b.Who != dataflow.WhoAnyone
	}
	return b.Who == dataflow.WhoRole && !slices.ContainsFunc(b.Roles, func(name string) bool { return !slices.Contains(a.Roles, name) })
}

// condition reads a condition on rows, or returns nil having said why it is none.
func (r *ruleReader) condition(src *source, w arg) dataflow.Cond {
	text := string(w.val.(sl.String))
	if r.m == nil {
		hint := "name the roles: role(\"clerk\")"
		if name := strings.TrimSpace(text); servedName.Fits(name) {
			hint = fmt.Sprintf("write role(%q) for a role", name)
		}
		r.l.error("FC272", w.at, "a condition can't stand here: "+r.why, hint)
		return nil
	}
	c := &condReader{l: r.l, m: r.m, text: text, place: src.within(src.literal(w.expr), w.at), whole: w.at}
	return c.read()
}
