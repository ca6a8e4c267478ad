package codec_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func orderFields() []*dataflow.Field {
	return []*dataflow.Field{
		{Name: "customer", Type: dataflow.Int},
		{Name: "status", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid", "shipped"}}},
		{Name: "total", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}, Ge: dataflow.Decimal{}},
		{Name: "note", Type: dataflow.String, Optional: true},
		{Name: "placed", Type: dataflow.DateTime},
		{Name: "rush", Type: dataflow.Bool},
	}
}

func shapeOf(fields []*dataflow.Field) *dataflow.Shape {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return dataflow.NewShape(names...)
}

const orderBody = `{"customer": 1234567, "status": "shipped", "total": "1234.50", "note": "please leave it with the neighbours in the house to the left, they know me well", "placed": "2026-01-31T12:34:56.789Z", "rush": true}`

func BenchmarkDecode(b *testing.B) {
	d := codec.NewDecoder(shapeOf(orderFields()), orderFields())
	body := []byte(orderBody)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ps := d.Decode(body); ps != nil {
			b.Fatal(ps)
		}
	}
}
