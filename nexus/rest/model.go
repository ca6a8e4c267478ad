package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/front"
)

// model is what serving an exposed model needs, worked out beforehand.
type model struct {
	shows func(*dataflow.Model) bool
	exp   *dataflow.Exposure
	decl  *dataflow.Model
	ops   *access.Model
	writer
	path       string // "/api/orders"
	id         int    // position of the id
	version    int    // position of the version, or -1
	collection []string
	item       []string
	exports    chan struct{}              // holds a place for each export that is under way
	importing  chan struct{}              // and for each import
	patience   time.Duration              // with clients that take an export or send an import
	named      map[string]dataflow.OpKind // operations that are a POST to their name
}

func newModel(h *Handler, exp *dataflow.Exposure) *model {
	m := &model{
		shows:   h.app.Shows,
		exp:     exp,
		decl:    exp.Model,
		ops:     h.engine.Model(exp.Model),
		writer:  h.writer(exp.Model.Database),
		path:    "/api/" + exp.Path,
		id:      exp.Model.RoleIndex(dataflow.RoleID),
		version: exp.Model.RoleIndex(dataflow.RoleVersion),
		exports: h.exports, importing: h.imports, patience: h.o.StreamWrite,
		named: make(map[string]dataflow.OpKind),
	}
	for _, op := range exp.Served() {
		switch rt := OpRoute(op); rt.Suffix {
		case "":
			m.collection = append(m.collection, rt.Methods...)
		case "/{id}":
			m.item = append(m.item, rt.Methods...)
		default:
			m.named[op.String()] = op
		}
	}
	m.collection, m.item = inOrder(m.collection), inOrder(m.item)
	return m
}

// seeing returns a caller as the operations of a model that is served know
// them: the access rules apply, and rows of other models are shown only if
// those are served as well.
func (m *model) seeing(c access.Caller) access.Caller {
	c.Sees, c.Ruled = m.shows, true
	return c
}

func (h *Handler) writer(db *dataflow.Database) writer {
	return writer{store: h.engine.Store(db), replies: h.kept[db]}
}

// inOrder sorts methods as people list them and adds OPTIONS, if there are any.
func inOrder(ms []string) []string {
	if len(ms) == 0 {
		return nil
	}
	order := []string{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"}
	slices.SortFunc(ms, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return append(ms, http.MethodOptions)
}

// OperationRoute says where an operation of an exposed model is served.
type OperationRoute struct {
	Methods []string // the first is the usual one
	Suffix  string   // below the model's path
}

// OpRoute returns where an operation is served.
func OpRoute(op dataflow.OpKind) OperationRoute {
	switch op {
	case dataflow.OpCreate:
		return OperationRoute{[]string{"POST"}, ""}
	case dataflow.OpList:
		return OperationRoute{[]string{"GET", "HEAD"}, ""}
	case dataflow.OpRead:
		return OperationRoute{[]string{"GET", "HEAD"}, "/{id}"}
	case dataflow.OpUpdate:
		return OperationRoute{[]string{"PATCH", "PUT"}, "/{id}"}
	case dataflow.OpDelete:
		return OperationRoute{[]string{"DELETE"}, "/{id}"}
	}
	return OperationRoute{[]string{"POST"}, "/" + op.String()}
}

// collection serves /api/{model}.
func (h *Handler) collection(x *front.Exchange, name string) error {
	m, err := h.model(x.Caller, name)
	if err != nil {
		return err
	}
	if m.collection == nil {
		return m.notServed(x.Caller, "/api/{model}")
	}
	if done, err := checkMethod(x, m.collection); done || err != nil {
		return err
	}
	op := dataflow.OpList
	if x.Request.Method == http.MethodPost {
		op = dataflow.OpCreate
	}
	if err := m.asked(x, op); err != nil {
		return err
	}
	if op == dataflow.OpCreate {
		return m.create(x)
	}
	return m.list(x)
}

// item serves /api/{model}/{id}.
func (h *Handler) item(x *front.Exchange, name, segment string) error {
	m, err := h.model(x.Caller, name)
	if err != nil {
		return err
	}
	if x.Request.Method == http.MethodPost {
		return m.operation(x, segment)
	}
	if x.Request.Method == http.MethodOptions {
		if _, ok := m.named[segment]; ok {
			_, err := checkMethod(x, []string{http.MethodPost, http.MethodOptions})
			return err
		}
	}
	if m.item == nil {
		return m.notServed(x.Caller, "/api/{model}/{id}")
	}
	if done, err := checkMethod(x, m.item); done || err != nil {
		return err
	}
	if err := m.asked(x, m.itemOp(x.Request)); err != nil {
		return err
	}
	id, err := m.ops.ParseID(segment)
	if err != nil {
		return m.noRow(segment, err)
	}
	switch x.Request.Method {
	case http.MethodPatch:
		return m.update(x, id, false)
	case http.MethodPut:
		return m.update(x, id, true)
	case http.MethodDelete:
		return m.delete(x, id)
	}
	return m.get(x, id)
}

// itemOp is the operation that a request asks for of a row.
func (m *model) itemOp(r *http.Request) dataflow.OpKind {
	switch r.Method {
	case http.MethodPut:
		if m.makes(r) {
			return dataflow.OpCreate
		}
		return dataflow.OpUpdate
	case http.MethodPatch:
		return dataflow.OpUpdate
	case http.MethodDelete:
		return dataflow.OpDelete
	}
	return dataflow.OpRead
}

// makes reports whether a PUT is to make a row and not to replace one, which it
// can where callers choose ids.
func (m *model) makes(r *http.Request) bool {
	return len(r.Header["If-None-Match"]) > 0 && m.decl.ClientID && slices.Contains(m.collection, http.MethodPost)
}

// asked notes which operation a request asks for, and refuses whoever may not.
func (m *model) asked(x *front.Exchange, op dataflow.OpKind) error {
	if err := x.Operates(m.decl, op); err != nil {
		return err
	}
	return m.ops.May(x.Caller, op)
}

func (h *Handler) model(c access.Caller, name string) (*model, error) {
	m := h.models[name]
	if m == nil {
		return nil, h.noModel(c, name)
	}
	return m, nil
}

// notServed answers a path at which the exposure allows no operation at all.
func (m *model) notServed(c access.Caller, pattern string) error {
	var ops []string
	for _, op := range m.opsFor(c) {
		ops = append(ops, op.String())
	}
	hint := "you may do nothing with " + m.decl.Name
	if len(ops) > 0 {
		hint = "the operations of " + m.decl.Name + " that are served: " + strings.Join(ops, ", ")
	}
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.decl.Name,
		Message: "nothing is served at " + strings.Replace(pattern, "/api/{model}", m.path, 1), Hint: hint}
}

// noRow answers an id that can't be one. It may be an operation's name.
func (m *model) noRow(segment string, err error) error {
	if _, ok := m.named[segment]; !ok && (segment != importName || m.imports() == nil) {
		return err
	}
	e := *dataflow.AsError(err)
	e.Hint = "the operation is POST " + m.path + "/" + segment
	return &e
}

// noOperation answers a POST to a name that is no operation.
func (m *model) noOperation(c access.Caller, segment string) error {
	names := make([]string, 0, len(m.named))
	for _, op := range m.opsFor(c) {
		if _, ok := m.named[op.String()]; ok {
			names = append(names, op.String())
		}
	}
	hint := dataflow.DidYouMean(segment, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = "there is no operation with a name of its own that you may do"
		if len(m.named) == 0 {
			hint = "the exposure has no operations with a name of their own"
		}
	default:
		hint = dataflow.ThereAre(names)
	}
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.decl.Name,
		Message: m.path + " has no operation " + quote(segment), Hint: hint}
}

// location is the path of a row.
func (m *model) location(id any) string {
	switch id := id.(type) {
	case int64:
		return m.path + "/" + strconv.FormatInt(id, 10)
	case string:
		return m.path + "/" + url.PathEscape(id)
	}
	return m.path
}
