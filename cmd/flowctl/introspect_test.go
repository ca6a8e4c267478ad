package main

import "testing"

func TestNoPasswordIsWrittenIntoAFile(t *testing.T) {
	for at, want := range map[string]string{
		"sqlite:shop.db":                "sqlite:shop.db",
		"postgres://ann:secret@db/shop": "postgres://ann@db/shop",
		"postgres://db/shop?user=ann&password=secret&sslmode=disable":   "postgres://db/shop?sslmode=disable&user=ann",
		"postgres://ann:s%40cret@db/shop?sslpassword=secret&passfile=x": "postgres://ann@db/shop",
		"postgresql:///shop?host=/run/postgresql":                       "postgresql:///shop?host=%2Frun%2Fpostgresql",
	} {
		if got := withoutSecrets(at); got != want {
			t.Errorf("%s is written as %s, not %s", at, got, want)
		}
	}
}
