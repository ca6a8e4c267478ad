package mcp_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/mcp"
)

// fixture is the program that the conformance suite calls: what it wants of a
// server is written as an embedding program would, and served by the same code
// as an app.
type fixture struct {
	t       *testing.T
	current atomic.Pointer[mcp.Server]
	hub     *mcp.Hub
	changes atomic.Int64
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, hub: mcp.NewHub(mcp.HubOptions{})}
	f.reload()
	return f
}

// reload makes another generation, whose tools and prompts differ from those of
// the one before.
func (f *fixture) reload() {
	n := f.changes.Add(1)
	x := f.extension()
	x.Tools = append(x.Tools, mcp.Tool{Name: fmt.Sprintf("generation_%d", n), Description: "Of this generation.", Do: says("here")})
	x.Prompts = append(x.Prompts, mcp.Prompt{Name: fmt.Sprintf("generation_%d", n), Description: "Of this generation.", Get: prompts(mcp.Text("here"))})
	s := newServer(f.t, mcp.Options{Version: "1", Hub: f.hub, Extension: x})
	f.current.Store(s)
	f.hub.Swap(s)
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.current.Load().Handler().ServeHTTP(w, r)
}

type do = func(context.Context, *mcp.Call) (*mcp.Result, error)

func says(s string) do { return gives(mcp.Text(s)) }

func gives(content ...mcp.Content) do {
	return func(context.Context, *mcp.Call) (*mcp.Result, error) { return &mcp.Result{Content: content}, nil }
}

func prompts(content ...mcp.Content) func(context.Context, *mcp.Call) ([]mcp.Message, error) {
	return func(context.Context, *mcp.Call) ([]mcp.Message, error) {
		var out []mcp.Message
		for _, c := range content {
			out = append(out, mcp.Message{Role: "user", Content: c})
		}
		return out, nil
	}
}

// asks is a tool that asks questions, and says of the answers what then says.
func asks(questions map[string]mcp.Question, then func(answers map[string]*dataflow.Object) string) do {
	return func(_ context.Context, c *mcp.Call) (*mcp.Result, error) {
		answers, err := c.Ask(questions)
		if err != nil {
			return nil, err
		}
		return &mcp.Result{Content: []mcp.Content{mcp.Text(then(answers))}}, nil
	}
}

func form(properties *dataflow.Object, required ...any) *dataflow.Object {
	return dataflow.ObjectOf("type", "object", "properties", properties, "required", required)
}

func oneField(name, kind string) *dataflow.Object {
	return form(dataflow.ObjectOf(name, dataflow.ObjectOf("type", kind)), name)
}

// said is a field of a form that was filled in.
func said(answer *dataflow.Object, name string) any {
	v, _ := answer.Get("content")
	o, ok := v.(*dataflow.Object)
	if !ok {
		return nil
	}
	v, _ = o.Get(name)
	return v
}

const redPixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="

func png() []byte {
	b, err := base64.StdEncoding.DecodeString(redPixel)
	if err != nil {
		panic(err)
	}
	return b
}

func wav() []byte { return []byte("RIFF$\x00\x00\x00WAVEfmt ") }

func (f *fixture) extension() mcp.Extension {
	return mcp.Extension{Tools: f.tools(), Prompts: fixturePrompts(), Resources: fixtureResources()}
}

func (f *fixture) tools() []mcp.Tool {
	tool := func(name string, do do) mcp.Tool {
		return mcp.Tool{Name: name, Description: "For the conformance suite.", ReadOnly: true, Do: do}
	}
	with := func(t mcp.Tool, argument string) mcp.Tool {
		t.Input = oneField(argument, "string")
		return t
	}
	name := mcp.AskUser("What is your name?", oneField("name", "string"))
	confirm := mcp.AskUser("Please confirm", oneField("ok", "boolean"))
	hello := func(a map[string]*dataflow.Object) string {
		return fmt.Sprintf("Hello, %v!", said(a["user_name"], "name"))
	}
	schema2020 := tool("json_schema_2020_12_tool", says("it was called"))
	schema2020.Input = schemaOf2020()
	return []mcp.Tool{
		tool("test_simple_text", says("This is a simple text response for testing.")),
		tool("test_image_content", gives(mcp.Image(png(), "image/png"))),
		tool("test_audio_content", gives(mcp.Audio(wav(), "audio/wav"))),
		tool("test_embedded_resource", gives(mcp.TextResource("test://embedded-resource", "text/plain", "This is an embedded resource content."))),
		tool("test_multiple_content_types", gives(mcp.Text("Multiple content types test:"), mcp.Image(png(), "image/png"),
			mcp.TextResource("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`))),
		tool("test_tool_with_logging", logs), tool("test_logging_tool", logs),
		tool("test_error_handling", func(context.Context, *mcp.Call) (*mcp.Result, error) {
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "This tool intentionally returns an error for testing"}
		}),
		tool("test_tool_with_progress", func(_ context.Context, c *mcp.Call) (*mcp.Result, error) {
			for _, n := range []float64{0, 50, 100} {
				c.Progress(n, 100, "")
			}
			return &mcp.Result{Content: []mcp.Content{mcp.Text("done")}}, nil
		}),
		with(tool("test_sampling", func(ctx context.Context, c *mcp.Call) (*mcp.Result, error) {
			v, _ := c.Arguments.Get("prompt")
			return asks(map[string]mcp.Question{"q": mcp.AskModel(fmt.Sprint(v), 100)}, func(a map[string]*dataflow.Object) string {
				return fmt.Sprintf("LLM response: %v", said(a["q"], "text"))
			})(ctx, c)
		}), "prompt"),
		with(tool("test_elicitation", func(ctx context.Context, c *mcp.Call) (*mcp.Result, error) {
			v, _ := c.Arguments.Get("message")
			text := dataflow.ObjectOf("type", "string")
			return asks(map[string]mcp.Question{"q": mcp.AskUser(fmt.Sprint(v), form(dataflow.ObjectOf("username", text, "email", text), "username", "email"))},
				outcome("User response"))(ctx, c)
		}), "message"),
		tool("test_elicitation_sep1034_defaults", asks(map[string]mcp.Question{"q": mcp.AskUser("Defaults", formWithDefaults())}, outcome("Elicitation completed"))),
		tool("test_elicitation_sep1330_enums", asks(map[string]mcp.Question{"q": mcp.AskUser("Choices", formWithChoices())}, outcome("Elicitation completed"))),
		schema2020,
		tool("test_missing_capability", asks(map[string]mcp.Question{"q": mcp.AskModel("anything", 10)}, func(map[string]*dataflow.Object) string { return "asked" })),
		tool("test_streaming_elicitation", asks(map[string]mcp.Question{"user_name": name}, hello)),
		tool("test_trigger_tool_change", f.changed), tool("test_trigger_prompt_change", f.changed),
		tool("test_input_required_result_elicitation", asks(map[string]mcp.Question{"user_name": name}, hello)),
		tool("test_input_required_result_sampling", asks(map[string]mcp.Question{"capital_question": mcp.AskModel("What is the capital of France?", 100)},
			func(a map[string]*dataflow.Object) string { return fmt.Sprint(said(a["capital_question"], "text")) })),
		tool("test_input_required_result_list_roots", asks(map[string]mcp.Question{"client_roots": mcp.AskRoots()}, func(a map[string]*dataflow.Object) string {
			v, _ := a["client_roots"].Get("roots")
			root, _ := v.([]any)[0].(*dataflow.Object).Get("uri")
			return fmt.Sprintf("the first root is %v", root)
		})),
		tool("test_input_required_result_request_state", asks(map[string]mcp.Question{"confirm": confirm}, func(map[string]*dataflow.Object) string { return "state-ok" })),
		tool("test_input_required_result_tampered_state", asks(map[string]mcp.Question{"confirm": confirm}, func(map[string]*dataflow.Object) string { return "state-ok" })),
		tool("test_input_required_result_multiple_inputs", asks(map[string]mcp.Question{"user_name": name,
			"greeting": mcp.AskModel("Generate a greeting", 50), "client_roots": mcp.AskRoots()}, hello)),
		tool("test_input_required_result_multi_round", func(_ context.Context, c *mcp.Call) (*mcp.Result, error) {
			for i, q := range []mcp.Question{mcp.AskUser("Step 1: What is your name?", oneField("name", "string")), mcp.AskUser("Step 2: What is your favorite color?", oneField("color", "string"))} {
				if _, err := c.Ask(map[string]mcp.Question{fmt.Sprintf("step%d", i+1): q}); err != nil {
					return nil, err
				}
			}
			return &mcp.Result{Content: []mcp.Content{mcp.Text("both steps are done")}}, nil
		}),
		tool("test_input_required_result_capabilities", func(ctx context.Context, c *mcp.Call) (*mcp.Result, error) {
			q := name
			if !c.Can("elicitation") {
				q = mcp.AskModel("What is a good name?", 10)
			}
			return asks(map[string]mcp.Question{"name": q}, func(map[string]*dataflow.Object) string { return "named" })(ctx, c)
		}),
	}
}

func outcome(what string) func(map[string]*dataflow.Object) string {
	return func(a map[string]*dataflow.Object) string {
		action, _ := a["q"].Get("action")
		content, _ := a["q"].Get("content")
		return fmt.Sprintf("%s: action=%v, content=%v", what, action, content)
	}
}

func logs(_ context.Context, c *mcp.Call) (*mcp.Result, error) {
	for _, s := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		c.Log("info", "fixture", s)
	}
	return &mcp.Result{Content: []mcp.Content{mcp.Text("logged")}}, nil
}

func (f *fixture) changed(context.Context, *mcp.Call) (*mcp.Result, error) {
	f.reload()
	return &mcp.Result{Content: []mcp.Content{mcp.Text("changed")}}, nil
}

func formWithDefaults() *dataflow.Object {
	field := func(kind string, v any) *dataflow.Object { return dataflow.ObjectOf("type", kind, "default", v) }
	status := dataflow.ObjectOf("type", "string", "enum", []any{"active", "inactive", "pending"}, "default", "active")
	return form(dataflow.ObjectOf("name", field("string", "John Doe"), "age", field("integer", int64(30)), "score", field("number", 95.5), "status", status, "verified", field("boolean", true)))
}

func formWithChoices() *dataflow.Object {
	options := []any{"option1", "option2", "option3"}
	titled := func(titles ...string) []any {
		var out []any
		for i, t := range titles {
			out = append(out, dataflow.ObjectOf("const", fmt.Sprintf("value%d", i+1), "title", t))
		}
		return out
	}
	return form(dataflow.ObjectOf(
		"untitledSingle", dataflow.ObjectOf("type", "string", "enum", options),
		"titledSingle", dataflow.ObjectOf("type", "string", "oneOf", titled("First Option", "Second Option", "Third Option")),
		"legacyEnum", dataflow.ObjectOf("type", "string", "enum", []any{"opt1", "opt2", "opt3"}, "enumNames", []any{"Option One", "Option Two", "Option Three"}),
		"untitledMulti", dataflow.ObjectOf("type", "array", "items", dataflow.ObjectOf("type", "string", "enum", options)),
		"titledMulti", dataflow.ObjectOf("type", "array", "items", dataflow.ObjectOf("anyOf", titled("First Choice", "Second Choice", "Third Choice")))))
}

func schemaOf2020() *dataflow.Object {
	address := dataflow.ObjectOf("$anchor", "addressDef", "type", "object", "properties", dataflow.ObjectOf(
		"street", dataflow.ObjectOf("type", "string"), "city", dataflow.ObjectOf("type", "string")))
	return dataflow.ObjectOf("$schema", "https://json-schema.org/draft/2020-12/schema", "type", "object",
		"$defs", dataflow.ObjectOf("address", address),
		"properties", dataflow.ObjectOf("name", dataflow.ObjectOf("type", "string"), "address", dataflow.ObjectOf("$ref", "#/$defs/address"),
			"contactMethod", dataflow.ObjectOf("type", "string", "enum", []any{"phone", "email"}),
			"phone", dataflow.ObjectOf("type", "string"), "email", dataflow.ObjectOf("type", "string")),
		"allOf", []any{dataflow.ObjectOf("anyOf", []any{dataflow.ObjectOf("required", []any{"phone"}), dataflow.ObjectOf("required", []any{"email"})})},
		"if", dataflow.ObjectOf("properties", dataflow.ObjectOf("contactMethod", dataflow.ObjectOf("const", "phone")), "required", []any{"contactMethod"}),
		"then", dataflow.ObjectOf("required", []any{"phone"}), "else", dataflow.ObjectOf("required", []any{"email"}),
		"additionalProperties", false)
}

func fixturePrompts() []mcp.Prompt {
	cities := func(_ context.Context, typed string) []string {
		var out []string
		for _, c := range []string{"paris", "park", "party", "test"} {
			if strings.HasPrefix(c, typed) {
				out = append(out, c)
			}
		}
		return out
	}
	argument := func(c *mcp.Call, name string) string { v, _ := c.Arguments.Get(name); s, _ := v.(string); return s }
	return []mcp.Prompt{
		{Name: "test_simple_prompt", Description: "A simple prompt.", Get: prompts(mcp.Text("This is a simple prompt for testing."))},
		{Name: "test_prompt_with_arguments", Description: "A prompt with arguments.",
			Args: []mcp.PromptArg{{Name: "arg1", Description: "First test argument", Required: true, Complete: cities}, {Name: "arg2", Description: "Second test argument", Required: true}},
			Get: func(ctx context.Context, c *mcp.Call) ([]mcp.Message, error) {
				return prompts(mcp.Text(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", argument(c, "arg1"), argument(c, "arg2"))))(ctx, c)
			}},
		{Name: "test_prompt_with_embedded_resource", Description: "A prompt with a resource.", Args: []mcp.PromptArg{{Name: "resourceUri", Required: true}},
			Get: func(ctx context.Context, c *mcp.Call) ([]mcp.Message, error) {
				return prompts(mcp.TextResource(argument(c, "resourceUri"), "text/plain", "Embedded resource content for testing."), mcp.Text("Please process the embedded resource above."))(ctx, c)
			}},
		{Name: "test_prompt_with_image", Description: "A prompt with an image.", Get: prompts(mcp.Image(png(), "image/png"), mcp.Text("Please analyze the image above."))},
		{Name: "test_input_required_result_prompt", Description: "A prompt that asks.", Get: func(ctx context.Context, c *mcp.Call) ([]mcp.Message, error) {
			a, err := c.Ask(map[string]mcp.Question{"user_context": mcp.AskUser("What context should the prompt use?", oneField("context", "string"))})
			if err != nil {
				return nil, err
			}
			return prompts(mcp.Text(fmt.Sprintf("In the context of %v.", said(a["user_context"], "context"))))(ctx, c)
		}},
	}
}

func fixtureResources() []mcp.Resource {
	text := func(kind, s string) func(context.Context, access.Caller, string) (mcp.Content, error) {
		return func(_ context.Context, _ access.Caller, uri string) (mcp.Content, error) {
			return mcp.TextResource(uri, kind, strings.ReplaceAll(s, "{id}", strings.Split(uri+"//", "/")[3])), nil
		}
	}
	return []mcp.Resource{
		{URI: "test://static-text", Name: "static-text", Description: "A text.", Type: "text/plain", Read: text("text/plain", "This is the content of the static text resource.")},
		{URI: "test://static-binary", Name: "static-binary", Description: "A picture.", Type: "image/png",
			Read: func(_ context.Context, _ access.Caller, uri string) (mcp.Content, error) {
				return mcp.BinaryResource(uri, "image/png", png()), nil
			}},
		{URI: "test://template/{id}/data", Name: "template", Description: "Data by id.", Type: "application/json", Read: text("application/json", `{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}`)},
		{URI: "test://watched-resource", Name: "watched", Description: "Changes.", Type: "text/plain", Watchable: true, Read: text("text/plain", "as it is")},
	}
}
