//go:build unix

package sqlite

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// A commit that is being noted, or whose process ended while it was, is not
// taken for the last one.
func TestIndexBetweenItsCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db-shm")
	write := func(words ...uint64) {
		t.Helper()
		b := make([]byte, 96)
		for i, w := range words {
			binary.NativeEndian.PutUint64(b[8*i:], w)
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if err := os.WriteFile(strings.TrimSuffix(path, "-shm"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := openIndex(strings.TrimSuffix(path, "-shm"))
	if w == nil {
		t.Fatal("no index")
	}
	defer func() {
		os.Remove(path)
		w.close()
	}()
	if _, ok := w.last(); ok {
		t.Error("an index of nothing has a last commit")
	}
	write(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6)
	if c, ok := w.last(); !ok || c != (commit{1, 2, 3, 4, 5, 6}) {
		t.Error(c, ok)
	}
	for i := range 12 {
		words := []uint64{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}
		words[i]++
		write(words...)
		if c, ok := w.last(); ok {
			t.Errorf("copies that differ in word %d: %v", i%6, c)
		}
	}
}

func TestIndexOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if w := openIndex(path); w != nil {
		t.Error("a file that is not there has an index")
	}
	for _, name := range []string{path, path + "-shm"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if w := openIndex(path); w != nil {
		t.Error("an empty file is an index")
	}
	var none *walIndex
	if _, ok := none.last(); ok {
		t.Error("no index has a last commit")
	}
	none.close()
}

// Closing a file drops the locks of the process on it, whoever has taken them:
// SQLite must not lose those of a store to the end of another.
func TestIndexesKeepTheLocks(t *testing.T) {
	db := database(filepath.Join(t.TempDir(), "test.db"), model("Note", "notes"))
	s := openTest(t, db)
	var st syscall.Stat_t
	if err := syscall.Stat(s.file.path+"-shm", &st); err != nil {
		t.Fatal(err)
	}
	locks := func() int {
		all, err := os.ReadFile("/proc/locks")
		if err != nil {
			if runtime.GOOS == "linux" {
				t.Fatal(err)
			}
			t.Skip("only Linux shows which locks there are: ", err)
		}
		return strings.Count(string(all), ":"+strconv.FormatUint(uint64(st.Ino), 10)+" ")
	}
	was := locks()
	if was == 0 {
		t.Fatal("SQLite has no lock on its index, or they are not seen here")
	}
	for range 2 {
		again, _, diags := Opener{}.Open(t.Context(), db, store.Options{})
		if again == nil {
			t.Fatal(diags)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if is := locks(); is != was {
			t.Fatalf("%d locks before another store was opened and closed, %d after", was, is)
		}
	}
	indexes.Lock()
	defer indexes.Unlock()
	if n := len(indexes.open); n != 1 {
		t.Errorf("%d indexes are open, want 1", n)
	}
}

// What was opened is closed once its file is gone.
func TestIndexesAreClosed(t *testing.T) {
	for range 3 {
		s, _, diags := Opener{}.Open(t.Context(), database(filepath.Join(t.TempDir(), "test.db"), model("Note", "notes")), store.Options{})
		if s == nil {
			t.Fatal(diags)
		}
		if s.(*Store).log == nil {
			t.Fatal("no index")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	indexes.Lock()
	defer indexes.Unlock()
	if n := len(indexes.open); n != 0 {
		t.Errorf("%d indexes are open", n)
	}
}

// The index that is mapped is the one that SQLite writes to.
func TestIndexChangesWithCommits(t *testing.T) {
	s, _, other := counter(t)
	before, ok := s.log.last()
	if !ok {
		t.Fatal("no commit is seen")
	}
	if err := other.exec("UPDATE counters SET n = n + 1"); err != nil {
		t.Fatal(err)
	}
	after, ok := s.log.last()
	if !ok || before == after {
		t.Error("a commit left the index as it was")
	}
	if err := other.query("PRAGMA wal_checkpoint(TRUNCATE)", nil, func(*sqlite.Stmt) {}); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.log.last(); now == before {
		t.Error("the log was started anew, and the index is as it was before")
	}
}
