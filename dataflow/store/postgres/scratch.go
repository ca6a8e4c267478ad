package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// scratchPrefix begins the names of the schemas that Scratch makes.
const scratchPrefix = "flowctl_test_"

// Scratch makes an empty schema in a database, for something that is thrown
// away. at is the URL that leads into it, and nowhere else; drop drops it with
// all that is in it by then. Nothing but that schema is touched.
func Scratch(ctx context.Context, database string) (at string, drop func() error, err error) {
	if _, problem := parseURL(database, false); problem != "" {
		return "", nil, errors.New(problem)
	}
	u, err := url.Parse(database)
	if err != nil {
		return "", nil, errors.New("the URL can't be read")
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	name := scratchPrefix + hex.EncodeToString(random[:])
	if err := execOnce(ctx, database, "CREATE SCHEMA "+name); err != nil {
		return "", nil, fmt.Errorf("make a schema for a test: %w", err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execOnce(ctx, database, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			return fmt.Errorf("drop the schema %s of a test: %w", name, err)
		}
		return nil
	}, nil
}

// execOnce runs a statement on a connection of its own. Its error says nothing
// of the URL.
func execOnce(ctx context.Context, database, sql string) error {
	c, err := pgconn.Connect(ctx, database)
	if err != nil {
		return unreachable(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	return c.Exec(ctx, sql).Close()
}

// unreachable words why a server does not take a connection, without the URL.
func unreachable(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return errors.New("the server refuses: " + e.Message)
	}
	return errors.New("the database can't be reached")
}
