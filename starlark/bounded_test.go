package starlark_test

import (
	"context"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/starlark"
)

// call runs the function f of a file with one argument.
func call(t *testing.T, text string, arg any) (any, error) {
	t.Helper()
	app, diags := loadText(text+"\napp = Nexus()\nwf = WorkflowBuilder()\nwf.add_node(\"StarlarkNode\", \"n\", {\"fn\": f, \"n\": 1})\n"+
		"app.register(\"w\", wf.build())\napp.start()\n", starlark.Options{})
	for _, d := range diags {
		t.Fatal(show(d))
	}
	fn, _ := app.Workflows[0].Nodes[0].Config.Get("fn")
	return fn.(dataflow.Func).Call(context.Background(), nil, dataflow.ObjectOf("n", arg))
}

func TestOneStepMakesNothingHuge(t *testing.T) {
	for body, want := range map[string]string{
		`return len("ab" * n)`:                                 "string * int: the result has more than 10000000 bytes",
		`return len(n * [0])`:                                  "list * int: the result has more than 1000000 items",
		`return len((1, 2) * n)`:                               "tuple * int: the result has more than 1000000 items",
		"s = \"ab\"\n    s *= n\n    return len(s)":            "string * int: the result has more than 10000000 bytes",
		`return list(range(n))`:                                "range: more than 10000000 numbers",
		`return sorted(range(0, n * 4, 2))`:                    "range: more than 10000000 numbers",
		"for i in range(30):\n        n = n * n\n    return 1": "int * int: the result has more than 65536 bits",
		`return "ab" * (n * n * n)`:                            "string * int: the result has more than",
	} {
		_, err := call(t, "def f(n):\n    "+body+"\n", int64(2_000_000_000))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestProductsAreThoseOfStarlark(t *testing.T) {
	text := `def f(n):
    s = "ab"
    s *= 2
    m = [1, 2]
    m[0] *= 5
    return [s, n * "x", "" * 99999999999, "x" * -5, [1] * n, m, n * decimal("1.5"), 2 * n * 2.5, len(range(10, 0, -2))]
`
	got, err := call(t, text, int64(3))
	if err != nil {
		t.Fatal(err)
	}
	want := `["abab","xxx","","",[1,1,1],[5,2],"4.5",15,5]`
	if s := string(codec.AppendValue(nil, got)); s != want {
		t.Errorf("got %s", s)
	}
}

// laughs nests a list in itself n times over.
const laughs = "x = [\"ha\"]\n    for _ in range(40):\n        x = [x, x]\n"

func TestALoopMakesNothingHuge(t *testing.T) {
	for body, want := range map[string]string{
		"s = \"ab\"\n    for _ in range(n):\n        s = s + s\n":                    "string + string: the result has more than 10000000 bytes",
		"s = \"ab\"\n    for _ in range(n):\n        s += s\n":                       "string + string: the result has more than 10000000 bytes",
		"s = b\"ab\"\n    for _ in range(n):\n        s = s + s\n":                   "bytes + bytes: the result has more than",
		"s = [1]\n    for _ in range(n):\n        s = s + s\n":                       "list + list: the result has more than 1000000 items",
		"s = [1]\n    for _ in range(n):\n        s += s\n":                          "list + list: the result has more than",
		"s = [1]\n    for _ in range(n):\n        s.extend(s)\n":                     "the list has more than 1000000 items",
		"s = \"ab\"\n    for _ in range(n):\n        s = s.replace(\"\", s)\n":       "string.replace: the result has more than",
		"s = \"ab\"\n    for _ in range(n):\n        s = s.join([s] * 10)\n":         "string.join: the result has more than",
		"s = \"ab\"\n    for _ in range(n):\n        s = \"{0}{0}\".format(s)\n":     "string.format: the result has more than",
		"s = \"ab\"\n    for _ in range(n):\n        s = \"{x}{x}\".format(x = s)\n": "string.format: the result has more than",
		"s = \"ab\"\n    for _ in range(n):\n        s = \"%s%s\" % (s, s)\n":        "string % value: the result has more than",
		laughs + "    return x\n":                                                    "larger than 64 MiB when it is written out",
		laughs + "    return str(x)\n":                                               "str: the result has more than",
		laughs + "    return repr(x)\n":                                              "repr: the result has more than",
		laughs + "    return \"%s\" % x\n":                                           "string % value: the result has more than",
		laughs + "    return \"%s\" % (x,)\n":                                        "string % value: the result has more than",
		laughs + "    return \"{}\".format(x)\n":                                     "string.format: the result has more than",
		laughs + "    print(x)\n":                                                    "print: the result has more than",
		laughs + "    fail(x)\n":                                                     "fail: the result has more than",
		"s = \"x\" * 1000000\n    return [s] * 1000000\n":                            "larger than 64 MiB when it is written out",
	} {
		_, err := call(t, "def f(n):\n    "+body, int64(60))
		if e := dataflow.AsError(err); err == nil || !strings.Contains(e.Message+e.Private, want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestWhatIsMadeCountsAsSteps(t *testing.T) {
	_, err := call(t, "def f(n):\n    s = \"x\" * 9000000\n    for _ in range(n):\n        t = s + \"y\"\n    return len(t)\n", int64(60))
	if err == nil || !strings.Contains(err.Error(), "it took more than 10000000 steps") {
		t.Errorf("%v", err)
	}
}

func TestWhatGrowsIsThatOfStarlark(t *testing.T) {
	text := `def f(n):
    s = "a" + "b"
    s += "c"
    m = [1] + [2]
    o = m
    m += [3]
    m.extend((4,))
    d = {"k": [1], "s": "x"}
    d["k"] += [2]
    d["s"] += "y"
    n += 1
    n %= 3
    return [s, o, d, (1,) + (2,) == (1, 2), "-".join([s, "z"]), "aXb".replace("X", "--"), "aab".replace("a", "", 1), "{}-{x}".format(1, x = 2),
            "%s %d" % ("p", 3), "%r" % "q", n, 7 % 4, 1 + n, decimal("1.5") + n, str([1, "a"]), repr("r"), b"a" + b"b" == b"ab",
            "".join(["a" for _ in range(3)]), "é".replace("", "-")]
`
	got, err := call(t, text, int64(4))
	if err != nil {
		t.Fatal(err)
	}
	want := `["abc",[1,2,3,4],{"k":[1,2],"s":"xy"},true,"abc-z","a--b","ab","1-2","p 3","\"q\"",2,3,3,"3.5","[1, \"a\"]","\"r\"",true,"aaa","-é-"]`
	if s := string(codec.AppendValue(nil, got)); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	for body, want := range map[string]string{
		`return n.join([])`:          "int has no .join field or method",
		`return "a".join(1)`:         "join: for parameter 1: got int, want iterable",
		`return "a".replace("a")`:    "got 1 arguments, want at least 2",
		`return [1].extend(2)`:       "extend: for parameter 1: got int, want iterable",
		`return "%d" % "x"`:          "%d format requires integer",
		`return "a" + 1`:             "unknown binary op: string + int",
		`return "a" + [n]`:           "unknown binary op: string + list",
		"x = 1\n    x.extend([1])\n": "int has no .extend field or method",
	} {
		_, err := call(t, "def f(n):\n    "+body+"\n", int64(60))
		if e := dataflow.AsError(err); err == nil || !strings.Contains(e.Message+e.Private, want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
