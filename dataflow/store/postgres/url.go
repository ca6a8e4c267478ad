package postgres

import (
	"errors"
	"net/url"
	"slices"
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

// stallTimeout is the same for a transaction that waits for nothing but the
// database.
const stallTimeout = "6000"

// parseURL reads a database's URL. problem says what is wrong, or "": never
// with a part of the URL in it, which might be of the password.
func parseURL(text string, unnamed bool) (config *pgxpool.Config, problem string) {
	if scheme, _, _ := strings.Cut(text, ":"); !slices.Contains(Opener{}.Schemes(), scheme) {
		return nil, `the URL does not start with "postgres:"`
	}
	u, err := url.Parse(text)
	if err != nil {
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
	if problem := tell(params, unnamed); problem != "" {
		return nil, problem
	}
	if !unnamed { // poolers refuse to be told
		setDefault(params, "idle_in_transaction_session_timeout", idleTimeout)
	}
	return config, ""
}

// pooled is the one kind of pooler there is: each transaction is given any
// connection. One that gives each client a connection needs no option.
const pooled = "transaction"

// parseURLs reads the URL of a database and the one that goes round its pooler,
// which is nil unless the file says.
func parseURLs(db *dataflow.Database) (config, direct *pgxpool.Config, diags []dataflow.Diagnostic) {
	if p := db.Options.Pooler; p != "" && p != pooled {
		return nil, nil, []dataflow.Diagnostic{{Code: "FC608", Span: db.OptionSpan("pooler"),
			Message: "there is no such pooler", Hint: `write pooler = "transaction", or leave it out`}}
	}
	refuse := func(option, problem string) {
		diags = append(diags, dataflow.Diagnostic{Code: "FC601", Message: problem, Span: db.OptionSpan(option),
			Hint: "write " + option + ` = "postgres://user:password@host:5432/database", or take it from the environment: env("` + strings.ToUpper(option) + `")`})
	}
	config, problem := parseURL(db.URL, db.Options.Pooler == pooled)
	if problem != "" {
		refuse("database_url", problem)
	}
	if db.Options.DirectURL != "" {
		if direct, problem = parseURL(db.Options.DirectURL, false); problem != "" {
			refuse("direct_url", problem)
		}
	}
	if len(diags) > 0 {
		return nil, nil, diags
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
