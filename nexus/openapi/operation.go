package openapi

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// operation is what a document says of one method of one path.
type operation struct {
	id           []string // of which the operation's id is made
	tag          string
	summary, doc string
	params       []any
	body         *dataflow.Object
	answers      []answer
	kept         bool  // by a client, which asks whether it still holds
	open         bool  // to whoever asks, where others are asked who they are
	fails        []int // HTTP statuses, besides those that any request may get
}

// answer is a success: a status, and the response that comes with it.
type answer struct {
	status   int
	response *dataflow.Object
}

// operation adds an operation to its path.
func (d *document) operation(path, method string, op operation) {
	o := dataflow.ObjectOf("operationId", d.id(op.id...), "summary", op.summary)
	if op.doc == "" {
		op.doc = op.summary + "."
	}
	o.Set("description", op.doc)
	o.Set("tags", []any{op.tag})
	if op.kept {
		op.params = append(op.params, refTo("parameters", "IfNoneMatch"))
		op.answers = append(op.answers, answer{304, response("it has not changed", nil, "ETag", "CacheControl")})
	}
	if op.open && d.asks() {
		o.Set("security", []any{})
	}
	if len(op.params) > 0 {
		o.Set("parameters", op.params)
	}
	if op.body != nil {
		o.Set("requestBody", op.body)
	}
	responses := dataflow.NewObject()
	for _, a := range op.answers {
		responses.Set(strconv.Itoa(a.status), a.response)
	}
	d.fail(responses, op.fails...)
	o.Set("responses", responses)

	item, ok := d.paths.Get(path)
	if !ok {
		item = dataflow.NewObject()
		d.paths.Set(path, item)
	}
	item.(*dataflow.Object).Set(strings.ToLower(method), o)
}

// id makes an operation id that is not taken yet.
func (d *document) id(parts ...string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.Join(parts, "_"))
	for base, n := id, 2; d.ids[id]; n++ {
		id = base + "_" + strconv.Itoa(n)
	}
	d.ids[id] = true
	return id
}
