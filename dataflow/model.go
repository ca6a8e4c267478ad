package dataflow

import "regexp"

// Field is one named, typed value of a model, or of a workflow's input.
type Field struct {
	Name       string
	Column     string // of the table, where it is called otherwise; see ColumnName
	Type       *Type
	Optional   bool // null is allowed, and taken where nothing is given
	Default    any  // canonical; used where nothing is given, if HasDefault. Absent: then the name is left out
	HasDefault bool
	Unique     bool
	Index      bool
	Immutable  bool // given on create, refused afterwards
	Searchable bool // its words can be looked for; a str
	MinLength  *int // characters of a str, items of a list, bytes of a bytes
	MaxLength  *int
	Pattern    *regexp.Regexp // must match somewhere; anchor it to match all
	Format     string         // a row of Formats: "email", "url", …
	Ge, Gt     any            // bounds, canonical in Type; nil is none
	Le, Lt     any
	OnDelete   string // KindRef: "restrict", "cascade" or "set_null"
	Doc        string
	Was        string // the name it had before
	Backfill   any    // canonical; what rows that are there get where the field is new or becomes required. nil: the default
	System     Role   // set for the fields the runtime keeps itself
	Span       Span
	Spans      Spans // of its options, by name: "/default"
}

// Required reports whether a caller must give the field on create.
func (f *Field) Required() bool { return !f.Optional && !f.HasDefault && f.System == RoleNone }

// ColumnName returns the name of the field's column, which is the field's own
// unless the file says otherwise.
func (f *Field) ColumnName() string {
	if f.Column != "" {
		return f.Column
	}
	return f.Name
}

// Role says what the runtime uses a field for.
type Role uint8

// The roles. A field with a role other than RoleNone is written by the
// runtime; a caller's value for it is refused. (A declared id is the
// exception: see Model.ClientID.)
const (
	RoleNone Role = iota
	RoleID
	RoleCreatedAt
	RoleUpdatedAt
	RoleVersion
	RoleTenant
	RoleDeletedAt
)

// Index is an index over fields of a model.
type Index struct {
	Fields []string
	Unique bool
	// Where is the filter of the rows the index is over, of comparisons of the
	// model's own fields with constants; nil is all rows. Unique is among them.
	Where *Object
	Span  Span
	Spans Spans // of the parts of Where
}

// Computed is a value worked out from a row whenever it is read.
type Computed struct {
	Name string
	Func Func
	Span Span
}

// Model is a table and the rules of its rows. Fields holds, in the order of
// the table and of every row: id, the declared fields, then version,
// tenant_id and deleted_at where the options ask for them, then created_at
// and updated_at unless it has no timestamps.
type Model struct {
	Name                                     string // as declared: "OrderLine"
	Table                                    string // "order_lines"
	Database                                 *Database
	Fields                                   []*Field
	Indexes                                  []Index // composite ones, and those of fields marked index or unique
	SoftDelete                               bool
	Versioned                                bool
	AuditLog                                 bool
	MultiTenant                              bool
	NoTimestamps                             bool // rows have no created_at and updated_at
	ClientID                                 bool // id is declared in the file, so a caller may give it
	Was                                      string
	Doc                                      string
	Validate                                 Func // validate(row) -> problems
	Computed                                 []Computed
	BeforeCreate, BeforeUpdate, BeforeDelete Func    // fn(row) -> changed row or None
	Access                                   *Access // nil: nobody is asked who they are, see App.AskWho
	Span                                     Span
	Spans                                    Spans // of its options, by name: "/versioned"

	shape      *Shape
	searchable []int
	roles      [RoleDeletedAt + 1]int // position + 1, by role
}

// Seal finishes a model whose Fields and Computed are complete: it works out
// the row's shape. A model must be sealed before it is used.
func (m *Model) Seal() {
	m.searchable = nil
	names := make([]string, 0, len(m.Fields)+len(m.Computed))
	for i, f := range m.Fields {
		names = append(names, f.Name)
		if f.System != RoleNone {
			m.roles[f.System] = i + 1
		}
		if f.Searchable {
			m.searchable = append(m.searchable, i)
		}
	}
	for _, c := range m.Computed {
		names = append(names, c.Name)
	}
	m.shape = NewShape(names...)
}

// Shape returns the shape of the model's rows: Fields, then Computed.
func (m *Model) Shape() *Shape { return m.shape }

// Searchable returns the positions of the fields that a search looks into.
func (m *Model) Searchable() []int { return m.searchable }

// FieldIndex returns the position in Fields of a name.
func (m *Model) FieldIndex(name string) (int, bool) {
	i, ok := m.shape.Index(name)
	return i, ok && i < len(m.Fields)
}

// Field returns the field of that name, or nil.
func (m *Model) Field(name string) *Field {
	if i, ok := m.FieldIndex(name); ok {
		return m.Fields[i]
	}
	return nil
}

// ColumnField returns the field whose column has that name, or nil.
func (m *Model) ColumnField(column string) *Field {
	for _, f := range m.Fields {
		if f.ColumnName() == column {
			return f
		}
	}
	return nil
}

// ComputedField returns the computed value of that name, or nil.
func (m *Model) ComputedField(name string) *Computed {
	if i, ok := m.shape.Index(name); ok && i >= len(m.Fields) {
		return &m.Computed[i-len(m.Fields)]
	}
	return nil
}

// RoleIndex returns the position in Fields of the field with a role, or -1.
func (m *Model) RoleIndex(r Role) int { return m.roles[r] - 1 }

// ID returns the model's id field.
func (m *Model) ID() *Field { return m.Fields[m.roles[RoleID]-1] }

// OpKind is an operation of a model: one of the eleven, or OpAggregate.
type OpKind uint8

// The operations.
const (
	OpCreate OpKind = iota
	OpRead
	OpUpdate
	OpDelete
	OpList
	OpUpsert
	OpCount
	OpBulkCreate
	OpBulkUpdate
	OpBulkDelete
	OpBulkUpsert
	// OpAggregate comes with OpList: whoever may list rows may have figures of
	// them. Exposures do not name it.
	OpAggregate
	opEnd
)

var opNames = [opEnd]struct{ node, method string }{
	{"CreateNode", "create"}, {"ReadNode", "read"}, {"UpdateNode", "update"},
	{"DeleteNode", "delete"}, {"ListNode", "list"}, {"UpsertNode", "upsert"},
	{"CountNode", "count"}, {"BulkCreateNode", "bulk_create"}, {"BulkUpdateNode", "bulk_update"},
	{"BulkDeleteNode", "bulk_delete"}, {"BulkUpsertNode", "bulk_upsert"},
	{"AggregateNode", "aggregate"},
}

// Ops lists the eleven operations in the order of the documentation.
func Ops() []OpKind { return AllOps()[:OpAggregate] }

// AllOps lists the eleven operations and OpAggregate.
func AllOps() []OpKind {
	ops := make([]OpKind, opEnd)
	for i := range ops {
		ops[i] = OpKind(i)
	}
	return ops
}

// String returns the operation's name: "bulk_create".
func (k OpKind) String() string { return opNames[k].method }

// NodeSuffix returns what follows the model's name in the operation's node
// type: "BulkCreateNode".
func (k OpKind) NodeSuffix() string { return opNames[k].node }

// Writes reports whether the operation changes rows.
func (k OpKind) Writes() bool { return k != OpRead && k != OpList && k != OpCount && k != OpAggregate }

// Op is one operation of one model, as "Order.create" in app.star.
type Op struct {
	Model *Model
	Kind  OpKind
}

// NodeType returns the node type's name: "OrderCreateNode".
func (o Op) NodeType() string { return o.Model.Name + o.Kind.NodeSuffix() }
