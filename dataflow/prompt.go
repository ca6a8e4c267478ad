package dataflow

// Prompt is app.prompt(...): a text with arguments that agents can ask for.
type Prompt struct {
	Name, Title, Doc string
	Args             []*Field
	Text             any  // a string, a Ref to an argument, or a *Template of them
	Fn               Func // or else: it returns a text or a list of messages
	Span             Span
}
