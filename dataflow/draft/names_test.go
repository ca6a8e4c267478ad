package draft

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestModelsAreNamedForOneRow(t *testing.T) {
	for table, want := range map[string]string{
		"orders": "Order", "order_lines": "OrderLine", "categories": "Category", "people": "Person", "boxes": "Box", "houses": "House",
		"addresses": "Address", "statuses": "Status", "analyses": "Analysis", "news": "News", "Order Details": "OrderDetail", "django_user": "DjangoUser",
		"2fa": "F2fa", "ITEM": "Item", "JobBulk": "JobBulkRow", "_x": "X",
		"DataFlow": "DataFlowRow", "nones": "NoneRow", "workflow_builders": "WorkflowBuilderRow",
	} {
		if got := modelName(table); got != want {
			t.Errorf("%q is %q, not %q", table, got, want)
		}
	}
}

func TestSingularIsTheInverseOfTableNames(t *testing.T) {
	for _, name := range []string{"Order", "OrderLine", "Category", "Person", "Child", "Box", "Match", "Dish", "Status", "Movie", "Quiz", "Shelf", "Day"} {
		if got := modelName(dataflow.TableName(name)); got != name {
			t.Errorf("%s comes back as %s", name, got)
		}
	}
}

func TestFieldNames(t *testing.T) {
	for column, want := range map[string]string{
		"CustomerID": "customer_id", "Company Name": "company_name", "select": "select", "UPPER": "upper", "straße": "stra_e", "2nd": "f_2nd", "a$b": "a_b",
	} {
		if got := fieldName(column, false); got != want {
			t.Errorf("%q is %q, not %q", column, got, want)
		}
	}
}
