package dataflow

import (
	"slices"
	"strings"
)

// CodeInfo documents a diagnostic's code. docs/errors is generated from it.
type CodeInfo struct {
	Code  string
	Title string // what is wrong, a few words
	Doc   string // why it matters and what to write instead, Markdown
}

// Codes is the table of diagnostics. A code keeps its meaning for ever.
//
//	FC0xx  syntax and Python habits      FC4xx  handlers, exposure, Nexus
//	FC1xx  names, options, loads         FC5xx  security
//	FC2xx  models                        FC6xx  database and migration
//	FC3xx  workflows                     FC7xx  running and serving
//	FC8xx  style                         FC9xx  suppressions
func Codes() []CodeInfo {
	all := slices.Concat(languageCodes, codes, checkCodes)
	slices.SortStableFunc(all, func(a, b CodeInfo) int { return strings.Compare(a.Code, b.Code) })
	return all
}

var codes = []CodeInfo{
	{"FC300", "unknown node type", "The node types are a model's name with an operation (`OrderCreateNode`), the built-in ones, and those that a Go program adds. Pass the operation itself (`Order.create`) to have it checked where it is written."},
	{"FC301", "a node type's name has several meanings", "Two databases may have a model of the same name. Pass the operation (`Order.create`) from the variable that holds the model instead of a name."},
	{"FC303", "a node takes no such name", "Every name in a node's config must be a parameter of its type; a misspelt one would otherwise be lost in silence."},
	{"FC304", "a node lacks something it needs", "A required parameter is neither in the config nor brought by a connection."},
	{"FC305", "a value in a node's config doesn't fit", "Values that are written out in the file are checked against type and constraints when it is loaded, not when a caller first meets them."},
	{"FC306", "a filter, sort or list of fields doesn't fit its model", "Filters name fields of the model and operators of the filter language; see the list in the language guide."},
	{"FC310", "a reference can't be read", "References are written `\"${input.name}\"`, `\"${node.output.path[0]}\"`, `\"${env.NAME}\"` or `\"${ctx.user.id}\"`. To write the characters `${` themselves, double the dollar sign: `$${`."},
	{"FC311", "a reference leads nowhere", "`${input.x}` needs an input x, `${node.x}` a node and an output x of it, `${ctx.…}` one of user, tenant and run_id."},
	{"FC312", "a reference's type can't fit", "A reference that is the whole string keeps its type. Where that type can never be what the parameter wants, the file is refused; where some values fit, the run decides."},
	{"FC313", "a value is given twice", "A parameter gets its value from the config or from one connection, not from both."},
	{"FC314", "a connection names an unknown node", "`add_connection(from, output, to, input)` takes the ids of nodes of the same workflow."},
	{"FC315", "a connection names an unknown output", "The output of a connection is a path into what the node returns, as `record.id`."},
	{"FC316", "a connection names an unknown input", "The input of a connection is a parameter of the node it leads to, or a name within one (`where.email`), or `when`."},
	{"FC317", "the arguments of a connection are swapped", "The order is `add_connection(from, output, to, input)`."},
	{"FC320", "nodes wait for each other", "The graph of a workflow has no cycles: a node can use only what runs before it."},
	{"FC321", "a workflow runs itself", "A WorkflowNode can't lead back to its own workflow, not even through others."},
	{"FC322", "a node can never run", "A SwitchNode takes one way. A node that needs what lies on two of them is skipped in every run, and so is what follows it. A MergeNode brings ways together: it runs with what is there."},
	{"FC330", "a WorkflowNode names no workflow", "It takes a workflow, or the name one is registered under, and it must be known when the file is loaded."},
	{"FC331", "the inputs of a WorkflowNode are wrong", "They must be the inputs that the workflow declares."},
	{"FC340", "a StarlarkNode's function or arguments are wrong", "`fn` is a function of the file, and the other names of the config are its parameters."},
	{"FC341", "a SwitchNode can't decide", "It takes a condition, or a value and cases, or an input with condition_field, operator and value."},
	{"FC342", "a MergeNode can't merge", "It takes inputs as a list or dict of references, or connections, and one of the strategies first, all and object."},
	{"FC343", "a TransactionNode's nodes are wrong", "`nodes` lists ids of nodes of the same workflow, each in one scope only; scopes don't nest."},
	{"FC344", "an HTTPRequestNode is wrong", "Its url is http or https, with a host; it has one body at most."},
	{"FC345", "on_error is wrong", "`on_error` is `\"fail\"`, `\"continue\"` (nodes that refer to the node are skipped), `{\"default\": result}` (the node's result then, of values, the input and what runs before) or `{\"goto\": \"node\"}` (a node that runs only then, and may refer to `${node.error.code}` and `${node.error.message}`)."},
	{"FC346", "compensate is wrong", "`compensate` names a node of the workflow that undoes what this one did outside the database, as a refund undoes a charge. It runs only where the run fails later, so nothing can refer to it, and it can use the input, the node it undoes and what ran before that. What a node did to the database the transaction undoes."},
	{"FC347", "a node that runs something, or that waits, is wrong", "`MapNode`, `LoopNode` and `CacheNode` run one of a `workflow`, a `node` type or operation, and a function (`fn`), known when the file is loaded, with arguments that it takes. A CacheNode runs nothing that uses a database: a kept value would hide what was written since.\n\nOf nodes that wait: a `WaitNode` has `for`, a duration of more than 0, or `until`. A `SignalNode` has a `default` only beside a `timeout`, which is a duration of more than 0 too; its `payload` is a type, written out, that the default fits, and that all nodes which wait for a signal of that name share."},
	{"FC348", "a FilterNode or a function of one argument is wrong", "A FilterNode takes a function of an item, or a field, an operator and a value."},
	{"FC349", "a node that reads or writes text is wrong", "A reader takes the path of a file or a text; a path leads to a file within the folder that `Nexus(files = …)` declares."},
	{"FC381", "an event that can't be listened to", "`app.on` takes `\"Model.created\"`, `.updated` or `.deleted`, or the name of an event that an `EmitNode` tells. `where` is a filter on the row itself."},
	{"FC382", "a workflow that an event can't start", "Inputs of a workflow that listens are filled by name: `record`, `before`, `event`, and else the row's field of that name. Of `record` and `before` a dict of fields takes those, as the row has them. What could not be filled would have whoever writes a row refused: an input that must have a value of a field that may be null is warned of."},
	{"FC383", "a schedule that can't be", "The times are five fields of crontab, `tz` a zone of the IANA database, and the inputs those of the workflow."},
	{"FC384", "an event that nobody hears", "An `EmitNode` tells of an event to which no `app.on` listens, so that it does nothing."},
	{"FC385", "a bound that binds nothing", "`concurrency`, `rate`, `limit_by` and `priority` are for durable runs, which wait for their turn in the database. `limit_by` names an input of the workflow."},
	{"FC386", "what an event tells does not fit who listens", "The `data` of an `EmitNode` fills the inputs of each workflow that listens by their names. What is missing or of another type there would fail the run that tells of the event."},
	{"FC387", "a node type that a handler can't run", "Some node types work on the graph of a workflow: they run other nodes, put them into one transaction, or let the run rest between two of them. A handler has no graph; it has loops, is one transaction by itself, and if it is durable rests with `ctx.sleep` and `ctx.wait_signal`."},
	{"FC388", "signals that nobody can be sent", "`signals` of a handler says what may be sent to its runs, so that they have to be kept: `durable = True`."},
	{"FC350", "a call to the outside holds the transaction", "The node depends on data of the transaction, so it runs inside it, and other writers wait for its answer. Give it a short timeout, or let it depend on the input alone: then it runs before the transaction is opened."},
	{"FC351", "a workflow writes to several databases", "A run is all or nothing, and no transaction spans two databases. Make a workflow for each."},
	{"FC352", "an environment variable is not set", "`${env.NAME}` is read when the app starts. Set the variable, or use `env(\"NAME\", default = …)`, which has a default."},
	{"FC353", "two node types have one name", "A Go program that embeds the runtime added a node type whose name is taken."},
	{"FC354", "a retry would hold the transaction", "Between two attempts a retry waits for its `backoff`. Within a transaction that writes, every other writer would wait too (SQLite has one writer). Write `backoff = 0`, or let the node depend on the input alone: then it runs before the transaction is opened."},
	{"FC355", "a wait where runs are not kept", "A run that waits rests in the database, so the workflow must be durable. Leave out `durable = False` (or `enable_durability = False`)."},
	{"FC356", "a durable workflow without a database", "The runs of a durable workflow are kept in a database of the app, with what they write to it. Declare a `DataFlow`."},
	{"FC357", "a wait that can't be", "A run rests between the nodes of a workflow: not inside a TransactionNode, not within something that is run for each item, and not to undo something. What waits has no `retry` and no `timeout` of a node."},
	{"FC358", "a SQLQueryNode is wrong", "`sql` is one statement, written out, whose values are parameters: `:name`, given by `params` as a dict, or `$1` and `?`, given as a list. Values never become part of the text, so a template in it is an error. It reads unless it says `write = True`."},
	{"FC359", "the database does not take a statement", "The database was asked about the `sql` of a node when the app was opened, and says that it can't be run: a table or column is not there, or it is not SQL that this engine knows. Of what SQLite keeps in a form of its own, as decimals, `columns` says what it is."},
	{"FC380", "what was written before a call stays", "The workflow calls out after it has written to its database. It is durable: what it wrote is committed before the call, and stays if a later node fails. Say `durable = True` if that is as it should be, and give the nodes that wrote a `compensate` if it is not. With `durable = False` all is one transaction, which is held open for the call."},
	{"FC701", "no engine for a database URL", "`database_url` starts with a scheme that says which engine the database is for. There are `sqlite:` and `postgres:`; a program that embeds flowctl may add others."},
	{"FC704", "one port for both channels", "REST and MCP each listen on a port of their own; give `api_port` and `mcp_port` different numbers. 0 takes any free port."},
	{"FC705", "the app could not be made ready", "The app passed every check, but joining it with its databases failed. That is a fault of flowctl; please report it with the log."},
	{"FC706", "a port can't be listened on", "Something else listens on the port, or this user may not. Stop the other, or set `api_port` or `mcp_port` to another port; 0 takes any free one."},
	{"FC707", "a host that is no address of this machine", "`host` is an address or a name of the machine the app runs on: `127.0.0.1` serves this machine only, `0.0.0.0` every network it is on."},
	{"FC708", "the folder for files can't be used", "`Nexus(files = \"files\")` names a folder below the app's, which must be there, be no link that leads out of it, and hold no database of the app."},
	{"FC730", "metrics that nobody sees", "`DataFlow(monitoring = True)` adds the statements of a database to the metrics of the server, and the server has metrics only with `Nexus(enable_monitoring = True)`."},
	{"FC710", "two MCP tools of one name", "Each workflow is an MCP tool of its own name, and each operation of an exposed model one called `{path}_{operation}`. Agents call tools by name, so two can't share one. Rename the workflow, or expose the model under another path: `app.expose(Order, path = \"all_orders\")`."},
	{"FC720", "a secret that is not from the environment", "Whoever knows the secret of `jwt(…)` signs tokens for any user. It is read from the environment, `secret = env(\"JWT_SECRET\")`, without a default: one that stands in the file is known to all who read it."},
	{"FC721", "an issuer of tokens that can't be trusted", "`jwt(…)` takes a `secret` of at least 32 bytes, or `jwks`, the https address of the issuer's public keys, with its `issuer` and the `audience` that tokens for this app have. Which algorithms are taken follows from that, and never from the token."},
	{"FC722", "users of two issuers can't be told apart", "A user's id is what its issuer says it is. Two issuers may use one id for two people, who would see each other's rows. Write `prefix = \"…\"` in one of the `jwt(…)`."},
	{"FC723", "nobody could call the app", "With `enable_auth` callers need an API key or a token. Keys are kept in a table of the runtime in the app's first database, which `existing_schema_mode` makes none of. Give `auth` a `jwt(…)`."},
	{"FC724", "auth that is not asked for", "`auth` says how callers are known, and does nothing unless `enable_auth = True` says that they are asked."},
	{"FC731", "a limit that can't be applied", "`rate_limit_config` names what the app does not serve, or holds what is no rate. A limit is a number of requests in a minute (`600`), a text with the time (`\"10/s\"`, `\"1000/hour\"`, `\"5/10m\"`), or a dict of `rate`, `burst` and `shared`. It is `per_address`, `per_key` (of those who are signed in), or below `workflows` or `models`."},
	{"FC735", "a reload that can't be served", "The file was loaded again, and as it is now the command that serves the app would have refused it: it calls `app.start()` no more, or asks for a host that other machines can reach. What was served before is served until the file is mended."},
	{"FC736", "a setting that a reload does not apply", "What the server listens on (`host`, `api_port`, `mcp_port`, `enable_http_transport`) is settled when it starts. All else of the file is served at once; restart the server for this."},
	{"FC745", "a tool or a toolset of flowctl's own is hidden", "Agents are given tools and toolsets of flowctl's own besides those of the app: `find_records` and its like, `/mcp/readonly`. One of the app that has such a name takes the place of the tool; a model exposed at the path of a toolset has no toolset of its own. Give it another name or path."},
	{"FC746", "a prompt that can't be made", "A prompt (`app.prompt`) has a name of its own and arguments. Its text may refer to those arguments alone, as `${input.order}`; a function in its place has a parameter for each of them."},

	// The database and its tables.
	{"FC601", "the database URL can't be read", "`database_url` of a SQLite database is `\"sqlite:shop.db\"`, a path that starts from the app's folder; `\"sqlite:/var/lib/shop.db\"` or `\"sqlite:///var/lib/shop.db\"`, an absolute one; or `\"sqlite::memory:\"`, a database that is gone when the process ends. Options are arguments of `DataFlow`, never behind a `?`. That of a PostgreSQL database is `\"postgres://user:password@host:5432/name\"`, options of the connection such as `sslmode=verify-full` behind a `?`; `@ : / ? # %` in a user's name or password are written `%40 %3A %2F %3F %23 %25`. `direct_url` is written like it, and leads to the same database by another way. No message ever shows the URL."},
	{"FC602", "the database can't be opened", "The path leads to a folder, or into one that is not there: flowctl makes the file, but no folders. Or the log beside the database (`-wal`) is there without it: a new database would throw away what only the log has. Or the PostgreSQL server does not answer, has no such database, refuses the user, or can't be trusted: `sslmode=verify-full` asks for a certificate that is signed by an authority known here (`sslrootcert=…`) and is for the host in the URL. A start waits 15 seconds for a server that is coming up, or as long as `connect_timeout` in the URL says."},
	{"FC603", "the database is locked", "Another program holds a lock on the database. A start waits for `migration_lock_timeout` (30 seconds unless it is given), because no tables can be looked at or altered meanwhile. Of PostgreSQL the message says who holds it."},
	{"FC604", "the file is no database", "The file exists but is not a SQLite database, or it is damaged. It has not been touched. `sqlite3 FILE \"PRAGMA integrity_check\"` says more of a damaged one. A file that was put in the place of another, whose log (`-wal`) was left beside it, looks so too: put it there once more, without the log."},
	{"FC605", "the database is from a newer version", "A later version of flowctl has written to the database, in a format that this one does not know. It is left alone, because guessing could lose data."},
	{"FC606", "the database can't be written to", "SQLite needs to write to the file and, for its log, to the folder the file is in. On PostgreSQL the user must be allowed to make tables in the schema (`GRANT CREATE ON SCHEMA public TO …`), and the server be no standby."},
	{"FC607", "there is no room for the database", "The disk is full, so the tables can't be made. Nothing has been changed."},
	{"FC608", "an option of another engine", "`pooler` and `direct_url` are about a PostgreSQL server behind a pooler such as PgBouncer; a SQLite database has no server. Leave them out, or write None where the file is for either: `direct_url = env(\"DIRECT_URL\", default = None)`. A SQLite database in memory has one connection for all, so that `pool_size`, `pool_max_overflow` and `pool_recycle` do nothing there."},
	{"FC610", "a new required field beside existing rows", "A field that is required and has no default leaves the rows that are there without a value. Give the field a `default` or a `backfill`, which they will take, or make it `optional = True`."},
	{"FC611", "a field changes its type", "Rows follow a change of type where every value can: text that is written as numbers becomes `int`, an `int` a `decimal`. A value that can't, or a type that nothing follows to, is refused; a change that would alter values, as a rounding, is refused until it is allowed by name: `flowctl migrate apply --allow retype:Order.total`."},
	{"FC612", "rows are not unique", "A field, or a combination of fields, is to be unique, but rows that are there have equal values. Make them differ first."},
	{"FC613", "rows have values that the field no longer takes", "An enum has lost a value, or a decimal digits, that rows still have. Keep it, or change those rows first."},
	{"FC614", "rows lack a field that is now required", "A field was optional, and rows have no value for it. Give the field a `default` or a `backfill`, which they will take, unless it is part of something unique; or give them one first."},
	{"FC615", "a reference that rows do not keep", "A field is to refer to rows that are not there, or a table is to go that others refer to. Change those rows first."},
	{"FC616", "changes are pending", "`auto_migrate = False` keeps the tables as they are, and they are not as the models ask. The message lists what it would take."},
	{"FC617", "an existing table does not fit", "With `existing_schema_mode = True` no table is made or altered, and no table of the runtime's own: those that are there must fit the models. Columns hold what the field's type is stored as: TEXT for text, enums, dates, times, datetimes (`2006-01-02T15:04:05.000000Z`) and JSON; INTEGER for int, bool (0 or 1) and decimals (in units of their last digit); REAL or NUMERIC for float; BLOB for bytes. On PostgreSQL: text or varchar for str and enum, bigint, integer or smallint for int, double precision or real for float, boolean, numeric(p, s), timestamptz, timestamp for datetime in UTC, date, time, uuid, bytea, and json or jsonb for json and lists. Idempotency keys need a table of the runtime's own and are refused in this mode."},
	{"FC618", "a column without a field", "A field was removed from a model, or renamed without `was`. Its column stays, with its values, so that nothing is lost by a slip; new rows leave it empty. When it is not needed: `flowctl migrate apply --allow drop_column:Order.note`."},
	{"FC619", "a table without a model", "A model was removed from the file, or renamed without `was`. Its table stays as it is. When it is not needed: `flowctl migrate apply --allow drop_table:orders`."},
	{"FC620", "the tables can't be made", "The database refused a change to its tables that should have been possible; the message says why. Nothing has been changed."},
	{"FC621", "the id changes", "The id of a model's rows is its table's primary key, which can't become another column."},
	{"FC622", "rows would be seen that were not", "`soft_delete` or `multi_tenant` was switched off for a table with rows. What was deleted would be back in every answer, or every tenant would see the others' rows; that must not happen by a slip."},
	{"FC623", "a rename is unclear", "`was` names what another field or model has for its name now, or the new name differs from a column's in case only. Whose the values are can't be told, and guessing would put them under the wrong name. Rename in one start and add what is new in the next. Or a version of the app from before a rename is started: what it misses is there, under the later name, and is not made anew without its rows."},
	{"FC624", "a loss was allowed that there is not", "`--allow` names what may be thrown away, and nothing of that name would be. A slip here would allow something else another time."},
	{"FC625", "a migration can't be undone", "There is nothing to undo, or undoing it would throw away or alter what has been stored since, or rows have what may not be there then. What may be lost is named: `--allow drop_column:Order.note`, `--allow retype:Order.total`."},
	{"FC626", "a schema that is another's", "With `existing_schema_mode = True` the tables are made and altered by another tool: nothing is applied, undone or exported. `flowctl migrate plan` and `status` say where they do not fit the models (FC617)."},
	{"FC627", "a step that only flowctl can run", "On SQLite some changes of a type are worked out by a function that flowctl adds to the connection. A file for another program would fail there, so none is written: `flowctl migrate apply` does it."},

	// How declarations fit together.
	{"FC250", "one database is opened twice", "Two `DataFlow(...)` have the same `database_url`. Each would bring the schema to what its own models ask for. Declare all models on one, or give the second a database of its own."},
	{"FC251", "two models share a name", "Models of one database differ in name and table, and in the node types they make: `Order` and `OrderBulk` would both have an `OrderBulkCreateNode`."},
	{"FC252", "a table of the runtime's own", "Tables whose names begin with `_flow` hold the runtime's audit log, idempotency keys and migrations, those with `sqlite_` the engine's own. Write `table = \"...\"` with another name."},
	{"FC253", "no name for a model or table", "Names have letters, digits and `_`, at most 60; a model's begins with a capital, as `OrderLine`."},
	{"FC254", "a model built in Go is not complete", "A `dataflow.Model` needs its system fields (`id`, `created_at`, `updated_at`, and those its options ask for), and `Seal` called when it is complete."},
	{"FC255", "a name is used twice in a model", "Fields and computed values of a model differ in name, and by more than case."},
	{"FC256", "a reference leads to no model of the app", "The model a `ref` names must be declared on one of the app's databases."},
	{"FC257", "a reference leads to another database", "A database keeps references whole, and can do so only within itself. Declare both models on one `DataFlow`, or keep the id in a plain field."},
	{"FC258", "a shared row refers to a tenant's", "A model without `multi_tenant` is seen by every tenant; through a reference to a tenant's row each would learn of the others. Make both multi-tenant, or turn the reference round."},
	{"FC259", "what happens on deletion is not what it seems", "`on_delete` is about rows that really go. A soft-deleted row does not; rows that go by `cascade` do so without their model's `soft_delete`, `before_delete` and `audit_log`; and a reference is emptied by `set_null` without its model's `before_update`, though the row's version, `updated_at` and audit log say so."},
	{"FC260", "an index does not fit its model", "An index is over fields of the model, each once; computed values and `json` or `list` fields can't be indexed."},
	{"FC261", "a field built in Go does not fit its type", "Defaults and bounds are canonical values of the field's type (see `codec.Coerce`), bounds are not reversed, and the type is one that a database stores."},
	{"FC262", "no first row can be added", "A required reference needs a row to be there before. Where such references form a circle there is no first row. Make one of them optional."},
	{"FC263", "ids are shared between tenants", "An id is a table's primary key, so it is unique among all tenants, unlike fields with `unique`. Where callers choose ids, a tenant can learn that one is taken. A `uuid` can't be guessed."},
	{"FC264", "an index is over rows that it can't be over", "`where` of an `index` is a filter that every database can keep an index by: comparisons of the model's own fields with constants (`$eq $ne $gt $gte $lt $lte $in $nin $between $null $exists`), joined by `$and`, `$or` and `$not`. It follows no reference and looks for no part of a text."},

	{"FC450", "an exposure of an unknown model", "`app.expose` takes a model of one of the app's databases."},
	{"FC740", "events that can't be served", "`app.expose(Order, events = True)` streams what happens to rows, to whoever may read them: `read` or `list` must be served too. Changes are kept in tables of the runtime's own, which are not made with `existing_schema_mode = True`."},
	{"FC451", "an exposure can't be served", "The path of an exposure has letters, digits, `-` and `_`; at least one operation is named."},
	{"FC452", "two models at one path", "Each exposed model has a path of its own."},
	{"FC453", "two workflows of one name", "A workflow is called by its name, so each has its own."},
	{"FC454", "no name for a workflow", "A workflow's name is part of its address: letters, digits, `-` and `_`, beginning with a letter."},
	{"FC455", "a workflow built in Go is not complete", "A `dataflow.Workflow` has nodes or a handler, inputs of different names, and `SealInput` called when they are complete."},
}

// ErrorCodeInfo documents the code of an Error or a Problem.
type ErrorCodeInfo struct {
	Code   string
	Status Status
	Doc    string
}

// ErrorCodes is the table of codes that answers to requests carry.
func ErrorCodes() []ErrorCodeInfo { return errorCodes }

var errorCodes = []ErrorCodeInfo{
	{"internal", StatusInternal, "Something went wrong inside the server. The log has the cause beside the run id."},
	{"invalid", StatusInvalid, "The input is wrong; `errors` lists every problem with the place it is at."},

	// Problems of one part of an input.
	{"malformed_json", StatusInvalid, "The text is not JSON (RFC 8259). The detail says where it stops being JSON."},
	{"too_deep", StatusInvalid, "Lists and objects nest more deeply than is taken."},
	{"duplicate_key", StatusInvalid, "An object gives the same name twice."},
	{"unknown_field", StatusInvalid, "There is no field of this name; the hint names the nearest one."},
	{"wrong_type", StatusInvalid, "The value is of another type than the field's."},
	{"null", StatusInvalid, "The field is not optional, so it can't be null."},
	{"required", StatusInvalid, "The field must be given."},
	{"read_only", StatusInvalid, "The field is written by the runtime; leave it out."},
	{"immutable", StatusInvalid, "The field is fixed once the row is created."},
	{"too_small", StatusInvalid, "The value is below the field's lower bound."},
	{"too_large", StatusInvalid, "The value is above the field's upper bound, or beyond what its type holds."},
	{"too_short", StatusInvalid, "There are fewer characters, bytes or items than the field's min_length."},
	{"too_long", StatusInvalid, "There are more characters, bytes or items than the field's max_length."},
	{"pattern", StatusInvalid, "The text does not match the field's pattern."},
	{"format", StatusInvalid, "The text is not in the form that the field's type or format asks for."},
	{"not_in_enum", StatusInvalid, "The value is not one of those that the field lists."},
	{"precision", StatusInvalid, "The decimal has more digits than the field keeps; nothing is rounded."},

	// Filters and storage.
	{"unknown_operator", StatusInvalid, "A filter uses an operator that does not exist, or that the type of the field does not take."},
	{"not_filterable", StatusInvalid, "The field can't be filtered on: it is computed, or what it holds can't be compared."},
	{"not_sortable", StatusInvalid, "Rows can't be put in order of the field: it is computed, or what it holds has no order."},
	{"overflow", StatusRejected, "A sum is beyond what its type holds: 64 bits for ints, 38 digits for decimals. Nothing is rounded or wrapped."},
	{"unique", StatusConflict, "Another row has this value, or this combination of values."},
	{"reference", StatusConflict, "There is no row with the id that the field refers to."},
	{"unique_violation", StatusConflict, "Another row has a value, or a combination of values, that must be unique. A bulk write changes rows one after another, so that two which swap their values are refused by the first: give one of them a third value in between."},
	{"reference_violation", StatusConflict, "A row refers to one that does not exist, or one that others still refer to was to be deleted."},
	{"table_rule", StatusRejected, "The table has a rule of its own, which the app does not know of, and the row breaks it: a CHECK, the domain of a column, or a trigger of another program, also one that leaves a row as it is without a word. The message names the rule. What a trigger says is in nobody's answer, because it may hold values of rows; PostgreSQL's own log has it. A rule that is written beside the field too, as `ge` or `pattern`, is told of before the database is asked."},
	{"table_broken", StatusRejected, "It is not for what is in the row that it can't be written, but for what another program has left of its table: a foreign key to a table that is gone, or to columns that are no key, which SQLite takes and then refuses to follow, a trigger, a CHECK or an index over an expression that fails, as one that takes a text apart as JSON may for a text that is none, or ids that are used up. The message says which; the program that made the tables has to mend it. Rows can be read all the same, and where it is a foreign key be changed in their other fields."},
	{"busy", StatusBusy, "The database is locked by another program, or too many callers wait for it. Trying again soon is likely to work."},
	{"commit_unknown", StatusTimeout, "The connection to PostgreSQL was lost while the transaction was being committed: it has happened as a whole, or not at all, and only the database knows. Look before repeating it. A request with an Idempotency-Key can be repeated safely."},
	{"timeout", StatusTimeout, "There was no answer in the time that the request had."},
	{"cancelled", StatusCancelled, "The caller went away before there was an answer."},
	{"storage_full", StatusStorage, "The database's disk has no room left. Nothing of the request has happened."},
	{"storage_read_only", StatusStorage, "The database can't be written to. Nothing of the request has happened."},
	{"storage_corrupt", StatusStorage, "The database file is damaged; restore it from a backup."},
	{"schema_changed", StatusBusy, "Another process has migrated the database for another version of the app, and this one can't write to it any more without harm, or asks for what is gone. Restart it with the newer file. Nothing of the request has happened."},
	{"storage_lost", StatusStorage, "The file of the database, or its log, was deleted, moved or replaced under the running app. What would be written now would be in no file, so it is refused. Nothing of the request has happened."},
	{"not_available", StatusRejected, "The database has no table for this: with `existing_schema_mode = True` the runtime makes none of its own."},
	{"stored_misfit", StatusInternal, "A row that another program has written holds something that its field can't be. SQLite keeps any value in any column of a table that flowctl has not made: text in an int, a datetime in another form. PostgreSQL has dates and timestamps that are infinite, before the year 1 or after 9999, the time 24:00, and numbers that are NaN or infinite. Nothing is read as something else; the message names table and column, and the hint the statement that shows such rows."},
	{"storage_failed", StatusStorage, "The disk of the database reported an error. Nothing of the request has happened."},

	// Runs of workflows.
	{"null_in_text", StatusRejected, "A reference inside a text is null in this run. Give it a default, or build the text in a StarlarkNode."},
	{"reference_failed", StatusRejected, "A reference leads into data that has no such part in this run: a missing key, an index beyond the end, a part of null."},
	{"read_only_workflow", StatusInternal, "A handler that is declared read_only tried to write."},
	{"not_durable", StatusInternal, "Something waits in a run that is not durable, so that it could not rest. Register the workflow with `durable = True`."},
	{"signal_timeout", StatusTimeout, "A run waited for a signal, and it did not come in time."},
	{"unknown_signal", StatusInternal, "A durable handler waits for a signal that its `signals` don't declare, so that nobody could send it."},
	{"replay_diverged", StatusInternal, "A durable handler, called again to go on, asked for something else than it did before. It decides by something that is neither an input nor given by `ctx`."},
	{"event_loop", StatusRejected, "A workflow changes what it listens to, so that its events would follow each other for ever."},
	{"run_cancelled", StatusConflict, "The run was cancelled."},
	{"run_ended", StatusConflict, "The run has ended, so it can't be signalled or cancelled. One that failed right after it took a signal can be sent that again."},
	{"run_not_failed", StatusConflict, "Only a run that failed can be tried again."},
	{"run_undone", StatusConflict, "What the run did has been undone, so it can't go on from there. Start a new one."},
	{"run_unreadable", StatusInternal, "A part of what was kept of the run can't be read: a later version of flowctl wrote it, or somebody changed it by hand. Its rows stay as they are; nothing it did is undone."},
	{"run_poisoned", StatusInternal, "The process died each time it went on with the run, which has been left alone. See what its step does; then try it again."},
	{"second_database", StatusInternal, "A run tried to write to a second database; no transaction spans two."},
	{"undeclared_write", StatusInternal, "A node type that says it does not write tried to."},
	{"not_in_handler", StatusInternal, "A node type that works on the graph of a workflow was run by a handler."},
	{"recursion", StatusRejected, "Workflows and handlers run each other too deep: most likely one runs itself."},
	{"statement", StatusInternal, "SQL that the app writes itself can't be run by this database; the message says why."},
	{"too_many_rows", StatusRejected, "SQL that the app writes itself gives more rows than `max_rows` of its node allows, or more than 64 MiB."},
	{"loop_bound", StatusRejected, "A LoopNode was not done after the rounds that `max` allows."},
	{"file_failed", StatusUpstream, "A file could not be read or written; the log has the cause."},
	{"no_files", StatusInternal, "A node reads or writes a file, and the app declares no folder for files (`Nexus(files = …)`)."},
	{"upstream", StatusUpstream, "A service that a node called failed, or answered with a status that the node does not expect."},
	{"not_found", StatusNotFound, "There is no row with this id, or no workflow or model of this name."},

	// Requests over HTTP.
	{"malformed_request", StatusInvalid, "A header or the body can't be read."},
	{"body_too_large", StatusInvalid, "The body is larger than `max_body` of `Nexus(...)`, or a file of rows than 1 GiB, or it unpacks to more than 250 times its size."},
	{"unsupported_media_type", StatusInvalid, "The body is not sent as `application/json`."},
	{"not_acceptable", StatusInvalid, "The Accept header leaves out JSON, which is all there is."},
	{"method_not_allowed", StatusInvalid, "The path is served, but not with this method; the Allow header lists those it has."},
	{"unknown_parameter", StatusInvalid, "There is no parameter of this name; the hint names the nearest one."},
	{"request_timeout", StatusTimeout, "The request's body did not arrive in time."},
	{"invalid_credentials", StatusUnauthorized, "The API key or the token is not good (any more). Of a key no more is said than that."},
	{"insufficient_scope", StatusForbidden, "The API key or the token is good, but not for this: it lacks a scope."},
	{"tenant_fixed", StatusForbidden, "The caller's tenant is that of its key or token; the header X-Tenant-ID can't name another. A key that was made with `--tenant '*'` may name any."},
	{"issuer_unavailable", StatusBusy, "The token can't be checked: its issuer's public keys could not be fetched."},
	{"too_many_at_once", StatusRejected, "A batch asks for more operations together than a limit ever lets pass at once (`burst` in `rate_limit_config` of `Nexus(...)`). Waiting does not help: send them in parts."},
	{"rate_limited", StatusBusy, "The caller has used up its requests, in all or for this (`rate_limit` and `rate_limit_config` of `Nexus(...)`). Retry-After, or `retry_after` of a tool's result, says in how many seconds there is another."},
	{"origin_not_allowed", StatusForbidden, "A web page of another origin made the request, and `cors_origins` of `Nexus(...)` does not list it."},
	{"misdirected", StatusForbidden, "The server listens on this machine only, and the request's Host is not a name of it. This keeps web pages from reaching it by a name that they make resolve to 127.0.0.1."},
	{"precondition_failed", StatusPrecondition, "The row is not of the version that If-Match names."},
	{"precondition_required", StatusPreconditionRequired, "The model is versioned: a change must say, by If-Match, which version it is based on."},
	{"idempotency_key_reused", StatusInvalid, "The Idempotency-Key was used for a request that differs from this one."},
	{"idempotency_in_flight", StatusConflict, "Another request with the same Idempotency-Key is under way; its answer can be asked for in a moment."},
	{"idempotency_unsupported", StatusInvalid, "The request can't be made idempotent by a key, because nothing it does is kept in a transaction of its own."},
	{"unknown_reference", StatusInvalid, "A reference of a batch, `{\"$ref\": \"c.id\"}`, names no operation before its own, or nothing that the operation gives."},
	{"several_databases", StatusInvalid, "A batch has operations on models of two databases; no transaction spans two."},
	{"max_affected", StatusRejected, "The write would have touched more rows than `Prefer: max-affected`, or `max_affected` of a tool, allows. Nothing was changed."},
	{"answer_too_large", StatusRejected, "A single row is larger than what an agent is given at once. Ask for some of its fields."},
	{"client_unable", StatusRejected, "The tool has to ask the agent's user or model something, and the client can't be asked."},
	{"shutting_down", StatusBusy, "The server is closing, or changing to a new version of the app."},

	// Who may do what.
	{"unauthenticated", StatusUnauthorized, "The app asks who calls (`enable_auth` of `Nexus(...)`), and the request does not say: it needs an API key or a token."},
	{"forbidden", StatusForbidden, "Whoever calls may not do this: `access` of the model or the workflow does not let them."},

	// Operations on models.
	{"ambiguous", StatusInvalid, "The filter of an operation on one row matches several."},
	{"tenant_required", StatusForbidden, "The model keeps tenants apart, and the request names none."},
	{"version_mismatch", StatusPrecondition, "The row has changed since the caller read it. Read it again and repeat the change."},
	{"confirm_required", StatusInvalid, "A bulk write names neither filter nor ids, so it would touch every row; `confirm_all` says that it is meant."},
	{"cursor", StatusInvalid, "The cursor is not one that a list with this sort returned."},
	{"rule", StatusInvalid, "The model's own `validate` function objects."},
	{"rejected", StatusRejected, "A function of the app called `fail()`; the message is its own."},
	{"function_failed", StatusInternal, "A function of the app has a fault: it failed to run, or returned what it must not."},
}
