package engine_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

// shout is a node type of an embedding program.
type shout struct{ spec *dataflow.NodeSpec }

func (s *shout) Spec() *dataflow.NodeSpec { return s.spec }

func (s *shout) Run(_ context.Context, call *engine.Call) (any, error) {
	text, _ := call.Config.Get("text")
	return dataflow.ObjectOf("text", strings.ToUpper(text.(string))), nil
}

// A program plans an app with a node type of its own and runs a workflow.
func Example() {
	types := append(nodes.Types(), &shout{&dataflow.NodeSpec{
		Name:   "ShoutNode",
		Doc:    "Writes a text in capitals.",
		Params: []*dataflow.Field{{Name: "text", Type: dataflow.String}},
		Output: dataflow.ObjectType(&dataflow.Field{Name: "text", Type: dataflow.String}),
	}})
	input := dataflow.Ref{Root: dataflow.RootInput, Path: []dataflow.Step{{Name: "name"}}}
	wf := &dataflow.Workflow{
		Name:  "greet",
		Input: []*dataflow.Field{{Name: "name", Type: dataflow.String}},
		Nodes: []*dataflow.Node{{ID: "loud", Type: "ShoutNode", Config: dataflow.ObjectOf(
			"text", &dataflow.Template{Parts: []any{"hello ", input}})}},
	}
	wf.SealInput()

	plan, diags := engine.NewPlan(&dataflow.App{Workflows: []*dataflow.Workflow{wf}}, types)
	if plan == nil {
		fmt.Println(diags)
		return
	}
	e, err := engine.New(plan, engine.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := e.Run(context.Background(), engine.Request{Workflow: "greet", Inputs: dataflow.ObjectOf("name", "Ann")})
	if err != nil {
		fmt.Println(err)
		return
	}
	loud, _ := res.Outputs.(*dataflow.Object).Get("loud")
	text, _ := loud.(*dataflow.Object).Get("text")
	fmt.Println(text)
	// Output: HELLO ANN
}
