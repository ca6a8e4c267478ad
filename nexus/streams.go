package nexus

import (
	"context"
	"io"
	"net/http"
	"time"
)

// cutStreams ends a request that only listens when its generation closes: it
// would never end by itself. Requests that do something are left to finish.
func cutStreams(next http.Handler, g *gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(g.closing, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// timed limits the time a body may take to arrive, for a channel that reads
// bodies itself. Once the body is there the limit is lifted: the answer may be
// a stream.
func timed(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.ContentLength != 0 {
			control := http.NewResponseController(w)
			// Not every writer has deadlines (a test's recorder has none).
			_ = control.SetReadDeadline(time.Now().Add(limit))
			r.Body = &timedBody{r.Body, control}
		}
		next.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
