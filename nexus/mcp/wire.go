package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// Revisions of the protocol. Those before modernRevision begin with a handshake
// that makes a session; from it on each request says of itself what it is.
const (
	modernRevision = "2026-07-28"
	latestLegacy   = "2025-11-25"
	earlyRevision  = "2025-03-26" // of a client over HTTP that does not say
)

// revisions lists what is spoken, newest first.
func revisions() []string {
	return []string{modernRevision, latestLegacy, "2025-06-18", earlyRevision, "2024-11-05"}
}

func isLegacy(version string) bool {
	return version != modernRevision && slices.Contains(revisions(), version)
}

// Codes of errors: of JSON-RPC 2.0, and of the protocol's own.
const (
	codeParse              = -32700
	codeInvalidRequest     = -32600
	codeMethodNotFound     = -32601
	codeInvalidParams      = -32602
	codeInternal           = -32603
	codeResourceNotFound   = -32002 // before modernRevision
	codeHeaderMismatch     = -32020
	codeMissingCapability  = -32021
	codeUnsupportedVersion = -32022
	codeCancelled          = -32800
)

// Keys of a message's _meta.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaServer       = "io.modelcontextprotocol/serverInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// fault is an error of the protocol: a request that could not be taken, rather
// than one that was and failed.
type fault struct {
	code    int
	message string
	data    *dataflow.Object // nil: none
	lacks   *dataflow.Error  // the scope that the caller lacks; nil: it is about nothing such
}

func (f *fault) Error() string { return f.message }

func faultf(code int, format string, args ...any) *fault {
	return &fault{code: code, message: fmt.Sprintf(format, args...)}
}

// status is the HTTP status of a fault in a revision. Early clients look at
// the message alone, and take another status for the transport's failure.
func (f *fault) status(modern bool) int {
	switch {
	case f.lacks != nil:
		return http.StatusForbidden
	case f.code == codeParse:
		return http.StatusBadRequest
	case !modern || f.code == codeInternal:
		return http.StatusOK
	case f.code == codeMethodNotFound:
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

// message is one message of JSON-RPC 2.0.
type message struct {
	id     json.RawMessage // nil: a notification
	method string          // "": a response
	params *dataflow.Object
	result *dataflow.Object   // of a response
	failed *dataflow.Object   // of a response: its error
	wrong  []dataflow.Problem // of a tool's arguments, which the tool's answer tells of
}

// argumentsPointer is where a message has the arguments of a tool.
const argumentsPointer = "/params/arguments"

// parseMessage reads a message. What it returns beside a fault has the id, if
// that much could be made out.
func parseMessage(text []byte) (*message, *fault) {
	v, problems := codec.ParseJSON(text, codec.MaxDepth)
	m := &message{}
	for _, p := range problems {
		rest, ok := strings.CutPrefix(p.Pointer, argumentsPointer)
		if !ok || v == nil {
			return unread(text, p)
		}
		p.Pointer = rest
		m.wrong = append(m.wrong, p)
	}
	o, ok := v.(*dataflow.Object)
	if !ok {
		return &message{}, faultf(codeInvalidRequest, "a message is one JSON object; there are no batches")
	}
	id, hasID := o.Get("id")
	switch id.(type) {
	case string, int64, dataflow.Decimal:
		m.id = codec.AppendJSON(nil, id)
	default:
		if hasID {
			return m, faultf(codeInvalidRequest, "the id of a message is a number or a string")
		}
	}
	if version, _ := o.Get("jsonrpc"); version != "2.0" {
		return m, faultf(codeInvalidRequest, `a message says "jsonrpc": "2.0"`)
	}
	m.result, m.failed = object(o, "result"), object(o, "error")
	method, given := o.Get("method")
	if m.method, ok = method.(string); (given && !ok) || (m.method == "" && m.result == nil && m.failed == nil) {
		return m, faultf(codeInvalidRequest, "a message names a method")
	}
	if params, given := o.Get("params"); given && params != nil {
		if m.params, ok = params.(*dataflow.Object); !ok {
			return m, faultf(codeInvalidParams, "the params of %s must be an object%s", shown(m.method), paramsOf(m.method))
		}
	}
	return m, nil
}

// unread is the answer to a text that can't be taken as it is: it may be no
// JSON, or JSON with a value that we can't hold.
func unread(text []byte, p dataflow.Problem) (*message, *fault) {
	var head struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if json.Unmarshal(text, &head) != nil {
		return &message{}, faultf(codeParse, "the message is no JSON: %s", p.Detail)
	}
	m := &message{method: head.Method}
	if len(head.ID) > 0 && (head.ID[0] == '"' || head.ID[0] == '-' || head.ID[0] >= '0' && head.ID[0] <= '9') {
		m.id = head.ID
	}
	f := faultf(codeInvalidParams, "the message can't be read: %s", p.Detail)
	f.data = dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer)
	return m, f
}

// paramsOf shows the params of a method that are most often given wrongly.
func paramsOf(method string) string {
	if method == "tools/call" {
		return `: {"name": "…", "arguments": {…}}`
	}
	return ""
}

// shown is a name that a caller gave, as it is repeated to them.
func shown(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

func quoted(s string) string { return `"` + shown(s) + `"` }

// object returns a member that is an object, or nil.
func object(o *dataflow.Object, name string) *dataflow.Object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(name)
	m, _ := v.(*dataflow.Object)
	return m
}

// text returns a member that is a string, or "".
func text(o *dataflow.Object, name string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

// reply is the result of a request, as JSON text of its members: what all
// results have in common is added when it is sent.
type reply struct {
	body []byte // its members, without the braces
	meta []byte // members of its _meta
	kind string // resultType; "" is a complete one
}

// replyOf is a reply with members of an object.
func replyOf(o *dataflow.Object) *reply { return &reply{body: members(o)} }

// members is an object's text without the braces.
func members(o *dataflow.Object) []byte {
	t := codec.AppendValue(nil, o)
	return t[1 : len(t)-1]
}

// appendReply appends the message that answers request q with r.
func (q *request) appendReply(dst []byte, r *reply) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), q.msg.id...)
	dst = append(append(dst, `,"result":{`...), r.body...)
	meta := r.meta
	if q.modern {
		kind := r.kind
		if kind == "" {
			kind = "complete"
		}
		dst = append(comma(dst), `"resultType":"`...)
		dst = append(append(dst, kind...), '"')
		if q.method.cacheable {
			dst = append(dst, `,"ttlMs":0,"cacheScope":"private"`...)
		}
		if len(meta) > 0 {
			meta = append(append([]byte(nil), meta...), ',')
		}
		meta = append(meta, q.server.identity...)
	}
	if len(meta) > 0 {
		dst = append(append(append(comma(dst), `"_meta":{`...), meta...), '}')
	}
	return append(dst, "}}"...)
}

// comma appends a comma unless a member comes first.
func comma(dst []byte) []byte {
	if dst[len(dst)-1] == '{' {
		return dst
	}
	return append(dst, ',')
}

// appendFault appends the message that answers the request of this id with an
// error. No id is null.
func appendFault(dst []byte, id json.RawMessage, f *fault) []byte {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	e := dataflow.ObjectOf("code", int64(f.code), "message", f.message)
	if f.data != nil {
		e.Set("data", f.data)
	}
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	dst = codec.AppendValue(append(dst, `,"error":`...), e)
	return append(dst, '}')
}

// notification is a message that wants no answer.
func notification(method string, params *dataflow.Object) []byte {
	o := dataflow.ObjectOf("jsonrpc", "2.0", "method", method)
	if params != nil && params.Len() > 0 {
		o.Set("params", params)
	}
	return codec.AppendValue(nil, o)
}
