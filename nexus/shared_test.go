package nexus

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/flowctl/flowctl/nexus/front"
)

// A request that only listens to what outlives the generation neither holds the
// generation nor ends with it; one that has not said so ends with it.
func TestAStreamThatHasLeftOutlivesItsGeneration(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		g := &Generation{shared: newShared()}
		g.gate.init()
		began, over := make(chan struct{}), make(chan struct{})
		stream := streams(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if leaves {
				front.Leave(r.Context())
				front.Leave(r.Context()) // once more changes nothing
			}
			close(began)
			<-r.Context().Done()
			close(over)
		}), g, anyRequest)
		srv := httptest.NewServer(g.gate.guard(stream))
		go func() {
			if res, err := http.Get(srv.URL); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}()
		<-began
		g.gate.close() // returns once nobody is inside
		select {
		case <-over:
			if leaves {
				t.Error("the end of the generation was that of a stream that had left it")
			}
		default:
			if !leaves {
				t.Error("the generation has closed, and a stream that did not leave it goes on")
			}
		}
		g.shared.begin()
		<-over
		srv.Close()
	}
}
