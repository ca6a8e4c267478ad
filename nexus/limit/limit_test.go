package limit

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func take(t *testing.T, l *Limiter, addr string, now time.Time, n int) int {
	t.Helper()
	allowed := 0
	for range n {
		if ok, _ := l.Allow(netip.MustParseAddr(addr), now); ok {
			allowed++
		}
	}
	return allowed
}

func TestAllowanceIsPerAddressAndRefills(t *testing.T) {
	l := New(6)
	if got := take(t, l, "10.0.0.1", start, 10); got != 6 {
		t.Errorf("the first address was allowed %d of 10, want 6", got)
	}
	if got := take(t, l, "10.0.0.2", start, 10); got != 6 {
		t.Errorf("the second address was allowed %d of 10, want 6", got)
	}
	if got := take(t, l, "10.0.0.1", start.Add(20*time.Second), 10); got != 2 {
		t.Errorf("after 20 s the first address was allowed %d of 10, want 2", got)
	}
}

func TestWaitIsWhenTheNextRequestIsAllowed(t *testing.T) {
	l := New(6)
	take(t, l, "10.0.0.1", start, 6)
	addr := netip.MustParseAddr("10.0.0.1")
	_, wait := l.Allow(addr, start)
	if wait != 10*time.Second {
		t.Fatalf("wait is %v, want 10s", wait)
	}
	if ok, _ := l.Allow(addr, start.Add(wait)); !ok {
		t.Error("refused after the wait it was given")
	}
}

func TestAnIPv6NetworkIsOneClient(t *testing.T) {
	l := New(2)
	if got := take(t, l, "2001:db8::1", start, 2) + take(t, l, "2001:db8::2", start, 2); got != 2 {
		t.Errorf("two addresses of one /64 were allowed %d, want 2", got)
	}
	if got := take(t, l, "::ffff:10.0.0.1", start, 2) + take(t, l, "10.0.0.1", start, 2); got != 2 {
		t.Errorf("an IPv4 address in both its forms was allowed %d, want 2", got)
	}
}

func TestLessThanOneAMinute(t *testing.T) {
	l := New(0.5)
	if got := take(t, l, "10.0.0.1", start, 3); got != 1 {
		t.Errorf("allowed %d, want 1", got)
	}
	// Another client's arrival sweeps; the first one's allowance must survive.
	take(t, l, "10.0.0.2", start.Add(90*time.Second), 1)
	if got := take(t, l, "10.0.0.1", start.Add(90*time.Second), 1); got != 0 {
		t.Error("allowed again after 90 s, want 120 s")
	}
}

func TestManyAddressesDoNotFillMemory(t *testing.T) {
	l := New(1)
	for i := range uint32(maxClients + 100) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], i)
		l.Allow(netip.AddrFrom4(a), start)
	}
	if len(l.clients) > maxClients {
		t.Errorf("%d clients kept, want at most %d", len(l.clients), maxClients)
	}
	take(t, l, "192.168.0.1", start.Add(2*time.Minute+time.Second), 1)
	if len(l.clients) != 1 {
		t.Errorf("%d clients kept after all were idle, want 1", len(l.clients))
	}
}
