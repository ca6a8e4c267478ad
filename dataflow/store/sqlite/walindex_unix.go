//go:build unix

package sqlite

import (
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// walIndex is the file beside a database in WAL mode through which the
// processes that have it open share an index of its log. It begins with two
// copies of a header, which every commit changes before it is over, the second
// copy first: while both are as they were, nobody has committed anything
// (https://sqlite.org/walformat.html#the_wal_index_header).
type walIndex struct {
	header *[2]commit
	memory []byte
	fd     int
	file   inode
	users  int // guarded by indexes
}

type inode struct{ device, number uint64 }

// indexes are those that this process has open. One is closed only once its
// file is gone: closing a file drops the locks that the process has on it, and
// with them those of SQLite's connections
// (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
var indexes struct {
	sync.Mutex
	open []*walIndex
}

// openIndex is called while a connection has the database open. It returns nil
// where there is no index to look at.
func openIndex(path string) *walIndex {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	indexes.Lock()
	defer indexes.Unlock()
	closeUnused()
	var st syscall.Stat_t
	if err := syscall.Stat(real+"-shm", &st); err != nil || st.Size < int64(unsafe.Sizeof([2]commit{})) {
		return nil
	}
	for _, w := range indexes.open {
		if w.file == inodeOf(&st) {
			w.users++
			return w
		}
	}
	return mapIndex(real + "-shm")
}

func mapIndex(path string) *walIndex {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	w := &walIndex{fd: fd}
	indexes.open = append(indexes.open, w)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil || st.Size < int64(unsafe.Sizeof(*w.header)) {
		return nil
	}
	w.file = inodeOf(&st)
	w.memory, err = syscall.Mmap(fd, 0, int(unsafe.Sizeof(*w.header)), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	w.header = (*[2]commit)(unsafe.Pointer(&w.memory[0]))
	w.users = 1
	return w
}

func inodeOf(st *syscall.Stat_t) inode { return inode{uint64(st.Dev), uint64(st.Ino)} }

// closeUnused closes those that nobody uses and whose file is gone.
func closeUnused() {
	indexes.open = slices.DeleteFunc(indexes.open, func(w *walIndex) bool {
		var st syscall.Stat_t
		if w.users > 0 || syscall.Fstat(w.fd, &st) != nil || st.Nlink > 0 {
			return false
		}
		if w.memory != nil {
			_ = syscall.Munmap(w.memory)
		}
		_ = syscall.Close(w.fd)
		return true
	})
}

// close is called once, when no connection of its caller's is open any more.
func (w *walIndex) close() {
	if w == nil {
		return
	}
	indexes.Lock()
	defer indexes.Unlock()
	w.users--
	closeUnused()
}

// last returns the last commit. ok is false where there is no index, and while
// a commit is being noted.
func (w *walIndex) last() (c commit, ok bool) {
	if w == nil {
		return c, false
	}
	for i := range c {
		c[i] = atomic.LoadUint64(&w.header[0][i])
	}
	for i := range c {
		if atomic.LoadUint64(&w.header[1][i]) != c[i] {
			return c, false
		}
	}
	return c, c != commit{}
}
