package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"zombiezen.com/go/sqlite"
)

// misplaced is a path that can't be a database's.
type misplaced struct{ why, hint string }

func (m *misplaced) Error() string { return m.why }

// unusable finds what is wrong with a path before SQLite is asked, because
// all it says is "unable to open database file". The file itself is not
// opened here: closing it would drop the locks that this process may have on
// it already.
func unusable(p place) error {
	if p.path == memory {
		return nil
	}
	if info, err := os.Stat(p.path); err == nil && info.IsDir() {
		return &misplaced{"it is a folder", "name a file in it: sqlite:" + p.name + "/app.db"}
	}
	if why := orphaned(p.path); why != nil {
		return why
	}
	folder := filepath.Dir(p.path)
	info, err := os.Stat(folder)
	switch {
	case os.IsNotExist(err):
		return &misplaced{"the folder " + folder + " does not exist", "make the folder first: mkdir -p " + folder}
	case err == nil && !info.IsDir():
		return &misplaced{folder + " is not a folder", ""}
	}
	return nil
}

// absent finds that a database is not there which is to be, and is never made.
func absent(p place) error {
	if _, err := os.Stat(p.path); p.path != memory && os.IsNotExist(err) {
		return &misplaced{"there is no such file", "name the file of the database; one of another program is never made"}
	}
	return nil
}

// orphaned finds the log of a database that is not there: SQLite would throw
// it away, with the changes that are in it alone.
func orphaned(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 || err != nil && !os.IsNotExist(err) {
		return nil
	}
	info, err := os.Stat(logOf(path))
	if err != nil || info.Size() == 0 {
		return nil
	}
	name := filepath.Base(logOf(path))
	return &misplaced{"its log " + name + " is there, but the database it belongs to is not",
		"put the database back beside it, or move " + name + " away to begin anew"}
}

// openFailure says why a database can't be opened and what to do.
func openFailure(db *dataflow.Database, p place, err error) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC602", Span: db.URLSpan()}
	if m, ok := err.(*misplaced); ok {
		d.Message = fmt.Sprintf("the database %s can't be opened: %s", p.name, m.why)
		d.Hint = m.hint
		return d
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		d.Code = "FC603"
		d.Message = fmt.Sprintf("opening the database %s was cancelled", p.name)
		return d
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		d.Code = "FC603"
		d.Message = fmt.Sprintf("the database %s is locked by another program", p.name)
		d.Hint = "stop the other program, or end its transaction; migration_lock_timeout says how long to wait for it"
	case sqlite.ResultNotADB, sqlite.ResultCorrupt:
		d.Code = "FC604"
		d.Message = fmt.Sprintf("the file %s is no SQLite database, or is damaged", p.name)
		d.Hint = "name another file, or restore this one from a backup; it has not been changed"
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultCantOpen, sqlite.ResultAuth:
		d.Code = "FC606"
		d.Message = fmt.Sprintf("the database %s can't be written to", p.name)
		d.Hint = "let the user that runs flowctl write to the file and to its folder, where SQLite keeps a log beside it"
	case sqlite.ResultFull:
		d.Code = "FC607"
		d.Message = fmt.Sprintf("there is no room left for the database %s", p.name)
		d.Hint = "free some space on its disk; nothing has been changed"
	case sqlite.ResultInterrupt:
		d.Code = "FC603"
		d.Message = fmt.Sprintf("opening the database %s was cancelled", p.name)
	default:
		d.Code = "FC620"
		d.Message = fmt.Sprintf("the tables of the database %s can't be made as the models ask: %s", p.name, reason(err))
		d.Hint = "nothing has been changed"
	}
	return d
}

// reason is what SQLite says, without where it says it. Of rows that are in the way
// of a constraint it says no more than that.
func reason(err error) string {
	text := err.Error()
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint {
		return "rows have a value, or null, that may not be there then"
	}
	if i := strings.LastIndex(text, "SQL logic error: "); i >= 0 {
		text = text[i+len("SQL logic error: "):]
	}
	return text
}
