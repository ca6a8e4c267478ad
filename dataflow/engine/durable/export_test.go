package durable

import (
	"context"
	"time"
)

// Tick starts the runs of schedules that are due, by what the clock has shown.
func (rs *Runs) Tick(ctx context.Context, shown time.Time) error {
	for _, h := range rs.homes {
		if _, err := h.tick(ctx, shown); err != nil {
			return err
		}
	}
	return nil
}

// Kept is a value as it comes back from having been kept.
func Kept(v any) (any, error) {
	text, err := encode(v)
	if err != nil {
		return nil, err
	}
	return decode(text)
}
