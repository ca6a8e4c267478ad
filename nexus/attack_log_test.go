package nexus_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// heard is a log that several goroutines may write to.
type heard struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

func (h *heard) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.b.Reset()
	return h.b.String()
}

// What a database says of a value, by itself or by triggers that others have
// made, is neither logged, at any level, nor told to a caller.
func TestFaultsOfTheDatabaseAreLoggedWithoutValues(t *testing.T) {
	const canary = "canary-7f3a"
	words := func(do string) string {
		return "CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + do + "; RETURN NEW; END $$;" +
			"CREATE TRIGGER speak BEFORE INSERT OR UPDATE ON faults FOR EACH ROW EXECUTE FUNCTION speak()"
	}
	raise := func(state string) string {
		return words("RAISE EXCEPTION 'no %', NEW.text USING ERRCODE = '" + state + "', DETAIL = NEW.text, HINT = NEW.text")
	}
	type fault struct{ name, sql string }
	faults := map[string][]fault{
		"postgres": {
			{"no number", words("PERFORM NEW.text::int")},
			{"no date", words("PERFORM NEW.text::timestamptz")},
			{"no JSON", words("PERFORM NEW.text::json")},
			{"no UUID", words("PERFORM NEW.text::uuid")},
			{"no pattern", words("PERFORM 'x' ~ ('(' || NEW.text)")},
			{"no table", words("EXECUTE 'SELECT 1 FROM ' || quote_ident(NEW.text)")},
			{"no SQL", words("EXECUTE NEW.text || ' (' || NEW.text")},
			{"raised", raise("P0001")},
			{"raised as one of ours", raise("23505")},
			{"raised as a reference", raise("23503")},
			{"raised as SQL", raise("42601")},
			{"raised as a conflict", raise("40001")},
			{"raised as a full disk", raise("53100")},
			{"raised as a fault", raise("XX001")},
			{"raised as an own", raise("ZZ123")},
			{"a unique index", "INSERT INTO faults (text, created_at, updated_at) VALUES ('canary-7f3a', now(), now()); CREATE UNIQUE INDEX other ON faults (text)"},
			{"a length", "DROP INDEX other; ALTER TABLE faults ALTER text TYPE varchar(3) USING left(text, 3)"},
			{"a check", "ALTER TABLE faults ALTER text TYPE text, ADD CHECK (length(text) < 4)"},
		},
		"sqlite": {
			{"raised", "CREATE TRIGGER speak BEFORE INSERT ON faults BEGIN SELECT RAISE(ABORT, 'canary-7f3a'); END"},
			{"no JSON", "CREATE TRIGGER speak BEFORE INSERT ON faults BEGIN SELECT json_extract(NEW.text, '$.a'); END"},
			{"no path", "CREATE TRIGGER speak BEFORE INSERT ON faults BEGIN SELECT json_extract('{}', NEW.text); END"},
			{"no search", "CREATE VIRTUAL TABLE found USING fts5(x); CREATE TRIGGER speak BEFORE INSERT ON faults BEGIN INSERT INTO found(found) VALUES (NEW.text); END"},
			{"no datable", "CREATE TRIGGER speak BEFORE INSERT ON faults BEGIN SELECT abs(-9223372036854775808); END"},
		},
	}
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		engine, file, _ := strings.Cut(url, ":")
		exec, undo := func(sql string) { pgtest.Exec(t, url, sql) }, "DROP TRIGGER IF EXISTS speak ON faults; DROP FUNCTION IF EXISTS speak"
		if engine == "sqlite" {
			exec, undo = func(sql string) { execSQLite(t, file, sql) }, "DROP TRIGGER IF EXISTS speak"
		}
		log := &heard{}
		gen := build(t, faulty(url), nexus.Options{AccessLog: true,
			Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		for _, f := range faults[engine] {
			exec(undo)
			exec(f.sql)
			for path, body := range canaries(canary) {
				handler := gen.API()
				if path == "/mcp" {
					handler = gen.MCP()
				}
				r := httptest.NewRequest("POST", path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				answer := w.Body.String()
				if w.Code < 400 && !strings.Contains(answer, `"isError":true`) {
					t.Errorf("%s: %s has not failed: %d %s", f.name, path, w.Code, answer)
				}
				if strings.Contains(answer, "unknown_field") || strings.Contains(answer, "not_in_enum") {
					t.Errorf("%s: %s asks for nothing: %s", f.name, path, answer)
				}
				if strings.Contains(answer, canary) {
					t.Errorf("%s: %s is answered with a value: %d %s", f.name, path, w.Code, answer)
				}
				if said := log.take(); strings.Contains(said, canary) || !strings.Contains(said, "POST") {
					t.Errorf("%s: the log of %s has a value, or nothing: %s", f.name, path, said)
				}
			}
		}
	})
}

// canaries are ways to write a row with a text.
func canaries(text string) map[string]string {
	body := fmt.Sprintf(`{"text":%q}`, text)
	return map[string]string{
		"/api/faults":             body,
		"/api/faults/bulk_create": `{"data":[` + body + `,` + body + `]}`,
		"/api/faults/upsert":      `{"where":{"n":1},"create":{"n":1,"text":"` + text + `"}}`,
		"/api/batch":              `{"operations":[{"op":"create","model":"faults","args":` + body + `}]}`,
		"/workflows/add/execute":  `{"inputs":` + body + `}`,
		"/mcp":                    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_records","arguments":{"model":"Fault","records":[` + body + `]}}}`,
	}
}

// faulty is an app with a model that others keep from being written to.
func faulty(url string) *dataflow.App {
	app := apptest.Shop(url)
	fault := apptest.Model(app.Databases[0], "Fault", "faults", nil, apptest.Field("text", dataflow.String), apptest.Field("n", dataflow.Int, func(f *dataflow.Field) { f.Optional, f.Unique = true, true }))
	app.Exposures = append(app.Exposures, apptest.Expose(fault))
	app.Workflows = append(app.Workflows, apptest.Workflow("add", []*dataflow.Field{apptest.Field("text", dataflow.String)},
		apptest.Node("FaultCreateNode", "add", dataflow.ObjectOf("text", "${input.text}"))))
	return app
}

func execSQLite(t *testing.T, file, sql string) {
	t.Helper()
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := sqlitex.ExecuteScript(c, sql, nil); err != nil {
		t.Fatal(err)
	}
}
