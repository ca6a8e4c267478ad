package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
)

// What introspect writes is held against the database that it was written
// from: of an app's own it asks for nothing more, of another program's it fits.

// introspected is the file that is written from a database. To write it alters
// nothing there.
func introspected(t *testing.T, at string) string {
	t.Helper()
	before := witness(t, at)
	text, err := introspect(context.Background(), quiet(at), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, witness(t, at)); diff != "" {
		t.Errorf("introspect has altered the database (-before +after):\n%s", diff)
	}
	return string(text)
}

// quiet is a world without a voice in which DATABASE_URL is at.
func quiet(at string) *world {
	w := system()
	w.out, w.err = io.Discard, io.Discard
	w.env = func(name string) (string, bool) { return at, name == "DATABASE_URL" }
	return w
}

// witness is what no reader of a database may alter: the bytes of a file and
// what lies beside it; who wrote each row of a server's catalog, and what it
// has counted of rows written.
func witness(t *testing.T, at string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	if !isPostgres(at) {
		entries, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(at, "sqlite:")))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(filepath.Dir(strings.TrimPrefix(at, "sqlite:")), e.Name())
			text, err := os.ReadFile(path)
			info, err2 := e.Info()
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			seen[e.Name()] = info.ModTime().String() + string(text)
		}
		return seen
	}
	db, err := openSQL(at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, catalog := range []string{"pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_proc", "pg_type", "pg_namespace", "pg_description", "pg_trigger"} {
		seen[catalog] = one(t, db, `SELECT count(*) || ' ' || coalesce(sum(xmin::text::bigint), 0) FROM `+catalog)
	}
	seen["next transaction"] = one(t, db, `SELECT pg_snapshot_xmax(pg_current_snapshot())::text`)
	return seen
}

func one(t *testing.T, db *sql.DB, query string) (text string) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// loaded is an app over a database, without a complaint.
func loaded(t *testing.T, at, text string) *migration {
	t.Helper()
	a, err := findApp(writeApp(t, text))
	if err != nil {
		t.Fatal(err)
	}
	w := quiet(at)
	m := &migration{a: a, w: w, f: &migrateFlags{}}
	if err := m.open(context.Background(), change); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close) // which may have been done before
	if dataflow.HasErrors(m.diags) {
		t.Fatalf("%s\n%s", messages(m.diags), text)
	}
	return m
}

func messages(ds []dataflow.Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s %s %s: %s\n", d.Span, d.Code, d.Severity, d.Message)
	}
	return b.String()
}

// roundTrip migrates an empty database for an app, and holds what is written
// from it against it.
func roundTrip(t *testing.T, at, text string) {
	t.Helper()
	m := loaded(t, at, text)
	if _, ds := m.dbs[0].Apply(context.Background()); dataflow.HasErrors(ds) {
		t.Fatalf("%s\n%s", messages(ds), text)
	}
	m.close()
	again := introspected(t, at)
	p, ds := loaded(t, at, again).dbs[0].Preview(context.Background())
	if len(ds) > 0 || len(p.Steps) > 0 {
		var steps []string
		for _, s := range p.Steps {
			steps = append(steps, s.Step)
		}
		t.Errorf("it asks for %q\n%s\nof:\n%s\nwritten:\n%s", steps, messages(ds), text, again)
	}
}

func TestTheShopIsIntrospected(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "shop", "app.star"))
	if err != nil {
		t.Fatal(err)
	}
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) { roundTrip(t, empty(t), string(text)) })
}

func TestRandomAppsAreIntrospected(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		for seed := range uint64(25) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				roundTrip(t, empty(t), randomApp(rand.New(rand.NewPCG(seed, 7))))
			})
		}
	})
}

// randomApp writes an app of up to four models with whatever the language has
// that shows in a database.
func randomApp(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteString("db = DataFlow(database_url = env(\"DATABASE_URL\"))\n")
	maybe := func(one, in int) bool { return rnd.IntN(in) < one }
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	var made []string
	tenants := maybe(1, 4) // what is shared by tenants can't refer to what is not
	for _, model := range []string{"Alpha", "BetaBox", "Order", "Zeta"} {
		if maybe(1, 5) {
			continue
		}
		var fields, names, texts []string
		if id := pick("", "", "str", "uuid", "int"); id != "" {
			fields = append(fields, fmt.Sprintf("%q: %s", "id", id))
		}
		for _, name := range []string{"title", "n", "select", "d", "at", "kind", "tags", "extra", "Odd", "state_2", "flag"} {
			if maybe(1, 3) {
				continue
			}
			typ := map[string]string{"n": pick("int", "float"), "select": "str", "d": pick("decimal(10, 2)", "decimal(30, 4)", "decimal(18, 0)"), "at": pick("datetime", "date", "time"),
				"kind": pick(`enum("a", "b")`, `enum("it's", "two words", "\\")`), "tags": pick("list(str)", "list(int)", "list(date)"), "extra": pick("json", "bytes", "uuid"), "flag": "bool"}[name]
			if typ == "" {
				typ = "str"
			}
			var options []string
			if maybe(1, 3) {
				options = append(options, "optional = True")
			}
			plain := name != "tags" && name != "extra"
			switch {
			case !plain:
			case maybe(1, 6):
				options = append(options, "unique = True")
			case maybe(1, 6):
				options = append(options, "index = True")
			}
			if typ == "str" && maybe(1, 4) {
				options = append(options, "searchable = True")
			}
			if maybe(1, 8) {
				options = append(options, fmt.Sprintf("column = %q", pick("Col Of ", "c", "ORDER")+name))
			}
			fields = append(fields, fmt.Sprintf("%q: %s", name, fieldOf(typ, options)))
			if plain {
				names = append(names, name)
			}
			if typ == "str" {
				texts = append(texts, name)
			}
		}
		if len(made) > 0 && maybe(2, 3) {
			fields = append(fields, fmt.Sprintf("%q: ref(%s, optional = True, on_delete = %q)", "owner", pick(made...), pick("cascade", "restrict", "set_null")))
		}
		if maybe(1, 3) {
			fields = append(fields, `"parent": ref("self", optional = True)`)
		}
		var options []string
		if len(names) > 2 {
			var indexes []string
			if maybe(1, 2) {
				indexes = append(indexes, fmt.Sprintf("index(%q, %q)", names[0], names[1]))
			}
			if len(texts) > 0 && maybe(1, 2) {
				indexes = append(indexes, fmt.Sprintf("index(%q, unique = True, where = {%q: %s})", names[2], texts[0], pick(`"x"`, `{"$gt": "it's"}`, `{"$null": False}`, `{"$in": ["a", "b"]}`)))
			}
			if len(indexes) > 0 {
				options = append(options, "indexes = ["+strings.Join(indexes, ", ")+"]")
			}
			if maybe(1, 3) {
				options = append(options, fmt.Sprintf("unique = [[%q, %q]]", names[1], names[2]))
			}
		}
		for _, o := range []string{"versioned = True", "soft_delete = True", "audit_log = True", "timestamps = False", fmt.Sprintf("table = %q", "The "+model)} {
			if maybe(1, 4) {
				options = append(options, o)
			}
		}
		if tenants {
			options = append(options, "multi_tenant = True")
		}
		fmt.Fprintf(&b, "%s = db.model(%q, {%s}", model, model, strings.Join(fields, ", "))
		for _, o := range options {
			b.WriteString(", " + o)
		}
		b.WriteString(")\n")
		made = append(made, model)
	}
	return b.String()
}

func fieldOf(typ string, options []string) string {
	if len(options) == 0 {
		return typ
	}
	list := strings.Join(options, ", ")
	if strings.HasSuffix(typ, ")") {
		return strings.TrimSuffix(typ, ")") + ", " + list + ")"
	}
	return "field(" + typ + ", " + list + ")"
}

// TestSchemasOfOtherPrograms holds the files that are written from well-known
// shapes of databases against those that are known to be right; each fits the
// database it is from.
func TestSchemasOfOtherPrograms(t *testing.T) {
	empty := map[string]func(*testing.T) string{}
	for _, e := range engines {
		empty[e.name] = e.empty
	}
	for _, engine := range slices.Sorted(maps.Keys(empty)) {
		for _, name := range []string{"northwind", "django", "odd"} {
			t.Run(name+" on "+engine, func(t *testing.T) {
				schema, err := os.ReadFile(filepath.Join("testdata", "introspect", name+"."+engine+".sql"))
				if err != nil {
					t.Fatal(err)
				}
				at := empty[engine](t)
				if isPostgres(at) {
					pgtest.Exec(t, at, string(schema))
				} else if db := openTest(t, at); db != nil {
					if _, err := db.Exec(string(schema)); err != nil {
						t.Fatal(err)
					}
					db.Close()
				}
				text := introspected(t, at)
				golden := filepath.Join("testdata", "introspect", name+"."+engine+".star")
				shown := strings.ReplaceAll(text, withoutSecrets(at), "URL")
				if *update {
					if err := os.WriteFile(golden, []byte(shown), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), shown); diff != "" {
					t.Errorf("%s (-want +got):\n%s", golden, diff)
				}
				m := loaded(t, at, text)
				if _, ds := m.dbs[0].Open(context.Background()); len(ds) > 0 {
					t.Errorf("it does not fit:\n%s", messages(ds))
				}
				m.close()
				if isPostgres(at) {
					return // types of its own are another's until somebody changes them
				}
				adopted := loaded(t, at, strings.Replace(text, "    existing_schema_mode = True,\n", "", 1))
				p, ds := adopted.dbs[0].Preview(context.Background())
				if dataflow.HasErrors(ds) {
					t.Fatalf("taken on:\n%s", messages(ds))
				}
				for _, s := range p.Steps {
					if !migrate.Internal(s.Table) && !strings.HasPrefix(s.Step, "create index") {
						t.Errorf("taken on, it asks for %q", s.Step)
					}
				}
				if _, ds := adopted.dbs[0].Apply(context.Background()); dataflow.HasErrors(ds) {
					t.Fatalf("taken on:\n%s", messages(ds))
				}
				if st, _ := adopted.dbs[0].Status(context.Background()); st == nil || st.Behind || len(st.Drift) > 0 {
					t.Errorf("taken on, it is %+v", st)
				}
			})
		}
	}
}
