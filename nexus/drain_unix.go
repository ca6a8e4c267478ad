//go:build unix

package nexus

import (
	"net"

	"golang.org/x/sys/unix"
)

// waiting reports whether a connection has come about that nobody has accepted.
func waiting(l *net.TCPListener) (yes bool) {
	raw, err := l.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { // it fails once the listener is closed
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		yes = err == nil && n > 0
	})
	return yes
}
