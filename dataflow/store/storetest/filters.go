package storetest

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// testFilters says by example what filters find; testRandomFilters holds the
// engine to query.Match for all the rest.
func testFilters(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.country, "code", "NL")
	insert(t, s, shop.owner, "id", "ann", "name", "Ann", "country", int64(1))
	insert(t, s, shop.owner, "id", "bob")
	for _, row := range [][]any{
		{"s", "Alpha", "i", int64(1), "d", dec("1.10"), "words", []any{"x", "y"}, "owner", "ann"}, // 1
		{"s", "alphabet", "i", int64(2), "words", []any{}, "owner", "bob"},                        // 2
		{"s", "50%_a*b?[c]", "i", int64(-3), "numbers", []any{int64(1), int64(20)}},               // 3
		{"s", "ÉTÉ", "prices", []any{dec("1.10")}},                                                // 4
		{"i", int64(2), "j", dataflow.ObjectOf("a", int64(1))},                                    // 5
	} {
		insert(t, s, shop.thing, row...)
	}
	op := func(name string, v any) *dataflow.Object { return dataflow.ObjectOf(name, v) }
	for _, test := range []struct {
		filter []any
		want   []any
	}{
		{nil, []any{1, 2, 3, 4, 5}},
		{[]any{"s", "Alpha"}, []any{1}},
		{[]any{"s", nil}, []any{5}},
		{[]any{"s", op("$ne", nil)}, []any{1, 2, 3, 4}},
		{[]any{"i", op("$ne", int64(2))}, []any{1, 3}}, // null is not different from 2: comparing with it is false
		{[]any{"$not", op("i", int64(2))}, []any{1, 3, 4}},
		{[]any{"i", op("$nin", []any{int64(1), int64(2)})}, []any{3}},
		{[]any{"i", op("$in", []any{})}, []any{}},
		{[]any{"i", op("$nin", []any{})}, []any{1, 2, 3, 5}},
		{[]any{"i", op("$not", op("$gte", int64(2)))}, []any{1, 3, 4}},
		{[]any{"i", op("$between", []any{int64(1), int64(2)})}, []any{1, 2, 5}},
		{[]any{"d", op("$lt", "1.11")}, []any{1}},
		{[]any{"s", op("$like", "Alpha%")}, []any{1}},
		{[]any{"s", op("$like", "alpha")}, []any{}},
		{[]any{"s", op("$like", "%\\%\\_a*b?[c]")}, []any{3}},
		{[]any{"s", op("$like", "_T_")}, []any{4}},
		{[]any{"s", op("$ilike", "ALPHA%")}, []any{1, 2}},
		{[]any{"s", op("$ilike", "été")}, []any{4}},
		{[]any{"s", op("$contains", "*b?")}, []any{3}},
		{[]any{"s", op("$startswith", "Alpha")}, []any{1}},
		{[]any{"s", op("$startswith", "")}, []any{1, 2, 3, 4}},
		{[]any{"s", op("$endswith", "bet")}, []any{2}},
		{[]any{"s", op("$endswith", "longer than the values are")}, []any{}},
		{[]any{"s", op("$regex", "^[Aa]lpha(bet)?$")}, []any{1, 2}},
		{[]any{"words", op("$contains", "x")}, []any{1}},
		{[]any{"$not", op("words", op("$contains", "x"))}, []any{2, 3, 4, 5}},
		{[]any{"numbers", op("$contains", int64(20))}, []any{3}},
		{[]any{"prices", op("$contains", "1.1")}, []any{4}},
		{[]any{"j", op("$exists", true)}, []any{5}},
		{[]any{"owner", "ann"}, []any{1}},
		{[]any{"owner.name", "Ann"}, []any{1}},
		{[]any{"owner.name", nil}, []any{2, 3, 4, 5}},
		{[]any{"owner.country.code", "NL"}, []any{1}},
		{[]any{"$not", op("owner.country.code", "NL")}, []any{2, 3, 4, 5}},
		{[]any{"owner.country.code", op("$ne", "DE")}, []any{1}},
		{[]any{"$or", []any{op("i", int64(1)), op("s", nil)}}, []any{1, 5}},
		{[]any{"i", int64(2), "s", op("$null", true)}, []any{5}},
	} {
		e := where(t, shop.thing, test.filter...)
		want := []any{}
		for _, id := range test.want {
			want = append(want, int64(id.(int)))
		}
		if diff := cmp.Diff(want, found(t, s, shop.thing, e)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", codec.AppendValue(nil, dataflow.ObjectOf(test.filter...)), diff)
		}
		if n := count(t, s, shop.thing, e); n != int64(len(want)) {
			t.Errorf("%v counts %d, want %d", test.filter, n, len(want))
		}
	}
}

// testLargeFilters checks that what query allows, the engine takes.
func testLargeFilters(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	for i := range 10 {
		insert(t, s, shop.thing, "i", int64(i))
	}
	of := dataflow.ObjectOf
	var lists, terms []any
	for n := range query.MaxListed / query.MaxValues {
		values := make([]any, query.MaxValues)
		for i := range values {
			values[i] = int64(n*query.MaxValues + i + 5)
		}
		lists = append(lists, of("i", of("$in", values)))
	}
	for i := range query.MaxTerms {
		terms = append(terms, of("i", of("$ne", int64(i+5))))
	}
	deep := of("i", int64(3))
	for range query.MaxDepth {
		deep = of("$not", deep)
	}
	for name, test := range map[string]struct {
		filter []any
		want   int
	}{
		"long lists":        {[]any{"$or", lists}, 5},
		"many terms":        {[]any{"$and", terms}, 5},
		"any of many terms": {[]any{"$or", terms}, 10},
		"deep":              {[]any{"$not", deep.Vals()[0]}, 1},
	} {
		if got := found(t, s, shop.thing, where(t, shop.thing, test.filter...)); len(got) != test.want {
			t.Errorf("%s finds %d rows, want %d", name, len(got), test.want)
		}
	}
}

// generator makes rows and filters over few values, so that they meet often.
type generator struct {
	*rand.Rand
	shop *shop
	pool map[string][]any
}

// newGenerator takes its seed from STORETEST_SEED, else a fixed one.
func newGenerator(t *testing.T, shop *shop) *generator {
	seed := uint64(2026)
	if n, err := strconv.ParseUint(os.Getenv("STORETEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("STORETEST_SEED=%d", seed)
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), shop: shop, pool: map[string][]any{
		"s": {nil, "", "a", "A", "ab", "aB", "a%b", "a_b", "a*b", "a?b", "a[b]c", "a]b", "é", "É", "e\u0301", "ß", "日本", "日", "😀x", "\U0010FFFFx",
			"\uD7FFz", "a\nb", `a\b`, `\`, "'", `"`, "aab", "abab"},
		"i":       {nil, int64(-2), int64(-1), int64(0), int64(1), int64(2), int64(1<<63 - 1), int64(-1 << 63)},
		"f":       {nil, -1.5, 0.0, 0.1, 2.0, 1e300},
		"b":       {nil, true, false},
		"d":       {nil, dec("-1.10"), dec("-0.01"), dec("0.00"), dec("1.00"), dec("1.10"), dec("9999999999.99")},
		"big":     {nil, dec("-12345678901234567890.5"), dec("-0.0000000001"), dec("0"), dec("0.5"), dec("12345678901234567890.5"), dec("2")},
		"at":      {nil, at("0001-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z"), at("2024-01-01T00:00:00.000001Z"), at("9999-12-31T23:59:59Z")},
		"day":     {nil, dataflow.Date("0999-01-01"), dataflow.Date("2024-01-01"), dataflow.Date("2024-01-02")},
		"time":    {nil, dataflow.TimeOfDay("00:00:00"), dataflow.TimeOfDay("12:00:00"), dataflow.TimeOfDay("12:00:00.5")},
		"u":       {nil, "00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		"j":       {nil, "x", int64(1), dataflow.ObjectOf("a", nil)},
		"raw":     {nil, []byte{}, []byte{0}, []byte{0, 1}, []byte("a")},
		"e":       {nil, "new", "paid", "it's"},
		"words":   {nil, []any{}, []any{"a"}, []any{"A", "b"}, []any{"a\"b", "日本"}},
		"numbers": {nil, []any{}, []any{int64(1)}, []any{int64(2), int64(1<<63 - 1)}},
		"prices":  {nil, []any{}, []any{dec("1.10")}, []any{dec("2.00"), dec("0.01")}},
		"owner":   {nil, "ann", "bob", "cid"},
	}}
}

func (g *generator) any(list []any) any { return list[g.IntN(len(list))] }

// value picks a value for a field's comparison, not null.
func (g *generator) value(pool string) any {
	for {
		if v := g.any(g.pool[pool]); v != nil {
			return v
		}
	}
}

// row makes the values of a thing's fields, but for its id.
func (g *generator) row() (vals []any) {
	for _, f := range g.shop.thing.Fields[1:] {
		v := g.any(g.pool[f.Name])
		if d, ok := v.(dataflow.Decimal); ok {
			v, _ = dataflow.FitDecimal(d, f.Type.Precision, f.Type.Scale)
		}
		vals = append(vals, v)
	}
	return vals
}

// filter makes a filter as a caller would send it.
func (g *generator) filter(depth int) *dataflow.Object {
	if depth > 0 {
		switch g.IntN(6) {
		case 0, 1:
			return dataflow.ObjectOf("$and", g.filters(depth-1))
		case 2, 3:
			return dataflow.ObjectOf("$or", g.filters(depth-1))
		case 4:
			return dataflow.ObjectOf("$not", g.filter(depth-1))
		}
	}
	return g.comparison()
}

func (g *generator) filters(depth int) []any {
	list := make([]any, 1+g.IntN(3))
	for i := range list {
		list[i] = g.filter(depth)
	}
	return list
}

func (g *generator) comparison() *dataflow.Object {
	path, field, pool := g.path()
	ops := query.Ops(field.Type)
	op := ops[g.IntN(len(ops))]
	value := g.operand(op, field, pool)
	if op == query.Eq && g.IntN(2) == 0 {
		return dataflow.ObjectOf(path, value)
	}
	o := dataflow.ObjectOf(op.String(), value)
	if g.IntN(8) == 0 {
		o = dataflow.ObjectOf("$not", o)
	}
	return dataflow.ObjectOf(path, o)
}

// path picks a field, at times of an owner or its country.
func (g *generator) path() (path string, f *dataflow.Field, pool string) {
	switch g.IntN(8) {
	case 0:
		return "owner.name", g.shop.owner.Field("name"), "s"
	case 1:
		return "owner.country.code", g.shop.country.Field("code"), "s"
	}
	fields := g.shop.thing.Fields[1:]
	f = fields[g.IntN(len(fields))]
	return f.Name, f, f.Name
}

func (g *generator) operand(op query.Op, f *dataflow.Field, pool string) any {
	switch op {
	case query.Exists, query.Null:
		return g.IntN(2) == 0
	case query.In, query.Nin:
		list := make([]any, g.IntN(6))
		for i := range list {
			list[i] = g.value(pool)
		}
		return list
	case query.Between:
		return []any{g.value(pool), g.value(pool)}
	case query.Contains:
		if f.Type.Kind == dataflow.KindList {
			for {
				if list := g.value(pool).([]any); len(list) > 0 {
					return g.any(list)
				}
			}
		}
	case query.Like, query.Ilike:
		return g.pattern()
	case query.Regex:
		return []string{"^a", "b$", "a.b", "(?i)^A", "[éÉ]", "^$", "."}[g.IntN(7)]
	case query.Eq, query.Ne:
		if g.IntN(6) == 0 {
			return nil
		}
	}
	return g.value(pool)
}

func (g *generator) pattern() string {
	parts := []string{"%", "%", "_", "a", "A", "b", "é", "É", "*", "?", "[", "]", "日", "😀", `\%`, `\_`, `\\`, `\a`, "'"}
	p := ""
	for range g.IntN(5) {
		p += parts[g.IntN(len(parts))]
	}
	return p
}

// fill adds rows to the database and returns them by id, as Match sees them.
func (g *generator) fill(t *testing.T, s store.Store, n int) map[int64]func(query.Path) any {
	t.Helper()
	insert(t, s, g.shop.country, "code", "a")
	insert(t, s, g.shop.country, "code", "É")
	names := map[string]any{"ann": "ab", "bob": nil, "cid": "É"}
	codes := map[string]any{"ann": "a", "bob": "É", "cid": nil}
	countries := map[string]any{"ann": int64(1), "bob": int64(2), "cid": nil}
	insert(t, s, g.shop.owner, "id", "ann", "name", "ab", "country", int64(1))
	insert(t, s, g.shop.owner, "id", "bob", "country", int64(2))
	insert(t, s, g.shop.owner, "id", "cid", "name", "É")
	rows := map[int64]func(query.Path) any{}
	fields := make([]int, len(g.shop.thing.Fields)-1)
	for i := range fields {
		fields[i] = i + 1
	}
	data := make([][]any, n)
	for i := range data {
		data[i] = g.row()
	}
	err := s.Write(t.Context(), func(tx store.Tx) error {
		ids, err := tx.Insert(t.Context(), g.shop.thing, fields, data)
		for i, id := range ids {
			vals := data[i]
			rows[id.(int64)] = func(p query.Path) any {
				owner, _ := vals[len(vals)-1].(string)
				switch len(p.Via) {
				case 1:
					if _, f := p.Last(); f.Name == "country" {
						return countries[owner]
					}
					return names[owner]
				case 2:
					return codes[owner]
				}
				if p.Field == 0 {
					return id
				}
				return vals[p.Field-1]
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// sight picks of which owners and countries rows are seen, and returns what
// makes whatever is behind another null.
func (g *generator) sight() (seen func(*dataflow.Model) query.Expr, masked func(func(query.Path) any) func(query.Path) any) {
	filters := map[*dataflow.Model]query.Expr{}
	pick := func(m *dataflow.Model, name string, values ...any) {
		i, _ := m.FieldIndex(name)
		switch g.IntN(4) {
		case 0:
			filters[m] = query.Or{}
		case 1, 2:
			filters[m] = &query.Cmp{Path: query.Path{Model: m, Field: i}, Op: query.Eq, Value: g.any(values)}
		}
	}
	pick(g.shop.owner, "name", "ab", "É")
	pick(g.shop.country, "code", "a", "É")
	return func(m *dataflow.Model) query.Expr { return filters[m] }, func(row func(query.Path) any) func(query.Path) any {
		return func(p query.Path) any {
			m := p.Model
			for i, at := range p.Via {
				m = m.Fields[at].Type.Model
				if e := filters[m]; e != nil && !query.Match(e, func(q query.Path) any {
					return row(query.Path{Model: p.Model, Via: p.Via[:i+1], Field: q.Field})
				}) {
					return nil
				}
			}
			return row(p)
		}
	}
}

func testRandomFilters(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	g := newGenerator(t, shop)
	rows := g.fill(t, s, 300)
	for i := 0; i < 1000 && !t.Failed(); i++ {
		filter := g.filter(i % 4)
		e, problems := query.Parse(shop.thing, filter, "")
		if len(problems) > 0 {
			t.Fatalf("%s: %v", codec.AppendValue(nil, filter), problems)
		}
		seen, masked := g.sight()
		want := []any{}
		for id, row := range rows {
			if query.Match(e, masked(row)) {
				want = append(want, id)
			}
			if query.Match(e, masked(row)) != query.Match(query.Guard(e, seen), row) {
				t.Errorf("filter %d %s, guarded, means something else of row %d", i, codec.AppendValue(nil, filter), id)
			}
		}
		e = query.Guard(e, seen)
		slices.SortFunc(want, func(a, b any) int { return int(a.(int64) - b.(int64)) })
		if diff := cmp.Diff(want, found(t, s, shop.thing, e)); diff != "" {
			t.Errorf("filter %d %s (-want +got):\n%s", i, codec.AppendValue(nil, filter), diff)
		}
	}
}
