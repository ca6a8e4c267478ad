//go:build unix

package nexus

import "syscall"

// connectionsAtMost is how many connections the process can have open: what it
// may have of files, less what it needs for the rest.
func connectionsAtMost() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return maxConnections
	}
	return connectionsOf(uint64(files.Cur))
}
