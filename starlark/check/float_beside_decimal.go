package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var floatBesideDecimal = Rule{
	Code: "FC144", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
def gross(row):
    return row.net * 1.2  # here

Order = db.model("Order", {"net": decimal(12, 2)}, computed = {"gross": gross})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
def gross(row):
    return row.net * decimal("1.2")

Order = db.model("Order", {"net": decimal(12, 2)}, computed = {"gross": gross})
`,
	find: (*pass).tell,
}
