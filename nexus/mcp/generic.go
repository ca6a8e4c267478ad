package mcp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/schema"
)

// genericTools are the tools for all models at once, which take the place of
// tools for each where those would be too many. One is there if some model
// allows what it does.
func (s *Server) genericTools() []*tool {
	var tools []*tool
	for _, g := range genericTable() {
		if slices.ContainsFunc(s.engine.App().Exposures, func(exp *dataflow.Exposure) bool { return g.serves(exp) }) {
			t := s.ownTool(g.own, kindGeneric)
			t.ops = g.ops
			tools = append(tools, t)
		}
	}
	return tools
}

// generic is a tool for all models; ops are the operations that it does.
type generic struct {
	own
	ops []dataflow.OpKind // none: it is for every model
}

func (g generic) serves(exp *dataflow.Exposure) bool {
	return len(g.ops) == 0 || slices.ContainsFunc(g.ops, exp.Allows)
}

// modelsNamed is how many models a parameter lists; of more, describe_models
// tells.
const modelsNamed = 60

// modelParam is the parameter that names the model.
func modelParam(a audience, ops ...dataflow.OpKind) *dataflow.Field {
	var names []string
	n := 0
	for _, exp := range a.engine.App().Exposures {
		if !slices.ContainsFunc(ops, func(op dataflow.OpKind) bool {
			return exp.Allows(op) && (a.caller != nil || access.AnybodyMay(exp.Model, op))
		}) {
			continue
		}
		if n++; a.hears(exp) {
			names = append(names, exp.Model.Name)
		}
	}
	if n > modelsNamed || len(names) == 0 {
		return param("model", dataflow.String, "the model, as describe_models names it")
	}
	return param("model", &dataflow.Type{Kind: dataflow.KindEnum, Values: names}, "the model")
}

// audience is who is told what a tool's parameters may be. The tool's schema is
// the same for all; what is said of a call's arguments names what its caller may
// use, and what they have named themselves.
type audience struct {
	*Server
	caller *access.Caller   // nil: it is the schema
	args   *dataflow.Object // of the call
}

func (a audience) hears(exp *dataflow.Exposure) bool {
	return a.caller == nil || text(a.args, "model") == exp.Model.Name || a.mayAny(*a.caller, exp)
}

var (
	anyObject  = &dataflow.Type{Kind: dataflow.KindObject}
	objectList = dataflow.ListOf(anyObject)
)

func filterField(doc string) *dataflow.Field { return optionalParam("filter", anyObject, doc) }

func fieldsField() *dataflow.Field {
	return optionalParam("fields", dataflow.ListOf(dataflow.String), `the fields to return besides the id; all if left out. "customer.name" is a field behind a relation, which it expands, without its other fields`)
}

func limitField() *dataflow.Field {
	f := optionalParam("limit", dataflow.Int, fmt.Sprintf("the most to return; %d if left out", listLimit))
	f.Ge = int64(1)
	return f
}

func onErrorField() *dataflow.Field {
	return optionalParam("on_error", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"fail", "skip"}},
		`"fail" (the default) undoes everything; "skip" leaves out the records that fail and reports each`)
}

func confirmField() *dataflow.Field {
	return optionalParam("confirm_all", dataflow.Bool, "really every record, where neither filter nor ids is given")
}

func idField() *dataflow.Field { return optionalParam("id", dataflow.Any, "the id of the record") }

func idsField() *dataflow.Field {
	return optionalParam("ids", dataflow.ListOf(dataflow.Any), "the ids of the records")
}

func optionFields() []*dataflow.Field {
	dry, most := dryRunField(), maxAffectedField()
	dry.HasDefault, dry.Default, most.HasDefault, most.Default = true, dataflow.Absent, true, dataflow.Absent
	return []*dataflow.Field{dry, most}
}

func genericTable() []generic {
	read := reach{readOnly: true, idempotent: true}
	finds := []dataflow.OpKind{dataflow.OpList}
	gets := []dataflow.OpKind{dataflow.OpRead}
	counts := []dataflow.OpKind{dataflow.OpCount, dataflow.OpAggregate}
	creates := []dataflow.OpKind{dataflow.OpBulkCreate, dataflow.OpCreate}
	updates := []dataflow.OpKind{dataflow.OpBulkUpdate, dataflow.OpUpdate}
	upserts := []dataflow.OpKind{dataflow.OpBulkUpsert}
	deletes := []dataflow.OpKind{dataflow.OpBulkDelete, dataflow.OpDelete}
	return []generic{
		{own{name: "describe_models", title: "Describe models", reach: read,
			doc: "Describes models: their fields, and what can be done with their records. Without models it names all of them. Call it before the first use of a model.",
			params: func(audience) []*dataflow.Field {
				return []*dataflow.Field{optionalParam("models", dataflow.ListOf(dataflow.String), "the models to describe in full")}
			},
			run: describeTool}, nil},
		{own{name: "find_records", title: "Find records", reach: read,
			doc: "Finds records of a model: filtered, sorted, a page at a time.\nReturns {records, count, has_more, next_cursor, truncated}; pass next_cursor as cursor for the next page, and count = true for the total.",
			params: func(a audience) []*dataflow.Field {
				return []*dataflow.Field{modelParam(a, finds...), filterField("the records to return; all if left out"),
					optionalParam("sort", dataflow.Any, `the order: "name", "-created_at" for descending, or a list of these; records that are equal in it are in the order of their ids, descending where the last name is`), limitField(),
					optionalParam("cursor", dataflow.String, "next_cursor of the page before; goes with the same sort"), fieldsField(),
					optionalParam("expand", dataflow.Any, `records to return along with each: "customer", "order_lines.product", or a list of these`),
					optionalParam("search", dataflow.String, "words that must all be in the record, of models that can be searched"),
					optionalParam("count", dataflow.Bool, "also count every match, as total"),
					optionalParam("include_deleted", dataflow.Bool, "soft-deleted records too, of models that keep them")}
			},
			run: reader(dataflow.OpList)}, finds},
		{own{name: "get_record", title: "Get a record", reach: read,
			doc: "Reads one record of a model, by id or by a filter that matches exactly one.",
			params: func(a audience) []*dataflow.Field {
				return []*dataflow.Field{modelParam(a, gets...), idField(), filterField("must match exactly one record"), fieldsField(),
					optionalParam("expand", dataflow.Any, `records to return along with it: "customer", "order_lines.product", or a list of these`),
					optionalParam("include_deleted", dataflow.Bool, "a soft-deleted record too, of models that keep them")}
			},
			run: reader(dataflow.OpRead)}, gets},
		{own{name: "count_records", title: "Count records", reach: read,
			doc: "Counts the records of a model that match a filter, or works out figures of them: of all, or of groups with equal values. Use it instead of adding up what find_records returns.\nReturns {count}, or with aggregates or group_by {groups, count, has_more, truncated}.",
			params: func(a audience) []*dataflow.Field {
				return []*dataflow.Field{modelParam(a, counts...), filterField("the records to look at; all if left out"),
					optionalParam("group_by", dataflow.Any, `the fields whose values make a group: "status", "customer.name", or a list of these`),
					optionalParam("aggregates", anyObject, `what to work out, by name: {"n": {"$count": true}, "sum": {"$sum": "total"}}, with $count, $count_distinct, $sum, $avg, $min and $max; left out, how many records each group has, as count`),
					optionalParam("having", anyObject, "the groups to return: a filter on names of group_by and aggregates"),
					optionalParam("sort", dataflow.Any, "the order of groups"), limitField(),
					optionalParam("search", dataflow.String, "words that must all be in the record, of models that can be searched"),
					optionalParam("include_deleted", dataflow.Bool, "soft-deleted records too, of models that keep them")}
			},
			run: countTool}, counts},
		{own{name: "create_records", title: "Create records", reach: reach{},
			doc: "Creates records of a model: all of them, or none unless on_error is \"skip\".\nReturns {processed, inserted, ids}.",
			params: func(a audience) []*dataflow.Field {
				return append([]*dataflow.Field{modelParam(a, creates...), param("records", objectList, "the records"), onErrorField()}, optionFields()...)
			},
			run: createTool}, creates},
		{own{name: "update_records", title: "Update records", reach: reach{destructive: true},
			doc: "Changes records of a model: by ids or by filter, all to the same fields, or each by its own id in records. All of them, or none.\nReturns {processed, updated, missing}.",
			params: func(a audience) []*dataflow.Field {
				return append([]*dataflow.Field{modelParam(a, updates...), idsField(), filterField("the records to change"),
					optionalParam("fields", anyObject, "the new values, the same for every record"),
					optionalParam("records", objectList, "instead of fields: records with their id and their own new values"),
					optionalParam("version", dataflow.Int, "of a single record, as it was read: if it is at another one, nothing happens"),
					confirmField()}, optionFields()...)
			},
			run: updateTool}, updates},
		{own{name: "upsert_records", title: "Create or change records", reach: reach{destructive: true},
			doc: "Creates records of a model, or changes those that are there; conflict_on names the fields that tell whether one is.\nReturns {processed, upserted, inserted, updated}.",
			params: func(a audience) []*dataflow.Field {
				return append([]*dataflow.Field{modelParam(a, upserts...), param("records", objectList, "the records"),
					param("conflict_on", dataflow.ListOf(dataflow.String), "the fields that find a record: a unique field, or the fields of a unique index"), onErrorField()}, optionFields()...)
			},
			run: upsertTool}, upserts},
		{own{name: "delete_records", title: "Delete records", reach: reach{destructive: true, idempotent: true},
			doc: "Deletes records of a model, by ids or by filter. All of them, or none.\nReturns {processed, deleted, missing}.",
			params: func(a audience) []*dataflow.Field {
				return append([]*dataflow.Field{modelParam(a, deletes...), idsField(), filterField("the records to remove"), confirmField()}, optionFields()...)
			},
			run: deleteTool}, deletes},
	}
}

// target is the model that a call of a generic tool names, with the first of
// some operations that it allows.
func (s *Server) target(q *request, args *dataflow.Object, ops ...dataflow.OpKind) (*dataflow.Exposure, dataflow.OpKind, error) {
	name := text(args, "model")
	exp := s.exposureNamed(name)
	if exp == nil {
		return nil, 0, s.noModel(q.caller, name)
	}
	for _, op := range ops {
		if s.may(q.caller, exp, op) {
			q.operates(exp, op)
			return exp, op, nil
		}
	}
	for _, op := range ops {
		if exp.Allows(op) {
			q.operates(exp, op)
			return nil, 0, access.May(s.asking(q.caller), exp.Model, op)
		}
	}
	return nil, 0, &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: exp.Model.Name,
		Message: exp.Model.Name + " does not allow this", Hint: s.servedBy(q.caller, exp)}
}

func (s *Server) noModel(c access.Caller, name string) error {
	hint := dataflow.DidYouMean(name, s.modelsFor(c))
	if hint == "" {
		hint = "describe_models names those there are"
	}
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: "there is no model " + quoted(name), Hint: hint}
}

// operates notes which operation of a model a call of a generic tool is, for who
// counts.
func (q *request) operates(exp *dataflow.Exposure, op dataflow.OpKind) {
	q.called.Model, q.called.Operation = exp.Model.Name, op.String()
}

// passing returns the arguments that an operation takes, without those that were
// left out. renamed gives them the operation's own names.
func passing(args *dataflow.Object, renamed map[string]string, names ...string) *dataflow.Object {
	out := dataflow.NewObject()
	for _, name := range names {
		v, ok := args.Get(name)
		if !ok || v == dataflow.Absent || v == nil {
			continue
		}
		if own := renamed[name]; own != "" {
			name = own
		}
		out.Set(name, v)
	}
	return out
}

// optionsOf reads how a write is to be done.
func optionsOf(args *dataflow.Object) options {
	o := options{most: -1}
	if v, _ := args.Get(dryRunParam); v == true {
		o.dryRun = true
	}
	if v, _ := args.Get(maxAffectedParam); v != nil {
		if n, ok := v.(int64); ok {
			o.most = n
		}
	}
	return o
}

// has reports whether an argument was given.
func has(args *dataflow.Object, name string) bool {
	v, ok := args.Get(name)
	return ok && v != dataflow.Absent && v != nil
}

// asRecords gives problems the names that the caller knows: what an operation
// calls data is called records here.
func asRecords(err error) error {
	if err == nil {
		return nil
	}
	e := *dataflow.AsError(err)
	e.Problems = slices.Clone(e.Problems)
	for i, p := range e.Problems {
		if rest, ok := strings.CutPrefix(p.Pointer, "/data"); ok {
			e.Problems[i].Pointer = "/records" + rest
			e.Problems[i].Detail = strings.ReplaceAll(p.Detail, "data ", "records ")
		}
		if rest, ok := strings.CutSuffix(p.Detail, " with data"); ok {
			e.Problems[i].Detail = rest + " with records"
		}
	}
	return &e
}

func reader(op dataflow.OpKind) func(context.Context, *Server, *request, *dataflow.Object) (answer, error) {
	return func(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
		exp, _, err := s.target(q, args, op)
		if err != nil {
			return answer{}, err
		}
		return s.read(ctx, exp.Model, op, s.asking(q.caller), passing(args, nil, "id", "filter", "sort", "limit", "cursor", "fields", "expand", "search", "count", "include_deleted"))
	}
}

func countTool(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	op := dataflow.OpCount
	for _, name := range []string{"group_by", "aggregates", "having", "sort", "limit"} {
		if has(args, name) {
			op = dataflow.OpAggregate
		}
	}
	exp, _, err := s.target(q, args, op)
	if err != nil {
		return answer{}, err
	}
	in := passing(args, nil, "filter", "group_by", "aggregates", "having", "sort", "limit", "search", "include_deleted")
	if op == dataflow.OpAggregate && !in.Has("aggregates") { // what else would the tool be asked for
		in.Set("aggregates", dataflow.ObjectOf(countName(in), dataflow.ObjectOf("$count", true)))
	}
	return s.read(ctx, exp.Model, op, s.asking(q.caller), in)
}

// countName is what the number of a group's rows is called: "count", unless the
// groups have that name.
func countName(args *dataflow.Object) string {
	by, _ := args.Get("group_by")
	list, _ := by.([]any)
	if by == "count" || slices.Contains(list, any("count")) {
		return "rows"
	}
	return "count"
}

// bulk does an operation on many records in one transaction.
func (s *Server) bulk(ctx context.Context, q *request, m *dataflow.Model, op dataflow.OpKind, args *dataflow.Object, o options) (answer, error) {
	a, err := s.operate(ctx, q, m, op, args, o)
	return a, asRecords(err)
}

// each does an operation on records one after the other, in one transaction,
// for a model that allows no bulk operation.
func (s *Server) each(ctx context.Context, q *request, m *dataflow.Model, op dataflow.OpKind, rows []*dataflow.Object, done string, o options) (answer, error) {
	model, c := s.engine.Model(m), s.asking(q.caller)
	if err := s.countOperation(ctx, c, m, op); err != nil {
		return answer{}, err
	}
	n := int64(len(rows))
	var ids []any
	err := s.write(ctx, s.engine.Store(m.Database), o, func(tx store.Tx) (int64, error) {
		ids = ids[:0]
		for i, row := range rows {
			v, err := model.Do(ctx, tx, c, op, row)
			if err != nil {
				return 0, atRecord(err, i)
			}
			id, _ := v.(*dataflow.Object).Get(m.ID().Name)
			ids = append(ids, id)
		}
		return n, nil
	})
	return answer{value: dataflow.ObjectOf("processed", n, done, n, "ids", orEmpty(ids)), dryRun: o.dryRun}, err
}

// atRecord says in which of several records something is wrong.
func atRecord(err error, i int) error {
	e := *dataflow.AsError(err)
	e.Problems = slices.Clone(e.Problems)
	for j, p := range e.Problems {
		e.Problems[j].Pointer = fmt.Sprintf("/records/%d%s", i, strings.TrimPrefix(p.Pointer, "/fields"))
	}
	if len(e.Problems) == 0 {
		e.Message = fmt.Sprintf("record %d: %s", i, e.Message)
	}
	return &e
}

// objects reads a list of records.
func objects(args *dataflow.Object, name string) []*dataflow.Object {
	v, _ := args.Get(name)
	list, _ := v.([]any)
	out := make([]*dataflow.Object, 0, len(list))
	for _, e := range list {
		if o, ok := e.(*dataflow.Object); ok {
			out = append(out, o)
		}
	}
	return out
}

func createTool(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	exp, op, err := s.target(q, args, dataflow.OpBulkCreate, dataflow.OpCreate)
	if err != nil {
		return answer{}, err
	}
	if op == dataflow.OpCreate {
		if text(args, "on_error") == "skip" {
			return answer{}, noSkip(exp.Model)
		}
		return s.each(ctx, q, exp.Model, op, objects(args, "records"), "inserted", optionsOf(args))
	}
	in := passing(args, map[string]string{"records": "data"}, "records", "on_error")
	in.Set("return_ids", true)
	return s.bulk(ctx, q, exp.Model, op, in, optionsOf(args))
}

func noSkip(m *dataflow.Model) error {
	return &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid, Model: m.Name,
		Message: m.Name + " allows no bulk operation, so that no record can be left out", Hint: `leave out on_error`}
}

func updateTool(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	exp, op, err := s.target(q, args, dataflow.OpBulkUpdate, dataflow.OpUpdate)
	if err != nil {
		return answer{}, err
	}
	m, o := exp.Model, optionsOf(args)
	if op == dataflow.OpBulkUpdate && !has(args, "version") {
		return s.bulk(ctx, q, m, op, passing(args, map[string]string{"records": "data"}, "ids", "filter", "fields", "records", "confirm_all"), o)
	}
	q.operates(exp, dataflow.OpUpdate)
	if !s.may(q.caller, exp, dataflow.OpUpdate) {
		return answer{}, &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid, Model: m.Name,
			Message: m.Name + " does not allow updates by version", Hint: "leave out version, and filter by it: {\"id\": …, \"version\": …}"}
	}
	if has(args, "version") && !m.Versioned {
		return answer{}, dataflow.Invalid(dataflow.Problem{Code: "unknown_parameter", Pointer: "/version", Detail: m.Name + " keeps no versions", Hint: "leave it out"})
	}
	var rows []*dataflow.Object
	for _, r := range objects(args, "records") {
		id, _ := r.Get(m.ID().Name)
		rows = append(rows, dataflow.ObjectOf("id", id, "fields", without(r, m.ID().Name)))
	}
	same := passing(args, nil, "fields", "version")
	v, _ := args.Get("ids")
	ids, _ := v.([]any)
	for _, id := range ids {
		rows = append(rows, with(same, "id", id))
	}
	if has(args, "filter") {
		f, _ := args.Get("filter")
		rows = append(rows, with(same, "filter", f))
	}
	if len(rows) != 1 && has(args, "version") {
		return answer{}, dataflow.Invalid(dataflow.Problem{Code: "invalid", Pointer: "/version", Detail: "a version is that of one record", Hint: "give the one id in ids"})
	}
	return s.each(ctx, q, m, dataflow.OpUpdate, rows, "updated", o)
}

func upsertTool(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	exp, op, err := s.target(q, args, dataflow.OpBulkUpsert)
	if err != nil {
		return answer{}, err
	}
	return s.bulk(ctx, q, exp.Model, op, passing(args, map[string]string{"records": "data"}, "records", "conflict_on", "on_error"), optionsOf(args))
}

func deleteTool(ctx context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	exp, op, err := s.target(q, args, dataflow.OpBulkDelete, dataflow.OpDelete)
	if err != nil {
		return answer{}, err
	}
	if op == dataflow.OpBulkDelete {
		return s.bulk(ctx, q, exp.Model, op, passing(args, nil, "ids", "filter", "confirm_all"), optionsOf(args))
	}
	var rows []*dataflow.Object
	v, _ := args.Get("ids")
	ids, _ := v.([]any)
	for _, id := range ids {
		rows = append(rows, dataflow.ObjectOf("id", id))
	}
	if has(args, "filter") {
		f, _ := args.Get("filter")
		rows = append(rows, dataflow.ObjectOf("filter", f))
	}
	if len(rows) == 0 {
		return answer{}, dataflow.Invalid(dataflow.Problem{Code: "required", Pointer: "/ids", Detail: "ids or filter is required"})
	}
	return s.each(ctx, q, exp.Model, op, rows, "deleted", optionsOf(args))
}

// describedInFull is how many models are described in full without being named.
const describedInFull = 3

func describeTool(_ context.Context, s *Server, q *request, args *dataflow.Object) (answer, error) {
	v, _ := args.Get("models")
	list, _ := v.([]any)
	var names []string
	for _, e := range list {
		name := e.(string)
		if exp := s.exposureNamed(name); exp == nil || !s.mayAny(q.caller, exp) {
			return answer{}, s.noModel(q.caller, name)
		}
		names = append(names, name)
	}
	return answer{value: s.describeModels(q, names)}, nil
}

// describeModels describes the models that are served: those named in full, or
// all of them in brief if none is named and they are many.
func (s *Server) describeModels(q *request, names []string) *dataflow.Object {
	var list []any
	exposures := s.engine.App().Exposures
	full := len(names) > 0 || len(exposures) <= describedInFull
	for _, exp := range exposures {
		if len(names) > 0 && !slices.Contains(names, exp.Model.Name) && !slices.Contains(names, exp.Path) {
			continue
		}
		var ops []any
		for _, op := range exp.Served() {
			if s.may(q.caller, exp, op) {
				ops = append(ops, op.String())
			}
		}
		if len(ops) == 0 {
			continue
		}
		o := dataflow.ObjectOf("model", exp.Model.Name)
		if exp.Model.Doc != "" {
			o.Set("description", exp.Model.Doc)
		}
		o.Set("operations", ops)
		if full {
			s.describeFields(o, s.asking(q.caller), exp.Model)
		}
		list = append(list, o)
	}
	o := dataflow.ObjectOf("models", orEmpty(list), "count", int64(len(list)))
	if !full {
		o.Set("hint", `describe_models with models: ["…"] shows their fields`)
	}
	return o
}

// describeFields adds what a model's records are made of, for the caller.
func (s *Server) describeFields(o *dataflow.Object, c access.Caller, m *dataflow.Model) {
	ops := s.engine.Model(m)
	writable := schema.Writable(m, false)
	fields := make([]any, 0, len(m.Fields))
	for at, f := range m.Fields {
		d := dataflow.ObjectOf("name", f.Name, "type", typeWords(f))
		i := slices.IndexFunc(writable, func(w *dataflow.Field) bool { return w.Name == f.Name })
		sets := i >= 0 && ops.Sets(c, at)
		switch sees := ops.Sees(c, at); {
		case !sees && !sets:
			continue
		case !sees:
			d.Set("write_only", true)
		case !sets:
			d.Set("read_only", true)
		}
		if sets && writable[i].Required() {
			d.Set("required", true)
		}
		for _, mark := range []struct {
			name string
			set  bool
		}{{"optional", f.Optional}, {"unique", f.Unique}, {"immutable", f.Immutable}} {
			if mark.set {
				d.Set(mark.name, true)
			}
		}
		if f.Doc != "" {
			d.Set("description", f.Doc)
		}
		fields = append(fields, d)
	}
	o.Set("fields", fields)
	if len(m.Computed) > 0 {
		var computed []any
		for i, v := range m.Computed {
			if ops.Sees(c, len(m.Fields)+i) {
				computed = append(computed, v.Name)
			}
		}
		if len(computed) > 0 {
			o.Set("computed", computed)
		}
	}
	if c.Sight().Searches(m) {
		o.Set("searchable", true)
	}
	if m.SoftDelete {
		o.Set("soft_delete", true)
	}
	if m.Versioned {
		o.Set("versioned", true)
	}
}
