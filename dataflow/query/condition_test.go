package query

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/google/go-cmp/cmp"
)

// sqlLiteral writes values as an engine might.
func sqlLiteral(_ *dataflow.Type, v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return fmt.Sprintf("'%v'", v)
}

func TestConditionsHaveNoNot(t *testing.T) {
	for filter, want := range map[string]string{
		`{"status": "new"}`:                                               `"status" = 'new'`,
		`{"note": "it's"}`:                                                `"note" = 'it''s'`,
		`{"note": null}`:                                                  `"note" IS NULL`,
		`{"note": {"$exists": true}}`:                                     `"note" IS NOT NULL`,
		`{"note": {"$ne": "x"}}`:                                          `"note" <> 'x'`,
		`{"note": {"$not": {"$eq": "x"}}}`:                                `"note" <> 'x' OR "note" IS NULL`,
		`{"$not": {"status": "new"}}`:                                     `"status" <> 'new'`,
		`{"status": {"$in": ["paid", "new", "paid"]}}`:                    `"status" IN ('new', 'paid')`,
		`{"status": {"$in": ["paid"]}}`:                                   `"status" = 'paid'`,
		`{"status": {"$nin": ["paid"]}}`:                                  `"status" <> 'paid'`,
		`{"id": {"$between": [1, 5]}, "note": null}`:                      `"id" >= 1 AND "id" <= 5 AND "note" IS NULL`,
		`{"$not": {"id": {"$between": [1, 5]}}}`:                          `"id" < 1 OR "id" > 5`,
		`{"$or": [{"id": 1, "note": "a"}, {"$not": {"note": null}}]}`:     `("id" = 1 AND "note" = 'a') OR "note" IS NOT NULL`,
		`{"$not": {"$or": [{"id": {"$gt": 1}}, {"note": {"$gt": "a"}}]}}`: `"id" <= 1 AND ("note" <= 'a' OR "note" IS NULL)`,
	} {
		e, problems := ParseIndex(order(), value(t, filter), "")
		if len(problems) > 0 {
			t.Fatal(filter, said(problems))
		}
		c := NewCondition(e, sqlLiteral)
		if got := c.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", filter, got, want)
		}
		back, ok := ReadCondition(c.String(), func(_, raw string) (string, bool) { return readLiteral(raw), true })
		if !ok || !back.Equal(c) {
			t.Errorf("%s was read as %v", c, back)
		}
	}
}

// readLiteral writes numbers plain and everything else quoted.
func readLiteral(raw string) string {
	if _, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return raw
	}
	return sqlLiteral(nil, raw)
}

func TestReadCondition(t *testing.T) {
	for sql, want := range map[string]string{
		`(status = 'open'::text)`:                                                              `"status" = 'open'`,
		`((status)::text = 'open'::text)`:                                                      `"status" = 'open'`,
		`((n > '-5'::bigint) AND (deleted_at IS NULL))`:                                        `"n" > -5 AND "deleted_at" IS NULL`,
		`(status = ANY (ARRAY['b'::text, 'a'::text]))`:                                         `"status" IN ('a', 'b')`,
		`((s)::text <> ALL ((ARRAY['a'::character varying, 'b'::character varying])::text[]))`: `"s" NOT IN ('a', 'b')`,
		`((a = 1) OR ((b = 2) AND ("C" IS NOT NULL)))`:                                         `"a" = 1 OR ("b" = 2 AND "C" IS NOT NULL)`,
		`(at > '2026-01-31 09:30:00+00'::timestamp with time zone)`:                            `"at" > '2026-01-31 09:30:00+00'`,
		`s = E'a\\b''c\'d'`:                                                                    `"s" = 'a\b''c''d'`,
		`"a ""b" = 'x AND y'`:                                                                  `"a ""b" = 'x AND y'`,
		`a != 3 and not_b is null`:                                                             `"a" <> 3 AND "not_b" IS NULL`,
		`lower(a) = 'x'`:                                                                       "",
		`NOT (a = 1)`:                                                                          "",
		`a = b`:                                                                                "",
		`a = 1 +`:                                                                              "",
		`(a = 1`:                                                                               "",
		`a IN ()`:                                                                              "",
		`a = 'x`:                                                                               "",
		``:                                                                                     "",
	} {
		got := ""
		if c, ok := ReadCondition(sql, func(_, raw string) (string, bool) { return readLiteral(raw), true }); ok {
			got = c.String()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestIndexWhere(t *testing.T) {
	for sql, want := range map[string]string{
		`CREATE INDEX "where" ON "t where" ("where") WHERE a = 1`: ` a = 1`,
		`create unique index i on t (a) where b is null`:          ` b is null`,
		`CREATE INDEX i ON t (a)`:                                 "",
	} {
		if got, _ := IndexWhere(sql); got != want {
			t.Errorf("%s: %q", sql, got)
		}
	}
}

func FuzzReadCondition(f *testing.F) {
	f.Add(`((a = 1) OR ((b = ANY (ARRAY['x'::text])) AND (c IS NOT NULL)))`)
	f.Add(`E'\' ::::[`)
	f.Fuzz(func(t *testing.T, sql string) {
		literal := func(_, raw string) (string, bool) { return readLiteral(raw), true }
		c, ok := ReadCondition(sql, literal)
		if !ok {
			return
		}
		if back, ok := ReadCondition(c.String(), literal); !ok || !back.Equal(c) {
			t.Fatalf("%q is %s, which is read as %v", sql, c, back)
		}
	})
}

func TestParseIndexRefuses(t *testing.T) {
	run := dataflow.Ref{}
	for _, c := range []struct {
		where *dataflow.Object
		want  string
	}{
		{dataflow.ObjectOf("customer.email", "a"), "/customer.email not_filterable: an index is over a table by itself, so its condition can't follow a reference (keep what it depends on in a field of Order)"},
		{dataflow.ObjectOf("note", dataflow.ObjectOf("$contains", "a")), "/note/$contains not_filterable: $contains of note can't be the condition of an index (it takes $eq $ne $gt $gte $lt $lte $in $nin $between $null $exists, of anything but bytes)"},
		{dataflow.ObjectOf("note", run), "/note not_filterable: the condition of an index is the same for every run, so it compares with constants only (write the value itself)"},
		{dataflow.ObjectOf("note", dataflow.ObjectOf("$in", []any{"a", run})), "/note/$in not_filterable: the condition of an index is the same for every run, so it compares with constants only (write the value itself)"},
		{dataflow.ObjectOf("note", dataflow.ObjectOf("$in", []any{})), "/note/$in too_small: $in of an index needs a value (name the values)"},
		{dataflow.ObjectOf("statu", "new"), `/statu unknown_field: Order has no field "statu" (did you mean "status"?)`},
		{dataflow.ObjectOf("status", "gone"), `/status not_in_enum: "gone" is not one of "new", "paid"`},
		{dataflow.NewObject(), " required: the condition takes every row (leave where out for an index over all rows)"},
		{dataflow.ObjectOf("vat", int64(1)), "/vat not_filterable: Order.vat is computed when a row is read, so the database can't look for it (filter on the fields it is worked out from)"},
	} {
		_, problems := ParseIndex(order(), c.where, "")
		if diff := cmp.Diff([]string{c.want}, said(problems)); diff != "" {
			t.Error(diff)
		}
	}
}

// What is left of a condition holds for the rows that the whole holds for.
func TestConditionWithout(t *testing.T) {
	e, problems := ParseIndex(order(), value(t, `{"$or": [{"status": "new", "note": "a"}, {"id": {"$gt": 9}}]}`), "")
	if len(problems) > 0 {
		t.Fatal(said(problems))
	}
	c := NewCondition(e, sqlLiteral)
	for _, test := range []struct {
		same map[string]any
		want string
	}{
		{nil, `("status" = 'new' AND "note" = 'a') OR "id" > 9`},
		{map[string]any{"status": "new"}, `"note" = 'a' OR "id" > 9`},
		{map[string]any{"status": "paid"}, `"id" > 9`},
		{map[string]any{"note": nil}, `"id" > 9`},
		{map[string]any{"id": int64(10)}, "always"},
		{map[string]any{"id": int64(9), "note": "b"}, "never"},
	} {
		rest, always := c.Without(func(column string) (any, bool) {
			v, same := test.same[column]
			return v, same
		})
		got := map[bool]string{true: "always", false: "never"}[always]
		if rest != nil {
			got = rest.String()
		}
		if got != test.want {
			t.Errorf("%v: %s, want %s", test.same, got, test.want)
		}
	}
}
