// Package draft owns the app.star that is written from a database which is
// there: what models its tables make, and in words what can't be carried over.
// It knows no SQL and no engine, and does not lay the text out.
package draft

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// Options are what a file needs to know beside the database.
type Options struct {
	URL     string   // that the file has as its default, without secrets
	Options string   // further arguments of DataFlow
	Tables  []string // patterns as of path.Match; none is every table
	Match   func(pattern, table string) bool
}

// Write writes the file.
func Write(f *migrate.Found, o Options) []byte {
	w := &writer{Found: f, o: o, names: map[string]string{}}
	w.choose()
	w.head()
	for _, m := range w.models {
		w.model(m)
	}
	w.tail()
	return []byte(w.b.String())
}

// model is a table that becomes one.
type model struct {
	*migrate.Table
	name       string
	id         *migrate.Column
	fields     map[string]string // by column
	timestamps bool
	versioned  bool
	tenants    bool
	soft       bool
	without    []string // why columns have no field
}

type writer struct {
	*migrate.Found
	o      Options
	b      strings.Builder
	models []*model
	names  map[string]string // of models, by table
	left   []string          // tables that become none, and why
	done   map[string]bool   // tables that are written
}

func (w *writer) f(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

func (w *writer) comment(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		w.f("# %s\n", strings.TrimSpace(line))
	}
}

// choose finds the tables that become models.
func (w *writer) choose() {
	w.done = map[string]bool{}
	taken := map[string]bool{}
	for i := range w.Schema.Tables {
		t := &w.Schema.Tables[i]
		if strings.HasPrefix(t.Name, "_flow_") || !w.wanted(t.Name) {
			continue
		}
		if why := w.unfit(t); why != "" {
			w.left = append(w.left, fmt.Sprintf("table %s: %s", called(t.Name, tableName.Fits(t.Name)), why))
			continue
		}
		m := &model{Table: t, fields: map[string]string{}}
		m.id = &t.Columns[slices.IndexFunc(t.Columns, func(c migrate.Column) bool { return c.ID })]
		m.name = cmp.Or(w.Found.Models[t.Name], modelName(t.Name))
		for n, base := 2, m.name; taken[m.name]; n++ {
			m.name = fmt.Sprintf("%s%d", base, n)
		}
		taken[m.name] = true
		w.names[t.Name] = m.name
		w.kept(m)
		w.nameFields(m)
		w.models = append(w.models, m)
	}
}

func (w *writer) wanted(table string) bool {
	return len(w.o.Tables) == 0 || slices.ContainsFunc(w.o.Tables, func(p string) bool { return w.o.Match(p, table) })
}

var writable = lazyregexp.New(`^[\pL_][\pL\pN_$ -]*$`)
var tableName = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word | dataflow.Dash | dataflow.Dollar | dataflow.Space}

// longest is how many letters a name may have.
const longest = 60

// unfit says why a table can't be a model, or "".
func (w *writer) unfit(t *migrate.Table) string {
	if len(t.Name) > longest {
		return fmt.Sprintf("its name has more than %d letters; rename it, or serve a view of it by other means", longest)
	}
	if !tableName.Fits(t.Name) {
		return "its name can't be written; rename it, or serve a view of it by other means"
	}
	if i := slices.IndexFunc(w.models, func(m *model) bool { return strings.EqualFold(m.Name, t.Name) }); i >= 0 {
		return "its name differs from that of " + w.models[i].Name + " in case only; rename it, or serve a view of it by other means"
	}
	if whole := w.Parts[t.Name]; whole != "" {
		return "it is a part of " + whole + ", which has its rows"
	}
	var ids []string
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.ID {
			ids = append(ids, c.Name)
		}
		if why := w.untyped(t, c); why != "" && (c.ID || !c.Optional && !c.Filled) {
			return fmt.Sprintf("the column %s must have a value, and can't be a field: %s", c.Name, why)
		}
	}
	switch len(ids) {
	case 1:
	case 0:
		return "it has no primary key, so its rows have no address; give it one"
	default:
		return "its primary key is of several columns, " + strings.Join(ids, ", ") + "; an id is one column: give the table one, and make these unique"
	}
	if id := w.typeOf(t, t.Column(ids[0])); id != "int" && id != "str" && id != "uuid" {
		return fmt.Sprintf("its primary key %s is %s; an id is an int, a str or a uuid", ids[0], id)
	}
	return ""
}

// types are those of fields, by how a column is stored.
var types = map[string]string{
	"INTEGER": "int", "REAL": "float", "TEXT": "str", "BLOB": "bytes",
	"bigint": "int", "integer": "int", "smallint": "int", "double precision": "float", "real": "float", "boolean": "bool",
	"timestamp with time zone": "datetime", "date": "date", "time without time zone": "time", "uuid": "uuid", "json": "json", "bytea": "bytes",
	"character varying": "str", "text": "str",
}

// foreignTypes are those that a table of the runtime's own would not keep so.
var foreignTypes = map[string]string{"timestamp without time zone": "datetime", "jsonb": "json", padded: "str", "citext": "str"}

// padded is how PostgreSQL calls the type that is declared as char(n).
const padded = "character"

// remarks are what to know of a column of such a type.
var remarks = map[string]string{
	"timestamp without time zone": "%s is kept without a time zone: it is read and written as UTC",
	"jsonb":                       "%s is a jsonb: the order of its keys, and which of two equal ones counts, is the database's",
	padded:                        "%s is a char(n): blanks at its end are not of the value, so one that ends in a blank is refused",
	"citext":                      "%s is a citext: to the database upper and lower case are the same, in filters and where it must be unique",
}

// typeOf is the type of a column's field, or "".
func (w *writer) typeOf(t *migrate.Table, c *migrate.Column) string {
	switch declared := strings.ToUpper(w.Columns[t.Name+"."+c.Name].Type); {
	case c.Kind == "decimal":
		return fmt.Sprintf("decimal(%d, %d)", c.Precision, c.Scale)
	case c.Kind == "enum":
		return "enum(" + quoted(c.Values) + ")"
	case c.Kind != "":
		return c.Kind
	case strings.HasPrefix(c.Storage, "text in the order of") && w.Own:
		return "str"
	case c.Storage == "BLOB" && declared == "":
		return ""
	case c.Storage == "INTEGER" && (declared == "BOOLEAN" || declared == "BOOL"):
		return "bool"
	case w.Own:
		return types[c.Storage]
	case len(c.Values) > 0: // of an enum type
		if slices.Contains(c.Values, "") {
			return ""
		}
		return "enum(" + quoted(c.Values) + ")"
	}
	typ := cmp.Or(types[c.Storage], foreignTypes[c.Storage])
	if strings.HasPrefix(c.Storage, "text in the order of") {
		typ = "str"
	}
	if values := w.checked(t, c); typ == "str" && len(values) > 0 {
		return "enum(" + quoted(values) + ")"
	}
	return typ
}

// checked are the values that a CHECK lets a text be, nil where a field's can't.
func (w *writer) checked(t *migrate.Table, c *migrate.Column) []string {
	values := w.Columns[t.Name+"."+c.Name].Values
	if slices.Contains(values, "") {
		return nil
	}
	return distinct(values)
}

// fieldOf is the field of a column as far as a value of it goes. Its type is nil
// where the file has none for values.
func (w *writer) fieldOf(t *migrate.Table, c *migrate.Column) *dataflow.Field {
	typ := w.typeOf(t, c)
	f := &dataflow.Field{Name: c.Name, Type: plainTypes[typ], Optional: c.Optional}
	switch {
	case strings.HasPrefix(typ, "decimal("):
		f.Type = &dataflow.Type{Kind: dataflow.KindDecimal, Precision: c.Precision, Scale: c.Scale}
	case strings.HasPrefix(typ, "enum("):
		f.Type = &dataflow.Type{Kind: dataflow.KindEnum, Values: c.Values}
		if len(c.Values) == 0 {
			f.Type.Values = w.checked(t, c)
		}
	}
	if !w.Own {
		bound(f, c.Storage, w.Columns[t.Name+"."+c.Name].Type)
	}
	return f
}

func distinct(values []string) (out []string) {
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// called is a name in a remark: in quotes where it may not show as it is.
func called(name string, plain bool) string {
	if plain {
		return name
	}
	return strconv.Quote(name)
}

// untyped says why a column has no field, or "".
func (w *writer) untyped(t *migrate.Table, c *migrate.Column) string {
	n := w.Columns[t.Name+"."+c.Name]
	alike := slices.IndexFunc(t.Columns, func(o migrate.Column) bool { return o.ID && strings.EqualFold(o.Name, c.Name) })
	if alike < 0 {
		alike = slices.IndexFunc(t.Columns, func(o migrate.Column) bool { return strings.EqualFold(o.Name, c.Name) })
	}
	switch {
	case len(c.Name) > longest:
		return fmt.Sprintf("its name has more than %d letters", longest)
	case !writable.MatchString(c.Name):
		return "its name can't be written"
	case t.Columns[alike].Name != c.Name:
		return "its name differs from that of " + t.Columns[alike].Name + " in case only"
	case n.Generated:
		return "the database works it out"
	case strings.Contains(c.Kind, "enum") && c.Kind != "enum":
		return "the values of a " + c.Kind + " are not in the database: declare it by hand"
	case strings.Contains(c.Kind, "list(decimal"):
		return "the digits of a " + c.Kind + " are not in the database: declare it by hand"
	case slices.Contains(c.Values, ""):
		return "a value of its enum type is empty, and a field's can't be"
	case strings.HasSuffix(c.Storage, "[]"):
		name, first := c.Name, ""
		if !plain.Fits(name) || strings.ToLower(name) != name {
			name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
		if n.Default != "" { // which is of the old type
			first = "ALTER COLUMN " + name + " DROP DEFAULT, "
		}
		return fmt.Sprintf("no type of field is kept as %s; the same as a jsonb would be a json: %sALTER COLUMN %s TYPE jsonb USING to_jsonb(%s)", n.Type, first, name, name)
	case n.Type == "":
		return "it has no type, so that it may hold anything"
	case w.typeOf(t, c) == "":
		return fmt.Sprintf("no type of field is kept as %s", n.Type)
	}
	return ""
}

// kept finds the fields that the runtime keeps itself.
func (w *writer) kept(m *model) {
	is := func(name, kind string, optional bool) bool {
		c := m.Column(name)
		return c != nil && w.typeOf(m.Table, c) == kind && c.Optional == optional && !c.ID
	}
	m.timestamps = is("created_at", "datetime", false) && is("updated_at", "datetime", false)
	if !w.Own {
		return
	}
	unique := func(fits func(migrate.Index) bool) bool {
		return !slices.ContainsFunc(m.Indexes, func(ix migrate.Index) bool { return ix.Unique && !ix.Broken && !fits(ix) })
	}
	m.versioned = is("version", "int", false)
	m.tenants = is("tenant_id", "str", false) && unique(func(ix migrate.Index) bool { return slices.Contains(ix.Columns, "tenant_id") })
	m.soft = is("deleted_at", "datetime", true) && unique(func(ix migrate.Index) bool { return ix.Where != nil && among(ix.Where, "deleted_at") })
}

// nameFields gives each column its field's name.
func (w *writer) nameFields(m *model) {
	reserved := m.system()
	taken := map[string]bool{"id": true}
	for name := range reserved {
		taken[name] = true
	}
	m.fields[m.id.Name] = "id"
	for i := range m.Columns {
		c := &m.Columns[i]
		if why := w.untyped(m.Table, c); why != "" {
			m.without = append(m.without, fmt.Sprintf("the column %s has no field: %s", called(c.Name, writable.MatchString(c.Name)), why))
			continue
		}
		if c == m.id || reserved[c.Name] {
			m.fields[c.Name] = cmp.Or(m.fields[c.Name], c.Name)
			continue
		}
		base := fieldName(c.Name, w.Own)
		name := base
		for n := 2; taken[strings.ToLower(name)]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[strings.ToLower(name)] = true
		m.fields[c.Name] = name
	}
}

func (m *model) system() map[string]bool {
	names := map[string]bool{}
	for _, s := range []struct {
		on   bool
		name string
	}{{m.timestamps, "created_at"}, {m.timestamps, "updated_at"}, {m.versioned, "version"}, {m.tenants, "tenant_id"}, {m.soft, "deleted_at"}} {
		if s.on {
			names[s.name] = true
		}
	}
	return names
}

func (w *writer) head() {
	w.f("\"\"\"Written by flowctl introspect from a database that was there. It is yours to change.\"\"\"\n\n")
	if !w.Own {
		w.comment("Nothing of the database is altered. Its CHECKs and triggers are not in this file; the database goes on\nholding to them. A field that is left out of a create is stored as its default here, or as null; a remark says where the\ncolumn has another. What a trigger makes of a row shows when it is read again.")
	}
	w.f("db = DataFlow(\n    database_url = env(\"DATABASE_URL\", default = %s),\n", quote(w.o.URL))
	if !w.Own {
		w.f("    existing_schema_mode = True,\n")
	}
	w.f(")\n\n")
	for _, what := range w.left {
		w.comment("Left out: %s", what)
	}
	for _, what := range w.Others {
		w.comment("Left out: %s. Models are of tables.", what)
	}
	w.f("\n")
}

func (w *writer) model(m *model) {
	for _, why := range m.without {
		w.comment("%s", why)
	}
	var indexes, sets []string
	single := map[string]string{}
	w.indexes(m, single, &indexes, &sets)
	w.f("%s = db.model(%s, {\n", m.name, quote(m.name))
	n := 0
	for i := range m.Columns {
		c := &m.Columns[i]
		name := m.fields[c.Name]
		if name == "" || m.system()[c.Name] || c.ID && c.Name == "id" && w.Own && c.Kind == "int" {
			continue
		}
		w.field(m, c, name, single[c.Name])
		n++
	}
	if n == 0 {
		w.f("    \"id\": int,\n")
	}
	w.f("}")
	if dataflow.TableName(m.name) != m.Name {
		w.f(", table = %s", quote(m.Name))
	}
	for _, o := range []struct {
		on   bool
		text string
	}{
		{len(indexes) > 0, "indexes = [" + strings.Join(indexes, ", ") + "]"}, {len(sets) > 0, "unique = [" + strings.Join(sets, ", ") + "]"},
		{m.versioned, "versioned = True"}, {m.soft, "soft_delete = True"}, {m.tenants, "multi_tenant = True"}, {!m.timestamps, "timestamps = False"},
	} {
		if o.on {
			w.f(", %s", o.text)
		}
	}
	w.f(")\n\n")
	w.done[m.Name] = true
}

func (w *writer) field(m *model, c *migrate.Column, name, index string) {
	n := w.Columns[m.Name+"."+c.Name]
	typ, options := w.typeOf(m.Table, c), []string(nil)
	if to := w.target(m, c); to != "" {
		typ, options = "ref("+to, append(options, "")
		if a := c.Ref.OnDelete; a != "restrict" {
			options = append(options, "on_delete = "+quote(a))
		}
		if n.RefAction == "SET DEFAULT" {
			w.comment("deleting what %s refers to sets it to its default, which on_delete can't say", name)
		}
		options = options[1:]
	} else if c.Ref != nil && c.Ref.Elsewhere {
		w.comment("%s refers to %s of another schema, which this file does not have", name, c.Ref.Table)
	} else if c.Ref != nil && c.Storage == "citext" {
		w.comment("%s refers to %s by a citext, which ref(…) can't: an id in other letters is another to it", name, c.Ref.Table)
	} else if k := w.broken(m.Name, c.Name); k != nil {
		w.comment("%s, so SQLite adds no row to the table and deletes none", k)
	} else if c.Ref != nil || n.RefWide {
		w.comment("%s refers to %s in a way that ref(…) can't: its foreign key is of several columns, or leads to no id of a model", name, refTable(c))
	}
	if n.RefMore {
		w.comment("%s has more foreign keys than a field can have", name)
	}
	w.remark(c, n, name)
	if c.Optional {
		options = append(options, "optional = True")
	}
	if index != "" && !(strings.HasPrefix(typ, "ref(") && index == "index = True") {
		options = append(options, index)
	}
	f := w.fieldOf(m.Table, c)
	if !strings.HasPrefix(typ, "ref(") {
		options = append(options, bounds(f)...)
	}
	switch text, why := w.fallback(m, c, f, strings.Contains(index, "unique")); {
	case text != "":
		options = append(options, "default = "+text)
	case why != "" && c.Optional:
		w.comment("%s is null where it is left out: its default, %s, %s", name, shown(n.Default), why)
	case why != "":
		w.comment("%s has to be given: its default, %s, %s", name, shown(n.Default), why)
	}
	if name != c.Name {
		options = append(options, "column = "+quote(c.Name))
	}
	w.f("    %s: %s,\n", quote(name), call(typ, options))
}

// remark says what to know of a column beside its field.
func (w *writer) remark(c *migrate.Column, n migrate.FoundColumn, name string) {
	if w.Own {
		return
	}
	for _, remark := range []string{remarks[c.Storage], n.Remark} {
		if remark != "" {
			w.comment(remark, name)
		}
	}
	if len(c.Values) > 0 {
		w.comment("%s is of an enum type: it sorts in the order of its values", name)
	}
	if n.Domain != "" {
		w.comment("%s is of the domain %s: what that asks for beside the type, the database goes on holding to", name, n.Domain)
	}
}

// broken is the foreign key of a column that leads nowhere, or nil.
func (w *writer) broken(table, column string) *migrate.BrokenKey {
	for i, k := range w.Schema.Broken {
		if k.Table == table && slices.Contains(k.Columns, column) {
			return &w.Schema.Broken[i]
		}
	}
	return nil
}

func refTable(c *migrate.Column) string {
	if c.Ref == nil {
		return "another table"
	}
	return c.Ref.Table
}

// call writes a type with its options.
func call(typ string, options []string) string {
	list := strings.Join(options, ", ")
	switch open := strings.HasPrefix(typ, "ref("); {
	case open && list == "":
		return typ + ")"
	case open:
		return typ + ", " + list + ")"
	case list == "":
		return typ
	case strings.HasSuffix(typ, ")"):
		return strings.TrimSuffix(typ, ")") + ", " + list + ")"
	}
	return "field(" + typ + ", " + list + ")"
}

// target writes the model that a column refers to, or "".
func (w *writer) target(m *model, c *migrate.Column) string {
	n := w.Columns[m.Name+"."+c.Name]
	if c.Ref == nil || c.Ref.Elsewhere || n.RefWide || c.ID || c.Storage == "citext" { // a ref is equal to the letter
		return ""
	}
	i := slices.IndexFunc(w.models, func(o *model) bool { return o.Name == c.Ref.Table })
	if i < 0 {
		return ""
	}
	to := w.models[i]
	if n.RefTo != "" && n.RefTo != to.id.Name || w.typeOf(to.Table, to.id) != w.typeOf(m.Table, c) {
		return ""
	}
	switch {
	case to == m:
		return `"self"`
	case w.done[to.Name]:
		return to.name
	}
	return quote(to.name)
}

// length finds the letters that a text may have. PostgreSQL takes up to 10485760
// and SQLite any number, which means nothing to it.
var length = lazyregexp.New(`(?i)char[a-z ]*\(0*([1-9][0-9]{0,8})\)`)

// bound sets what the declared type keeps beyond the field's.
func bound(f *dataflow.Field, storage, declared string) {
	switch {
	case f.Type == dataflow.String:
		if n := length.FindStringSubmatch(declared); n != nil {
			most, _ := strconv.Atoi(n[1])
			f.MaxLength = &most
		}
		if storage == padded {
			f.Pattern = regexp.MustCompile(`(^|[^ ])$`)
		}
	case f.Type == dataflow.Int && declared == "integer":
		f.Ge, f.Le = int64(math.MinInt32), int64(math.MaxInt32)
	case f.Type == dataflow.Int && declared == "smallint":
		f.Ge, f.Le = int64(math.MinInt16), int64(math.MaxInt16)
	}
}

// bounds writes them.
func bounds(f *dataflow.Field) (options []string) {
	if f.MaxLength != nil {
		options = append(options, fmt.Sprint("max_length = ", *f.MaxLength))
	}
	if f.Pattern != nil {
		options = append(options, "pattern = "+quote(f.Pattern.String()))
	}
	if f.Ge != nil {
		options = append(options, fmt.Sprint("ge = ", f.Ge), fmt.Sprint("le = ", f.Le))
	}
	return options
}

func (w *writer) tail() {
	w.f("app = Nexus()\n")
	taken := map[string]bool{dataflow.BatchPath: true}
	for _, m := range w.models {
		usual := strings.ToLower(m.Name)
		path := usual
		if !regexp.MustCompile(`^[a-z][a-z0-9_-]*$`).MatchString(path) {
			path = fieldName(m.Name, false)
		}
		if stem, ok := strings.CutSuffix(fieldName(path, false), "_bulk"); ok && slices.ContainsFunc(w.models, func(o *model) bool { return fieldName(o.Name, false) == stem }) {
			path += "_row" // its create would be called as the bulk create of the other
		}
		for n, base := 2, path; taken[path]; n++ {
			path = fmt.Sprintf("%s%d", base, n)
		}
		if taken[path] = true; path == usual {
			w.f("app.expose(%s)\n", m.name)
		} else {
			w.f("app.expose(%s, path = %s)\n", m.name, quote(path))
		}
	}
	w.f("app.start()\n")
}
