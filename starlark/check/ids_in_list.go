package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var idsInList = Rule{
	Code: "FC240", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Tag = db.model("Tag", {"name": str})
Post = db.model("Post", {
    "title": str,
    "tag_ids": list(int),  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Tag = db.model("Tag", {"name": str})
Post = db.model("Post", {"title": str})
PostTag = db.model("PostTag", {"post": ref(Post), "tag": ref(Tag)}, unique = [["post", "tag"]])
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				one, ok := strings.CutSuffix(f.Name, "_ids")
				if !ok || f.Type.Kind != dataflow.KindList || m.Database == nil {
					continue
				}
				id := &dataflow.Field{Name: one + "_id", Type: f.Type.Elem}
				if to := idOf(m, id); to != nil {
					p.report(f.Span, fmt.Sprintf("%s.%s holds ids of %s rows, which nothing keeps true and no filter follows", m.Name, f.Name, to.Name),
						fmt.Sprintf("declare a model between the two: %s%s = db.model(%q, {%q: ref(%s), %q: ref(%s)})", m.Name, to.Name, m.Name+to.Name, strings.ToLower(m.Name), m.Name, one, to.Name))
				}
			}
		}
	},
}
