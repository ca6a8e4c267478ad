package access

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Reply is an answer that was given to a request with an idempotency key.
type Reply struct {
	Request string // tells whether a later request with the key is the same one
	Status  int
	Header  *dataflow.Object
	Body    []byte
}

// Replies keeps answers by idempotency key, in the transaction of the writes
// they tell about. It is safe for concurrent use.
type Replies struct {
	m     *dataflow.Model
	clock *clock
	keep  time.Duration
}

// NewReplies returns the replies kept in db. They are forgotten after keep.
func NewReplies(db *dataflow.Database, o Options, keep time.Duration) *Replies {
	return &Replies{m: repliesModel(db), clock: &clock{now: o.Now}, keep: keep}
}

// Positions of a kept reply's fields.
const (
	replyID = iota
	replyRequest
	replyStatus
	replyHeader
	replyBody
	replyCreatedAt
	replyUpdatedAt
	replyFields
)

func newRepliesModel(db *dataflow.Database) *dataflow.Model {
	return SystemModel(db, "_flow_idempotency", dataflow.String,
		&dataflow.Field{Name: "request", Type: dataflow.String},
		&dataflow.Field{Name: "status", Type: dataflow.Int},
		&dataflow.Field{Name: "header", Type: &dataflow.Type{Kind: dataflow.KindJSON}, Optional: true},
		&dataflow.Field{Name: "body", Type: &dataflow.Type{Kind: dataflow.KindBytes}, Optional: true},
	)
}

// Find returns the reply kept under a key, or nil. The key must already tell
// callers apart.
func (r *Replies) Find(ctx context.Context, from store.Reader, key string) (*Reply, error) {
	where := query.And{
		compare(r.m, replyID, query.Eq, key),
		compare(r.m, replyCreatedAt, query.Gt, r.clock.tick().Add(-r.keep)),
	}
	var found *Reply
	err := from.Select(ctx, &query.Select{Model: r.m, Where: where, Limit: 1}, func(row store.Row) error {
		found = &Reply{}
		found.Request, _ = row.Value(replyRequest).(string)
		status, _ := row.Value(replyStatus).(int64)
		found.Status = int(status)
		found.Header = objectIn(row.Value(replyHeader))
		found.Body, _ = row.Value(replyBody).([]byte)
		return nil
	})
	return found, err
}

// Save keeps a reply under a key and drops those whose time is over. A key in
// use is a "unique_violation".
func (r *Replies) Save(ctx context.Context, tx store.Tx, key string, reply *Reply) error {
	now := r.clock.tick()
	if _, err := tx.Delete(ctx, r.m, compare(r.m, replyCreatedAt, query.Lte, now.Add(-r.keep))); err != nil {
		return err
	}
	row := make([]any, replyFields)
	row[replyID], row[replyRequest], row[replyStatus] = key, reply.Request, int64(reply.Status)
	if reply.Header != nil {
		row[replyHeader] = rawJSON(reply.Header)
	}
	if reply.Body != nil {
		row[replyBody] = reply.Body
	}
	row[replyCreatedAt], row[replyUpdatedAt] = now, now
	fields := make([]int, replyFields)
	for i := range fields {
		fields[i] = i
	}
	_, err := tx.Insert(ctx, r.m, fields, [][]any{row})
	return err
}
