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
			{Name: "host", Accept: Str, Named: true, Default: `"127.0.0.1"`, Doc: "Address to listen on."},
			{Name: "name", Accept: Str, Named: true, Doc: "Shown to callers, in OpenAPI and MCP. Default: the name of the app's folder."},
			{Name: "rate_limit", Accept: Number | None, Named: true, Doc: "Requests per minute and address."},
			{Name: "cors_origins", Accept: StrList, Named: true, Default: "[]", Doc: "Origins whose pages may call, or `\"*\"`."},
			{Name: "enable_http_transport", Accept: Bool, Named: true, Default: "True", Doc: "Serve MCP over HTTP on `mcp_port`. `flowctl mcp` serves it on stdio either way."},
			{Name: "max_body", Accept: Int, Named: true, Default: "1048576", Min: bound(1), Max: bound(1 << 30), Doc: "Largest request body, in bytes."},
			{Name: "request_timeout", Accept: Duration, Named: true, Default: `"30s"`, Doc: "How long a request may take."},
			{Name: "files", Accept: Str, Named: true, Doc: "A folder below the app's, `\"files\"`: nodes read and write files in it and nowhere else. It must be there."},
			{Name: "run_retention", Accept: Duration, Named: true, Doc: "How long durable runs are kept after they have ended, as `\"30d\"`. Default: until `flowctl runs purge` is called."},
			{Name: "enable_auth", Accept: Bool, Named: true, Default: "False", Later: true, Doc: "Ask callers who they are."},
			{Name: "enable_monitoring", Accept: Bool, Named: true, Default: "False", Later: true, Doc: "Metrics and traces."},
			{Name: "rate_limit_config", Accept: Dict, Named: true, Later: true, Doc: "Rate limits by route."},
			{Name: "auto_discovery", Accept: Bool, Named: true, Default: "False", Later: true, Doc: "Find workflows in files beside the app."},
			{Name: "enable_sse_transport", Accept: Bool, Named: true, Default: "False", Later: true, Doc: "Serve MCP over SSE."},
			{Name: "enable_discovery", Accept: Bool, Named: true, Default: "False", Later: true, Doc: "Announce the server on the network."},
			{Name: "enable_durability", Accept: Bool, Named: true, Default: "True", Doc: "Let the plan decide which workflows are durable. With `False` those are that say so."},
		},
		Gone: []Gone{
			{Name: "title", Instead: "name", Advice: `write name = "…"`},
			{Name: "enable_api", Advice: "leave it out: REST is always served, on api_port"},
			{Name: "enable_cli", Advice: "leave it out: flowctl exec runs any workflow"},
			{Name: "enable_mcp", Instead: "enable_http_transport", Advice: "leave it out, or write enable_http_transport = False to serve no MCP over HTTP"},
			{Name: "dataflow_config", Advice: "give the options to DataFlow(…)"},
			{Name: "auth_config", Advice: "authentication is not in this version yet"},
			{Name: "port", Instead: "api_port"},
		},
	},
	{
		Name: "app.register", Returns: "None",
		Doc:     "Serves a workflow under a name: over REST, as an MCP tool and on the command line.",
		Example: `app.register("place_order", wf.build())`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "Letters, digits, `_` and `-`, starting with a letter."},
			{Name: "workflow", Accept: Workflow, Required: true, Doc: "What `.build()` returned."},
			{Name: "doc", Accept: Str, Named: true, Doc: "What it does, for callers. Default: that of the workflow."},
			{Name: "access", Accept: Rule | List, Named: true, Doc: "Who may start it, and see and signal its runs: `role(\"clerk\")`, or a list of rules. Default: whoever is signed in."},
			{Name: "concurrency", Accept: Int, Named: true, Min: bound(1), Max: bound(10000), Doc: "How many durable runs of it are in progress at a time, in all processes; others wait for their turn."},
			{Name: "rate", Accept: Str, Named: true, Doc: "How many durable runs of it begin in a stretch of time, as `\"100/1m\"`."},
			{Name: "limit_by", Accept: Str, Named: true, Doc: "An input: `concurrency` and `rate` are then for each of its values."},
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
			{Name: "timeout", Accept: Duration, Named: true, Doc: "How long a run may take. Default: that of the server."},
			{Name: "doc", Accept: Str, Named: true, Doc: "What it does, for callers. Default: the function's docstring."},
			{Name: "access", Accept: Rule | List, Named: true, Doc: "Who may start it, and see and signal its runs: `role(\"clerk\")`, or a list of rules. Default: whoever is signed in."},
			{Name: "durable", Accept: Bool, Named: true, Default: "False", Doc: "Keep each run in the database, step by step, so that it survives the process, and can wait. Each call of `ctx` is then a step and a transaction of its own."},
			{Name: "concurrency", Accept: Int, Named: true, Min: bound(1), Max: bound(10000), Doc: "How many durable runs of it are in progress at a time, in all processes; others wait for their turn."},
			{Name: "rate", Accept: Str, Named: true, Doc: "How many durable runs of it begin in a stretch of time, as `\"100/1m\"`."},
			{Name: "limit_by", Accept: Str, Named: true, Doc: "An input: `concurrency` and `rate` are then for each of its values."},
			{Name: "priority", Accept: Int, Named: true, Default: "0", Min: bound(-1000), Max: bound(1000), Doc: "Of those of its durable runs that are due; larger goes first."},
		},
		Gone: []Gone{{Name: "inputs", Instead: "input"}, {Name: "description", Instead: "doc"}, {Name: "handler", Instead: "fn"}},
	},
	{
		Name: "app.on", Returns: "None",
		Doc: "Runs a workflow when something has happened: when a row of a model was created, updated or deleted, however that came about, or when an `EmitNode` told of an event. " +
			"The run is started in the transaction that did it, so that no event is lost and none tells of what was undone. " +
			"Inputs of the workflow are filled by name: `record` is the row, `before` the row as it was, `event` the event's name, and any other the row's field of that name; for an event of an `EmitNode` they are what its `data` has.",
		Example: `app.on("Order.created", "notify", where = {"total": {"$gte": 100}})`,
		Params: []Param{
			{Name: "event", Accept: Str, Required: true, Doc: "`\"Order.created\"`, `\"Order.updated\"`, `\"Order.deleted\"`, or the name of an event."},
			{Name: "workflow", Accept: Workflow | Str, Required: true, Doc: "A registered workflow, or its name."},
			{Name: "where", Accept: Dict, Named: true, Doc: "A filter that the row must match, as it is after the change (for a row that was deleted: before)."},
		},
		Gone: []Gone{{Name: "filter", Instead: "where"}, {Name: "handler", Instead: "workflow"}},
	},
	{
		Name: "app.schedule", Returns: "None",
		Doc: "Runs a workflow at certain times. Of several processes one starts the run; what was due while none ran is made up for once, at the next start. " +
			"Where the clock of the place skips a time in spring the run comes after it; a time that it shows twice in autumn counts once.",
		Example: `app.schedule("0 6 * * mon-fri", "send_report", tz = "Europe/Berlin")`,
		Params: []Param{
			{Name: "cron", Accept: Str, Required: true, Doc: "Minute, hour, day of month, month, day of week, as crontab has them, or `\"@daily\"`, `\"@every 10m\"`."},
			{Name: "workflow", Accept: Workflow | Str, Required: true, Doc: "A registered workflow, or its name."},
			{Name: "tz", Accept: Str, Named: true, Default: `"UTC"`, Doc: "The place whose clock counts, as `\"Europe/Berlin\"`."},
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
			{Name: "operations", Accept: StrList, Named: true, OneOf: opNames(), Doc: "The operations to serve. Default: all of them."},
		},
		Gone: []Gone{{Name: "ops", Instead: "operations"}, {Name: "only", Instead: "operations"}},
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
