package access_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// by returns the app as somebody sees it.
func (a *app) by(c access.Caller) *app {
	b := *a
	b.caller = c
	return &b
}

func lit(v any) dataflow.Literal { return dataflow.Literal{Value: v} }

// thing is a model with a rule for reading; everything else anybody may do.
func thing(read func(m *dataflow.Model) []dataflow.Grant) *dataflow.Model {
	m := model("Thing", "things", field("owner", dataflow.String, opt), field("n", dataflow.Int, opt), field("tags", dataflow.ListOf(dataflow.String), opt), field("ok", dataflow.Bool, opt))
	m.Access = &dataflow.Access{Read: rule(read(m)...), Create: rule(anyone), Update: rule(anyone), Delete: rule(anyone)}
	return m
}

// A condition is true, false, or neither, as in SQL; only what is true lets
// anybody see a row. Rows: 1 is the user's, 2 another's, 3 nobody's.
func TestConditionsHaveThreeValues(t *testing.T) {
	cmp := is
	eq, ne := dataflow.CompareEqual, dataflow.CompareNotEqual
	not := func(c dataflow.Cond) dataflow.Cond { return dataflow.CondNot{Cond: c} }
	for _, c := range []struct {
		name           string
		cond           func(m *dataflow.Model) dataflow.Cond
		user, stranger string
	}{
		{"owner == ctx.user.id", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "owner"), me) }, "1", ""},
		{"owner != ctx.user.id", func(m *dataflow.Model) dataflow.Cond { return cmp(ne, path(m, "owner"), me) }, "2", ""},
		{"not owner == ctx.user.id", func(m *dataflow.Model) dataflow.Cond { return not(cmp(eq, path(m, "owner"), me)) }, "2", ""},
		{"not not owner == ctx.user.id", func(m *dataflow.Model) dataflow.Cond { return not(not(cmp(eq, path(m, "owner"), me))) }, "1", ""},
		{"owner == None", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "owner"), lit(nil)) }, "3", "3"},
		{"not owner == None", func(m *dataflow.Model) dataflow.Cond { return not(cmp(eq, path(m, "owner"), lit(nil))) }, "1 2", "1 2"},
		{"owner == ctx.user.boss, which is not known", func(m *dataflow.Model) dataflow.Cond {
			return cmp(eq, path(m, "owner"), dataflow.UserTerm{"boss"})
		}, "", ""},
		{"owner != ctx.user.boss", func(m *dataflow.Model) dataflow.Cond { return cmp(ne, path(m, "owner"), dataflow.UserTerm{"boss"}) }, "", ""},
		{"ctx.user.boss == None", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, dataflow.UserTerm{"boss"}, lit(nil)) }, "1 2 3", ""},
		{"not ctx.user.boss == None", func(m *dataflow.Model) dataflow.Cond { return not(cmp(eq, dataflow.UserTerm{"boss"}, lit(nil))) }, "", ""},
		{"owner == None or owner == ctx.user.id", func(m *dataflow.Model) dataflow.Cond {
			return dataflow.CondOr{cmp(eq, path(m, "owner"), lit(nil)), cmp(eq, path(m, "owner"), me)}
		}, "1 3", "3"},
		{"not (owner == None or owner == ctx.user.id)", func(m *dataflow.Model) dataflow.Cond {
			return not(dataflow.CondOr{cmp(eq, path(m, "owner"), lit(nil)), cmp(eq, path(m, "owner"), me)})
		}, "2", ""},
		{"n < 2", func(m *dataflow.Model) dataflow.Cond { return cmp(dataflow.CompareLess, path(m, "n"), lit(int64(2))) }, "1", "1"},
		{"not n < 2", func(m *dataflow.Model) dataflow.Cond {
			return not(cmp(dataflow.CompareLess, path(m, "n"), lit(int64(2))))
		}, "2", "2"},
		{"n == ctx.user.id, which is text", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "n"), me) }, "", ""},
		{"n == ctx.user.level", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "n"), dataflow.UserTerm{"level"}) }, "2", ""},
		{"n == ctx.user.two, the text 2", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "n"), dataflow.UserTerm{"two"}) }, "2", ""},
		{"n == ctx.user.odd, the text 02", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "n"), dataflow.UserTerm{"odd"}) }, "", ""},
		{"ctx.user.id in tags", func(m *dataflow.Model) dataflow.Cond { return cmp(dataflow.CompareIn, me, path(m, "tags")) }, "2", ""},
		{"ctx.user.id not in tags", func(m *dataflow.Model) dataflow.Cond { return cmp(dataflow.CompareNotIn, me, path(m, "tags")) }, "1", ""},
		{"not ctx.user.id in tags", func(m *dataflow.Model) dataflow.Cond { return not(cmp(dataflow.CompareIn, me, path(m, "tags"))) }, "1", ""},
		{"owner in ctx.user.friends", func(m *dataflow.Model) dataflow.Cond {
			return cmp(dataflow.CompareIn, path(m, "owner"), dataflow.UserTerm{"friends"})
		}, "2", ""},
		{"owner not in ctx.user.friends", func(m *dataflow.Model) dataflow.Cond {
			return cmp(dataflow.CompareNotIn, path(m, "owner"), dataflow.UserTerm{"friends"})
		}, "1", ""},
		{"owner not in ctx.user.none, an empty list", func(m *dataflow.Model) dataflow.Cond {
			return cmp(dataflow.CompareNotIn, path(m, "owner"), dataflow.UserTerm{"none"})
		}, "1 2", ""},
		{"owner in ctx.user.id, which is no list", func(m *dataflow.Model) dataflow.Cond { return cmp(dataflow.CompareIn, path(m, "owner"), me) }, "", ""},
		{"'staff' in ctx.user.roles", func(m *dataflow.Model) dataflow.Cond {
			return cmp(dataflow.CompareIn, lit("staff"), dataflow.UserTerm{"roles"})
		}, "1 2 3", ""},
		{"'boss' not in ctx.user.roles and ok", func(m *dataflow.Model) dataflow.Cond {
			return dataflow.CondAnd{cmp(dataflow.CompareNotIn, lit("boss"), dataflow.UserTerm{"roles"}), cmp(eq, path(m, "ok"), lit(true))}
		}, "1", ""},
		{"ctx.user.org.plan == 'gold'", func(m *dataflow.Model) dataflow.Cond {
			return cmp(eq, dataflow.UserTerm{"org", "plan"}, lit("gold"))
		}, "1 2 3", ""},
		{"ctx.user.level > 'a', of another type", func(m *dataflow.Model) dataflow.Cond {
			return cmp(dataflow.CompareGreater, dataflow.UserTerm{"level"}, lit("a"))
		}, "", ""},
		{"owner == ctx.tenant", func(m *dataflow.Model) dataflow.Cond { return cmp(eq, path(m, "owner"), dataflow.TenantTerm{}) }, "2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := thing(func(m *dataflow.Model) []dataflow.Grant {
				return []dataflow.Grant{{Who: dataflow.WhoAnyone, Where: c.cond(m)}}
			})
			a := open(t, m)
			a.by(access.Caller{}).do("Thing.bulk_create", `{"data": [{"owner": "u", "n": 1, "tags": ["x"], "ok": true}, {"owner": "v", "n": 2, "tags": ["u"], "ok": false}, {}]}`)
			u := user("u", "staff")
			u.Tenant = "v"
			for name, v := range map[string]any{"level": int64(2), "two": "2", "odd": "02", "friends": []any{"v", int64(7), nil}, "none": []any{}, "org": dataflow.ObjectOf("plan", "gold")} {
				u.User.Set(name, v)
			}
			for _, by := range []struct {
				c    access.Caller
				want string
			}{{u, c.user}, {stranger, c.stranger}} {
				if got := idsOf(a.by(by.c), "Thing"); got != by.want {
					t.Errorf("%q sees the rows %q, not %q", by.c.Key, got, by.want)
				}
			}
		})
	}
}

// idsOf lists the rows that somebody sees.
func idsOf(a *app, m string) string {
	a.t.Helper()
	v, err := a.try(m+".list", `{"sort": "id"}`)
	if err != nil {
		a.t.Fatal(err)
	}
	records, _ := v.(*dataflow.Object).Get("records")
	out := ""
	for _, r := range records.([]any) {
		id, _ := r.(*dataflow.Object).Get("id")
		if out != "" {
			out += " "
		}
		out += string('0' + rune(id.(int64)))
	}
	return out
}

// A rule of a write holds for the row as it was and as it becomes, and a row that
// may be seen and not changed is no secret.
func TestWritesAreHeldToTheirRules(t *testing.T) {
	m := thing(func(m *dataflow.Model) []dataflow.Grant { return []dataflow.Grant{signedIn} })
	mine := where(is(dataflow.CompareEqual, path(m, "owner"), me))
	m.Access.Create, m.Access.Update, m.Access.Delete = rule(mine), rule(mine), rule(mine)
	a := open(t, m)
	a.by(access.Caller{}).do("Thing.bulk_create", `{"data": [{"owner": "u"}, {"owner": "v"}, {"owner": "u"}]}`)
	u := a.by(user("u"))
	u.do("Thing.create", `{"owner": "u"}`)
	u.fails("Thing.create", `{"owner": "v"}`, "forbidden")
	u.fails("Thing.create", `{}`, "forbidden")
	u.fails("Thing.update", `{"id": 2, "fields": {"n": 1}}`, "forbidden")
	u.fails("Thing.update", `{"id": 1, "fields": {"owner": "v"}}`, "forbidden")
	u.fails("Thing.update", `{"id": 9, "fields": {"n": 1}}`, "not_found")
	u.do("Thing.update", `{"id": 1, "fields": {"n": 5}}`)
	u.fails("Thing.delete", `{"id": 2}`, "forbidden")
	u.fails("Thing.delete", `{"filter": {"owner": "v"}}`, "forbidden")
	u.want("Thing.bulk_update", `{"filter": {}, "fields": {"n": 7}, "confirm_all": true}`, `{"processed":3,"updated":3}`)
	u.fails("Thing.bulk_update", `{"ids": [1, 2], "fields": {"n": 8}}`, "forbidden")
	u.fails("Thing.bulk_update", `{"filter": {"n": 7}, "fields": {"owner": "v"}}`, "forbidden")
	u.fails("Thing.bulk_update", `{"data": [{"id": 1, "n": 8}, {"id": 2, "n": 8}]}`, "forbidden")
	u.fails("Thing.bulk_create", `{"data": [{"owner": "u"}, {"owner": "v"}]}`, "forbidden")
	u.want("Thing.bulk_create", `{"data": [{"owner": "u"}, {"owner": "v"}], "on_error": "skip"}`,
		`{"processed":2,"inserted":1,"errors":[{"index":1,"code":"forbidden","message":"you may not create this Thing","problems":[]}]}`)
	u.fails("Thing.bulk_delete", `{"ids": [1, 2]}`, "forbidden")
	u.want("Thing.bulk_delete", `{"confirm_all": true}`, `{"processed":4,"deleted":4}`)
	a.by(access.Caller{}).want("Thing.list", `{"fields": ["owner", "n"]}`, `{"records":[{"id":2,"owner":"v","n":null}],"count":1,"total":null,"limit":100,"offset":0,"next_cursor":null,"has_more":false}`)
}

// Who may write a row and not read it is told its id, and nothing that was worked
// out of it.
func TestWhoMayNotReadWhatTheyWroteIsToldItsID(t *testing.T) {
	m := thing(func(m *dataflow.Model) []dataflow.Grant {
		return []dataflow.Grant{where(is(dataflow.CompareEqual, path(m, "owner"), me))}
	})
	a := open(t, m)
	u := a.by(user("u"))
	u.want("Thing.create", `{"owner": "v", "n": 1}`, `{"id":1}`)
	u.fails("Thing.read", `{"id": 1}`, "not_found")
	u.do("Thing.create", `{"owner": "u"}`)
	u.want("Thing.update", `{"id": 2, "fields": {"owner": "v"}}`, `{"id":2}`)
	u.want("Thing.count", `{}`, `{"count":0}`)
	a.by(stranger).want("Thing.create", `{"owner": "w"}`, `{"id":3}`)
}

// The text of an error tells of no field that its reader does not see.
func TestErrorsTellOfNoHiddenField(t *testing.T) {
	m := model("Thing", "things", field("a", dataflow.Int), field("secret", dataflow.Int, opt, func(f *dataflow.Field) { f.HasDefault, f.Default = true, int64(1) }),
		field("must", dataflow.Int), field("fix", dataflow.Int, opt))
	m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{"a", "secret"}, Unique: true})
	m.Access = &dataflow.Access{Read: rule(signedIn), Create: rule(signedIn), Update: rule(signedIn), Fields: []dataflow.FieldAccess{
		{Field: path(m, "secret")[0], Read: rule(role("hr"))}, {Field: path(m, "fix")[0], Write: rule(role("hr"))}}}
	a := open(t, m)
	a.by(access.Caller{}).do("Thing.create", `{"a": 1, "must": 1}`)
	u := a.by(user("u"))
	_, err := u.try("Thing.create", `{"a": 1, "must": 2}`)
	wantError(t, err, "unique_violation")
	if e := dataflow.AsError(err); e.Message != "another Thing has the same values" {
		t.Errorf("it says %q", e.Message)
	}
	u.fails("Thing.create", `{"a": 2, "must": 1, "secret": 2, "fix": 3}`, "invalid",
		`/secret unknown_field: there is no field "secret" [there are id, a, must, fix]`,
		`/fix read_only: "fix" is not yours to set [leave it out]`)
	u.fails("Thing.create", `{"a": 2, "must": 1, "secret": "x"}`, "invalid", `/secret unknown_field: there is no field "secret" [there are id, a, must, fix]`)
	u.fails("Thing.create", `{"a": 2, "must": 1, "secrte": 1}`, "invalid", `/secrte unknown_field: there is no field "secrte" [there are id, a, must, fix]`)
	// What is required and not one's own to give can't be asked for.
	m.Access.Fields = append(m.Access.Fields, dataflow.FieldAccess{Field: path(m, "must")[0], Read: rule(role("hr"))})
	a2 := open(t, m)
	a2.by(user("u")).fails("Thing.create", `{"a": 2}`, "forbidden")
	a2.by(user("h", "hr")).want("Thing.create", `{"a": 2, "must": 1, "secret": 4, "fix": 5}`,
		`{"id":1,"a":2,"secret":4,"must":1,"fix":5,"created_at":"`+at("00.000000")+`","updated_at":"`+at("00.000000")+`"}`)
}
