package rest

import (
	"context"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// racedTx is a transaction that finds, when it comes to keep a key, that
// another has kept it: an engine that lets writers go on side by side does so.
type racedTx struct{ store.Tx }

func (racedTx) Delete(context.Context, *dataflow.Model, query.Expr) (int64, error) { return 0, nil }

func (racedTx) Insert(context.Context, *dataflow.Model, []int, [][]any) ([]any, error) {
	return nil, &dataflow.Error{Code: "unique_violation", Status: dataflow.StatusConflict}
}

func TestAKeyThatIsTakenMeanwhileIsAConflict(t *testing.T) {
	replies := access.NewReplies(&dataflow.Database{Name: "db"}, access.Options{Now: time.Now}, time.Hour)
	err := saveReply(t.Context(), replies, racedTx{}, onceKey{"k", "r"}, answer{status: 201}, "", nil)
	e := dataflow.AsError(err)
	if e.Code != "idempotency_in_flight" || e.Status != dataflow.StatusConflict {
		t.Errorf("got %v", err)
	}
}
