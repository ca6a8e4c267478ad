package sqlite

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

func openWriter(db *dataflow.Database, p place) (*conn, *dataflow.Diagnostic) {
	c, err := openConn(p.path, sqlite.OpenReadWrite|sqlite.OpenCreate, busyTimeout)
	if err == nil {
		err = c.exec("PRAGMA journal_mode = WAL")
	}
	if err == nil {
		err = c.exec("PRAGMA synchronous = FULL")
	}
	if err != nil {
		return nil, &dataflow.Diagnostic{Code: "FC602", Message: "the database " + p.name + " can't be opened: " + err.Error(), Span: urlSpan(db)}
	}
	return c, nil
}

func migrateSchema(ctx context.Context, c *conn, db *dataflow.Database, p place, system []*dataflow.Model) (*store.Migration, []dataflow.Diagnostic) {
	done := &store.Migration{Database: p.name}
	want := migrate.Desired(append(db.Models[:len(db.Models):len(db.Models)], system...), storage)
	fail := func(err error) (*store.Migration, []dataflow.Diagnostic) {
		_ = c.run("ROLLBACK")
		return nil, []dataflow.Diagnostic{{Code: "FC603", Message: "the tables of " + p.name + " can't be made: " + err.Error(), Span: urlSpan(db)}}
	}
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return fail(err)
	}
	for i := range want.Tables {
		t := &want.Tables[i]
		stmt, err := c.stmts.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
		if err != nil {
			return fail(err)
		}
		stmt.BindText(1, t.Name)
		there, err := stmt.Step()
		c.stmts.put(stmt)
		if err != nil {
			return fail(err)
		}
		if there {
			continue
		}
		if err := c.exec(createTable(t)); err != nil {
			return fail(err)
		}
		for _, ix := range t.Indexes {
			if err := c.exec(createIndex(t.Name, ix)); err != nil {
				return fail(err)
			}
		}
		done.Steps = append(done.Steps, "create table "+t.Name)
	}
	if err := c.run("COMMIT"); err != nil {
		return fail(err)
	}
	return done, nil
}
