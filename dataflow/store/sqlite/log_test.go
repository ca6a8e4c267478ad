package sqlite

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store"
)

// TestTheLogShrinks: the log of a large transaction is cut where the next one
// starts it anew, and not kept as large as it ever was.
func TestTheLogShrinks(t *testing.T) {
	s, m := notes(t)
	path := strings.TrimPrefix(m.Database.URL, "sqlite:") + "-wal"
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	ctx := context.Background()
	large := strings.Repeat("x", 1<<20)
	if err := s.Write(ctx, func(tx store.Tx) error {
		for range logKept>>20 + 8 {
			if err := add(tx, m, large); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := size(); n <= logKept {
		t.Fatalf("the log has %d bytes: the transaction is not large enough to tell", n)
	}
	for range 2 { // the first may be what is copied into the database before the log starts anew
		if err := s.Write(ctx, func(tx store.Tx) error { return add(tx, m, "small") }); err != nil {
			t.Fatal(err)
		}
	}
	if n := size(); n > logKept {
		t.Errorf("the log has %d bytes still, want no more than %d", n, logKept)
	}
}
