package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/flowctl/flowctl/dataflow"
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
