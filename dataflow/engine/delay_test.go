package engine

import (
	"testing"
	"time"
)

func TestThePauseBetweenAttemptsDoublesUpToABound(t *testing.T) {
	for _, c := range []struct {
		backoff time.Duration
		try     int
		want    time.Duration
	}{
		{0, 5, 0},
		{time.Second, 0, time.Second},
		{time.Second, 3, 8 * time.Second},
		{time.Second, 99, time.Minute},
		{24 * time.Hour, 0, time.Minute},
		{20 * 365 * 24 * time.Hour, 16, time.Minute}, // whose double overflows
	} {
		if got := delay(c.backoff, c.try); got != c.want {
			t.Errorf("%v, attempt %d: %v, want %v", c.backoff, c.try, got, c.want)
		}
	}
}
