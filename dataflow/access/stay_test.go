package access_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestAReferenceMayStayWhenItsRowIsDeletedSoftly(t *testing.T) {
	customer := model("Customer", "customers", field("name", dataflow.String), softDelete)
	order := model("Order", "orders", field("customer", &dataflow.Type{Kind: dataflow.KindRef, Model: customer}), field("note", dataflow.String))
	a := open(t, customer, order)
	a.do("Customer.create", `{"name": "a"}`)
	a.do("Customer.create", `{"name": "b"}`)
	a.do("Order.create", `{"customer": 1, "note": "x"}`)
	a.do("Customer.delete", `{"id": 1}`)
	a.do("Customer.delete", `{"id": 2}`)
	a.do("Order.update", `{"id": 1, "fields": {"customer": 1, "note": "y"}}`)
	gone := `/fields/customer reference: there is no Customer with this id`
	a.fails("Order.update", `{"id": 1, "fields": {"customer": 2}}`, "reference_violation", gone)
}
