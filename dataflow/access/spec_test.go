package access_test

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// sketch renders fields as "name: type", with ? for what can be null, = for
// what can be left out otherwise.
func sketch(fields []*dataflow.Field) string {
	var parts []string
	for _, f := range fields {
		s := f.Name
		switch {
		case f.Optional:
			s += "?"
		case f.HasDefault:
			s += "="
		}
		parts = append(parts, s+": "+sketchType(f.Type))
	}
	return strings.Join(parts, ", ")
}

func sketchType(t *dataflow.Type) string {
	switch {
	case t.Kind == dataflow.KindList:
		return "[" + sketchType(t.Elem) + "]"
	case t.Kind == dataflow.KindObject && t.Fields != nil:
		return "{" + sketch(t.Fields) + "}"
	}
	return t.String()
}

func TestSpecs(t *testing.T) {
	m := model("Note", "notes", field("title", dataflow.String), field("body", dataflow.String, opt),
		field("stars", dataflow.Int, def(int64(3))), versioned, softDelete, clientID(dataflow.KindUUID))
	const (
		row     = `id=: uuid, title: str, body?: str, stars=: int`
		partial = `id=: uuid, title=: str, body?: str, stars=: int`
		changes = `title=: str, body?: str, stars=: int`
		errors  = `errors=: [{index: int, code: str, message: str, problems: [{code: str, pointer: str, detail: str, hint?: str}]}]`
	)
	want := map[dataflow.OpKind][2]string{
		dataflow.OpCreate: {row, `Note`},
		dataflow.OpRead:   {`id?: uuid, filter?: object, fields?: [str], expand?: any, include_deleted?: bool`, `Note`},
		dataflow.OpUpdate: {`id?: uuid, filter?: object, fields: {` + changes + `}, version?: int`, `Note`},
		dataflow.OpDelete: {`id?: uuid, filter?: object, version?: int`, `{id: uuid, deleted: bool}`},
		dataflow.OpList: {`filter?: object, sort?: any, limit?: int, offset?: int, cursor?: str, fields?: [str], expand?: any, count?: bool, include_deleted?: bool`,
			`{records: [Note], count: int, total?: int, limit: int, offset: int, next_cursor?: str, has_more: bool}`},
		dataflow.OpUpsert: {`where: object, create?: {` + partial + `}, update?: {` + changes + `}`,
			`{record: Note, created: bool, action: enum("created", "updated", "unchanged")}`},
		dataflow.OpCount:      {`filter?: object, include_deleted?: bool`, `{count: int}`},
		dataflow.OpBulkCreate: {`data: [{` + row + `}], on_error?: enum("fail", "skip"), return_ids?: bool`, `{processed: int, inserted: int, ids=: [uuid], ` + errors + `}`},
		dataflow.OpBulkUpdate: {`filter?: object, ids?: [uuid], fields?: {` + changes + `}, data?: [{id: uuid, ` + changes + `}], confirm_all?: bool`,
			`{processed: int, updated: int, missing=: [uuid]}`},
		dataflow.OpBulkDelete: {`filter?: object, ids?: [uuid], confirm_all?: bool`, `{processed: int, deleted: int, missing=: [uuid]}`},
		dataflow.OpBulkUpsert: {`data: [{` + partial + `}], conflict_on: [str], on_error?: enum("fail", "skip")`,
			`{processed: int, upserted: int, inserted: int, updated: int, ` + errors + `}`},
	}
	for _, op := range dataflow.Ops() {
		spec := access.Spec(dataflow.Op{Model: m, Kind: op})
		if got := sketch(spec.Params); got != want[op][0] {
			t.Errorf("%s takes\n%s\nwant\n%s", op, got, want[op][0])
		}
		if got := sketchType(spec.Output); got != want[op][1] {
			t.Errorf("%s gives\n%s\nwant\n%s", op, got, want[op][1])
		}
		if spec.Name != "Note"+op.NodeSuffix() || !strings.Contains(spec.Doc, "Note") {
			t.Errorf("%s: %q, %q", op, spec.Name, spec.Doc)
		}
		if writes := spec.Effect == dataflow.EffectWrite; writes != op.Writes() {
			t.Errorf("%s: effect %d", op, spec.Effect)
		}
		for _, p := range spec.Params {
			if op != dataflow.OpCreate && p.Doc == "" {
				t.Errorf("%s: %s has no doc", op, p.Name)
			}
		}
	}
}
