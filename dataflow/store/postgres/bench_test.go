package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var benchFields = []int{1, 2, 3, 4, 5, 6, 7}

func benchRow(sku string) []any {
	price, _ := dataflow.ParseDecimal("12.50")
	return []any{sku, "a product of some kind", price, int64(7), true, nil, time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)}
}

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
	s := openTest(b, database("", m))
	rows := make([][]any, 10_000)
	for i := range rows {
		rows[i] = benchRow(fmt.Sprintf("sku-%05d", i))
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error {
		_, err := tx.Insert(context.Background(), m, benchFields, rows)
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

type product struct {
	ID        int64     `json:"id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	Price     string    `json:"price"`
	Stock     int64     `json:"stock"`
	Active    bool      `json:"active"`
	Note      *string   `json:"note"`
	CreatedAt time.Time `json:"created_at"`
}

const byHand = "SELECT id, sku, name, price::text, stock, active, note, created_at FROM products"

func scanByHand(r pgx.Rows) (p product, err error) {
	return p, r.Scan(&p.ID, &p.SKU, &p.Name, &p.Price, &p.Stock, &p.Active, &p.Note, &p.CreatedAt)
}

// BenchmarkGetByHand is what BenchmarkGet is measured against: pgx and structs.
func BenchmarkGetByHand(b *testing.B) {
	s, _ := benchStore(b)
	pool := poolByHand(b, s)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			rows, _ := pool.Query(ctx, byHand+" WHERE id = $1", i%10_000+1)
			p, err := pgx.CollectExactlyOneRow(rows, func(r pgx.CollectableRow) (product, error) { return scanByHand(rows) })
			if err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSelect50(b *testing.B) {
	s, m := benchStore(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	where := &query.Cmp{Path: query.Path{Model: m, Field: 5}, Op: query.Eq, Value: true}
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 0, 16384)
		for pb.Next() {
			buf = buf[:0]
			q := &query.Select{Model: m, Where: where, Order: []query.Order{{Field: 0, Desc: true}}, Limit: 50}
			if err := s.Select(ctx, q, func(r store.Row) error { buf = r.AppendJSON(buf); return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSelect50ByHand is what BenchmarkSelect50 is measured against.
func BenchmarkSelect50ByHand(b *testing.B) {
	s, _ := benchStore(b)
	pool := poolByHand(b, s)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rows, _ := pool.Query(ctx, byHand+" WHERE active = $1 ORDER BY id DESC LIMIT $2", true, 50)
			list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (product, error) { return scanByHand(rows) })
			if err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(list); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert16(b *testing.B) {
	s, m := benchStore(b)
	var n atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := s.Write(ctx, func(tx store.Tx) error {
				_, err := tx.Insert(ctx, m, benchFields, [][]any{benchRow(fmt.Sprintf("new-%d", n.Add(1)))})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert1000(b *testing.B) {
	s, m := benchStore(b)
	ctx := context.Background()
	n := 0
	for b.Loop() {
		rows := make([][]any, 1000)
		for i := range rows {
			n++
			rows[i] = benchRow(fmt.Sprintf("new-%d", n))
		}
		if err := s.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Insert(ctx, m, benchFields, rows)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// poolByHand is a pool as a program of its own would make it.
func poolByHand(b *testing.B, s *Store) *pgxpool.Pool {
	b.Helper()
	pool, err := pgxpool.New(context.Background(), s.pool.Config().ConnString())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}
