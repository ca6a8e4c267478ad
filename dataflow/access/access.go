// Package access owns what an operation on a model means: the eleven
// operations with their arguments and results, defaults, validation and hooks,
// versions, soft delete, tenants, the audit log. REST, MCP, workflows and
// handlers all come through it, so that one set of rules holds. It knows
// nothing of SQL, HTTP or graphs: below it is a store.Reader or store.Tx,
// handed in with each call.
package access

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Options are what a Model needs from outside.
type Options struct {
	Now   func() time.Time // UTC is taken of it
	NewID func() string    // a new uuid; version 7, RFC 9562
	// Changed, if set, hears of each change to a row of the model, in the
	// transaction that makes it: its error undoes the change.
	Changed func(ctx context.Context, tx store.Tx, c Caller, changes []Change) error
	// Watch returns Changed of another model, to whose rows something happens
	// along with those of this one. Nil: of none.
	Watch func(*dataflow.Model) func(ctx context.Context, tx store.Tx, c Caller, changes []Change) error
	// Feed returns where changes to rows of a model are kept for those who follow
	// them; nil: nowhere. Nil itself: of none.
	Feed func(*dataflow.Model) *Feed
}

func (o Options) feed(m *dataflow.Model) *Feed {
	if o.Feed == nil {
		return nil
	}
	return o.Feed(m)
}

// Change is what happened to a row: Before is nil for a new one, After for one
// that is gone. A row that was deleted softly has both.
type Change struct{ Before, After *dataflow.Object }

// Caller is who asks.
type Caller struct {
	// User is what ctx.user shows, nil if nobody is signed in: an id, the names
	// of roles, and whatever else is known.
	User   *dataflow.Object
	Tenant string   // "" if none is known; multi-tenant models then refuse
	Roles  []string // of User
	// Scopes bound what the caller's credential is good for, if Scoped is set.
	Scopes []string
	Scoped bool
	// Key tells callers apart, in limits and logs: "key:…", "user:…", "" for
	// who is not known. It is no secret.
	Key string
	// Address is where the call comes from; the zero one is not over a network.
	Address netip.Addr
	// Ruled: the models' access rules apply, as they do to whoever asks for an
	// operation from outside. What a workflow does is the app's own doing.
	Ruled bool
	// Sees says of which models rows may be shown beside those of the model
	// that is asked: nil is all of them, as for the app's own functions.
	Sees func(*dataflow.Model) bool
	// Operator: who runs the app at their own terminal. They may do whatever it
	// serves, whatever access says, and see the runs of every tenant.
	Operator bool
	// Chain is how many events led here, one by what the other started.
	Chain int
}

// ruled reports whether the access rules are for a caller.
func (c *Caller) ruled() bool { return c.Ruled && !c.Operator }

// MaxTenant is how many bytes the name of a tenant has at most.
const MaxTenant = 255

// ValidTenant reports whether a name can be a tenant's: text that shows itself
// and is the same wherever it is written.
func ValidTenant(name string) bool {
	return name != "" && len(name) <= MaxTenant && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// Once is an idempotency key as this caller's: another's of the same text is
// another key.
func (c Caller) Once(key string) string {
	key += "\n" + c.Tenant // which has no line breaks
	if c.Key != "" {
		key += "\n" + c.Key
	}
	return key
}

// Model runs the operations of one model. It is safe for concurrent use.
type Model struct {
	m       *dataflow.Model
	newID   func() string
	clock   *clock
	decoder *codec.Decoder
	params  []params // by dataflow.OpKind

	// Positions in m.Fields; -1 where the model has no such field.
	id, createdAt, updatedAt, version, tenant, deletedAt int

	all        *sight   // of who sees everything
	sights     sync.Map // of others, by what they see and set
	raw        *reading // every field
	insertable []int    // fields of an insert whose id the database picks
	allFields  []int
	guarded    []int // references whose target a foreign key alone does not guard
	audit      *dataflow.Model
	changed    func(context.Context, store.Tx, Caller, []Change) error // nil: nobody listens
	feed       *Feed                                                   // nil: nobody follows
	referrers  referrers
	rooms      sync.Pool // of *[]byte: to write the text of a row in
}

// New prepares the operations of m.
func New(m *dataflow.Model, o Options) *Model {
	a := positions(m, &clock{now: o.Now})
	a.changed, a.feed = o.Changed, o.feed(m)
	a.newID, a.decoder = o.NewID, codec.NewDecoder(m.Shape(), m.Fields)
	for _, op := range dataflow.AllOps() {
		a.params = append(a.params, newParams(m, op))
	}
	for i, f := range m.Fields {
		a.allFields = append(a.allFields, i)
		if i != a.id {
			a.insertable = append(a.insertable, i)
		}
		if f.Type.Kind == dataflow.KindRef && (f.Type.Model.SoftDelete || f.Type.Model.MultiTenant || f.Type.Model.Access != nil) {
			a.guarded = append(a.guarded, i)
		}
	}
	a.referrers = newReferrers(m, a.clock, o)
	a.all = &sight{decoder: a.decoder, whole: a.newReading(nil)}
	a.raw = &reading{tenant: a.tenant, version: a.version}
	return a
}

// positions is a Model that knows where its fields are, and no more.
func positions(m *dataflow.Model, clock *clock) *Model {
	a := &Model{
		m: m, clock: clock,
		id:        m.RoleIndex(dataflow.RoleID),
		createdAt: m.RoleIndex(dataflow.RoleCreatedAt),
		updatedAt: m.RoleIndex(dataflow.RoleUpdatedAt),
		version:   m.RoleIndex(dataflow.RoleVersion),
		tenant:    m.RoleIndex(dataflow.RoleTenant),
		deletedAt: m.RoleIndex(dataflow.RoleDeletedAt),
	}
	if m.AuditLog {
		a.audit = auditModel(m.Database)
	}
	return a
}

// Declared returns the model as declared.
func (m *Model) Declared() *dataflow.Model { return m.m }

// Do runs an operation with a node's arguments and returns the node's result,
// as Spec describes both. r must be a store.Tx if the operation writes.
func (m *Model) Do(ctx context.Context, r store.Reader, c Caller, op dataflow.OpKind, args *dataflow.Object) (any, error) {
	if args == nil {
		args = dataflow.NewObject()
	}
	if err := m.admit(c, op); err != nil {
		return nil, err
	}
	if !op.Writes() {
		return opTable[op].read(m, ctx, r, c, args)
	}
	tx, ok := r.(store.Tx)
	if !ok {
		return nil, dataflow.Internal(errors.New("access: " + dataflow.Op{Model: m.m, Kind: op}.NodeType() + " needs a transaction"))
	}
	return opTable[op].write(m, ctx, tx, c, args)
}

// ParseID reads an id from a path segment. Text that can't be an id is the id
// of no row.
func (m *Model) ParseID(s string) (any, error) {
	id, problems := codec.ParseText(m.m.ID().Type, s, "")
	if n, ok := id.(int64); ok && strconv.FormatInt(n, 10) != s {
		return nil, m.notFound(s) // a row has one address: not 1.0, +1 or 01 as well
	}
	if len(problems) > 0 {
		return nil, m.notFound(s)
	}
	return id, nil
}

// setBack is how far the machine's clock has to be behind what was told last,
// for it to have been set back.
const setBack = time.Minute

// clock tells a time that moves on with every reading, so that no update has
// the time of the one before it, however coarse the machine's clock is. Where
// that was set back it goes back with it: else all that is written until then
// would have the time that was wrong.
type clock struct {
	now  func() time.Time
	last atomic.Int64 // microseconds since 1970
}

func (c *clock) tick() time.Time {
	now := c.now().UnixMicro()
	for {
		last := c.last.Load()
		next := max(now, last+1)
		if last-now > setBack.Microseconds() {
			next = now
		}
		if c.last.CompareAndSwap(last, next) {
			return time.UnixMicro(next).UTC()
		}
	}
}

// after returns a time later than a row's last change.
func (c *clock) after(last any) time.Time {
	now := c.tick()
	if t, ok := last.(time.Time); ok && !now.After(t) {
		return t.Add(time.Microsecond)
	}
	return now
}
