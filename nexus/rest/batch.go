package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/limit"
)

// MaxBatch is how many operations a batch has at most: they hold one
// transaction open together.
const MaxBatch = 100

// batch is a request of several operations that are done in one transaction.
type batch struct {
	writer
	caller  access.Caller
	db      *dataflow.Database
	writes  bool
	steps   []*step
	results []any // of the steps done so far
}

// step is one operation of a batch.
type step struct {
	id   string // "" if it has none
	m    *model
	op   dataflow.OpKind
	args *dataflow.Object // a *reference stands for what an earlier step gives
	uses []int            // the steps that it refers to
}

// batch serves POST /api/batch.
func (h *Handler) batch(x *front.Exchange) error {
	x.Operation = "batch"
	w, err := begin(x)
	if err != nil {
		return err
	}
	if len(x.Request.Header["If-Match"]) > 0 {
		return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
			Message: "If-Match is about one row, and a batch has several operations", Hint: "give version among the args of each"}
	}
	if w.body, err = requiredBody(x); err != nil {
		return err
	}
	body, err := objectBody(w.body)
	if err != nil {
		return err
	}
	b, err := h.readBatch(x, body)
	if err != nil {
		return err
	}
	w.caller = b.caller
	preferenceApplied(x, w.prefer.returned(), w.prefer.tx(), w.prefer.affected())
	w.do = func(ctx context.Context, tx store.Tx) error { return b.run(ctx, tx, w.prefer.maxAffected) }
	w.render = func(context.Context) (answer, error) {
		x.Out = x.Out[:0]
		if w.prefer.minimal {
			return answer{status: http.StatusNoContent}, nil
		}
		x.Out = codec.AppendValue(x.Out, b.answer())
		return answer{status: http.StatusOK}, nil
	}
	if !b.writes { // which needs no key, and nothing of it can be undone
		w.alone = func(ctx context.Context) error {
			return b.store.Snapshot(ctx, func(r store.Reader) error { return b.run(ctx, r, -1) })
		}
		w.prefer.rollback = false
		err = b.transact(x.Context(), w)
		if err == nil {
			a, _ := w.render(x.Context())
			a.send(x)
		}
	} else {
		err = b.write(x, w)
	}
	if err != nil {
		return b.withOthers(x.Context(), err)
	}
	return nil
}

// answer is what a batch that was done is answered with.
func (b *batch) answer() *dataflow.Object {
	results := make([]any, len(b.results))
	for i, v := range b.results {
		o := dataflow.NewObject()
		if id := b.steps[i].id; id != "" {
			o.Set("id", id)
		}
		o.Set("result", v)
		results[i] = o
	}
	return dataflow.ObjectOf("results", results)
}

// run does every step, in order. It starts from the beginning if it is called
// again.
func (b *batch) run(ctx context.Context, r store.Reader, limit int64) error {
	b.results = make([]any, 0, len(b.steps))
	affected := int64(0)
	for i, s := range b.steps {
		v, err := b.do(ctx, r, i)
		if err != nil {
			return err
		}
		b.results = append(b.results, v)
		if s.op.Writes() {
			affected += touched(s.op, v)
		}
	}
	if limit >= 0 && affected > limit {
		return tooManyAffected("", affected)
	}
	return nil
}

// do does a step with what the steps before it gave.
func (b *batch) do(ctx context.Context, r store.Reader, i int) (any, error) {
	s := b.steps[i]
	args, problems := b.resolve(s.args, pointerToArgs(i))
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	v, err := s.m.ops.Do(ctx, r, b.caller, s.op, args.(*dataflow.Object))
	if err != nil {
		return nil, b.ofStep(i, err)
	}
	return v, nil
}

func pointerToStep(i int) string { return "/operations/" + strconv.Itoa(i) }
func pointerToArgs(i int) string { return pointerToStep(i) + "/args" }

// ofStep moves the problems of a step to where they are in the body. One that
// has none of a place gets that of the whole step.
func (b *batch) ofStep(i int, err error) error {
	e := *dataflow.AsError(err)
	if e.Status == dataflow.StatusInternal || e.Status == dataflow.StatusCancelled {
		return err
	}
	e.Problems = make([]dataflow.Problem, 0, max(1, len(e.Problems)))
	for _, p := range dataflow.AsError(err).Problems {
		p.Pointer = pointerToArgs(i) + p.Pointer
		e.Problems = append(e.Problems, p)
	}
	if len(e.Problems) == 0 {
		e.Problems = append(e.Problems, dataflow.Problem{Code: e.Code, Pointer: pointerToStep(i), Detail: e.Message, Hint: e.Hint})
	}
	return &e
}

// withOthers adds to an error about the input what is wrong with the steps after
// the one that failed. They are tried, each by itself, and nothing of it is kept.
func (b *batch) withOthers(ctx context.Context, first error) error {
	failed := len(b.results)
	if dataflow.AsError(first).Code != "invalid" || failed >= len(b.steps)-1 {
		return first
	}
	var problems []dataflow.Problem
	try := func(r store.Reader, attempt func(func() error) error) error {
		problems, b.results = nil, make([]any, len(b.steps))
		wrong := make([]bool, len(b.steps))
		for i, s := range b.steps {
			for _, u := range s.uses {
				wrong[i] = wrong[i] || wrong[u]
			}
			if wrong[i] {
				continue
			}
			err := attempt(func() (err error) {
				b.results[i], err = b.do(ctx, r, i)
				return err
			})
			if wrong[i] = err != nil; wrong[i] && dataflow.AsError(err).Code == "invalid" {
				problems = append(problems, dataflow.AsError(err).Problems...)
			}
		}
		return errRollback
	}
	var err error
	if b.writes {
		err = b.store.Write(ctx, func(tx store.Tx) error {
			return try(tx, func(f func() error) error { return tx.Savepoint(ctx, f) })
		})
	} else {
		err = b.store.Snapshot(ctx, func(r store.Reader) error { return try(r, func(f func() error) error { return f() }) })
	}
	if !errors.Is(err, errRollback) || len(problems) <= len(dataflow.AsError(first).Problems) {
		return first
	}
	e := dataflow.Invalid(capped(problems)...)
	e.Model = dataflow.AsError(first).Model
	return e
}

// maxProblems is how many problems a request is told of.
const maxProblems = 100

func capped(problems []dataflow.Problem) []dataflow.Problem {
	return problems[:min(len(problems), maxProblems)]
}

// touched is how many rows a step has written.
func touched(op dataflow.OpKind, result any) int64 {
	o, _ := result.(*dataflow.Object)
	switch op {
	case dataflow.OpCreate, dataflow.OpUpdate, dataflow.OpDelete:
		return 1
	case dataflow.OpUpsert:
		if action, _ := o.Get("action"); action == "unchanged" {
			return 0
		}
		return 1
	}
	return affectedBy(o)
}

// reference stands in the arguments of a step for what an earlier one gives.
type reference struct {
	text string // "c.id"
	step int
	path []string
}

// referenceKey is the only name in an object that is a reference.
const referenceKey = "$ref"

// resolve puts what references stand for in their place.
func (b *batch) resolve(v any, at string) (any, []dataflow.Problem) {
	switch v := v.(type) {
	case *reference:
		got, ok := b.follow(v)
		if !ok {
			return nil, []dataflow.Problem{{Code: "reference_failed", Pointer: at,
				Detail: quote(v.text) + " leads to nothing in what the operation gave"}}
		}
		return got, nil
	case *dataflow.Object:
		out := dataflow.NewObject()
		var problems []dataflow.Problem
		for name, x := range v.All {
			y, ps := b.resolve(x, at+pointer(name))
			problems = append(problems, ps...)
			out.Set(name, y)
		}
		return out, problems
	case []any:
		out := make([]any, len(v))
		var problems []dataflow.Problem
		for i, x := range v {
			y, ps := b.resolve(x, at+"/"+strconv.Itoa(i))
			problems = append(problems, ps...)
			out[i] = y
		}
		return out, problems
	}
	return v, nil
}

// follow finds what a reference leads to.
func (b *batch) follow(ref *reference) (any, bool) {
	v := b.results[ref.step]
	for _, part := range ref.path {
		if raw, ok := v.(dataflow.RawJSON); ok {
			v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
		}
		var ok bool
		switch in := v.(type) {
		case *dataflow.Object:
			v, ok = in.Get(part)
		case []any:
			i, err := strconv.Atoi(part)
			if ok = err == nil && i >= 0 && i < len(in); ok {
				v = in[i]
			}
		}
		if !ok || v == dataflow.Absent {
			return nil, false
		}
	}
	return v, true
}

// batchReader reads the body of a batch and gathers what is wrong with it.
type batchReader struct {
	h        *Handler
	b        *batch
	byID     map[string]int
	problems []dataflow.Problem
	versions bool // all that is wrong is that versions are missing
}

func (h *Handler) readBatch(x *front.Exchange, body *dataflow.Object) (*batch, error) {
	r := &batchReader{h: h, b: &batch{caller: x.Caller}, byID: make(map[string]int), versions: true}
	for name := range body.All {
		if name != "operations" {
			r.add("unknown_field", pointer(name), "there is no field "+quote(name), `the body is {"operations": [{"model": …, "op": …, "args": {…}}, …]}`)
		}
	}
	v, _ := body.Get("operations")
	list, ok := v.([]any)
	switch {
	case !body.Has("operations"):
		r.add("required", "/operations", `"operations" is required`, "")
	case !ok:
		r.add("wrong_type", "/operations", "must be a list", "")
	case len(list) == 0:
		r.add("too_short", "/operations", "must have at least one operation", "")
	case len(list) > MaxBatch:
		r.add("too_long", "/operations", fmt.Sprintf("has %d operations, and %d are the most", len(list), MaxBatch),
			"send several batches, or a bulk operation, which takes many rows")
	default:
		for i, v := range list {
			r.step(i, v)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	asked := make([]limit.Asked, len(r.b.steps))
	for i, s := range r.b.steps {
		asked[i] = limit.Asked{Model: s.m.decl, Op: s.op}
	}
	if err := x.CountOperations(asked); err != nil {
		return nil, err
	}
	for _, s := range r.b.steps {
		if err := s.m.ops.May(r.b.caller, s.op); err != nil {
			return nil, err
		}
	}
	r.b.writer = h.writer(r.b.db)
	return r.b, nil
}

func (r *batchReader) add(code, pointer, detail, hint string) {
	r.versions = r.versions && code == "precondition_required"
	r.problems = append(r.problems, dataflow.Problem{Code: code, Pointer: pointer, Detail: detail, Hint: hint})
}

func (r *batchReader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	e := dataflow.Invalid(capped(r.problems)...)
	if r.versions {
		e.Code, e.Status = "precondition_required", dataflow.StatusPreconditionRequired
		e.Message, e.Hint = r.problems[0].Detail, r.problems[0].Hint
	}
	return e
}

var stepName = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word | dataflow.Dash, Most: 60}

// step reads one operation.
func (r *batchReader) step(i int, v any) {
	s := &step{args: dataflow.NewObject()}
	r.b.steps = append(r.b.steps, s)
	at := pointerToStep(i)
	o, ok := v.(*dataflow.Object)
	if !ok {
		r.add("wrong_type", at, "must be an object", "")
		return
	}
	var args any
	known := []string{"id", "model", "op", "args"}
	texts := map[string]string{}
	for name, v := range o.All {
		switch text, isText := v.(string); {
		case name == "args":
			args = v
		case !slices.Contains(known, name):
			r.add("unknown_field", at+pointer(name), "there is no field "+quote(name), cmp.Or(dataflow.DidYouMean(name, known), `an operation is {"model": …, "op": …, "args": {…}}`))
		case !isText:
			r.add("wrong_type", at+pointer(name), "must be text", "")
		default:
			texts[name] = text
		}
	}
	for _, name := range []string{"model", "op"} {
		if !o.Has(name) {
			r.add("required", at+pointer(name), strconv.Quote(name)+" is required", "")
		}
	}
	r.name(s, texts, i)
	if r.operation(s, texts, at) {
		r.arguments(s, i, args)
	}
}

// name reads what a step is referred to by.
func (r *batchReader) name(s *step, texts map[string]string, i int) {
	id, given := texts["id"]
	if !given {
		return
	}
	at := pointerToStep(i) + "/id"
	if !stepName.Fits(id) {
		r.add("pattern", at, "must be a name of up to 60 letters, digits, - and _ that begins with a letter", "")
		return
	}
	if first, ok := r.byID[id]; ok {
		r.add("duplicate_key", at, quote(id)+" is the name of "+pointerToStep(first)+" already", "")
		return
	}
	s.id, r.byID[id] = id, i
}

// operation finds out what a step is to do, and whether it may be here.
func (r *batchReader) operation(s *step, texts map[string]string, at string) bool {
	path, given := texts["model"]
	if !given {
		return false
	}
	m := r.h.models[path]
	if m == nil {
		hint := dataflow.DidYouMean(path, r.h.pathsFor(r.b.caller))
		if exp := r.h.byModelName(r.b.caller, path); hint == "" && exp != nil {
			hint = "did you mean " + strconv.Quote(exp.Path) + "?"
		}
		r.add("not_in_enum", at+"/model", "no model is served as "+quote(path), hint)
		return false
	}
	if r.b.db == nil {
		r.b.db = m.decl.Database
		r.b.caller = m.seeing(r.b.caller)
	}
	if m.decl.Database != r.b.db {
		r.add("several_databases", at+"/model", fmt.Sprintf("%s is in the database %s, and the operations before are in %s: no transaction spans two",
			path, m.decl.Database.Name, r.b.db.Name), "send a batch for each database")
	}
	word, given := texts["op"]
	if !given {
		return false
	}
	for _, op := range m.exp.Served() {
		if op.String() == word {
			s.m, s.op = m, op
			r.b.writes = r.b.writes || op.Writes()
			return true
		}
	}
	var names []string
	for _, op := range m.opsFor(r.b.caller) {
		names = append(names, op.String())
	}
	hint := "you may do nothing with " + m.decl.Name
	if len(names) > 0 {
		hint = orOneOf(word, names)
	}
	r.add("not_in_enum", at+"/op", path+" has no operation "+quote(word)+" that is served", hint)
	return false
}

// arguments reads the arguments of a step. What is wrong with their values is
// found when it is done.
func (r *batchReader) arguments(s *step, i int, v any) {
	at := pointerToArgs(i)
	if v != nil {
		o, ok := v.(*dataflow.Object)
		if !ok {
			r.add("wrong_type", at, "must be an object", "")
			return
		}
		s.args = r.references(s, i, o, at, rowsIn(s.op, ""))
	}
	if s.m.decl.Versioned && (s.op == dataflow.OpUpdate || s.op == dataflow.OpDelete) && !s.args.Has("version") {
		r.add("precondition_required", at+"/version", "the row is versioned: say which version you read",
			"give its version among the args, or null to write whatever the version is")
	}
}

// What a part of the arguments holds: json is data in it, whatever it looks like.
type holds uint8

const (
	holdsArguments holds = iota
	holdsRow
	holdsRows
)

// rowsIn says what an argument of an operation holds; "" is all of them.
func rowsIn(op dataflow.OpKind, name string) holds {
	switch {
	case op == dataflow.OpCreate:
		return holdsRow
	case name == "data":
		return holdsRows
	case name == "fields" && op.Writes() || op == dataflow.OpUpsert && (name == "where" || name == "create" || name == "update"):
		return holdsRow
	}
	return holdsArguments
}

// references puts a *reference in the place of each that an object holds.
func (r *batchReader) references(s *step, i int, o *dataflow.Object, at string, what holds) *dataflow.Object {
	out := dataflow.NewObject()
	for name, v := range o.All {
		inside := holdsArguments
		if what == holdsRow {
			if f := s.m.decl.Field(name); f != nil && f.Type.Kind == dataflow.KindJSON {
				out.Set(name, v)
				continue
			}
		} else if at == pointerToArgs(i) {
			inside = rowsIn(s.op, name)
		}
		out.Set(name, r.value(s, i, v, at+pointer(name), inside))
	}
	return out
}

func (r *batchReader) value(s *step, i int, v any, at string, what holds) any {
	switch v := v.(type) {
	case *dataflow.Object:
		if v.Has(referenceKey) {
			return r.reference(s, i, v, at)
		}
		return r.references(s, i, v, at, what)
	case []any:
		if what == holdsRows {
			what = holdsRow
		}
		out := make([]any, len(v))
		for n, x := range v {
			out[n] = r.value(s, i, x, at+"/"+strconv.Itoa(n), what)
		}
		return out
	}
	return v
}

// reference reads {"$ref": "c.id"} and looks where it leads.
func (r *batchReader) reference(s *step, i int, o *dataflow.Object, at string) any {
	v, _ := o.Get(referenceKey)
	text, ok := v.(string)
	if !ok || o.Len() != 1 {
		r.add("unknown_reference", at, `a reference is {"$ref": "name.field"}, and nothing else`, "")
		return nil
	}
	parts := strings.Split(text, ".")
	to, ok := r.byID[parts[0]]
	if !ok || to >= i {
		var earlier []string
		for id, n := range r.byID {
			if n < i {
				earlier = append(earlier, id)
			}
		}
		detail := "no earlier operation has the id " + quote(parts[0])
		r.add("unknown_reference", at+"/$ref", detail, dataflow.DidYouMean(parts[0], earlier))
		return nil
	}
	target := r.b.steps[to]
	if target.m == nil { // which is a problem already
		return nil
	}
	if why, hint := leads(r.b.caller.Sight(), target, parts[1:]); why != "" {
		r.add("unknown_reference", at+"/$ref", why, hint)
		return nil
	}
	s.uses = append(s.uses, to)
	return &reference{text: text, step: to, path: parts[1:]}
}

// leads says why a path leads nowhere in what a step gives; "" if it may lead
// somewhere.
func leads(sight query.Sight, s *step, path []string) (why, hint string) {
	spec := access.Spec(dataflow.Op{Model: s.m.decl, Kind: s.op})
	t := spec.Output
	if spec.OutputOf != nil {
		t = spec.OutputOf(s.args)
	}
	for n, part := range path {
		if t.Kind == dataflow.KindList {
			if _, err := strconv.ParseUint(part, 10, 31); err != nil {
				return strings.Join(path[:n], ".") + " is a list, of which a number is one item", ""
			}
			t = t.Elem
			continue
		}
		next, known, ok := t.Attr(part)
		names := slices.DeleteFunc(t.AttrNames(), func(name string) bool { return unseen(sight, t, name) })
		if !ok || unseen(sight, t, part) {
			if len(names) > 0 && sight.Suggests(s.m.decl) {
				hint = orOneOf(part, names)
			}
			return "what " + s.op.String() + " gives has no " + quote(strings.Join(path[:n+1], ".")), hint
		}
		if !known {
			return "", ""
		}
		t = next
	}
	return "", ""
}

// unseen reports whether a name is of a field that the caller is not shown: it
// is as if there were none.
func unseen(sight query.Sight, t *dataflow.Type, name string) bool {
	if t.Kind != dataflow.KindRecord || sight.Field == nil {
		return false
	}
	i, ok := t.Model.Shape().Index(name)
	return ok && !sight.Field(t.Model, i)
}
