package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Plan is the plan of a whole app: what can be worked out before a database
// or a request is there. It is immutable.
type Plan struct {
	app        *dataflow.App
	types      map[string]NodeType // besides those of models
	databases  []*dataflow.Database
	models     []*dataflow.Model
	dbIndex    map[*dataflow.Database]int
	modelIndex map[*dataflow.Model]int
	byName     map[string][]*dataflow.Model
	asking     []asking
	workflows  map[string]*workflowPlan // registered ones
	opNodes    map[dataflow.Op]*opNode
	env        []envUse
	rows       map[*dataflow.Model][]*subscription // by the model that they listen to
	events     map[string][]*subscription          // by the event that is told
	timetable  []*Timed
}

type envUse struct {
	name string
	span dataflow.Span
}

// workflowPlan is the plan of one workflow.
type workflowPlan struct {
	wf     *dataflow.Workflow
	nodes  []*nodePlan // as declared
	order  []*nodePlan // as run, members of scopes among them
	stages [][]int     // positions, by distance from the start; those of a stage are independent
	// before holds the nodes that depend on no data node, by stage: they run
	// ahead of the transaction. inside holds the others but for the members
	// of scopes, in order.
	before [][]*nodePlan
	inside []*nodePlan
	// oneRead: all it does to a database is one statement that reads, which
	// sees one state by itself.
	oneRead    bool
	output     expr // nil: every node's output by id
	outputType *dataflow.Type
	shape      *dataflow.Shape // of the outputs by id
	durable    bool            // runs are kept, unit by unit
	why        string          // they are, in words
	waits      bool            // and rest: there is no other way to run it
	units      []*unit
	effects
}

// alone reports whether the workflow is one node, which reads.
func (wp *workflowPlan) alone() bool { return wp.oneRead && len(wp.order) == 1 }

// nodePlan is the plan of one node.
type nodePlan struct {
	node   *dataflow.Node
	pos    int
	typ    NodeType // nil if it could not be resolved
	spec   *dataflow.NodeSpec
	op     *opNode          // typ, if it is an operation
	raw    *dataflow.Object // the config with what edges bring
	config *objectExpr
	coerce []dynamicParam
	when   expr
	deps   []dep  // every node that must have run
	gates  []gate // skipped if one is closed (with spec.Partial: if all are)
	guards []gate // the same, of when
	always bool   // a value of its own is there whatever gates say (spec.Partial)
	output *dataflow.Type
	// skippable: a run may skip the node.
	skippable bool
	// whole: its rows are part of the outputs as they are, and nothing else looks
	// at them.
	whole bool

	whenRef   any         // the condition, where an edge gives it
	edgeSpans []edgeInput // parts of raw that edges give
	cutOff    bool        // an edge to the node is wrong

	onError *onError    // nil: a failure is the run's
	undo    *nodePlan   // undoes it where the run fails later
	undoes  *nodePlan   // it is the undo of
	target  *targetPlan // of a Repeater

	callee *workflowPlan // of a WorkflowCaller
	letGo  bool          // the callee runs by itself: nobody waits for its end
	// registered: the callee is known by its name, so that a run of it can be kept.
	registered bool
	scope      *nodePlan   // the Scoper it is a member of
	members    []*nodePlan // of a Scoper, in order
	effects
}

type dep struct {
	pos  int
	span dataflow.Span
}

type gate struct {
	pos    int
	port   string // "": that the node ran will do
	failed bool   // open if the node failed, and only then
}

// dynamicParam is a parameter whose value is known only to the run and is
// coerced then.
type dynamicParam struct {
	pos   int
	field *dataflow.Field
}

// NewPlan validates app, resolves and type-checks every workflow and fixes its
// order. types are the node types besides those of models: nodes.Types() and
// an embedding program's own. The plan is nil if a diagnostic is an error.
func NewPlan(app *dataflow.App, types []NodeType) (*Plan, []dataflow.Diagnostic) {
	p := newPlanner(app)
	p.diags = append(p.diags, dataflow.Validate(app)...)
	p.addTypes(types)
	for _, m := range p.plan.models {
		p.checkIndexes(m)
	}
	for _, wf := range app.Workflows {
		wp := p.workflow(wf, nil)
		p.checkLimit(wp)
		p.checkDeclared(wp)
		if _, taken := p.plan.workflows[wf.Name]; !taken { // Validate reports a second one
			p.plan.workflows[wf.Name] = wp
		}
	}
	for _, c := range app.Calls {
		p.call(c)
	}
	p.subscriptions()
	p.schedules()
	diags := dataflow.SortDiagnostics(p.diags)
	if dataflow.HasErrors(diags) {
		return nil, diags
	}
	return p.plan, diags
}

// planner is the state of making a Plan.
type planner struct {
	plan      *Plan
	diags     []dataflow.Diagnostic
	workflows map[string]*dataflow.Workflow // registered ones
	done      map[*dataflow.Workflow]*workflowPlan
	stack     []callSite
	envs      map[string]int
	typeNames []string // for suggestions; made when first needed
	suggested int
}

// callSite is a workflow being planned, and the node that runs it.
type callSite struct {
	wf   *dataflow.Workflow
	node *dataflow.Node // nil: nobody
}

func newPlanner(app *dataflow.App) *planner {
	p := &planner{
		plan: &Plan{
			app: app, databases: app.Databases, models: app.Models(),
			types:      map[string]NodeType{},
			dbIndex:    map[*dataflow.Database]int{},
			modelIndex: map[*dataflow.Model]int{},
			workflows:  map[string]*workflowPlan{},
			opNodes:    map[dataflow.Op]*opNode{},
			byName:     map[string][]*dataflow.Model{},
			rows:       map[*dataflow.Model][]*subscription{},
			events:     map[string][]*subscription{},
		},
		workflows: map[string]*dataflow.Workflow{},
		done:      map[*dataflow.Workflow]*workflowPlan{},
		envs:      map[string]int{},
	}
	for i, db := range app.Databases {
		p.plan.dbIndex[db] = i
	}
	for i, m := range p.plan.models {
		p.plan.modelIndex[m] = i
		if again := func(o *dataflow.Model) bool { return o.Database == m.Database }; !slices.ContainsFunc(p.plan.byName[m.Name], again) { // else it has been refused
			p.plan.byName[m.Name] = append(p.plan.byName[m.Name], m)
		}
	}
	for _, wf := range app.Workflows {
		if _, taken := p.workflows[wf.Name]; !taken {
			p.workflows[wf.Name] = wf
		}
	}
	return p
}

func (p *planner) addTypes(types []NodeType) {
	for _, t := range types {
		name := t.Spec().Name
		if _, taken := p.plan.types[name]; taken {
			p.errorf("FC353", dataflow.Span{}, "two node types are called %q", name).
				Hint = "give each node type that the program adds a name of its own"
		}
		p.plan.types[name] = t
	}
}

// errorf records an error and returns it, to add a hint or related places.
// The pointer is good until the next diagnostic.
func (p *planner) errorf(code string, span dataflow.Span, format string, args ...any) *dataflow.Diagnostic {
	p.diags = append(p.diags, dataflow.Diagnostic{
		Code: code, Severity: dataflow.SeverityError, Span: span, Message: fmt.Sprintf(format, args...)})
	return &p.diags[len(p.diags)-1]
}

// workflow plans wf, once. by is the node that runs it, if one does.
func (p *planner) workflow(wf *dataflow.Workflow, by *dataflow.Node) *workflowPlan {
	if wp, ok := p.done[wf]; ok {
		return wp
	}
	wp := &workflowPlan{wf: wf, outputType: dataflow.Any}
	if wf.InputShape == nil { // Validate says the same of those that are registered
		p.errorf("FC455", wf.Span, "the input of the workflow %s is not sealed", wf.Name).Hint = "call SealInput once Input is complete"
		p.done[wf] = wp
		return wp
	}
	p.stack = append(p.stack, callSite{wf, by})
	if wf.Handler != nil {
		p.handler(wp)
	} else {
		w := &wfPlanner{planner: p, wp: wp, index: make(map[string]int, len(wf.Nodes))}
		w.build()
	}
	p.stack = p.stack[:len(p.stack)-1]
	p.done[wf] = wp
	return wp
}

func (p *planner) handler(wp *workflowPlan) {
	wp.reads, wp.writes = true, !wp.wf.ReadOnly
	wp.setDatabase(p.plan.databases)
	if wf := wp.wf; wf.Durable != nil && *wf.Durable {
		wp.durable, wp.why = true, "it says so"
		if len(p.plan.databases) == 0 {
			p.errorf("FC356", wf.Span, "the handler %s is durable, and the app has no database to keep its runs in", wf.Name).
				Hint = `declare one: db = DataFlow(database_url = "sqlite:app.db")`
		}
	}
}

// recursion reports that the node at the top of the stack runs wf, which is
// being planned already.
func (p *planner) recursion(wf *dataflow.Workflow, node *dataflow.Node) bool {
	from := slices.IndexFunc(p.stack, func(c callSite) bool { return c.wf == wf })
	if from < 0 {
		return false
	}
	var names []string
	var related []dataflow.Related
	for i, c := range p.stack[from:] {
		names = append(names, c.wf.Name)
		if i > 0 {
			related = append(related, dataflow.Related{Span: c.node.Span,
				Message: fmt.Sprintf("%s runs %s here", p.stack[from+i-1].wf.Name, c.wf.Name)})
		}
	}
	d := p.errorf("FC321", node.Span, "workflow %s runs itself: %s", wf.Name, strings.Join(append(names, wf.Name), " → "))
	d.Related = related
	d.Hint = "a workflow can't run itself, not even through others; use a handler with a loop"
	return true
}

// OutputType returns what a workflow's outputs are known to look like, or nil
// if there is no such workflow.
func (p *Plan) OutputType(workflow string) *dataflow.Type {
	wp, ok := p.workflows[workflow]
	if !ok {
		return nil
	}
	return wp.outputType
}

// ReadOnly reports whether a workflow can't change a database or reach
// outside it. Of a handler that is declared read_only the first is enforced,
// the second taken on trust.
func (p *Plan) ReadOnly(workflow string) bool {
	wp, ok := p.workflows[workflow]
	return ok && !wp.writes && !wp.outside
}

// Unset returns an error for each environment variable that a "${env.X}"
// names and env lacks. Planning does not look: an app may be checked where its
// variables are not set.
func (p *Plan) Unset(env func(string) (string, bool)) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	for _, u := range p.env {
		if env != nil {
			if _, ok := env(u.name); ok {
				continue
			}
		}
		ds = append(ds, dataflow.Diagnostic{Code: "FC352", Severity: dataflow.SeverityError, Span: u.span,
			Message: "the environment variable " + u.name + " is not set",
			Hint:    `set it, or take it with env("` + u.name + `", default = …) and pass on its value`})
	}
	return ds
}

// NodeTypes returns the specs of every node type besides those of models, by
// name.
func (p *Plan) NodeTypes() []*dataflow.NodeSpec {
	specs := make([]*dataflow.NodeSpec, 0, len(p.types))
	for _, t := range p.types {
		specs = append(specs, t.Spec())
	}
	slices.SortFunc(specs, func(a, b *dataflow.NodeSpec) int { return strings.Compare(a.Name, b.Name) })
	return specs
}
