package access_test

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

const benchBody = `{"title": "please leave it with the neighbours", "body": "they know me well", "stars": 4}`

func bench(b *testing.B) *app {
	a := open(b, note(versioned))
	for range 50 {
		a.do("Note.create", benchBody)
	}
	b.ReportAllocs()
	return a
}

func BenchmarkGetJSON(b *testing.B) {
	a, ctx, id := bench(b), context.Background(), any(int64(7))
	var buf []byte
	for b.Loop() {
		buf, _, _ = a.models["Note"].GetJSON(ctx, a.store, a.caller, id, nil, buf[:0])
	}
}

func BenchmarkListJSON20(b *testing.B) {
	a, ctx := bench(b), context.Background()
	q := access.ListQuery{Limit: 20, Sort: []query.Order{{Field: 0, Desc: true}}}
	var buf []byte
	for b.Loop() {
		buf, _, _ = a.models["Note"].ListJSON(ctx, a.store, a.caller, q, buf[:0])
	}
}

func BenchmarkNewRow(b *testing.B) {
	a, ctx, body := bench(b), context.Background(), []byte(benchBody)
	for b.Loop() {
		if _, err := a.models["Note"].NewRow(ctx, a.caller, body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate is many creates in one transaction, so that the disk does
// not count.
func BenchmarkCreate(b *testing.B) {
	a, ctx, body := bench(b), context.Background(), []byte(benchBody)
	m := a.models["Note"]
	err := a.write(func(tx store.Tx) error {
		for b.Loop() {
			row, err := m.NewRow(ctx, a.caller, body)
			if err == nil {
				_, err = m.Insert(ctx, tx, a.caller, row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	a, ctx := bench(b), context.Background()
	m, args := a.models["Note"], dataflow.ObjectOf("id", int64(7), "fields", dataflow.ObjectOf("stars", int64(2)))
	err := a.write(func(tx store.Tx) error {
		for b.Loop() {
			if _, err := m.Do(ctx, tx, a.caller, dataflow.OpUpdate, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
