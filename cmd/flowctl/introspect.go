package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/draft"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
	"github.com/flowctl/flowctl/starlark"
	"github.com/spf13/cobra"
)

func introspectCommand(w *world) *cobra.Command {
	var out string
	var tables []string
	cmd := &cobra.Command{
		Use:   "introspect URL",
		Short: "Write an app.star from a database that is there",
		Long: `introspect reads the tables of a SQLite or PostgreSQL database and writes an
app.star that serves them. It writes nothing to the database. What can't be
carried over is said in a comment of the file. A password in the URL is not
written: give the URL to flowctl run in DATABASE_URL.`,
		Args: takes("URL"),
		PreRunE: func(*cobra.Command, []string) error {
			var wrong usageErrors
			for _, p := range tables {
				if _, err := path.Match(p, ""); err != nil {
					wrong.add(&usageError{fmt.Sprintf("--table %q is no pattern", p), `write a name, with * for any letters: --table "order*"`})
				}
			}
			return wrong.orNil()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := introspect(cmd.Context(), w, args[0], tables)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = w.out.Write(text)
				return err
			}
			if err := writeNew(out, text); err != nil {
				return &usageError{out + " can't be written: " + reason(err), "name a file that is not there yet"}
			}
			fmt.Fprintf(w.out, "wrote %s\n\nnext:\n  flowctl check %s\n  flowctl run %s\n", out, out, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file to write, which must not be there yet; standard output without it")
	cmd.Flags().StringArrayVar(&tables, "table", nil, "write tables of this name only, which may have * in it; may be given several times")
	return cmd
}

// inspector reads the schema of one engine's databases.
type inspector interface {
	Schemes() []string
	Inspect(ctx context.Context, db *dataflow.Database, dir string) (*migrate.Found, []dataflow.Diagnostic)
}

func introspect(ctx context.Context, w *world, at string, tables []string) ([]byte, error) {
	scheme, _, _ := strings.Cut(at, ":")
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, engine := range []inspector{sqlite.Opener{}, postgres.Opener{}} {
		for _, s := range engine.Schemes() {
			if s != scheme {
				continue
			}
			found, diags := engine.Inspect(ctx, &dataflow.Database{URL: at}, dir)
			if len(diags) > 0 {
				for _, d := range diags {
					w.complain(d)
				}
				return nil, exitError(exitFailed)
			}
			if err := noTable(found, tables); err != nil {
				return nil, err
			}
			if len(tableNames(found)) == 0 && len(found.Others) == 0 {
				hint := "name the file of the database that has them"
				if scheme != "sqlite" {
					hint = "they are looked for in the first schema of the search path: name another behind the URL, ?search_path=sales"
				}
				return nil, &usageError{"the database has no tables to write a file from", hint}
			}
			return fileOf(found, withoutSecrets(at), tables)
		}
	}
	return nil, &usageError{"the URL is of no database that flowctl knows", `write sqlite:shop.db, or postgres://user@host/database`}
}

// tableNames are the names of the tables that are not the runtime's own.
func tableNames(found *migrate.Found) (names []string) {
	for i := range found.Schema.Tables {
		if name := found.Schema.Tables[i].Name; !migrate.Internal(name) {
			names = append(names, name)
		}
	}
	return names
}

// noTable refuses a --table that no table of the database fits.
func noTable(found *migrate.Found, patterns []string) error {
	names := tableNames(found)
	for _, p := range patterns {
		if !slices.ContainsFunc(names, func(table string) bool { return fits(p, table) }) {
			if len(names) == 0 {
				return &usageError{fmt.Sprintf("--table can't be %q", p), "the database has no tables"}
			}
			return unlisted(fmt.Sprintf("--table can't be %q", p), p, names, "the tables are")
		}
	}
	return nil
}

// fits reports whether a table is named as a pattern asks.
func fits(pattern, table string) bool {
	ok, err := path.Match(pattern, table)
	return err == nil && ok
}

func fileOf(found *migrate.Found, at string, tables []string) ([]byte, error) {
	text := draft.Write(found, draft.Options{URL: at, Tables: tables, Match: fits})
	laidOut, diags := starlark.Format("app.star", text)
	if len(diags) > 0 {
		return nil, errors.New("the file that was written can't be read: " + diags[0].Message)
	}
	return laidOut, nil
}

// withoutSecrets is a URL without the password, wherever it stands in it.
func withoutSecrets(at string) string {
	u, err := url.Parse(at)
	if err != nil || u.Opaque != "" || u.Scheme == "sqlite" {
		return at
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for _, name := range []string{"password", "sslpassword", "passfile"} {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
