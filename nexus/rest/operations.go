package rest

import (
	"context"
	"net/http"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// operation serves POST /api/{model}/{name}: count, aggregate, upsert and the bulk ones.
// The body holds the arguments of the operation's node.
func (m *model) operation(x *front.Exchange, name string) error {
	op, ok := m.named[name]
	if !ok {
		return m.noOperation(x.Caller, name)
	}
	if err := m.asked(x, op); err != nil {
		return err
	}
	w, err := m.begin(x)
	if err != nil {
		return err
	}
	args := dataflow.NewObject()
	if w.body, err = jsonBody(x); err != nil {
		return err
	}
	if w.body != nil {
		if args, err = objectBody(w.body); err != nil {
			return err
		}
	}
	if !op.Writes() {
		n, err := m.ops.Do(x.Context(), m.store, w.caller, op, args)
		if err != nil {
			return err
		}
		return sendValue(x, http.StatusOK, n)
	}
	return m.writeOperation(x, op, w, args)
}

func (m *model) writeOperation(x *front.Exchange, op dataflow.OpKind, w mutation, args *dataflow.Object) error {
	bulk := op != dataflow.OpUpsert
	if bulk {
		preferenceApplied(x, w.prefer.tx(), w.prefer.affected())
	} else {
		preferenceApplied(x, w.prefer.returned(), w.prefer.tx())
	}
	var result *dataflow.Object
	w.do = func(ctx context.Context, tx store.Tx) error {
		v, err := m.ops.Do(ctx, tx, w.caller, op, args)
		if err != nil {
			return err
		}
		result = v.(*dataflow.Object)
		if bulk {
			return m.checkAffected(result, w.prefer.maxAffected)
		}
		return nil
	}
	w.render = func(context.Context) (answer, error) {
		x.Out = x.Out[:0]
		if bulk {
			x.Out = codec.AppendValue(x.Out, result)
			return answer{status: http.StatusOK}, nil
		}
		return m.upserted(x, w.prefer, result), nil
	}
	return m.write(x, w)
}

// upserted answers an upsert as the create or the update that it was.
func (m *model) upserted(x *front.Exchange, p prefer, result *dataflow.Object) answer {
	a := answer{status: http.StatusOK}
	created, _ := result.Get("created")
	record, _ := result.Get("record")
	row, _ := record.(*dataflow.Object)
	if row != nil {
		if v, _ := row.Get("version"); m.version >= 0 {
			version, _ := v.(int64)
			a.etag = etag(version)
		}
		id, _ := row.Get(m.decl.ID().Name)
		if created == true && !p.rollback {
			a.location = m.location(id)
		}
		if created == true {
			a.status = http.StatusCreated
		}
	}
	switch {
	case !p.minimal:
		x.Out = codec.AppendValue(x.Out, result)
	case created != true:
		a.status = http.StatusNoContent
	}
	return a
}

// checkAffected refuses, and so undoes, a write to more rows than the caller
// meant to touch.
func (m *model) checkAffected(result *dataflow.Object, limit int64) error {
	if n := affectedBy(result); limit >= 0 && n > limit {
		return tooManyAffected(m.decl.Name, n)
	}
	return nil
}

// affectedBy is how many rows a bulk operation says that it has written.
func affectedBy(result *dataflow.Object) int64 {
	for _, name := range []string{"upserted", "inserted", "updated", "deleted"} {
		v, _ := result.Get(name)
		if n, ok := v.(int64); ok {
			return n
		}
	}
	return 0
}

func tooManyAffected(model string, n int64) error {
	return &dataflow.Error{Code: "max_affected", Status: dataflow.StatusRejected, Model: model,
		Message: dataflow.Counted(n, "row") + " would have been written, more than Prefer: max-affected allows",
		Hint:    "narrow the filter, or raise max-affected; nothing was changed"}
}
