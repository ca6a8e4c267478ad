package lru

import (
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	c := New[string, int](3, 100)
	keeps := func(key string, want int) {
		t.Helper()
		if v, ok := c.Get(key, now); v != want || ok != (want != 0) {
			t.Errorf("%s is %d, %v, want %d", key, v, ok, want)
		}
	}
	for i, key := range []string{"a", "b", "c"} {
		c.Put(key, i+1, 10, now, time.Minute)
	}
	keeps("a", 1)
	c.Put("d", 4, 10, now, time.Second) // b was used longest ago
	keeps("b", 0)
	keeps("a", 1)
	c.Put("a", 5, 20, now, time.Minute) // in place of what was there
	keeps("a", 5)
	now = now.Add(time.Second)
	keeps("d", 0) // its time is over
	keeps("c", 3)
	c.Put("e", 6, 95, now, time.Minute) // there is room for nothing else
	keeps("e", 6)
	keeps("c", 0)
	keeps("a", 0)
	now = now.Add(-time.Hour) // the clock is set back
	keeps("e", 0)
	c.Put("f", 7, 101, now, time.Minute) // nor for this
	keeps("f", 0)
	if c.bytes != 0 || c.order.Len() != 0 || len(c.entries) != 0 {
		t.Errorf("%d bytes, %d and %d entries are left, want none", c.bytes, c.order.Len(), len(c.entries))
	}
}
