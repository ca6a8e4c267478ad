//go:build unix

package pgtest

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// pooled is PgBouncer's configuration. There are few connections to the
// server, so that each transaction finds another one.
const pooled = `[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
server_idle_timeout = 2
ignore_startup_parameters = idle_in_transaction_session_timeout, intervalstyle, bytea_output, extra_float_digits, default_transaction_isolation, default_transaction_deferrable, quote_all_identifiers, array_nulls, transform_null_equals
unix_socket_dir =
`

// Pooled returns the URL of a database by way of a PgBouncer that gives each
// transaction any connection. The pooler is the process's, as the server is.
func Pooled(t testing.TB, at string) string {
	t.Helper()
	via, err := ThroughPooler(at)
	if err != nil {
		if os.Getenv("FLOWCTL_REQUIRE_POSTGRES") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	return via
}

// ThroughPooler is Pooled for what is no testing.TB.
func ThroughPooler(at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	host, err := pooler()
	if err != nil {
		return "", fmt.Errorf("no PgBouncer to test with: %w", err)
	}
	d, err := server()
	if err != nil {
		return "", err
	}
	d.throughPooler(u)
	u.Host = host
	return u.String(), nil
}

// pooler starts the PgBouncer of this process and returns where it listens.
var pooler = sync.OnceValues(func() (string, error) {
	d, err := server()
	if err != nil {
		return "", err
	}
	behind, err := url.Parse(d.base)
	if err != nil {
		return "", err
	}
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return "", err
		}
	}
	dir, err := os.MkdirTemp("", "flowctl-pgbouncer-")
	if err != nil {
		return "", err
	}
	i, err := startPooler(bin, dir, behind)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("%w\n%s", err, log)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(i.port)), nil
})

func startPooler(bin, dir string, behind *url.URL) (*installation, error) {
	attr, err := someone(dir)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	user := behind.User.Username()
	if password, ok := behind.User.Password(); ok {
		user += " password='" + strings.ReplaceAll(password, "'", "''") + "'"
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, pooled, behind.Hostname(), cmp.Or(behind.Port(), "5432"), user, port), 0o600); err != nil {
		return nil, err
	}
	if c := attr.Credential; c != nil {
		if err := os.Chown(config, int(c.Uid), int(c.Gid)); err != nil {
			return nil, err
		}
	}
	i := &installation{dir: dir, port: port, attr: attr, command: []string{bin, config}, signal: "TERM"}
	return i, i.start()
}
