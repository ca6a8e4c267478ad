package access_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// What somebody may not see must make no difference to anything they are told.
// These tests keep two databases: what may be seen is the same in both, what may
// not differs, or is there in one alone. Whatever is asked, with whatever
// arguments, the answers must be the same to the byte.

// Conditions by hand.
func is(op dataflow.CompareOp, l, r dataflow.Term) dataflow.Cond {
	return &dataflow.CondCompare{Op: op, Left: l, Right: r}
}

func where(c dataflow.Cond) dataflow.Grant { return dataflow.Grant{Where: c} }

// path is a field, "team.lead", of a model that has been sealed.
func path(m *dataflow.Model, names string) dataflow.FieldTerm {
	var t dataflow.FieldTerm
	for name := range strings.SplitSeq(names, ".") {
		i, ok := m.FieldIndex(name)
		if !ok {
			panic(names)
		}
		t = append(t, i)
		if m.Fields[i].Type.Kind == dataflow.KindRef {
			m = m.Fields[i].Type.Model
		}
	}
	return t
}

var me = dataflow.UserTerm{"id"}

func onDelete(what string) func(*dataflow.Field) {
	return func(f *dataflow.Field) { f.OnDelete = what }
}
func searchable(f *dataflow.Field) { f.Searchable = true }

// ruledModels are a small office: teams, their documents, notes on these.
func ruledModels() (team, doc, note *dataflow.Model) {
	text, list := dataflow.String, dataflow.ListOf(dataflow.String)
	team = model("Team", "teams", clientID(dataflow.KindString), field("name", text), field("lead", text, opt), field("budget", dataflow.Int, opt))
	team.Access = &dataflow.Access{
		Read:   rule(role("hr"), where(dataflow.CondOr{is(dataflow.CompareEqual, path(team, "lead"), me), is(dataflow.CompareIn, path(team, "name"), dataflow.UserTerm{"teams"})})),
		Create: rule(role("hr")), Update: rule(where(is(dataflow.CompareEqual, path(team, "lead"), me))), Delete: rule(),
		Fields: []dataflow.FieldAccess{{Field: path(team, "budget")[0], Read: rule(role("hr"))}},
	}
	doc = model("Doc", "docs", clientID(dataflow.KindString), field("owner", text), field("team", ref(team), opt),
		field("state", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"draft", "public", "old"}}, def("draft")), field("n", dataflow.Int, opt),
		field("code", text, opt, unique), field("body", text, opt, searchable), field("tags", list, opt),
		field("secret", text, opt, searchable), field("grade", dataflow.Int, opt), field("pin", text, opt), field("link", ref(team), opt),
		computed("label", fn(func(row *dataflow.Object) (any, error) {
			v, _ := row.Get("owner")
			return fmt.Sprint("by ", v), nil
		})),
		computed("rating", fn(func(row *dataflow.Object) (any, error) {
			v, _ := row.Get("secret")
			return v, nil
		})), versioned)
	doc.Indexes = append(doc.Indexes, dataflow.Index{Fields: []string{"n", "secret"}, Unique: true})
	mine := is(dataflow.CompareEqual, path(doc, "owner"), me)
	rating, _ := doc.Shape().Index("rating")
	doc.Access = &dataflow.Access{
		Read: rule(role("hr"), where(mine), where(is(dataflow.CompareEqual, path(doc, "team.lead"), me)), where(dataflow.CondNot{Cond: is(dataflow.CompareNotEqual, path(doc, "state"), dataflow.Literal{Value: "public"})})),
		// Whoever may see a document by its being public may not change it.
		Create: rule(where(mine)), Update: rule(where(mine)),
		Delete: rule(where(dataflow.CondAnd{mine, is(dataflow.CompareNotEqual, path(doc, "state"), dataflow.Literal{Value: "public"})})),
		Fields: []dataflow.FieldAccess{
			{Field: path(doc, "secret")[0], Read: rule(role("hr"))},
			{Field: path(doc, "grade")[0], Write: rule(role("hr"))},
			{Field: path(doc, "pin")[0], Read: rule(), Write: rule(signedIn)},
			{Field: path(doc, "link")[0], Read: rule(role("hr"))},
			{Field: rating, Read: rule(role("hr"))},
		},
	}
	note = model("Note", "notes", clientID(dataflow.KindString), field("doc", ref(doc), onDelete("cascade")), field("parent", &dataflow.Type{Kind: dataflow.KindRef}, opt, onDelete("set_null")),
		field("text", text, opt), field("by", text, opt), softDelete)
	note.Fields[2].Type.Model = note
	author := where(is(dataflow.CompareEqual, path(note, "by"), me))
	note.Access = &dataflow.Access{
		Read:   rule(role("hr"), author, where(is(dataflow.CompareEqual, path(note, "doc.owner"), me))),
		Create: rule(author), Update: rule(author), Delete: rule(author),
	}
	return team, doc, note
}

// office is one of the two databases, with what the user may see in it.
func office(t *testing.T) *app {
	team, doc, note := ruledModels()
	a := open(t, team, doc, note)
	a.caller = user("u")
	a.caller.User.Set("teams", []any{"red"})
	return a
}

// put adds rows beneath every rule, on both engines.
func (a *app) put(op, rows string) {
	a.t.Helper()
	b := *a
	b.caller = access.Caller{}
	b.do(op+".bulk_create", `{"data": `+rows+`}`)
}

// seed adds what the user may see. Its hidden fields are others for each secret,
// and in another order.
func (a *app) seed(secret string) {
	a.put("Team", `[{"id": "t1", "name": "red", "lead": "x"}, {"id": "t2", "name": "blue", "lead": "u", "budget": 7}]`)
	s := []any{secret + " a", secret + " b", secret + " c"}
	if secret == "mellon" {
		s[0], s[2] = s[2], s[0]
	}
	a.put("Doc", fmt.Sprintf(`[
		{"id": "d1", "owner": "u", "team": "t1", "n": 1, "code": "c1", "body": "red kettle", "tags": ["a"], "secret": %[1]q, "grade": 2, "pin": %[3]q},
		{"id": "d2", "owner": "u", "state": "public", "n": 2, "body": "blue kettle", "secret": %[2]q},
		{"id": "d3", "owner": "v", "team": "t2", "n": 3, "code": "c3", "tags": [], "secret": %[3]q, "grade": 1},
		{"id": "d4", "owner": "w", "state": "public", "body": "old pot", "pin": %[1]q}]`, s...))
	a.put("Note", `[{"id": "n1", "doc": "d1", "text": "hm", "by": "v"}, {"id": "n2", "doc": "d3", "by": "u", "parent": "n1"}, {"id": "n3", "doc": "d4", "by": "u"}]`)
}

// asker makes operations as somebody curious would.
type asker struct {
	*rand.Rand
	n int // of new rows
}

func (g *asker) any(list ...any) any { return list[g.IntN(len(list))] }
func (g *asker) text(list ...string) string {
	return list[g.IntN(len(list))]
}

var docFields = []string{"id", "owner", "team", "state", "n", "code", "body", "tags", "secret", "grade", "pin", "link", "label", "rating", "version", "created_at",
	"team.name", "team.lead", "team.budget", "team", "link.name", "secrte", "nope", "team.id"}

func fieldsFor(m string) []string {
	switch m {
	case "Team":
		return []string{"id", "name", "lead", "budget", "budgte"}
	case "Note":
		return []string{"id", "doc", "parent", "text", "by", "doc.owner", "doc.code", "doc.n", "doc.secret", "doc.team.name", "doc.team.budget", "parent.text", "parent.doc.owner", "parent.parent.by", "deleted_at"}
	}
	return docFields
}

// value is one that some row may have, seen or not.
func (g *asker) value() any {
	return g.any("u", "v", "w", "z", "t1", "t2", "t9", "d1", "d3", "d9", "n1", "n9", "red", "blue", "black", "c1", "c3", "c9", "draft", "public", "old", "hidden", "x", "a", "sesame", "mellon",
		int64(1), int64(2), int64(7), int64(9), int64(99), nil, true, "2026-01-31T12:00:00Z")
}

func (g *asker) filter(m string, depth int) *dataflow.Object {
	if depth > 0 && g.IntN(2) == 0 {
		switch g.IntN(3) {
		case 0:
			return dataflow.ObjectOf("$and", []any{g.filter(m, depth-1), g.filter(m, depth-1)})
		case 1:
			return dataflow.ObjectOf("$or", []any{g.filter(m, depth-1), g.filter(m, depth-1)})
		}
		return dataflow.ObjectOf("$not", g.filter(m, depth-1))
	}
	op := g.text("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$like", "$ilike", "$contains", "$startswith", "$endswith", "$regex", "$exists", "$null", "$between")
	v := g.value()
	switch op {
	case "$in", "$nin":
		v = []any{g.value(), g.value()}
	case "$between":
		v = []any{g.value(), g.value()}
	case "$exists", "$null":
		v = g.IntN(2) == 0
	case "$like", "$ilike", "$contains", "$startswith", "$endswith", "$regex":
		v = g.text("h", "%i%", "u", "s", "^h", ".", "r%", "a")
	}
	return dataflow.ObjectOf(g.text(fieldsFor(m)...), dataflow.ObjectOf(op, v))
}

func (g *asker) names(list []string, most int) []any {
	var names []any
	for range g.IntN(most) + 1 {
		names = append(names, g.text(list...))
	}
	return names
}

// read is an operation that reads, with all that it takes.
func (g *asker) read(m string) (string, *dataflow.Object) {
	args := dataflow.NewObject()
	set := func(one int, name string, v func() any) {
		if g.IntN(one) == 0 {
			args.Set(name, v())
		}
	}
	relations := map[string][]string{"Team": {"docs_by_team", "docs_by_link", "docs"}, "Doc": {"team", "link", "notes", "notes.parent", "team.docs_by_team"},
		"Note": {"doc", "parent", "notes", "doc.team", "doc.notes"}}[m]
	filter := func() any { return g.filter(m, 2) }
	expand := func() any { return g.names(relations, 2) }
	behind := map[string][]string{"Team": {"docs_by_team.code", "docs_by_link.secret", "docs_by_team.notes.text"},
		"Doc":  {"team.name", "team.budget", "link.name", "notes.text", "notes.parent.by", "team.docs_by_team.grade", "team.docs_by_team.pin"},
		"Note": {"doc.secret", "doc.owner", "parent.text", "notes.text", "doc.team.budget", "doc.link.name"}}[m]
	fields := func() any { return g.names(append(fieldsFor(m), behind...), 3) }
	search := func() any { return g.text("kettle", "hidden", "sesame", "mellon", "old -pot", "nothing") }
	switch g.IntN(5) {
	case 0:
		if g.IntN(2) == 0 {
			args.Set("id", g.text("t1", "t2", "t9", "d1", "d2", "d3", "d4", "d9", "d8", "n1", "n2", "n9", "none"))
		} else {
			args.Set("filter", filter())
		}
		set(2, "expand", expand)
		set(3, "fields", fields)
		return m + ".read", args
	case 1:
		set(2, "filter", filter)
		if m == "Doc" {
			set(3, "search", search)
		}
		return m + ".count", args
	case 2:
		set(2, "filter", filter)
		set(2, "group_by", func() any { return g.names(fieldsFor(m), 2) })
		fn := g.text("$count", "$count_distinct", "$sum", "$avg", "$min", "$max")
		args.Set("aggregates", dataflow.ObjectOf("x", dataflow.ObjectOf(fn, g.text(fieldsFor(m)...)), "c", dataflow.ObjectOf("$count", true)))
		set(3, "having", func() any {
			return dataflow.ObjectOf(g.text("x", "c", "secret"), dataflow.ObjectOf("$gte", int64(g.IntN(4))))
		})
		set(3, "sort", func() any { return g.text("-c", "x", "c,-x", "secret") })
		return m + ".aggregate", args
	}
	set(2, "filter", filter)
	set(2, "sort", func() any { return g.text("", "-") + g.text(fieldsFor(m)...) })
	set(3, "limit", func() any { return int64(1 + g.IntN(3)) })
	set(4, "offset", func() any { return int64(g.IntN(3)) })
	set(2, "count", func() any { return true })
	set(3, "expand", expand)
	set(3, "fields", fields)
	if m == "Doc" {
		set(3, "search", search)
	}
	if m == "Note" {
		set(3, "include_deleted", func() any { return true })
	}
	return m + ".list", args
}

// row makes values of a row. What is unique is never what a hidden row has: that
// a value is taken can't be kept secret.
func (g *asker) row(m string, change bool) *dataflow.Object {
	o := dataflow.NewObject()
	set := func(one int, name string, v any) {
		if g.IntN(one) == 0 {
			o.Set(name, v)
		}
	}
	switch m {
	case "Team":
		set(2, "name", g.text("red", "blue", "black"))
		set(2, "lead", g.any("u", "v", nil))
		set(4, "budget", int64(3))
	case "Doc":
		if g.n++; !change || g.IntN(4) == 0 {
			o.Set("owner", g.text("u", "u", "u", "v"))
		}
		set(3, "team", g.any("t1", "t2", "t9", "t0", nil))
		set(3, "state", g.text("draft", "public", "old"))
		set(3, "n", int64(g.n+100))
		set(3, "code", fmt.Sprint("new", g.n))
		set(3, "body", g.text("a kettle", "hidden", "pot"))
		set(8, "secret", "mine")
		set(8, "grade", int64(3))
		set(4, "pin", "1234")
		set(8, "link", g.text("t1", "t9"))
		set(9, "rating", "x")
		set(9, "label", "x")
		set(9, "secrte", "x")
	case "Note":
		if !change || g.IntN(2) == 0 {
			o.Set("doc", g.text("d1", "d2", "d3", "d4", "d9", "d0"))
		}
		if !change || g.IntN(4) == 0 {
			o.Set("by", g.text("u", "u", "v"))
		}
		set(3, "parent", g.any("n1", "n2", "n9", "n0", nil))
		set(2, "text", "x")
	}
	return o
}

func (g *asker) id(m string) any {
	ids := map[string][]string{"Team": {"t1", "t2", "t9", "t0"}, "Doc": {"d1", "d2", "d3", "d4", "d9", "d8", "d0"}, "Note": {"n1", "n2", "n3", "n9", "n8", "n0"}}[m]
	if g.n > 0 && g.IntN(3) == 0 {
		return fmt.Sprint(strings.ToLower(m[:1]), "new", g.IntN(g.n+1))
	}
	return g.text(ids...)
}

func (g *asker) fresh(m string) *dataflow.Object {
	o := g.row(m, false)
	g.n++
	o.Set("id", fmt.Sprint(strings.ToLower(m[:1]), "new", g.n))
	return o
}

// write is an operation that writes.
func (g *asker) write(m string) (string, *dataflow.Object) {
	which := func(args *dataflow.Object, several bool) *dataflow.Object {
		switch {
		case g.IntN(2) == 0:
			args.Set("filter", g.filter(m, 1))
		case several:
			args.Set("ids", []any{g.id(m), g.id(m)})
		default:
			args.Set("id", g.id(m))
		}
		return args
	}
	switch g.IntN(9) {
	case 0:
		return m + ".create", g.fresh(m)
	case 1:
		return m + ".update", which(dataflow.ObjectOf("fields", g.row(m, true)), false)
	case 2:
		return m + ".delete", which(dataflow.NewObject(), false)
	case 3:
		find := dataflow.ObjectOf("id", g.id(m))
		if m == "Doc" && g.IntN(2) == 0 {
			find = dataflow.ObjectOf(g.text("code", "n", "secret"), g.any("c1", "new1", int64(2)))
		}
		create := g.fresh(m)
		if find.Has("id") { // a new row takes the id that was looked for
			v, _ := find.Get("id")
			if strings.HasSuffix(v.(string), "9") || strings.HasSuffix(v.(string), "8") {
				find.Set("id", "none")
			}
		}
		return m + ".upsert", dataflow.ObjectOf("where", find, "create", create, "update", g.row(m, true))
	case 4:
		args := dataflow.ObjectOf("data", []any{g.fresh(m), g.fresh(m)}, "return_ids", true)
		if g.IntN(2) == 0 {
			args.Set("on_error", "skip")
		}
		return m + ".bulk_create", args
	case 5:
		return m + ".bulk_update", which(dataflow.ObjectOf("fields", g.row(m, true)), true)
	case 6:
		one, two := g.row(m, true), g.row(m, true)
		one.Set("id", g.id(m))
		two.Set("id", g.id(m))
		return m + ".bulk_update", dataflow.ObjectOf("data", []any{one, two})
	case 7:
		return m + ".bulk_delete", which(dataflow.NewObject(), true)
	}
	args := dataflow.ObjectOf("data", []any{g.fresh(m), g.fresh(m)}, "conflict_on", []any{g.text("id", "code", "secret")})
	if g.IntN(2) == 0 {
		args.Set("on_error", "skip")
	}
	return m + ".bulk_upsert", args
}

// json is a question or, to databases that have no twin, a change in JSON, as
// REST has them.
func (g *asker) json(m string, writes bool) func(a *app) string {
	id, fields := g.id(m), [][]int{nil, {1}, {2, 3}}[g.IntN(3)]
	show := g.any(nil, "team.name", "docs_by_team.secret,team.docs_by_team.code", "doc.body,notes.text")
	row, replace := string(codec.AppendValue(nil, g.row(m, true))), g.IntN(2) == 0
	expand := g.text("team", "notes", "doc", "docs_by_team")
	kind := g.IntN(2)
	if writes {
		kind = g.IntN(3)
	}
	return func(a *app) string {
		ctx, mm := context.Background(), a.models[m]
		switch kind {
		case 0:
			out, version, err := mm.GetJSON(ctx, a.store, a.caller, id, fields, nil)
			if err != nil {
				return outcome(nil, err)
			}
			return fmt.Sprint(string(out), version)
		case 1:
			some, e, problems := mm.Selection(a.caller, show, expand)
			if e == nil {
				return fmt.Sprint(problems)
			}
			if some == nil {
				some = fields
			}
			out, err := mm.ExpandJSON(ctx, a.store, a.caller, id, some, e, nil)
			if err != nil {
				return outcome(nil, err)
			}
			return fmt.Sprint(string(out), problems)
		}
		var out []byte
		err := a.write(func(tx store.Tx) error {
			w, err := mm.UpdateJSON(ctx, tx, a.caller, id, []byte(row), nil, replace)
			if err == nil {
				out, err = w.AppendJSON(ctx, []byte(fmt.Sprint(w.Version())))
			}
			return err
		})
		return outcome(dataflow.RawJSON(out), err)
	}
}

// told compares all that a user is told in two databases.
func told(t *testing.T, a, b *app, seed uint64, steps int) (answers, refusals int) {
	g := &asker{Rand: rand.New(rand.NewPCG(seed, 14))}
	plain := func(s string) string { return moment.ReplaceAllString(s, "$1.TIME") }
	for i := range steps {
		m := g.text("Doc", "Doc", "Team", "Note")
		if g.IntN(6) == 0 {
			ask := g.json(m, a.twin == nil)
			if x, y := plain(ask(a)), plain(ask(b)); x != y {
				t.Fatalf("step %d of seed %d, JSON of %s\nhere   %s\nthere  %s", i, seed, m, x, y)
			}
			continue
		}
		op, args := g.read(m)
		if g.IntN(3) == 0 {
			op, args = g.write(m)
		}
		x, err := a.with(op, args.Clone())
		y, err2 := b.with(op, args.Clone())
		if here, there := plain(outcome(x, err)), plain(outcome(y, err2)); here != there {
			t.Fatalf("step %d of seed %d, %s %s\nhere   %s\nthere  %s", i, seed, op, codec.AppendValue(nil, args), here, there)
		}
		if err == nil {
			answers++
		} else {
			refusals++
		}
		if i%40 == 39 { // what is left is the same as well
			for _, m := range []string{"Team", "Doc", "Note"} {
				if x, y := plain(a.do(m+".list", `{"limit": 1000}`)), plain(b.do(m+".list", `{"limit": 1000}`)); x != y {
					t.Fatalf("after step %d of seed %d\nhere   %s\nthere  %s", i, seed, x, y)
				}
			}
		}
	}
	return answers, refusals
}

// everyQuestion is each question that a user can put of one field: sorts, pages,
// filters with every operator, groups, figures, fields, expansions and searches.
func everyQuestion(ask func(op, args string)) {
	ops := map[string]string{"$eq": "%s", "$ne": "%s", "$gt": "%s", "$gte": "%s", "$lt": "%s", "$lte": "%s", "$in": "[%s]", "$nin": "[%s]", "$like": "%s", "$ilike": "%s",
		"$contains": "%s", "$startswith": "%s", "$endswith": "%s", "$regex": "%s", "$exists": "true", "$null": "true", "$between": "[%s, 99]"}
	values := []string{`"u"`, `"z"`, `"t9"`, `"d9"`, `"black"`, `"hidden"`, `"sesame a"`, `"mellon b"`, `"s"`, `9`, `99`, `1`}
	for _, m := range []string{"Doc", "Team", "Note"} {
		for _, f := range fieldsFor(m) {
			for _, dir := range []string{"", "-"} {
				ask(m+".list", fmt.Sprintf(`{"sort": %q}`, dir+f))
				ask(m+".list", fmt.Sprintf(`{"sort": %q, "limit": 1, "offset": 1, "count": true}`, dir+f))
			}
			for op, operand := range ops {
				for _, v := range values {
					filter := fmt.Sprintf(`{%q: {%q: `+operand+`}}`, f, op, v)
					if !strings.Contains(operand, "%") {
						filter = fmt.Sprintf(`{%q: {%q: %s}}`, f, op, operand)
					}
					ask(m+".list", `{"filter": `+filter+`}`)
					ask(m+".count", `{"filter": {"$not": `+filter+`}}`)
				}
			}
			for _, fn := range []string{"$count", "$count_distinct", "$sum", "$avg", "$min", "$max"} {
				ask(m+".aggregate", fmt.Sprintf(`{"group_by": %q, "aggregates": {"x": {"$count": true}}}`, f))
				ask(m+".aggregate", fmt.Sprintf(`{"aggregates": {"x": {%q: %q}}}`, fn, f))
			}
			ask(m+".list", fmt.Sprintf(`{"fields": [%q]}`, f))
			ask(m+".list", fmt.Sprintf(`{"expand": %q}`, f))
		}
		for _, e := range []string{"team", "link", "notes", "notes.parent", "team.docs_by_team", "docs_by_team", "docs_by_link", "doc", "parent", "doc.notes", "doc.team", "doc.link"} {
			ask(m+".list", fmt.Sprintf(`{"expand": %q}`, e))
		}
	}
	for _, words := range []string{"kettle", "hidden", "sesame", "mellon", "a", "-a", "pot -sesame"} {
		ask("Doc.list", fmt.Sprintf(`{"search": %q}`, words))
		ask("Doc.count", fmt.Sprintf(`{"search": %q}`, words))
	}
}

// alike puts each question to two databases.
func alike(t *testing.T, here, there *app) {
	t.Helper()
	answers := 0
	everyQuestion(func(op, args string) {
		x, err := here.try(op, args)
		y, err2 := there.try(op, args)
		if a, b := outcome(x, err), outcome(y, err2); moment.ReplaceAllString(a, "$1.TIME") != moment.ReplaceAllString(b, "$1.TIME") {
			t.Errorf("%s %s\nhere   %s\nthere  %s", op, args, a, b)
		}
		if err == nil {
			answers++
		}
	})
	if answers < 500 {
		t.Errorf("%d answers say little", answers)
	}
}

// hide adds what the user may not see: rows that nothing it sees refers to.
func (a *app) hide(secret string) {
	a.put("Team", `[{"id": "t9", "name": "black", "lead": "z", "budget": 99}]`)
	a.put("Doc", fmt.Sprintf(`[{"id": "d9", "owner": "z", "team": "t9", "state": "old", "n": 9, "code": "c9", "body": "hidden kettle", "tags": ["a"], "secret": %[1]q, "grade": 9, "pin": "9"},
		{"id": "d8", "owner": "v", "state": "draft", "n": 8, "code": "c8", "body": %[1]q, "link": "t9"}]`, secret))
	a.put("Note", `[{"id": "n9", "doc": "d9", "text": "hidden", "by": "z"}, {"id": "n8", "doc": "d9", "parent": "n9", "by": "v"}]`)
}

// seeds is how many worlds the tests below make up. In the last of three, every
// question is put to one engine.
func seeds() uint64 {
	if testing.Short() {
		return 1
	}
	return 3
}

func TestHiddenRowsMakeNoDifference(t *testing.T) {
	answers, refusals := 0, 0
	for seed := range seeds() {
		with, without := office(t), office(t)
		with.seed("sesame")
		without.seed("mellon") // the hidden fields of what is seen differ too
		with.hide("sesame")
		if seed == 2 {
			alike(t, with.alone(), without.alone())
		}
		n, m := told(t, with, without, seed, 250)
		answers, refusals = answers+n, refusals+m
	}
	if least := int(seeds()) * 50; answers < least || refusals < least {
		t.Errorf("%d answers and %d refusals say little", answers, refusals)
	}
}

// What is seen may refer to what is not: then that is there in both databases,
// under the same id, and is something else in each.
func TestWhatHiddenRowsHoldMakesNoDifference(t *testing.T) {
	for seed := range seeds() {
		here, there := office(t), office(t)
		for i, a := range []*app{here, there} {
			other := func(x, y string) string { return []string{x, y}[i] }
			a.seed(other("sesame", "mellon"))
			a.put("Team", fmt.Sprintf(`[{"id": "t9", "name": %q, "lead": %q, "budget": %d}]`, other("black", "grey"), other("z", "y"), i))
			a.put("Doc", fmt.Sprintf(`[{"id": "d9", "owner": %q, "team": "t9", "state": %q, "n": %d, "code": %q, "body": %q, "secret": %q},
				{"id": "d5", "owner": "u", "team": "t9", "n": 5}, {"id": "d6", "owner": "w", "state": "public", "team": "t9", "link": %q}]`,
				other("z", "v"), other("old", "draft"), 9-i, other("c9", "c8"), other("hidden", "kettle"), other("sesame", "x"), other("t1", "t9")))
			a.put("Note", fmt.Sprintf(`[{"id": "n9", "doc": "d9", "text": %q, "by": %q}, {"id": "n5", "doc": "d9", "parent": "n9", "by": "u"}, {"id": "n6", "doc": "d1", "parent": "n9", "by": "v"}]`,
				other("hidden", ""), other("z", "v")))
		}
		if seed == 2 {
			alike(t, here.alone(), there.alone())
		}
		told(t, here, there, seed+100, 250)
	}
}

// The tests above would find a leak: to who may see it, there is a difference.
func TestWhoMaySeeHiddenRowsSeesThem(t *testing.T) {
	with, without := office(t), office(t)
	with.seed("sesame")
	without.seed("mellon")
	with.hide("sesame")
	with.caller, without.caller = user("h", "hr"), user("h", "hr")
	for _, c := range []struct{ op, args string }{
		{"Doc.list", `{}`}, {"Doc.count", `{}`}, {"Doc.read", `{"id": "d9"}`}, {"Doc.read", `{"id": "d1", "fields": ["secret"]}`}, {"Doc.read", `{"id": "d1", "fields": ["rating"]}`},
		{"Doc.list", `{"filter": {"team.budget": 99}}`}, {"Doc.list", `{"filter": {"secret": "sesame"}}`}, {"Doc.list", `{"sort": "-secret", "limit": 1}`}, {"Doc.list", `{"search": "sesame"}`},
		{"Doc.aggregate", `{"group_by": "team.name", "aggregates": {"n": {"$count": true}}}`}, {"Doc.aggregate", `{"aggregates": {"x": {"$max": "secret"}}}`},
		{"Note.list", `{"filter": {"doc.owner": "z"}}`}, {"Team.list", `{"expand": "docs_by_link"}`},
	} {
		x, err := with.try(c.op, c.args)
		y, err2 := without.try(c.op, c.args)
		if here := outcome(x, err); here == outcome(y, err2) {
			t.Errorf("%s %s gives %s in both", c.op, c.args, here)
		}
	}
}
