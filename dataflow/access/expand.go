package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Limits of an expansion.
const (
	MaxExpandDepth = 3     // points and one, in one name
	MaxExpands     = 16    // relations in all
	MaxExpandRows  = 10000 // rows that come with those of a page
	ExpandLimit    = 100   // rows of a back-reference, for each row
	expandChunk    = 1000  // ids in one question to the store
)

// Expansion says which rows come with those of an answer. A reference's value
// becomes the row it leads to, or null if the caller can't see that; a
// back-reference adds {records, has_more} under its name.
type Expansion struct {
	m         *Model
	relations []*relation
	picked    []int           // of expanded rows, positions in m's shape; nil is all
	shape     *dataflow.Shape // of expanded rows, where back-references add names
}

// relation is one step of an expansion.
type relation struct {
	name  string
	field int  // the reference: in the model itself, or of a back-reference in the other
	back  bool // it is the other model that refers to this one
	to    *Expansion
}

// bare is a model as an expansion reads it.
func bare(m *dataflow.Model) *Model {
	a := &Model{
		m:         m,
		id:        m.RoleIndex(dataflow.RoleID),
		version:   m.RoleIndex(dataflow.RoleVersion),
		tenant:    m.RoleIndex(dataflow.RoleTenant),
		deletedAt: m.RoleIndex(dataflow.RoleDeletedAt),
	}
	a.all = &sight{whole: a.newReading(nil)}
	return a
}

// relationsOf lists what rows of m can be expanded by, under each name it has;
// names are those that may be suggested.
// A back-reference is called as the table that refers, or with the field,
// "transfers_by_sender", where the table alone does not tell.
func relationsOf(m *dataflow.Model, s query.Sight) (names []string, all map[string]relation) {
	all = map[string]relation{}
	add := func(name string, field int, back bool, to *dataflow.Model) {
		if s.Model == nil || s.Model(to) {
			if s.Suggests(to) {
				names = append(names, name)
			}
			all[name] = relation{name: name, field: field, back: back, to: &Expansion{m: bare(to)}}
		}
	}
	for i, f := range m.Fields {
		if f.Type.Kind == dataflow.KindRef && (s.Field == nil || s.Field(m, i)) {
			add(f.Name, i, false, f.Type.Model)
		}
	}
	if m.Database == nil {
		return names, all
	}
	for _, other := range m.Database.Models {
		var by []int
		for i, f := range other.Fields {
			if f.Type.Kind == dataflow.KindRef && f.Type.Model == m && (s.Field == nil || s.Field(other, i)) {
				by = append(by, i)
			}
		}
		_, taken := m.Shape().Index(other.Table)
		for _, i := range by {
			if len(by) == 1 && !taken {
				add(other.Table, i, true, other)
			} else {
				add(other.Table+"_by_"+other.Fields[i].Name, i, true, other)
			}
		}
	}
	return names, all
}

// Relation is a way by which rows of a model can be expanded.
type Relation struct {
	Name  string
	Model *dataflow.Model // of the rows that it shows
	Many  bool            // it is that model which refers to this one
}

// Relations lists the ways by which rows of m can be expanded, to models that
// are seen.
func Relations(m *dataflow.Model, sees func(*dataflow.Model) bool) []Relation {
	names, all := relationsOf(m, query.Sight{Model: sees})
	list := make([]Relation, len(names))
	for i, name := range names {
		r := all[name]
		list[i] = Relation{Name: name, Model: r.to.m.m, Many: r.back}
	}
	return list
}

// Expandable lists the relations that rows of m can be expanded by.
func Expandable(m *dataflow.Model, sees func(*dataflow.Model) bool) []string {
	names, _ := relationsOf(m, query.Sight{Model: sees})
	return names
}

// Selection reads what a read or a list shows, each a list or a string with
// commas: fields of the rows, as positions in the model's shape, and relations
// to expand, names with points between them. A field behind a relation,
// "customer.name", expands it, and of its rows shows what is named so, and the
// id. null is every field, and no relation.
func (m *Model) Selection(c Caller, fields, expand any) ([]int, *Expansion, []dataflow.Problem) {
	p := expandParser{sight: c.Sight()}
	root := p.parse(m.m, expand, "/expand")
	list, problems := p.sight.FieldsThrough(m.m, fields, "/fields", func(path, at string) { p.pick(root, path, at) })
	p.bounded("/expand")
	if problems = append(problems, p.problems...); len(problems) > 0 {
		return nil, nil, problems
	}
	if len(root.relations) == 0 {
		return list, nil, nil
	}
	root.seal()
	return list, root, nil
}

// CheckExpand checks an expansion as an app file has it, where references
// stand for what only the run can tell.
func CheckExpand(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	p := expandParser{}
	switch v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return nil
	}
	p.parse(m, v, pointer)
	p.bounded(pointer)
	return p.problems
}

// CheckFields checks the fields that a read or a list asks for, as an app file
// has them.
func CheckFields(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	p := expandParser{}
	root := &Expansion{m: bare(m)}
	problems := query.ParseFieldsThroughStatic(m, v, pointer, func(path, at string) { p.pick(root, path, at) })
	p.bounded(pointer)
	return append(problems, p.problems...)
}

// Expands reports whether a read or a list with these arguments may show more
// than rows of its model: it may where a run works the fields out.
func Expands(args *dataflow.Object) bool {
	if args == nil {
		return false
	}
	if args.Has("expand") {
		return true
	}
	fields, _ := args.Get("fields")
	through := func(v any) bool {
		name, ok := v.(string)
		return !ok || strings.Contains(name, ".")
	}
	switch fields := fields.(type) {
	case nil:
		return false
	case []any:
		return slices.ContainsFunc(fields, through)
	default:
		return through(fields)
	}
}

type expandParser struct {
	sight    query.Sight
	count    int
	problems []dataflow.Problem
}

func (p *expandParser) parse(m *dataflow.Model, v any, pointer string) *Expansion {
	root := &Expansion{m: bare(m)}
	switch v := v.(type) {
	case nil:
	case string:
		for name := range strings.SplitSeq(v, ",") {
			p.path(root, strings.TrimSpace(name), pointer, nil)
		}
	case []any:
		for i, item := range v {
			at := pointer + "/" + strconv.Itoa(i)
			switch item := item.(type) {
			case string:
				p.path(root, item, at, nil)
			case dataflow.Ref, *dataflow.Template:
			default:
				p.problems = append(p.problems, problem("wrong_type", at, "must be the name of a relation", ""))
			}
		}
	default:
		p.problems = append(p.problems, problem("wrong_type", pointer, "expand must be a name or a list of names", ""))
	}
	return root
}

// bounded refuses more relations than are expanded at once.
func (p *expandParser) bounded(pointer string) {
	if p.count > MaxExpands {
		p.problems = append(p.problems, problem("too_large", pointer, fmt.Sprintf("at most %d relations are expanded at once", MaxExpands), ""))
	}
}

// pick adds the field that a path ends with to those that are shown of the rows
// it leads to.
func (p *expandParser) pick(root *Expansion, path, pointer string) {
	end := strings.LastIndexByte(path, '.')
	e := p.path(root, path[:end], pointer, []int{})
	if e == nil {
		return
	}
	fields, problems := p.sight.Fields(e.m.m, []any{path[end+1:]}, "")
	for _, pr := range problems {
		pr.Pointer = pointer
		p.problems = append(p.problems, pr)
	}
	e.picked = unrepeated(append(e.picked, fields...))
}

// path adds the steps of one name that are not there yet, whose rows show what
// is picked, and returns where it leads.
func (p *expandParser) path(e *Expansion, path, pointer string, picked []int) *Expansion {
	steps := strings.Split(path, ".")
	if len(steps) > MaxExpandDepth {
		p.problems = append(p.problems, problem("too_deep", pointer, fmt.Sprintf("%q goes through more than %d relations", path, MaxExpandDepth), ""))
		return nil
	}
	for _, name := range steps {
		next := e.relation(name)
		if next == nil {
			names, all := relationsOf(e.m.m, p.sight)
			found, ok := all[name]
			if !ok {
				p.unknown(e.m.m, name, names, pointer)
				return nil
			}
			next = &found
			next.to.picked = picked
			e.relations = append(e.relations, next)
			p.count++
		}
		e = next.to
	}
	return e
}

func (p *expandParser) unknown(m *dataflow.Model, name string, names []string, pointer string) {
	hint := dataflow.DidYouMean(name, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = "there is nothing to expand"
	default:
		hint = dataflow.ThereAre(names)
	}
	p.problems = append(p.problems, problem("unknown_field", pointer, fmt.Sprintf("%s has no relation %q", m.Name, name), hint))
}

func (e *Expansion) relation(name string) *relation {
	for _, r := range e.relations {
		if r.name == name {
			return r
		}
	}
	return nil
}

// seal works out the shape of expanded rows.
func (e *Expansion) seal() {
	shape := e.m.m.Shape()
	e.shape = shape
	names := make([]string, shape.Len())
	for i := range names {
		names[i] = shape.Name(i)
	}
	for _, r := range e.relations {
		if r.back {
			names = append(names, r.name)
		}
		r.to.seal()
	}
	if len(names) > shape.Len() {
		e.shape = dataflow.NewShape(names...)
	}
}

// fields adds to those asked for the references that are expanded; nil is all.
func (e *Expansion) fields(fields []int) []int {
	if fields == nil || e == nil {
		return fields
	}
	fields = fields[:len(fields):len(fields)]
	for _, r := range e.relations {
		if !r.back {
			fields = append(fields, r.field)
		}
	}
	return unrepeated(fields)
}

func unrepeated(list []int) []int {
	seen := map[int]bool{}
	out := []int{}
	for _, i := range list {
		if !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// expander is one expansion of the rows of an answer.
type expander struct {
	r       store.Reader
	c       Caller
	deleted bool
	rows    int // that have come so far
}

// expand returns rows, which are m's and the caller's to change, with what
// belongs to them. It asks the store once for each relation (and again for
// each row that has more than ExpandLimit others).
func (x *expander) expand(ctx context.Context, e *Expansion, rows []*dataflow.Object) ([]*dataflow.Object, error) {
	if len(rows) == 0 || len(e.relations) == 0 {
		return rows, nil
	}
	out := make([]*dataflow.Object, len(rows))
	for i, row := range rows {
		vals := make([]any, e.shape.Len())
		copy(vals, row.Vals())
		out[i] = dataflow.NewRecord(e.shape, vals)
	}
	at := e.m.m.Shape().Len() // where the next back-reference goes
	for _, r := range e.relations {
		var err error
		if r.back {
			err = x.backward(ctx, e, r, out, at)
			at++
		} else {
			err = x.forward(ctx, r, out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// expandOne is expand for a single row.
func (x *expander) expandOne(ctx context.Context, e *Expansion, row *dataflow.Object) (*dataflow.Object, error) {
	rows, err := x.expand(ctx, e, []*dataflow.Object{row})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// ExpandJSON is GetJSON with an expansion. There is no version: what an answer
// holds beside its row has others.
func (m *Model) ExpandJSON(ctx context.Context, r store.Reader, c Caller, id any, fields []int, e *Expansion, dst []byte) ([]byte, error) {
	if err := m.admit(c, dataflow.OpRead); err != nil {
		return dst, err
	}
	row, err := m.readOne(ctx, r, c, id, m.reading(m.sight(c), e.fields(fields)), false)
	if err != nil {
		return dst, err
	}
	x := &expander{r: r, c: c}
	if row, err = x.expandOne(ctx, e, row); err != nil {
		return dst, err
	}
	return codec.AppendValue(dst, row), nil
}

// forward puts the rows that a reference leads to in its place.
func (x *expander) forward(ctx context.Context, r *relation, rows []*dataflow.Object) error {
	ids := idsIn(rows, r.field)
	var found []*dataflow.Object
	err := x.each(ctx, r.to.m, r.to.fields(r.to.picked), r.to.m.id, ids, 1, nil, func(row *dataflow.Object) error {
		found = append(found, row)
		return nil
	})
	if err != nil {
		return err
	}
	if found, err = x.expand(ctx, r.to, found); err != nil {
		return err
	}
	byID := make(map[any]*dataflow.Object, len(found))
	for _, row := range found {
		byID[row.Vals()[r.to.m.id]] = row
	}
	for _, row := range rows {
		v := any(nil)
		if target := byID[row.Vals()[r.field]]; target != nil {
			v = target
		}
		row.Vals()[r.field] = v
	}
	return nil
}

// errEnough ends a question when a row has all the others it is shown with.
var errEnough = errors.New("access: enough rows")

// backward puts the rows that refer to each row at a place of it.
func (x *expander) backward(ctx context.Context, e *Expansion, r *relation, rows []*dataflow.Object, at int) error {
	pending := idsIn(rows, e.m.id)
	var found []*dataflow.Object
	count, more := map[any]int{}, map[any]bool{}
	order := []query.Order{{Field: r.field}, {Field: r.to.m.id}}
	show := r.to.fields(r.to.picked)
	hide := show != nil && !slices.Contains(show, r.field)
	if hide {
		show = append(show, r.field)
	}
	for len(pending) > 0 {
		err := x.each(ctx, r.to.m, show, r.field, pending, ExpandLimit, order, func(row *dataflow.Object) error {
			parent := row.Vals()[r.field]
			if count[parent]++; count[parent] > ExpandLimit {
				more[parent] = true
				x.rows-- // it is not shown
				return errEnough
			}
			found = append(found, row)
			return nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errEnough) {
			return err
		}
		// What comes in order before the row that had enough is complete.
		rest := pending[:0:0]
		for _, id := range pending {
			if count[id] == 0 {
				rest = append(rest, id)
			}
		}
		pending = rest
	}
	parents := make([]any, len(found)) // before an expansion puts a row in the reference's place
	for i, row := range found {
		parents[i] = row.Vals()[r.field]
	}
	found, err := x.expand(ctx, r.to, found)
	if err != nil {
		return err
	}
	lists := map[any][]any{}
	for i, row := range found {
		if hide {
			row.Vals()[r.field] = dataflow.Absent
		}
		lists[parents[i]] = append(lists[parents[i]], row)
	}
	for _, row := range rows {
		id := row.Vals()[e.m.id]
		list := lists[id]
		if list == nil {
			list = []any{}
		}
		row.Vals()[at] = dataflow.NewRecord(relatedShape, []any{list, more[id]})
	}
	return nil
}

var relatedShape = dataflow.NewShape("records", "has_more")

// each hands f the rows of m that the caller may see and whose field is one of
// some ids, with the positions of the shape that are shown (nil is all), in chunks that are in order. Of a chunk come at most so many rows
// for each id, on average, and one: the store must not look for rows that are
// not going to be shown.
func (x *expander) each(ctx context.Context, m *Model, show []int, field int, ids []any, most int, order []query.Order, f func(*dataflow.Object) error) error {
	for len(ids) > 0 {
		chunk := ids[:min(len(ids), expandChunk)]
		ids = ids[len(chunk):]
		where, err := m.scope(x.c, x.deleted, compare(m.m, field, query.In, chunk))
		if err != nil {
			return err
		}
		limit := min(len(chunk)*most, MaxExpandRows-x.rows) + 1
		rd := m.reading(m.sight(x.c), show)
		err = x.r.Select(ctx, &query.Select{Model: m.m, Fields: rd.ask, Where: where, Order: order, Limit: limit}, func(row store.Row) error {
			if x.rows++; x.rows > MaxExpandRows {
				return m.tooMany()
			}
			o, err := m.object(ctx, rd, row)
			if err != nil {
				return err
			}
			return f(o)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) tooMany() error {
	return m.invalid([]dataflow.Problem{problem("too_large", "/expand",
		fmt.Sprintf("more than %d rows would come with those asked for", MaxExpandRows), "ask for fewer at once, by limit, or expand less")})
}

// idsIn returns the values of a field that are not null, each once.
func idsIn(rows []*dataflow.Object, field int) []any {
	seen := map[any]bool{}
	var ids []any
	for _, row := range rows {
		if id := row.Vals()[field]; id != nil && id != dataflow.Absent && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
