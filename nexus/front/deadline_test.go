package front

import (
	"context"
	"errors"
	"testing"
	"time"
)

func deadline(parent context.Context, d time.Duration) *deadlineCtx {
	return &deadlineCtx{Context: parent, at: time.Now().Add(d)}
}

func TestDeadlineEnds(t *testing.T) {
	c := deadline(t.Context(), time.Millisecond)
	child, cancel := context.WithCancel(c)
	defer cancel()
	<-child.Done()
	if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(c.Err(), context.DeadlineExceeded) {
		t.Errorf("a child ended with %v, the context with %v", child.Err(), c.Err())
	}
}

func TestDeadlineFollowsItsParent(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	c := deadline(parent, time.Hour)
	done := make(chan struct{})
	context.AfterFunc(c, func() { close(done) })
	cancel()
	<-done
	if !errors.Is(c.Err(), context.Canceled) {
		t.Errorf("ended with %v", c.Err())
	}
}

func TestDeadlineIsKnownWithoutATimer(t *testing.T) {
	c := deadline(t.Context(), time.Hour)
	if c.Err() != nil || c.timed.Load() != nil {
		t.Errorf("asking for its error, %v, started a timer", c.Err())
	}
	c = deadline(t.Context(), -time.Second)
	if !errors.Is(c.Err(), context.DeadlineExceeded) {
		t.Error("a deadline that is past is not noticed")
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c = deadline(soon, time.Hour)
	want, _ := soon.Deadline()
	if at, ok := c.Deadline(); !ok || !at.Equal(want) {
		t.Errorf("the deadline is %v, want the parent's %v, which is sooner", at, want)
	}
}

func TestStopEndsTheTimer(t *testing.T) {
	c := deadline(t.Context(), time.Hour)
	<-func() chan struct{} {
		ch := make(chan struct{})
		context.AfterFunc(c, func() { close(ch) })
		c.stop()
		return ch
	}()
	late := deadline(t.Context(), time.Hour)
	late.stop()
	if late.Done() != t.Context().Done() {
		t.Error("a context that is over starts a timer")
	}
}

// Who still holds the context when its request is over, without having waited
// before, sees the end of the request.
func TestADeadlineAfterItsRequest(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	c := deadline(parent, -time.Second)
	c.stop()
	if err := c.Err(); err != nil {
		t.Errorf("before the request has ended: %v", err)
	}
	cancel()
	<-c.Done()
	if err := c.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
