//go:build unix

package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	a := new(authority)
	var key []byte
	a.pem, key = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	block, _ := pem.Decode(a.pem)
	a.cert = certificate(t, block.Bytes)
	block, _ = pem.Decode(key)
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	a.key = private
	return a
}

func certificate(t *testing.T, der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sign makes a certificate and its key. Without a key of its own the authority
// signs its own.
func (a *authority) sign(t *testing.T, c *x509.Certificate) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(1)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := c, k
	if a.key != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

func (a *authority) file(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, a.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tlsServer starts a server whose certificate is good for one address. Of
// plain connections it takes none.
func tlsServer(t *testing.T, a *authority, c *x509.Certificate) (url string) {
	cert, key := a.sign(t, c)
	s := pgtest.Start(t, "ssl = on\nhba_file = 'data/tls_hba'\n", map[string][]byte{
		"server.crt": cert, "server.key": key,
		"tls_hba": []byte("hostssl all all 127.0.0.1/32 trust\n"),
	})
	return strings.Replace(s.URL(), "flow@", "flow:s3cret@", 1)
}

func TestTLS(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	known, unknown := ours.file(t), others.file(t)
	here := tlsServer(t, ours, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	elsewhere := tlsServer(t, ours, &x509.Certificate{DNSNames: []string{"db.example.org"}})
	expired := tlsServer(t, ours, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-time.Hour)})
	plain := strings.Replace(pgtest.URL(t), "flow@", "flow:s3cret@", 1)
	for _, test := range []struct{ url, options, want string }{
		{here, "sslmode=require", ""},
		{here, "sslmode=verify-ca&sslrootcert=" + known, ""},
		{here, "sslmode=verify-full&sslrootcert=" + known, ""},
		{here, "", ""}, // prefers TLS
		{here, "sslmode=disable", "refuses the user: no pg_hba.conf entry for host \"127.0.0.1\", user \"flow\", database \"postgres\", no encryption"},
		{here, "sslmode=verify-full", "can't be trusted: its certificate is signed by an authority that is not known here"},
		{here, "sslmode=verify-ca&sslrootcert=" + unknown, "can't be trusted: its certificate is signed by an authority that is not known here"},
		{here, "sslmode=verify-full&sslrootcert=" + unknown, "can't be trusted: its certificate is signed by an authority that is not known here"},
		{elsewhere, "sslmode=verify-ca&sslrootcert=" + known, ""},
		{elsewhere, "sslmode=verify-full&sslrootcert=" + known, "can't be trusted: its certificate is for db.example.org, not for 127.0.0.1"},
		{expired, "sslmode=require", ""},
		{expired, "sslmode=verify-full&sslrootcert=" + known, "can't be trusted: its certificate has expired, or is not valid yet"},
		{plain, "sslmode=require", "can't be trusted: it has no TLS, and the sslmode of the URL asks for it"},
		{plain, "sslmode=verify-full&sslrootcert=" + known, "can't be trusted: it has no TLS, and the sslmode of the URL asks for it"},
		{plain, "sslmode=disable", ""},
	} {
		db := database(test.url+"?"+test.options, model("Thing", "things"))
		s, _, diags := Opener{}.Open(t.Context(), db, store.Options{})
		if s != nil {
			in := ask(t, s.(*Store).pool.Config().ConnString(), "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()")
			if encrypted := in == "1"; encrypted != (test.url != plain) {
				t.Errorf("%s: encrypted: %v", test.options, encrypted)
			}
			s.Close()
		}
		got := ""
		if len(diags) > 0 {
			got = diags[0].Message
			if diags[0].Code != "FC602" || diags[0].Hint == "" || strings.Contains(got+diags[0].Hint, "s3cret") {
				t.Errorf("%s: %+v", test.options, diags[0])
			}
		}
		if want := test.want; want != "" {
			want = "the database " + seenAs(t, test.url) + " " + want
			if got != want {
				t.Errorf("%s:\n got %s\nwant %s", test.options, got, want)
			}
		} else if got != "" {
			t.Errorf("%s: %s", test.options, got)
		}
	}
	for _, options := range []string{"sslmode=sometimes", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem"} {
		diags := Opener{}.CheckURL(database(here+"?"+options, model("Thing", "things")))
		if len(diags) != 1 || diags[0].Code != "FC601" || strings.Contains(diags[0].Message, "s3cret") {
			t.Errorf("%s: %+v", options, diags)
		}
	}
}
