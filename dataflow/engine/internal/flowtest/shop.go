package flowtest

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Shop is an app with a database of customers, products and orders.
type Shop struct {
	App                      *dataflow.App
	DB                       *dataflow.Database
	Customer, Product, Order *dataflow.Model
}

// NewShop declares the shop with these workflows.
func NewShop(workflows ...*dataflow.Workflow) *Shop {
	s := &Shop{DB: &dataflow.Database{Name: "db", URL: "sqlite::memory:", Options: dataflow.DatabaseOptions{AutoMigrate: true}}}
	s.Customer = Model(s.DB, "Customer", "customers",
		&dataflow.Field{Name: "email", Type: dataflow.String, Unique: true, Format: "email"},
		&dataflow.Field{Name: "name", Type: dataflow.String})
	s.Product = Model(s.DB, "Product", "products",
		&dataflow.Field{Name: "sku", Type: dataflow.String, Unique: true, Immutable: true},
		&dataflow.Field{Name: "price", Type: Decimal(12, 2)},
		&dataflow.Field{Name: "stock", Type: dataflow.Int, Ge: int64(0)})
	s.Order = Model(s.DB, "Order", "orders",
		&dataflow.Field{Name: "customer", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: s.Customer}, OnDelete: "restrict"},
		&dataflow.Field{Name: "status", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid"}}, HasDefault: true, Default: "new"},
		&dataflow.Field{Name: "total", Type: Decimal(12, 2), Ge: dataflow.Decimal{}},
		&dataflow.Field{Name: "note", Type: dataflow.String, Optional: true})
	s.App = &dataflow.App{Databases: []*dataflow.Database{s.DB}, Workflows: workflows}
	return s
}

// Decimal is a decimal type.
func Decimal(precision, scale int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: precision, Scale: scale}
}

// Model declares a model with its system fields and adds it to db.
func Model(db *dataflow.Database, name, table string, fields ...*dataflow.Field) *dataflow.Model {
	id := &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	all := append([]*dataflow.Field{id}, fields...)
	all = append(all,
		&dataflow.Field{Name: "created_at", Type: dataflow.DateTime, System: dataflow.RoleCreatedAt},
		&dataflow.Field{Name: "updated_at", Type: dataflow.DateTime, System: dataflow.RoleUpdatedAt})
	m := &dataflow.Model{Name: name, Table: table, Database: db, Fields: all, Span: dataflow.Span{File: "model " + name}}
	for _, f := range fields {
		f.Span = dataflow.Span{File: name + "." + f.Name}
		if f.Unique {
			m.Indexes = append(m.Indexes, dataflow.Index{Fields: []string{f.Name}, Unique: true})
		}
	}
	m.Seal()
	db.Models = append(db.Models, m)
	return m
}

// Open opens db for the length of a test.
func Open(t testing.TB, opener store.Opener, db *dataflow.Database) store.Store {
	t.Helper()
	st, _, diags := opener.Open(context.Background(), db, store.Options{System: access.SystemModels(db)})
	if dataflow.HasErrors(diags) {
		t.Fatalf("the database can't be opened:\n%s", Render(diags))
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
