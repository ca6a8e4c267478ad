package storetest

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/shopspring/decimal"
)

// aggregate parses arguments given as JSON and returns the groups, a line of
// JSON each. The row's values must say the same as its JSON.
func aggregate(t *testing.T, r store.Reader, m *dataflow.Model, args string) (string, error) {
	t.Helper()
	v, problems := codec.ParseJSON([]byte(args), codec.MaxDepth)
	if len(problems) > 0 {
		t.Fatalf("%s: %v", args, problems)
	}
	q, problems := query.Sight{}.Aggregate(m, v.(*dataflow.Object))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", args, problems)
	}
	return groups(t, r, q, args)
}

// groups returns the groups of an aggregate.
func groups(t *testing.T, r store.Reader, q *query.Aggregate, args string) (string, error) {
	t.Helper()
	var lines []string
	err := r.Aggregate(t.Context(), q, func(row store.Row) error {
		text := string(row.AppendJSON(nil))
		if object := string(codec.AppendValue(nil, row.Object())); object != text {
			t.Errorf("%s: the row is %s as JSON, %s as an object", args, text, object)
		}
		for i := range q.Out.Fields {
			if got, want := codec.AppendValue(nil, row.Value(i)), codec.AppendValue(nil, row.Object().Vals()[i]); string(got) != string(want) {
				t.Errorf("%s: value %d is %s, %s in the object", args, i, got, want)
			}
		}
		lines = append(lines, text)
		return nil
	})
	return strings.Join(lines, "\n"), err
}

func testAggregates(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	all := `{"aggregates": {"n": {"$count": true}, "i": {"$sum": "i"}, "d": {"$sum": "d"}, "big": {"$avg": "big"}, "f": {"$max": "f"}, "s": {"$min": "s"}}}`
	wantAggregate(t, s, shop.thing, all, `{"n":0,"i":null,"d":null,"big":null,"f":null,"s":null}`)
	wantAggregate(t, s, shop.thing, `{"group_by": "e", "aggregates": {"n": {"$count": true}}}`, ``)

	insert(t, s, shop.country, "code", "NL")
	insert(t, s, shop.owner, "id", "ann", "name", "Ann", "country", int64(1))
	insert(t, s, shop.owner, "id", "bob")
	for _, row := range [][]any{
		{"s", "b", "i", int64(1), "d", dec("9999999999.99"), "big", dec("9999999999999999999999999999.9999999999"), "e", "new", "owner", "ann", "b", true},
		{"s", "a", "i", int64(2), "d", dec("0.01"), "big", dec("-0.0000000001"), "e", "new", "owner", "ann", "b", false},
		{"s", "B", "i", int64(-4), "d", dec("-2.50"), "f", 1.5, "e", "paid", "owner", "bob", "day", dataflow.Date("2024-02-29")},
		{"i", nil, "f", 2.25, "e", "paid", "at", at("2024-01-01T00:00:00.000001Z"), "time", dataflow.TimeOfDay("12:00:00.5"), "u", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		{"i", int64(2), "d", dec("2.50")},
	} {
		insert(t, s, shop.thing, row...)
	}
	for args, want := range map[string]string{
		all: `{"n":5,"i":1,"d":"10000000000.00","big":"4999999999999999999999999999.9999999999","f":2.25,"s":"B"}`,
		`{"group_by": ["e"], "aggregates": {"n": {"$count": true}, "i": {"$sum": "i"}, "has": {"$count": "i"}, "different": {"$count_distinct": "i"}, "mean": {"$avg": "i"}}}`: `` +
			`{"e":"new","n":2,"i":3,"has":2,"different":2,"mean":"1.500000"}` + "\n" +
			`{"e":"paid","n":2,"i":-4,"has":1,"different":1,"mean":"-4.000000"}` + "\n" +
			`{"e":null,"n":1,"i":2,"has":1,"different":1,"mean":"2.000000"}`,
		`{"group_by": "owner.name", "aggregates": {"n": {"$count": true}, "d": {"$avg": "d"}}, "sort": "-owner.name"}`: `` +
			`{"owner.name":null,"n":3,"d":"0.00000000"}` + "\n" + `{"owner.name":"Ann","n":2,"d":"5000000000.00000000"}`,
		`{"group_by": ["owner.country.code", "b"], "aggregates": {"n": {"$count": true}}}`: `` +
			`{"owner.country.code":"NL","b":false,"n":1}` + "\n" + `{"owner.country.code":"NL","b":true,"n":1}` + "\n" + `{"owner.country.code":null,"b":null,"n":3}`,
		`{"group_by": "e", "aggregates": {"n": {"$count": true}, "d": {"$sum": "d"}}, "having": {"n": {"$gte": 2}, "d": {"$lt": "0"}}}`: `{"e":"paid","n":2,"d":"-2.50"}`,
		`{"group_by": "owner.name", "aggregates": {"n": {"$count": true}}, "having": {"owner.name": {"$like": "A%"}}}`:                  `{"owner.name":"Ann","n":2}`,
		`{"group_by": "e", "aggregates": {"d": {"$sum": "d"}}, "sort": ["-d"]}`:                                                         `{"e":"new","d":"10000000000.00"}` + "\n" + `{"e":null,"d":"2.50"}` + "\n" + `{"e":"paid","d":"-2.50"}`,
		`{"filter": {"owner.country.code": "NL", "i": {"$gt": 1}}, "group_by": "owner", "aggregates": {"big": {"$sum": "big"}}}`:        `{"owner":"ann","big":"-0.0000000001"}`,
		`{"group_by": "e"}`: `{"e":"new"}` + "\n" + `{"e":"paid"}` + "\n" + `{"e":null}`,
		`{"aggregates": {"at": {"$min": "at"}, "day": {"$max": "day"}, "time": {"$max": "time"}, "u": {"$min": "u"}, "s": {"$max": "s"}}}`: `{"at":"2024-01-01T00:00:00.000001Z","day":"2024-02-29","time":"12:00:00.5","u":"ffffffff-ffff-ffff-ffff-ffffffffffff","s":"b"}`,
		`{"filter": {"i": 99}, "aggregates": {"n": {"$count": true}}, "having": {"n": {"$gt": 0}}}`:                                        ``,
	} {
		wantAggregate(t, s, shop.thing, args, want)
	}
	if err := s.Write(t.Context(), func(tx store.Tx) error {
		if _, err := insertTx(tx, shop.thing, "e", "it's"); err != nil {
			return err
		}
		wantAggregate(t, tx, shop.thing, `{"filter": {"e": "it's"}, "aggregates": {"n": {"$count": true}}}`, `{"n":1}`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func wantAggregate(t *testing.T, r store.Reader, m *dataflow.Model, args, want string) {
	t.Helper()
	got, err := aggregate(t, r, m, args)
	if err != nil || got != want {
		t.Errorf("%s\ngot  %s (%v)\nwant %s", args, got, err, want)
	}
}

// testSums drives sums to the ends of their types.
func testSums(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	const most, least = int64(1<<63 - 1), int64(-1 << 63)
	for _, i := range []int64{most, most, least, least, 2} { // out of range on the way, back at the end
		insert(t, s, shop.thing, "i", i, "d", dec("9999999999.99"), "e", "new")
	}
	wantAggregate(t, s, shop.thing, `{"aggregates": {"i": {"$sum": "i"}, "mean": {"$avg": "i"}, "d": {"$sum": "d"}}}`,
		`{"i":0,"mean":"0.000000","d":"49999999999.95"}`)
	for i := range 11 {
		insert(t, s, shop.thing, "big", dec("9999999999999999999999999999.9999999999"), "f", 1.7e308, "e", "paid", "i", most-int64(i))
	}
	wantAggregate(t, s, shop.thing, `{"filter": {"e": "paid"}, "aggregates": {"big": {"$avg": "big"}, "i": {"$avg": "i"}}}`,
		`{"big":"9999999999999999999999999999.9999999999","i":"9223372036854775802.000000"}`)
	for _, field := range []string{"i", "big", "f"} {
		args := `{"group_by": "e", "aggregates": {"sum": {"$sum": "` + field + `"}}}`
		got, err := aggregate(t, s, shop.thing, args)
		if e := dataflow.AsError(err); err == nil || e.Code != "overflow" || e.Status != dataflow.StatusRejected {
			t.Errorf("the sum of %s is %s, error %v, want overflow", field, got, err)
		}
	}
	insert(t, s, shop.thing, "f", 1e300, "s", "large")
	insert(t, s, shop.thing, "f", 1.0, "s", "large")
	wantAggregate(t, s, shop.thing, `{"filter": {"s": "large"}, "aggregates": {"mean": {"$avg": "f"}}}`, `{"mean":5e+299}`) // whose square is beyond a float
	for args, want := range map[string]string{
		`{"aggregates": {"f": {"$avg": "f"}}, "filter": {"e": "paid"}}`:                                                       `{"f":1.7e+308}`,
		`{"group_by": "e", "aggregates": {"f": {"$sum": "f"}, "n": {"$count": true}}, "having": {"n": {"$lt": 3}}}`:           `{"e":null,"f":1e+300,"n":2}`,
		`{"group_by": "e", "aggregates": {"f": {"$sum": "f"}}, "having": {"f": {"$lt": 1e308}}}`:                              `{"e":null,"f":1e+300}`,
		`{"aggregates": {"f": {"$sum": "f"}, "n": {"$count": true}}, "having": {"f": {"$lt": 1e308}}}`:                        ``,
		`{"filter": {"f": {"$lt": 1e305}}, "aggregates": {"f": {"$sum": "f"}, "mean": {"$avg": "f"}, "n": {"$count": true}}}`: `{"f":1e+300,"mean":5e+299,"n":2}`,
		`{"filter": {"f": {"$lt": 2}}, "aggregates": {"f": {"$sum": "f"}, "mean": {"$avg": "f"}}}`:                            `{"f":1,"mean":1}`,
	} {
		wantAggregate(t, s, shop.thing, args, want) // what nobody asked for is in nobody's way
	}
	const first = `{"group_by": "e", "aggregates": {"f": {"$sum": "f"}}, "sort": "e"}`
	args, problems := codec.ParseJSON([]byte(first), codec.MaxDepth)
	if problems != nil {
		t.Fatal(problems)
	}
	q, problems := query.Sight{}.Aggregate(shop.thing, args.(*dataflow.Object))
	if problems != nil {
		t.Fatal(problems)
	}
	q.Limit = 1
	if got, err := groups(t, s, q, first); err != nil || got != `{"e":"new","f":null}` {
		t.Errorf("the first group is %s (%v)", got, err)
	}
	wantAggregate(t, s, shop.thing, `{"aggregates": {"n": {"$count": true}}}`, `{"n":18}`) // the connection is as good as before
}

// testRandomAggregates holds the engine to figures worked out here.
func testRandomAggregates(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	g := newGenerator(t, shop)
	g.pool["i"] = []any{nil, int64(-2), int64(0), int64(1), int64(1 << 40), int64(-1 << 33)}
	g.pool["f"] = []any{nil, -1.5, 0.0, 0.25, 2.0}
	rows := g.fill(t, s, 300)
	for i := 0; i < 300 && !t.Failed(); i++ {
		args := g.aggregate()
		q, problems := query.Sight{}.Aggregate(shop.thing, args)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", codec.AppendValue(nil, args), problems)
		}
		text := string(codec.AppendValue(nil, args))
		seen, masked := g.sight()
		want := expected(q, rows, masked)
		q.Where, q.Seen = query.Guard(q.Where, seen), seen
		got, err := groups(t, s, q, text)
		if err != nil || got != want {
			t.Errorf("aggregate %d %s\ngot  (%v)\n%s\nwant\n%s", i, text, err, got, want)
		}
	}
}

// aggregate makes the arguments of an aggregate as a caller would send them.
func (g *generator) aggregate() *dataflow.Object {
	var keys []any
	for range g.IntN(3) {
		path, f, _ := g.path()
		if query.Sortable(f.Type) && !slices.Contains(keys, any(path)) {
			keys = append(keys, path)
		}
	}
	figures := dataflow.ObjectOf("n", dataflow.ObjectOf("$count", true))
	for i := range g.IntN(4) {
		fn, of := "$count", g.any([]any{"i", "f", "d", "big"})
		switch g.IntN(3) {
		case 0:
			fn = g.any([]any{"$sum", "$avg"}).(string)
		case 1:
			fn, of = g.any([]any{"$min", "$max"}).(string), g.any([]any{"i", "d", "big", "s", "at", "day", "time", "u", "f"})
		case 2:
			fn, of = g.any([]any{"$count", "$count_distinct"}).(string), g.any([]any{"i", "d", "e", "owner", "b"})
		}
		figures.Set("x"+strconv.Itoa(i), dataflow.ObjectOf(fn, of))
	}
	args := dataflow.ObjectOf("filter", g.filter(g.IntN(2)), "group_by", keys, "aggregates", figures)
	if len(keys) == 0 {
		args.Set("group_by", nil)
	}
	if g.IntN(3) == 0 {
		args.Set("having", dataflow.ObjectOf("n", dataflow.ObjectOf("$gt", int64(g.IntN(20)))))
	}
	sort := []any{}
	for name := range figures.All {
		if g.IntN(3) == 0 {
			sort = append(sort, []string{"", "-"}[g.IntN(2)]+name)
		}
	}
	args.Set("sort", sort)
	return args
}

// expected works an aggregate out row by row.
func expected(q *query.Aggregate, rows map[int64]func(query.Path) any, masked func(func(query.Path) any) func(query.Path) any) string {
	groups := map[string][]any{}
	members := map[string][]func(query.Path) any{}
	for _, row := range rows {
		row = masked(row)
		if q.Where != nil && !query.Match(q.Where, row) {
			continue
		}
		keys := make([]any, len(q.By))
		for i, path := range q.By {
			keys[i] = row(path)
		}
		id := string(codec.AppendValue(nil, keys))
		groups[id] = keys
		members[id] = append(members[id], row)
	}
	if len(q.By) == 0 && len(groups) == 0 {
		groups[""] = nil
	}
	var result [][]any
	for id, vals := range groups {
		for i, f := range q.Figures {
			vals = append(vals, figureOf(q, f, q.Out.Fields[len(q.By)+i].Type, members[id]))
		}
		if query.Match(q.Having, func(p query.Path) any { return vals[p.Field] }) {
			result = append(result, vals)
		}
	}
	order := slices.Clone(q.Order)
	for i := range q.By {
		order = append(order, query.Order{Field: i})
	}
	slices.SortFunc(result, func(a, b []any) int {
		for _, o := range order {
			if c := compareNullsLast(a[o.Field], b[o.Field]); c != 0 {
				if o.Desc {
					return -c
				}
				return c
			}
		}
		return 0
	})
	lines := make([]string, len(result))
	for i, vals := range result {
		lines[i] = string(codec.AppendValue(nil, dataflow.NewRecord(q.Out.Shape(), vals)))
	}
	return strings.Join(lines, "\n")
}

func compareNullsLast(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(nullness(a), nullness(b))
	}
	return query.Compare(a, b)
}

func nullness(v any) int {
	if v == nil {
		return 1
	}
	return 0
}

func figureOf(q *query.Aggregate, f query.Figure, out *dataflow.Type, rows []func(query.Path) any) any {
	if f.Field < 0 {
		return int64(len(rows))
	}
	var vals []any
	seen := map[string]bool{}
	for _, row := range rows {
		if v := row(query.Path{Model: q.Model, Field: f.Field}); v != nil {
			vals = append(vals, v)
			seen[string(codec.AppendValue(nil, v))] = true
		}
	}
	switch {
	case f.Func == query.Count:
		return int64(len(vals))
	case f.Func == query.CountDistinct:
		return int64(len(seen))
	case len(vals) == 0:
		return nil
	case f.Func == query.Min:
		return slices.MinFunc(vals, query.Compare)
	case f.Func == query.Max:
		return slices.MaxFunc(vals, query.Compare)
	}
	return sumOf(f.Func, out, vals)
}

// sumOf sums by fractions, in which nothing is lost.
func sumOf(f query.Func, out *dataflow.Type, vals []any) any {
	sum := new(big.Rat)
	for _, v := range vals {
		term := new(big.Rat)
		switch v := v.(type) {
		case int64:
			term.SetInt64(v)
		case float64:
			term.SetFloat64(v)
		case dataflow.Decimal:
			term = v.Rat()
		}
		sum.Add(sum, term)
	}
	if f == query.Avg {
		sum.Quo(sum, new(big.Rat).SetInt64(int64(len(vals))))
	}
	switch out.Kind {
	case dataflow.KindInt:
		return sum.Num().Int64()
	case dataflow.KindFloat:
		x, _ := sum.Float64()
		if f == query.Avg {
			total, _ := new(big.Rat).Mul(sum, new(big.Rat).SetInt64(int64(len(vals)))).Float64()
			x = total / float64(len(vals))
		}
		return x
	}
	d, _ := decimal.NewFromString(sum.FloatString(out.Scale)) // which rounds half away from zero
	return d
}
