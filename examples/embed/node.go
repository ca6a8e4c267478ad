package main

import (
	"context"
	"strings"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// slugNode is a node type of this program: it makes "Go: a tour" into
// "go-a-tour". Checks, documentation and MCP learn of it from its spec.
type slugNode struct{}

var slugSpec = &dataflow.NodeSpec{
	Name:   "SlugNode",
	Doc:    "Makes a text into a name that can stand in a URL.",
	Params: []*dataflow.Field{{Name: "text", Type: dataflow.String, Doc: "what to name"}},
	Effect: dataflow.EffectPure,
	Output: dataflow.ObjectType(&dataflow.Field{Name: "slug", Type: dataflow.String}),
}

func (slugNode) Spec() *dataflow.NodeSpec { return slugSpec }

func (slugNode) Run(_ context.Context, call *engine.Call) (any, error) {
	text, _ := call.Config.Get("text")
	slug := slugOf(text.(string))
	if slug == "" {
		return nil, dataflow.Invalid(dataflow.Problem{
			Code: "pattern", Pointer: "/text", Detail: "holds no letter or digit to make a slug of",
		})
	}
	return dataflow.ObjectOf("slug", slug), nil
}

func slugOf(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, "-")
}
