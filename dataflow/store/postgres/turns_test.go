package postgres

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// takingTurns opens a store in which n write at once, each for no longer than
// that.
func takingTurns(t *testing.T, n int, longest time.Duration) (*Store, *dataflow.Model) {
	t.Helper()
	return thingsIn(t, func(t *testing.T, db *dataflow.Database) *Store {
		s := openTest(t, db)
		s.turns = newTurns(n, longest)
		return s
	})
}

// wantTurns takes all turns, which have been given back.
func wantTurns(t *testing.T, s *Store) {
	t.Helper()
	for range cap(s.turns.places) { // one that took too long is given back beside it
		select {
		case s.turns.places <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatal("a turn was not given back")
		}
	}
}

func TestNoMoreWriteAtOnceThanThereAreTurns(t *testing.T) {
	s, m := takingTurns(t, 2, time.Hour)
	var inside, most atomic.Int32
	in := func() {
		if n := inside.Add(1); n > 2 {
			most.Store(n)
		}
	}
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 20 {
				err := s.Write(t.Context(), func(tx store.Tx) error {
					in()
					defer inside.Add(-1)
					return add(t, tx, m, 1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	if most.Load() > 0 {
		t.Errorf("%d transactions at once, of 2", most.Load())
	}
	wantTurns(t, s)
}

// Who waits for a lock takes no processor, and must not hold up others.
func TestATurnEndsWhileItsHolderWaits(t *testing.T) {
	s, m := takingTurns(t, 2, time.Millisecond)
	locked, err := s.Add(t.Context(), m, []int{1}, []any{int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	change := func(tx store.Tx) error { return set(t, tx, m, locked.(int64), 2) }
	begun, release := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Write(t.Context(), func(tx store.Tx) error {
			err := change(tx)
			close(begun)
			<-release
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	<-begun
	for range 3 {
		done.Go(func() {
			if err := s.Write(t.Context(), change); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 { // each needs a turn, and there are two for five
		if _, err := s.Add(t.Context(), m, []int{1}, []any{int64(3)}); err != nil {
			t.Error(err)
		}
	}
	close(release)
	done.Wait()
	wantTurns(t, s)
}

func TestNoTurnComes(t *testing.T) {
	s, m := takingTurns(t, 1, time.Hour)
	release := hold(t, s, 1)
	s.wait = time.Millisecond
	if _, err := s.Add(t.Context(), m, []int{1}, []any{int64(1)}); code(err) != "busy" || dataflow.AsError(err).Status != dataflow.StatusBusy {
		t.Errorf("with every turn taken a write gives %v", err)
	}
	s.wait = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := s.Add(ctx, m, []int{1}, []any{int64(1)}); code(err) != "cancelled" {
		t.Errorf("a caller that leaves while it waits for a turn is told %v", err)
	}
	if st := s.Stats(); st.Waits < 2 || st.WaitTime <= 0 {
		t.Errorf("two waits for a turn are counted as %+v", st)
	}
	release()
	if _, err := s.Add(t.Context(), m, []int{1}, []any{int64(1)}); err != nil {
		t.Errorf("once the turn is given back: %v", err)
	}
	wantTurns(t, s)
}

// addresses is a connection of which only its ends are known.
type addresses struct {
	net.Conn
	from, to net.Addr
}

func (a addresses) LocalAddr() net.Addr  { return a.from }
func (a addresses) RemoteAddr() net.Addr { return a.to }

func TestWhatIsOnThisMachine(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		what     string
		from, to net.Addr
		want     bool
	}{
		{"loopback", tcp("127.0.0.1", 40000), tcp("127.0.0.1", 5432), true},
		{"loopback of IPv6", tcp("::1", 40000), tcp("::1", 5432), true},
		{"a socket in a folder", &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Net: "unix", Name: filepath.Join("run", ".s.PGSQL.5432")}, true},
		{"the machine's own address", tcp("10.0.0.7", 40000), tcp("10.0.0.7", 5432), true},
		{"another machine", tcp("10.0.0.7", 40000), tcp("10.0.0.8", 5432), false},
	} {
		if got := local(addresses{from: c.from, to: c.to}); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
