package lsp

import (
	"fmt"
	"strings"
	"testing"
)

const longParts = 12

// longApp is an app of more than 500 lines: models, workflows and handlers.
func longApp() string {
	var b strings.Builder
	b.WriteString("db = DataFlow(database_url = \"sqlite:long.db\")\n")
	for i := range longParts {
		fmt.Fprintf(&b, `
M%[1]d = db.model("M%[1]d", {
    "name": field(str, max_length = 100),
    "status": enum("new", "paid", "shipped"),
    "total": decimal(12, 2, ge = 0),
    "count": field(int, default = 0),
    "email": field(str, format = "email"),
    "about": field(str, optional = True),
}, indexes = [index("status", "total")], versioned = True)

def tax%[1]d(total):
    return {"total": total * 2}

w%[1]d = WorkflowBuilder("w%[1]d", input = {
    "name": str,
    "email": field(str, format = "email"),
    "total": decimal(12, 2),
})
w%[1]d.add_node("StarlarkNode", "tax", {
    "fn": tax%[1]d,
    "total": "${input.total}",
})
w%[1]d.add_node("M%[1]dCreateNode", "row", {
    "name": "of ${input.name}",
    "status": "new",
    "total": "${tax.total}",
    "email": "${input.email}",
})
w%[1]d.add_node("M%[1]dListNode", "others", {
    "filter": {"total": {"$gte": "${row.total}"}},
    "limit": 10,
})

def report%[1]d(ctx, low):
    rows = ctx.run(M%[1]d.list, filter = {"total": {"$lt": low}}, sort = "-total").records
    n = 0
    for row in rows:
        if row.count > 0:
            n += row.count
    return {"n": n, "names": [row.name for row in rows]}
`, i)
	}
	b.WriteString("\napp = Nexus()\n")
	for i := range longParts {
		fmt.Fprintf(&b, "app.expose(M%[1]d)\napp.register(\"w%[1]d\", w%[1]d.build(output = {\"id\": \"${row.id}\"}))\napp.handler(\"report%[1]d\", report%[1]d, input = {\"low\": decimal(12, 2)}, read_only = True)\n", i)
	}
	return b.String() + "app.start()\n"
}

// A keystroke is the change of a text and what an editor asks next. The file
// can be read before and after, so all of it is loaded, and looked at, anew:
// that is the longest there is.
func BenchmarkKeystroke(b *testing.B) {
	text := longApp()
	if n := strings.Count(text, "\n"); n < 500 {
		b.Fatalf("the file has %d lines", n)
	}
	whole := strings.Replace(text, "\"limit\": 10", "\"limit\": 10, \"so‸\": \"name\"", 1)
	half := strings.Replace(text, "\"${row.total}\"", "\"${row.to‸", 1)
	for _, bb := range []struct {
		name string
		run  func(c *client, i int)
	}{
		{"completion in a file that can be read", func(c *client, _ int) { c.completed("app.star", whole, "") }},
		{"completion in a file that can't be read", func(c *client, _ int) { c.completed("app.star", half, "") }},
		{"diagnostics", func(c *client, i int) {
			c.change("app.star", text+fmt.Sprintf("# %d\n", i))
			c.diagnostics()
		}},
		{"hover behind a change", func(c *client, i int) {
			changed := text + fmt.Sprintf("# %d\n", i)
			c.change("app.star", changed)
			c.askAt("textDocument/hover", "app.star", mark(c.t, changed, "row.total", 3), "")
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := ready(b, map[string]string{"app.star": text})
			c.edit("app.star", text)
			b.ResetTimer()
			cpu := cpuTime(b)
			for i := range b.N {
				bb.run(c, i)
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
