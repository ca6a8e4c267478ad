package postgres

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

var (
	_ store.Clock = (*Store)(nil)
	_ store.Clock = (*tx)(nil)
)

// Now implements store.Clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.read(ctx, func(r session) error {
		now, err = r.now(ctx)
		return err
	})
	return now, err
}

// Now implements store.Clock.
func (t *tx) Now(ctx context.Context) (time.Time, error) {
	if err := t.ready(ctx); err != nil {
		return time.Time{}, err
	}
	now, err := t.session.now(ctx)
	if err != nil {
		return time.Time{}, t.spoil(err)
	}
	return now, nil
}

func (r session) now(ctx context.Context) (now time.Time, err error) {
	read := func(row [][]byte) {
		if now, err = time.Parse(time.RFC3339Nano, string(row[0])); err != nil {
			err = dataflow.Internal(err)
		}
	}
	const ask = `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	if failed := r.c.query(ctx, ask, nil, read); failed != nil {
		return time.Time{}, r.c.toError(ctx, failed)
	}
	return now, err
}
