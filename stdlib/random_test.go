package stdlib_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// tape is a run that is kept: what it recorded once it gives again.
type tape struct {
	kept    []any
	names   []string
	played  int
	clocked time.Time
}

func (h *tape) Record(ctx context.Context, what string, f func(context.Context) (any, error)) (any, error) {
	if h.played < len(h.kept) {
		h.played++
		return h.kept[h.played-1], nil
	}
	v, err := f(ctx)
	if err == nil {
		h.kept, h.names, h.played = append(h.kept, v), append(h.names, what), h.played+1
	}
	return v, err
}

func (h *tape) Now() time.Time                           { return h.clocked }
func (*tape) Sleep(context.Context, time.Duration) error { return nil }
func (*tape) WaitSignal(context.Context, string, time.Duration, any, bool) (any, error) {
	return nil, nil
}
func (h *tape) Info() dataflow.Info { return dataflow.Info{} }
func (h *tape) Run(context.Context, dataflow.Op, *dataflow.Object) (any, error) {
	return nil, dataflow.Internal(nil)
}
func (h *tape) RunNode(context.Context, string, *dataflow.Object) (any, error) {
	return nil, dataflow.Internal(nil)
}
func (h *tape) Workflow(context.Context, string, *dataflow.Object) (any, error) {
	return nil, dataflow.Internal(nil)
}

// chancy is a handler whose body uses the module.
func chancy(t *testing.T, body string) dataflow.Func {
	t.Helper()
	file := "load(\"@stdlib//random.star\", \"random\")\ndef f(ctx):\n" + body + "\napp = Nexus()\napp.handler(\"f\", f)\napp.start()\n"
	app, diags := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(file)}}, Modules: stdlib.Modules(),
	})
	if len(diags) > 0 {
		t.Fatalf("%v", diags)
	}
	return app.Workflows[0].Handler
}

const everyChance = `    a = random.choice(ctx, ["a", "b", "c"])
    return [random.uuid(ctx), random.token(ctx), random.token(ctx, bytes = 16), random.digits(ctx), random.digits(ctx, 64),
            random.int(ctx, -5, 5), random.int(ctx, -1 << 63, (1 << 63) - 1), random.float(ctx), a,
            random.shuffle(ctx, range(100)), random.int(ctx, 7, 7)]`

func TestChanceIsTheSameWhenARunIsRunAgain(t *testing.T) {
	f := chancy(t, everyChance)
	h := &tape{}
	first, err := f.Call(context.Background(), []any{h}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.played = 0
	again, err := f.Call(context.Background(), []any{h}, nil)
	if err != nil || fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("run again it gives\n%v, %v\nnot\n%v", again, err, first)
	}
	want := "random.choice random.uuid random.token random.token random.digits random.digits random.int random.int random.float random.shuffle random.int"
	if got := strings.Join(h.names, " "); got != want {
		t.Errorf("recorded %s", got)
	}
	other, err := f.Call(context.Background(), []any{&tape{}}, nil)
	if err != nil || fmt.Sprint(first) == fmt.Sprint(other) {
		t.Errorf("two runs drew the same: %v, %v", other, err)
	}
}

func TestChanceStaysWithinWhatWasAskedFor(t *testing.T) {
	f := chancy(t, everyChance)
	ints := map[any]bool{}
	for range 500 {
		out, err := f.Call(context.Background(), []any{&tape{}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := out.([]any)
		ints[v[5]] = true
		uuid, token, code := v[0].(string), v[1].(string), v[3].(string)
		if len(uuid) != 36 || uuid[14] != '4' || !strings.ContainsRune("89ab", rune(uuid[19])) {
			t.Fatalf("no UUID of version 4: %s", uuid)
		}
		if len(token) != 43 || len(v[2].(string)) != 22 || len(code) != 6 || len(v[4].(string)) != 64 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("texts: %v", v)
		}
		if n := v[5].(int64); n < -5 || n > 5 || v[10] != int64(7) {
			t.Fatalf("ints: %v", v)
		}
		if x := v[7].(float64); x < 0 || x >= 1 {
			t.Fatalf("float: %v", x)
		}
		var sorted []int64
		for _, item := range v[9].([]any) {
			sorted = append(sorted, item.(int64))
		}
		if slices.Sort(sorted); len(sorted) != 100 || sorted[0] != 0 || sorted[99] != 99 || len(slices.Compact(sorted)) != 100 {
			t.Fatalf("shuffled: %v", v[9])
		}
	}
	if len(ints) != 11 { // each is missed by 1 in 10^20
		t.Errorf("of the 11 numbers from -5 to 5 came %d", len(ints))
	}
}

func TestWrongUseOfChance(t *testing.T) {
	for call, want := range map[string]string{
		"random.uuid()":                      "random.uuid: the first argument is the ctx of a handler, not a NoneType",
		"random.int(1, 6)":                   "the first argument is the ctx of a handler, not a int",
		"random.int(ctx, 6, 1)":              "there is no number from 6 to 1",
		"random.int(ctx, 1)":                 "missing argument for high",
		"random.int(ctx, 1, 1 << 63)":        "want value in signed 64-bit range",
		"random.token(ctx, 8)":               "bytes is from 16",
		"random.token(ctx, 1 << 20)":         "bytes is from 16",
		"random.digits(ctx, 0)":              "n is from 1 to 64",
		"random.choice(ctx, [])":             "there are no items",
		`random.choice(ctx, "abc")`:          "items is a list, not a string",
		"random.choice(ctx, {1: 2})":         "items is a list, not a dict",
		"random.shuffle(ctx, range(200000))": "more than 100000 items",
		"random.uuid(ctx, 1)":                "got 1 arguments, want at most 0",
	} {
		h := &tape{}
		_, err := chancy(t, "    return "+call).Call(context.Background(), []any{h}, nil)
		if e := dataflow.AsError(err); err == nil || !strings.Contains(e.Message+e.Private, want) || len(h.kept) > 0 {
			t.Errorf("%s: %v (recorded %v), want %q", call, err, h.kept, want)
		}
	}
}
