package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/google/go-cmp/cmp"
)

// order is a model with a reference to a customer, and one to itself.
func order() *dataflow.Model {
	id := func() *dataflow.Field {
		return &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	}
	customer := &dataflow.Model{Name: "Customer", Table: "customers", Fields: []*dataflow.Field{
		id(), {Name: "email", Type: dataflow.String}, {Name: "name", Type: dataflow.String, Optional: true},
	}}
	customer.Seal()
	m := &dataflow.Model{Name: "Order", Table: "orders"}
	m.Fields = []*dataflow.Field{
		id(),
		{Name: "status", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid"}}},
		{Name: "total", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}},
		{Name: "note", Type: dataflow.String, Optional: true},
		{Name: "at", Type: dataflow.DateTime},
		{Name: "meta", Type: dataflow.JSON, Optional: true},
		{Name: "tags", Type: dataflow.ListOf(dataflow.String), Optional: true},
		{Name: "parts", Type: dataflow.ListOf(dataflow.JSON), Optional: true},
		{Name: "customer", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: customer}},
		{Name: "parent", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: m}, Optional: true},
	}
	m.Computed = []dataflow.Computed{{Name: "vat"}}
	m.Seal()
	return m
}

func value(t testing.TB, text string) any {
	t.Helper()
	v, problems := codec.ParseJSON([]byte(text), 2*codec.MaxDepth)
	if len(problems) > 0 {
		t.Fatal(text, problems)
	}
	return v
}

func said(problems []dataflow.Problem) []string {
	var lines []string
	for _, p := range problems {
		line := p.Pointer + " " + p.Code + ": " + p.Detail
		if p.Hint != "" {
			line += " (" + p.Hint + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestParseProblems(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat(`{"$not":`, depth) + `{"status":"new"}` + strings.Repeat("}", depth)
	}
	for _, test := range []struct {
		filter string
		want   []string
	}{
		{`null`, nil},
		{`{}`, nil},
		{`{"status": "new", "total": {"$gte": 10, "$lt": "99.5"}, "$or": [{"note": null}, {"customer.email": {"$endswith": "@a.com"}}]}`, nil},
		{`{"parent.parent.customer": {"$in": [1, 2]}, "tags": {"$contains": "x"}, "meta": {"$exists": true}}`, nil},
		{`{"meta": null, "note": {"$not": {"$like": "a%", "$ne": null}}}`, nil},
		{`{"statis": "new", "total": {"$gt": "x"}, "note": {"$lik": "a"}}`, []string{
			`/f/statis unknown_field: Order has no field "statis" (did you mean "status"?)`,
			`/f/total/$gt format: must be a decimal number`,
			`/f/note/$lik unknown_operator: there is no operator "$lik" (did you mean "$like"?)`}},
		{`[1]`, []string{`/f wrong_type: a filter must be an object, not a list (write {"field": value} or {"field": {"$gte": value}})`}},
		{`{"status": "shipped"}`, []string{`/f/status not_in_enum: "shipped" is not one of "new", "paid"`}},
		{`{"status": ["new"]}`, []string{`/f/status wrong_type: a field is compared with one value, not a list (write {"$in": […]} for one of several values)`}},
		{`{"status": {}}`, []string{`/f/status wrong_type: there is nothing to compare the field with (write a value, or an operator such as {"$gte": value})`}},
		{`{"id": {"$like": "1%"}}`, []string{`/f/id/$like unknown_operator: $like can't be used on id, which is int (it takes $eq $ne $gt $gte $lt $lte $in $nin $exists $null $between)`}},
		{`{"status": {"$gt": "new"}}`, []string{`/f/status/$gt unknown_operator: $gt can't be used on status, which is enum("new", "paid") (it takes $eq $ne $in $nin $exists $null)`}},
		{`{"$gte": 5, "$nor": []}`, []string{
			`/f/$gte unknown_operator: $gte can't stand here; $and, $or and $not can (operators stand below a field: {"field": {"$gte": …}})`,
			`/f/$nor unknown_operator: $nor can't stand here; $and, $or and $not can (did you mean "$or"?)`}},
		{`{"total": {"$or": [1]}}`, []string{`/f/total/$or unknown_operator: there is no operator "$or" (it takes $eq $ne $gt $gte $lt $lte $in $nin $exists $null $between $not)`}},
		{`{"$or": {"status": "new"}, "$and": [], "$not": null}`, []string{
			`/f/$or wrong_type: $or takes a list of filters, at least one (write {"$or": [{…}, {…}]})`,
			`/f/$and wrong_type: $and takes a list of filters, at least one (write {"$and": [{…}, {…}]})`,
			`/f/$not wrong_type: a filter must be an object, not null (write {"field": value} or {"field": {"$gte": value}})`}},
		{`{"vat": 1}`, []string{`/f/vat not_filterable: Order.vat is computed when a row is read, so the database can't look for it (filter on the fields it is worked out from)`}},
		{`{"meta": {"a": 1}}`, []string{`/f/meta/a unknown_operator: there is no operator "a" (it takes $exists $null $not)`}},
		{`{"meta": 1, "parts": {"$contains": 1}}`, []string{
			`/f/meta not_filterable: meta is json: what is inside it can't be compared; $exists and $null can be asked`,
			`/f/parts/$contains not_filterable: parts is list(json): its items can't be compared`}},
		{`{"note.length": 1, "customer.e-mail": "x", "customer.": 1}`, []string{
			`/f/note.length unknown_field: Order.note is str, not a reference, so nothing can follow it`,
			`/f/customer.e-mail unknown_field: Customer has no field "e-mail" (did you mean "email"?)`,
			`/f/customer. unknown_field: Customer has no field "" (there are id, email, name)`}},
		{`{"id\"; drop table orders; --": 1, "a/b~c": 1}`, []string{
			`/f/id"; drop table orders; -- unknown_field: Order has no field "id\"; drop table orders; --" (there are id, status, total, note, at, meta, tags, parts, customer, parent)`,
			`/f/a~1b~0c unknown_field: Order has no field "a/b~c" (there are id, status, total, note, at, meta, tags, parts, customer, parent)`}},
		{`{"total": {"$gt": null, "$in": [1, null, "x"], "$between": [1]}}`, []string{
			`/f/total/$gt null: nothing is less than, greater than or one of a list with null (use {"$null": true})`,
			`/f/total/$in/1 null: nothing is less than, greater than or one of a list with null (use {"$null": true})`,
			`/f/total/$in/2 format: must be a decimal number`,
			`/f/total/$between wrong_type: $between takes a list of two values, not 1 (write {"$between": [low, high]})`}},
		{`{"note": {"$null": "yes", "$regex": "a(", "$like": "a\\", "$contains": 1}}`, []string{
			`/f/note/$null wrong_type: $null takes true or false, not a string`,
			"/f/note/$regex pattern: not a regular expression: missing closing ): `a(` (the syntax is RE2: https://github.com/google/re2/wiki/Syntax)",
			`/f/note/$like pattern: the pattern ends in a single \, which takes the meaning from a character that must follow it (write \\ for one)`,
			`/f/note/$contains wrong_type: $contains takes a string, not a number`}},
		{nested(MaxDepth), nil},
		{nested(MaxDepth + 1), []string{"/f" + strings.Repeat("/$not", MaxDepth+1) + " too_deep: a filter nests at most 32 deep"}},
		{`{"` + strings.Repeat("parent.", MaxHops+1) + `id": 1}`, []string{"/f/" + strings.Repeat("parent.", MaxHops+1) + "id too_deep: a path goes through at most 8 references"}},
		{`{"note": {"$like": "` + strings.Repeat("a", MaxPattern+1) + `"}}`, []string{"/f/note/$like too_long: a pattern has at most 1000 bytes"}},
		{`{"id": {"$in": [` + strings.Repeat("1,", MaxValues) + `1]}}`, []string{"/f/id/$in too_large: $in takes at most 1000 values"}},
		{`{"$or": [` + strings.Repeat(`{"id": {"$in": [`+strings.Repeat("1,", 999)+`1]}},`, 8) + `{"id": {"$in": [1]}}]}`,
			[]string{"/f/$or/8/id/$in too_large: the lists of a filter have at most 8000 values together"}},
		{`{"$or": [` + strings.Repeat(`{},`, MaxTerms) + `{}]}`, []string{"/f/$or/500 too_large: a filter has at most 500 comparisons"}},
		{`{"$or": [` + strings.Repeat(`{"$not": {}},`, MaxTerms+100) + `{}]}`, []string{"/f/$or/500/$not too_large: a filter has at most 500 comparisons"}},
		{`{"$or": [` + strings.Repeat(`{"id": 1},`, MaxTerms) + `{"id": 1}]}`, []string{"/f/$or/500/id too_large: a filter has at most 500 comparisons"}},
	} {
		_, problems := Parse(order(), value(t, test.filter), "/f")
		if diff := cmp.Diff(test.want, said(problems)); diff != "" {
			t.Errorf("%.200s (-want +got):\n%s", test.filter, diff)
		}
	}
}

func TestParseStatic(t *testing.T) {
	m := order()
	ref := dataflow.Ref{Root: dataflow.RootInput, Path: []dataflow.Step{{Name: "x"}}}
	template := &dataflow.Template{Parts: []any{"a", ref}}
	of := dataflow.ObjectOf
	for _, test := range []struct {
		filter any
		want   []string
	}{
		{ref, nil},
		{of("status", ref, "total", of("$gte", ref, "$in", []any{ref, int64(1)}), "note", of("$like", template), "meta", nil), nil},
		{of("$or", []any{ref, of("customer.email", template)}, "$not", ref, "$and", ref), nil},
		{of("statis", ref, "total", of("$in", []any{ref, "x"}), "id", of("$like", ref)), []string{
			`/statis unknown_field: Order has no field "statis" (did you mean "status"?)`,
			`/total/$in/1 format: must be a decimal number`,
			`/id/$like unknown_operator: $like can't be used on id, which is int (it takes $eq $ne $gt $gte $lt $lte $in $nin $exists $null $between)`}},
	} {
		if diff := cmp.Diff(test.want, said(ParseStatic(m, test.filter, ""))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if _, problems := Parse(m, of("status", ref), ""); len(problems) != 1 {
		t.Errorf("a reference is taken for a value: %v", problems)
	}
	if problems := ParseSortStatic(m, []any{ref, "-id"}, ""); problems != nil {
		t.Error(problems)
	}
	if problems := ParseFieldsStatic(m, ref, ""); problems != nil {
		t.Error(problems)
	}
}

func TestParseSort(t *testing.T) {
	m := order()
	for _, test := range []struct {
		sort any
		keys []Order
		want []string
	}{
		{nil, nil, nil},
		{"-at", []Order{{4, true}}, nil},
		{"status, -total", []Order{{1, false}, {2, true}}, nil},
		{[]any{"note", "-id"}, []Order{{3, false}, {0, true}}, nil},
		{[]any{"nota", "vat", "meta", int64(1), "id", "-id"}, []Order{{0, false}}, []string{
			`/sort/0 unknown_field: Order has no field "nota" (did you mean "note"?)`,
			`/sort/1 not_sortable: Order.vat is computed when a row is read, so the database can't sort by it (sort by the fields it is worked out from)`,
			`/sort/2 not_sortable: meta is json, which has no order`,
			`/sort/3 wrong_type: must be the name of a field, not a number`,
			`/sort/5 duplicate_key: the sort names id twice`}},
		{"customer.name,status.x", nil, []string{
			`/sort not_sortable: rows of Order are in the order of fields of their own; customer.name is behind a reference (sort what was read, or aggregate: groups can be in such an order)`,
			`/sort unknown_field: Order has no field "status.x" (did you mean "status"?)`}},
		{int64(1), nil, []string{`/sort wrong_type: a sort must be a name or a list of names, not a number`}},
		{"", nil, []string{`/sort unknown_field: Order has no field "" (there are id, status, total, note, at, meta, tags, parts, customer, parent)`}},
	} {
		keys, problems := Sight{}.Sort(m, test.sort, "/sort")
		if diff := cmp.Diff(test.want, said(problems)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.sort, diff)
		}
		if diff := cmp.Diff(test.keys, keys); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.sort, diff)
		}
	}
}

func TestParseFields(t *testing.T) {
	m := order()
	fields, problems := ParseFields(m, "note,id,vat,note", "/fields")
	if diff := cmp.Diff([]int{3, 0, len(m.Fields)}, fields); diff != "" || problems != nil {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	if fields, problems := ParseFields(m, nil, ""); fields != nil || problems != nil {
		t.Errorf("%v %v", fields, problems)
	}
	_, problems = ParseFields(m, []any{"van"}, "/fields")
	if diff := cmp.Diff([]string{`/fields/0 unknown_field: Order has no field "van" (did you mean "vat"?)`}, said(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestLikeMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"%", "", true}, {"%%", "abc", true}, {"_", "", false}, {"_", "é", true}, {"__", "é", false},
		{"a%c", "abc", true}, {"a%c", "abcd", false}, {"%b%", "abc", true}, {"%aab", "aaaab", true}, {`\%`, "%", true}, {`\%`, "a", false},
		{`\\`, `\`, true}, {`\a`, "a", true}, {"A", "a", false}, {"%😀", "x😀", true}, {"a%_b", "ab", false}, {"a%_b", "axb", true},
	} {
		if got := LikeMatch(test.pattern, test.s); got != test.want {
			t.Errorf("LikeMatch(%q, %q) is %v", test.pattern, test.s, got)
		}
	}
	// A pattern made to be slow is not.
	if LikeMatch(strings.Repeat("%a", 400)+"b", strings.Repeat("a", 100_000)) {
		t.Error("there is no b")
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, test := range []struct{ prefix, end string }{
		{"a", "b"}, {"az", "a{"}, {"é", "ê"}, {"\x7f", "\u0080"}, {"\uD7FF", "\uE000"}, {"a\U0010FFFF", "b"}, {"\U0010FFFF", ""}, {"", ""},
	} {
		if end, ok := PrefixEnd(test.prefix); end != test.end || ok != (test.end != "") {
			t.Errorf("PrefixEnd(%q) is %q, %v", test.prefix, end, ok)
		}
	}
}

// plain is a dialect for looking at the SQL of tests.
type plain struct{}

func (plain) Placeholder(dst []byte, n int) []byte { return fmt.Appendf(dst, "$%d", n) }

func (plain) Encode(_ *dataflow.Type, v any) any { return v }

func (plain) Text(b *Builder, column string, op Op, arg string) {
	b.Raw(op.String() + "(").Ident(column).Raw(", ").Arg(arg).Raw(")")
}

func (plain) Search(b *Builder, s *Search) { b.Raw("search(").Arg(s.Text).Raw(")") }

func (plain) Figure(b *Builder, f Func, column string, _ *dataflow.Type, shift int) {
	b.Raw(f.String()[1:] + "(").Ident(column).Raw(fmt.Sprintf(", %d)", shift))
}

func (plain) Element(b *Builder, column string, _ *dataflow.Type, v any) {
	b.Raw("element(").Ident(column).Raw(", ").Arg(v).Raw(")")
}

func TestSQL(t *testing.T) {
	m := order()
	for _, test := range []struct{ filter, want string }{
		{`{}`, ``},
		{`{"id": 1, "note": null}`, ` WHERE ("id" = $1 AND "note" IS NULL)`},
		{`{"$not": {"note": "x"}}`, ` WHERE ("note" = $1) IS NOT TRUE`},
		{`{"id": {"$in": [1, 2, 3]}}`, ` WHERE "id" IN ($1, $2, $3, $4)`},
		{`{"id": {"$in": []}}`, ` WHERE 1 = 0`},
		{`{"parent.customer.name": null}`, ` WHERE ("parent" IN (SELECT "id" FROM "orders" WHERE "customer" IN (SELECT "id" FROM "customers" WHERE "name" IS NOT NULL))) IS NOT TRUE`},
		{`{"customer.email": {"$ne": "x"}, "$or": [{"id": 1}, {"tags": {"$contains": "y"}}]}`,
			` WHERE ("customer" IN (SELECT "id" FROM "customers" WHERE "email" <> $1) AND ("id" = $2 OR element("tags", $3)))`},
	} {
		e, problems := Parse(m, value(t, test.filter), "")
		if problems != nil {
			t.Fatal(problems)
		}
		b := Builder{Dialect: plain{}}
		if b.Where(e); string(b.SQL) != test.want {
			t.Errorf("%s:\n got%s\nwant%s", test.filter, b.SQL, test.want)
		}
	}
}

func TestTailSQL(t *testing.T) {
	m := order()
	for _, test := range []struct {
		q    Select
		want string
		args []any
	}{
		{Select{Model: m}, ``, nil},
		{Select{Model: m, Limit: 5}, ` ORDER BY "id" LIMIT $1`, []any{int64(5)}},
		{Select{Model: m, Offset: 5}, ` ORDER BY "id" LIMIT $1 OFFSET $2`, []any{int64(1<<63 - 1), int64(5)}},
		{Select{Model: m, Order: []Order{{3, true}, {1, false}}, After: []any{"x", "new", int64(7)}},
			` WHERE ("note" <= $1 AND ("note" < $2 OR ("note" = $3 AND ("status" >= $4 AND ("status" > $5 OR ("status" = $6 AND "id" > $7))))))` +
				` ORDER BY "note" DESC NULLS FIRST, "status", "id"`, []any{"x", "x", "x", "new", "new", "new", int64(7)}},
		{Select{Model: m, Order: []Order{{3, false}}, After: []any{nil, int64(7)}},
			` WHERE ((1 = 0 OR ("note" IS NULL AND "id" > $1))) ORDER BY "note" NULLS LAST, "id"`, []any{int64(7)}},
	} {
		b := Builder{Dialect: plain{}}
		b.Tail(&test.q)
		if diff := cmp.Diff([]any{test.want, test.args}, []any{string(b.SQL), b.Args}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestAggregateSQL(t *testing.T) {
	m := order()
	for _, test := range []struct{ args, want string }{
		{`{"aggregates": {"n": {"$count": true}}}`, `SELECT "n" FROM (SELECT count(*) AS "n" FROM "orders" AS "_t") AS "_g"`},
		{`{"filter": {"id": {"$gt": 1}}, "group_by": ["status", "parent.customer.name"], "aggregates": {"n": {"$count": "note"}, "last": {"$max": "id"}, "mean": {"$avg": "id"}},
			"having": {"n": {"$gt": 2}}, "sort": "-last"}`,
			`SELECT "status", "parent.customer.name", "n", "last", "mean" FROM (SELECT "_t"."status" AS "status", ` +
				`(SELECT "_h2"."name" FROM "customers" AS "_h2" WHERE "_h2"."id" = (SELECT "_h1"."customer" FROM "orders" AS "_h1" WHERE "_h1"."id" = "_t"."parent")) AS "parent.customer.name", ` +
				`count("note") AS "n", max("id", 0) AS "last", avg("id", 6) AS "mean" FROM "orders" AS "_t" WHERE "id" > $1 GROUP BY 1, 2) AS "_g" ` +
				`WHERE "n" > $2 ORDER BY "last" DESC NULLS FIRST, "status", "parent.customer.name" NULLS LAST`},
	} {
		q, problems := Sight{}.Aggregate(m, value(t, test.args).(*dataflow.Object))
		if problems != nil {
			t.Fatal(problems)
		}
		b := Builder{Dialect: plain{}}
		if b.Aggregate(q); string(b.SQL) != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.args, b.SQL, test.want)
		}
	}
}

// FuzzParse checks that whatever a caller sends is refused or has a meaning,
// and that none of its text gets into SQL.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"status":"new"}`, `{"$or":[{"note":{"$like":"a%"}},{"total":{"$between":[1,2]}}]}`, `{"customer.email":{"$not":{"$in":["a"]}}}`,
		`{"id\" = 1 --":1}`, `{"tags":{"$contains":"x"},"$not":{"at":{"$gt":"2024-01-01T00:00:00Z"}}}`} {
		f.Add(seed)
	}
	m := order()
	f.Fuzz(func(t *testing.T, text string) {
		v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
		if len(problems) > 0 {
			return
		}
		e, problems := Parse(m, v, "")
		if len(problems) > 0 {
			return
		}
		Match(e, func(Path) any { return nil })
		b := Builder{Dialect: plain{}}
		b.Where(e)
		for i, c := range b.SQL {
			if c == '\'' || c == ';' || c >= 0x80 {
				t.Fatalf("byte %d of %s", i, b.SQL)
			}
		}
	})
}

// However much is asked for, no more of it is looked at than there may be.
func TestWhatIsTooMuchIsNotLookedAt(t *testing.T) {
	const n = 50_000
	many := func(item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	m := order()
	for _, tt := range []struct{ args, want string }{
		{`{"aggregates": {` + many(func(i int) string { return fmt.Sprintf(`"a%d": {"$count": true}`, i) }) + `}}`,
			"/aggregates too_large: there are at most 32 aggregates"},
		{`{"group_by": ["id", "status", "total", "note", "at", "customer", "parent", "customer.name", "customer.email"]}`,
			"/group_by too_large: groups have at most 8 keys"},
		{`{"group_by": [` + many(func(i int) string { return fmt.Sprintf(`"x%d"`, i) }) + `]}`, `/group_by/0 unknown_field: Order has no field "x0"`},
		{`{"aggregates": {` + many(func(i int) string { return fmt.Sprintf(`"a%d": {"$sun": "id"}`, i) }) + `}}`,
			`/aggregates/a0/$sun unknown_operator: there is no function "$sun" (did you mean "$sum"?)`},
		{`{"filter": {"id": {` + many(func(i int) string { return fmt.Sprintf(`"$x%d": 1`, i) }) + `}}, "group_by": "id"}`,
			`/filter/id/$x0 unknown_operator: there is no operator "$x0"`},
	} {
		q, problems := Sight{}.Aggregate(m, value(t, tt.args).(*dataflow.Object))
		got := said(problems)
		if len(got) == 0 || len(got) > maxProblems || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%.60s: %d problems, want first %s: %.200s", tt.args, len(got), tt.want, strings.Join(got, "\n"))
		}
		if len(q.Figures) > MaxFigures || len(q.By) > MaxGroupKeys {
			t.Errorf("%.60s: %d figures, %d keys", tt.args, len(q.Figures), len(q.By))
		}
	}
}
