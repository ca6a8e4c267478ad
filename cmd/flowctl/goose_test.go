package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdGoose runs the files of a folder as goose does, all up or all down.
func cmdGoose(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3 && (args[0] == "up" || args[0] == "down"), "goose up|down DB DIR")
	db := openDB(ts, args[1])
	defer db.Close()
	dialect := goose.DialectSQLite3
	if isPostgres(args[1]) {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, db, os.DirFS(ts.MkAbs(args[2])))
	ts.Check(err)
	ctx := context.Background()
	var results []*goose.MigrationResult
	if args[0] == "up" {
		results, err = p.Up(ctx)
	} else {
		results, err = p.DownTo(ctx, 0)
	}
	ts.Check(err)
	for _, r := range results {
		fmt.Fprintf(ts.Stdout(), "%s %s\n", r.Direction, filepath.Base(r.Source.Path))
	}
}
