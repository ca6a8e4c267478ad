package spec

// TestBuiltins is the table of what a test can do with its parameter t. They
// are no part of an app, and exist in test files alone.
func TestBuiltins() []*Builtin { return testBuiltins }

var testBuiltins = []*Builtin{
	{
		Name: "t.run", Returns: "the result, as the operation describes it",
		Doc:     "Runs an operation of a model, in a transaction of its own.",
		Example: `order = t.run(Order.create, total = decimal("9.90"))`,
		Params:  []Param{{Name: "what", Accept: Op, Required: true, Doc: "An operation."}, {Name: "args", Accept: Dict, Doc: "Arguments as a dict."}},
		Extra:   &Param{Name: "kwargs", Accept: Any, Doc: "Arguments by name."},
	},
	{
		Name: "t.workflow", Returns: "its outputs",
		Doc:     "Runs a registered workflow or handler, as a caller would.",
		Example: `t.workflow("place_order", email = "ada@example.org")`,
		Params:  []Param{{Name: "name", Accept: Str | Workflow, Required: true, Doc: "The name it is registered under."}, {Name: "inputs", Accept: Dict, Doc: "Inputs as a dict."}},
		Extra:   &Param{Name: "kwargs", Accept: Any, Doc: "Inputs by name."},
	},
	{
		Name:    "t.equal",
		Doc:     "Fails the test unless two values are equal. Rows, results and dicts are compared by their names, in any order; whole numbers and decimals by what they are worth. The failure lists where they differ.",
		Example: `t.equal(order.total, decimal("9.90"))`,
		Params: []Param{{Name: "got", Accept: Any, Required: true, Doc: "What there is."}, {Name: "want", Accept: Any, Required: true, Doc: "What there ought to be."},
			{Name: "message", Accept: Str, Doc: "What is wrong if they are not."}},
	},
	{
		Name:    "t.has",
		Doc:     "Fails the test unless a value has these parts, and equal ones. Others that it has don't matter.",
		Example: `t.has(order, {"status": "new"})`,
		Params: []Param{{Name: "got", Accept: Any, Required: true, Doc: "What there is."}, {Name: "want", Accept: Dict, Required: true, Doc: "Parts of what there ought to be."},
			{Name: "message", Accept: Str, Doc: "What is wrong if it has not."}},
	},
	{
		Name:    "t.true",
		Doc:     "Fails the test unless a value is true.",
		Example: `t.true("kettle" in names, "the kettle is gone")`,
		Params:  []Param{{Name: "value", Accept: Any, Required: true, Doc: "What ought to be true."}, {Name: "message", Accept: Str, Doc: "What is wrong if it is not."}},
	},
	{
		Name: "t.fails", Returns: "the error: `code`, `message` and `problems`",
		Doc:     "Fails the test unless a function fails, because something that it runs does. A fault of the app itself is no such failure, unless its code is asked for.",
		Example: `t.fails(lambda: t.run(Order.create), code = "invalid")`,
		Params: []Param{{Name: "fn", Accept: Func, Required: true, Doc: "A function without parameters."},
			{Name: "code", Accept: Str, Named: true, Doc: "The code of the error."}, {Name: "message", Accept: Str, Named: true, Doc: "A part of its message."}},
	},
	{
		Name:    "t.mock_http",
		Doc:     "Declares the answer to calls that the app makes over HTTP. What is declared last goes first. A call without an answer fails the test, whatever becomes of the run.",
		Example: `t.mock_http("https://bank.example/charges", method = "POST", status = 201, json = {"id": 7})`,
		Params: []Param{{Name: "url", Accept: Str, Required: true, Doc: "The URL; a `*` at its end stands for any rest. Without a `?` in it, a query does not matter."},
			{Name: "method", Accept: Str, Named: true, Doc: "Any, if left out."}, {Name: "status", Accept: Int, Named: true, Default: "200", Min: bound(200), Max: bound(599), Doc: "The status of the answer."},
			{Name: "json", Accept: Any, Named: true, Doc: "Its body, as JSON."}, {Name: "body", Accept: Str, Named: true, Doc: "Its body, as text."}, {Name: "headers", Accept: Dict, Named: true, Doc: "Its headers."},
			{Name: "fails", Accept: Bool, Named: true, Default: "False", Doc: "There is no answer: the connection breaks."},
			{Name: "times", Accept: Int, Named: true, Min: bound(1), Doc: "It is given so often, and must be, or the test fails."}},
	},
	{
		Name: "t.http_calls", Returns: "a list of records: `method`, `url`, `headers`, `body`, `json`",
		Doc:     "The calls that the app has made over HTTP, in order.",
		Example: `t.equal(t.http_calls()[0].json, {"amount": "9.90"})`,
	},
	{
		Name: "t.now", Returns: "a datetime",
		Doc:     "The time as the app sees it. It begins at 2026-01-01T00:00:00Z, and stands still unless the test moves it.",
		Example: `t.true(order.created_at <= t.now())`,
	},
	{
		Name:    "t.set_now",
		Doc:     "Sets the time as the app sees it.",
		Example: `t.set_now(datetime("2026-12-24T18:00:00Z"))`,
		Params:  []Param{{Name: "moment", Accept: Any, Required: true, Doc: "A datetime."}},
	},
	{
		Name:    "t.advance",
		Doc:     "Lets time pass as the app sees it.",
		Example: `t.advance("2h")`,
		Params:  []Param{{Name: "duration", Accept: Duration, Required: true, Doc: "How much."}},
	},
	{
		Name:    "t.as_caller",
		Doc:     "Somebody who calls the app from outside, over REST or MCP: they see and do what access rules let them, of what is exposed and registered. Returns a value with `run` and `workflow`, which take what those of `t` take.",
		Example: `t.as_caller({"id": "ada", "roles": ["editor"]}).run(Order.list)`,
		Params: []Param{{Name: "user", Accept: Dict | None, Doc: "Who: an `id`, `roles`, and what else `ctx.user` is to have. If left out, somebody who has not said who they are."},
			{Name: "tenant", Accept: Str | None, Named: true, Doc: "For which tenant."}},
	},
	{
		Name:    "t.caller",
		Doc:     "Says who asks from here on, for `t.run` and `t.workflow`. No access rule holds them back; see `t.as_caller`.",
		Example: `t.caller(tenant = "acme", user = {"id": 7})`,
		Params:  []Param{{Name: "tenant", Accept: Str | None, Named: true, Doc: "For which tenant."}, {Name: "user", Accept: Dict | None, Named: true, Doc: "Who."}},
	},
}
