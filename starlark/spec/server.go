package spec

import "github.com/flowctl/flowctl/dataflow"

var serverBuiltins = []*Builtin{
	{
		Name: "Nexus", Returns: "the server",
		Doc:     "How the app is served. An app has one.",
		Example: `app = Nexus(api_port = 8000, mcp_port = 3001)`,
		Params: []Param{
			{Name: "api_port", Accept: Int, Named: true, Default: "8000", Min: bound(0), Max: bound(65535), Doc: "Port of REST; 0 is any free one."},
			{Name: "mcp_port", Accept: Int, Named: true, Default: "3001", Min: bound(0), Max: bound(65535), Doc: "Port of MCP; 0 is any free one."},
			{Name: "host", Accept: Str, Named: true, Some: true, Default: `"127.0.0.1"`, Doc: "Address to listen on."},
			{Name: "name", Accept: Str, Named: true, Some: true, Doc: "Shown to callers, in OpenAPI and MCP. Default: the name of the app's folder."},
			{Name: "rate_limit", Accept: Number | None, Named: true, Doc: "Requests per minute and address."},
			{Name: "cors_origins", Accept: StrList, Named: true, Default: "[]", Doc: "Origins whose pages may call, or `\"*\"`."},
			{Name: "enable_http_transport", Accept: Bool, Named: true, Default: "True", Doc: "Serve MCP over HTTP on `mcp_port`. `flowctl mcp` serves it on stdio either way."},
			{Name: "max_body", Accept: Int, Named: true, Default: "1048576", Min: bound(1), Max: bound(1 << 30), Doc: "Largest request body, in bytes."},
			{Name: "request_timeout", Accept: Duration, Named: true, Default: `"30s"`, Doc: "How long a request may take."},
			{Name: "files", Accept: Str, Named: true, Doc: "A folder below the app's, `\"files\"`: nodes read and write files in it and nowhere else. It must be there."},
			{Name: "run_retention", Accept: Duration, Named: true, Doc: "How long durable runs are kept after they have ended, as `\"30d\"`. Default: until `flowctl runs purge` is called."},
			{Name: "enable_auth", Accept: Bool, Named: true, Default: "False", Doc: "Ask callers who they are: by an API key (`flowctl keys`), or a token of those that `auth` lists. Whoever does not say so is refused."},
			{Name: "auth", Accept: List, Named: true, Default: "[]", Doc: "Whose tokens are good besides API keys: `[jwt(…)]`."},
			{Name: "public_url", Accept: Str, Named: true, Doc: "Where callers reach the app, if a proxy stands before it: `\"https://shop.example.org\"`. Agents that look for where to sign in are told it."},
			{Name: "enable_monitoring", Accept: Bool, Named: true, Default: "False", Doc: "Count requests, runs and what else there is to know, and serve it at `/metrics` in the form of Prometheus."},
			{Name: "rate_limit_config", Accept: Dict, Named: true, Some: true, Doc: "How often callers may ask, over REST and MCP alike: `{\"per_address\": 600, \"per_key\": \"1000/hour\", \"workflows\": {\"place_order\": \"10/s\"}, \"models\": {\"Order\": {\"create\": {\"rate\": \"10/s\", \"burst\": 50}}}}`. " +
				"A number is of requests in a minute. `per_key` is for each API key or user; a limit of a workflow, of a model or of one of its operations is for each key, or for each address where nobody is signed in; with `\"shared\": True` in it, for all of them together. `burst` is how many may come at once, all of them unless it says so. Whoever is over a limit is told when to come back."},
			{Name: "auto_discovery", Accept: Bool, Named: true, Default: "False", Doc: "Evaluate the files `*.flow.star` beside the app too, after it, and register the workflows that they build under the names they give `WorkflowBuilder`. Such a file takes models from the app as from any file: `load(\"app.star\", \"Order\")`."},
			{Name: "enable_sse_transport", Accept: Bool, Named: true, Default: "False", Doc: "Serve MCP over the SSE transport of 2024-11-05 too, at `/sse`, for clients that know no other."},
			{Name: "enable_discovery", Accept: Bool, Named: true, Default: "False", Doc: "Tell whoever asks, at `/.well-known/mcp/server-card.json` of `mcp_port`, what the MCP server is called and where it is. Nothing is announced on the network."},
			{Name: "enable_durability", Accept: Bool, Named: true, Default: "True", Doc: "Let the plan decide which workflows are durable. With `False` those are that say so."},
		},
		Gone: []Gone{
			{Name: "title", Instead: "name", Advice: `write name = "…"`},
			{Name: "enable_api", Advice: "leave it out: REST is always served, on api_port"},
			{Name: "enable_cli", Advice: "leave it out: flowctl exec runs any workflow"},
			{Name: "enable_mcp", Instead: "enable_http_transport", Advice: "leave it out, or write enable_http_transport = False to serve no MCP over HTTP"},
			{Name: "dataflow_config", Advice: "give the options to DataFlow(…)"},
			{Name: "auth_config", Instead: "auth", Advice: "write enable_auth = True, and auth = [jwt(…)] if there are tokens"},
			{Name: "port", Instead: "api_port"},
		},
	},
	{
		Name: "jwt", Returns: "an issuer of tokens",
		Doc: "Whose tokens (JWT) are good, for `auth` of `Nexus`. Those that are signed with a shared `secret` are HS256, HS384 or HS512; those whose public keys are at `jwks` are RS, PS, ES or EdDSA, and as many keys as the issuer has. " +
			"A token must say when it ends (`exp`). What it says of its bearer is `ctx.user`: `id`, `roles`, and the `claims` that are listed.",
		Example: `jwt(jwks = "https://login.example.org/jwks.json", issuer = "https://login.example.org", audience = "shop", tenant = "org")`,
		Params: []Param{
			{Name: "secret", Accept: Str, Named: true, Doc: "Of at least 32 bytes, from the environment: `env(\"JWT_SECRET\")`."},
			{Name: "jwks", Accept: Str, Named: true, Some: true, Doc: "The https address of the issuer's public keys. They are fetched when the first token comes, and again when they are ten minutes old or a token names one that is not among them."},
			{Name: "issuer", Accept: Str, Named: true, Some: true, Doc: "The claim `iss` that a token must have. With `jwks` it is required."},
			{Name: "audience", Accept: StrList, Named: true, Default: "[]", Doc: "What a token must be for, one of them: its claim `aud`. With `jwks` it is required."},
			{Name: "user", Accept: Str, Named: true, Some: true, Default: `"sub"`, Doc: "The claim that is the user's id."},
			{Name: "roles", Accept: Str, Named: true, Some: true, Default: `"roles"`, Doc: "The claim with the user's roles, a list or text with blanks between; `\"realm_access.roles\"` leads into an object."},
			{Name: "tenant", Accept: Str, Named: true, Some: true, Doc: "The claim with the user's tenant."},
			{Name: "scopes", Accept: Str, Named: true, Some: true, Doc: "The claim with the scopes that bound what the token is good for, as those of an API key do. Default: it is good for all that the user may do."},
			{Name: "claims", Accept: StrList, Named: true, Default: "[]", Doc: "Further claims, which `ctx.user` shows under their names."},
			{Name: "prefix", Accept: Str, Named: true, Some: true, Doc: "Put before the user's id, so that users of two issuers differ."},
			{Name: "clock_skew", Accept: Duration, Named: true, Default: `"30s"`, Doc: "How far the issuer's clock may be off; at most 5 minutes."},
		},
		Gone: []Gone{{Name: "key", Instead: "secret"}, {Name: "jwks_url", Instead: "jwks"}, {Name: "algorithms", Advice: "leave it out: they follow from secret or jwks"}, {Name: "algorithm", Advice: "leave it out: it follows from secret or jwks"}, {Name: "leeway", Instead: "clock_skew"}},
	},
	{
		Name: "app.register", Returns: "None",
		Doc:     "Serves a workflow under a name: over REST, as an MCP tool and on the command line.",
		Example: `app.register("place_order", wf.build())`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "Letters, digits, `_` and `-`, starting with a letter."},
			{Name: "workflow", Accept: Workflow, Required: true, Doc: "What `.build()` returned."},
			{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What it does, for callers. Default: that of the workflow."},
			{Name: "access", Accept: Rule | List, Named: true, Doc: "Who may start it, and see and signal its runs: `role(\"clerk\")`, or a list of rules. Default: whoever is signed in."},
			{Name: "concurrency", Accept: Int, Named: true, Min: bound(1), Max: bound(10000), Doc: "How many durable runs of it are in progress at a time, in all processes; others wait for their turn. One that rests, for a time or a signal, leaves its place meanwhile."},
			{Name: "rate", Accept: Str, Named: true, Doc: "How many durable runs of it begin in a stretch of time, as `\"100/1m\"`."},
			{Name: "limit_by", Accept: Str, Named: true, Some: true, Doc: "An input: `concurrency` and `rate` are then for each of its values."},
			{Name: "priority", Accept: Int, Named: true, Default: "0", Min: bound(-1000), Max: bound(1000), Doc: "Of those of its durable runs that are due; larger goes first."},
		},
		Gone: []Gone{{Name: "description", Instead: "doc"}},
	},
	{
		Name: "app.handler", Returns: "None",
		Doc:     "Serves a function as a workflow. Its first parameter is `ctx`, the others are the inputs. It runs in one transaction; what it returns is the output.",
		Example: `app.handler("restock", restock, input = {"sku": str, "qty": field(int, gt = 0)})`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "Letters, digits, `_` and `-`, starting with a letter."},
			{Name: "fn", Accept: Func, Required: true, Doc: "`def restock(ctx, sku, qty)`"},
			{Name: "input", Accept: Dict, Named: true, Default: "{}", Doc: "The type of each input by its name."},
			{Name: "read_only", Accept: Bool, Named: true, Default: "False", Doc: "The handler promises not to write: it runs on a snapshot."},
			{Name: "timeout", Accept: Duration, Named: true, Some: true, Doc: "How long a run may take. Default: that of the server."},
			{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What it does, for callers. Default: the function's docstring."},
			{Name: "access", Accept: Rule | List, Named: true, Doc: "Who may start it, and see and signal its runs: `role(\"clerk\")`, or a list of rules. Default: whoever is signed in."},
			{Name: "durable", Accept: Bool, Named: true, Default: "False", Doc: "Keep each run in the database, step by step, so that it survives the process, and can wait. Each call of `ctx` is then a step and a transaction of its own."},
			{Name: "signals", Accept: Dict, Named: true, Doc: "The signals that a durable handler waits for, and the type of what has to come with each, as that of an input: `{\"approval\": {\"approved\": bool}, \"closed\": None}`; None: anything may. A signal with anything else, or of another name, is refused (422) when it is sent. Without it, any may be sent."},
			{Name: "concurrency", Accept: Int, Named: true, Min: bound(1), Max: bound(10000), Doc: "How many durable runs of it are in progress at a time, in all processes; others wait for their turn. One that rests, for a time or a signal, leaves its place meanwhile."},
			{Name: "rate", Accept: Str, Named: true, Doc: "How many durable runs of it begin in a stretch of time, as `\"100/1m\"`."},
			{Name: "limit_by", Accept: Str, Named: true, Some: true, Doc: "An input: `concurrency` and `rate` are then for each of its values."},
			{Name: "priority", Accept: Int, Named: true, Default: "0", Min: bound(-1000), Max: bound(1000), Doc: "Of those of its durable runs that are due; larger goes first."},
		},
		Gone: []Gone{{Name: "inputs", Instead: "input"}, {Name: "description", Instead: "doc"}, {Name: "handler", Instead: "fn"}},
	},
	{
		Name: "app.on", Returns: "None",
		Doc: "Runs a workflow when something has happened: when a row of a model was created, updated or deleted, however that came about, or when an `EmitNode` told of an event. " +
			"The run is started in the transaction that did it, so that no event is lost and none tells of what was undone. " +
			"Inputs of the workflow are filled by name: `record` is the row, `before` the row as it was, `event` the event's name, and any other the row's field of that name; for an event of an `EmitNode` they are what its `data` has. " +
			"Say of `record` and `before` which fields are wanted, `{\"record\": {\"id\": int, \"total\": decimal(12, 2)}}`: they then have these, of these types. As `json` they have all, and in it a decimal is a number, as in any JSON.",
		Example: `app.on("Order.created", "notify", where = {"total": {"$gte": 100}})`,
		Params: []Param{
			{Name: "event", Accept: Str, Required: true, Doc: "`\"Order.created\"`, `\"Order.updated\"`, `\"Order.deleted\"`, or the name of an event."},
			{Name: "workflow", Accept: Workflow | Str, Required: true, Doc: "A registered workflow, or its name."},
			{Name: "where", Accept: Dict, Named: true, Some: true, Doc: "A filter that the row must match, as it is after the change (for a row that was deleted: before)."},
		},
		Gone: []Gone{{Name: "filter", Instead: "where"}, {Name: "handler", Instead: "workflow"}},
	},
	{
		Name: "app.schedule", Returns: "None",
		Doc: "Runs a workflow at certain times. Of several processes one starts the run; what was due while none ran is made up for once, at the next start. " +
			"Where the clock of the place is set forward or back, each day has each time once, and times of every hour follow the time that passes ([how](durable-runs.md#schedules)).",
		Example: `app.schedule("0 6 * * mon-fri", "send_report", tz = "Europe/Berlin")`,
		Params: []Param{
			{Name: "cron", Accept: Str, Required: true, Doc: "Minute, hour, day of month, month, day of week, as crontab has them, or `\"@hourly\"`, `\"@daily\"`, `\"@weekly\"`, `\"@monthly\"`, `\"@yearly\"`, `\"@every 10m\"`."},
			{Name: "workflow", Accept: Workflow | Str, Required: true, Doc: "A registered workflow, or its name."},
			{Name: "tz", Accept: Str, Named: true, Some: true, Default: `"UTC"`, Doc: "The place whose clock counts, as `\"Europe/Berlin\"`."},
			{Name: "input", Accept: Dict, Named: true, Default: "{}", Doc: "The workflow's inputs."},
			{Name: "name", Accept: Str, Named: true, Doc: "Tells schedules of one workflow apart. Default: the workflow's name."},
		},
		Gone: []Gone{{Name: "timezone", Instead: "tz"}, {Name: "inputs", Instead: "input"}},
	},
	{
		Name: "app.expose", Returns: "None",
		Doc:     "Serves models over REST at `/api/{path}` and as MCP tools.",
		Example: `app.expose(Order, operations = ["list", "read"])`,
		Rest:    &Param{Name: "models", Accept: Model, Doc: "The models."},
		Params: []Param{
			{Name: "path", Accept: Str, Named: true, Doc: "Path of a single model. Default: its table's name."},
			{Name: "operations", Accept: StrList, Named: true, OneOf: opNames(), Doc: "The operations to serve. Default: all of them. What has no name here is served along: aggregates and exports where `list` is, imports where a bulk create or upsert is.", Advice: map[string]string{
				"aggregate": "leave it out: it is served where list is",
				"export":    "leave it out: it is served where list is",
				"import":    "leave it out: it is served where bulk_create or bulk_upsert is",
				"events":    "write events = True beside operations",
				"get":       "write read for one row, list for many",
				"patch":     "write update",
				"put":       "write update",
				"post":      "write create",
			}},
			{Name: "events", Accept: Bool, Named: true, Default: "False", Doc: "Stream what happens to rows at `GET /api/{path}/events` ([REST](rest.md#events)). Changes are then kept for an hour, in the transactions that make them."},
		},
		Gone: []Gone{{Name: "ops", Instead: "operations"}, {Name: "only", Instead: "operations"}},
	},
	{
		Name: "app.prompt", Returns: "None",
		Doc: "A prompt that people can pick in an agent (MCP): a text with arguments in it, as `${input.order}`, or a function that is called with the arguments by name. " +
			"The function returns a text, or a list of messages: `{\"role\": \"user\", \"text\": \"…\"}`, or with bytes for `\"image\"` or `\"audio\"` and their MIME `\"type\"` in place of `\"text\"`. " +
			"Clients complete arguments that are an `enum`, or a `ref` to a model that is served.",
		Example: `app.prompt("explain_order", "Explain the order ${input.order} in a ${input.tone} tone.", args = {"order": int, "tone": enum("short", "kind", default = "kind")})`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "Letters, digits, `_` and `-`, starting with a letter."},
			{Name: "text", Accept: Str | Func, Required: true, Some: true, Doc: "The text, or the function that makes it."},
			{Name: "args", Accept: Dict, Named: true, Default: "{}", Doc: "The type of each argument by its name."},
			{Name: "title", Accept: Str, Named: true, Some: true, Doc: "Shown to people. Default: the name."},
			{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What it is for. Default: the function's docstring."},
		},
		Gone: []Gone{{Name: "input", Instead: "args"}, {Name: "arguments", Instead: "args"}, {Name: "description", Instead: "doc"}, {Name: "template", Instead: "text"}, {Name: "fn", Instead: "text"}},
	},
	{
		Name: "app.start", Returns: "None",
		Doc:     "Says that the app is to be served. `flowctl run` does the serving.",
		Example: `app.start()`,
	},
}

func opNames() []string {
	var names []string
	for _, k := range dataflow.Ops() {
		names = append(names, k.String())
	}
	return names
}
