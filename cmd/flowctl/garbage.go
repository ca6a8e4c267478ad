package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage there may be between two collections, in percent of what is
// alive. Little is alive in a server at rest and in a check, and collecting
// often would cost more time than the memory is worth: but the same share of
// what ten thousand streams hold would be a gigabyte.
const (
	mostGarbage  = 300
	leastGarbage = 50
	garbageRoom  = 32 << 20 // bytes; what lies between follows from it
)

// collector keeps garbage within its bounds. The collector of the runtime knows
// a share only (debug.SetGCPercent) or a limit of everything that has to be
// guessed (debug.SetMemoryLimit), so that the share is set anew whenever a
// collection has shown what is alive.
type collector struct {
	samples []metrics.Sample
	percent int
}

// collect paces the collections of this process from now on.
func collect() {
	c := &collector{percent: mostGarbage, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
	debug.SetGCPercent(c.percent)
	c.await()
}

// await calls pace after the next collection, which is what finds that nobody
// holds the cycle any more.
func (c *collector) await() {
	type cycle struct{ of *collector }
	runtime.AddCleanup(&cycle{c}, (*collector).pace, c)
}

func (c *collector) pace() {
	metrics.Read(c.samples)
	var alive uint64
	for _, s := range c.samples {
		alive += s.Value.Uint64()
	}
	if percent := garbagePercent(alive); percent != c.percent {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
	c.await()
}

// garbagePercent is the share of garbage there may be beside bytes alive. It
// comes in steps, for to set it stops the process for a moment.
func garbagePercent(alive uint64) int {
	const step = 25
	percent := garbageRoom * 100 / int(max(alive, 1)) / step * step
	return min(max(percent, leastGarbage), mostGarbage)
}
