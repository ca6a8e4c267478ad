package store

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// Kind says what a statement does.
type Kind string

// The kinds of statement.
const (
	KindGet       Kind = "get"
	KindSelect    Kind = "select"
	KindCount     Kind = "count"
	KindAggregate Kind = "aggregate"
	KindInsert    Kind = "insert"
	KindUpdate    Kind = "update"
	KindDelete    Kind = "delete"
	KindOwn       Kind = "sql" // of the app's own
)

// Statement is a statement as those who watch a store know it: what it is, and
// never which values it is about.
type Statement struct {
	Kind  Kind
	Model *dataflow.Model // nil: of the app's own
	Where query.Expr      // nil: none, or not known
	Order []query.Order
	SQL   string // with parameters in place of values

	Began time.Time
	Took  time.Duration // rows handled and all
}

// Observer hears of every statement that a store has run, from any goroutine.
// It must be quick.
type Observer interface {
	Statement(ctx context.Context, db *dataflow.Database, s *Statement)
}

// Plan is how an engine goes about a statement.
type Plan struct {
	Steps []string // one line each, in the engine's own words, without values
	Scans []string // the tables that are read from end to end
	Sorts bool     // rows are sorted, for want of an index that has them in order
}

// Watch is what an engine tells of its statements: all of them to an observer,
// slow ones to the log, with what index would help. Values are told to nobody.
// It is safe for concurrent use.
type Watch struct {
	db       *dataflow.Database
	log      *slog.Logger
	slow     time.Duration
	echo     bool
	observer Observer
	explain  func(ctx context.Context, sql string) (*Plan, error)

	ctx    context.Context // of explaining
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	told      map[string]*slowShape // by the statement's text
	explained time.Time             // when a plan was last asked for
}

// slowShape is what has been said of a slow statement.
type slowShape struct {
	said    time.Time
	more    int           // times it was slow since
	longest time.Duration // of those
	planned bool
}

// How much a slow statement may say of itself. Under load everything is slow:
// the log and the database must not pay for it as well.
const (
	slowEvery    = 10 * time.Second // between two lines about one statement
	explainEvery = time.Second      // between two plans
	maxShapes    = 256              // statements told apart
	maxShown     = 2000             // bytes of a statement's text
	explainTime  = 5 * time.Second
)

// NewWatch returns the watch of a database. explain asks its engine for a plan;
// nil: it has none.
func NewWatch(db *dataflow.Database, o Options, explain func(ctx context.Context, sql string) (*Plan, error)) *Watch {
	w := &Watch{db: db, log: o.Logger, slow: db.Options.SlowQueryThreshold, echo: db.Options.Echo, observer: o.Observer,
		explain: explain, told: map[string]*slowShape{}}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Asked reports whether anybody wants to know of statements.
func (w *Watch) Asked() bool { return w.echo || w.slow > 0 || w.observer != nil }

// Begin notes that a statement is about to run, and returns when, if anybody
// wants to know.
func (w *Watch) Begin(ctx context.Context, sql string) time.Time {
	if w.echo {
		w.log.InfoContext(ctx, "statement", "sql", sql)
	}
	if w.slow > 0 || w.observer != nil {
		return time.Now()
	}
	return time.Time{}
}

// End notes that a statement has run. began is what Begin returned.
func (w *Watch) End(ctx context.Context, s Statement, began time.Time) {
	if !began.IsZero() { // else s need not be kept
		w.ended(ctx, s, began)
	}
}

func (w *Watch) ended(ctx context.Context, s Statement, began time.Time) {
	s.Began, s.Took = began, time.Since(began)
	if w.observer != nil {
		w.observer.Statement(ctx, w.db, &s)
	}
	if w.slow > 0 && s.Took > w.slow {
		w.tell(ctx, s)
	}
}

// Close ends what is still being explained.
func (w *Watch) Close() {
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.wg.Wait()
}

// tell logs a slow statement, unless much has been said of it just now.
func (w *Watch) tell(ctx context.Context, s Statement) {
	say, plan, more, longest := w.news(s)
	if !say {
		return
	}
	attrs := append(w.attrs(s), slog.Duration("took", s.Took))
	if more > 0 {
		attrs = append(attrs, slog.Int("more", more), slog.Duration("longest", longest))
	}
	w.log.LogAttrs(ctx, slog.LevelWarn, "slow query", attrs...)
	if plan {
		go w.tellPlan(ctx, s)
	}
}

// news notes that a statement was slow, and says what is to be told of it.
func (w *Watch) news(s Statement) (say, plan bool, more int, longest time.Duration) {
	now := s.Began.Add(s.Took)
	w.mu.Lock()
	defer w.mu.Unlock()
	shape := w.told[s.SQL]
	if shape == nil {
		if len(w.told) >= maxShapes { // begin again: those that are still slow come back
			clear(w.told)
		}
		shape = &slowShape{}
		w.told[strings.Clone(s.SQL)] = shape
	}
	if !shape.said.IsZero() && now.Sub(shape.said) < slowEvery {
		shape.more++
		shape.longest = max(shape.longest, s.Took)
		return false, false, 0, 0
	}
	more, longest = shape.more, shape.longest
	shape.said, shape.more, shape.longest = now, 0, 0
	if w.explain != nil && !shape.planned && s.reads() && w.ctx.Err() == nil && now.Sub(w.explained) >= explainEvery {
		shape.planned, plan, w.explained = true, true, now
		w.wg.Add(1) // here, so that Close does not miss it
	}
	return true, plan, more, longest
}

// reads reports whether a plan has something to say of a statement, to the
// author of the app: the runtime's own tables are not theirs to change.
func (s *Statement) reads() bool {
	return s.Kind != KindInsert && (s.Model == nil || !strings.HasPrefix(s.Model.Table, "_flow_"))
}

func (w *Watch) attrs(s Statement) []slog.Attr {
	attrs := []slog.Attr{slog.String("database", w.db.Name), slog.String("operation", string(s.Kind))}
	if s.Model != nil {
		attrs = append(attrs, slog.String("model", s.Model.Name))
	}
	sql := s.SQL
	if len(sql) > maxShown {
		sql = sql[:maxShown] + " …"
	}
	return append(attrs, slog.String("sql", sql))
}

// tellPlan logs how the engine goes about a slow statement, and what would
// make it quicker. It asks for the plan by itself, not while a caller waits.
func (w *Watch) tellPlan(ctx context.Context, s Statement) {
	defer w.wg.Done()
	limit, cancel := context.WithTimeout(w.ctx, explainTime)
	defer cancel()
	plan, err := w.explain(limit, s.SQL)
	if err != nil || len(plan.Steps) == 0 { // it is advice; the statement has been told of
		return
	}
	attrs := append(w.attrs(s), slog.String("plan", strings.Join(plan.Steps, "; ")))
	if hint := advice(s, plan); hint != "" {
		attrs = append(attrs, slog.String("hint", hint))
	}
	w.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "slow query plan", attrs...)
}

// advice says what would make a statement quicker, or nothing.
func advice(s Statement, plan *Plan) string {
	scanned := len(plan.Scans) > 0
	if !scanned && !plan.Sorts {
		return ""
	}
	if s.Model == nil {
		if scanned {
			return "every row of " + strings.Join(plan.Scans, " and of ") + " is read: an index over what the statement looks for may help"
		}
		return ""
	}
	fields := wanted(s.Model, s.Where, s.Order)
	switch {
	case len(fields) == 0 && scanned:
		return "every row of " + s.Model.Name + " is read: ask for some of them by an indexed field"
	case len(fields) == 0 || indexed(s.Model, fields):
		return ""
	}
	return "give " + s.Model.Name + ` an index: indexes = [index("` + strings.Join(fields, `", "`) + `")]`
}

// maxIndexed is how many fields an index is advised to have at most.
const maxIndexed = 4

// wanted lists the fields of an index that would lead to the rows that match:
// those that are compared for equality, then the order, or else one that is
// compared otherwise.
func wanted(m *dataflow.Model, where query.Expr, order []query.Order) []string {
	var equal, ranged []string
	for _, c := range conditions(m, where) {
		name := m.Fields[c.Path.Field].Name
		switch c.Op {
		case query.Eq, query.In, query.Null:
			equal = append(equal, name)
		case query.Gt, query.Gte, query.Lt, query.Lte, query.Between, query.StartsWith:
			ranged = append(ranged, name)
		}
	}
	fields := distinct(equal)
	switch {
	case len(ranged) > 0:
		fields = distinct(append(fields, ranged[0]))
	default:
		for _, o := range order {
			if o.Field != m.RoleIndex(dataflow.RoleID) { // every index ends with it, in effect
				fields = distinct(append(fields, m.Fields[o.Field].Name))
			}
		}
	}
	return fields[:min(len(fields), maxIndexed)]
}

// conditions lists the comparisons of a model's own fields that must all hold,
// the tenant's first: an index that begins with it serves every tenant.
func conditions(m *dataflow.Model, e query.Expr) []*query.Cmp {
	var list []*query.Cmp
	switch e := e.(type) {
	case *query.Cmp:
		if len(e.Path.Via) == 0 && e.Path.Model == m && m.Fields[e.Path.Field].System != dataflow.RoleDeletedAt {
			list = append(list, e)
		}
	case query.And:
		for _, part := range e {
			list = append(list, conditions(m, part)...)
		}
	}
	return list
}

func distinct(names []string) []string {
	out := names[:0:0]
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// indexed reports whether the model has such an index already: then the engine
// has its reasons.
func indexed(m *dataflow.Model, fields []string) bool {
	for _, ix := range m.Indexes {
		if len(ix.Fields) >= len(fields) && strings.Join(ix.Fields[:len(fields)], " ") == strings.Join(fields, " ") {
			return true
		}
	}
	f := m.Field(fields[0])
	return len(fields) == 1 && f != nil && (f.Index || f.Unique || f.System == dataflow.RoleID || f.Type.Kind == dataflow.KindRef)
}
