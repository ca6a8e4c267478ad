package spec

import "slices"

// TypeInfo describes a field type.
type TypeInfo struct {
	Name string
	Doc  string
	JSON string // its form in requests and answers
}

// Types is the table of field types.
func Types() []TypeInfo { return types }

var types = []TypeInfo{
	{"str", "Text, stored as given.", "string"},
	{"int", "A whole number of 64 bits.", "number"},
	{"float", "A number in double precision. Use `decimal` for money.", "number"},
	{"bool", "`True` or `False`.", "true or false"},
	{"bytes", "Bytes.", "string, base64"},
	{"datetime", "An instant, in UTC, to the microsecond.", "string, `2026-01-31T09:30:00.000000Z`; any offset is taken"},
	{"date", "A calendar date.", "string, `2026-01-31`"},
	{"time", "A time of day.", "string, `09:30:00`"},
	{"uuid", "A UUID, kept in lower case.", "string"},
	{"json", "Any JSON value.", "any"},
	{"decimal", "An exact decimal number: `decimal(12, 2)` has 12 digits, 2 of them after the point.", "string, `\"12.50\"`; a number is taken where it is exact"},
	{"enum", "One of a few strings: `enum(\"new\", \"paid\")`.", "string"},
	{"list", "A list of values of one type: `list(str)`.", "array"},
	{"ref", "A reference to a row: `ref(Customer)`. The column holds its id.", "the id"},
}

// fieldOptions are the options of field(...) and of the types that are calls.
var fieldOptions = []Param{
	{Name: "optional", Accept: Bool, Named: true, Default: "False", Doc: "The field may be null, and is where nothing is given. Within an object that a workflow or signal is given it is then not there: `.get(\"name\")` asks for it."},
	{Name: "default", Accept: Any, Named: true, Doc: "The value where nothing is given. It must fit the type and the other options."},
	{Name: "unique", Accept: Bool, Named: true, Default: "False", Doc: "No two rows have the same value. Null never counts as the same.", For: "model"},
	{Name: "index", Accept: Bool, Named: true, Default: "False", Doc: "Filtering and sorting by the field use an index.", For: "model"},
	{Name: "immutable", Accept: Bool, Named: true, Default: "False", Doc: "The value is given on create and refused afterwards.", For: "model"},
	{Name: "searchable", Accept: Bool, Named: true, Default: "False", Doc: "Its words can be looked for, with `search` of list, count and aggregate. For str.", For: "model"},
	{Name: "min_length", Accept: Int, Named: true, Min: bound(0), Doc: "Fewest characters of a `str`, bytes of a `bytes`, items of a `list`.", For: "str bytes list"},
	{Name: "max_length", Accept: Int, Named: true, Min: bound(1), Doc: "Most characters, bytes or items.", For: "str bytes list"},
	{Name: "pattern", Accept: Str, Named: true, Some: true, Doc: "A regular expression (RE2) that must match somewhere in the text; `^…$` makes it match all of it.", For: "str"},
	{Name: "format", Accept: Str, Named: true, Doc: "A named form of text; the formats are listed below.", For: "str"},
	{Name: "ge", Accept: Any, Named: true, Doc: "The value is at least this.", For: "int float decimal datetime date time"},
	{Name: "gt", Accept: Any, Named: true, Doc: "The value is more than this.", For: "int float decimal datetime date time"},
	{Name: "le", Accept: Any, Named: true, Doc: "The value is at most this.", For: "int float decimal datetime date time"},
	{Name: "lt", Accept: Any, Named: true, Doc: "The value is less than this.", For: "int float decimal datetime date time"},
	{Name: "backfill", Accept: Any, Named: true, Doc: "The value that rows get that are there already, when the field is added or becomes required. New rows do not: that is `default`.", For: "model"},
	{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What the field means, for OpenAPI and MCP."},
	{Name: "was", Accept: Str, Named: true, Some: true, Doc: "The name the field had before: its column is renamed.", For: "model"},
	{Name: "column", Accept: Str, Named: true, Doc: "The name of the column, where it is not the field's own: `\"CustomerID\"`. The column's name is seen in the database alone.", For: "model"},
}

// fieldGone are habits from other systems.
var fieldGone = []Gone{
	{Name: "nullable", Instead: "optional"}, {Name: "null", Instead: "optional"},
	{Name: "required", Advice: "every field is required unless it says optional = True or has a default"},
	{Name: "primary_key", Advice: `declare the field as "id"`},
	{Name: "min", Instead: "ge"}, {Name: "max", Instead: "le"}, {Name: "gte", Instead: "ge"}, {Name: "lte", Instead: "le"},
	{Name: "regex", Instead: "pattern"}, {Name: "description", Instead: "doc"}, {Name: "help_text", Instead: "doc"},
	{Name: "choices", Advice: `write enum("a", "b") as the type`},
}

func withOptions(own ...Param) []Param { return append(slices.Clone(own), fieldOptions...) }

var dataBuiltins = []*Builtin{
	{
		Name: "env", Returns: "a string",
		Doc:     "Reads an environment variable, once, when the file is loaded. One that is not set and has no default is an error.",
		Example: `env("DATABASE_URL", default = "sqlite:shop.db")`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "The variable."},
			{Name: "default", Accept: Str | None, Doc: "The value where the variable is not set."},
		},
	},
	{
		Name: "DataFlow", Returns: "a database",
		Doc:     "A database and the models in it. Its name is the variable that holds it. An app may have several.",
		Example: `db = DataFlow(database_url = "sqlite:shop.db")`,
		Params: []Param{
			{Name: "database_url", Accept: Str, Required: true, Doc: "`sqlite:shop.db` (beside the app), `sqlite:///var/lib/shop.db` (an absolute path), `sqlite::memory:` (gone when the process ends), `postgres://user:password@host/name`."},
			{Name: "auto_migrate", Accept: Bool, Named: true, Default: "True", Doc: "Create tables, and alter them where that is safe, at start."},
			{Name: "existing_schema_mode", Accept: Bool, Named: true, Default: "False", Doc: "Never create or alter: the tables must fit already."},
			{Name: "enable_model_persistence", Accept: Bool, Named: true, Default: "True", Doc: "Keep a fingerprint of the schema in the database, so that an unchanged one costs nothing at start."},
			{Name: "pool_size", Accept: Int, Named: true, Default: "0", Min: bound(0), Max: bound(1000), Doc: "Connections that are kept (SQLite: for reading, beside the one that writes); 0 lets the engine choose."},
			{Name: "pool_max_overflow", Accept: Int, Named: true, Default: "0", Min: bound(0), Max: bound(1000), Doc: "Further connections under load, closed when it is over."},
			{Name: "pool_recycle", Accept: Duration, Named: true, Default: "0", Doc: "Age at which a connection is replaced; 0 is never."},
			{Name: "pooler", Accept: Str | None, Named: true, OneOf: []string{"transaction"}, Doc: "`\"transaction\"`: the server is behind PgBouncer, or another that gives each transaction any connection. Statements are then not prepared. PostgreSQL only."},
			{Name: "direct_url", Accept: Str | None, Named: true, Doc: "The URL of the same database that goes round the pooler; tables are made and altered over it. PostgreSQL only."},
			{Name: "slow_query_threshold", Accept: Duration, Named: true, Default: "0", Doc: "Statements that take longer are logged; 0 logs none."},
			{Name: "echo", Accept: Bool, Named: true, Default: "False", Doc: "Log every statement, without values."},
			{Name: "migration_lock_timeout", Accept: Duration, Named: true, Default: `"30s"`, Doc: "How long to wait for another process that migrates."},
			{Name: "multi_tenant", Accept: Bool, Named: true, Default: "False", Doc: "Default of the models' `multi_tenant`."},
			{Name: "audit_logging", Accept: Bool, Named: true, Default: "False", Doc: "Default of the models' `audit_log`."},
			{Name: "monitoring", Accept: Bool, Named: true, Default: "False", Doc: "`/metrics` has how long the statements of this database take, by model and kind. Needs `enable_monitoring` of `Nexus`."},
			{Name: "cache_enabled", Accept: Bool, Named: true, Default: "False", Doc: "Keep what reads were answered with in the memory of the process, and answer the same question again without the database. What this process writes is seen at once; what another one writes, or a trigger of the database, after `cache_ttl`. Reads of a transaction are never answered so."},
			{Name: "cache_ttl", Accept: Duration, Named: true, Default: `"1m"`, Doc: "How long an answer is kept, and so how old at most what another process has changed may be."},
		},
		Gone: []Gone{
			{Name: "skip_registry", Instead: "enable_model_persistence", Advice: "write enable_model_persistence = False for skip_registry = True", Still: true},
			{Name: "skip_migration", Instead: "auto_migrate", Advice: "write auto_migrate = False for skip_migration = True", Still: true},
			{Name: "connection_pool_size", Instead: "pool_size", Still: true},
			{Name: "enable_metrics", Instead: "monitoring", Still: true},
			{Name: "url", Instead: "database_url"},
			{Name: "max_overflow", Instead: "pool_max_overflow"},
		},
	},
	{
		Name: "db.model", Returns: "a model",
		Doc:     "Declares a model: a table, its eleven operations (`Order.create`, `Order.list`, …) and their nodes (`OrderCreateNode`, …). Every model has `id`, `created_at` and `updated_at`, the last two unless `timestamps = False`.",
		Example: `Order = db.model("Order", {"status": enum("new", "paid", default = "new"), "total": decimal(12, 2, ge = 0)}, versioned = True)`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "Starts with a capital: `OrderLine`."},
			{Name: "fields", Accept: Dict, Required: true, Doc: "The type of each field by its name. `id` may be declared as `str`, `int` or `uuid`: then the caller may give it."},
			{Name: "indexes", Accept: List, Named: true, Default: "[]", Doc: "Indexes over several fields: `[index(\"status\", \"created_at\")]`."},
			{Name: "unique", Accept: List, Named: true, Default: "[]", Doc: "Sets of fields that are unique together: `[[\"order\", \"line\"]]`."},
			{Name: "soft_delete", Accept: Bool, Named: true, Default: "False", Doc: "Delete hides the row, and sets `deleted_at`. Uniqueness is among the rows that are left: the value of a deleted one can be used again."},
			{Name: "versioned", Accept: Bool, Named: true, Default: "False", Doc: "Rows have a `version` that every write raises, and writers may ask for the one they read."},
			{Name: "audit_log", Accept: Bool | None, Named: true, Doc: "Every change is recorded in the same transaction. Default: `audit_logging` of the database."},
			{Name: "multi_tenant", Accept: Bool | None, Named: true, Doc: "Rows belong to a tenant and no other sees them. Default: that of the database."},
			{Name: "access", Accept: Dict, Named: true, Doc: "Who may do what with its rows, of those who ask from outside: a rule each for `\"read\"` (lists, counts and all else that shows rows), `\"create\"`, `\"update\"` and `\"delete\"`, and `\"fields\": {\"salary\": {\"read\": role(\"hr\"), \"write\": role(\"hr\")}}`. What it leaves out nobody may do. A rule is `role(…)`, `signed_in()`, `anyone()`, `nobody()`, a condition such as `\"owner == ctx.user.id\"` for the rows for which it is true, or a list of these, of which one is enough. Default: whoever is signed in may do everything."},
			{Name: "timestamps", Accept: Bool, Named: true, Default: "True", Doc: "Rows have `created_at` and `updated_at`, which the runtime keeps. Without them both names are free for fields of one's own."},
			{Name: "table", Accept: Str, Named: true, Doc: "The table's name. Default: the plural of the model's name, `order_lines`."},
			{Name: "was", Accept: Str, Named: true, Some: true, Doc: "The name the model had before: its table is renamed."},
			{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What a row is, for OpenAPI and MCP."},
			{Name: "validate", Accept: Func, Named: true, Doc: "`fn(row)`, called before each write with the whole row. Returns None, a problem, a list of them, or a dict of field to problem."},
			{Name: "computed", Accept: Dict, Named: true, Default: "{}", Doc: "Values worked out whenever a row is read, by name: `{\"label\": fn}` with `fn(row)`. They can't be filtered or sorted on."},
			{Name: "before_create", Accept: Func, Named: true, Doc: "`fn(row)`, returns None or a dict of changes."},
			{Name: "before_update", Accept: Func, Named: true, Doc: "`fn(row)`, returns None or a dict of changes."},
			{Name: "before_delete", Accept: Func, Named: true, Doc: "`fn(row)`, may refuse with `fail(\"why\")`."},
		},
		Gone: []Gone{
			{Name: "unique_together", Instead: "unique"},
			{Name: "tablename", Instead: "table"}, {Name: "table_name", Instead: "table"}, {Name: "__tablename__", Instead: "table"},
			{Name: "optimistic_locking", Instead: "versioned"},
		},
	},
	{
		Name: "field", Returns: "a field type",
		Doc:     "A field type with options. The types that are calls (`decimal`, `enum`, `list`, `ref`) take the same options themselves.",
		Example: `field(str, unique = True, format = "email")`,
		Params: withOptions(
			Param{Name: "type", Accept: Type | Dict, Required: true, Doc: "The type. In the input of a workflow it may be a dict of fields, an object that has them."},
		),
		Gone: fieldGone,
	},
	{
		Name: "decimal", Returns: "a field type, or a number",
		Doc:     "The type of exact decimal numbers with so many digits, of which `scale` after the point. `decimal(\"0.2\")` is the number itself.",
		Example: `decimal(12, 2, ge = 0)`,
		Params: withOptions(
			Param{Name: "precision", Accept: Int, Required: true, Min: bound(1), Max: bound(38), Doc: "Digits in all."},
			Param{Name: "scale", Accept: Int, Required: true, Min: bound(0), Max: bound(38), Doc: "Digits after the point."},
		),
		Gone: append([]Gone{{Name: "max_digits", Instead: "precision"}, {Name: "decimal_places", Instead: "scale"}}, fieldGone...),
	},
	{
		Name: "enum", Returns: "a field type",
		Doc:     "The type of strings of which there are only a few.",
		Example: `enum("new", "paid", "shipped", default = "new")`,
		Rest:    &Param{Name: "values", Accept: Str, Doc: "The values."},
		Params:  withOptions(), Gone: fieldGone,
	},
	{
		Name: "list", Returns: "a field type, or a list",
		Doc:     "The type of lists of a type. `list(xs)` of anything else makes a list, as everywhere in Starlark. In the input of a workflow the type may be a dict of fields.",
		Example: `list(str, max_length = 10)`,
		Params:  withOptions(Param{Name: "type", Accept: Type | Dict, Required: true, Doc: "The type of each item."}), Gone: fieldGone,
	},
	{
		Name: "ref", Returns: "a field type",
		Doc:     "A reference to a row of a model. It is checked by the database and always indexed. Filters reach through it: `{\"customer.email\": …}`.",
		Example: `ref(Customer, on_delete = "cascade")`,
		Params: append([]Param{
			{Name: "model", Accept: Model | Str, Required: true, Doc: "The model; `\"self\"` for the model being declared; the name of one that is declared later."},
			{Name: "on_delete", Accept: Str, Named: true, Default: `"restrict"`, OneOf: []string{"restrict", "cascade", "set_null"}, Doc: "What deleting the row does to those that refer to it: it is refused, deletes them too, or makes the field null (which must be optional)."},
		}, fieldOptions...),
		Gone: fieldGone,
	},
	{
		Name: "index", Returns: "an index",
		Doc:     "An index over fields, for `indexes` of `db.model`.",
		Example: `index("status", "created_at")`,
		Rest:    &Param{Name: "fields", Accept: Str, Doc: "The fields, in the order of the index."},
		Params: []Param{
			{Name: "unique", Accept: Bool, Named: true, Default: "False", Doc: "No two rows have the same values."},
			{Name: "where", Accept: Dict | None, Named: true, Doc: "A filter of the rows that the index is over; `unique` is among them. It compares fields of the model with constants, by `$eq $ne $gt $gte $lt $lte $in $nin $between $null $exists`, with `$and $or $not`: `index(\"email\", unique = True, where = {\"status\": \"open\"})`."},
		},
	}, {
		Name: "role", Returns: "a rule",
		Doc:     "A rule of `access`: whoever is signed in and has one of these roles.",
		Example: `access = {"read": signed_in(), "update": role("editor", "chief", where = "region == ctx.user.region")}`,
		Rest:    &Param{Name: "names", Accept: Str, Doc: "The roles; one of them is enough."},
		Params:  []Param{whereParam},
	},
	{
		Name: "anyone", Returns: "a rule",
		Doc:     "A rule of `access`: everybody, also who has not said who they are.",
		Example: `access = {"read": [anyone(where = "published"), "author == ctx.user.id"]}`,
		Params:  []Param{whereParam},
	},
	{
		Name: "signed_in", Returns: "a rule",
		Doc:     "A rule of `access`: whoever has said who they are. A condition by itself says the same: `\"owner == ctx.user.id\"` is `signed_in(where = \"owner == ctx.user.id\")`.",
		Example: `access = {"read": signed_in(), "create": signed_in()}`,
		Params:  []Param{whereParam},
	},
	{
		Name: "nobody", Returns: "a rule",
		Doc:     "A rule of `access` that lets nobody in, as leaving the operation out does.",
		Example: `access = {"read": signed_in(), "delete": nobody()}`,
	},
}

var whereParam = Param{Name: "where", Accept: Str, Named: true, Doc: "A condition: only the rows for which it is true. It compares the row's fields, also through references, `ctx.user.…`, `ctx.tenant` and values, with `== != < <= > >= in`, `not in`, `and`, `or`, `not` and `None`."}
