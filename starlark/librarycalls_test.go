package starlark_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
	"github.com/google/go-cmp/cmp"
)

// A call of the library is compared with what its function takes, where it is
// written out (FC140).
func TestCallsOfTheLibrary(t *testing.T) {
	module := starlark.Module{Name: "@stdlib//money.star", Source: "def percent(amount, rate, *, places = 2):\n    return amount\n\ndef any(*args, **kwargs):\n    return args\n\ndef send(ctx, url, **options):\n    return url\n"}
	for call, want := range map[string]string{
		`percent(n)`:                        `percent needs "rate" [it takes amount, rate, places]`,
		`percent(n, 1, 2)`:                  `percent takes no further argument by position [it takes amount, rate, places]`,
		`percent(n, rtae = 1)`:              `percent takes no "rtae" [did you mean "rate"?]`,
		`m.percent(rate = 1)`:               `percent needs "amount" [it takes amount, rate, places]`,
		`[m.send(ctx) for _ in range(n)]`:   `send needs "url" [it takes ctx, url]`,
		`percent(n, 1, places = 3)`:         "",
		`percent(*[n, 1])`:                  "",
		`percent(n, **{"rate": 1})`:         "",
		`m.any(1, 2, x = 3)`:                "",
		`m.send(ctx, "a", timeout = 1)`:     "",
		`(lambda percent: percent(n))(len)`: "",
	} {
		text := "load(\"@stdlib//money.star\", \"percent\", m = \"money\")\ndb = DataFlow(database_url = \"sqlite:a.db\")\n" +
			"def do(ctx, n):\n    return " + call + "\napp = Nexus()\napp.handler(\"do\", do, input = {\"n\": int})\napp.start()\n"
		_, diags := starlark.Load(context.Background(), "app.star", starlark.Options{FS: fstest.MapFS{"app.star": {Data: []byte(text)}}, Modules: []starlark.Module{module}})
		var said []string
		for _, d := range diags {
			said = append(said, strings.TrimPrefix(d.Code+" "+d.Message+" ["+d.Hint+"]", "FC140 "))
		}
		if diff := cmp.Diff(want, strings.Join(said, "\n")); diff != "" {
			t.Errorf("%s: %s", call, diff)
		}
	}
}
