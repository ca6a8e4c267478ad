package engine_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// deadServer is a transport on which calls take a while and come to nothing,
// until it is back.
type deadServer struct {
	calls, under, most atomic.Int64
	back               atomic.Bool
}

func (d *deadServer) RoundTrip(req *http.Request) (*http.Response, error) {
	d.calls.Add(1)
	n := d.under.Add(1)
	defer d.under.Add(-1)
	for {
		old := d.most.Load()
		if n <= old || d.most.CompareAndSwap(old, n) {
			break
		}
	}
	if d.back.Load() {
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		return nil, errors.New("connection refused")
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// calling is an engine of one workflow that calls a service, five times more
// if that fails.
func calling(t *testing.T, client *http.Client) *engine.Engine {
	t.Helper()
	node := ft.Node("HTTPRequestNode", "n", ft.Obj("url", "http://pay.test/"), func(n *dataflow.Node) {
		n.Retry = &dataflow.Retry{Max: 5, Backoff: 100 * time.Millisecond}
	})
	return engineOf(t, engine.Options{Client: client}, []*dataflow.Workflow{ft.Workflow("w", node)})
}

func TestManyRunsThatRetryDoNotStormADeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &deadServer{}
		e := calling(t, &http.Client{Transport: dead})
		const runs = 400
		before := runtime.NumGoroutine()
		var wg sync.WaitGroup
		var failed, busy atomic.Int64
		for range runs {
			wg.Go(func() {
				_, err := e.Run(context.Background(), engine.Request{Workflow: "w"})
				switch dataflow.AsError(err).Code {
				case "upstream":
					failed.Add(1)
				case "busy":
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > runs+100 {
			t.Errorf("%d goroutines for %d runs", n, runs)
		}
		wg.Wait()
		// Without a bound there are 2400 calls, 400 of them at once.
		if calls, most := dead.calls.Load(), dead.most.Load(); calls > 80 || most > 64 {
			t.Errorf("%d calls, %d of them at once", calls, most)
		}
		if failed.Load()+busy.Load() != runs {
			t.Errorf("%d failed and %d were turned away, of %d", failed.Load(), busy.Load(), runs)
		}

		// It is found again by one call, once it is back.
		dead.back.Store(true)
		rest := time.NewTimer(31 * time.Second)
		<-rest.C
		dead.calls.Store(0)
		for range 5 {
			if _, err := e.Run(context.Background(), engine.Request{Workflow: "w"}); err != nil {
				t.Errorf("the server is back: %v", err)
			}
		}
		if n := dead.calls.Load(); n != 5 {
			t.Errorf("%d calls for 5 runs", n)
		}
	})
}

func TestACallerWhoGoesAwayIsNoSilenceOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &deadServer{}
		e := calling(t, &http.Client{Transport: dead})
		for range 30 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			if _, err := e.Run(ctx, engine.Request{Workflow: "w"}); dataflow.AsError(err).Code != "timeout" {
				t.Errorf("%v", err)
			}
			cancel()
		}
		dead.back.Store(true)
		if _, err := e.Run(context.Background(), engine.Request{Workflow: "w"}); err != nil {
			t.Error(err)
		}
	})
}
