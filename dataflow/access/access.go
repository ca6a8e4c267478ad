// Package access owns what an operation on a model means: the eleven
// operations with their arguments and results, defaults, validation and hooks,
// versions, soft delete, tenants, the audit log. REST, MCP, workflows and
// handlers all come through it, so that one set of rules holds. It knows
// nothing of SQL, HTTP or graphs: below it is a store.Reader or store.Tx,
// handed in with each call.
package access

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Options are what a Model needs from outside.
type Options struct {
	Now   func() time.Time // UTC is taken of it
	NewID func() string    // a new uuid; version 7, RFC 9562
}

// Caller is who asks.
type Caller struct {
	User   *dataflow.Object // nil if nobody is signed in
	Tenant string           // "" if none is known; multi-tenant models then refuse
}

// Model runs the operations of one model. It is immutable.
type Model struct{}

// New prepares the operations of m.
func New(m *dataflow.Model, o Options) *Model { panic("unwritten") }

// Spec describes the node type of an operation.
func Spec(op dataflow.Op) *dataflow.NodeSpec { panic("unwritten") }

// SystemModels returns the models of the runtime's own tables in db: the audit
// log and the store of idempotency keys. They belong to no file.
func SystemModels(db *dataflow.Database) []*dataflow.Model { panic("unwritten") }

// Declared returns the model as declared.
func (m *Model) Declared() *dataflow.Model { panic("unwritten") }

// Do runs an operation with a node's arguments and returns the node's result,
// as Spec describes both. r must be a store.Tx if the operation writes.
func (m *Model) Do(ctx context.Context, r store.Reader, c Caller, op dataflow.OpKind, args *dataflow.Object) (any, error) {
	panic("unwritten")
}

// NewRow makes the row that a create with this JSON body would add: decoded,
// defaults filled in, hooks and validation run. It needs no transaction, so
// that none is held while user code runs.
func (m *Model) NewRow(ctx context.Context, c Caller, body []byte) (*dataflow.Object, error) {
	panic("unwritten")
}

// Insert adds a row that NewRow made, and gives it its id.
func (m *Model) Insert(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object) error {
	panic("unwritten")
}

// AppendRow appends the JSON of a whole row, computed values included.
func (m *Model) AppendRow(ctx context.Context, row *dataflow.Object, dst []byte) ([]byte, error) {
	panic("unwritten")
}

// UpdateJSON changes the fields that a JSON body names. version, if not nil,
// must be the row's. replace (PUT) sets fields left out to default or null.
func (m *Model) UpdateJSON(ctx context.Context, tx store.Tx, c Caller, id any, body []byte, version *int64, replace bool) (row *dataflow.Object, err error) {
	panic("unwritten")
}

// Delete removes (or, with soft delete, hides) a row.
func (m *Model) Delete(ctx context.Context, tx store.Tx, c Caller, id any, version *int64) error {
	panic("unwritten")
}

// GetJSON appends the JSON of a row and returns its version (0 unless the
// model is versioned).
func (m *Model) GetJSON(ctx context.Context, r store.Reader, c Caller, id any, fields []int, dst []byte) (out []byte, version int64, err error) {
	panic("unwritten")
}

// ListQuery asks for a page of rows.
type ListQuery struct {
	Filter  query.Expr
	Sort    []query.Order
	Fields  []int // nil is all
	Limit   int   // 1 to MaxLimit; 0 is DefaultLimit
	Offset  int
	Cursor  string // opaque; excludes Offset
	Count   bool   // also count every match
	Deleted bool   // soft-deleted rows too
}

// Limits of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Page is what a list says beside its rows.
type Page struct {
	Count      int   // rows in this page
	Total      int64 // -1 unless asked for
	NextCursor string
	HasMore    bool
}

// ListJSON appends a JSON array of rows.
func (m *Model) ListJSON(ctx context.Context, r store.Reader, c Caller, q ListQuery, dst []byte) ([]byte, Page, error) {
	panic("unwritten")
}

// ParseID reads an id from a path segment.
func (m *Model) ParseID(s string) (any, error) { panic("unwritten") }
