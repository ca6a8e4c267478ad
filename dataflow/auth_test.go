package dataflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

func TestValidateAuth(t *testing.T) {
	secret := strings.Repeat("s", dataflow.MinTokenSecret)
	bySecret := func(set func(*dataflow.Issuer)) *dataflow.Issuer {
		i := &dataflow.Issuer{Secret: secret, User: "sub"}
		set(i)
		return i
	}
	byKeys := func(url string) *dataflow.Issuer {
		return &dataflow.Issuer{JWKS: url, Issuer: "https://login.example.org", Audience: []string{"shop"}, User: "sub"}
	}
	for name, c := range map[string]struct {
		issuers []*dataflow.Issuer
		spoil   func(*dataflow.App)
		want    string
	}{
		"keys alone":      {},
		"a secret":        {issuers: []*dataflow.Issuer{bySecret(func(*dataflow.Issuer) {})}},
		"public keys":     {issuers: []*dataflow.Issuer{byKeys("https://login.example.org/jwks")}},
		"a test's server": {issuers: []*dataflow.Issuer{byKeys("http://127.0.0.1:999/jwks")}},
		"a secret that changes": {issuers: []*dataflow.Issuer{
			bySecret(func(*dataflow.Issuer) {}), bySecret(func(i *dataflow.Issuer) { i.Secret += "2" })}},
		"nothing to check with": {issuers: []*dataflow.Issuer{{User: "sub"}},
			want: "FC721 error: a token is checked by a secret or by the issuer's public keys"},
		"both": {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.JWKS = "https://a" })},
			want: "FC721 error: a token is checked by a secret or by the issuer's public keys"},
		"a short secret": {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.Secret = secret[1:] })},
			want: "FC721 error: the secret has less than 32 bytes"},
		"keys in clear": {issuers: []*dataflow.Issuer{byKeys("http://login.example.org/jwks")},
			want: `FC721 error: "http://login.example.org/jwks" is no address of public keys`},
		"no address": {issuers: []*dataflow.Issuer{byKeys("file:///etc/passwd")}, want: "FC721 error"},
		"for anybody": {issuers: []*dataflow.Issuer{{JWKS: "https://a/jwks", Issuer: "https://a", User: "sub"}},
			want: "FC721 error: tokens by public keys need issuer and audience"},
		"a slow clock":   {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.ClockSkew = time.Hour })}, want: "FC721 error: clocks don't differ"},
		"nobody":         {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.User = "" })}, want: "FC721 error: a claim must say"},
		"a claim for id": {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.Claims = []string{"id"} })}, want: `FC721 error: the claim "id" can't be a part of ctx.user`},
		"a claim twice":  {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.Claims = []string{"a", "a"} })}, want: `FC721 error: the claim "a"`},
		"users like keys": {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.Prefix = "key:" })},
			want: `FC721 error: "key:" begins the ids of API keys`},
		"users alike": {issuers: []*dataflow.Issuer{bySecret(func(*dataflow.Issuer) {}), byKeys("https://a/jwks")},
			want: "FC722 error: a user of this issuer could have the id of another's"},
		"users apart": {issuers: []*dataflow.Issuer{bySecret(func(i *dataflow.Issuer) { i.Prefix = "staff:" }), byKeys("https://a/jwks")}},
		"no database for keys": {spoil: func(a *dataflow.App) { a.Databases = nil },
			want: "FC723 error: nobody could ever call the app"},
		"a database without tables of ours": {spoil: func(a *dataflow.App) { a.Databases[0].Options.ExistingSchemaMode = true },
			want: "FC723 error: nobody could ever call the app"},
		"tokens alone": {issuers: []*dataflow.Issuer{bySecret(func(*dataflow.Issuer) {})}, spoil: func(a *dataflow.App) { a.Databases = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			app := build(named("Thing"))
			app.Server = &dataflow.Server{EnableAuth: true, Auth: dataflow.Auth{Issuers: c.issuers}}
			if c.spoil != nil {
				c.spoil(app)
			}
			got := diagnostics(dataflow.Validate(app))
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if strings.Contains(got, secret[1:]) {
				t.Error("the secret is shown")
			}
		})
	}
}
