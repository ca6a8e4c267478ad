package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/checktest"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/stdlib"
)

// named is a name of the language, in a file where it stands once, between
// « and ».
type named struct {
	name string
	text string
	// beside are other names that would do there: a slip that makes one of them
	// is no slip, and one that is as near to one of them may mean it.
	beside []string
}

// The app in which names stand.
const (
	appHead = `db = DataFlow(database_url = "sqlite:a.db")
Maker = db.model("Maker", {"title": str})
Thing = db.model("Thing", {"label": field(str, searchable = True), "amount": decimal(9, 2), "maker": ref(Maker)})
`
	appTail = `
app = Nexus()
app.expose(Thing, Maker)
app.start()
`
)

// body is an app in which lines stand.
func body(lines string) string { return appHead + lines + appTail }

// inHandler is an app with a handler of these lines.
func inHandler(lines string) string {
	return appHead + "\ndef handle(ctx):\n    " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n    ") +
		"\n\napp = Nexus(enable_auth = True)\napp.handler(\"handle\", handle)\napp.expose(Thing, Maker)\napp.start()\n"
}

// inWorkflow is an app with a workflow of these lines.
func inWorkflow(lines string) string {
	return appHead + "wf = WorkflowBuilder(\"w\", input = {\"label\": str})\n" + lines + "\napp = Nexus()\napp.register(\"w\", wf.build())\napp.expose(Thing, Maker)\napp.start()\n"
}

// namesIn puts every name of a list into a text with %s in it.
func namesIn(list []string, text string) []named {
	var out []named
	for _, name := range list {
		out = append(out, named{name, strings.ReplaceAll(text, "%s", "«"+name+"»"), list})
	}
	return out
}

func paramsOf(list []spec.Param) []string {
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

func inputsOf(s *dataflow.NodeSpec) []string {
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return names
}

// builtinNames are the builtins, their methods and their parameters.
func builtinNames() (out []named) {
	out = append(out, namesIn(spec.Globals(), body("_x = %s"))...)
	on := map[string]string{
		"db": body("_x = db.%s"), "wf": inWorkflow("_x = wf.%s"), "app": appHead + "app = Nexus()\n_x = app.%s\napp.expose(Thing, Maker)\napp.start()\n",
		"ctx": inHandler("return ctx.%s()"),
	}
	for recv, text := range on {
		out = append(out, namesIn(spec.Methods(recv), text)...)
	}
	for _, b := range spec.Builtins() {
		recv, method, isMethod := strings.Cut(b.Name, ".")
		text := body("_x = " + b.Name + "(%s = None)")
		if b.Name == "list" { // of Starlark, unless it is given a type
			text = body("_x = list(str, %s = None)")
		}
		if isMethod {
			text = strings.Replace(on[recv], "%s()", "%s", 1)
			text = strings.Replace(text, "%s", method+"(%s = None)", 1)
		}
		if recv == "Nexus" {
			text = appHead + "app = Nexus(%s = None)\napp.expose(Thing, Maker)\napp.start()\n"
		}
		if b.Extra == nil && b.Name != "fail" && b.Name != "ctx.now" {
			out = append(out, namesIn(paramsOf(b.Params), text)...)
		}
		for _, p := range b.Params {
			if len(p.OneOf) == 0 {
				continue
			}
			switch b.Name {
			case "DataFlow":
				out = append(out, namesIn(p.OneOf, `db = DataFlow(database_url = "postgres://h/d", `+p.Name+` = "%s")`)...)
			case "ref":
				out = append(out, namesIn(p.OneOf, body(`X = db.model("X", {"f": ref(Thing, `+p.Name+` = "%s", optional = True)})`))...)
			case "app.expose":
				out = append(out, namesIn(p.OneOf, appHead+"app = Nexus()\napp.expose(Thing, "+p.Name+" = [\"%s\"])\napp.start()\n")...)
			default:
				out = append(out, named{name: b.Name + "." + p.Name})
			}
		}
	}
	return out
}

// dataNames are those of types, formats, filters and access.
func dataNames() (out []named) {
	var types, ops []string
	for _, t := range spec.Types() {
		types = append(types, t.Name)
	}
	for _, o := range query.Ops(dataflow.String) {
		ops = append(ops, o.String())
	}
	out = append(out, namesIn(types, body(`X = db.model("X", {"f": %s})`))...)
	out = append(out, namesIn(dataflow.FormatNames(), body(`X = db.model("X", {"f": field(str, format = "%s")})`))...)
	out = append(out, namesIn(ops, inHandler(`return ctx.run(Thing.list, filter = {"label": {"%s": "a"}})`))...)
	out = append(out, namesIn(ops, inWorkflow(`wf.add_node(Thing.list, "l", {"filter": {"label": {"%s": "a"}}})`))...)
	out = append(out, namesIn([]string{"$count", "$count_distinct", "$sum", "$avg", "$min", "$max"}, inHandler(`return ctx.run(Thing.aggregate, aggregates = {"n": {"%s": "amount"}})`))...)
	rules := []string{"read", "create", "update", "delete", "fields"}
	out = append(out, namesIn(rules, body(`X = db.model("X", {"f": str}, access = {"%s": signed_in()})`))...)
	out = append(out, namesIn([]string{"read", "write"}, body(`X = db.model("X", {"f": str}, access = {"read": anyone(), "fields": {"f": {"%s": role("chief")}}})`))...)
	out = append(out, namesIn([]string{"user", "tenant"}, body(`X = db.model("X", {"f": str}, access = {"read": "f == ctx.%s.id"})`))[:1]...)
	out = append(out, namesIn([]string{"label", "amount", "maker"}, body(`X = db.model("X", {"thing": ref(Thing)}, access = {"read": anyone(where = "thing.%s == None")})`))...)
	out = append(out, namesIn([]string{"per_address", "per_key", "workflows", "models"}, appHead+"app = Nexus(rate_limit_config = {\"%s\": {}})\napp.expose(Thing, Maker)\napp.start()\n")...)
	out = append(out, namesIn([]string{"rate", "burst", "shared"}, appHead+"app = Nexus(rate_limit_config = {\"models\": {\"Thing\": {\"rate\": \"5/s\", \"%s\": 1}}})\napp.expose(Thing, Maker)\napp.start()\n")[1:]...)
	out = append(out, namesIn([]string{"Thing", "Maker"}, appHead+"app = Nexus(rate_limit_config = {\"models\": {\"%s\": 5}})\napp.expose(Thing, Maker)\napp.start()\n")...)
	out = append(out, namesIn([]string{"created", "updated", "deleted"}, appHead+"\ndef told(ctx, record):\n    return record.label\n\napp = Nexus()\napp.handler(\"told\", told, input = {\"record\": json})\napp.on(\"Thing.%s\", \"told\")\napp.expose(Thing, Maker)\napp.start()\n")...)
	return out
}

// nodeNames are those of node types, operations, what they take, and what
// references begin with.
func nodeNames() (out []named) {
	var types []string
	for _, t := range nodes.Types() {
		s := t.Spec()
		types = append(types, s.Name)
		switch s.Name {
		case "StarlarkNode": // whose arguments are the function's
			continue
		case "MergeNode": // which takes any name
			out = append(out, namesIn([]string{"inputs"}, inWorkflow(`wf.add_node("MergeNode", "n", {"%s": ["${input.label}"]})`))...)
			out = append(out, namesIn([]string{"strategy"}, inWorkflow(`wf.add_node("MergeNode", "n", {"inputs": ["${input.label}"], "%s": "all"})`))...)
			continue
		}
		out = append(out, namesIn(inputsOf(s), inWorkflow(`wf.add_node("`+s.Name+`", "n", {"%s": None})`))...)
		switch t.(type) {
		case engine.Repeater, engine.Scoper, engine.Waiter: // which no handler can run
			continue
		}
		out = append(out, namesIn(inputsOf(s), inHandler(`return ctx.run("`+s.Name+`", %s = None)`))...)
	}
	app, _ := starlark.Load(context.Background(), "app.star", starlark.Options{FS: fstest.MapFS{"app.star": {Data: []byte(body(""))}}})
	thing := app.Models()[1]
	var ops []string
	for _, k := range dataflow.AllOps() {
		op := dataflow.Op{Model: thing, Kind: k}
		types = append(types, op.NodeType())
		ops = append(ops, k.String())
		s := access.Spec(op)
		out = append(out, namesIn(inputsOf(s), inWorkflow(`wf.add_node(Thing.`+k.String()+`, "n", {"%s": None})`))...)
		out = append(out, namesIn(inputsOf(s), inHandler(`return ctx.run(Thing.`+k.String()+`, %s = None)`))...)
	}
	out = append(out, namesIn(types, inWorkflow(`wf.add_node("%s", "n", {})`))...)
	out = append(out, namesIn(types, inHandler(`return ctx.run("%s")`))...)
	out = append(out, namesIn(ops, inHandler("return ctx.run(Thing.%s)"))...)
	out = append(out, namesIn(ops, inWorkflow(`wf.add_node(Thing.%s, "n", {})`))...)
	out = append(out, namesIn([]string{"label", "amount", "maker"}, inWorkflow(`wf.add_node(Thing.create, "n", {"%s": None})`))...)
	out = append(out, namesIn([]string{"input", "ctx", "env", "first"}, inWorkflow(`wf.add_node(Thing.list, "first", {})
wf.add_node("LogNode", "n", {"message": "x ${%s.tenant}"})`))...)
	out = append(out, namesIn([]string{"user", "tenant", "run_id"}, inWorkflow(`wf.add_node("LogNode", "n", {"message": "x ${ctx.%s}"})`))...)
	out = append(out, namesIn([]string{"user", "tenant", "run_id", "run", "now", "workflow"}, inHandler("return ctx.%s"))...)
	out = append(out, namesIn([]string{"fail", "continue"}, inWorkflow(`wf.add_node("HTTPRequestNode", "n", {"url": "https://a.b"}, on_error = "%s")`))...)
	out = append(out, namesIn([]string{"default", "goto"}, inWorkflow(`wf.add_node("HTTPRequestNode", "n", {"url": "https://a.b"}, on_error = {"%s": "m"})
wf.add_node("LogNode", "m", {"message": "x"})`))...)
	out = append(out, namesIn([]string{"m"}, inWorkflow(`wf.add_node("HTTPRequestNode", "n", {"url": "https://a.b"}, compensate = "refund")
wf.add_node("LogNode", "refund", {"message": "x"})`))[:0]...)
	return out
}

// libraryNames are the modules and what is in them.
func libraryNames() (out []named) {
	var modules []string
	for _, m := range stdlib.Table() {
		modules = append(modules, strings.TrimSuffix(strings.TrimPrefix(m.LoadName(), "@stdlib//"), ".star"))
		var members []string
		for _, f := range m.Public() {
			members = append(members, f.Name)
		}
		own := strings.TrimSuffix(strings.TrimPrefix(m.LoadName(), "@stdlib//"), ".star")
		out = append(out, namesIn(append(members, own), "load(\""+m.LoadName()+"\", _x = \"%s\")\n"+body(""))...)
		out = append(out, namesIn(members, "load(\""+m.LoadName()+"\", _m = \""+own+"\")\n"+body("_x = _m.%s"))...)
		out = append(out, namesIn(members, "load(\""+m.LoadName()+"\", _m = \""+own+"\")\n"+inHandler("return _m.%s()"))...)
	}
	return append(out, namesIn(modules, "load(\"@stdlib//%s.star\", \"x\")\n"+body(""))...)
}

// Every name that the language has, misspelt by one edit of each sort where it
// stands, is reported at its place, with the name that was meant.
func TestEveryNameOfTheLanguageIsSuggested(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 5))
	all := slices.Concat(builtinNames(), dataNames(), nodeNames(), libraryNames())
	tried := 0
	for _, n := range all {
		for kind := range edits {
			slip := edits[kind](rnd, n.name)
			if slip == n.name || grammar[slip] || slices.Contains([]string{"in", "is", "as", "or", "and", "if", "def", "del", "for"}, slip) || slices.Contains(n.beside, slip) || testing.Short() && tried%4 != kind {
				tried++
				continue
			}
			tried++
			head, rest, _ := strings.Cut(n.text, "«")
			_, tail, _ := strings.Cut(rest, "»")
			text := head + slip + tail
			if problem := told(text, n, slip); problem != "" {
				t.Errorf("%s for %s: %s\n%s", slip, n.name, problem, lineWith(head, slip, tail))
			}
		}
	}
	if tried < 2000 {
		t.Errorf("only %d slips were tried", tried)
	}
}

// told says what is missing in what is reported of a slip.
func told(text string, n named, slip string) string {
	ds := found(text)
	for _, d := range ds {
		if !strings.Contains(checktest.At(text, d.Span), slip) {
			continue
		}
		i := strings.Index(d.Message+"; "+d.Hint, "did you mean ")
		if i < 0 {
			continue
		}
		meant := (d.Message + "; " + d.Hint)[i:]
		if mentions(meant, n.name) {
			return ""
		}
		near := dataflow.Suggest(slip, append([]string{n.name}, n.beside...))
		if near != n.name && mentions(meant, near) { // as near
			return ""
		}
		for _, word := range shortWord.FindAllString(meant, -1) {
			if dataflow.Suggest(slip, []string{word, n.name}) == word {
				return ""
			}
		}
	}
	return "\n" + hintsOf(ds)
}

var shortWord = regexp.MustCompile(`[$\w]+`)

func mentions(text, name string) bool {
	for _, end := range []string{`"`, "?", ".", "(", "/", " "} {
		if strings.Contains(text, name+end) {
			return true
		}
	}
	return false
}

func lineWith(head, slip, tail string) string {
	before := head[strings.LastIndexByte(head, '\n')+1:]
	after, _, _ := strings.Cut(tail, "\n")
	return fmt.Sprintf("\t%s%s%s", before, slip, after)
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// edits are the four sorts of slips. None touches the first character, which
// people hardly ever miss, nor makes a name longer than its writer would.
var edits = [...]func(*rand.Rand, string) string{
	func(r *rand.Rand, s string) string { // one left out
		if len(s) < 3 {
			return s
		}
		i := 1 + r.IntN(len(s)-1)
		return s[:i] + s[i+1:]
	},
	func(r *rand.Rand, s string) string { // one too many
		i := 1 + r.IntN(len(s))
		return s[:i] + letters[r.IntN(26):][:1] + s[i:]
	},
	func(r *rand.Rand, s string) string { // two swapped
		if len(s) < 4 {
			return s
		}
		i := 1 + r.IntN(len(s)-2)
		return s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]
	},
	func(r *rand.Rand, s string) string { // one for another
		if len(s) < 3 {
			return s
		}
		i := 1 + r.IntN(len(s)-1)
		return s[:i] + letters[r.IntN(26):][:1] + s[i+1:]
	},
}

// Codes in a comment that suppresses, too: misspelt where the code is reported
// it is that one which was meant, or another that is as near.
func TestEveryCodeIsSuggested(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	exact := 0
	for _, r := range check.Rules() {
		for kind, edit := range edits {
			slip := edit(rnd, r.Code)
			if slip == r.Code {
				continue
			}
			text := strings.Replace(r.Bad, "# here", "# flowctl: ignore["+slip+"] why", 1)
			hint, mustStay := "", false
			for _, d := range found(text) {
				mustStay = mustStay || d.Code == r.Code && d.Severity == dataflow.SeverityError
				if d.Code == "FC901" || d.Code == "FC902" {
					hint += d.Hint
				}
			}
			meant := shortWord.FindString(strings.TrimPrefix(hint, `did you mean "`))
			switch {
			case meant == r.Code:
				exact++
			case mustStay && meant == "take": // an error can't be ignored, and the slip is another code
			case dataflow.Suggest(slip, []string{meant, r.Code}) != meant:
				t.Errorf("%s for %s, edit %d: %q", slip, r.Code, kind, hint)
			}
		}
	}
	if exact < 2*len(check.Rules()) {
		t.Errorf("only %d codes were suggested exactly", exact)
	}
}

// What a file of tests names is suggested as well: of t and of what the app
// declares before it is run, of the rest by the run that fails.
func TestEveryNameOfATestIsSuggested(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("app.star", strings.Replace(inHandler("return ctx.run(Thing.list, limit = 5).records"), "enable_auth = True", "", 1))
	const head = "load(\"app.star\", \"Thing\", \"Maker\")\n"
	rnd := rand.New(rand.NewPCG(2, 9))
	check := func(said, slip string, n named) {
		t.Helper()
		_, hint, ok := strings.Cut(said, "did you mean ")
		if !ok || !mentions(hint, n.name) && !asNear(hint, slip, n.name) {
			t.Errorf("%s for %s:\n%s", slip, n.name, said)
		}
	}
	each := func(list []named, do func(n named, slip, line string)) {
		for _, n := range list {
			for _, edit := range edits {
				slip := edit(rnd, n.name)
				if slip == n.name || slices.Contains(n.beside, slip) || grammar[slip] {
					continue
				}
				before, rest, _ := strings.Cut(n.text, "«")
				_, after, _ := strings.Cut(rest, "»")
				do(n, slip, before+slip+after)
			}
		}
	}

	var methods []string
	loaded := slices.Concat(
		namesIn([]string{"label", "amount", "maker"}, "t.run(Thing.create, %s = None)"),
		namesIn([]string{"create", "list"}, "t.run(Thing.%s)"),
		namesIn([]string{"handle"}, "t.workflow(\"%s\")"),
		namesIn([]string{"run", "workflow"}, "t.as_caller().%s()"),
	)
	for _, b := range spec.TestBuiltins() {
		methods = append(methods, strings.TrimPrefix(b.Name, "t."))
		if b.Extra == nil {
			loaded = append(loaded, namesIn(paramsOf(b.Params), b.Name+"(%s = None)")...)
		}
	}
	loaded = append(loaded, namesIn(methods, "t.%s()")...)
	each(loaded, func(n named, slip, line string) {
		write("app_test.star", head+"def test_it(t):\n    "+line+"\n")
		said := tested(dir)
		if check(said, slip, n); strings.Contains(said, "FAIL") && !strings.Contains(said, "load") {
			t.Errorf("%s for %s is told by running:\n%s", slip, n.name, said)
		}
	})

	var failing []named
	failing = append(failing, namesIn([]string{"title"}, "t.run(Maker.create, title = \"m\").%s")...)
	failing = append(failing, namesIn([]string{"title"}, "t.has(t.run(Maker.create, title = \"m\"), {\"%s\": \"m\"})")...)
	text := head
	var tried []func(said string)
	each(failing, func(n named, slip, line string) {
		text += fmt.Sprintf("def test_%d(t):\n    %s\n", len(tried), line)
		tried = append(tried, func(said string) { check(said, slip, n) })
	})
	write("app_test.star", text)
	out := tested(dir)
	parts := strings.Split(out, "FAIL  ")[1:]
	if len(parts) != len(tried) || len(tried) == 0 {
		t.Fatalf("%d of %d failed:\n%s", len(parts), len(tried), out)
	}
	for i, part := range parts { // they come in the order of the file
		tried[i](part)
	}
}

// tested is all that flowctl test says of a folder.
func tested(dir string) string {
	var out bytes.Buffer
	w := system()
	w.out, w.err = &out, &out
	run(context.Background(), []string{"test", dir}, w)
	return out.String()
}

func asNear(hint, slip, name string) bool {
	return slices.ContainsFunc(shortWord.FindAllString(hint, -1), func(word string) bool {
		return word != name && dataflow.Suggest(slip, []string{word, name}) == word
	})
}
