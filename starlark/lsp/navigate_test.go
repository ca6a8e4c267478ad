package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// mark puts the cursor into the n-th place where a text stands, n counted from
// 0, behind its first characters.
func mark(t testing.TB, text, part string, n int) string {
	t.Helper()
	at := 0
	for range n + 1 {
		i := strings.Index(text[at:], part)
		if i < 0 {
			t.Fatalf("%q does not stand there %d times", part, n+1)
		}
		at += i + 1
	}
	return text[:at] + "‸" + text[at:]
}

// ask asks about the mark in a document that is open.
func (c *client) askAt(method, name, text, more string) string {
	c.t.Helper()
	_, p := cursorIn(c.t, text)
	return c.ask(method, at(name, p, more))
}

func TestHover(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	for _, tt := range []struct {
		part string
		n    int
		want []string
	}{
		{"DataFlow", 0, []string{"DataFlow(", "database_url", "A database and the models in it."}},
		{"database_url", 0, []string{"database_url", "Takes a string"}},
		{"model(", 0, []string{"db.model(", "Returns"}},
		{"Customer", 2, []string{"Customer, table customers", "email: str, unique"}},
		{"email", 0, []string{"email: str, unique", "A field of Customer.", "Where bills go."}},
		{"email}", 0, []string{"email: str", "An input of the workflow place."}},
		{"record.email", 0, []string{"record: Customer"}},
		{"CustomerUpsertNode", 0, []string{"CustomerUpsertNode", "Takes", "- `where: object`", "Gives", "- `record: Customer`"}},
		{"create\": {\"email", 0, []string{"create: object", "An argument of CustomerUpsertNode."}},
		{"LogNode", 0, []string{"LogNode", "- `message"}},
		{"who.record", 0, []string{"who: CustomerUpsertNode", "A node of the workflow place.", "{record, created, action}"}},
		{"$lt", 0, []string{"Less than."}},
		{"total for", 0, []string{"total: decimal(12, 2)", "A field of Order."}},
		{"half(", 0, []string{"half(n)", "Half of it.", "half(4)"}},
		{"net(", 0, []string{"def net(gross)"}},
		{"report, input", 0, []string{"def report(ctx, low)", "What there is."}},
		{"@stdlib", 0, []string{"Halves.", "It has half."}},
		{"decimal(", 0, []string{"decimal(precision, scale"}},
		{"str,", 0, []string{"Text, stored as given."}},
	} {
		got := c.askAt("textDocument/hover", "app.star", mark(t, app, tt.part, tt.n), "")
		var out struct{ Result *hoverResult }
		if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil || out.Result == nil {
			t.Errorf("%s: %s", tt.part, got)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(out.Result.Contents.Value, want) {
				t.Errorf("%s: %q is not in\n%s", tt.part, want, out.Result.Contents.Value)
			}
		}
	}
}

func TestDefinition(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	for _, tt := range []struct {
		part   string
		n      int
		target string // what stands at the answer, and what follows; "" for another file's
	}{
		{"Customer)", 0, "Customer = db.model"},
		{"Order.create", 0, "Order = db.model"},
		{"create, \"order", 0, "Order = db.model"},
		{"CustomerUpsertNode", 0, "Customer = db.model"},
		{"total}\"})\nwf.add", 0, "total\": decimal(12, 2)})\nwho"},
		{"total}\"})\n\ndef", 0, "total\": decimal(12, 2, ge"},
		{"who.record.email", 0, "who\", {"},
		{"email}: $", 0, "email\": field(str"},
		{"who.record.id", 0, "who = wf.add_node"},
		{"total for", 0, "total\": decimal(12, 2, ge"},
		{"customer.email", 0, "customer\": ref("},
		{"status\", \"total", 0, "status\": enum("},
		{"row.total for", 0, "row in rows"},
		{"rows]", 0, "rows = ctx.run"},
		{"report, input", 0, "report(ctx, low)"},
		{"order.id}\"}))", 0, "order\", {"},
	} {
		got := c.askAt("textDocument/definition", "app.star", mark(t, app, tt.part, tt.n), "")
		var out struct{ Result []location }
		if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil || len(out.Result) != 1 {
			t.Errorf("%s: %s", tt.part, got)
			continue
		}
		if text := app[offsetOf(app, out.Result[0].Range.Start):]; !strings.HasPrefix(text, tt.target) {
			t.Errorf("%s: leads to %.30q", tt.part, text)
		}
	}
	const inLib = `"result":[{"uri":"DIR/lib/prices.star","range":{"start":{"line":2,"character":4},"end":{"line":2,"character":7}}}]`
	same(t, inLib, c.askAt("textDocument/definition", "app.star", mark(t, app, "net(", 0), ""))
	same(t, inLib, c.askAt("textDocument/definition", "app.star", mark(t, app, "net\")", 0), ""))
	same(t, `"result":[{"uri":"DIR/lib/prices.star","range":{"start":{"line":0,"character":0},"end":{"line":0,"character":0}}}]`,
		c.askAt("textDocument/definition", "app.star", mark(t, app, "lib/prices", 0), ""))
}

// signals is an app whose handlers wait for signals: each for its own, and a
// function that both call for those of either.
const signals = `db = DataFlow(database_url = "sqlite:shop.db")

def shared(ctx):
    return ctx.wait_signal("seen", timeout = "1d", default = None)

def own(ctx):
    return ctx.wait_signal("closed").by

def close(ctx):
    answer = ctx.wait_signal("closed", timeout = "1d", default = {"by": "nobody"})
    shared(ctx)
    return {"by": answer.by, "own": own(ctx)}

def ship(context):
    context.wait_signal(name = "packed")
    return shared(context)

app = Nexus()
app.handler("close", close, durable = True, signals = {"closed": {"by": str}, "seen": None})
app.handler("ship", ship, durable = True, signals = {"packed": int, "seen": None})
app.start()
`

func TestSignalsOfAHandler(t *testing.T) {
	c := ready(t, map[string]string{"app.star": signals})
	same(t, `{"uri":"DIR/app.star","version":1,"diagnostics":[]}`, c.edit("app.star", signals))
	ask := func(method, part, more string) string {
		t.Helper()
		return c.askAt(method, "app.star", mark(t, signals, part, 0), more)
	}
	for part, want := range map[string]string{
		`closed", timeout`: "closed: object\\n```\\n\\nA signal that the workflow close waits for.\\n\\nWhat has to come with it is `{by}`.",
		`packed")`:         "packed: int\\n```\\n\\nA signal that the workflow ship waits for.",
		`seen": None`:      "Anything may come with it.",
		`by, "own"`:        "by: str",
	} {
		if got := ask("textDocument/hover", part, ""); !strings.Contains(got, want) {
			t.Errorf("hover over %s: %s", part, got)
		}
	}
	for part, want := range map[string]string{`closed", timeout`: `closed": {"by": str}`, `closed").by`: `closed": {"by": str}`, `packed")`: `packed": int`} {
		at := positionOf(signals, strings.Index(signals, want))
		if got := ask("textDocument/definition", part, ""); !strings.Contains(got, fmt.Sprintf(`"start":{"line":%d,"character":%d}`, at.Line, at.Character)) {
			t.Errorf("the definition of %s: %s", part, got)
		}
	}
	for part, want := range map[string]int{`closed": {`: 3, `packed": int`: 2} {
		got := ask("textDocument/references", part, `,"context":{"includeDeclaration":true}`)
		if n := strings.Count(got, `"start"`); n != want {
			t.Errorf("%s has %d references: %s", part, n, got)
		}
	}
}

func TestSignalsAreOffered(t *testing.T) {
	for _, tt := range []struct {
		in, text    string
		offers, not []string
	}{
		{"closed\", timeout", "‸\", timeout", []string{"closed", "seen"}, []string{"packed"}},
		{"packed\")", "‸", []string{"packed", "seen"}, []string{"closed"}},
		{"seen\", timeout", "‸\", timeout", []string{"packed", "seen", "closed"}, nil},
		{"answer.by", "answer.‸", []string{"by"}, nil},
		{"{\"by\": \"nobody\"}", "{\"‸\": 1}", []string{"by"}, nil},
	} {
		c := ready(t, map[string]string{"app.star": signals})
		c.edit("app.star", signals)
		labels, _ := c.completed("app.star", strings.Replace(signals, tt.in, tt.text, 1), "")
		for _, want := range tt.offers {
			if !slices.Contains(labels, want) {
				t.Errorf("%s: %q is not offered: %q", tt.text, want, labels)
			}
		}
		for _, bad := range tt.not {
			if slices.Contains(labels, bad) {
				t.Errorf("%s: %q is offered: %q", tt.text, bad, labels)
			}
		}
	}
}

func TestReferences(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	got := c.askAt("textDocument/references", "app.star", mark(t, app, "email\": field", 0), `,"context":{"includeDeclaration":true}`)
	var out struct{ Result []location }
	if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, l := range out.Result {
		line := strings.Split(app, "\n")[l.Range.Start.Line]
		places = append(places, line[offsetOf(line, position{0, l.Range.Start.Character}):][:8])
	}
	if diff := cmp.Diff([]string{`email": `, `email": `, `email": `, `email}: `, `email": `}, places); diff != "" {
		t.Error(diff)
	}
}

// renamed renames what is marked in the app and returns the files after it.
func (c *client) renamed(text, name string) (map[string]string, string) {
	c.t.Helper()
	got := c.askAt("textDocument/rename", "app.star", text, fmt.Sprintf(`,"newName":%q`, name))
	var out struct{ Result *workspaceEdit }
	if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil || out.Result == nil {
		return nil, got
	}
	files := appFiles()
	files["app.star"], _ = cursorIn(c.t, text)
	for uri, edits := range out.Result.Changes {
		name := strings.TrimPrefix(uri, "DIR/")
		text := files[name]
		for len(edits) > 0 { // the last first
			last := 0
			for i, e := range edits {
				if before(edits[last].Range.Start, e.Range.Start) {
					last = i
				}
			}
			e := edits[last]
			text = text[:offsetOf(text, e.Range.Start)] + e.NewText + text[offsetOf(text, e.Range.End):]
			edits = append(edits[:last:last], edits[last+1:]...)
		}
		files[name] = text
	}
	return files, got
}

func TestRenameOfAField(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	files, answer := c.renamed(mark(t, app, "total\": decimal(12, 2, ge", 0), "amount")
	if files == nil {
		t.Fatal(answer)
	}
	want := strings.NewReplacer(
		`"total": decimal(12, 2, ge = 0)`, `"amount": decimal(12, 2, ge = 0, was = "total")`,
		`index("status", "total")`, `index("status", "amount")`,
		`"total": "${input.total}"`, `"amount": "${input.total}"`,
		`${order.total}`, `${order.amount}`,
		`filter = {"total"`, `filter = {"amount"`,
		`"-total"`, `"-amount"`, `row.total`, `row.amount`, `first.total`, `first.amount`,
	).Replace(app)
	same(t, want, files["app.star"])
	same(t, prices, files["lib/prices.star"])

	files, answer = c.renamed(mark(t, app, "name\": str", 0), "full_name")
	if files == nil {
		t.Fatal(answer)
	}
	same(t, strings.NewReplacer(`"name": str`, `"full_name": field(str, was = "name")`, `"name": "😀`, `"full_name": "😀`).Replace(app), files["app.star"])
}

func TestRenameOfANodeAndAnInput(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	files, answer := c.renamed(mark(t, app, "order.id", 0), "sale")
	if files == nil {
		t.Fatal(answer)
	}
	same(t, strings.NewReplacer(`"order", {`, `"sale", {`, `${order.`, `${sale.`).Replace(app), files["app.star"])
	files, answer = c.renamed(mark(t, app, "email\": str", 0), "mail")
	if files == nil {
		t.Fatal(answer)
	}
	same(t, strings.NewReplacer(`input = {"email": str`, `input = {"mail": str`, `${input.email}`, `${input.mail}`).Replace(app), files["app.star"])
}

func TestRenameAcrossFiles(t *testing.T) {
	const lib = "load(\"models.star\", \"Note\")\n\ndef texts(ctx):\n    return [note.text for note in ctx.run(Note.list, filter = {\"text\": \"a\"}).records]\n"
	const models = "db = DataFlow(database_url = \"sqlite:n.db\")\nNote = db.model(\"Note\", {\"text\": str})\n"
	const main = "load(\"lib.star\", \"texts\")\nload(\"models.star\", \"Note\")\n\napp = Nexus()\napp.handler(\"texts\", texts, read_only = True)\napp.expose(Note, operations = [\"read\"])\napp.start()\n"
	c := ready(t, map[string]string{"app.star": main, "lib.star": lib, "models.star": models})
	c.edit("models.star", models)
	got := c.askAt("textDocument/rename", "models.star", mark(t, models, "text", 0), `,"newName":"body"`)
	same(t, `"result":{"changes":{"DIR/lib.star":[{"range":{"start":{"line":3,"character":17},"end":{"line":3,"character":21}},"newText":"body"},{"range":{"start":{"line":3,"character":64},"end":{"line":3,"character":68}},"newText":"body"}],`+
		`"DIR/models.star":[{"range":{"start":{"line":1,"character":26},"end":{"line":1,"character":30}},"newText":"body"},{"range":{"start":{"line":1,"character":33},"end":{"line":1,"character":33}},"newText":"field("},{"range":{"start":{"line":1,"character":36},"end":{"line":1,"character":36}},"newText":", was = \"text\")"}]}}`, got)
}

func TestRenamesThatAreRefused(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	for _, tt := range []struct{ part, name, want string }{
		{"total\": decimal(12, 2, ge", "status", `Order has a field \"status\" already`},
		{"order.id", "who", `the workflow place has a node \"who\" already`},
		{"order.id", "input", `the app would not hold: app.star:16:27: a node can't be called \"input\"`},
		{"total\": decimal(12, 2, ge", "a b", `the app would not hold: `},
		{"Customer = ", "Client", `fields of models, nodes and inputs of workflows can be renamed; this is none`},
		{"low\":", "high", `an input of a handler is a parameter of its function too: rename it by hand`},
	} {
		got := c.askAt("textDocument/rename", "app.star", mark(t, app, tt.part, 0), fmt.Sprintf(`,"newName":%q`, tt.name))
		if !strings.HasPrefix(got, `"error":{"code":-32803,"message":"`+tt.want) {
			t.Errorf("%s to %s: %s", tt.part, tt.name, got)
		}
	}
	c.change("app.star", app+"x = (\n")
	same(t, `"error":{"code":-32803,"message":"a file of the app can't be read as it stands: mend that first"}`,
		c.askAt("textDocument/prepareRename", "app.star", mark(t, app, "order.id", 0), ""))
}

func TestRenameNamesWhatCantBeTold(t *testing.T) {
	text := strings.Replace(app, "app = Nexus()", "def sums(rows):\n    return [r.total for r in rows]\n\napp = Nexus()", 1)
	c := ready(t, map[string]string{"app.star": text, "lib/prices.star": prices})
	c.edit("app.star", text)
	_, p := cursorIn(t, mark(t, text, "total\": decimal(12, 2, ge", 0))
	c.write(strings.ReplaceAll(fmt.Sprintf(`{"jsonrpc":"2.0","id":99,"method":"textDocument/rename","params":%s}`, at("app.star", p, `,"newName":"amount"`)), "DIR", "file://"+c.dir))
	same(t, `{"jsonrpc":"2.0","method":"window/showMessage","params":{"message":"look at app.star:26 yourself: whether \"total\" is this field there can't be told","type":2}}`, c.receive())
}

func TestAHalfTypedFileIsAnsweredFromWhatItWas(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	text := strings.Replace(app, "def report", "wf.add_node(\"LogNode\", \"x\", {\"message\": \"${who.\n\ndef report", 1)
	c.change("app.star", text)
	same(t, `"result":[{"uri":"DIR/app.star","range":{"start":{"line":22,"character":4},"end":{"line":22,"character":8}}}]`,
		c.askAt("textDocument/definition", "app.star", mark(t, text, "rows]", 0), ""))
}

func TestAFileThatWasNeverSoundIsAnsweredToo(t *testing.T) {
	text := strings.Replace(app, "def report", "wf.add_node(\"LogNode\", \"x\", {\"message\": \"${who.‸\n\ndef report", 1)
	plain, _ := cursorIn(t, text)
	c := ready(t, map[string]string{"app.star": plain, "lib/prices.star": prices})
	c.edit("app.star", plain)
	labels, _ := c.completed("app.star", text, "")
	if len(labels) == 0 || labels[0] != "record" {
		t.Errorf("got %q", labels)
	}
}

func TestSymbols(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	var out struct{ Result []documentSymbol }
	got := c.ask("textDocument/documentSymbol", `{"textDocument":{"uri":"DIR/app.star"}}`)
	if err := json.Unmarshal([]byte("{"+got+"}"), &out); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range out.Result {
		lines = append(lines, s.Name+" "+s.Detail)
		for _, child := range s.Children {
			lines = append(lines, "  "+child.Name+" "+child.Detail)
			if before(child.Range.Start, s.Range.Start) || before(s.Range.End, child.Range.End) {
				t.Errorf("%s is not within %s", child.Name, s.Name)
			}
		}
	}
	if diff := cmp.Diff([]string{
		"db a database", "Customer model", "  email str", "  name str", "Order model", "  customer ref(Customer)", `  status enum("new", "paid")`, "  total decimal(12, 2)",
		"wf workflow", "  who CustomerUpsertNode", "  order OrderCreateNode", "  said LogNode", "report report(ctx, low)", "app the server",
	}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestTestsAreRenamedWithTheApp(t *testing.T) {
	const tests = "load(\"app.star\", \"Order\")\n\ndef test_total(t):\n    order = t.run(Order.create, total = 1)\n    t.equal(order.total, 1)\n    t.has(order, {\"total\": 1})\n" +
		"    t.has(t.run(Order.list), {\"records\": [{\"total\": 1}]})\n    t.equal(order, want = {\"total\": 1})\n    other = {\"total\": 1}\n"
	files := appFiles()
	files["app_test.star"] = tests
	files["broken_test.star"] = "def test_x(t:\n"
	c := ready(t, files)
	c.edit("app.star", app)
	_, p := cursorIn(t, mark(t, app, "total\": decimal(12, 2, ge", 0))
	c.write(strings.ReplaceAll(fmt.Sprintf(`{"jsonrpc":"2.0","id":99,"method":"textDocument/rename","params":%s}`, at("app.star", p, `,"newName":"amount"`)), "DIR", "file://"+c.dir))
	same(t, `{"jsonrpc":"2.0","method":"window/showMessage","params":{"message":"look at app_test.star:9 yourself: whether \"total\" is this field there can't be told","type":2}}`, c.receive())
	var out struct{ Result workspaceEdit }
	if err := json.Unmarshal([]byte(c.receive()), &out); err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, e := range out.Result.Changes["DIR/app_test.star"] {
		places = append(places, fmt.Sprintf("%d:%d %s", e.Range.Start.Line, e.Range.Start.Character, e.NewText))
	}
	if diff := cmp.Diff([]string{"3:32 amount", "4:18 amount", "5:19 amount", "6:44 amount", "7:28 amount"}, places); diff != "" {
		t.Error(diff)
	}
	if n := len(out.Result.Changes["DIR/app.star"]); n != 10 {
		t.Errorf("%d edits of the app", n)
	}
}

// What a place speaks of is what stands there, in every file that there is.
func TestNoMentionLies(t *testing.T) {
	for _, file := range []string{"shop/app.star", "shop/app_test.star", "kailash_port/app.star", "migrations/next.star"} {
		path := filepath.Join("..", "..", "examples", filepath.FromSlash(file))
		s := &server{o: options(), docs: map[string]*document{}, loaded: map[string]*result{}, known: map[string]*result{}}
		s.o.Modules = nil
		r := s.load(context.Background(), path)
		if r.app == nil {
			t.Fatalf("%s: %v", file, r.diags)
		}
		seen := 0
		for _, m := range s.indexOf(r).mentions {
			if m.what.name == "" || m.what.kind == entFile || m.what.kind == entModule || m.what.kind == entBuiltin {
				continue
			}
			seen++
			text := r.texts[m.at.File]
			if got := text[byteOf(text, m.at.Start):byteOf(text, m.at.End)]; got != m.what.name {
				t.Errorf("%s says %q, and is taken for %s", m.at, got, m.what.name)
			}
		}
		if seen < 10 {
			t.Errorf("%s: only %d places are known", file, seen)
		}
	}
}

// However far a file has been typed, every question has an answer, and no
// answer is a fault.
func TestAFileIsAnsweredWhileItIsTyped(t *testing.T) {
	c := ready(t, appFiles())
	c.edit("app.star", app)
	for i := 0; i < len(app); i += 29 {
		if !utf8.RuneStart(app[i]) {
			continue
		}
		for _, text := range []string{app[:i] + "‸", app[:i] + "‸" + app[i:], app[:i] + "\"‸" + app[i:], app[:i] + "(‸" + app[i:]} {
			plain, p := cursorIn(t, text)
			c.change("app.star", plain)
			for _, method := range []string{"textDocument/completion", "textDocument/hover", "textDocument/definition", "textDocument/documentSymbol"} {
				if got := c.ask(method, at("app.star", p, "")); strings.Contains(got, `"error"`) {
					t.Fatalf("%s after %q: %s", method, app[max(0, i-40):i], got)
				}
			}
		}
	}
}
