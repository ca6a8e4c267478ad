package observe_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowctl/flowctl/nexus/observe"
)

// sink keeps each write by itself.
type sink struct {
	mu     sync.Mutex
	writes []string
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func (s *sink) is(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.writes, "|"); got != strings.Join(want, "|") {
		t.Errorf("written:\n%s\nwant:\n%s", got, strings.Join(want, "|"))
	}
}

func TestLinesThatMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		lines := observe.NewLines(out)
		defer lines.Close()
		slow := lines.Patient()
		write := func(text string) { fmt.Fprintln(slow, text) }

		write("1") // nothing was written lately
		out.is(t, "1\n")
		write("2")
		write("3")
		out.is(t, "1\n")
		time.Sleep(10 * time.Millisecond) // by the bubble's clock: nobody waits
		synctest.Wait()
		out.is(t, "1\n", "2\n3\n")
		write("4")
		fmt.Fprintln(lines, "bad") // does not wait, nor overtake
		out.is(t, "1\n", "2\n3\n", "4\n", "bad\n")
		time.Sleep(time.Second) // likewise
		synctest.Wait()
		write("5")
		out.is(t, "1\n", "2\n3\n", "4\n", "bad\n", "5\n")
		write("6")
		lines.Close()
		write("7") // nobody would come for it
		out.is(t, "1\n", "2\n3\n", "4\n", "bad\n", "5\n", "6\n", "7\n")
	})
}

func TestLinesThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := observe.NewLines(&out)
		defer lines.Close()
		line := strings.Repeat("x", 1023) + "\n"
		for range 100 {
			fmt.Fprint(lines.Patient(), line)
		}
		if waiting := 100<<10 - out.Len(); waiting > 32<<10 {
			t.Errorf("%d bytes wait", waiting)
		}
		lines.Close()
		if out.String() != strings.Repeat(line, 100) {
			t.Error("lines are lost, or not whole")
		}
	})
}

func TestNoLineIsLostOrTorn(t *testing.T) {
	out := &sink{}
	lines := observe.NewLines(out)
	var wg sync.WaitGroup
	for writer := range 8 {
		wg.Go(func() {
			for i := range 500 {
				text := fmt.Sprintf("%d %d\n", writer, i)
				if i%50 == 0 {
					fmt.Fprint(lines, text)
				} else {
					fmt.Fprint(lines.Patient(), text)
				}
			}
		})
	}
	wg.Wait()
	lines.Close()
	next := [8]int{}
	for line := range strings.Lines(strings.Join(out.writes, "")) {
		var writer, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &writer, &i); err != nil || next[writer] != i {
			t.Fatalf("%q: the next of its writer is %d", line, next[writer])
		}
		next[writer]++
	}
	if next != [8]int{500, 500, 500, 500, 500, 500, 500, 500} {
		t.Error(next)
	}
}
