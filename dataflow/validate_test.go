package dataflow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// build makes an app of one database with these models, complete but for
// what a case spoils.
func build(models ...*dataflow.Model) *dataflow.App {
	db := &dataflow.Database{Name: "db", URL: "sqlite:a.db"}
	for _, m := range models {
		m.Database = db
		db.Models = append(db.Models, m)
		system := func(name string, r dataflow.Role) {
			m.Fields = append(m.Fields, &dataflow.Field{Name: name, Type: dataflow.DateTime, System: r})
		}
		m.Fields = append([]*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}, m.Fields...)
		if m.MultiTenant {
			system("tenant_id", dataflow.RoleTenant)
		}
		if m.SoftDelete {
			system("deleted_at", dataflow.RoleDeletedAt)
		}
		system("created_at", dataflow.RoleCreatedAt)
		system("updated_at", dataflow.RoleUpdatedAt)
		if m.Table == "" {
			m.Table = dataflow.TableName(m.Name)
		}
		m.Seal()
	}
	return &dataflow.App{Databases: []*dataflow.Database{db}}
}

func named(name string, fields ...*dataflow.Field) *dataflow.Model {
	return &dataflow.Model{Name: name, Fields: fields}
}

func to(name string, m *dataflow.Model, set ...func(*dataflow.Field)) *dataflow.Field {
	f := &dataflow.Field{Name: name, Type: &dataflow.Type{Kind: dataflow.KindRef, Model: m}, OnDelete: "restrict"}
	for _, s := range set {
		s(f)
	}
	return f
}

func optional(f *dataflow.Field) { f.Optional = true }

func onDelete(what string) func(*dataflow.Field) {
	return func(f *dataflow.Field) { f.OnDelete = what }
}

func diagnostics(ds []dataflow.Diagnostic) string {
	var lines []string
	for _, d := range ds {
		s := fmt.Sprintf("%s %s: %s", d.Code, d.Severity, d.Message)
		if d.Hint != "" {
			s += " [" + d.Hint + "]"
		}
		lines = append(lines, s)
	}
	return strings.Join(lines, "\n")
}

func TestValidate(t *testing.T) {
	ptr := func(n int) *int { return &n }
	field := func(name string, t *dataflow.Type) *dataflow.Field { return &dataflow.Field{Name: name, Type: t} }
	for name, c := range map[string]struct {
		app  func() *dataflow.App
		want string
	}{
		"a good app": {func() *dataflow.App {
			customer := named("Customer", field("email", dataflow.String))
			return build(customer, named("Order", to("customer", customer)))
		}, ``},
		"an empty app": {func() *dataflow.App { return &dataflow.App{} }, ``},
		"one database twice": {func() *dataflow.App {
			app := build(named("A"))
			app.Databases = append(app.Databases, &dataflow.Database{Name: "db2", URL: "sqlite:a.db"})
			return app
		}, `FC250 error: two DataFlows open the same database [declare all its models on one DataFlow, or give the second another database_url]`},
		"two databases in memory": {func() *dataflow.App {
			app := build(named("A"))
			app.Databases[0].URL = "sqlite::memory:"
			app.Databases = append(app.Databases, &dataflow.Database{Name: "db2", URL: "sqlite::memory:"})
			return app
		}, ``},
		"the same model name in two databases": {func() *dataflow.App {
			app, other := build(named("A")), build(named("A"))
			other.Databases[0].URL = "sqlite:b.db"
			app.Databases = append(app.Databases, other.Databases[0])
			return app
		}, ``},
		"names that clash": {func() *dataflow.App {
			a, b := named("Address"), named("Adress")
			b.Table = "ADDRESSES"
			return build(a, b, named("Address"), named("AddressBulk"))
		}, `FC251 error: the models Address and Address share the name Address [give one of them another name]
FC251 error: the models Address and AddressBulk share the node type AddressBulkCreateNode [give one of them another name]
FC251 error: the models Address and Adress share the table ADDRESSES [give one of them another name]`},
		"names that can't be": {func() *dataflow.App {
			a, b := named("order"), named("X")
			a.Table, b.Table = "or der", "_flow_audit"
			return build(a, b)
		}, `FC252 error: the table _flow_audit would be one of the runtime's own [write table = "…" with another name]
FC253 error: "_flow_audit" is no name for the table of X [a name has up to 60 letters, digits and _, and begins with a letter]
FC253 error: "or der" is no name for the table of order [a name has up to 60 letters, digits and _, and begins with a letter]
FC253 error: "order" is no name for a model [a name has up to 60 letters, digits and _, and begins with a capital]`},
		"a model that is not sealed": {func() *dataflow.App {
			app := build(named("A"))
			app.Databases[0].Models[0].Fields = append(app.Databases[0].Models[0].Fields, field("late", dataflow.Int))
			return app
		}, `FC254 error: the model A is not sealed [call Seal once Fields and Computed are complete]`},
		"an option without its field": {func() *dataflow.App {
			app := build(named("A"))
			app.Databases[0].Models[0].Versioned = true
			return app
		}, `FC254 error: the model A is inconsistent about its version [add the system fields that the model's options ask for, and no others]`},
		"fields that clash": {func() *dataflow.App {
			a := named("A", field("x", dataflow.Int), field("X", dataflow.Int))
			a.Computed = []dataflow.Computed{{Name: "ID"}}
			return build(a)
		}, `FC255 error: A has a field and a computed value "ID" [give it another name]
FC255 error: A has two fields "X" [give it another name]`},
		"a reference out of the app": {func() *dataflow.App {
			return build(named("A", to("b", named("B")), to("c", nil)))
		}, `FC256 error: A.b refers to B, which is no model of this app [add the model to the database]
FC256 error: A.c refers to no model`},
		"a reference out of the database": {func() *dataflow.App {
			b := named("B")
			other := build(b)
			other.Databases[0].URL = "sqlite:b.db"
			app := build(named("A", to("b", b)))
			app.Databases = append(app.Databases, other.Databases[0])
			return app
		}, `FC257 error: A.b refers to B, which is in another database [declare both models on the same DataFlow, or keep the id in a plain field]`},
		"a reference out of the tenant": {func() *dataflow.App {
			b := named("B")
			b.MultiTenant = true
			return build(b, named("A", to("b", b)))
		}, `FC258 error: A is shared by all tenants, so it can't refer to B, whose rows belong to one [write multi_tenant = True for A too]`},
		"a cascade that never happens": {func() *dataflow.App {
			b := named("B")
			b.SoftDelete = true
			return build(b, named("A", to("b", b, onDelete("cascade"))))
		}, `FC259 warning: on_delete = "cascade" never happens: rows of B are soft-deleted, so they stay [leave on_delete out, or soft_delete]`},
		"a cascade past the rules": {func() *dataflow.App {
			a, b := named("A"), named("B")
			a.SoftDelete, a.AuditLog = true, true
			a.Fields = []*dataflow.Field{to("b", b, onDelete("cascade"))}
			return build(b, a)
		}, `FC259 warning: deleting a row of B makes the database remove its rows of A for good, past their soft_delete, audit_log [write on_delete = "restrict" and delete them first]`},
		"a reference emptied past the rules": {func() *dataflow.App {
			a, b := named("A"), named("B")
			a.AuditLog, a.BeforeUpdate = true, aHook{}
			optional := to("b", b, onDelete("set_null"))
			optional.Optional = true
			a.Fields = []*dataflow.Field{optional}
			return build(b, a)
		}, `FC259 warning: deleting a row of B sets A.b to null past its before_update [write on_delete = "restrict" and set it to null first]`},
		"indexes of what is not there": {func() *dataflow.App {
			a := named("A", field("email", dataflow.String), field("j", dataflow.JSON))
			a.Computed = []dataflow.Computed{{Name: "total"}}
			a.Indexes = []dataflow.Index{{Fields: []string{"emial"}}, {Fields: []string{"total"}}, {Fields: []string{"j"}}, {Fields: []string{"email", "email"}}, {}}
			return build(a)
		}, `FC260 error: A.j is json, which has no order to index
FC260 error: A.total is computed: it is not in the database, so it can't be indexed [index the fields it is worked out from]
FC260 error: an index of A is over "email" twice [name it once]
FC260 error: an index of A is over "emial", which is no field [did you mean "email"?]
FC260 error: an index of A is over no fields`},
		"fields that don't fit": {func() *dataflow.App {
			return build(named("A",
				&dataflow.Field{Name: "a", Type: dataflow.Int, HasDefault: true, Default: "x"},
				&dataflow.Field{Name: "b", Type: dataflow.Int, Ge: 1},
				&dataflow.Field{Name: "c", Type: dataflow.Int, Ge: int64(2), Lt: int64(2)},
				&dataflow.Field{Name: "d", Type: dataflow.String, MinLength: ptr(2), MaxLength: ptr(1)},
				&dataflow.Field{Name: "e", Type: dataflow.String, Format: "emial"},
				&dataflow.Field{Name: "f", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 2, Scale: 3}},
				&dataflow.Field{Name: "g h", Type: dataflow.ObjectType()},
				&dataflow.Field{Name: "i", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"a"}}, HasDefault: true, Default: "b"},
			))
		}, `FC261 error: the field A.a: its default is no int [give it in canonical form, as codec.Coerce does]
FC261 error: the field A.b: a bound is no int [give it in canonical form, as codec.Coerce does]
FC261 error: the field A.c: no value is within its bounds
FC261 error: the field A.d: its max_length is less than its min_length
FC261 error: the field A.e: there is no format "emial" [did you mean "email"?]
FC261 error: the field A.f: a field can't be of type decimal
FC261 error: the field A.g h: a field can't be of type object
FC261 error: the field A.g h: it can't have this name [a name has up to 60 letters, digits and _, and begins with a letter]
FC261 error: the field A.i: its default is no enum("a") [give it in canonical form, as codec.Coerce does]`},
		"on_delete that can't be": {func() *dataflow.App {
			b := named("B")
			return build(b, named("A", to("b", b, onDelete("set_null")), to("c", b, onDelete("explode"))))
		}, `FC261 error: the field A.b: on_delete "set_null" needs it to be optional [make it optional]
FC261 error: the field A.c: there is no on_delete "explode" [write "restrict", "cascade" or "set_null"]`},
		"a row that needs itself": {func() *dataflow.App {
			a, b := named("Category"), named("Free")
			a.Fields = []*dataflow.Field{to("parent", a)}
			b.Fields = []*dataflow.Field{to("parent", b, optional)}
			return build(a, b)
		}, `FC262 warning: each Category needs another in parent, so no first one can be added [write optional = True: the first row has none to refer to]`},
		"rows that need each other": {func() *dataflow.App {
			a, b, c, d := named("A"), named("B"), named("C"), named("D")
			a.Fields = []*dataflow.Field{to("d", d), to("b", b)}
			b.Fields = []*dataflow.Field{to("c", c)}
			c.Fields = []*dataflow.Field{to("a", a)}
			return build(d, a, b, c)
		}, `FC262 error: no row of A or B or C can ever be added: each needs one of the next (A → B → C → A) [write optional = True for one of the references]`},
		"rows that need each other, of another program": {func() *dataflow.App {
			a, b := named("A"), named("B")
			a.Fields = []*dataflow.Field{to("b", b)}
			b.Fields = []*dataflow.Field{to("a", a)}
			app := build(a, b)
			app.Databases[0].Options.ExistingSchemaMode = true
			return app
		}, `FC262 warning: no row of A or B can ever be added: each needs one of the next (A → B → A) [write optional = True for one of the references]`},
		"a circle with a way in": {func() *dataflow.App {
			a, b := named("A"), named("B")
			a.Fields = []*dataflow.Field{to("b", b)}
			b.Fields = []*dataflow.Field{to("a", a, optional)}
			return build(a, b)
		}, ``},
		"ids that tenants choose": {func() *dataflow.App {
			a, b := named("A"), named("B")
			a.MultiTenant, a.ClientID = true, true
			b.MultiTenant = true
			return build(a, b)
		}, `FC263 info: ids of A are unique among all tenants: one that picks an id which is taken learns that it is [declare it as uuid, or keep the tenant's own name for it in a field with unique = True]`},
		"exposures": {func() *dataflow.App {
			a, b := named("A"), named("B")
			app := build(a, b)
			ops := []dataflow.OpKind{dataflow.OpList}
			app.Exposures = []*dataflow.Exposure{{Model: a, Path: "as", Ops: ops}, {Model: b, Path: "as", Ops: ops}, {Model: b, Path: "../b", Ops: ops}, {Model: a, Path: "none"}, {Model: named("C"), Path: "c", Ops: ops}}
			return app
		}, `FC450 error: an exposure is of no model of this app [expose a model of one of the app's databases]
FC451 error: "../b" is no path to serve B at [a path has letters, digits, - and _, and begins with a letter]
FC451 error: A is exposed without an operation [name at least one operation]
FC452 error: A and B are both exposed at "as" [give one of them another path]`},
		"workflows": {func() *dataflow.App {
			app := build()
			node := []*dataflow.Node{{ID: "n"}}
			in := []*dataflow.Field{field("a", dataflow.Int), field("a", dataflow.Int)}
			for _, w := range []*dataflow.Workflow{{Name: "w", Nodes: node}, {Name: "w", Nodes: node}, {Name: "../x", Nodes: node}, {Name: "empty"}, {Name: "twice", Nodes: node, Input: in}} {
				w.SealInput()
				app.Workflows = append(app.Workflows, w)
			}
			app.Workflows = append(app.Workflows, &dataflow.Workflow{Name: "open", Nodes: node})
			twice := &dataflow.Workflow{Name: "signals", Nodes: node, Signals: []dataflow.Signal{{Name: "a"}, {}, {Name: "a"}}}
			twice.SealInput()
			app.Workflows = append(app.Workflows, twice)
			return app
		}, `FC453 error: two workflows have the name "w" [give one of them another name]
FC454 error: "../x" is no name for a workflow [a name has letters, digits, - and _, and begins with a letter: it is part of an address]
FC455 error: the input of the workflow open is not sealed [call SealInput once Input is complete]
FC455 error: the workflow empty must have either nodes or a handler [give it nodes, or a handler]
FC455 error: the workflow signals declares "", which is no name for a signal [a name has 1 to 100 bytes, of UTF-8 and without the character NUL]
FC455 error: the workflow signals declares signals, which is for its SignalNodes to do [give those a payload]
FC455 error: the workflow signals declares the signal "a" twice
FC455 error: the workflow twice has two inputs "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			found := dataflow.Validate(c.app())
			if got := diagnostics(found); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			documented(t, found)
		})
	}
}

func documented(t *testing.T, ds []dataflow.Diagnostic) {
	t.Helper()
	for _, d := range ds {
		known := false
		for _, c := range dataflow.Codes() {
			known = known || c.Code == d.Code
		}
		if !known {
			t.Errorf("%s has no row in Codes", d.Code)
		}
	}
}

// What a file says of one declaration has been told by the loader.
func TestValidateLeavesToTheLoaderWhatIsTheLoaders(t *testing.T) {
	at := dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 3, Col: 1}, End: dataflow.Pos{Line: 3, Col: 9}}
	gone := named("Gone")
	gone.Span = at
	a := named("A", to("b", gone), &dataflow.Field{Name: "n", Type: dataflow.Int, HasDefault: true, Default: "x", Span: at})
	a.Fields[0].Span, a.Span = at, at
	if got := diagnostics(dataflow.Validate(build(a))); got != "" {
		t.Error(got)
	}
}

func TestValidateIsLinear(t *testing.T) {
	models := make([]*dataflow.Model, 20000)
	for i := range models {
		models[i] = named(fmt.Sprintf("M%d", i), &dataflow.Field{Name: "n", Type: dataflow.Int})
		if i > 0 {
			models[i].Fields = append(models[i].Fields, to("prev", models[i-1]), to("first", models[0]))
		}
		models[i].Indexes = []dataflow.Index{{Fields: []string{"n"}}}
	}
	app := build(models...)
	start := time.Now()
	if got := diagnostics(dataflow.Validate(app)); got != "" {
		t.Error(got)
	}
	// Quadratic work would take minutes; the bound leaves a slow machine room.
	if took := time.Since(start); took > time.Minute {
		t.Errorf("20,000 models took %v", took)
	}
}

// aHook is a function that is never called.
type aHook struct{ dataflow.Func }
