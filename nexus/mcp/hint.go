package mcp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// hinted gives the problems of a call's arguments that say nothing of it
// themselves what to write instead. It is for the mistakes that models make: JSON
// as text, numbers in quotes, one value in the place of a list.
func (s *Server) hinted(c access.Caller, args any, problems []dataflow.Problem) []dataflow.Problem {
	out := slices.Clone(problems)
	for i, p := range out {
		if p.Hint == "" {
			out[i].Hint = s.hintFor(c, p, valueAt(args, p.Pointer))
		}
	}
	return out
}

func (s *Server) hintFor(c access.Caller, p dataflow.Problem, given any) string {
	text, isText := given.(string)
	switch {
	case p.Code == "not_in_enum" && p.Pointer == "/model" && isText:
		exp := s.exposureNamed(text)
		if exp == nil || !s.mayAny(c, exp) {
			return "describe_models names those there are"
		}
		if text != exp.Model.Name {
			return "say " + quoted(exp.Model.Name)
		}
		return text + " does not allow this; " + s.servedBy(c, exp)
	case p.Code != "wrong_type":
		return ""
	case isText:
		return retyped(p.Detail, text)
	case given != nil && strings.HasPrefix(p.Detail, "must be a list"):
		return "put it into a list: [ … ]"
	}
	return ""
}

// retyped says how to write a text of what was to be something else.
func retyped(detail, text string) string {
	v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
	if len(problems) > 0 {
		v = nil
	}
	wants := func(what string) bool { return strings.HasPrefix(detail, "must be "+what) }
	switch v.(type) {
	case *dataflow.Object, []any:
		return "give the JSON itself, not a text that holds it"
	case int64, dataflow.Decimal, bool:
		if !wants("a list") && !wants("an object") {
			return "write it without quotes: " + strings.TrimSpace(shown(text))
		}
	}
	if wants("a list") {
		return "put it into a list: [" + strconv.Quote(shown(text)) + "]"
	}
	return ""
}

// valueAt is what a pointer (RFC 6901) leads to; nil if that is nothing.
func valueAt(v any, pointer string) any {
	for _, name := range strings.Split(pointer, "/")[1:] {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		switch at := v.(type) {
		case *dataflow.Object:
			v, _ = at.Get(name)
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// servedBy lists the operations of a model that is served, those that the caller
// may do.
func (s *Server) servedBy(c access.Caller, exp *dataflow.Exposure) string {
	var names []string
	for _, op := range exp.Served() {
		if s.may(c, exp, op) {
			names = append(names, op.String())
		}
	}
	if len(names) == 0 {
		return "there is nothing that you may do with it"
	}
	return "its operations are " + strings.Join(names, ", ")
}

// nextStep says what to do about an error, where it does not itself.
func (q *request) nextStep(t *tool, e *dataflow.Error) string {
	if e.Run != "" {
		next := "what the run did before it failed stays, but for what the workflow compensates: get_run shows it, and retry_run goes on from the step that failed. Another call begins another run"
		if e.Hint != "" {
			next = e.Hint + ". " + next
		}
		return next
	}
	if e.Hint != "" && (t.kind != kindRuns || e.Status != dataflow.StatusNotFound) { // which names the ways of other channels
		return e.Hint
	}
	if e.Status == dataflow.StatusNotFound {
		return q.whereToFind(t, e)
	}
	if t.kind == kindRuns && e.Status == dataflow.StatusConflict {
		return "get_run shows how the run stands; what is to be done once more another run does"
	}
	if e.Code == "reference_violation" {
		return "create the row that is referred to first, or change those that refer to this one"
	}
	if next := nextSteps[e.Status]; next != "" {
		return next
	}
	return "the fault is the server's, not that of the arguments; its log has the cause"
}

// nextSteps are what to do about errors, by their kind.
var nextSteps = map[dataflow.Status]string{
	dataflow.StatusInvalid:              "correct the arguments that problems points to, and call again",
	dataflow.StatusConflict:             "choose another value, or change the row that has it",
	dataflow.StatusRejected:             "the app's own rules refuse this; the same call will be refused again",
	dataflow.StatusPrecondition:         "read the row again, and call again with its version",
	dataflow.StatusPreconditionRequired: "read the row again, and call again with its version",
	dataflow.StatusForbidden:            "the caller may not do this; ask whoever runs the server",
	dataflow.StatusUnauthorized:         "the caller may not do this; ask whoever runs the server",
	dataflow.StatusBusy:                 "wait a moment, and call again with the same arguments",
	dataflow.StatusTimeout:              "ask for less at once, or try again later",
	dataflow.StatusStorage:              "nothing has been changed; try again later",
	dataflow.StatusUpstream:             "nothing has been changed; try again later",
	dataflow.StatusCancelled:            "the call was called off; nothing has been changed",
}

// whereToFind says by which of the tools that are there to find what a call did
// not.
func (q *request) whereToFind(t *tool, e *dataflow.Error) string {
	exp := t.exposure
	if exp == nil && e.Model != "" {
		exp = q.server.exposureNamed(e.Model)
	}
	switch {
	case t.kind == kindRuns:
		return "find the run with list_runs, and call again with its run_id"
	case t.kind == kindGeneric && (exp == nil || q.server.may(q.caller, exp, dataflow.OpList)):
		return "find the row with find_records, and call again with its id"
	case exp == nil || !q.server.may(q.caller, exp, dataflow.OpList):
		return "find out what there is, and call again"
	}
	by := modelTool(exp, dataflow.OpList)
	switch {
	case t.kind == kindOperation:
		return "find the row with " + by + ", and call again with its id"
	case q.view.generic:
		by = "find_records"
	case q.view.callable[by] == nil:
		return "find out which " + exp.Model.Name + " there is, and call again"
	}
	return "see with " + by + " which rows of " + exp.Model.Name + " there are, and call again"
}
