package dataflow_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestObjectKeepsOrder(t *testing.T) {
	o := dataflow.ObjectOf("b", int64(1), "a", nil)
	o.Set("c", true)
	o.Set("b", int64(2))
	if got := fmt.Sprint(o.Names(), o.Vals()); got != "[b a c] [2 <nil> true]" {
		t.Error(got)
	}
	if v, ok := o.Get("a"); v != nil || !ok || !o.Has("a") {
		t.Error("null is a value")
	}
	if v, ok := o.Get("x"); v != nil || ok || o.Has("x") {
		t.Error("a name that is not there has one")
	}
}

func TestObjectGrowsPastItsShortShape(t *testing.T) {
	o := dataflow.NewObject()
	for i := range 40 {
		o.Set(fmt.Sprint("n", i), i)
	}
	for i := range 40 {
		if v, ok := o.Get(fmt.Sprint("n", i)); !ok || v != i {
			t.Fatalf("n%d is %v", i, v)
		}
	}
	if o.Len() != 40 {
		t.Error(o.Len())
	}
}

func TestObjectsOfOneShapeStayApart(t *testing.T) {
	shape := dataflow.NewShape("a", "b")
	one := dataflow.NewRecord(shape, []any{int64(1), dataflow.Absent})
	two := dataflow.NewRecord(shape, []any{int64(2), dataflow.Absent})
	one.Set("c", int64(3)) // takes a shape of its own
	two.Set("b", int64(4))
	if got := fmt.Sprint(one.Names(), two.Names(), shape.Len()); got != "[a c] [a b] 2" {
		t.Error(got)
	}
	if one.Len() != 2 || one.Has("b") {
		t.Error("what is absent counts")
	}
}

func TestCloneIsApart(t *testing.T) {
	for _, o := range []*dataflow.Object{
		dataflow.ObjectOf("a", int64(1)),
		dataflow.NewRecord(dataflow.NewShape("a"), []any{int64(1)}),
	} {
		c := o.Clone()
		c.Set("a", int64(2))
		c.Set("z", int64(3))
		o.Set("y", int64(4))
		if got := fmt.Sprint(o.Names(), o.Vals(), c.Names(), c.Vals()); got != "[a y] [1 4] [a z] [2 3]" {
			t.Error(got)
		}
	}
}

func TestRangeStops(t *testing.T) {
	var seen []string
	for name := range dataflow.ObjectOf("a", 1, "b", 2, "c", 3).All {
		if seen = append(seen, name); name == "b" {
			break
		}
	}
	if !slices.Equal(seen, []string{"a", "b"}) {
		t.Error(seen)
	}
}

func TestShape(t *testing.T) {
	names := []string{"a", "b"}
	s := dataflow.NewShape(names...)
	names[0] = "x"
	if i, ok := s.Index("a"); i != 0 || !ok || s.Name(1) != "b" || s.Len() != 2 {
		t.Error("a shape changes with the slice it was made of")
	}
	if _, ok := s.Index("c"); ok {
		t.Error("c is there")
	}
}

func TestTypeAttr(t *testing.T) {
	m := named("A", &dataflow.Field{Name: "n", Type: dataflow.Int})
	m.Computed = []dataflow.Computed{{Name: "c"}}
	build(m)
	for _, c := range []struct {
		t         *dataflow.Type
		name      string
		attr      string
		known, ok bool
	}{
		{dataflow.RecordOf(m), "n", "int", true, true},
		{dataflow.RecordOf(m), "c", "any", false, true},
		{dataflow.RecordOf(m), "x", "", true, false},
		{dataflow.Any, "x", "any", false, true},
		{dataflow.ObjectType(&dataflow.Field{Name: "a", Type: dataflow.String}), "a", "str", true, true},
		{&dataflow.Type{Kind: dataflow.KindObject}, "a", "any", false, true},
		{dataflow.String, "a", "", true, false},
	} {
		attr, known, ok := c.t.Attr(c.name)
		got := ""
		if attr != nil {
			got = attr.String()
		}
		if got != c.attr || known != c.known || ok != c.ok {
			t.Errorf("%s.%s: %s %v %v", c.t, c.name, got, known, ok)
		}
	}
	if got := (&dataflow.Type{Kind: dataflow.KindRef, Model: m}).Scalar(); got != dataflow.Int {
		t.Error(got)
	}
}

func TestOps(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range dataflow.Ops() {
		seen[dataflow.Op{Model: named("Order"), Kind: op}.NodeType()] = true
		if reads := op == dataflow.OpRead || op == dataflow.OpList || op == dataflow.OpCount; reads == op.Writes() {
			t.Errorf("%s: writes is %v", op, op.Writes())
		}
	}
	if len(seen) != 11 || !seen["OrderBulkUpsertNode"] {
		t.Error(seen)
	}
}
