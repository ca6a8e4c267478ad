package starlark

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

// database is what DataFlow(…) returns.
type database struct {
	l  *loader
	db *dataflow.Database
}

var _ sl.HasAttrs = (*database)(nil)

func (d *database) String() string        { return "DataFlow" }
func (d *database) Type() string          { return "DataFlow" }
func (d *database) Freeze()               {}
func (d *database) Truth() sl.Bool        { return true }
func (d *database) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: DataFlow") }
func (d *database) AttrNames() []string   { return spec.Methods("db") }

// Attr returns the model method.
func (d *database) Attr(name string) (sl.Value, error) {
	if name == "model" {
		return d.l.builtin("db.model", d.model), nil
	}
	return d.l.noAttr("a database", name, d.AttrNames())
}

// noAttr reports a name that a value does not have, and goes on.
func (l *loader) noAttr(what, name string, names []string) (sl.Value, error) {
	if l.done {
		return nil, nil
	}
	at := l.here()
	if l.thread != nil && l.thread.CallStackDepth() > 0 {
		if p := l.thread.CallFrame(0).Pos; p.Line > 0 {
			if src := l.sources[p.Filename()]; src != nil { // the place is that of the dot
				at = src.point(p, 1+len([]rune(name)))
			}
		}
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" {
		hint = "it has " + strings.Join(names, ", ")
	}
	if name == "create_cycle" {
		hint = `write a "LoopNode" with {"until": …, "max": …}`
	}
	l.error("FC117", at, fmt.Sprintf("%s has no %q", what, name), hint)
	return &placeholder{}, nil
}

// dataFlow implements DataFlow(…).
func (l *loader) dataFlow(a *args) sl.Value {
	d := &database{l: l, db: &dataflow.Database{
		URL: a.str("database_url", ""), Span: a.site.at, Spans: a.spans(),
		Options: dataflow.DatabaseOptions{
			AutoMigrate:          a.bool("auto_migrate", true),
			ExistingSchemaMode:   a.bool("existing_schema_mode", false),
			ModelPersistence:     a.bool("enable_model_persistence", true),
			PoolSize:             a.int("pool_size", 0),
			PoolMaxOverflow:      a.int("pool_max_overflow", 0),
			PoolRecycle:          a.duration("pool_recycle", 0),
			Monitoring:           a.bool("monitoring", false),
			SlowQueryThreshold:   a.duration("slow_query_threshold", 0),
			Echo:                 a.bool("echo", false),
			MigrationLockTimeout: a.duration("migration_lock_timeout", 30*time.Second),
			MultiTenant:          a.bool("multi_tenant", false),
			AuditLogging:         a.bool("audit_logging", false),
			Pooler:               a.str("pooler", ""),
			DirectURL:            a.str("direct_url", ""),
			CacheTTL:             a.cacheTTL(),
		},
	}}
	if a.has("database_url") && d.db.URL == "" {
		a.fail("FC105", a.at("database_url"), "database_url is empty", `write "sqlite:app.db"`)
	}
	if _, given := a.value("direct_url").(sl.String); given && d.db.Options.DirectURL == "" {
		a.fail("FC105", a.at("direct_url"), "direct_url is empty", "write None, or leave it out, where there is no pooler to go round")
	}
	l.databases = append(l.databases, d)
	l.app.Databases = append(l.app.Databases, d.db)
	return d
}

// cacheTTL is how long answers of a database are kept; 0: none are.
func (a *args) cacheTTL() time.Duration {
	enabled := a.bool("cache_enabled", false)
	ttl := a.duration("cache_ttl", time.Minute)
	switch {
	case a.has("cache_ttl") && !a.mentioned("cache_enabled"):
		a.fail("FC105", a.at("cache_ttl"), "nothing is kept for as long as cache_ttl says: cache_enabled is not set", "write cache_enabled = True, or leave cache_ttl out")
	case enabled && ttl <= 0:
		a.fail("FC105", a.at("cache_ttl"), "nothing is kept for no time", `write cache_ttl = "30s", or leave cache_enabled out`)
	}
	if !enabled {
		return 0
	}
	return ttl
}

// model implements db.model(…).
func (d *database) model(l *loader, a *args) sl.Value {
	m := &dataflow.Model{
		Name: a.str("name", ""), Database: d.db,
		SoftDelete: a.bool("soft_delete", false), Versioned: a.bool("versioned", false),
		AuditLog: a.bool("audit_log", d.db.Options.AuditLogging), MultiTenant: a.bool("multi_tenant", d.db.Options.MultiTenant),
		NoTimestamps: !a.bool("timestamps", true),
		Was:          a.str("was", ""), Doc: a.str("doc", ""), Span: a.site.at, Spans: a.spans(),
	}
	named := d.name(m, a)
	d.table(m, a)
	b := &modelBuilder{l: l, m: m, a: a}
	b.fields()
	b.indexes()
	b.functions()
	m.Seal()
	// One that can't stand among the others stands there all the same: what is
	// wrong with the rest of it, and with what is done with it, is told as well.
	l.refused[m] = !d.add(m, a) || !named
	d.db.Models = append(d.db.Models, m)
	if a.has("fields") {
		l.access(a, l.readAccess(m))
	} else { // whether they are over fields of the model can't be told
		m.Indexes = nil
	}
	return value.Model{M: m, Missing: l.missing}
}

// name checks the model's name, and reports whether it is one. One that is none
// is called by what it probably ought to be.
func (d *database) name(m *dataflow.Model, a *args) bool {
	switch {
	case !a.has("name"):
		m.Name = "Model" // what messages call it
		return false
	case a.l.checkModelName(m.Name, a.at("name")):
		return true
	}
	if p := pascal(m.Name); modelName.Fits(p) && !slices.ContainsFunc(d.db.Models, func(other *dataflow.Model) bool { return other.Name == p }) {
		m.Name = p
	}
	return false
}

var modelName = dataflow.NameShape{First: dataflow.Capitals, Rest: dataflow.Word}

func (l *loader) checkModelName(name string, at dataflow.Span) bool {
	switch {
	case len(name) > 60:
		l.error("FC201", at, "the model's name is longer than 60 characters", "")
	case !modelName.Fits(name):
		hint := "a name has letters, digits and _, and begins with a capital"
		if p := pascal(name); modelName.Fits(p) {
			hint = fmt.Sprintf("write %q", p)
		}
		l.error("FC201", at, fmt.Sprintf("%q is no name for a model", name), hint)
	default:
		return true
	}
	return false
}

// pascal turns "order line" or "order_line" into "OrderLine".
func pascal(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !scan.IsNameRune(r) || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// add checks a model against those the database has, and reports whether it
// can stand among them.
func (d *database) add(m *dataflow.Model, a *args) bool {
	if !a.has("name") {
		return false
	}
	for _, other := range d.db.Models {
		switch {
		case other.Name == m.Name:
			a.fail("FC202", a.at("name"), fmt.Sprintf("the model %s is declared twice", m.Name), "give one of them another name")
			a.l.related("first declared here", other.Spans.At("/name"))
			return false
		case strings.EqualFold(other.Table, m.Table):
			at := a.at("name")
			if a.has("table") {
				at = a.at("table")
			}
			a.fail("FC214", at, fmt.Sprintf("the models %s and %s have the same table %s", other.Name, m.Name, m.Table), `write table = "…" for one of them`)
			a.l.related("first used here", other.Spans.At("/name"))
			return false
		case other.Name == m.Name+"Bulk" || m.Name == other.Name+"Bulk":
			a.fail("FC220", a.at("name"), fmt.Sprintf("the models %s and %s would share node types: %sBulkCreateNode", other.Name, m.Name, strings.TrimSuffix(m.Name, "Bulk")), "give one of them another name")
			a.l.related("the other model", other.Spans.At("/name"))
			return false
		}
	}
	return true
}

var tableName = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word | dataflow.Dash | dataflow.Dollar | dataflow.Space}

func (d *database) table(m *dataflow.Model, a *args) {
	m.Table = dataflow.TableName(m.Name)
	if !a.has("table") {
		if strings.HasPrefix(m.Table, "sqlite_") {
			a.fail("FC214", a.at("name"), fmt.Sprintf("%s would have the table %s: SQLite keeps names that begin with sqlite_ for itself", m.Name, m.Table), `write table = "…"`)
		}
		return
	}
	name := a.str("table", "")
	if !tableName.Fits(name) || len(name) > 60 || strings.HasPrefix(strings.ToLower(name), "sqlite_") || strings.HasPrefix(strings.ToLower(name), "_flow_") {
		a.fail("FC214", a.at("table"), fmt.Sprintf("%q is no name for a table", name),
			`a name has letters, digits, blanks and _ $ -, begins with a letter or _, and not with "sqlite_" or "_flow_"`)
		return
	}
	m.Table = name
}

// modelBuilder fills in a model from the arguments of db.model.
type modelBuilder struct {
	l *loader
	m *dataflow.Model
	a *args
}

// systemFields are the names that the runtime keeps, when it keeps them.
func (b *modelBuilder) systemFields() map[string]string {
	names := map[string]string{}
	if !b.m.NoTimestamps {
		names["created_at"] = "every model has it, unless timestamps = False: it is when the row was created"
		names["updated_at"] = "every model has it, unless timestamps = False: it is when the row was last changed"
	}
	if b.m.Versioned {
		names["version"] = "versioned = True adds it"
	}
	if b.m.MultiTenant {
		names["tenant_id"] = "multi_tenant = True adds it"
	}
	if b.m.SoftDelete {
		names["deleted_at"] = "soft_delete = True adds it"
	}
	return names
}

func (b *modelBuilder) fields() {
	id := &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	var declared []*dataflow.Field
	if g, ok := b.a.given["fields"]; ok {
		declared = b.declared(g, &id)
	}
	b.m.Fields = append([]*dataflow.Field{id}, declared...)
	system := func(name string, t *dataflow.Type, role dataflow.Role, optional bool) {
		b.m.Fields = append(b.m.Fields, &dataflow.Field{Name: name, Type: t, System: role, Optional: optional})
	}
	if b.m.Versioned {
		system("version", dataflow.Int, dataflow.RoleVersion, false)
	}
	if b.m.MultiTenant {
		system("tenant_id", dataflow.String, dataflow.RoleTenant, false)
	}
	if b.m.SoftDelete {
		system("deleted_at", dataflow.DateTime, dataflow.RoleDeletedAt, true)
	}
	if !b.m.NoTimestamps {
		system("created_at", dataflow.DateTime, dataflow.RoleCreatedAt, false)
		system("updated_at", dataflow.DateTime, dataflow.RoleUpdatedAt, false)
	}
}

// declared reads the dict of fields. id is replaced if the dict declares it.
func (b *modelBuilder) declared(g arg, id **dataflow.Field) []*dataflow.Field {
	var fields []*dataflow.Field
	reserved := b.systemFields()
	seen := map[string]string{}
	items := b.l.dictItems(b.a.site.src, g.val.(*sl.Dict), g, "FC203", "the name of a field")
	for _, e := range items {
		b.m.Spans["/fields/"+value.Escape(e.name)] = e.at
		lower := strings.ToLower(e.name)
		if why, ok := reserved[lower]; ok {
			b.l.error("FC205", e.keyAt, fmt.Sprintf("the field %q is kept by the runtime: %s", e.name, why), "leave it out, or use another name")
			continue
		}
		if other, ok := seen[lower]; ok {
			b.l.error("FC203", e.keyAt, fmt.Sprintf("%q and %q differ in case only, and databases do not tell them apart", other, e.name), "")
			continue
		}
		if !b.l.checkFieldName(e.name, e.keyAt) {
			continue
		}
		seen[lower] = e.name
		ft := b.fieldType(e)
		if lower == "id" {
			b.id(e, ft, id)
			continue
		}
		f := b.l.makeField(e.name, ft, e.keyAt, true)
		b.resolveRef(ft, f)
		fields = append(fields, f)
	}
	b.columns(append([]*dataflow.Field{*id}, fields...), reserved)
	if len(items) == 0 && b.a.ok {
		b.l.error("FC221", g.at, fmt.Sprintf("the model %s has no fields", b.m.Name), `write {"name": str}`)
	}
	return fields
}

// columns refuses a column that is another field's too.
func (b *modelBuilder) columns(fields []*dataflow.Field, reserved map[string]string) {
	taken := map[string]string{}
	for name := range reserved {
		taken[name] = name
	}
	for _, f := range fields {
		if f.Column == "" {
			taken[strings.ToLower(f.Name)] = f.Name
		}
	}
	for _, f := range fields {
		if f.Column == "" {
			continue
		}
		lower := strings.ToLower(f.Column)
		if other, ok := taken[lower]; ok && other != f.Name {
			b.l.error("FC225", f.Spans.At("/column"), fmt.Sprintf("the column %q is that of the field %s", f.Column, other), "give each field a column of its own")
		}
		taken[lower] = f.Name
	}
}

func (b *modelBuilder) fieldType(e dictItem) *fieldType {
	ft := b.l.typeOf(b.a.site.src, arg{val: e.val, expr: e.expr, at: e.at, key: e.keyAt}, false)
	if ft != nil && ft.object {
		b.l.error("FC204", e.at, "a field of a model can't hold objects with fields of their own", "write json, or declare a model and a ref to it")
		return nil
	}
	if ft != nil && ft.ref != nil { // each field has its own type, to be linked on its own
		own := *ft
		typ := *ft.typ
		own.typ = &typ
		ft = &own
	}
	return ft
}

// id takes a declared id: its type and a few options.
func (b *modelBuilder) id(e dictItem, ft *fieldType, id **dataflow.Field) {
	if ft == nil {
		return
	}
	if e.name != "id" {
		b.l.error("FC218", e.keyAt, fmt.Sprintf(`the id is called "id", not %q`, e.name), `write "id"`)
		return
	}
	switch ft.typ.Kind {
	case dataflow.KindInt, dataflow.KindString, dataflow.KindUUID:
	default:
		b.l.error("FC218", e.at, fmt.Sprintf("an id is a str, an int or a uuid, not %s", ft), "")
		return
	}
	for _, o := range ft.opts {
		if slices.Contains([]string{"optional", "default", "backfill", "unique", "index", "immutable", "was"}, o.name) {
			b.l.error("FC218", o.key, fmt.Sprintf("%s can't be said of the id", o.name), "an id is unique, indexed, required and never changes")
			return
		}
	}
	f := b.l.makeField("id", ft, e.keyAt, true)
	f.System = dataflow.RoleID
	*id = f
	b.m.ClientID = true
}

// pendingRef is a reference to a model that was not declared yet.
type pendingRef struct {
	field *dataflow.Field
	ref   *refTarget
	db    *dataflow.Database
}

// resolveRef links a reference by name. One to a later model waits.
func (b *modelBuilder) resolveRef(ft *fieldType, f *dataflow.Field) {
	if ft == nil || ft.ref == nil || ft.typ.Model != nil {
		return
	}
	if ft.ref.name == "self" || ft.ref.name == b.m.Name {
		f.Type.Model = b.m
		return
	}
	b.l.pending = append(b.l.pending, pendingRef{f, ft.ref, b.m.Database})
}

// linkRefs links the references that waited.
func (l *loader) linkRefs() {
	for _, p := range l.pending {
		var names []string
		for _, m := range p.db.Models {
			names = append(names, m.Name)
			if m.Name == p.ref.name && (p.field.Type.Model == nil || !l.refused[m]) {
				p.field.Type.Model = m
			}
		}
		if p.field.Type.Model != nil {
			continue
		}
		hint := dataflow.NearOrAll(p.ref.name, names)
		for _, m := range l.app.Models() {
			if m.Name == p.ref.name {
				hint = "it is in another database, and references can't leave theirs"
			}
		}
		l.error("FC212", p.ref.at, fmt.Sprintf("there is no model %q", p.ref.name), hint)
		p.field.Type.Kind = dataflow.KindAny // lets everything else about the field pass
	}
}

// indexValue is what index(…) returns.
type indexValue struct {
	fields []string
	unique bool
	where  *dataflow.Object
	spans  dataflow.Spans // of the parts of where
	at     dataflow.Span
}

func (i *indexValue) String() string        { return "index(" + strings.Join(i.fields, ", ") + ")" }
func (i *indexValue) Type() string          { return "index" }
func (i *indexValue) Freeze()               {}
func (i *indexValue) Truth() sl.Bool        { return true }
func (i *indexValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: index") }

// indexOf implements index(…).
func (l *loader) indexOf(a *args) sl.Value {
	v := &indexValue{unique: a.bool("unique", false), at: a.site.at}
	for _, w := range a.rest {
		v.fields = append(v.fields, string(w.val.(sl.String)))
	}
	if len(a.rest) == 0 {
		if a.ok {
			a.fail("FC215", a.site.at, "an index needs fields", "as "+a.b.Example)
		}
		return &placeholder{}
	}
	if g, ok := a.given["where"]; ok && g.val != sl.None {
		c := converter{l: l, src: a.site.src, spans: dataflow.Spans{}}
		v.where, _ = c.convert(g.val, g.expr, g.at, "").(*dataflow.Object)
		v.spans = c.spans
	}
	return v
}

// indexes collects the indexes that fields and options ask for.
func (b *modelBuilder) indexes() {
	for _, f := range b.m.Fields {
		if f.Unique || f.Index || f.Type.Kind == dataflow.KindRef {
			b.addIndex(dataflow.Index{Fields: []string{f.Name}, Unique: f.Unique, Span: f.Span})
		}
	}
	if g, ok := b.a.given["indexes"]; ok {
		b.listed(g, false)
	}
	if g, ok := b.a.given["unique"]; ok {
		if allStrings(g.val.(sl.Indexable)) && len(listOf(g)) > 0 { // one set of fields, not several
			if ix := b.indexItem(g, g, true); ix != nil {
				b.addIndex(*ix)
			}
			return
		}
		b.listed(g, true)
	}
}

// listed collects the indexes of one argument.
func (b *modelBuilder) listed(g arg, unique bool) {
	var all []dataflow.Index
	for _, item := range listOf(g) {
		ix := b.indexItem(item, g, unique)
		if ix == nil {
			continue
		}
		for _, other := range all {
			if ix.Where == nil && other.Where == nil && slices.Equal(ix.Fields, other.Fields) {
				b.l.error("FC215", b.a.site.src.element(item, g), fmt.Sprintf("an index over %s is there twice", strings.Join(ix.Fields, ", ")), "leave one of them out")
				b.l.related("the first", other.Span)
				break
			}
		}
		all = append(all, *ix)
		b.addIndex(*ix)
	}
}

// indexItem is an index as it is listed, or nil where it is none, which has been said.
func (b *modelBuilder) indexItem(item, list arg, unique bool) *dataflow.Index {
	at := b.a.site.src.element(item, list)
	switch v := item.val.(type) {
	case *placeholder:
	case *indexValue:
		return &dataflow.Index{Fields: v.fields, Unique: v.unique || unique, Where: v.where, Span: v.at, Spans: v.spans}
	case sl.String:
		return &dataflow.Index{Fields: []string{string(v)}, Unique: unique, Span: at}
	case sl.Indexable:
		if v.Len() == 0 || !allStrings(v) {
			b.l.error("FC215", at, "an index is over names of fields", `write index("status", "created_at")`)
			return nil
		}
		var names []string
		for _, w := range listOf(item) {
			names = append(names, string(w.val.(sl.String)))
		}
		return &dataflow.Index{Fields: names, Unique: unique, Span: at}
	default:
		b.l.error("FC215", at, fmt.Sprintf("an index is over names of fields, not %s", describe(item.val)), `write index("status", "created_at")`)
	}
	return nil
}

// addIndex adds an index, unless one over the same fields of all rows is there.
func (b *modelBuilder) addIndex(ix dataflow.Index) {
	for i := range b.m.Indexes {
		if x := &b.m.Indexes[i]; x.Where == nil && ix.Where == nil && slices.Equal(x.Fields, ix.Fields) {
			x.Unique = x.Unique || ix.Unique
			return
		}
	}
	b.m.Indexes = append(b.m.Indexes, ix)
}

// functions records validate, computed and the hooks.
func (b *modelBuilder) functions() {
	b.m.Validate = b.rowFunction("validate")
	b.m.BeforeCreate = b.rowFunction("before_create")
	b.m.BeforeUpdate = b.rowFunction("before_update")
	b.m.BeforeDelete = b.rowFunction("before_delete")
	g, ok := b.a.given["computed"]
	if !ok {
		return
	}
	taken := map[string]bool{}
	for _, f := range b.m.Fields {
		taken[strings.ToLower(f.Name)] = true
	}
	for _, e := range b.l.dictItems(b.a.site.src, g.val.(*sl.Dict), g, "FC217", "the name of a computed value") {
		if isPlaceholder(e.val) || !b.l.checkFieldName(e.name, e.keyAt) {
			continue
		}
		if taken[strings.ToLower(e.name)] {
			b.l.error("FC217", e.keyAt, fmt.Sprintf("%q is a field already", e.name), "give the computed value another name")
			continue
		}
		fn, ok := e.val.(*sl.Function)
		if !ok {
			b.l.error("FC217", e.at, fmt.Sprintf("the computed value %q is a function, not %s", e.name, describe(e.val)), "write lambda row: row.a + row.b, or name a def")
			continue
		}
		taken[strings.ToLower(e.name)] = true
		if f := b.takesRow(fn, e.at, e.name); f != nil {
			b.m.Computed = append(b.m.Computed, dataflow.Computed{Name: e.name, Func: f, Span: e.keyAt})
		}
	}
}

// rowFunction records a function of a row. It returns a nil Func, not a Func
// that is nil, where there is none.
func (b *modelBuilder) rowFunction(option string) dataflow.Func {
	if fn := b.a.fn(option); fn != nil {
		return b.takesRow(fn, b.a.at(option), option)
	}
	return nil
}

func (b *modelBuilder) takesRow(fn *sl.Function, at dataflow.Span, what string) dataflow.Func {
	f := b.l.function(fn)
	required, all := 0, 0
	for _, p := range f.Params() {
		if p.Required {
			required++
		}
		if !p.Rest {
			all++
		}
	}
	if required > 1 || all == 0 && !fn.HasVarargs() {
		b.l.error("FC216", at, fmt.Sprintf("%s is called with the row alone, and %s takes %d parameters", what, f.Name(), all), fmt.Sprintf("write def %s(row)", f.Name()))
		b.l.related("defined here", f.Span())
		return nil
	}
	return f
}
