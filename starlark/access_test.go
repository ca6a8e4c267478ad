package starlark_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
)

// cond writes a condition out, each part in brackets.
func cond(m *dataflow.Model, c dataflow.Cond) string {
	switch c := c.(type) {
	case dataflow.CondAnd:
		return "(" + cond(m, c[0]) + " and " + cond(m, c[1]) + ")"
	case dataflow.CondOr:
		return "(" + cond(m, c[0]) + " or " + cond(m, c[1]) + ")"
	case dataflow.CondNot:
		return "not " + cond(m, c.Cond)
	case *dataflow.CondCompare:
		return fmt.Sprintf("%s %s %s", term(m, c.Left), c.Op, term(m, c.Right))
	}
	return fmt.Sprintf("%T", c)
}

func term(m *dataflow.Model, t dataflow.Term) string {
	switch t := t.(type) {
	case dataflow.FieldTerm:
		var names []string
		for _, i := range t {
			names = append(names, m.Fields[i].Name)
			if m.Fields[i].Type.Kind == dataflow.KindRef {
				m = m.Fields[i].Type.Model
			}
		}
		return strings.Join(names, ".")
	case dataflow.UserTerm:
		return "ctx.user." + strings.Join(t, ".")
	case dataflow.TenantTerm:
		return "ctx.tenant"
	case dataflow.Literal:
		return fmt.Sprintf("%T(%v)", t.Value, t.Value)
	}
	return "?"
}

const ruled = `db = DataFlow("sqlite::memory:")
app = Nexus(enable_auth = True)
app.start()
Team = db.model("Team", {"name": str, "lead": field(str, optional = True), "members": list(str)})
Doc = db.model("Doc", {"owner": str, "n": int, "price": decimal(8, 2), "done": bool, "due": field(date, optional = True), "team": ref(Team), "boss": ref("Boss")},
    access = {"read": %s})
Boss = db.model("Boss", {"name": str})
`

func TestConditionsAreReadAsTheyAreMeant(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`owner == ctx.user.id`, `owner == ctx.user.id`},
		{`ctx.user.id == owner`, `owner == ctx.user.id`},
		{`3 < n`, `n > int64(3)`},
		{`done`, `done == bool(true)`},
		{`not done or not (n == 1 and owner != 'a')`, `(not done == bool(true) or not (n == int64(1) and owner != string(a)))`},
		{`price <= 9.5`, `price <= decimal.Decimal(9.5)`},
		{`due > '2026-01-31'`, `due > dataflow.Date(2026-01-31)`},
		{`n in (1, -2)`, `n in []interface {}([1 -2])`},
		{`owner not in ctx.user.friends`, `owner not in ctx.user.friends`},
		{`owner in [ctx.user.id, 'bob']`, `(owner == ctx.user.id or owner == string(bob))`},
		{`owner not in [ctx.user.id, 'bob']`, `(owner != ctx.user.id and owner != string(bob))`},
		{`ctx.user.id in team.members`, `ctx.user.id in team.members`},
		{`'chief' in ctx.user.roles`, `string(chief) in ctx.user.roles`},
		{`team.lead == None and boss.name == ctx.tenant`, `(team.lead == <nil>(<nil>) and boss.name == ctx.tenant)`},
		{`ctx.user['https://x.org/plan'] == 'gold'`, `ctx.user.https://x.org/plan == string(gold)`},
		{"owner == 'a'\n  or n == 2 # both", `(owner == string(a) or n == int64(2))`},
	} {
		app, diags := loadText(fmt.Sprintf(ruled, `"""`+c.text+`"""`), starlark.Options{})
		for _, d := range diags {
			t.Errorf("%s: %s", c.text, show(d))
		}
		m := app.Models()[1]
		if len(m.Access.Read.Grants) != 1 {
			t.Errorf("%s: %d grants", c.text, len(m.Access.Read.Grants))
			continue
		}
		if got := cond(m, m.Access.Read.Grants[0].Where); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

// What is wrong in a condition is shown where it is, within the text.
func TestConditionsPointAtWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ rule, at string }{
		{`"owner == ctx.user.id and ownr == 'a'"`, "6:49-6:53"},
		{`["n == 1", "ö == 1"]`, "6:35-6:36"},
		{`role("a", where = "n == 'x'")`, "6:47-6:50"},
		{`"owner == 'a' &&"`, "6:38-6:39"},
		{"\"\"\"n == 1 or\nnope\"\"\"", "7:1-7:5"},
		{`"n == \"x\""`, "6:29-6:34"},
		{`"n == \x22x\x22"`, "6:23-6:39"}, // with escapes that aren't a character each, the text as a whole
	} {
		_, diags := loadText(fmt.Sprintf(ruled, c.rule), starlark.Options{})
		var got []string
		for _, d := range diags {
			got = append(got, fmt.Sprintf("%d:%d-%d:%d", d.Span.Start.Line, d.Span.Start.Col, d.Span.End.Line, d.Span.End.Col))
		}
		if strings.Join(got, " ") != c.at {
			t.Errorf("%s: at %v, want %s\n%v", c.rule, got, c.at, diags)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, text := range []string{"owner == ctx.user.id", "not (n in [1, 2]) or done", "team.lead == None", "ctx.user.id in team.members", "((", "a if b else c", "lambda: 1", "owner == [x for x in y]", "n == 1e999", "-n == -(-3)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := fmt.Sprintf("%q", text)
		app, diags := loadText(fmt.Sprintf(ruled, quoted), starlark.Options{})
		if app == nil {
			return // the text is no string of Starlark
		}
		for _, d := range diags {
			if strings.Contains(d.Message, "fault of flowctl") {
				t.Errorf("%s: %s", quoted, d.Message)
			}
		}
	})
}
