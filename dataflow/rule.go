package dataflow

// Access is who may do what with the rows of a model: access = {…}. What it
// leaves out is nobody's to do. It holds for whoever asks from outside; what
// workflows do is the app's own doing.
type Access struct {
	Read, Create, Update, Delete *Rule // nil: nobody
	Fields                       []FieldAccess
	Paths                        []string // the model is served at, which scopes of keys name; see App.AskWho
	Span                         Span
	Spans                        Spans // of its parts, by name: "/read", "/fields/salary/write"
}

// FieldAccess is who may read and write one field, of those who may read and
// write its row. Its rules have no conditions.
type FieldAccess struct {
	Field int   // position in the model's Shape
	Read  *Rule // nil: whoever reads the row
	Write *Rule // nil: whoever reads the field and writes the row
}

// Rule says who may do something: whoever one of its grants lets. One without
// grants lets nobody.
type Rule struct {
	Grants []Grant
	Span   Span
}

// Grant lets some callers do something, with some rows or with all.
type Grant struct {
	Who   Who
	Roles []string // of WhoRole: one of them is enough
	Where Cond     // of the rows; nil: all
	Span  Span
}

// Who is the sort of caller that a grant is for.
type Who uint8

// The sorts of caller.
const (
	WhoSignedIn Who = iota // whoever has said who they are
	WhoAnyone              // everybody, signed in or not
	WhoRole                // who has one of the grant's roles
)

// Lets reports whether a grant is for a caller who is signed in or not, and
// has these roles.
func (g *Grant) Lets(signedIn bool, roles []string) bool {
	switch g.Who {
	case WhoAnyone:
		return true
	case WhoSignedIn:
		return signedIn
	}
	if !signedIn {
		return false
	}
	for _, want := range g.Roles {
		for _, has := range roles {
			if want == has {
				return true
			}
		}
	}
	return false
}

// Open reports whether a rule lets callers who are not signed in.
func (r *Rule) Open() bool {
	if r == nil {
		return false
	}
	for i := range r.Grants {
		if r.Grants[i].Who == WhoAnyone {
			return true
		}
	}
	return false
}

// Cond is a condition on a row and on who asks: CondAnd, CondOr, CondNot or
// *CondCompare. A comparison with null, or with anything of a caller who is not
// signed in, is neither true nor false, and so is its opposite: as in SQL, only
// what is true lets anybody do anything.
type Cond interface{ cond() }

type (
	// CondAnd is true where all of its parts are.
	CondAnd []Cond
	// CondOr is true where one of its parts is.
	CondOr []Cond
	// CondNot is true where its part is false.
	CondNot struct{ Cond Cond }
	// CondCompare compares two terms. At most one is of the row.
	CondCompare struct {
		Op          CompareOp
		Left, Right Term
		Span        Span
	}
)

func (CondAnd) cond()      {}
func (CondOr) cond()       {}
func (CondNot) cond()      {}
func (*CondCompare) cond() {}

// CompareOp is how two terms are compared.
type CompareOp uint8

// The comparisons. Equal and NotEqual with a nil Literal ask for null, which is
// true or false for a row.
const (
	CompareEqual CompareOp = iota
	CompareNotEqual
	CompareLess
	CompareLessEqual
	CompareGreater
	CompareGreaterEqual
	CompareIn
	CompareNotIn
)

var compareOps = [...]string{"==", "!=", "<", "<=", ">", ">=", "in", "not in"}

// String returns the comparison as it is written.
func (op CompareOp) String() string { return compareOps[op] }

// Opposite returns the comparison that is true where op is false.
func (op CompareOp) Opposite() CompareOp {
	return [...]CompareOp{CompareNotEqual, CompareEqual, CompareGreaterEqual, CompareGreater, CompareLessEqual, CompareLess, CompareNotIn, CompareIn}[op]
}

// Turned returns the comparison that says the same with its sides changed. In
// and NotIn have none.
func (op CompareOp) Turned() CompareOp {
	return [...]CompareOp{CompareEqual, CompareNotEqual, CompareGreater, CompareGreaterEqual, CompareLess, CompareLessEqual, CompareIn, CompareNotIn}[op]
}

// Term is one side of a comparison: FieldTerm, UserTerm, TenantTerm or Literal.
type Term interface{ term() }

type (
	// FieldTerm is a field of the row, or of one that its references lead to:
	// each position but the last is of a reference, in the model reached so far.
	FieldTerm []int
	// UserTerm is a part of ctx.user: ["id"], ["plan", "level"].
	UserTerm []string
	// TenantTerm is ctx.tenant.
	TenantTerm struct{}
	// Literal is a value that the file gives: canonical in the type it is
	// compared with; []any for a list; nil for None.
	Literal struct{ Value any }
)

func (FieldTerm) term()  {}
func (UserTerm) term()   {}
func (TenantTerm) term() {}
func (Literal) term()    {}

// AskWho has an app ask its callers who they are: what says nothing of access
// is for those who are signed in.
func (a *App) AskWho() {
	signedIn := &Rule{Grants: []Grant{{Who: WhoSignedIn}}}
	for _, m := range a.Models() {
		if m.Access == nil {
			m.Access = &Access{Read: signedIn, Create: signedIn, Update: signedIn, Delete: signedIn}
		}
		m.Access.Paths = nil
		for _, e := range a.Exposures {
			if e.Model == m {
				m.Access.Paths = append(m.Access.Paths, e.Path)
			}
		}
	}
	for _, w := range a.Workflows {
		if w.Access == nil {
			w.Access = signedIn
		}
	}
}
