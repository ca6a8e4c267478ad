package access

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// compare is the filter that compares one field of a model with a value.
func compare(m *dataflow.Model, field int, op query.Op, v any) *query.Cmp {
	return &query.Cmp{Path: query.Path{Model: m, Field: field}, Op: op, Value: v}
}

// scope narrows a filter to the rows that a caller may see: those of the
// tenant, those that the rule for reading lets it see, and unless deleted is set
// only those that are not soft-deleted. Every read and write goes through it, or
// through visible.
func (m *Model) scope(c Caller, deleted bool, where query.Expr) (query.Expr, error) {
	var all query.And
	if m.tenant >= 0 {
		if c.Tenant == "" {
			return nil, m.tenantRequired(c)
		}
		all = append(all, compare(m.m, m.tenant, query.Eq, c.Tenant))
	}
	if c.ruled() {
		if seen := readable(c, m.m); seen != nil {
			all = append(all, seen)
		}
		if where != nil {
			where = query.Guard(where, c.seen())
		}
	}
	if where != nil {
		all = append(all, where)
	}
	if m.deletedAt >= 0 && !deleted {
		all = append(all, compare(m.m, m.deletedAt, query.Null, true))
	}
	if len(all) == 1 {
		return all[0], nil
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// readable is the filter of the rows of a model that a caller may read; nil is
// all of them.
func readable(c Caller, m *dataflow.Model) query.Expr {
	if !c.ruled() || m.Access == nil {
		return nil
	}
	return rows(c, m, m.Access.Read)
}

// seen returns readable as a function of the model, which is asked for the rows
// that references lead to.
func (c Caller) seen() func(*dataflow.Model) query.Expr {
	return func(m *dataflow.Model) query.Expr { return readable(c, m) }
}

// may returns the filter of the rows with which a rule other than that for
// reading lets a caller do something; nil is all of them.
func (m *Model) may(c Caller, to right) query.Expr {
	if !c.ruled() || m.m.Access == nil {
		return nil
	}
	return rows(c, m.m, to.rule(m.m.Access))
}

// byID is the filter for one row.
func (m *Model) byID(id any) query.Expr { return compare(m.m, m.id, query.Eq, id) }

// byIDs is the filter for several rows.
func (m *Model) byIDs(ids []any) query.Expr { return compare(m.m, m.id, query.In, ids) }

// checkRefs refuses references to rows that the caller can't see: those of
// another tenant, soft-deleted ones and those that it may not read. The error is what a missing row gives,
// so that it tells nothing about them. fields are the positions to look at.
func (m *Model) checkRefs(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object, fields []int, pointer string) error {
	var problems []dataflow.Problem
	for _, i := range fields {
		f, id := m.m.Fields[i], row.Vals()[i]
		if id == nil || id == dataflow.Absent || !guards(c, f.Type.Model) {
			continue
		}
		ok, err := m.refVisible(ctx, tx, c, f.Type.Model, id)
		if err != nil {
			return err
		}
		if !ok {
			problems = append(problems, problem("reference", at(pointer, f.Name),
				"there is no "+f.Type.Model.Name+" with this id", ""))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Model: m.m.Name,
		Message: "a reference leads to no row", Problems: problems}
}

// checkAllRefs is checkRefs for many rows, which mostly refer to few others.
func (m *Model) checkAllRefs(ctx context.Context, tx store.Tx, c Caller, rows []*dataflow.Object, pointer func(int) string) error {
	type reference struct {
		field int
		id    any
	}
	good := map[reference]bool{}
	for n, row := range rows {
		var fresh []int
		for _, i := range m.guarded {
			if r := (reference{i, row.Vals()[i]}); !good[r] {
				good[r] = true
				fresh = append(fresh, i)
			}
		}
		if err := m.checkRefs(ctx, tx, c, row, fresh, pointer(n)); err != nil {
			return err
		}
	}
	return nil
}

// guards reports whether some rows of a model are out of a caller's sight.
func guards(c Caller, to *dataflow.Model) bool {
	return to.SoftDelete || to.MultiTenant || readable(c, to) != nil
}

func (m *Model) refVisible(ctx context.Context, tx store.Tx, c Caller, target *dataflow.Model, id any) (bool, error) {
	where := query.And{compare(target, target.RoleIndex(dataflow.RoleID), query.Eq, id)}
	if target.MultiTenant {
		if c.Tenant == "" {
			return false, m.tenantRequired(c)
		}
		where = append(where, compare(target, target.RoleIndex(dataflow.RoleTenant), query.Eq, c.Tenant))
	}
	if target.SoftDelete {
		where = append(where, compare(target, target.RoleIndex(dataflow.RoleDeletedAt), query.Null, true))
	}
	if seen := readable(c, target); seen != nil {
		where = append(where, seen)
	}
	n, err := tx.Count(ctx, target, where)
	return n > 0, err
}
