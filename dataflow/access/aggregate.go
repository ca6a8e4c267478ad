package access

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func aggregateParams(m *dataflow.Model) []*dataflow.Field {
	return append([]*dataflow.Field{
		filterParam("the rows to look at; all if left out"),
		optional("group_by", dataflow.Any, `the fields whose values make a group: "status", "customer.name" through a reference, or a list of these; all rows are one group if left out`),
		optional("aggregates", anyObject, `what to work out, by name: {"n": {"$count": true}, "sum": {"$sum": "field"}}, with $count, $count_distinct, $sum, $avg, $min and $max`),
		optional("having", anyObject, "the groups to return: a filter on names of group_by and aggregates"),
		optional("sort", dataflow.Any, `the order: names of group_by and aggregates, with - before one for descending; that of the groups if left out`),
		bounded(optional("limit", dataflow.Int, fmt.Sprintf("the most groups to return; %d if left out", DefaultLimit)), int64(1), int64(MaxLimit)),
	}, append(searchParam(m), deletedParam(m)...)...)
}

func aggregateOutput(*dataflow.Model) *dataflow.Type {
	return dataflow.ObjectType(
		required("groups", dataflow.ListOf(anyObject), "the values of group_by and aggregates, by name"),
		required("count", dataflow.Int, "groups returned"),
		required("has_more", dataflow.Bool, "there are groups beyond limit"),
	)
}

func (m *Model) doAggregate(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpAggregate, args)
	q, problems := a.sight.Aggregate(m.m, a.o)
	for _, p := range a.problems { // what is of the wrong type is not missing as well
		problems = without(problems, p.Pointer)
	}
	a.also(problems)
	search := a.search()
	if err := a.err(); err != nil {
		return nil, err
	}
	limit := a.int("limit")
	if limit == 0 {
		limit = DefaultLimit
	}
	q.Limit, q.Live = limit+1, !a.bool("include_deleted")
	where, err := m.scope(c, !q.Live, query.AllOf(q.Where, search))
	if err != nil {
		return nil, err
	}
	q.Where = where
	if c.ruled() {
		q.Seen = c.seen()
	}
	groups, more := []any{}, false
	err = r.Aggregate(ctx, q, func(row store.Row) error {
		if more = len(groups) == limit; !more {
			groups = append(groups, row.Object())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return dataflow.ObjectOf("groups", groups, "count", int64(len(groups)), "has_more", more), nil
}
