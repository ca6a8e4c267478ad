package migrate

import "testing"

func TestNamesNow(t *testing.T) {
	created := func(table string) Done {
		return Done{Step: Step{Action: CreateTable, Table: &Table{Name: table}}.String(), Table: table}
	}
	added := func(table, column string) Done {
		return Done{Step: Step{Action: AddColumn, Table: &Table{Name: table}, Column: &Column{Name: column}}.String(), Table: table}
	}
	renamed := func(was, table string) Done {
		return Done{Table: table, Renamed: &Renamed{Table: table, Was: was}}
	}
	moved := func(table, was, column string) Done {
		return Done{Table: table, Renamed: &Renamed{Table: table, Column: column, Was: was}}
	}
	for _, test := range []struct {
		name          string
		steps         []Done
		table, column string // as they are called now: orders, and note of the table that was last called so
	}{
		{"nothing", nil, "orders", "note"},
		{"renamed", []Done{created("orders"), renamed("orders", "sales"), moved("sales", "note", "remark")}, "sales", "remark"},
		{"twice", []Done{renamed("orders", "sales"), renamed("sales", "deals"), moved("deals", "note", "a"), moved("deals", "a", "b")}, "deals", "b"},
		{"and back", []Done{renamed("orders", "sales"), moved("sales", "note", "a"), moved("sales", "a", "note"), renamed("sales", "orders")}, "orders", "note"},
		{"and another made", []Done{renamed("orders", "sales"), created("orders")}, "orders", "note"},
		{"another's", []Done{renamed("users", "people"), moved("people", "note", "a")}, "orders", "note"},
		{"a column before its table", []Done{moved("orders", "note", "remark"), renamed("orders", "sales")}, "sales", "remark"},
		{"a column made anew", []Done{moved("orders", "note", "remark"), added("orders", "note"), renamed("orders", "sales")}, "sales", "note"},
	} {
		table := tableNow(test.steps, "orders")
		if column := columnNow(test.steps, table, "note"); table != test.table || column != test.column {
			t.Errorf("%s: %s, %s; want %s, %s", test.name, table, column, test.table, test.column)
		}
	}
}
