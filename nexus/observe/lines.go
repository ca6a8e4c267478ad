package observe

import (
	"io"
	"sync"
	"time"
)

// Lines is where the lines of a log go, some of which may wait for others, so
// that many are one system call. It is safe for concurrent use. Lines come out
// whole, in the order in which they were written.
type Lines struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	busy    bool // a line was written lately: those that may wait do
	closed  bool
	timer   *time.Timer
}

const (
	// lineWait is how long a line waits at most.
	lineWait = 10 * time.Millisecond
	// lineRoom is how much waits at most. What comes then is written by who
	// brings it, so that nothing is lost where the reader is slow.
	lineRoom = 32 << 10
)

// NewLines returns a way out to a writer. Until Close, lines may wait.
func NewLines(out io.Writer) *Lines {
	l := &Lines{out: out}
	l.timer = time.AfterFunc(time.Hour, l.due)
	l.timer.Stop()
	return l
}

// Write writes a line now, behind all that waits.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	return l.out.Write(p)
}

// Close writes what waits. Lines that come later do not wait any more.
func (l *Lines) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.timer.Stop()
	l.busy, l.closed = false, true
}

// Patient returns a writer for lines that may wait: the first of a while is
// written now, those that follow it together, soon.
func (l *Lines) Patient() io.Writer { return patient{l} }

type patient struct{ *Lines }

// Write implements io.Writer.
func (w patient) Write(p []byte) (int, error) {
	l := w.Lines
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		if !l.closed {
			l.busy = true
			l.timer.Reset(lineWait)
		}
		return l.out.Write(p)
	}
	if l.waiting = append(l.waiting, p...); len(l.waiting) >= lineRoom {
		l.flush()
	}
	return len(p), nil
}

// due writes what has waited. Where nothing has, the next line need not wait.
func (l *Lines) due() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy = len(l.waiting) > 0; l.busy {
		l.flush()
		l.timer.Reset(lineWait)
	}
}

// flush writes what waits. An error is nobody's: who brought the lines is gone,
// and a log that can't be written can't be told of in the log.
func (l *Lines) flush() {
	if len(l.waiting) > 0 {
		_, _ = l.out.Write(l.waiting)
		l.waiting = l.waiting[:0]
	}
}
