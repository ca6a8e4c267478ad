package export

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	atlas "ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/sqltool"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what Files returns into testdata")

// sample has what formats differ in: a semicolon and a comment's beginning in
// a value, a change that nothing undoes, a statement outside transactions.
var sample = Migration{
	At:   time.Date(2027, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600)),
	Name: "shop",
	Changes: []Change{
		{Comment: "create table orders", SQL: []string{"CREATE TABLE \"orders\" (\n  \"id\" bigint\n)", `COMMENT ON TABLE "orders" IS 'x'`},
			Reverse: []string{`DROP TABLE "orders"`}},
		{Comment: "fill orders.note\nwith its default", SQL: []string{`UPDATE "orders" SET "note" = 'a; -- ${b}'`}},
		{Comment: "create index on orders (note)", SQL: []string{`CREATE INDEX CONCURRENTLY "ix" ON "orders" ("note")`},
			Reverse: []string{`DROP INDEX CONCURRENTLY "ix"`}, Outside: true},
		{Comment: "drop column orders.old", SQL: []string{`ALTER TABLE "orders" DROP COLUMN "old"`},
			Reverse: []string{`ALTER TABLE "orders" ADD COLUMN "old" text`, "COMMENT ON COLUMN \"orders\".\"old\"\n  IS 'str'"}},
	},
}

func TestFiles(t *testing.T) {
	for _, name := range Formats() {
		var got strings.Builder
		for _, f := range Files(name, sample) {
			fmt.Fprintf(&got, "-- %s --\n%s", f.Name, f.Text)
		}
		golden := filepath.Join("testdata", name+".txtar")
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if files := Files("alembic", sample); files != nil {
		t.Errorf("there are files of an unknown format: %v", files)
	}
}

// Atlas has readers of its own for other programs' files: each must find our
// statements, whole and in order.
func TestOtherReadersFindTheStatements(t *testing.T) {
	var want []string
	for _, c := range sample.Changes {
		want = append(want, c.SQL...)
	}
	readers := map[string]func(dir string) (atlas.Dir, error){
		"goose":          func(dir string) (atlas.Dir, error) { return sqltool.NewGooseDir(dir) },
		"flyway":         func(dir string) (atlas.Dir, error) { return sqltool.NewFlywayDir(dir) },
		"golang-migrate": func(dir string) (atlas.Dir, error) { return sqltool.NewGolangMigrateDir(dir) },
		"dbmate":         func(dir string) (atlas.Dir, error) { return sqltool.NewDBMateDir(dir) },
	}
	for name, open := range readers {
		dir := t.TempDir()
		for _, f := range Files(name, sample) {
			// Atlas does not know this option of dbmate's.
			text := strings.ReplaceAll(f.Text, " transaction:false", "")
			if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		files, err := d.Files()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			statements, err := f.Stmts()
			if err != nil {
				t.Fatalf("%s: %s: %v", name, f.Name(), err)
			}
			for _, s := range statements {
				got = append(got, strings.TrimSuffix(s, ";"))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s (-want +got)\n%s", name, cmp.Diff(want, got))
		}
	}
}

// The names are in the order in which the files are to run.
func TestNamesAreInOrder(t *testing.T) {
	for _, name := range []string{"goose", "dbmate", "liquibase"} {
		var names []string
		for _, f := range Files(name, sample) {
			names = append(names, f.Name)
		}
		if !slices.IsSorted(names) || len(names) != 3 {
			t.Errorf("%s: %v", name, names)
		}
	}
}
