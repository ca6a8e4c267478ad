package access

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// SystemModels returns the models of the runtime's own tables in db: the audit
// log and the store of idempotency keys. They belong to no file.
func SystemModels(db *dataflow.Database) []*dataflow.Model {
	return db.System("access", func() []*dataflow.Model {
		return []*dataflow.Model{newAuditModel(db), newRepliesModel(db)}
	})
}

func auditModel(db *dataflow.Database) *dataflow.Model   { return SystemModels(db)[0] }
func repliesModel(db *dataflow.Database) *dataflow.Model { return SystemModels(db)[1] }

// SystemModel builds a model of the runtime's own. Its name is its table's.
func SystemModel(db *dataflow.Database, table string, id *dataflow.Type, fields ...*dataflow.Field) *dataflow.Model {
	m := &dataflow.Model{Name: table, Table: table, Database: db, ClientID: id.Kind != dataflow.KindInt}
	m.Fields = append([]*dataflow.Field{{Name: "id", Type: id, System: dataflow.RoleID}}, fields...)
	m.Fields = append(m.Fields,
		&dataflow.Field{Name: "created_at", Type: dataflow.DateTime, System: dataflow.RoleCreatedAt, Index: true},
		&dataflow.Field{Name: "updated_at", Type: dataflow.DateTime, System: dataflow.RoleUpdatedAt})
	for _, f := range m.Fields {
		if f.Index {
			m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{f.Name}})
		}
	}
	m.Seal()
	return m
}

// Positions of the audit log's fields.
const (
	_ = iota // id
	auditModelName
	auditRow
	auditAction
	auditBefore
	auditAfter
	auditUser
	auditTenant
	auditKey
	auditCreatedAt
	auditUpdatedAt
	auditFields
)

// newAuditModel makes the log of every change to the models that have audit_log.
func newAuditModel(db *dataflow.Database) *dataflow.Model {
	return SystemModel(db, "_flow_audit", dataflow.Int,
		&dataflow.Field{Name: "model", Type: dataflow.String, Doc: "whose row changed"},
		&dataflow.Field{Name: "row", Type: dataflow.String, Doc: "the row's id, as text"},
		&dataflow.Field{Name: "action", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"create", "update", "delete"}}},
		&dataflow.Field{Name: "before", Type: dataflow.JSON, Optional: true, Doc: "the row as it was; null for a create"},
		&dataflow.Field{Name: "after", Type: dataflow.JSON, Optional: true, Doc: "the row as it became; null for a delete"},
		&dataflow.Field{Name: "user", Type: dataflow.String, Optional: true, Doc: "the id of who did it, if anybody was signed in"},
		&dataflow.Field{Name: "tenant", Type: dataflow.String, Optional: true},
		&dataflow.Field{Name: "key", Type: dataflow.String, Optional: true, Doc: "the id of the API key that was used, whoever it stands for"},
	)
}

// change is what happened to a row: before is nil for a create, after for a
// delete.
type change struct{ before, after *dataflow.Object }

// noted reports whether somebody wants to know what happens to rows.
func (m *Model) noted() bool { return m.audit != nil || m.changed != nil || m.feed != nil }

// log records changes, if the model keeps an audit log, and tells who listens.
func (m *Model) log(ctx context.Context, tx store.Tx, c Caller, changes ...change) error {
	if len(changes) == 0 || !m.noted() {
		return nil
	}
	if m.changed != nil {
		told := make([]Change, len(changes))
		for i, ch := range changes {
			told[i] = Change{ch.before, ch.after}
		}
		if err := m.changed(ctx, tx, c, told); err != nil {
			return err
		}
	}
	if m.feed != nil {
		if err := m.feed.record(ctx, tx, m, changes); err != nil {
			return err
		}
	}
	if m.audit == nil {
		return nil
	}
	fields := make([]int, 0, auditFields-1)
	for i := 1; i < auditFields; i++ {
		fields = append(fields, i)
	}
	rows := make([][]any, len(changes))
	for i, ch := range changes {
		rows[i] = m.logEntry(c, ch)[1:]
	}
	_, err := tx.Insert(ctx, m.audit, fields, rows)
	return err
}

func (m *Model) logEntry(c Caller, ch change) []any {
	e := make([]any, auditFields)
	row, now := ch.after, m.clock.tick()
	e[auditModelName], e[auditAction] = m.m.Name, "update"
	switch {
	case ch.before == nil:
		e[auditAction] = "create"
	case ch.after == nil || m.deletedAt >= 0 && ch.after.Vals()[m.deletedAt] != nil:
		e[auditAction], row = "delete", ch.before
	}
	e[auditRow] = idText(row.Vals()[m.id])
	if ch.before != nil {
		e[auditBefore] = dataflow.RawJSON(codec.AppendValue(nil, ch.before))
	}
	if ch.after != nil {
		e[auditAfter] = dataflow.RawJSON(codec.AppendValue(nil, ch.after))
	}
	if c.User != nil {
		if id, _ := c.User.Get("id"); id != nil {
			e[auditUser] = idText(id)
		}
	}
	if c.Tenant != "" {
		e[auditTenant] = c.Tenant
	}
	if id, ok := dataflow.KeyOfUser(c.Key); ok {
		e[auditKey] = id
	}
	e[auditCreatedAt], e[auditUpdatedAt] = now, now
	return e
}

func idText(id any) string {
	if s, ok := id.(string); ok {
		return s
	}
	return string(codec.AppendValue(nil, id))
}

func rawJSON(v any) dataflow.RawJSON { return dataflow.RawJSON(codec.AppendJSON(nil, v)) }

// objectIn returns the object in a json field's value, or nil.
func objectIn(v any) *dataflow.Object {
	if raw, ok := v.(dataflow.RawJSON); ok {
		v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	o, _ := v.(*dataflow.Object)
	return o
}
