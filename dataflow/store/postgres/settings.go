package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// setting is one of the server that a role, a database or the server's file may
// have otherwise, and on which it depends what answers and the catalog say.
type setting struct {
	name, value string
	// pooled says that poolers let it be told. They refuse others.
	pooled bool
	// needed says that with another value something would go wrong.
	needed bool
}

// settings are told to the server with each connection.
var settings = []setting{
	{name: "datestyle", value: "ISO, MDY", pooled: true},
	{name: "standard_conforming_strings", value: "on", pooled: true},
	{name: "intervalstyle", value: "postgres"},
	{name: "bytea_output", value: "hex"},
	{name: "extra_float_digits", value: "1"}, // as many as there are
	{name: "default_transaction_isolation", value: "read committed"},
	{name: "default_transaction_deferrable", value: "off"},
	{name: "quote_all_identifiers", value: "off", needed: true}, // else no type is found by its name
	{name: "array_nulls", value: "on", needed: true},            // else a null in a list is a text
	{name: "transform_null_equals", value: "off", needed: true}, // else = null finds rows
}

// tell adds the settings to what a connection begins with. problem says which of
// them the URL has otherwise, or "".
func tell(params map[string]string, pooler bool) (problem string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if slices.ContainsFunc(settings, func(s setting) bool { return strings.EqualFold(s.name, name) }) {
			return "the URL sets " + name + ", which the runtime sets itself so that every server answers alike"
		}
	}
	for _, s := range settings {
		if s.pooled || !pooler {
			params[s.name] = s.value
		}
	}
	return ""
}

// mistaken says which setting has a value with which something would go wrong:
// one that could not be told, because a pooler is in between.
func mistaken(ctx context.Context, db *dataflow.Database, name string, c *conn) *dataflow.Diagnostic {
	needed := map[string]string{}
	for _, s := range settings {
		if s.needed {
			needed[s.name] = s.value
		}
	}
	var d *dataflow.Diagnostic
	err := c.query(ctx, "SELECT name, setting FROM pg_settings WHERE name IN ('"+strings.Join(slices.Sorted(maps.Keys(needed)), "', '")+"') ORDER BY name", nil, func(r [][]byte) {
		if set, has := string(r[0]), string(r[1]); d == nil && has != needed[set] {
			d = &dataflow.Diagnostic{Code: "FC602", Span: db.URLSpan(),
				Message: fmt.Sprintf("the database %s has %s = %s, with which it does not answer as others do, and poolers let nobody set it", name, set, has),
				Hint:    fmt.Sprintf("ALTER ROLE … SET %s = %s, or ALTER DATABASE, and have the pooler connect again", set, needed[set])}
		}
	})
	if err != nil {
		failed := openFailure(db, name, err)
		return &failed
	}
	return d
}
