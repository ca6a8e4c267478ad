package spec

var workflowBuiltins = []*Builtin{
	{
		Name: "WorkflowBuilder", Returns: "a builder",
		Doc:     "Starts a workflow. `wf.input.email` refers to an input, as `\"${input.email}\"` does.",
		Example: `wf = WorkflowBuilder("place_order", input = {"email": str, "total": decimal(12, 2)})`,
		Params: []Param{
			{Name: "name", Accept: Str, Doc: "For messages: callers know the workflow by the name it is registered under."},
			{Name: "input", Accept: Dict, Named: true, Default: "{}", Doc: "The type of each input by its name. A dict is an object with those fields."},
			{Name: "doc", Accept: Str, Named: true, Some: true, Doc: "What the workflow does, for callers."},
			{Name: "timeout", Accept: Duration, Named: true, Some: true, Doc: "How long a run may take. Default: that of the server."},
			{Name: "durable", Accept: Bool, Named: true, Doc: "Keep each run in the database, step by step, so that it survives the process. Default: decided by the plan, which `flowctl explain-plan` shows: yes, if the workflow waits, or calls out after it has used the database it writes to."},
		},
		Gone: []Gone{{Name: "inputs", Instead: "input"}, {Name: "description", Instead: "doc"}},
	},
	{
		Name: "wf.add_node", Returns: "the node",
		Doc:     "Adds a node. The node it returns gives references to what it gave: `who.id` is `\"${who.id}\"`.",
		Example: `who = wf.add_node("CustomerReadNode", "who", {"filter": {"email": wf.input.email}})`,
		Params: []Param{
			{Name: "type", Accept: Str | Op, Required: true, Doc: "A node type, `\"OrderCreateNode\"`, or an operation, `Order.create`."},
			{Name: "id", Accept: Str, Required: true, Doc: "The node's name within the workflow."},
			{Name: "config", Accept: Dict, Default: "{}", Doc: "Its arguments: values, references, templates, functions. A caller can't change what is fixed here."},
			{Name: "retry", Accept: Retry, Named: true, Doc: "When to try again: `retry(max = 3)`."},
			{Name: "timeout", Accept: Duration, Named: true, Some: true, Doc: "How long the node may take."},
			{Name: "when", Accept: Any, Named: true, Doc: "The node is skipped unless this is true: a bool, or one reference to a bool."},
			{Name: "on_error", Accept: Any, Named: true, Doc: "What the node's failure means, once retries are used up: `\"fail\"`, the run fails; `\"continue\"`, nodes that refer to it are skipped; `{\"default\": …}`, this is its result; `{\"goto\": \"node\"}`, that node runs, only then. Default: `\"fail\"`."},
			{Name: "compensate", Accept: Any, Named: true, Doc: "The id of a node that undoes what this one did outside the database. It runs if the run fails later, the last such node first, and for nothing else."},
		},
		Gone: []Gone{
			{Name: "node_type", Instead: "type"}, {Name: "node_id", Instead: "id"}, {Name: "name", Instead: "id"},
			{Name: "parameters", Instead: "config"}, {Name: "params", Instead: "config"}, {Name: "connections", Advice: "write wf.add_connection(…)"},
		},
	},
	{
		Name: "wf.add_connection", Returns: "None",
		Doc:     "Carries an output of a node to an input of another. A reference in the config says the same in less; a connection also starts from a port, as `true_output`. With `\"\"` for output and input it says only that the target runs after the source.",
		Example: `wf.add_connection("who", "record.id", "order", "customer")`,
		Params: []Param{
			{Name: "source", Accept: Node, Required: true, Doc: "The node that gives, or `\"input\"`, the workflow's."},
			{Name: "output", Accept: Str, Required: true, Doc: "What it gives: a path into its result, or a port."},
			{Name: "target", Accept: Node, Required: true, Doc: "The node that takes."},
			{Name: "input", Accept: Str, Required: true, Doc: "The argument of the target; from a port, `when` or `input`: it runs if the port is taken."},
		},
		Gone: []Gone{
			{Name: "source_node", Instead: "source"}, {Name: "from_node", Instead: "source"}, {Name: "source_output", Instead: "output"}, {Name: "from_output", Instead: "output"},
			{Name: "target_node", Instead: "target"}, {Name: "to_node", Instead: "target"}, {Name: "to", Instead: "target"}, {Name: "target_input", Instead: "input"}, {Name: "to_input", Instead: "input"},
		},
	},
	{
		Name: "wf.build", Returns: "the workflow",
		Doc:     "Finishes the workflow. Without `output` a run returns the result of every node by its id.",
		Example: `wf.build(output = {"order": order.id})`,
		Params: []Param{
			{Name: "output", Accept: Any, Named: true, Doc: "What a run returns: values, references and templates."},
		},
		Gone: []Gone{{Name: "outputs", Instead: "output"}},
	},
	{
		Name: "retry", Returns: "a retry rule",
		Doc:     "When a failing node is tried again.",
		Example: `retry(max = 3, backoff = "200ms")`,
		Params: []Param{
			{Name: "max", Accept: Int, Default: "3", Min: bound(1), Max: bound(100), Doc: "How often, beside the first time."},
			{Name: "backoff", Accept: Duration, Default: `"100ms"`, Doc: "Longest wait before the first; it doubles each time. A random part of up to a half is left out, so that runs do not come back together. In a transaction that writes it must be 0."},
			{Name: "on", Accept: StrList, Default: "[]", Doc: "Codes of errors; empty is those that are worth trying again."},
		},
		Gone: []Gone{{Name: "max_retries", Instead: "max"}, {Name: "attempts", Instead: "max"}, {Name: "delay", Instead: "backoff"}},
	},
	{
		Name:    "fail",
		Doc:     "In a function: refuses what the caller asked for, with this message (status 422). Nothing of the run is kept.",
		Example: `fail("only", left, "left")`,
		Rest:    &Param{Name: "args", Accept: Any, Doc: "Joined with spaces."},
		Params:  []Param{{Name: "sep", Accept: Str, Named: true, Default: `" "`, Doc: "What stands between them."}},
	},
	{
		Name:    "ctx.run",
		Returns: "the result, as the node type describes it",
		Doc:     "In a handler: runs an operation of a model, or a node type, in the handler's transaction.",
		Example: `order = ctx.run(Order.create, customer = 1, total = decimal("9.90"))`,
		Params:  []Param{{Name: "what", Accept: Op | Str, Required: true, Doc: "An operation or the name of a node type."}, {Name: "args", Accept: Dict, Doc: "Arguments as a dict."}},
		Extra:   &Param{Name: "kwargs", Accept: Any, Doc: "Arguments by name."},
	},
	{
		Name:    "ctx.workflow",
		Returns: "the outputs of the workflow",
		Doc:     "In a handler: runs another workflow in the same transaction.",
		Example: `ctx.workflow("place_order", email = "ada@example.org", total = "9.90")`,
		Params:  []Param{{Name: "name", Accept: Str | Workflow, Required: true, Doc: "A registered workflow."}, {Name: "inputs", Accept: Dict, Doc: "Inputs as a dict."}},
		Extra:   &Param{Name: "kwargs", Accept: Any, Doc: "Inputs by name."},
	},
	{
		Name:    "ctx.sleep",
		Returns: "None",
		Doc:     "In a durable handler: the run rests for a while. It rests in the database: nothing waits in the process, and a restart does not matter.",
		Example: `ctx.sleep("3d")`,
		Params:  []Param{{Name: "duration", Accept: Duration, Required: true, Doc: "How long."}},
	},
	{
		Name:    "ctx.wait_signal",
		Returns: "the payload of the signal",
		Doc:     "In a durable handler: the run rests until somebody sends it the signal, by `POST /runs/{id}/signal`, `flowctl runs signal` or MCP. What comes with it is of the type that `signals` of the handler declares. Once `timeout` is over the call gives `default`, or fails with `signal_timeout` if there is none.",
		Example: `answer = ctx.wait_signal("approval", timeout = "2d", default = {"approved": False})`,
		Params: []Param{
			{Name: "name", Accept: Str, Required: true, Doc: "The signal's name. One that was sent before is taken at once."},
			{Name: "timeout", Accept: Duration | None, Default: "None", Doc: "How long to wait. Default: for ever."},
			{Name: "default", Accept: Any, Doc: "What the call gives if no signal comes in time."},
		},
	},
	{
		Name:    "ctx.now",
		Returns: "a datetime",
		Doc:     "In a handler: the time, in UTC. There is no clock anywhere else. `ctx.user`, `ctx.tenant` and `ctx.run_id` are values: who asks, for which tenant, and the run's id.",
		Example: `ctx.run(Order.list, filter = {"created_at": {"$gte": ctx.now() - days(1)}})`,
	},
}
