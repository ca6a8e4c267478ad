package sqlite

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/flowctl/flowctl/dataflow"
	"zombiezen.com/go/sqlite"
)

// file is a database's file and its log, as they were when it was opened.
// SQLite goes on writing to files that were deleted or replaced, and nothing
// of that would be there after the next start.
type file struct {
	path, log string
	was       identity
	logWas    *identity // nil if there was none
}

// newFile returns nil where the file can't be looked at: then nothing can be
// told of it later either.
func newFile(path string) *file {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	was, err := identify(path)
	if err != nil {
		return nil
	}
	f := &file{path: path, log: logOf(real), was: was}
	if was, err := identify(f.log); err == nil {
		f.logWas = &was
	}
	return f
}

func logOf(path string) string { return path + "-wal" }

// untouched is how a file is opened for reading so that no file is made beside
// it. One in WAL mode that nobody has open is opened as one that does not
// change: any other reader would make a log, and leave it there.
func untouched(path string) (string, sqlite.OpenFlags) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if path == memory || err != nil || !asleep(real) {
		return path, sqlite.OpenReadOnly
	}
	if real = filepath.ToSlash(real); real[0] != '/' {
		real = "/" + real
	}
	u := url.URL{Scheme: "file", Path: real, RawQuery: "immutable=1"}
	return u.String(), sqlite.OpenReadOnly | sqlite.OpenURI
}

// asleep reports whether a file is in WAL mode and nobody has it open. It is
// read only where it has no log: to close a file drops the locks that this
// process may have on it.
func asleep(path string) bool {
	if _, err := os.Stat(logOf(path)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var version [1]byte // of the format to write: 2 is WAL
	_, err = f.ReadAt(version[:], 18)
	return err == nil && version[0] == 2
}

// lost reports that the files at the paths are not those that are open.
func (f *file) lost() error {
	if f == nil {
		return nil
	}
	if !still(f.path, f.was) {
		return lost("the file of the database was deleted, moved or replaced while the app was running")
	}
	if f.logWas != nil && !still(f.log, *f.logWas) {
		return lost("the log of the database, " + filepath.Base(f.log) + ", was deleted or moved while the app was running")
	}
	return nil
}

// still is true in doubt: that a file can't be looked at does not mean that it
// is gone.
func still(path string, was identity) bool {
	is, err := identify(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return is.same(was)
}

func lost(message string) error {
	return &dataflow.Error{Code: "storage_lost", Status: dataflow.StatusStorage, Message: message,
		Hint: "stop the app, put the files back or restore a backup, and start it again"}
}
