package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // registers its driver
)

// databaseNames are pairs for the normaliser: how the databases of a script
// are shown, and the variables that name them.
type databaseNames []string

// setDatabase puts the URL of a database into a variable: $DATABASE_URL is
// shown as such, and what people are shown of it as $DATABASE.
func setDatabase(env *testscript.Env, name, at string) error {
	env.Setenv(name, at)
	return env.Values[databasesKey{}].(*databaseNames).add(name, at)
}

func (n *databaseNames) add(name, at string) error {
	shown := strings.TrimPrefix(at, "sqlite:")
	if shown == at {
		u, err := url.Parse(at)
		if err != nil {
			return err
		}
		u.User = nil
		shown = u.String()
	}
	*n = append(*n, at, "$"+name, shown, "$"+strings.TrimSuffix(name, "_URL"))
	return nil
}

func cmdPGDB(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "pgdb NAME")
	at, drop, err := pgtest.New()
	ts.Check(err)
	ts.Defer(func() {
		if err := drop(); err != nil {
			ts.Logf("%v", err)
		}
	})
	ts.Setenv(args[0], at)
	ts.Check(ts.Value(databasesKey{}).(*databaseNames).add(args[0], at))
}

func cmdNewDB(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "newdb NAME")
	if ts.Getenv("ENGINE") == "postgres" {
		cmdPGDB(ts, neg, args)
		return
	}
	at := "sqlite:" + strings.ToLower(strings.TrimSuffix(args[0], "_URL")) + ".db"
	ts.Setenv(args[0], at)
	ts.Check(ts.Value(databasesKey{}).(*databaseNames).add(args[0], at))
}

// openDB opens a database as another program might: by its URL, or its file.
func openDB(ts *testscript.TestScript, at string) *sql.DB {
	if !isPostgres(at) {
		at = ts.MkAbs(strings.TrimPrefix(at, "sqlite:"))
	}
	db, err := openSQL(at)
	ts.Check(err)
	return db
}

func isPostgres(at string) bool { return strings.HasPrefix(at, "postgres:") }

func openSQL(at string) (db *sql.DB, err error) {
	if isPostgres(at) {
		config, err := pgx.ParseConfig(at)
		if err != nil {
			return nil, err
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // takes several statements
		config.RuntimeParams["timezone"] = "UTC"
		db = stdlib.OpenDB(*config)
	} else if db, err = sql.Open("sqlite", strings.TrimPrefix(at, "sqlite:")); err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// cmdSQL prints the rows of each statement, a line each, columns between bars.
func cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "sql DB STATEMENT|@FILE...")
	db := openDB(ts, args[0])
	defer db.Close()
	for _, statement := range args[1:] {
		if file, ok := strings.CutPrefix(statement, "@"); ok { // which has one on each line
			for line := range strings.Lines(ts.ReadFile(file)) {
				printRows(ts, db, line)
			}
			continue
		}
		printRows(ts, db, statement)
	}
}

func printRows(ts *testscript.TestScript, db *sql.DB, statement string) {
	rows, err := db.Query(statement)
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		ts.Check(rows.Scan(into...))
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = v.String
		}
		fmt.Fprintln(ts.Stdout(), strings.Join(words, "|"))
	}
	ts.Check(rows.Err())
}

func cmdLockDB(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "lockdb DB [STATEMENT...]")
	db, begin := openDB(ts, args[0]), "BEGIN EXCLUSIVE"
	if isPostgres(args[0]) {
		begin = "BEGIN"
	}
	ctx := context.Background()
	c, err := db.Conn(ctx)
	ts.Check(err)
	for _, statement := range append([]string{begin}, args[1:]...) {
		_, err := c.ExecContext(ctx, statement)
		ts.Check(err)
	}
	locks := ts.Value(locksKey{}).(map[string]func())
	locks[args[0]] = func() {
		_, _ = c.ExecContext(ctx, "ROLLBACK") // it may be closed already
		c.Close()
		db.Close()
	}
	ts.Defer(locks[args[0]])
}

func cmdUnlockDB(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "unlockdb DB")
	unlock := ts.Value(locksKey{}).(map[string]func())[args[0]]
	if unlock == nil {
		ts.Fatalf("%s is not locked", args[0])
	}
	unlock()
}
