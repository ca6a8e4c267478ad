package sqlite

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// benchStore holds 10,000 rows of eight columns.
func benchStore(b *testing.B) (*Store, *dataflow.Model) {
	b.Helper()
	m := model("Product", "products",
		&dataflow.Field{Name: "sku", Type: dataflow.String, Unique: true},
		&dataflow.Field{Name: "name", Type: dataflow.String},
		&dataflow.Field{Name: "price", Type: decimalType(12, 2)},
		&dataflow.Field{Name: "stock", Type: dataflow.Int},
		&dataflow.Field{Name: "active", Type: dataflow.Bool},
		&dataflow.Field{Name: "note", Type: dataflow.String, Optional: true},
		&dataflow.Field{Name: "created_at", Type: dataflow.DateTime})
	db := database(b.TempDir()+"/bench.db", m)
	s := openTest(b, db)
	price, _ := dataflow.ParseDecimal("12.50")
	rows := make([][]any, 10_000)
	for i := range rows {
		rows[i] = []any{fmt.Sprintf("sku-%05d", i), "a product of some kind", price, int64(i), i%2 == 0, nil, parseMoment("2026-01-02T15:04:05.000000Z")}
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error {
		_, err := tx.Insert(context.Background(), m, []int{1, 2, 3, 4, 5, 6, 7}, rows)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s, m
}

func BenchmarkGet(b *testing.B) {
	s, m := benchStore(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 0, 1024)
		for i := int64(0); pb.Next(); i++ {
			ok, err := s.Get(ctx, m, i%10_000+1, nil, func(r store.Row) error { buf = r.AppendJSON(buf[:0]); return nil })
			if !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

func BenchmarkSelect20(b *testing.B) {
	s, m := benchStore(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	where := &query.Cmp{Path: query.Path{Model: m, Field: 5}, Op: query.Eq, Value: true}
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 0, 8192)
		for pb.Next() {
			buf = buf[:0]
			q := &query.Select{Model: m, Where: where, Order: []query.Order{{Field: 0, Desc: true}}, Limit: 20}
			if err := s.Select(ctx, q, func(r store.Row) error { buf = r.AppendJSON(buf); return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// documentStore holds 10,000 rows with a document and a list each.
func documentStore(b *testing.B) (*Store, *dataflow.Model) {
	b.Helper()
	m := model("Product", "products",
		&dataflow.Field{Name: "sku", Type: dataflow.String, Unique: true},
		&dataflow.Field{Name: "attributes", Type: dataflow.JSON},
		&dataflow.Field{Name: "tags", Type: &dataflow.Type{Kind: dataflow.KindList, Elem: dataflow.String}},
		&dataflow.Field{Name: "created_at", Type: dataflow.DateTime})
	s := openTest(b, database(b.TempDir()+"/bench.db", m))
	attributes := dataflow.RawJSON(`{"color":"red","sizes":[1,2,3.5],"maker":{"name":"Ada & Co","country":"GB"},"note":"a text of some length that has nothing to escape"}`)
	rows := make([][]any, 10_000)
	for i := range rows {
		rows[i] = []any{fmt.Sprintf("sku-%05d", i), attributes, []any{"new", "sale", "garden"}, parseMoment("2026-01-02T15:04:05.000000Z")}
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error {
		_, err := tx.Insert(context.Background(), m, []int{1, 2, 3, 4}, rows)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return s, m
}

// BenchmarkDocuments is about what it costs to look at JSON before it is handed out.
func BenchmarkDocuments(b *testing.B) {
	s, m := documentStore(b)
	ctx := b.Context()
	buf := make([]byte, 0, 32<<10)
	row := func(r store.Row) error { buf = r.AppendJSON(buf); return nil }
	b.Run("get", func(b *testing.B) {
		for i := int64(0); b.Loop(); i++ {
			buf = buf[:0]
			if ok, err := s.Get(ctx, m, i%10_000+1, nil, row); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("list of 50", func(b *testing.B) {
		q := &query.Select{Model: m, Order: []query.Order{{Field: 0, Desc: true}}, Limit: 50}
		for b.Loop() {
			buf = buf[:0]
			if err := s.Select(ctx, q, row); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert16(b *testing.B) {
	s, m := benchStore(b)
	price, _ := dataflow.ParseDecimal("12.50")
	var n atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := s.Write(ctx, func(tx store.Tx) error {
				_, err := tx.Insert(ctx, m, []int{1, 2, 3, 4, 5, 6, 7}, [][]any{{fmt.Sprintf("new-%d", n.Add(1)), "a product", price, int64(1), true, nil, parseMoment("2026-01-02T15:04:05.000000Z")}})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
