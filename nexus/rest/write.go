package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/front"
)

// answer is what a write is answered with; its body is in x.Out.
type answer struct {
	status   int
	location string
	etag     string
}

// mutation is a request that writes: do runs inside one transaction (again, if
// the store asks for a retry), alone, if not nil, does the same in a transaction
// that it makes itself, render words the answer afterwards. If render fails,
// what it returns beside the error is the answer without a body.
type mutation struct {
	ctx    context.Context // nil: that of the request, with its deadline
	caller access.Caller
	prefer prefer
	body   []byte
	do     func(ctx context.Context, tx store.Tx) error
	alone  func(ctx context.Context) error
	render func(ctx context.Context) (answer, error)
}

// errRollback ends a transaction whose caller wants nothing kept.
var errRollback = errors.New("rollback preferred")

// writer is where mutations of a database go: into it, their answers beside them.
type writer struct {
	store   store.Store
	replies *access.Replies
}

// write does a mutation and answers it.
func (d *writer) write(x *front.Exchange, w mutation) error {
	if len(x.Request.Header["Idempotency-Key"]) > 0 {
		return d.writeOnce(x, w)
	}
	ctx := w.context(x)
	err := d.transact(ctx, w)
	if err != nil && !errors.Is(err, errRollback) {
		return err
	}
	a, err := w.render(ctx)
	if err != nil {
		// The write is done, and a failure would ask for it to be repeated: say
		// that it is done, though the row can't be shown.
		x.LogFault(err)
		x.Out = x.Out[:0]
	}
	a.send(x)
	return nil
}

func (w *mutation) context(x *front.Exchange) context.Context {
	if w.ctx != nil {
		return w.ctx
	}
	return x.Context()
}

// transact does a mutation in a transaction of its own.
func (d *writer) transact(ctx context.Context, w mutation) error {
	if w.alone != nil && !w.prefer.rollback {
		return w.alone(ctx)
	}
	return d.store.Write(ctx, func(tx store.Tx) error {
		if err := w.do(ctx, tx); err != nil || !w.prefer.rollback {
			return err
		}
		return errRollback
	})
}

// send sends an answer.
func (a answer) send(x *front.Exchange) {
	header := x.Header()
	if a.location != "" {
		header["Location"] = []string{a.location}
	}
	if a.etag != "" {
		header["Etag"] = []string{a.etag}
	}
	if len(x.Out) == 0 {
		x.Empty(a.status)
		return
	}
	x.Send(a.status)
}

// begin reads what all writes have in common.
func (m *model) begin(x *front.Exchange) (w mutation, err error) {
	w, err = begin(x)
	w.caller = m.seeing(x.Caller)
	return w, err
}

func begin(x *front.Exchange) (w mutation, err error) {
	if x.Request.URL.RawQuery != "" {
		return w, noParameters(x.Request.URL.RawQuery)
	}
	if err := checkKey(x); err != nil {
		return w, err
	}
	w.prefer.maxAffected = -1
	if len(x.Request.Header["Prefer"]) > 0 {
		w.prefer = preferences(x)
	}
	return w, nil
}

func preferenceApplied(x *front.Exchange, parts ...string) {
	if s := applied(parts...); s != "" {
		x.Header()["Preference-Applied"] = []string{s}
	}
}

// create adds a row.
func (m *model) create(x *front.Exchange) error {
	w, err := m.begin(x)
	if err != nil {
		return err
	}
	if w.body, err = requiredBody(x); err != nil {
		return err
	}
	return m.add(x, w, w.body)
}

// createAt adds a row under an id, if there is none (PUT, If-None-Match: *).
func (m *model) createAt(x *front.Exchange, id any) error {
	w, err := m.begin(x)
	if err != nil {
		return err
	}
	if w.body, err = requiredBody(x); err != nil {
		return err
	}
	row, err := objectBody(w.body)
	if err != nil {
		return err
	}
	name := m.decl.ID().Name
	at := codec.AppendValue(nil, id)
	if given, ok := row.Get(name); ok && string(codec.AppendValue(nil, given)) != string(at) {
		return dataflow.Invalid(dataflow.Problem{Code: "immutable", Pointer: pointer(name), Detail: "is another id than that of the path", Hint: "leave it out"})
	}
	row.Set(name, id)
	err = m.add(x, w, codec.AppendValue(nil, row))
	if e := dataflow.AsError(err); err != nil && e.Code == "unique_violation" && slices.ContainsFunc(e.Problems, func(p dataflow.Problem) bool { return p.Pointer == pointer(name) }) {
		return thereAlready(m.decl)
	}
	return err
}

// add adds the row that a body of JSON says.
func (m *model) add(x *front.Exchange, w mutation, body []byte) error {
	preferenceApplied(x, w.prefer.returned(), w.prefer.tx())
	row, err := m.ops.NewRow(x.Context(), w.caller, body)
	if err != nil {
		return err
	}
	var done *access.Written
	w.do = func(ctx context.Context, tx store.Tx) (err error) {
		done, err = m.ops.Insert(ctx, tx, w.caller, row)
		return err
	}
	w.alone = func(ctx context.Context) (err error) {
		done, err = m.ops.Add(ctx, m.store, w.caller, row)
		return err
	}
	w.render = func(ctx context.Context) (answer, error) {
		a, err := m.rowAnswer(ctx, x, w.prefer, done, http.StatusCreated, http.StatusCreated)
		if !w.prefer.rollback { // there is nothing at the place of a row that was not kept
			a.location = m.location(done.ID())
		}
		return a, err
	}
	return m.write(x, w)
}

// rowAnswer answers with a row, unless the caller wants little.
func (m *model) rowAnswer(ctx context.Context, x *front.Exchange, p prefer, row *access.Written, full, minimal int) (a answer, err error) {
	a.status = full
	if v := row.Version(); v != 0 {
		a.etag = etag(v)
	}
	x.Out = x.Out[:0]
	if p.minimal {
		a.status = minimal
		return a, nil
	}
	if x.Out, err = row.AppendJSON(ctx, x.Out); err != nil {
		a.status = minimal
	}
	return a, err
}

// update changes a row (PATCH) or replaces it (PUT).
func (m *model) update(x *front.Exchange, id any, replace bool) error {
	fresh, err := onlyNew(x)
	switch {
	case err != nil:
		return err
	case fresh && replace && m.makes(x.Request):
		return m.createAt(x, id)
	case fresh:
		return m.neverNew(x, id)
	}
	w, err := m.begin(x)
	if err != nil {
		return err
	}
	cond, err := m.require(x)
	if err != nil {
		return err
	}
	if w.body, err = requiredBody(x); err != nil {
		return err
	}
	preferenceApplied(x, w.prefer.returned(), w.prefer.tx())
	var row *access.Written
	w.do = func(ctx context.Context, tx store.Tx) error {
		version, err := m.expect(ctx, tx, w.caller, id, cond)
		if err == nil {
			row, err = m.ops.UpdateJSON(ctx, tx, w.caller, id, w.body, version, replace)
		}
		return err
	}
	w.render = func(ctx context.Context) (answer, error) {
		return m.rowAnswer(ctx, x, w.prefer, row, http.StatusOK, http.StatusNoContent)
	}
	return m.write(x, w)
}

// neverNew answers If-None-Match: * where no row can be made under an id.
func (m *model) neverNew(x *front.Exchange, id any) error {
	if _, _, err := m.ops.GetJSON(x.Context(), m.store, m.seeing(x.Caller), id, []int{m.id}, nil); err != nil {
		return err
	}
	return thereAlready(m.decl)
}

// delete removes a row.
func (m *model) delete(x *front.Exchange, id any) error {
	w, err := m.begin(x)
	if err != nil {
		return err
	}
	cond, err := m.require(x)
	if err != nil {
		return err
	}
	if body, err := x.Body(); err != nil || len(body) > 0 {
		return errors.Join(err, noBody(body))
	}
	preferenceApplied(x, w.prefer.returned(), w.prefer.tx())
	w.do = func(ctx context.Context, tx store.Tx) error {
		version, err := m.expect(ctx, tx, w.caller, id, cond)
		if err != nil {
			return err
		}
		return m.ops.Delete(ctx, tx, w.caller, id, version)
	}
	w.render = func(context.Context) (answer, error) {
		x.Out = x.Out[:0]
		if !w.prefer.representation {
			return answer{status: http.StatusNoContent}, nil
		}
		x.Out = codec.AppendValue(x.Out, dataflow.ObjectOf("id", id, "deleted", true))
		return answer{status: http.StatusOK}, nil
	}
	return m.write(x, w)
}

func noBody(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "a DELETE takes no body", Hint: "POST to bulk_delete deletes many rows"}
}

// expect turns a condition into the version that the row must have; nil is any.
func (m *model) expect(ctx context.Context, tx store.Tx, c access.Caller, id any, cond condition) (*int64, error) {
	switch {
	case cond.any || !cond.given:
		return nil, nil
	case len(cond.of) == 1:
		return &cond.of[0], nil
	}
	_, version, err := m.ops.GetJSON(ctx, tx, c, id, []int{m.id}, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(cond.of, version) {
		return nil, preconditionFailed(m.decl, cond)
	}
	return &version, nil
}
