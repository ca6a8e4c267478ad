package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/shopspring/decimal"
	"zombiezen.com/go/sqlite"
)

// convertFunction does in a statement what migrate.Convert does, where SQL has
// no words for it.
const convertFunction = migrate.OwnFunction

// converted is the expression of a stored value of have as one of want. Where
// plain SQL says it, so that other programs can run the statement too, it does.
// They may run it later, over other rows: text that can't be the number is given
// as text, which a column of a STRICT table refuses.
func converted(column string, have, want *migrate.Column) string {
	if have.Kind == want.Kind && have.Scale == want.Scale && have.Storage == want.Storage {
		return column
	}
	if !migrate.Converts(have, want) { // no row has a value
		return "NULL"
	}
	scaled := have.Storage == "INTEGER" && want.Storage == "INTEGER"
	switch have.Kind + " " + want.Kind {
	case "str enum", "enum str", "date str", "datetime str", "uuid str", "bool int":
		return column
	case "int str":
		return "CAST(" + column + " AS TEXT)"
	case "str int":
		n := "CAST(" + column + " AS INTEGER)"
		return "CASE WHEN CAST(" + n + " AS TEXT) = " + column + " THEN " + n + " ELSE 'not a whole number: ' || " + column + " END"
	case "int float":
		return "CAST(" + column + " AS REAL)"
	case "int bool":
		return column + " <> 0"
	case "bool str":
		return "CASE " + column + " WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
	case "str bool":
		return "CASE " + column + " WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE 'neither true nor false: ' || " + column + " END"
	case "datetime date":
		return "substr(" + column + ", 1, 10)"
	case "date datetime":
		return column + " || 'T00:00:00.000000Z'"
	case "int decimal", "decimal int", "decimal decimal":
		if scaled {
			return rescaled(column, scaleOf(have), scaleOf(want))
		}
	case "decimal str":
		if have.Storage == "INTEGER" && have.Scale > 0 {
			unit := "1" + strings.Repeat("0", have.Scale)
			return fmt.Sprintf("CASE WHEN %[1]s < 0 THEN '-' ELSE '' END || (abs(%[1]s) / %[2]s) || '.' || printf('%%0%[3]dd', abs(%[1]s) %% %[2]s)", column, unit, have.Scale)
		} else if have.Storage == "INTEGER" {
			return "CAST(" + column + " AS TEXT)"
		}
	}
	return convertFunction + "(" + column + ", " + text(specOf(have)) + ", " + text(specOf(want)) + ")"
}

func scaleOf(c *migrate.Column) int {
	if c.Kind == "decimal" {
		return c.Scale
	}
	return 0
}

// rescaled is a whole number of one unit as one of another, rounded half away
// from zero.
func rescaled(column string, from, to int) string {
	if to >= from {
		return column + " * 1" + strings.Repeat("0", to-from)
	}
	unit := "1" + strings.Repeat("0", from-to)
	half := "5" + strings.Repeat("0", from-to-1)
	return fmt.Sprintf("(%[1]s + CASE WHEN %[1]s < 0 THEN -%[2]s ELSE %[2]s END) / %[3]s", column, half, unit)
}

// specOf writes what a column holds for convertFunction to read: "decimal 12 2".
func specOf(c *migrate.Column) string {
	return fmt.Sprintf("%s %d %d", c.Kind, c.Precision, c.Scale)
}

func readSpec(s string) (c migrate.Column) {
	parts := strings.Split(s, " ")
	if len(parts) == 3 {
		c.Kind = parts[0]
		c.Precision, _ = strconv.Atoi(parts[1])
		c.Scale, _ = strconv.Atoi(parts[2])
	}
	c.Storage = storage(typeOf(&c))
	return c
}

// typeOf is the type of a column's values, without an enum's.
func typeOf(c *migrate.Column) *dataflow.Type {
	kinds := map[string]dataflow.Kind{
		"str": dataflow.KindString, "enum": dataflow.KindString, "int": dataflow.KindInt, "float": dataflow.KindFloat, "bool": dataflow.KindBool,
		"decimal": dataflow.KindDecimal, "datetime": dataflow.KindDateTime, "date": dataflow.KindDate, "uuid": dataflow.KindUUID,
	}
	return &dataflow.Type{Kind: kinds[c.Kind], Precision: c.Precision, Scale: c.Scale}
}

func registerConvert(c *sqlite.Conn) error {
	return c.CreateFunction(convertFunction, &sqlite.FunctionImpl{NArgs: 3, Deterministic: true,
		Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			if args[0].Type() == sqlite.TypeNull {
				return sqlite.Value{}, nil
			}
			have, want := readSpec(args[1].Text()), readSpec(args[2].Text())
			v, ok := canonical(&have, args[0].Int64(), args[0].Float(), args[0].Text())
			if ok {
				v, _ = migrate.Convert(v, &have, &want)
			}
			if !ok || v == nil { // nulls are refused by the column where it is required
				return sqlite.Value{}, fmt.Errorf("a value can't become %s", want.Kind)
			}
			switch x := (dialect{}).Encode(typeOf(&want), v).(type) {
			case int64:
				return sqlite.IntegerValue(x), nil
			case float64:
				return sqlite.FloatValue(x), nil
			case string:
				return sqlite.TextValue(x), nil
			}
			return sqlite.Value{}, fmt.Errorf("a value can't become %s", want.Kind)
		}})
}

// canonical reads a stored value of a column, given in the three forms that
// SQLite gives values in.
func canonical(c *migrate.Column, i int64, f float64, s string) (any, bool) {
	switch c.Kind {
	case "int":
		return i, true
	case "bool":
		return i != 0, true
	case "float":
		return f, true
	case "decimal":
		if c.Storage == "INTEGER" {
			return decimal.New(i, -int32(c.Scale)), true
		}
		return parseDecimalKey([]byte(s), c.Scale), true
	case "date":
		return dataflow.Date(s), true
	case "datetime":
		v, problems := codec.CoerceType(dataflow.DateTime, s, "")
		return v, len(problems) == 0
	}
	return s, true
}

// Values implements migrate.Data.
func (d rowData) Values(table string, c *migrate.Column, each func(v any)) error {
	return d.c.query("SELECT "+ident(c.Name)+" FROM "+ident(table)+" WHERE "+ident(c.Name)+" IS NOT NULL", nil, func(r *sqlite.Stmt) {
		v, ok := canonical(c, r.ColumnInt64(0), r.ColumnFloat(0), r.ColumnText(0))
		if !ok {
			v = nil
		}
		each(v)
	})
}

// Dangling implements migrate.Data.
func (d rowData) Dangling(table, column, other, id string) (int64, error) {
	return d.count("SELECT count(*) FROM " + ident(table) + " WHERE " + ident(column) + " IS NOT NULL AND " + ident(column) +
		" NOT IN (SELECT " + ident(id) + " FROM " + ident(other) + ")")
}
