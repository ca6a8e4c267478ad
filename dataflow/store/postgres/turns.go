package postgres

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// Transactions that write take turns where the server runs on this machine:
// there it has no processors but those that ask. More of them at once do not
// end sooner; they get in each other's way at the ends of the same indexes and
// in the processors' caches, and each costs up to half as much again
// (decision 23).
type turns struct {
	places  chan struct{}
	longest time.Duration
	waits   atomic.Uint64 // times that somebody had to wait for one
	waited  atomic.Int64  // how long, together, in ns
}

// turnsForEach is how many turns there are for each processor. Of a few that
// are under way one waits for the disk, one for this process and one is at work.
const turnsForEach = 2

// longestTurn ends a turn. Who is at it for longer waits for something else than
// a processor, a lock or its caller: that must not hold up others.
const longestTurn = 50 * time.Millisecond

// nearTrip is how long a round trip on one machine takes at most. What is
// slower leads away from it, over a tunnel or a proxy that listens here.
const nearTrip = 500 * time.Microsecond

// turnsWith returns nil, which is no limit, for a server that is elsewhere.
func turnsWith(ctx context.Context, c *pgconn.PgConn) *turns {
	if !local(c.Conn()) {
		return nil
	}
	least := time.Hour
	for range 3 {
		began := time.Now()
		if c.Ping(ctx) != nil {
			return nil
		}
		least = min(least, time.Since(began))
	}
	if least > nearTrip {
		return nil
	}
	return newTurns(turnsForEach*runtime.GOMAXPROCS(0), longestTurn)
}

func newTurns(n int, longest time.Duration) *turns {
	return &turns{places: make(chan struct{}, n), longest: longest}
}

// local reports whether the other end of a connection is on this machine.
func local(c net.Conn) bool {
	to, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return c.RemoteAddr().Network() == "unix"
	}
	from, ok := c.LocalAddr().(*net.TCPAddr)
	return to.IP.IsLoopback() || ok && to.IP.Equal(from.IP)
}

// takeTurn waits for a turn and takes a connection, with which it is given back.
func (s *Store) takeTurn(ctx context.Context, alive bool) (*conn, error) {
	t := s.turns
	if t == nil {
		return s.take(ctx, alive)
	}
	if err := ctx.Err(); err != nil {
		return nil, store.Interrupted(err)
	}
	wait, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	select {
	case t.places <- struct{}{}:
	default:
		if err := t.wait(wait); err != nil {
			if ctx.Err() == nil && s.pool.Stat().AcquiredConns() > 0 {
				return nil, store.Crowded(err)
			}
			return nil, s.notTaken(ctx, err)
		}
	}
	c, err := s.takeWithin(ctx, wait, alive)
	if err != nil {
		t.end()
		return nil, err
	}
	if c.turn == nil {
		c.turn = time.AfterFunc(t.longest, t.end)
	} else {
		c.turn.Reset(t.longest)
	}
	return c, nil
}

func (t *turns) end() { <-t.places }

// wait waits for a turn until ctx is done.
func (t *turns) wait(ctx context.Context) error {
	began := time.Now()
	defer func() {
		t.waits.Add(1)
		t.waited.Add(int64(time.Since(began)))
	}()
	select {
	case t.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
