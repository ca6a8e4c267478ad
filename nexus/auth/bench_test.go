package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
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
	l := newLogin(b)
	l.serve(rsaJWK(k, "kid", "r"))
	d := open(b, l.issuer(), bySecret())
	_, key := d.key(b, auth.Key{Name: "ci", Roles: []string{"clerk"}})
	tokens := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = signed(header("RS256", "kid", "r"), d.claims("n", i, "email", "ada@example.org"), rs256(k))
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
	seen := tokens(1)
	measure("token seen before", func(int) string { return seen[0] })
	many := tokens(9000) // more than are remembered, so that each comes for the first time
	measure("token for the first time", func(i int) string { return many[(i+1)%len(many)] })
}
