package nodes

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// sqlQuery runs SQL that the app writes itself.
type sqlQuery struct {
	spec *dataflow.NodeSpec
	kept sync.Map // *rawsql.Statement by what it is made of
	many chan struct{}
}

// Bounds of a statement. A handler may make new ones as it runs; only so many
// are kept.
const (
	defaultRows  = 1000
	maxRows      = 100_000
	maxKept      = 1000
	statementFor = 30 * time.Second
)

func newSQLQuery() *sqlQuery {
	object := &dataflow.Type{Kind: dataflow.KindObject}
	return &sqlQuery{many: make(chan struct{}, maxKept), spec: &dataflow.NodeSpec{
		Name: "SQLQueryNode",
		Doc: "Runs one statement of SQL, in the transaction of the run. Values are parameters and never become part of the text: `:name`, with `params` a dict; or `$1`, or `?` for the next, with `params` a list. " +
			"`IN (:ids)` takes a list. The database lets it write only with `write = True`, which then belongs to the run like all that it writes. " +
			"The text is one literal; the database looks at it when the app is opened. " +
			"SQL knows nothing of the models' rules: it sees the rows of all tenants and those deleted softly, and what it writes is not validated, versioned, audited or stamped with `updated_at`. " +
			"SQLite keeps a decimal as a whole number of its smallest unit, a bool as 0 or 1, and times and JSON as text: columns of a table come back as what the model says, of others `columns` says what they are, and where a statement is about a decimal, `types` says of a parameter that is a number what it counts.",
		Params: []*dataflow.Field{
			{Name: "sql", Type: dataflow.String, Doc: "one statement"},
			{Name: "params", Type: dataflow.Any, Optional: true, Doc: "its values: a dict by name, or a list"},
			{Name: "types", Type: object, Optional: true, Doc: "the types of parameters by name, as `{\"min\": \"decimal(12, 2)\"}`; a decimal that is no reference to one needs it"},
			{Name: "columns", Type: object, Optional: true, Doc: "the types of columns of the result by name, as `{\"revenue\": \"decimal(12, 2)\"}`; where it is given, it names all that references use"},
			{Name: "write", Type: dataflow.Bool, Default: false, HasDefault: true, Doc: "it may change rows"},
			{Name: "max_rows", Type: dataflow.Int, Default: int64(defaultRows), HasDefault: true, Ge: int64(1), Le: int64(maxRows), Doc: "more than these fail the node"},
			{Name: "database", Type: dataflow.String, Optional: true, Doc: "the name of the database, where the app has several"},
		},
		Effect: dataflow.EffectWrite,
		EffectOf: func(config *dataflow.Object) dataflow.Effect {
			write, given := config.Get("write")
			if !config.Has("sql") || given && write != false { // not all of it is known
				return dataflow.EffectWrite
			}
			return dataflow.EffectRead
		},
		Output:   answerType(nil),
		OutputOf: func(config *dataflow.Object) *dataflow.Type { return answerType(config) },
	}}
}

// answerType is the type of the result, as far as the config says.
func answerType(config *dataflow.Object) *dataflow.Type {
	row := dataflow.Any
	if config != nil {
		v, _ := config.Get("columns")
		if o, ok := v.(*dataflow.Object); ok && o != nil && o.Len() > 0 {
			var fields []*dataflow.Field
			for name, v := range o.All {
				t, _ := typeNamed(v)
				if t == nil {
					t = dataflow.Any
				}
				fields = append(fields, &dataflow.Field{Name: name, Type: t, Optional: true})
			}
			row = dataflow.ObjectType(fields...)
		}
	}
	return dataflow.ObjectType(
		&dataflow.Field{Name: "rows", Type: dataflow.ListOf(row)},
		&dataflow.Field{Name: "row", Type: row, Optional: true, Doc: "the first; null if there is none"},
		&dataflow.Field{Name: "count", Type: dataflow.Int, Doc: "rows in the result"},
		&dataflow.Field{Name: "affected", Type: dataflow.Int, Doc: "rows that were written"},
	)
}

// plainTypes are the types that a parameter or column can be said to be.
var plainTypes = map[string]*dataflow.Type{
	"str": dataflow.String, "int": dataflow.Int, "float": dataflow.Float, "bool": dataflow.Bool, "datetime": dataflow.DateTime, "json": dataflow.JSON,
	"date": {Kind: dataflow.KindDate}, "time": {Kind: dataflow.KindTime}, "uuid": {Kind: dataflow.KindUUID}, "bytes": {Kind: dataflow.KindBytes},
}

var decimalName = lazyregexp.New(`^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$`)

// typeNamed reads the name of a type.
func typeNamed(v any) (*dataflow.Type, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("a type is written as text here")
	}
	if t := plainTypes[s]; t != nil {
		return t, nil
	}
	if m := decimalName.FindStringSubmatch(s); m != nil {
		precision, _ := strconv.Atoi(m[1])
		scale, _ := strconv.Atoi(m[2])
		if precision >= 1 && precision <= dataflow.MaxDecimalDigits && scale <= precision {
			return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: precision, Scale: scale}, nil
		}
	}
	return nil, fmt.Errorf("%q is no type of a value", s)
}

const typeHint = `there are "str", "int", "float", "bool", "decimal(12, 2)", "datetime", "date", "time", "uuid", "json" and "bytes"`

// Spec implements engine.NodeType.
func (t *sqlQuery) Spec() *dataflow.NodeSpec { return t.spec }

// Params implements engine.Asker.
func (t *sqlQuery) Params() string { return "params" }

// Statement implements engine.Asker.
func (t *sqlQuery) Statement(config *dataflow.Object) (*rawsql.Statement, string) {
	database, _ := stringOf(config, "database")
	if _, ok := stringOf(config, "sql"); !ok {
		return nil, database
	}
	s, err := t.statement(config)
	if err != nil {
		return nil, database
	}
	return s, database
}

// statement reads the statement of a config, once for each.
func (t *sqlQuery) statement(config *dataflow.Object) (*rawsql.Statement, error) {
	key := signature(config)
	if s, ok := t.kept.Load(key); ok {
		return s.(*rawsql.Statement), nil
	}
	s, _, flaw := read(config)
	if flaw != nil {
		return nil, flaw
	}
	select {
	case t.many <- struct{}{}:
		kept, _ := t.kept.LoadOrStore(key, s)
		return kept.(*rawsql.Statement), nil
	default:
		return s, nil
	}
}

// signature tells the statements of configs apart.
func signature(config *dataflow.Object) string {
	var b []byte
	for _, name := range []string{"sql", "types", "columns"} {
		v, _ := config.Get(name)
		b = append(codec.AppendValue(b, v), 0)
	}
	write, most := options(config)
	b = strconv.AppendInt(strconv.AppendBool(b, write), int64(most), 10)
	params, _ := config.Get("params")
	_, byPlace := params.([]any)
	return string(strconv.AppendBool(b, byPlace))
}

// options reads write and max_rows.
func options(config *dataflow.Object) (write bool, most int) {
	v, _ := config.Get("write")
	most = defaultRows
	if n, ok := config.Get("max_rows"); ok {
		if n, ok := n.(int64); ok {
			most = int(n)
		}
	}
	return v == true, most
}

// read makes a statement of a config. at is the place of the flaw in it.
func read(config *dataflow.Object) (s *rawsql.Statement, at string, flaw *rawsql.Flaw) {
	text, _ := stringOf(config, "sql")
	params, _ := config.Get("params")
	_, byPlace := params.([]any)
	if s, flaw = rawsql.Parse(text, byPlace); flaw != nil {
		return nil, "/sql", flaw
	}
	s.Write, s.MaxRows = options(config)
	switch {
	case s.Writes() && !s.Write:
		return nil, "/sql", &rawsql.Flaw{Offset: -1, Message: "the statement writes", Hint: "say so: write = True"}
	case s.Write && s.OfRuntime() != "":
		return nil, "/sql", &rawsql.Flaw{Offset: -1, Message: s.OfRuntime() + " is kept by the runtime"}
	}
	types, _ := config.Get("types")
	if o, ok := types.(*dataflow.Object); ok && o != nil {
		for name, v := range o.All {
			i := slices.IndexFunc(s.Params, func(p *rawsql.Param) bool { return p.Name == name })
			if i < 0 {
				return nil, "/types/" + name, &rawsql.Flaw{Offset: -1, Message: fmt.Sprintf("types names %q, which is no parameter of the statement", name), Hint: dataflow.NearOrAll(name, paramNames(s))}
			}
			t, err := typeNamed(v)
			if err != nil {
				return nil, "/types/" + name, &rawsql.Flaw{Offset: -1, Message: "types: " + name + ": " + err.Error(), Hint: typeHint}
			}
			s.Params[i].Type = t
		}
	}
	columns, _ := config.Get("columns")
	if o, ok := columns.(*dataflow.Object); ok && o != nil {
		for name, v := range o.All {
			t, err := typeNamed(v)
			if err != nil {
				return nil, "/columns/" + name, &rawsql.Flaw{Offset: -1, Message: "columns: " + name + ": " + err.Error(), Hint: typeHint}
			}
			s.Columns = append(s.Columns, rawsql.Column{Name: name, Type: t})
		}
	}
	return s, "", nil
}

func paramNames(s *rawsql.Statement) []string {
	names := make([]string, len(s.Params))
	for i, p := range s.Params {
		names[i] = p.Name
	}
	return names
}

// Check implements engine.Checker.
func (t *sqlQuery) Check(app *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	switch v, _ := node.Config.Get("sql"); v.(type) {
	case nil:
		return nil // the engine says so
	case string:
	default:
		return []dataflow.Diagnostic{problem("FC358", node, "/sql", "a value of the run can't become part of the SQL",
			`bind it: {"sql": "… WHERE email = :email", "params": {"email": "${input.email}"}}`)}
	}
	for _, name := range []string{"types", "columns", "write", "max_rows", "database"} {
		if v, ok := node.Config.Get(name); ok && !known(v) {
			return []dataflow.Diagnostic{problem("FC358", node, "/"+name, name+" must be known when the file is loaded", "write it out")}
		}
	}
	s, at, flaw := read(node.Config)
	if flaw != nil {
		d := problem("FC358", node, at, flaw.Message, flaw.Hint)
		if flaw.Offset >= 0 {
			text, _ := stringOf(node.Config, "sql")
			d.Span = d.Span.Within(text, flaw.Offset)
		}
		return []dataflow.Diagnostic{d}
	}
	return append(checkDatabase(app, node), t.checkParams(node, s)...)
}

// known reports whether nothing of a value is left to the run.
func known(v any) bool {
	if o, ok := v.(*dataflow.Object); ok && o != nil {
		for _, item := range o.All {
			if !fixed(item) {
				return false
			}
		}
	}
	return fixed(v)
}

func checkDatabase(app *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	name, given := stringOf(node.Config, "database")
	var names []string
	for _, db := range app.Databases {
		names = append(names, db.Name)
	}
	switch {
	case len(names) == 0:
		return []dataflow.Diagnostic{problem("FC358", node, "", "the app has no database", `declare one: db = DataFlow(database_url = "sqlite:app.db")`)}
	case given && !slices.Contains(names, name):
		return []dataflow.Diagnostic{problem("FC358", node, "/database", fmt.Sprintf("there is no database %q", name), "it is called "+strings.Join(names, " or "))}
	case !given && len(names) > 1:
		return []dataflow.Diagnostic{problem("FC358", node, "", "the app has several databases", fmt.Sprintf(`name one: "database": %q`, names[0]))}
	}
	return nil
}

// checkParams compares the parameters of the text with those that are given.
func (t *sqlQuery) checkParams(node *dataflow.Node, s *rawsql.Statement) []dataflow.Diagnostic {
	v, given := node.Config.Get("params")
	text, _ := stringOf(node.Config, "sql")
	at := node.Spans.At("/config/sql")
	var ds []dataflow.Diagnostic
	switch v := v.(type) {
	case []any:
		if len(v) != len(s.Params) {
			ds = append(ds, problem("FC358", node, "/params", fmt.Sprintf("the statement has %d parameters, and params %d values", len(s.Params), len(v)), ""))
		}
	case *dataflow.Object, nil:
		if v == nil && given {
			v = dataflow.NewObject()
		}
		o, _ := v.(*dataflow.Object)
		if o == nil {
			o = dataflow.NewObject()
		}
		for _, p := range s.Params {
			if !o.Has(p.Name) {
				d := problem("FC358", node, "/sql", fmt.Sprintf("params has no value for :%s", p.Name), fmt.Sprintf(`add it: "params": {%q: …}`, p.Name))
				d.Span = at.Within(text, p.At)
				ds = append(ds, d)
			}
		}
		for name := range o.All {
			if !slices.Contains(paramNames(s), name) {
				ds = append(ds, problem("FC358", node, "/params/"+name, fmt.Sprintf("the statement has no :%s", name), dataflow.NearOrAll(name, paramNames(s))))
			}
		}
	default:
		if fixed(v) {
			ds = append(ds, problem("FC358", node, "/params", "params is a dict or a list", `write "params": {"name": …}`))
		}
	}
	return ds
}

// Run implements engine.NodeType.
func (t *sqlQuery) Run(ctx context.Context, call *engine.Call) (any, error) {
	s, err := t.statement(call.Config)
	if err != nil {
		flaw := err.(*rawsql.Flaw)
		return nil, &dataflow.Error{Code: "statement", Status: dataflow.StatusInternal, Message: "the statement can't be run: " + flaw.Message, Hint: flaw.Hint}
	}
	args, err := arguments(call.Config, s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, statementFor, &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout,
		Message: fmt.Sprintf("the statement took longer than %s", statementFor)})
	defer cancel()
	database, _ := stringOf(call.Config, "database")
	a, err := call.Runtime.Query(ctx, database, s, args)
	if err != nil {
		return nil, err
	}
	rows := make([]any, len(a.Rows))
	for i, row := range a.Rows {
		rows[i] = row
	}
	var first any
	if len(rows) > 0 {
		first = rows[0]
	}
	return dataflow.ObjectOf("rows", rows, "row", first, "count", int64(len(rows)), "affected", a.Affected), nil
}

// arguments brings the values into the order of the statement's parameters,
// and into their types.
func arguments(config *dataflow.Object, s *rawsql.Statement) ([]any, error) {
	v, _ := config.Get("params")
	given, _ := v.(*dataflow.Object)
	list, byPlace := v.([]any)
	if v != nil && given == nil && !byPlace {
		return nil, invalid("/params", "wants a dict or a list")
	}
	if byPlace && len(list) != len(s.Params) {
		return nil, invalid("/params", fmt.Sprintf("wants %d values, one for each parameter of the statement", len(s.Params)))
	}
	var problems []dataflow.Problem
	args := make([]any, len(s.Params))
	for i, p := range s.Params {
		pointer := "/params/" + p.Name
		switch {
		case byPlace:
			args[i] = list[i]
			pointer = "/params/" + strconv.Itoa(i)
		case given == nil || !given.Has(p.Name):
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: pointer, Detail: "the statement needs a value for :" + p.Name})
			continue
		default:
			args[i], _ = given.Get(p.Name)
		}
		var ps []dataflow.Problem
		args[i], ps = argument(p, args[i], pointer)
		problems = append(problems, ps...)
	}
	if given != nil {
		for name := range given.All {
			if !slices.Contains(paramNames(s), name) {
				problems = append(problems, dataflow.Problem{Code: "unknown_parameter", Pointer: "/params/" + name,
					Detail: "the statement has no :" + name, Hint: dataflow.NearOrAll(name, paramNames(s))})
			}
		}
	}
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	return args, nil
}

// argument brings one value into the type of its parameter.
func argument(p *rawsql.Param, v any, pointer string) (any, []dataflow.Problem) {
	if !p.List {
		return single(p, v, pointer)
	}
	items, ok := v.([]any)
	if !ok {
		return nil, []dataflow.Problem{{Code: "wrong_type", Pointer: pointer, Detail: "IN (:" + p.Name + ") takes a list"}}
	}
	out := make([]any, len(items))
	var problems []dataflow.Problem
	for i, item := range items {
		var ps []dataflow.Problem
		out[i], ps = single(p, item, pointer+"/"+strconv.Itoa(i))
		problems = append(problems, ps...)
	}
	return out, problems
}

func single(p *rawsql.Param, v any, pointer string) (any, []dataflow.Problem) {
	if v == nil {
		return nil, nil
	}
	if p.Type == nil {
		if _, ok := v.(dataflow.Decimal); ok {
			return nil, []dataflow.Problem{{Code: "wrong_type", Pointer: pointer, Detail: "how many digits the decimal " + p.Name + " has is not known",
				Hint: fmt.Sprintf(`say it: "types": {%q: "decimal(12, 2)"}, as of the column that it is compared with`, p.Name)}}
		}
		return v, nil
	}
	return codec.CoerceType(p.Type, v, pointer)
}
