package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/spf13/cobra"
)

func keysCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the API keys of an app",
		Long: `keys looks after the API keys that callers of an app prove by who they are, in
the app's first database. The app must ask: Nexus(enable_auth = True).`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0], "to see its keys", "list")
			}
			cmd.SetOut(w.err)
			if err := cmd.Help(); err != nil {
				return err
			}
			return &usageError{} // help was shown, and nothing done
		},
	}
	cmd.AddCommand(keysCreateCommand(w), keysListCommand(w), keysRevokeCommand(w))
	return cmd
}

// withKeys opens an app's databases for what do does with its keys.
func withKeys(ctx context.Context, w *world, path string, do func(ctx context.Context, a *appFile, app *dataflow.App, keys *auth.Keys) error) error {
	a, err := findApp(path)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx, w, "stopping; press Ctrl+C again to stop at once")
	defer stop()
	gen, err := a.open(ctx, w, func(app *dataflow.App) error { return a.hasKeys(app) })
	if err != nil {
		return err
	}
	err = do(ctx, a, gen.Engine().App(), gen.Keys())
	if cerr := gen.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return a.explain(w, err)
}

// hasKeys refuses an app that has no API keys.
func (a *appFile) hasKeys(app *dataflow.App) error {
	switch {
	case !asksWho(app):
		return &usageError{a.display + a.base + " asks nobody who they are, so that a key is good for nothing",
			"write Nexus(enable_auth = True)"}
	case len(app.Databases) == 0 || app.Databases[0].Options.ExistingSchemaMode:
		return &usageError{a.display + a.base + " has no database to keep API keys in",
			"they are in a table of the runtime, which existing_schema_mode = True makes none of"}
	}
	return nil
}

func keysCreateCommand(w *world) *cobra.Command {
	var k auth.Key
	var expires string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create app.star NAME",
		Short: "Make an API key",
		Long: `create makes a key and writes it to standard output, this once: only a digest
of it is kept. NAME says what it is for.

  --role clerk               a role that access rules name; may be repeated
  --scope orders:read        what the key is good for, of what its roles may do;
                             may be repeated. Without, it is good for all of it:
                             read, write            rows of every model
                             orders:read            rows at /api/orders, and so on
                             workflows              every workflow
                             workflows:place_order  that one
                             metrics                /metrics
  --tenant acme              the tenant it acts for; '*' lets its bearer choose
                             by the header X-Tenant-ID
  --user ada                 on whose behalf: ctx.user.id. Without, it is a user
                             of its own, key:ID
  --expires 90d              after which time it is good no more`,
		Args: takes("app.star", "NAME"),
		PreRunE: func(cmd *cobra.Command, args []string) error {
			if k.Scoped = cmd.Flags().Changed("scope"); len(args) > 1 {
				k.Name = args[1]
			}
			return checkKey(&k, k.Name != "", expires, w.now()).orNil()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(cmd.Context(), w, args[0], func(ctx context.Context, _ *appFile, app *dataflow.App, keys *auth.Keys) error {
				var wrong usageErrors
				for _, s := range k.Scopes {
					if err := oneOfWords("--scope", s, access.Scopes(app)); err != nil {
						wrong = append(wrong, err)
					}
				}
				if err := wrong.orNil(); err != nil {
					return err
				}
				w.doubtRoles(app, k.Roles)
				made, text, err := keys.Create(ctx, k)
				switch {
				case err != nil:
					return err
				case asJSON:
					o := keyObject(made, w.now())
					o.Set("key", text)
					return printJSON(w, codec.AppendValue(nil, o))
				}
				fmt.Fprintln(w.out, text)
				fmt.Fprintf(w.err, "this is the only time that the key is shown; it is listed as %s\n", made.ID)
				return nil
			})
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&k.Roles, "role", nil, "a role of who calls with it; may be repeated")
	fl.StringArrayVar(&k.Scopes, "scope", nil, "what it is good for; may be repeated")
	fl.StringVar(&k.Tenant, "tenant", "", "the tenant it acts for, or '*'")
	fl.StringVar(&k.User, "user", "", "on whose behalf it is used")
	fl.StringVar(&expires, "expires", "", "how long it is good, as 90d")
	fl.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// checkKey refuses a key that can't be, and works out when it ends.
func checkKey(k *auth.Key, named bool, expires string, now time.Time) (wrong usageErrors) {
	for _, word := range []struct {
		flag, text string
		optional   bool
	}{{"NAME", k.Name, !named}, {"--tenant", k.Tenant, true}, {"--user", k.User, true}} {
		if !(word.optional && word.text == "") && !access.ValidTenant(word.text) {
			wrong = append(wrong, &usageError{fmt.Sprintf("%s can't be %q", word.flag, word.text), fmt.Sprintf("it is text of 1 to %d bytes", access.MaxTenant)})
		}
	}
	if dataflow.IsKeyUser(k.User) {
		wrong = append(wrong, &usageError{fmt.Sprintf("--user can't be %q", k.User), "ids like that are of keys; leave --user out for a key of its own"})
	}
	for _, role := range k.Roles {
		if role == "" || strings.ContainsFunc(role, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' }) {
			wrong = append(wrong, &usageError{fmt.Sprintf("--role can't be %q", role), "it is one word; write --role for each"})
		}
	}
	if expires == "" {
		return wrong
	}
	d, err := codec.ParseDuration(expires)
	if err != nil || d <= 0 {
		return append(wrong, &usageError{fmt.Sprintf("--expires can't be %q", expires), `write "90d" or "12h"`})
	}
	k.Expires = now.Add(d)
	return wrong
}

func keysListCommand(w *world) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list app.star",
		Short: "List the API keys, the oldest first",
		Args:  takes("app.star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(cmd.Context(), w, args[0], func(ctx context.Context, a *appFile, _ *dataflow.App, keys *auth.Keys) error {
				list, err := keys.List(ctx)
				switch {
				case err != nil:
					return err
				case asJSON:
					items := make([]any, len(list))
					for i, k := range list {
						items[i] = keyObject(k, w.now())
					}
					return printJSON(w, codec.AppendValue(nil, dataflow.ObjectOf("keys", items, "count", int64(len(items)))))
				case len(list) == 0:
					fmt.Fprintf(w.err, "there are no keys; make one with: flowctl keys create %s%s NAME\n", a.display, a.base)
					return nil
				}
				return writeKeys(w.out, list, w.now())
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func keysRevokeCommand(w *world) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke app.star ID",
		Short: "End an API key for good",
		Long: fmt.Sprintf(`revoke ends a key, which can't be undone. Every process that serves the app
refuses it within %s.`, auth.KeyFresh),
		Args: takes("app.star", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasPrefix(args[1], auth.KeyMark) {
				return &usageError{"a key is revoked by its id, which is no secret", "see its id with: flowctl keys list " + args[0]}
			}
			return withKeys(cmd.Context(), w, args[0], func(ctx context.Context, a *appFile, _ *dataflow.App, keys *auth.Keys) error {
				k, err := keys.Revoke(ctx, args[1])
				switch {
				case err != nil && dataflow.AsError(err).Code == "not_found":
					return &usageError{fmt.Sprintf("there is no API key %q", args[1]), fmt.Sprintf("see them with: flowctl keys list %s%s", a.display, a.base)}
				case err != nil:
					return err
				case asJSON:
					return printJSON(w, codec.AppendValue(nil, keyObject(k, w.now())))
				}
				fmt.Fprintf(w.out, "revoked the key %s (%s)\n", k.ID, k.Name)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// status is how a key stands, in a word.
func keyStatus(k *auth.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Over(now):
		return "expired"
	}
	return "good"
}

func keyObject(k *auth.Key, now time.Time) *dataflow.Object {
	list := func(words []string) []any {
		out := make([]any, len(words))
		for i, word := range words {
			out[i] = word
		}
		return out
	}
	o := dataflow.ObjectOf("id", k.ID, "name", k.Name, "status", keyStatus(k, now), "roles", list(k.Roles))
	if k.Scoped {
		o.Set("scopes", list(k.Scopes))
	}
	for _, part := range []struct{ name, v string }{{"tenant", k.Tenant}, {"user", k.User}} {
		if part.v != "" {
			o.Set(part.name, part.v)
		}
	}
	o.Set("created_at", k.Created)
	for _, part := range []struct {
		name string
		t    time.Time
	}{{"expires_at", k.Expires}, {"revoked_at", k.Revoked}, {"used_at", k.Used}} {
		if !part.t.IsZero() {
			o.Set(part.name, part.t.UTC().Truncate(time.Microsecond))
		}
	}
	return o
}

func writeKeys(out io.Writer, list []*auth.Key, now time.Time) error {
	words := func(words []string, none string) string {
		if len(words) == 0 {
			return none
		}
		return strings.Join(slices.Sorted(slices.Values(words)), ",")
	}
	orDash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return table(out, func(w io.Writer) {
		fmt.Fprint(w, "ID\tNAME\tSTATUS\tROLES\tSCOPES\tTENANT\tUSER\tCREATED\tEXPIRES\tUSED\n")
		for _, k := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, keyStatus(k, now), words(k.Roles, "-"), words(k.Scopes, "all"),
				orDash(k.Tenant), orDash(k.User), instant(k.Created), instant(k.Expires), instant(k.Used))
		}
	})
}
