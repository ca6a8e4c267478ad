package mcp

import (
	"context"
	"encoding/base64"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// Extension is what a program that embeds the runtime serves to agents besides
// what the app declares. It is read only.
type Extension struct {
	Tools     []Tool
	Prompts   []Prompt
	Resources []Resource
}

// Tool is a tool written in Go. It must not write before it has asked all that
// it asks: with each answer it is called anew.
type Tool struct {
	Name, Title, Description string
	Input                    *dataflow.Object // JSON Schema; nil takes nothing
	Output                   *dataflow.Object // JSON Schema of Result.Structured; nil: none
	ReadOnly                 bool             // changes nothing
	Destructive              bool             // may change or remove what is there
	Idempotent               bool             // a second call with the same arguments changes nothing more
	OpenWorld                bool             // reaches beyond the app's own database
	Do                       func(ctx context.Context, c *Call) (*Result, error)
}

// Prompt is a prompt written in Go.
type Prompt struct {
	Name, Title, Description string
	Args                     []PromptArg
	Get                      func(ctx context.Context, c *Call) ([]Message, error)
}

// PromptArg is an argument of a prompt: text, always.
type PromptArg struct {
	Name, Description string
	Required          bool
	// Complete returns the values that begin with what has been typed.
	Complete func(ctx context.Context, typed string) []string
}

// Resource is something that agents can read. With a URI such as
// "app://files/{name}" it is a template, for any text in the place of {name}.
type Resource struct {
	URI, Name, Title, Description, Type string // Type is the MIME type
	Watchable                           bool   // Hub.Updated is called when it changes
	Read                                func(ctx context.Context, c access.Caller, uri string) (Content, error)
}

// Message is one message of a prompt.
type Message struct {
	Role    string // "user" or "assistant"
	Content Content
}

// Result is what a tool gives back. An error of Do is told to the agent, too:
// as the tool's own failure.
type Result struct {
	Content    []Content
	Structured *dataflow.Object
}

// Content is a part of a result: text, or something else.
type Content struct{ o *dataflow.Object }

// Text is content that is text.
func Text(s string) Content { return Content{dataflow.ObjectOf("type", "text", "text", s)} }

// Image is a picture; kind is its MIME type.
func Image(data []byte, kind string) Content { return media("image", data, kind) }

// Audio is sound; kind is its MIME type.
func Audio(data []byte, kind string) Content { return media("audio", data, kind) }

func media(what string, data []byte, kind string) Content {
	return Content{dataflow.ObjectOf("type", what, "data", base64.StdEncoding.EncodeToString(data), "mimeType", kind)}
}

// TextResource is the text of a resource.
func TextResource(uri, kind, s string) Content {
	return Content{dataflow.ObjectOf("type", "resource", "resource", dataflow.ObjectOf("uri", uri, "mimeType", kind, "text", s))}
}

// BinaryResource is the bytes of a resource.
func BinaryResource(uri, kind string, data []byte) Content {
	return Content{dataflow.ObjectOf("type", "resource", "resource", dataflow.ObjectOf("uri", uri, "mimeType", kind, "blob", base64.StdEncoding.EncodeToString(data)))}
}

// Call is a call of an Extension's tool or prompt.
type Call struct {
	Caller    access.Caller
	Arguments *dataflow.Object

	q   *request
	got answers
}

// Progress tells a client that wants to know how far the call has come. total
// is 0 if it is not known.
func (c *Call) Progress(done, total float64, message string) { c.q.tellProgress(done, total, message) }

// Log sends a message to a client that wants those of this level: "debug",
// "info", "notice", "warning", "error", "critical", "alert" or "emergency".
func (c *Call) Log(level, logger string, data any) {
	if l, f := parseLevel(level); f == nil {
		c.q.log(l, logger, data)
	}
}

// Can reports whether the client has a capability: "elicitation", "sampling",
// "roots".
func (c *Call) Can(capability string) bool { return c.q.can(capability) }

// Ask returns the client's answers to questions, by their keys. While there are
// none it returns an error, which Do must hand on: the client is asked, and Do
// called again.
func (c *Call) Ask(questions map[string]Question) (map[string]*dataflow.Object, error) {
	if err := c.q.missing(c.got, questions); err != nil {
		return nil, err
	}
	return c.got, nil
}
