package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/stdlib"
)

// found is everything that flowctl check says of a file.
func found(text string) []dataflow.Diagnostic {
	app, ds := starlark.Load(context.Background(), "app.star", starlark.Options{FS: fstest.MapFS{"app.star": {Data: []byte(text)}}, Modules: stdlib.Modules()})
	if app != nil {
		ds = append(ds, nexus.Check(app, nexus.Options{Dir: "."})...)
	}
	return check.Run(app, []check.Source{{Path: "app.star", Text: text}}, ds)
}

// unseen are the places of the shop where a name is made, or a text is free,
// so that no other way of writing it is wrong. Everything else is a name that
// something else gives.
var unseen = []struct{ line, names string }{
	{`database_url = env(`, `DATABASE_URL shop sqlite`},
	{`return {"price": "a product`, `product that sold needs price`},
	{`"name": field(str, min_length = 1, max_length = 200)`, `name`},
	{`computed = {"amount": line_amount}`, `amount`},
	{`return {"order": order.id, "status"`, `order status total`},
	{`orders = {"new": 0`, `new paid shipped cancelled`},
	{`"orders": orders,`, `orders`},
	{`"sold": sold,`, `sold`},
	{`"low": [{"sku": p.sku`, `low sku stock`},
	{`sort = "sku", fields`, `sku`}, // asked for twice
	{`buy = WorkflowBuilder("buy"`, `buy`},
	{`"who", {`, `who`}, {`"priced", {`, `priced`}, {`"shelf", {`, `shelf`}, {`"order", {`, `order`}, {`"line", {`, `line`},
	{`"note": "bought by`, `bought`},
	{`app = Nexus(`, `shop`},
	{`app.handler("place_order"`, `place_order`}, {`app.handler("cancel_order"`, `cancel_order`}, {`app.handler("move_order"`, `move_order`},
	{`app.handler("restock"`, `restock`}, {`app.handler("report"`, `report`},
	{`app.register("buy"`, `buy order total left`},
}

var (
	word = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9]{2,}`)
	// prose are documentation, what callers are told, and comments.
	prose   = regexp.MustCompile(`^\s*("""|#)|doc = "|fail\(|  # `)
	grammar = map[string]bool{"def": true, "return": true, "for": true, "not": true, "and": true, "load": true, "if": true, "None": true, "True": true, "False": true}
)

// A slip of one character in any name of the shop is found, and what was
// written before is suggested, or what is as near to the slip.
func TestOneSlipIsFoundAndPutRight(t *testing.T) {
	file, err := os.ReadFile("../../examples/shop/app.star")
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	lines := strings.Split(text, "\n")
	tried := 0
	for i, m := range word.FindAllStringIndex(text, -1) {
		name, line := text[m[0]:m[1]], lines[strings.Count(text[:m[0]], "\n")]
		if grammar[name] || prose.MatchString(line) {
			continue
		}
		if testing.Short() && i%8 != 0 {
			continue
		}
		tried++
		slip := slipOf(name, i)
		ds := found(text[:m[0]] + slip + text[m[1]:])
		switch {
		case freely(line, name):
		case len(ds) == 0:
			t.Errorf("%s for %s is not found: %s", slip, name, strings.TrimSpace(line))
		case !suggested(ds, name, slip):
			t.Errorf("%s for %s: %s\n%s", slip, name, strings.TrimSpace(line), hintsOf(ds))
		}
	}
	if tried < 40 {
		t.Errorf("only %d names were tried", tried)
	}
}

// slipOf is name with one character left out, doubled, or swapped with the next.
func slipOf(name string, i int) string {
	at := len(name) / 2
	switch i % 3 {
	case 0:
		return name[:at] + name[at+1:]
	case 1:
		return name[:at] + name[at:at+1] + name[at:]
	}
	if name[at-1] == name[at] {
		return name[:at] + name[at+1:]
	}
	return name[:at-1] + name[at:at+1] + name[at-1:at] + name[at+1:]
}

func freely(line, name string) bool {
	for _, u := range unseen {
		if strings.Contains(line, u.line) && strings.Contains(" "+u.names+" ", " "+name+" ") {
			return true
		}
	}
	return false
}

// suggested reports whether a hint or message names what was meant; where a
// name is made, that is the slip, at each of its uses.
func suggested(ds []dataflow.Diagnostic, name, slip string) bool {
	for _, d := range ds {
		i := strings.Index(d.Hint, "did you mean ")
		if i < 0 {
			continue
		}
		meant := d.Hint[i:]
		if strings.Contains(meant, name) || strings.Contains(meant, slip) {
			return true
		}
		quoted := regexp.MustCompile(`"[$@/]*([\w./]+)"`).FindStringSubmatch(meant)
		if quoted != nil && dataflow.Suggest(slip, []string{quoted[1], name}) == quoted[1] { // as near
			return true
		}
	}
	return false
}

func hintsOf(ds []dataflow.Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString("\t" + d.Span.String() + " " + d.Message + " [" + d.Hint + "]\n")
	}
	return b.String()
}
