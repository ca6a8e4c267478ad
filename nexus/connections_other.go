//go:build !unix

package nexus

// connectionsAtMost is how many connections the process can have open.
func connectionsAtMost() int { return maxConnections }
