package sqlite

import (
	"sync"
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// pageCaches is what SQLite notes of all page caches of the process.
//
//go:linkname pageCaches modernc.org/sqlite/lib._pcache1_g
var pageCaches lib.TPCacheGlobal

// ownCaches gives each connection that is opened after it a page cache of its
// own, as SQLite does itself unless it is built, as modernc's is, with
// SQLITE_ENABLE_MEMORY_MANAGEMENT. There all caches share one list of pages and
// one lock, and one that has taken more than its part leaves another nothing:
// that reads each page anew (decision 25).
var ownCaches = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_initialize(tls) // which sets the field, so that it comes first
	pageCaches.FseparateCache = 1
})
