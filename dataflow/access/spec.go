package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Spec describes the node type of an operation. Parameters that are optional
// take null for "not given", so that a reference to something that may be null
// can stand in them. In the object types of changes (the fields of an update)
// null sets a field to null, and a field that can be left out but not be null
// has dataflow.Absent as its default.
func Spec(op dataflow.Op) *dataflow.NodeSpec {
	info := opTable[op.Kind]
	spec := &dataflow.NodeSpec{
		Name:   op.NodeType(),
		Doc:    fmt.Sprintf(info.doc, op.Model.Name),
		Params: info.params(op.Model),
		Output: info.output(op.Model),
		Effect: dataflow.EffectRead,
	}
	if op.Kind == dataflow.OpRead || op.Kind == dataflow.OpList {
		spec.OutputOf = func(config *dataflow.Object) *dataflow.Type { return outputOf(op, config, spec.Output) }
	}
	if op.Kind.Writes() {
		spec.Effect = dataflow.EffectWrite
	}
	return spec
}

// outputOf is the output of a read or a list with this config: where rows are
// expanded, what is in them is known to the run.
func outputOf(op dataflow.Op, config *dataflow.Object, plain *dataflow.Type) *dataflow.Type {
	if !Expands(config) {
		return plain
	}
	if op.Kind == dataflow.OpRead {
		return anyObject
	}
	fields := slices.Clone(plain.Fields)
	fields[0] = required("records", dataflow.ListOf(anyObject), "")
	return dataflow.ObjectType(fields...)
}

func expandParam() *dataflow.Field {
	return optional("expand", dataflow.Any, `the rows to return along with each: "customer" puts the row in the place of its id, "order_lines" adds {records, has_more} of the rows that refer to it, "order_lines.product" goes on from there; a name or a list of these`)
}

// CanWrite reports whether a caller may give a field when it creates a row.
func CanWrite(m *dataflow.Model, f *dataflow.Field) bool {
	return f.System == dataflow.RoleNone || f.System == dataflow.RoleID && m.ClientID
}

func createParams(m *dataflow.Model) []*dataflow.Field {
	var ps []*dataflow.Field
	for _, f := range m.Fields {
		if !CanWrite(m, f) {
			continue
		}
		if f.System == dataflow.RoleID {
			f = clientID(f)
		}
		ps = append(ps, f)
	}
	return ps
}

// clientID is a declared id as a parameter: the runtime makes ints and uuids
// that are left out.
func clientID(f *dataflow.Field) *dataflow.Field {
	g := *f
	g.System = dataflow.RoleNone
	if f.Type.Kind != dataflow.KindString && !f.HasDefault {
		g.HasDefault, g.Default = true, dataflow.Absent
	}
	return &g
}

// changeType is the object type of changes to a row: every field that may
// change, all of which can be left out.
func changeType(m *dataflow.Model) *dataflow.Type {
	fields := []*dataflow.Field{}
	for _, f := range m.Fields {
		if f.System == dataflow.RoleNone {
			fields = append(fields, partial(f))
		}
	}
	return dataflow.ObjectType(fields...)
}

// rowType is the object type of rows to add. With partly set, any field can be
// left out.
func rowType(m *dataflow.Model, partly bool) *dataflow.Type {
	fields := []*dataflow.Field{}
	for _, f := range createParams(m) {
		if partly {
			f = partial(f)
		}
		fields = append(fields, f)
	}
	return dataflow.ObjectType(fields...)
}

// partial is a field that can be left out, in which case nothing stands for it.
func partial(f *dataflow.Field) *dataflow.Field {
	g := *f
	g.HasDefault, g.Default = true, dataflow.Absent
	return &g
}

func optional(name string, t *dataflow.Type, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: t, Optional: true, Doc: doc}
}

func required(name string, t *dataflow.Type, doc string) *dataflow.Field {
	return &dataflow.Field{Name: name, Type: t, Doc: doc}
}

func bounded(f *dataflow.Field, ge, le any) *dataflow.Field {
	f.Ge, f.Le = ge, le
	return f
}

var (
	anyObject   = &dataflow.Type{Kind: dataflow.KindObject}
	onErrorType = &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"fail", "skip"}}
	actionType  = &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"created", "updated", "unchanged"}}
)

func idParam(m *dataflow.Model) *dataflow.Field {
	return optional("id", m.ID().Type, "the id of the row")
}

func idsParam(m *dataflow.Model) *dataflow.Field {
	return optional("ids", dataflow.ListOf(m.ID().Type), "the ids of the rows")
}

func filterParam(doc string) *dataflow.Field { return optional("filter", anyObject, doc) }

func fieldsParam() *dataflow.Field {
	return optional("fields", dataflow.ListOf(dataflow.String), `the fields to return besides the id; all if left out. "customer.name" is a field behind a relation, which it expands, without its other fields`)
}

// searchParam is there where rows can be searched.
func searchParam(m *dataflow.Model) []*dataflow.Field {
	if len(m.Searchable()) == 0 {
		return nil
	}
	names := make([]string, 0, len(m.Searchable()))
	for _, i := range m.Searchable() {
		names = append(names, m.Fields[i].Name)
	}
	return []*dataflow.Field{optional("search", dataflow.String, "words that must all be in the row, in "+strings.Join(names, ", ")+
		` together: red kettle; "red kettle" side by side; ket* for words that begin so; -steel for rows without it`)}
}

// deletedParam is there where rows can be soft-deleted.
func deletedParam(m *dataflow.Model) []*dataflow.Field {
	if !m.SoftDelete {
		return nil
	}
	return []*dataflow.Field{optional("include_deleted", dataflow.Bool, "soft-deleted rows too")}
}

// versionParam is there where rows have versions.
func versionParam(m *dataflow.Model) []*dataflow.Field {
	if !m.Versioned {
		return nil
	}
	return []*dataflow.Field{optional("version", dataflow.Int, "the version the caller has read; if the row is at another one, nothing happens")}
}

func readParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{idParam(m), filterParam("must match exactly one row"), fieldsParam(), expandParam()}, deletedParam(m)...)
}

func updateParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{idParam(m), filterParam("must match exactly one row"),
		required("fields", changeType(m), "the new values")}, versionParam(m)...)
}

func deleteParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{idParam(m), filterParam("must match exactly one row")}, versionParam(m)...)
}

func deleteOutput(m *dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(required("id", m.ID().Type, ""), required("deleted", dataflow.Bool, ""))
}

func listParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{
		filterParam("the rows to return; all if left out"),
		optional("sort", dataflow.Any, `the order: "name", "-created_at" for descending, or a list of these; rows that are equal in it are in the order of their ids, descending where the last name is`),
		bounded(optional("limit", dataflow.Int, fmt.Sprintf("the most rows to return; %d if left out", DefaultLimit)), int64(1), int64(MaxLimit)),
		bounded(optional("offset", dataflow.Int, "how many rows to pass over"), int64(0), nil),
		optional("cursor", dataflow.String, "next_cursor of the page before; goes with the same sort"),
		fieldsParam(),
		expandParam(),
		optional("count", dataflow.Bool, "also count every match, as total"),
	}, append(searchParam(m), deletedParam(m)...)...)
}

func listOutput(m *dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(
		required("records", dataflow.ListOf(dataflow.RecordOf(m)), ""),
		required("count", dataflow.Int, "rows in this page"),
		optional("total", dataflow.Int, "rows in all; null unless count was asked for"),
		required("limit", dataflow.Int, ""),
		required("offset", dataflow.Int, ""),
		optional("next_cursor", dataflow.String, "where the next page starts; null on the last one"),
		required("has_more", dataflow.Bool, ""),
	)
}

func countParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{filterParam("the rows to count; all if left out")}, append(searchParam(m), deletedParam(m)...)...)
}

func countOutput(*dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(required("count", dataflow.Int, ""))
}

func upsertParams(m *dataflow.Model) []*dataflow.Field {
	return []*dataflow.Field{
		required("where", anyObject, "values that find the row: must match at most one. They are also used for the row that is added, where create does not say otherwise"),
		optional("create", rowType(m, true), "values of the row to add if there is none"),
		optional("update", changeType(m), "new values for the row if there is one; left out, it stays as it is"),
	}
}

func upsertOutput(m *dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(
		required("record", dataflow.RecordOf(m), ""),
		required("created", dataflow.Bool, ""),
		required("action", actionType, ""),
	)
}

func onErrorParam() *dataflow.Field {
	return optional("on_error", onErrorType, `"fail" (the default) undoes everything; "skip" leaves out the rows that fail and reports each`)
}

func confirmParam() *dataflow.Field {
	return optional("confirm_all", dataflow.Bool, "really every row, where neither filter nor ids is given")
}

func returnIDsParam() *dataflow.Field {
	return optional("return_ids", dataflow.Bool, "return the ids of the rows too")
}

func bulkCreateParams(m *dataflow.Model) []*dataflow.Field {
	return []*dataflow.Field{required("data", dataflow.ListOf(rowType(m, false)), "the rows, at most 100,000 in a request"), onErrorParam(), returnIDsParam()}
}

func bulkUpdateParams(m *dataflow.Model) []*dataflow.Field {
	row := changeType(m)
	id := *m.ID()
	id.System, id.HasDefault, id.Default = dataflow.RoleNone, false, nil
	row.Fields = append([]*dataflow.Field{&id}, row.Fields...)
	return []*dataflow.Field{
		filterParam("the rows to change"), idsParam(m),
		optional("fields", changeType(m), "the new values, the same for every row"),
		optional("data", dataflow.ListOf(row), "instead of fields: rows with their id and their own new values, at most 100,000 in a request"),
		confirmParam(),
	}
}

func bulkDeleteParams(m *dataflow.Model) []*dataflow.Field {
	return []*dataflow.Field{filterParam("the rows to remove"), idsParam(m), confirmParam()}
}

func bulkUpsertParams(m *dataflow.Model) []*dataflow.Field {
	return []*dataflow.Field{
		required("data", dataflow.ListOf(rowType(m, true)), "the rows, at most 100,000 in a request"),
		required("conflict_on", dataflow.ListOf(dataflow.String), "the fields that find a row: a unique field, the fields of a unique index, or the id where callers give it"),
		onErrorParam(),
	}
}

func problemType() *dataflow.Type {
	return dataflow.ObjectType(required("code", dataflow.String, ""), required("pointer", dataflow.String, ""),
		required("detail", dataflow.String, ""), optional("hint", dataflow.String, ""))
}

func errorsOutput() *dataflow.Field {
	return partial(required("errors", dataflow.ListOf(dataflow.ObjectType(
		required("index", dataflow.Int, "position in data"),
		required("code", dataflow.String, ""),
		required("message", dataflow.String, ""),
		required("problems", dataflow.ListOf(problemType()), ""),
	)), `the rows left out; there only with on_error = "skip"`))
}

// changedDocs says what is counted, where that is not plain.
var changedDocs = map[string]string{
	"deleted": "the rows that were asked for and are gone; not those that went along with them, of this model or another",
}

// bulkOutput is the result of the bulk operations that do one thing.
func bulkOutput(done string, creates bool) func(*dataflow.Model) *dataflow.Type {
	return func(m *dataflow.Model) *dataflow.Type {
		ids := dataflow.ListOf(m.ID().Type)
		out := []*dataflow.Field{required("processed", dataflow.Int, "rows looked at"), required(done, dataflow.Int, changedDocs[done])}
		if creates {
			out = append(out, partial(required("ids", ids, "of the rows added; there only with return_ids")), errorsOutput())
		} else {
			out = append(out, partial(required("missing", ids, "ids of no row; there only where rows were asked for by id")))
		}
		return dataflow.ObjectType(out...)
	}
}

func bulkUpsertOutput(*dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(
		required("processed", dataflow.Int, "rows looked at"),
		required("upserted", dataflow.Int, ""),
		required("inserted", dataflow.Int, ""),
		required("updated", dataflow.Int, ""),
		errorsOutput(),
	)
}
