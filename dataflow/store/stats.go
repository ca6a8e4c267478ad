package store

import "time"

// Measured is a Store that can say how busy it is.
type Measured interface {
	Stats() Stats
}

// Stats is how busy a store is, and was since it was opened.
type Stats struct {
	InUse    int           // connections that are taken
	Idle     int           // connections that are open and free
	Most     int           // connections that there may be
	Waits    uint64        // times that a caller had to wait for a connection, or for its turn to write
	WaitTime time.Duration // of those, together
	// Commits is how many commits were shared by how many writes: Commits[i] by
	// at most GroupBounds[i] of them, and by more than the bound before. Nil
	// where an engine shares none.
	Commits []uint64
	Writes  uint64 // that were committed, where commits are shared
	// Hits and Misses are questions that were answered by what was kept, and that
	// could have been. Both are 0 where nothing is kept.
	Hits, Misses uint64
}

// GroupBounds are the sizes that groups of writes are counted by.
func GroupBounds() []float64 { return []float64{1, 2, 4, 8, 16, 32, 64} }
