package stdlib_test

import (
	"testing"

	"github.com/flowctl/flowctl/starlark/value"
	"github.com/flowctl/flowctl/stdlib"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// members evaluates a module as load() would and returns what it exports.
func members(t *testing.T, name string) sl.StringDict {
	t.Helper()
	for _, m := range stdlib.Modules() {
		if m.Name != name {
			continue
		}
		if m.Source == "" {
			return m.Members
		}
		globals, err := sl.ExecFileOptions(&syntax.FileOptions{Set: true}, &sl.Thread{Name: name}, name, m.Source, m.Members)
		if err != nil {
			t.Fatal(err)
		}
		return globals
	}
	t.Fatalf("no module %s", name)
	return nil
}

func TestEveryModuleHasDocAndCapability(t *testing.T) {
	for _, m := range stdlib.Modules() {
		if m.Doc == "" || m.Capability != "pure" {
			t.Errorf("%s: doc %q, capability %q", m.Name, m.Doc, m.Capability)
		}
		if len(members(t, m.Name)) == 0 {
			t.Errorf("%s exports nothing", m.Name)
		}
	}
}

func TestModules(t *testing.T) {
	env := sl.StringDict{"decimal": sl.NewBuiltin("decimal", func(_ *sl.Thread, _ *sl.Builtin, args sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
		return value.ParseDecimal(string(args[0].(sl.String)))
	})}
	for _, tt := range []struct{ module, expr, want string }{
		{"money", `cents("12.34")`, `1234`},
		{"money", `cents(5)`, `500`},
		{"money", `cents("1.005")`, `error: fail: cents: 1.005 has more than two decimals; round it first`},
		{"money", `cents(1.5)`, `error: an amount of money can't be the float 1.5: it is not exact; write decimal("1.5")`},
		{"money", `from_cents(1234)`, `12.34`},
		{"money", `from_cents(-5)`, `-0.05`},
		{"money", `round_half_even("2.345")`, `2.34`},
		{"money", `round_half_up("2.345")`, `2.35`},
		{"money", `round_half_up("-2.345")`, `-2.35`},
		{"money", `round_down("2.349", 1)`, `2.3`},
		{"money", `round_half_even(5)`, `5.00`},
		{"money", `percent("80", 20)`, `16.00`},
		{"money", `percent("0.05", "19")`, `0.01`},
		{"money", `allocate("10.00", [1, 1, 1])`, `[3.34, 3.33, 3.33]`},
		{"money", `allocate("-0.01", [1, 2])`, `[-0.01, 0.00]`},
		{"money", `allocate("0.05", [0, 1, 1])`, `[0.00, 0.03, 0.02]`},
		{"money", `allocate("1", [])`, `error: fail: allocate: at least one weight must be more than 0`},
		{"money", `allocate("1.001", [1])`, `error: fail: allocate: 1.001 has more than 2 decimals; round it first`},
		{"json", `encode({"b": 1, "a": [None, True, "é\n"]})`, `"{\"b\":1,\"a\":[null,true,\"é\\n\"]}"`},
		{"json", `decode("[9007199254740993, 1.10]")`, `[9007199254740993, 1.10]`},
		{"json", `decode('{"a": 1}')["a"]`, `1`},
		{"re", `matches("^a+$", "aaa")`, `True`},
		{"re", `find("[0-9]+", "ab12c3")`, `"12"`},
		{"re", `find("x", "abc")`, `None`},
		{"re", `find_all("[0-9]", "a1b2")`, `["1", "2"]`},
		{"re", `groups("(a)(x)?b", "ab")`, `["ab", "a", None]`},
		{"re", `split(", *", "a, b,c")`, `["a", "b", "c"]`},
		{"re", `replace("(a)(b)", "abab", "$2$1")`, `"baba"`},
		{"re", `find("(", "abc")`, "error: the pattern \"(\" can't be read: error parsing regexp: missing closing ): `(`"},
		{"crypto", `sha256("abc")`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{"crypto", `hmac_sha256("key", "The quick brown fox jumps over the lazy dog")`, `"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"`},
		{"crypto", `text(base64_decode(base64_encode("héllo")))`, `"héllo"`},
		{"crypto", `hex_encode("hi")`, `"6869"`},
		{"crypto", `equal("a", "b")`, `False`},
		{"crypto", `hex_decode("zz")`, `error: the text is not in this encoding`},
		{"strings", `pad_left("7", 3, "0")`, `"007"`},
		{"strings", `pad_right("é", 3, ".")`, `"é.."`},
		{"strings", `truncate("häuser", 4)`, `"häu…"`},
		{"strings", `truncate("ab", 4)`, `"ab"`},
		{"strings", `slug("Crème brûlée, 2 × !")`, `"creme-brulee-2"`},
		{"strings", `pad_left("a", 100000000)`, `error: width is at most 65536, not 100000000`},
		{"time", `str(datetime("2026-01-31T09:30:00+02:00"))`, `"2026-01-31T07:30:00.000000Z"`},
		{"time", `to_unix(datetime("1970-01-02T00:00:00Z"))`, `86400`},
		{"time", `str(from_unix(86400))`, `"1970-01-02T00:00:00.000000Z"`},
		{"time", `format(datetime("2026-07-01T12:00:00Z"), "%d.%m.%Y %H:%M %Z %f%%", "Europe/Berlin")`, `"01.07.2026 14:00 CEST 000000%"`},
		{"time", `format(datetime("2026-07-01T12:00:00Z"), "%q")`, "error: the layout \"%q\" has the code %q, which is none of %Y %m %d %H %M %S %f %j %a %A %b %B %p %I %z %Z"},
		{"time", `format(datetime("2026-07-01T12:00:00Z"), "%Y", "Nowhere")`, `error: there is no time zone "Nowhere"; write one such as "Europe/Berlin"`},
		{"time", `str(datetime("2026-07-01T12:00:00Z") + duration("1d"))`, `"2026-07-02T12:00:00.000000Z"`},
		{"math", `ceil(1.2)`, `2`},
	} {
		t.Run(tt.module+" "+tt.expr, func(t *testing.T) {
			scope := sl.StringDict{}
			for name, v := range env {
				scope[name] = v
			}
			for name, v := range members(t, "@stdlib//"+tt.module+".star") {
				scope[name] = v
			}
			v, err := sl.EvalOptions(&syntax.FileOptions{}, &sl.Thread{}, "test", tt.expr, scope)
			got := ""
			if err != nil {
				got = "error: " + lastError(err)
			} else {
				got = v.String()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// lastError returns the message of the innermost error, without the name of
// the builtin Starlark puts before it.
func lastError(err error) string {
	if ee, ok := err.(*sl.EvalError); ok {
		return ee.Msg
	}
	return err.Error()
}
