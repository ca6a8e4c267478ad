package lsp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const ruled = `db = DataFlow(database_url = "sqlite:shop.db")

Team = db.model("Team", {"lead": str, "open": bool})

Order = db.model("Order", {
    "team": ref(Team),
    "owner": field(str, index = True, doc = "Whose it is."),
    "status": enum("new", "paid"),
    "total": decimal(12, 2, ge = 0),
}, access = {
    "read": ["owner == ctx.user.id and owner != \"owner\"", "ctx.user.id in [owner, team.lead]", role("clerk")],
    "create": signed_in(),
    "update": "owner == ctx.user.id and not (total > 10.5 or team.open)",
    "delete": '''
        status == 'new' and
        ctx.user.region == "north" and owner == "owner"''',
    "fields": {"total": {"read": role("clerk")}},
})

app = Nexus(enable_auth = True, auth = [jwt(jwks = "https://id.example.org/keys", issuer = "https://id.example.org", audience = "shop", claims = ["region"])])
app.expose(Order)
app.expose(Team)
app.start()
`

func TestRenameReachesIntoAccessRules(t *testing.T) {
	c := ready(t, map[string]string{"app.star": ruled})
	same(t, `{"uri":"DIR/app.star","version":1,"diagnostics":[]}`, c.edit("app.star", ruled))
	for _, tt := range []struct {
		part string
		name string
		want []string
	}{
		{"owner\": field", "holder", []string{
			`"owner": field(str, index = True, doc = "Whose it is.")`, `"holder": field(str, index = True, doc = "Whose it is.", was = "owner")`,
			`owner == ctx`, `holder == ctx`, `owner != `, `holder != `, `[owner, team.lead]`, `[holder, team.lead]`, `owner == "owner"`, `holder == "owner"`}},
		{"lead]", "head", []string{`"lead": str`, `"head": field(str, was = "lead")`, `team.lead`, `team.head`}},
		{"total > 10.5", "sum", []string{`"total": decimal(12, 2, ge = 0)`, `"sum": decimal(12, 2, ge = 0, was = "total")`, `total >`, `sum >`, `"total": {"read"`, `"sum": {"read"`}},
	} {
		files, answer := c.renamed(mark(t, ruled, tt.part, 0), tt.name)
		if files == nil {
			t.Fatal(answer)
		}
		same(t, strings.NewReplacer(tt.want...).Replace(ruled), files["app.star"])
	}
}

func TestHoverInAccessRules(t *testing.T) {
	c := ready(t, map[string]string{"app.star": ruled})
	c.edit("app.star", ruled)
	for _, tt := range []struct {
		part, want string
	}{
		{"owner == ctx", "A field of Order."},
		{"owner == ctx", "Whose it is."},
		{"id and owner", "id: str"},
		{"lead]", "A field of Team."},
		{"total\": {\"read", "A field of Order."},
	} {
		got := c.askAt("textDocument/hover", "app.star", mark(t, ruled, tt.part, 0), "")
		var out struct{ Result *hoverResult }
		if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil || out.Result == nil || !strings.Contains(out.Result.Contents.Value, tt.want) {
			t.Errorf("%s: %q is not in %s", tt.part, tt.want, got)
		}
	}
	got := c.askAt("textDocument/definition", "app.star", mark(t, ruled, "owner == ctx", 0), "")
	same(t, `"result":[{"uri":"DIR/app.star","range":{"start":{"line":6,"character":5},"end":{"line":6,"character":10}}}]`, got)
}

func TestCompletionInAccessRules(t *testing.T) {
	before, after, _ := strings.Cut(ruled, `"update": "owner == ctx.user.id and not (total > 10.5 or team.open)"`)
	for _, tt := range []struct {
		name, text  string
		offers, not []string
	}{
		{"rules", `"upd‸`, []string{"update"}, []string{"owner"}},
		{"fields", `"update": "ow‸`, []string{"owner"}, []string{"lead"}},
		{"everything", `"update": "‸"`, []string{"owner", "team", "ctx", "not"}, []string{"user"}},
		{"behind a comparison", `"update": "owner == c‸`, []string{"ctx"}, []string{"user"}},
		{"ctx", `"update": "owner == ctx.‸`, []string{"user", "tenant"}, []string{"owner", "run_id"}},
		{"the user", `"update": "owner == ctx.user.‸"`, []string{"id", "roles", "region"}, []string{"owner"}},
		{"through a reference", `"update": "team.‸`, []string{"lead", "open"}, []string{"owner"}},
		{"in a list", `"update": [role("clerk"), "total > 10.5 and st‸"]`, []string{"status"}, nil},
		{"nothing in a text", `"update": "status == 'ow‸`, nil, []string{"owner"}},
		{"rules of fields", `"fields": {"to‸`, []string{"total"}, []string{"lead", "read"}},
		{"of a field", `"fields": {"total": {"wr‸`, []string{"write"}, []string{"owner"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := ready(t, map[string]string{"app.star": ruled})
			c.edit("app.star", ruled)
			labels, _ := c.completed("app.star", before+tt.text+after, "")
			for _, want := range tt.offers {
				if !slices.Contains(labels, want) {
					t.Errorf("%q is not offered: %.40q", want, labels)
				}
			}
			for _, bad := range tt.not {
				if slices.Contains(labels, bad) {
					t.Errorf("%q is offered: %.40q", bad, labels)
				}
			}
		})
	}
}
