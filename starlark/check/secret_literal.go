package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"go.starlark.net/syntax"
)

var (
	// secretText matches keys by the forms that their issuers give them.
	secretText = lazyregexp.New(`^(sk_live_|sk-[A-Za-z0-9]{20}|ghp_[A-Za-z0-9]{20}|github_pat_|xox[baprs]-|flk_[a-z2-7]{12}_|AKIA[0-9A-Z]{16}$|-----BEGIN [A-Z ]*PRIVATE KEY|Bearer [A-Za-z0-9._~+/-]{16})`)
	// issued is what those begin with.
	issued = []string{"sk", "ghp_", "github_pat_", "xox", "flk_", "AKIA", "-----BEGIN ", "Bearer "}
	// urlPassword matches the password in a URL.
	urlPassword = lazyregexp.New(`^[a-z][a-z0-9+.-]*://[^/?#@:]*:[^/?#@]+@`)
)

var secretLiteral = Rule{
	Code: "FC510", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "postgres://shop:hunter2@db.example.com/shop")  # here
`,
	Good: `db = DataFlow(database_url = env("DATABASE_URL", default = "sqlite:app.db"))
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				switch n := n.(type) {
				case *syntax.Literal:
					if s, ok := text(n); ok && isSecretText(s) {
						p.secret(f, n)
					}
				case *syntax.BinaryExpr: // api_key = "…" in a call
					if id, ok := n.X.(*syntax.Ident); ok && n.Op == syntax.EQ {
						p.secretUnder(f, id.Name, n.Y)
					}
				case *syntax.DictEntry:
					if name, ok := text(n.Key); ok && !isWhatIsWrong(n.Value) {
						p.secretUnder(f, name, n.Value)
					}
				case *syntax.AssignStmt:
					if id, ok := n.LHS.(*syntax.Ident); ok {
						p.secretUnder(f, id.Name, n.RHS)
					}
				}
			})
		}
	},
}

// isWhatIsWrong reports whether a text is a word for what is wrong with a value,
// as in {"password": "too_short"}.
func isWhatIsWrong(e syntax.Expr) bool {
	s, _ := text(e)
	switch s {
	case "required", "expired", "mismatch", "incorrect", "forbidden", "unchanged":
		return true
	}
	return strings.Contains(s, "_") && !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
}

// isSecret reports whether a parameter, key or variable of that name holds a secret.
func isSecret(name string) bool {
	return endsIn(name, "password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "privatekey", "authorization", "credential", "credentials")
}

// isSecretText reports whether a text is a secret by its form alone.
func isSecretText(s string) bool {
	known := slices.ContainsFunc(issued, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
	return known && secretText.MatchString(s) || strings.Contains(s, "@") && urlPassword.MatchString(s)
}

// secretUnder reports a literal that stands under a secret's name. A reference
// to the environment is none, nor is a word short enough to name something.
func (p *pass) secretUnder(f *file, name string, e syntax.Expr) {
	s, ok := text(e)
	if !ok || len(s) < 8 || strings.Contains(s, "${") || strings.ContainsAny(s, " ") || !isSecret(name) {
		return
	}
	p.secret(f, e)
}

func (p *pass) secret(f *file, e syntax.Expr) {
	at := f.span(e)
	for _, d := range p.found {
		if d.Code == p.code && d.Span == at {
			return
		}
	}
	p.report(at, "a secret stands in the file, where everyone who reads the file has it", `keep it in the environment: env("NAME")`)
}
