package access

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A trigger of a table, or a rule of PostgreSQL's, may leave a row as it is and
// say nothing of it: RETURN NULL, RAISE(IGNORE), DO INSTEAD NOTHING. So where less
// was changed than was to be, it is looked whether the rows are there.

// errSwallowed stands for a change that the database has left undone in silence.
var errSwallowed = errors.New("the table has left the row as it is")

// swallowed is the error for rows that are there and were left as they are.
func (m *Model) swallowed() error { return store.Refused(m.m, "", "", errSwallowed) }

// there reports whether a row matches one of some filters.
func (m *Model) there(ctx context.Context, tx store.Tx, filters ...query.Expr) (found bool, err error) {
	for _, where := range filters {
		err = tx.Select(ctx, &query.Select{Model: m.m, Fields: []int{m.id}, Where: where, Limit: 1}, func(store.Row) error {
			found = true
			return nil
		})
		if err != nil || found {
			break
		}
	}
	return found, err
}

// leftAsIs is the error for a change of one row that changed none: otherwise, if
// the row is not there.
func (m *Model) leftAsIs(ctx context.Context, tx store.Tx, where query.Expr, otherwise error) error {
	found, err := m.there(ctx, tx, where)
	switch {
	case err != nil:
		return err
	case found:
		return m.swallowed()
	}
	return otherwise
}

// someOf makes a change to the rows that match, and refuses to have changed none
// where there are some. Such a row may have come just now, so it is tried again.
func (m *Model) someOf(ctx context.Context, tx store.Tx, where query.Expr, change func(where query.Expr) (int64, error)) (int64, error) {
	n, err := change(where)
	if err != nil || n > 0 {
		return n, err
	}
	found, err := m.there(ctx, tx, where)
	if err != nil || !found {
		return 0, err
	}
	if n, err = change(where); n == 0 && err == nil {
		err = m.swallowed()
	}
	return n, err
}

// together makes a change to all rows of a bulk write, one statement for each
// filter. Where ids were given it returns the rows there were for them, with their
// ids alone; fewer changed than that are refused, unless they are gone. How many
// rows a filter finds is not known beforehand: where the table may leave some of
// them as they are, they are read first, and changed by their ids too.
func (m *Model) together(ctx context.Context, tx store.Tx, s several, filters []query.Expr, change func(where query.Expr) (int64, error)) (rows []*dataflow.Object, n int64, err error) {
	if s.ids == nil {
		quiet, err := tx.Quiet(ctx, m.m)
		if err != nil {
			return nil, 0, err
		}
		if !quiet {
			n, err = m.someOf(ctx, tx, filters[0], change)
			return nil, n, err
		}
	}
	if rows, err = m.load(ctx, tx, filters, []int{m.id}); err != nil {
		return nil, 0, err
	}
	if s.ids == nil {
		filters = m.eachOf(rows)
	}
	for _, where := range filters {
		k, err := change(where)
		if err != nil {
			return nil, 0, err
		}
		n += k
	}
	if n < int64(len(rows)) { // of those to be deleted some may have gone along with others
		if found, err := m.there(ctx, tx, filters...); err != nil || found {
			return nil, 0, cmp.Or(err, m.swallowed())
		}
	}
	return rows, n, nil
}

// eachOf returns filters that together find rows by their ids.
func (m *Model) eachOf(rows []*dataflow.Object) (filters []query.Expr) {
	for chunk := range slices.Chunk(rows, idsAtOnce) {
		ids := make([]any, len(chunk))
		for i, row := range chunk {
			ids[i] = row.Vals()[m.id]
		}
		filters = append(filters, m.byIDs(ids))
	}
	return filters
}
