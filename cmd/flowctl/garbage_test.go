package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		alive uint64
		want  int
	}{
		{0, 300}, {4 * mib, 300}, {10 * mib, 300}, {16 * mib, 200}, {32 * mib, 100}, {64 * mib, 50}, {300 * mib, 50}, {1 << 40, 50},
	} {
		if got := garbagePercent(c.alive); got != c.want {
			t.Errorf("%d MiB alive: %d %%, want %d", c.alive/mib, got, c.want)
		}
	}
}

// What a collection finds alive sets the share of garbage until the next one.
func TestGarbageFollowsWhatIsAlive(t *testing.T) {
	debug.SetGCPercent(-1) // which waits for a collection that is under way: it would set the share at once
	collect()
	share := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	read := func() uint64 {
		metrics.Read(share)
		return share[0].Value.Uint64()
	}
	if got := read(); got != mostGarbage {
		t.Errorf("it begins with %d %%, want %d", got, mostGarbage)
	}
	alive := make([]byte, 2*garbageRoom)
	for deadline := time.Now().Add(time.Minute); read() != leastGarbage; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("the share stays at %d %%, want %d", read(), leastGarbage)
		}
	}
	runtime.KeepAlive(alive)
}
