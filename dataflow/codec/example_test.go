package codec_test

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func ExampleDecoder() {
	fields := []*dataflow.Field{
		{Name: "sku", Type: dataflow.String},
		{Name: "price", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}},
	}
	d := codec.NewDecoder(dataflow.NewShape("sku", "price"), fields)

	row, _ := d.Decode([]byte(`{"price": 9.5, "sku": "A-1"}`))
	fmt.Printf("%s\n", codec.AppendValue(nil, row))

	_, problems := d.Decode([]byte(`{"skuu": "A-1", "price": "9.999"}`))
	for _, p := range problems {
		fmt.Println(p.Pointer, p.Detail, p.Hint)
	}
	// Output:
	// {"sku":"A-1","price":"9.50"}
	// /skuu there is no field "skuu" did you mean "sku"?
	// /price must have at most 2 digits after the point round it first: nothing is rounded silently
}
