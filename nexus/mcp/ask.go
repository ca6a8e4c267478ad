package mcp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// Question is what a tool or a prompt asks of the client: its user, its model,
// or the client itself. Make one with AskUser, AskModel or AskRoots.
type Question struct {
	method     string
	capability string // that the client must have
	params     *dataflow.Object
}

// AskUser asks the client's user to fill in a form, whose fields a JSON Schema
// of flat properties describes. The answer is {action, content}: action is
// "accept", "decline" or "cancel".
func AskUser(message string, form *dataflow.Object) Question {
	return Question{"elicitation/create", "elicitation", dataflow.ObjectOf("message", message, "requestedSchema", form)}
}

// AskModel asks the client's model to go on from a text. The answer is
// {role, content, model}.
func AskModel(text string, maxTokens int) Question {
	return Question{"sampling/createMessage", "sampling", dataflow.ObjectOf(
		"messages", []any{dataflow.ObjectOf("role", "user", "content", dataflow.ObjectOf("type", "text", "text", text))},
		"maxTokens", int64(maxTokens))}
}

// AskRoots asks the client for the folders that it works in. The answer is
// {roots}.
func AskRoots() Question { return Question{"roots/list", "roots", dataflow.NewObject()} }

// fits reports whether a client's answer has the form that the question wants.
func (q Question) fits(answer *dataflow.Object) bool {
	switch q.capability {
	case "elicitation":
		return slices.Contains([]string{"accept", "decline", "cancel"}, text(answer, "action"))
	case "sampling":
		_, ok := answer.Get("content")
		return ok
	}
	v, _ := answer.Get("roots")
	_, ok := v.([]any)
	return ok
}

func questionText(id, method string, params *dataflow.Object) []byte {
	o := dataflow.ObjectOf("jsonrpc", "2.0", "id", id, "method", method)
	if params.Len() > 0 {
		o.Set("params", params)
	}
	return codec.AppendValue(nil, o)
}

// inputNeeded ends a call that can't go on until the client has answered. The
// call is then made again, with the answers: nothing is held open while a user
// thinks.
type inputNeeded struct{ questions map[string]Question }

func (*inputNeeded) Error() string { return "the client has to answer first" }

// maxRounds bounds how often one call may ask.
const maxRounds = 16

// stateTTL is how long a client may keep what it was asked.
const stateTTL = time.Hour

// answers are what a client has answered so far in the course of one call.
type answers map[string]*dataflow.Object

// missing returns the questions of a call that are not answered, or an error if
// the client can't be asked one of them.
func (q *request) missing(got answers, questions map[string]Question) error {
	need := make(map[string]Question)
	for key, question := range questions {
		if a := got[key]; a != nil && question.fits(a) {
			continue
		}
		if !q.can(question.capability) {
			return missingCapability(question.capability)
		}
		need[key] = question
	}
	if len(need) > 0 {
		return &inputNeeded{need}
	}
	return nil
}

// can reports whether the client has declared a capability.
func (q *request) can(capability string) bool {
	if q.caps == nil {
		return false
	}
	v, ok := q.caps.Get(capability)
	return ok && v != nil
}

func missingCapability(capability string) error {
	f := faultf(codeMissingCapability, "this needs a client with the capability %s", capability)
	f.data = dataflow.ObjectOf("requiredCapabilities", dataflow.ObjectOf(capability, dataflow.NewObject()))
	return f
}

// given reads the answers that come with a request: those of now, and those of
// earlier rounds, which the client has kept for us.
func (q *request) given() (answers, error) {
	got := make(answers)
	if q.msg.params == nil || !q.modern {
		return got, nil
	}
	if v, ok := q.msg.params.Get("requestState"); ok {
		state, _ := v.(string)
		kept := q.openState(state)
		if kept == nil {
			return nil, faultf(codeInvalidParams, "requestState is not what the server gave for this request, or is too old; make the request again without it")
		}
		got = kept
	}
	v, ok := q.msg.params.Get("inputResponses")
	if !ok {
		return got, nil
	}
	responses, ok := v.(*dataflow.Object)
	if !ok {
		return nil, faultf(codeInvalidParams, "inputResponses must be an object: the answers by the keys of inputRequests")
	}
	for key, v := range responses.All {
		a, ok := v.(*dataflow.Object)
		if !ok {
			return nil, faultf(codeInvalidParams, "the answer %s of inputResponses must be an object", quoted(key))
		}
		got[key] = a
	}
	return got, nil
}

// inputRequired is the reply that asks a client of modernRevision.
func (q *request) inputRequired(need *inputNeeded, got answers) *reply {
	requests := dataflow.NewObject()
	for _, key := range slices.Sorted(maps.Keys(need.questions)) {
		question := need.questions[key]
		requests.Set(key, dataflow.ObjectOf("method", question.method, "params", question.params))
	}
	return &reply{kind: "input_required", body: members(dataflow.ObjectOf("inputRequests", requests, "requestState", q.sealState(got)))}
}

// askEarly asks a client of an early revision, one question after the other.
func (q *request) askEarly(ctx context.Context, need *inputNeeded, got answers) error {
	for _, key := range slices.Sorted(maps.Keys(need.questions)) {
		question := need.questions[key]
		a, err := q.out.ask(ctx, question.method, question.params)
		if err != nil {
			return err
		}
		if !question.fits(a) {
			return faultf(codeInvalidRequest, "the client's answer to %s can't be read", question.method)
		}
		got[key] = a
	}
	return nil
}

// sealState makes the text that a client keeps for us: what it has answered so
// far, for whom and what, until when, and our signature.
func (q *request) sealState(got answers) string {
	kept := dataflow.NewObject()
	for _, key := range slices.Sorted(maps.Keys(got)) {
		kept.Set(key, got[key])
	}
	payload := codec.AppendValue(nil, dataflow.ObjectOf("for", q.stateSubject(), "until", q.server.hub.o.Now().Add(stateTTL).Unix(), "answers", kept))
	return base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(q.server.hub.sign(payload))
}

// openState reads what sealState made; nil if it did not, or for another
// caller or request, or too long ago.
func (q *request) openState(state string) answers {
	first, second, _ := strings.Cut(state, ".")
	payload, err1 := base64.RawURLEncoding.DecodeString(first)
	signature, err2 := base64.RawURLEncoding.DecodeString(second)
	if err1 != nil || err2 != nil || !hmac.Equal(signature, q.server.hub.sign(payload)) {
		return nil
	}
	v, problems := codec.ParseJSON(payload, codec.MaxDepth)
	o, ok := v.(*dataflow.Object)
	if len(problems) > 0 || !ok {
		return nil
	}
	until, _ := o.Get("until")
	if at, _ := until.(int64); text(o, "for") != q.stateSubject() || q.server.hub.o.Now().Unix() > at {
		return nil
	}
	got := make(answers)
	for key, a := range object(o, "answers").All {
		got[key], _ = a.(*dataflow.Object)
	}
	return got
}

// stateSubject names the caller and the request that a state is for.
func (q *request) stateSubject() string {
	sum := sha256.New()
	for _, part := range []string{q.caller.Key, q.caller.Tenant, q.msg.method, text(q.msg.params, "name")} {
		sum.Write(append([]byte(part), 0))
	}
	if args := object(q.msg.params, "arguments"); args != nil && args.Len() > 0 {
		sum.Write(codec.AppendValue(nil, args))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

func (h *Hub) sign(payload []byte) []byte {
	mac := hmac.New(sha256.New, h.key[:])
	mac.Write(payload)
	return mac.Sum(nil)
}
