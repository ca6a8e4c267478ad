package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// keepReplies is how long a repeated request gets the first one's answer.
const keepReplies = 24 * time.Hour

// onceKey is what a request with an Idempotency-Key is known by.
type onceKey struct {
	key     string // of the stored reply; tells tenants and callers apart
	request string // tells requests apart
}

// checkKey refuses an Idempotency-Key header that holds no key.
func checkKey(x *front.Exchange) error {
	values := x.Request.Header["Idempotency-Key"]
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > 255 ||
		strings.ContainsFunc(values[0], func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return badHeader("Idempotency-Key", "one key of 1 to 255 printable ASCII characters")
	}
	return nil
}

// idempotencyKey reads the header of that name, which checkKey has passed. What a
// caller prefers to be told of a request, and when, makes no other request of it.
func idempotencyKey(x *front.Exchange, c access.Caller, body []byte) onceKey {
	h := sha256.New()
	for _, part := range []string{x.Request.Method, x.Request.URL.EscapedPath(),
		x.Request.Header.Get("If-Match"), string(body)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return onceKey{key: c.Once(x.Request.Header["Idempotency-Key"][0]), request: hex.EncodeToString(h.Sum(nil))}
}

func keyReused() error {
	return &dataflow.Error{Code: "idempotency_key_reused", Status: dataflow.StatusInvalid,
		Message: "the Idempotency-Key was used for another request",
		Hint:    "take a new key for a new request; to repeat a request, repeat it whole"}
}

func keyInFlight(err error) error {
	return &dataflow.Error{Code: "idempotency_in_flight", Status: dataflow.StatusConflict, Err: err,
		Message: "another request with the same Idempotency-Key is under way", Hint: "repeat the request in a moment for its answer"}
}

// writeOnce is write for a request with an Idempotency-Key: its answer is kept
// in the transaction of its effect, so that there is either both or neither.
// A second request at the same time waits for the first one's transaction,
// then finds its answer; where an engine lets both go on, the key's uniqueness
// undoes one.
func (d *writer) writeOnce(x *front.Exchange, w mutation) error {
	key := idempotencyKey(x, w.caller, w.body)
	var a answer
	var kept *access.Reply
	ctx := w.context(x)
	err := d.store.Write(ctx, func(tx store.Tx) (err error) {
		if kept, err = d.replies.Find(ctx, tx, key.key); err != nil || kept != nil {
			return err
		}
		if err := w.do(ctx, tx); err != nil {
			return err
		}
		if a, err = w.render(ctx); err != nil {
			return err
		}
		if w.prefer.rollback { // nothing happened that could be repeated
			return errRollback
		}
		return saveReply(ctx, d.replies, tx, key, a, x.Header().Get("Preference-Applied"), x.Out)
	})
	switch {
	case err != nil && !errors.Is(err, errRollback):
		return err
	case kept != nil:
		return replay(x, kept, key)
	}
	a.send(x)
	return nil
}

// saveReply keeps an answer. The store copies body.
func saveReply(ctx context.Context, replies *access.Replies, tx store.Tx, key onceKey, a answer, applied string, body []byte) error {
	header := dataflow.NewObject()
	for name, value := range map[string]string{"Location": a.location, "Etag": a.etag, "Preference-Applied": applied} {
		if value != "" {
			header.Set(name, value)
		}
	}
	err := replies.Save(ctx, tx, key.key, &access.Reply{Request: key.request, Status: a.status, Header: header, Body: body})
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "unique_violation" {
		return keyInFlight(err)
	}
	return err
}

// replay answers as the first request with the key was answered.
func replay(x *front.Exchange, kept *access.Reply, key onceKey) error {
	if kept.Request != key.request {
		return keyReused()
	}
	header := x.Header()
	header.Del("Preference-Applied")
	if kept.Header != nil {
		for name, v := range kept.Header.All {
			if s, ok := v.(string); ok {
				header[name] = []string{s}
			}
		}
	}
	header["Idempotent-Replayed"] = []string{"true"}
	x.Out = append(x.Out[:0], kept.Body...)
	answer{status: kept.Status}.send(x)
	return nil
}
