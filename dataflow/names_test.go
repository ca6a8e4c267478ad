package dataflow

import "testing"

func TestTableName(t *testing.T) {
	for model, want := range map[string]string{
		"Order": "orders", "OrderLine": "order_lines", "Category": "categories", "Address": "addresses",
		"Box": "boxes", "Branch": "branches", "Day": "days", "Person": "people", "SalesPerson": "sales_people",
		"HTTPLog": "http_logs", "Analysis": "analyses", "Index": "indexes", "Order_Line": "order_lines", "V2Order": "v2_orders",
	} {
		if got := TableName(model); got != want {
			t.Errorf("TableName(%q) = %q, want %q", model, got, want)
		}
	}
}
