package postgres

import (
	"errors"
	"net/url"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// appName is how the server lists our connections, unless the URL says.
const appName = "flowctl"

// idleTimeout ends a transaction that a process has left open without ending
// itself, so that its locks do not stay for ever.
const idleTimeout = "300000" // milliseconds

// parseURL reads a database's URL. problem says what is wrong, or "": never
// with a part of the URL in it, which might be of the password.
func parseURL(text string, unnamed bool) (config *pgxpool.Config, problem string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, "the URL can't be read: characters such as @ : / ? # and % in a user's name or password are written as %40 %3A %2F %3F %23 and %25"
	}
	for name := range u.Query() {
		if strings.HasPrefix(name, "pool_") || name == "default_query_exec_mode" || name == "statement_cache_capacity" || name == "description_cache_capacity" {
			return nil, "the URL has the option " + name + ", which is pgx's; options of the pool are arguments of DataFlow, such as pool_size"
		}
	}
	config, err = pgxpool.ParseConfig(text)
	if err != nil {
		why := "an option in it, or in the environment (PGHOST, PGSSLMODE, …), is wrong"
		if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
			if cause := e.Unwrap(); cause != nil && !strings.Contains(cause.Error(), "://") {
				why = cause.Error()
			}
		}
		return nil, "the URL can't be used: " + why
	}
	params := config.ConnConfig.RuntimeParams
	setDefault(params, "application_name", appName)
	setDefault(params, "timezone", "UTC")
	if !unnamed { // poolers refuse to be told
		setDefault(params, "idle_in_transaction_session_timeout", idleTimeout)
	}
	return config, ""
}

// parseURLs reads the URL of a database and the one that goes round its pooler,
// which is the same unless the file says.
func parseURLs(db *dataflow.Database) (config, direct *pgxpool.Config, diags []dataflow.Diagnostic) {
	refuse := func(problem string, span dataflow.Span) []dataflow.Diagnostic {
		return []dataflow.Diagnostic{{Code: "FC601", Message: problem, Span: span,
			Hint: `write database_url = "postgres://user:password@host:5432/database", or take it from the environment: env("DATABASE_URL")`}}
	}
	config, problem := parseURL(db.URL, db.Options.Pooler == "transaction")
	if problem != "" {
		return nil, nil, refuse(problem, db.URLSpan())
	}
	if db.Options.DirectURL == "" {
		return config, config, nil
	}
	if direct, problem = parseURL(db.Options.DirectURL, false); problem != "" {
		return nil, nil, refuse(problem, db.Spans.At("/direct_url"))
	}
	return config, direct, nil
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

// displayName is what people are shown: where the database is and its name, and
// nothing of how to get in.
func displayName(config *pgxpool.Config) string {
	c := config.ConnConfig
	u := url.URL{Scheme: "postgres", Host: c.Host, Path: "/" + c.Database}
	switch {
	case strings.HasPrefix(c.Host, "/"):
		u.Host = ""
	case strings.Contains(c.Host, ":"):
		u.Host = "[" + c.Host + "]"
	}
	if c.Port != 5432 && u.Host != "" {
		u.Host += ":" + itoa(int(c.Port))
	}
	return u.String()
}
