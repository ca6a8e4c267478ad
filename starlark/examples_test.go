package starlark_test

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/spec"
)

// exampleContext is what the examples of the table may speak of.
const exampleContext = `db = DataFlow("sqlite:a.db")
Customer = db.model("Customer", {"name": str, "email": str})
Order = db.model("Order", {"total": decimal(12, 2), "customer": ref(Customer)})
wf = WorkflowBuilder("w", input = {"email": str})
order = wf.add_node(Order.list, "order")
def restock(ctx, sku, qty): pass
app = Nexus()
left = 1
def days(n): pass
`

func TestEveryExampleOfTheTableLoads(t *testing.T) {
	for _, b := range spec.Builtins() {
		example := b.Example
		target, _, assigns := strings.Cut(example, " = ")
		assigns = assigns && !strings.Contains(target, "(") && !strings.HasPrefix(b.Name, "ctx.")
		var file strings.Builder
		placed := false
		for line := range strings.SplitSeq(exampleContext, "\n") {
			if assigns && strings.HasPrefix(line, target+" =") { // the example takes the line's place
				line, placed = example, true
			}
			file.WriteString(line + "\n")
		}
		if b.Name == "fail" || strings.HasPrefix(b.Name, "ctx.") {
			file.WriteString("def f(ctx):\n    ")
		}
		if !placed {
			file.WriteString(example + "\n")
		}
		app, diags := loadText(file.String(), starlark.Options{Env: func(string) (string, bool) { return "", false }})
		if app == nil {
			t.Errorf("%s: the file fails: %v", b.Name, diags)
		}
		for _, d := range diags {
			if d.Severity == 0 {
				t.Errorf("%s: %s", b.Name, show(d))
			}
		}
	}
}

// A name in the table that the language lacks, or the other way round, is
// documentation that lies.
func TestTheTableAndTheLanguageAgree(t *testing.T) {
	for _, name := range spec.Globals() {
		_, diags := loadText("x = "+name+"\n", starlark.Options{})
		for _, d := range diags {
			if d.Code == "FC101" {
				t.Errorf("%s is in the table and not in the language", name)
			}
		}
	}
	for recv, value := range map[string]string{"db": `DataFlow("x")`, "wf": "WorkflowBuilder()", "app": "Nexus()"} {
		for _, m := range spec.Methods(recv) {
			if _, diags := loadText("x = "+value+"."+m+"\n", starlark.Options{}); len(diags) > 0 && diags[0].Code == "FC117" {
				t.Errorf("%s.%s is in the table and not in the language", recv, m)
			}
		}
	}
}
