//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// watch is a shell that runs a server ($3 and what follows) in a folder ($1),
// ends it by a signal ($2) when the test process lets go of the pipe to its
// standard input, which it does however it ends, and tidies up. The server is
// known by its process id alone.
const watch = `exec 3<&0
dir=$1 signal=$2
shift 2
"$@" >>"$dir/log" 2>&1 </dev/null 3<&- &
server=$!
(read -r _ <&3; kill -"$signal" $server) &
reader=$!
wait $server
kill $reader 2>/dev/null
[ -e "$dir/ready" ] && rm -rf "$dir"`

// settings keep a server small. What is committed is written to disk, as in
// earnest.
const settings = `
listen_addresses = '127.0.0.1'
port = %d
max_connections = 100
shared_buffers = 32MB
max_wal_size = 256MB
autovacuum = off
log_min_messages = fatal
log_min_error_statement = panic
deadlock_timeout = 100ms
`

// start makes a server with a folder of its own and starts it.
func start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "flowctl-pg-")
	if err != nil {
		return "", err
	}
	address, err := startIn(bin, dir)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("%w\n%s", err, log)
	}
	return address, nil
}

func startIn(bin, dir string) (string, error) {
	i, err := install(bin, dir, "")
	if err != nil {
		return "", err
	}
	return i.address(), i.start()
}

// installation is a server's files, and its process while there is one.
type installation struct {
	dir     string
	port    int
	command []string
	signal  string // that ends it
	attr    *syscall.SysProcAttr
	hold    io.Closer // ends it too
	ended   chan struct{}
}

// someone is how a server is run: not as root, which servers refuse, and away
// from the terminal, whose interrupt is the test's.
func someone(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	uid, gid, err := another()
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return attr, os.Chown(dir, int(uid), int(gid))
}

// install makes the files of a server in dir, with further settings.
func install(bin, dir, more string) (*installation, error) {
	attr, err := someone(dir)
	if err != nil {
		return nil, err
	}
	if err := initialize(bin, dir, attr); err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, settings+more, port)
	command := []string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir}
	return &installation{dir: dir, port: port, attr: attr, command: command, signal: "INT"}, errors.Join(err, f.Close())
}

// address is the URL of the server.
func (i *installation) address() string {
	return (&url.URL{Scheme: "postgres", User: url.User("flow"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(i.port)), Path: "/postgres"}).String()
}

// start starts the server and waits until it answers.
func (i *installation) start() error {
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, "sh", i.dir, i.signal}, i.command...)...)
	cmd.Dir, cmd.SysProcAttr = i.dir, i.attr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	i.hold, i.ended = hold, make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it has to say is in the log
		close(i.ended)
	}()
	err = ready(i.address(), i.ended)
	if err == nil {
		err = os.WriteFile(i.mark(), nil, 0o600) // from now on the shell tidies up
	}
	if err != nil {
		_ = hold.Close()
		<-i.ended
	}
	return err
}

// mark is the file that tells the shell to tidy up.
func (i *installation) mark() string { return filepath.Join(i.dir, "ready") }

// initialize makes the server's files. Its databases sort by the rules of a
// language where it can, so that what must sort by bytes shows.
func initialize(bin, dir string, attr *syscall.SysProcAttr) error {
	common := []string{"-D", filepath.Join(dir, "data"), "-U", "flow", "-A", "trust", "-E", "UTF8", "--no-sync"}
	for _, locale := range [][]string{{"--locale=C", "--locale-provider=icu", "--icu-locale=en-US"}, {"--locale=C"}} {
		cmd := exec.Command(filepath.Join(bin, "initdb"), slices.Concat(common, locale)...)
		cmd.Dir, cmd.SysProcAttr = dir, attr
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if locale[len(locale)-1] == "--locale=C" {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
		_ = os.RemoveAll(filepath.Join(dir, "data"))
	}
	return nil
}

// binaries finds the newest server that is installed.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if _, err := exec.LookPath(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		dirs, _ := filepath.Glob(pattern) // fails only on a malformed pattern
		for _, dir := range dirs {
			if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err == nil {
				found = append(found, dir)
			}
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("its programs are neither on PATH nor in the usual places; FLOWCTL_TEST_POSTGRES may name a server")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return found[len(found)-1], nil
}

// version is the number in the name of a folder.
func version(dir string) int {
	n, _ := strconv.Atoi(strings.TrimFunc(dir, func(r rune) bool { return r < '0' || r > '9' }))
	return n
}

// another finds a user that is not root.
func another() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookup := user.Lookup(name)
		if lookup != nil {
			err = lookup
			continue
		}
		id, err1 := strconv.ParseUint(u.Uid, 10, 32)
		group, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(id), uint32(group), nil
		}
	}
	return 0, 0, fmt.Errorf("PostgreSQL does not run as root, and there is no other user to run it as: %w", err)
}
