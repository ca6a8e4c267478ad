package durable

import (
	"context"

	"github.com/flowctl/flowctl/dataflow/query"
)

// Tally is how many runs there are that have not ended, of all processes.
type Tally struct {
	Status map[Status]int64
	Due    int64 // those of them that are to be gone on with now
}

// Count counts the runs that have not ended.
func (rs *Runs) Count(ctx context.Context) (Tally, error) {
	t := Tally{Status: map[Status]int64{}}
	for _, h := range rs.homes {
		m := h.tables.runs
		for _, s := range []Status{Queued, Running, Waiting} {
			n, err := h.store.Count(ctx, m, equal(m, runStatus, string(s)))
			if err != nil {
				return Tally{}, err
			}
			t.Status[s] += n
		}
		n, err := h.store.Count(ctx, m, query.AllOf(oneOf(m, runStatus, string(Queued), string(Waiting)), compare(m, runWakeAt, query.Lte, h.now())))
		if err != nil {
			return Tally{}, err
		}
		t.Due += n
	}
	return t, nil
}
