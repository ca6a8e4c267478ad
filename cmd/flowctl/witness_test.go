package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	atlas "ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqlite"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdSameDB has another program's eyes, Atlas's inspector and differ, compare
// two databases of one engine: that a database was migrated must not show.
func cmdSameDB(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 2, "samedb DB DB")
	have, want := openDB(ts, args[0]), openDB(ts, args[1])
	defer have.Close()
	defer want.Close()
	differences, err := compareWithAtlas(isPostgres(args[0]), have, want)
	ts.Check(err)
	for _, d := range differences {
		fmt.Fprintln(ts.Stdout(), d)
	}
	if same := len(differences) == 0; same == neg {
		ts.Fatalf("the schemas are the same: %v", same)
	}
}

// compareWithAtlas says what would have to be done to have for it to be as want.
func compareWithAtlas(isPostgres bool, have, want *sql.DB) ([]string, error) {
	a, _, err := inspectWithAtlas(isPostgres, have)
	if err != nil {
		return nil, err
	}
	b, differ, err := inspectWithAtlas(isPostgres, want)
	if err != nil {
		return nil, err
	}
	if len(b.Tables) == 0 {
		return nil, errors.New("there are no tables to compare with")
	}
	changes, err := differ.SchemaDiff(a, b)
	differences := make([]string, len(changes))
	for i, c := range changes {
		differences[i] = describeChange(c)
	}
	return differences, err
}

func inspectWithAtlas(isPostgres bool, db *sql.DB) (*schema.Schema, atlas.Driver, error) {
	open, name := sqlite.Open, "main"
	if isPostgres {
		open, name = postgres.Open, "public"
	}
	driver, err := open(db)
	if err != nil {
		return nil, nil, err
	}
	s, err := driver.InspectSchema(context.Background(), name, nil)
	return s, driver, err
}

func describeChange(c schema.Change) string {
	switch c := c.(type) {
	case *schema.AddTable:
		return "missing table " + c.T.Name
	case *schema.DropTable:
		return "another table " + c.T.Name
	case *schema.ModifyTable:
		s := "table " + c.T.Name + ":"
		for _, change := range c.Changes {
			s += " " + describeChange(change)
		}
		return s
	case *schema.AddColumn:
		return "missing column " + c.C.Name
	case *schema.DropColumn:
		return "another column " + c.C.Name
	case *schema.ModifyColumn:
		return fmt.Sprintf("column %s (%b)", c.To.Name, c.Change)
	case *schema.AddIndex:
		return "missing index " + c.I.Name
	case *schema.DropIndex:
		return "another index " + c.I.Name
	default:
		return fmt.Sprintf("%T %+v", c, c)
	}
}
