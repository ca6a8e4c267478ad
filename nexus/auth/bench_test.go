//go:build unix

package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/nexus/auth"
)

// spent is the CPU time that this process has taken, in µs.
func spent(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec)*1e6 + float64(u.Utime.Usec+u.Stime.Usec)
}

// What it costs to know who makes a request: CPU time, so that it can be told
// on a machine that has other work too.
func BenchmarkIdentify(b *testing.B) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	l := newLogin(b)
	l.serve(rsaJWK(k, "kid", "r"), ecJWK(b, ec, "e"))
	d := open(b, l.issuer(), bySecret())
	_, key := d.key(b, auth.Key{Name: "ci", Roles: []string{"clerk"}})
	tokens := func(n int, alg, kid string, sign func(string) []byte) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = signed(header(alg, "kid", kid), d.claims("n", i, "email", "ada@example.org"), sign)
		}
		return list
	}
	measure := func(name string, credential func(i int) string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := ask("/api/orders")
			if _, err := d.Identify(ask("/api/orders", "Authorization", "Bearer "+credential(0))); err != nil {
				b.Fatal(err)
			}
			headers := make([]string, b.N)
			for i := range headers {
				headers[i] = "Bearer " + credential(i)
			}
			begin := spent(b)
			b.ResetTimer()
			for _, h := range headers {
				r.Header["Authorization"] = []string{h}
				if _, err := d.Identify(r); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric((spent(b)-begin)/float64(b.N), "µs-CPU/op")
		})
	}
	measure("key", func(int) string { return key })
	const unknown = 9000 // more than are remembered, so that each comes for the first time
	byRSA, byEC := tokens(unknown, "RS256", "r", rs256(k)), tokens(unknown, "ES256", "e", es(ec, crypto.SHA256))
	measure("token seen before", func(int) string { return byRSA[0] })
	measure("token for the first time/RS256", func(i int) string { return byRSA[(i+1)%unknown] })
	measure("token for the first time/ES256", func(i int) string { return byEC[(i+1)%unknown] })
	// What of that no code of ours can spare.
	sum := sha256.Sum256([]byte("some token"))
	byItself := func(name string, sign func() ([]byte, error), good func(sig []byte) bool) {
		b.Run("signature alone/"+name, func(b *testing.B) {
			sig, err := sign()
			if err != nil {
				b.Fatal(err)
			}
			begin := spent(b)
			for b.Loop() {
				if !good(sig) {
					b.Fatal("not good")
				}
			}
			b.ReportMetric((spent(b)-begin)/float64(b.N), "µs-CPU/op")
		})
	}
	byItself("RS256", func() ([]byte, error) { return rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]) },
		func(sig []byte) bool { return rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, sum[:], sig) == nil })
	byItself("ES256", func() ([]byte, error) { return ecdsa.SignASN1(rand.Reader, ec, sum[:]) },
		func(sig []byte) bool { return ecdsa.VerifyASN1(&ec.PublicKey, sum[:], sig) })
}
